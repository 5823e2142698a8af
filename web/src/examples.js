// The example queries of docs/queries, built into the page. The same files are run by the
// integration tests, so what the page offers is known to work.

/** How many examples open as tabs; all of them are listed in the sidebar. */
export const EXAMPLE_TABS = 6;

const DIRECTIVE = /^#>\s*(\w+):\s*(.*)$/;
const CONTINUED = /^#>(.*)$/;

/**
 * Reads one file: comment lines for the reader (the first is `# Title: explanation`), lines `#> name: value`
 * for the machine, whose values may go on in further `#>` lines, then the operation. The variables come back
 * formatted; `#>` lines are not shown.
 */
export function parseExample(path, text) {
  const directives = {};
  const shown = [];
  let last = null;
  for (const line of text.split(/\r?\n/)) {
    const directive = DIRECTIVE.exec(line);
    const continued = CONTINUED.exec(line);
    if (directive) directives[(last = directive[1])] = directive[2];
    else if (continued) directives[last] += `\n${continued[1]}`;
    else shown.push(line);
  }
  const comment = [];
  for (const line of shown) {
    if (!line.startsWith('#')) break;
    comment.push(line.replace(/^#\s?/, ''));
  }
  const [title, ...explanation] = comment.join(' ').split(': ');
  return {
    path,
    title: title || path,
    explanation: explanation.join(': ').trim(),
    query: shown.join('\n').trim() + '\n',
    variables: directives.variables ? formatVariables(path, directives.variables) : null,
  };
}

function formatVariables(path, json) {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch (error) {
    throw new Error(`${path}: the variables are no JSON: ${error.message}`);
  }
}

/** All examples in the order of their file names, which is the order to read them in. */
export function readExamples(files) {
  return Object.keys(files)
    .sort()
    .map((path) => parseExample(path, files[path]));
}
