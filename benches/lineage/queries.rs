//! The questions, each asked for rows, for edges, and for counts.

use serde_json::Value;

use super::data::Roots;
use super::floor::{Walk, What};
use super::json;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Upstream,
    Downstream,
    Both,
}

pub struct Query {
    pub name: String,
    /// The versions from which it is asked, in turn.
    pub roots: Vec<i64>,
    pub walk: Walk,
    /// What all rows may cost, in times of what the floor costs on SQLite.
    pub goal: f64,
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::Upstream => "UPSTREAM",
            Self::Downstream => "DOWNSTREAM",
            Self::Both => "BOTH",
        }
    }
}

impl What {
    pub const ALL: [Self; 3] = [Self::Rows, Self::Edges, Self::Counts];

    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Edges => "edges",
            Self::Counts => "counts",
        }
    }

    /// The selection, with its fields in the order in which the floor writes them.
    fn selection(self) -> &'static str {
        match self {
            Self::Rows => {
                "nodes { node { id \
                 ... on Version { version createdAt artifact { project domain name } partition { values { key value } timePartition { start } } } \
                 ... on Execution { name state startedAt endedAt } } } \
                 edges { source target role name }"
            }
            Self::Edges => "edges { source target role name }",
            Self::Counts => "nodeCount counts { distance kind count } complete",
        }
    }

    pub fn document(self) -> String {
        format!(
            "query($roots: [ID!]!, $options: LineageOptions) {{ lineage(roots: $roots, options: $options) {{ {} }} }}",
            self.selection()
        )
    }
}

/// A walk's arguments, with a limit that no answer here reaches.
pub fn variables(roots: &[String], direction: Direction, depth: Option<u32>) -> Value {
    serde_json::json!({ "roots": roots, "options": { "direction": direction.name(), "depth": depth, "limit": 1_000_000 } })
}

impl Query {
    pub fn variables(&self, root: i64) -> Value {
        variables(&[json::version_id(root)], self.walk.direction, self.walk.hops)
    }
}

/// All that a store of this size can be asked.
pub fn all(roots: &Roots) -> Vec<Query> {
    let walk = |direction, hops| Walk { direction, hops };
    let mut queries = vec![
        Query {
            name: "upstream, depth 3".to_owned(),
            roots: roots.typical.clone(),
            walk: walk(Direction::Upstream, Some(6)),
            goal: 0.8,
        },
        Query {
            name: "upstream of day 365, unlimited".to_owned(),
            roots: vec![roots.day],
            walk: walk(Direction::Upstream, None),
            goal: 0.6,
        },
    ];
    for &(consumers, hub) in &roots.hubs {
        for executions in [1, 3] {
            queries.push(Query {
                name: format!("downstream of a hub read by {consumers}, depth {executions}"),
                roots: vec![hub],
                walk: walk(Direction::Downstream, Some(2 * executions)),
                goal: 0.5,
            });
        }
    }
    queries
}
