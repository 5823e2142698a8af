/** What the first tab holds; it answers on every store, an empty one too. */
export const WELCOME = `# Welcome to Heirloom: which version of what exists,
# who produced it, who consumed it.
#
# Press Ctrl-Enter (or the play button) to send the query
# below. The tabs beside this one are examples that work on
# the sample data; the list icon on the left has all of them,
# the icon above it the documentation of the whole schema.
#
#   Ctrl-Space     what could stand here
#   Ctrl-click     on a name: its documentation
#   Shift-Ctrl-P   format the query

query Welcome {
  revision {
    number
    recordedAt
  }
  projects {
    name
    domains {
      name
      artifactCount
    }
  }
}
`;
