//! An answer as a picture or a table, for people.

use super::edges::Edge;
use super::graph::Snapshot;
use super::node::{Kind, Node};
use super::walk::{Stop, Walked};
use crate::domain::time::Window;

/// How an answer is drawn or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A flowchart of Mermaid.
    Mermaid,
    /// A digraph of Graphviz.
    Dot,
    /// One JSON object with `nodes` and `edges`.
    Json,
    /// A table of the edges, by RFC 4180.
    Csv,
}

impl Stop {
    /// As in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Depth => "DEPTH",
            Self::Limit => "LIMIT",
            Self::FanOut => "FAN_OUT",
            Self::Deadline => "DEADLINE",
            Self::Hidden => "HIDDEN",
        }
    }
}

/// Draws the page of a walk with its edges; `id` names nodes as the API does.
pub fn draw(
    format: Format,
    graph: Snapshot<'_>,
    walked: &Walked,
    edges: &[Edge],
    id: impl Fn(Node) -> String,
) -> String {
    match format {
        Format::Mermaid => mermaid(graph, walked, edges, id),
        Format::Dot => dot(graph, walked, edges, id),
        Format::Json => json(graph, walked, edges, id),
        Format::Csv => csv(graph, walked, edges, id),
    }
}

/// What a node is called: a version by its artifact, a partition by its values.
pub fn label(graph: Snapshot<'_>, node: Node) -> String {
    let [_, _, name] = graph.key(graph.artifact_of(node).unwrap_or(node));
    match node.kind() {
        Kind::Artifact | Kind::Execution => name.to_owned(),
        Kind::Version => format!("{name}@{}", graph.version_name(node)),
        Kind::Partition => {
            let values = graph
                .values(node)
                .into_iter()
                .map(|(key, value)| format!("{key}={value}"));
            let window = graph.window(node).map(Window::label);
            format!("{name} [{}]", values.chain(window).collect::<Vec<_>>().join(", "))
        }
    }
}

/// What a comment says of an answer that is not whole; none when it is.
fn remark(walked: &Walked) -> Option<String> {
    let stops: Vec<&str> = walked.stops().iter().map(|stop| stop.as_str()).collect();
    (!stops.is_empty()).then(|| format!("not complete: {}", stops.join(", ")))
}

fn mermaid(graph: Snapshot<'_>, walked: &Walked, edges: &[Edge], id: impl Fn(Node) -> String) -> String {
    let mut text = "flowchart LR\n".to_owned();
    if let Some(remark) = remark(walked) {
        text.push_str(&format!("  %% {remark}\n"));
    }
    let quoted = |label: &str| format!("\"{}\"", mermaid_text(label));
    for (node, _) in walked.nodes() {
        let label = quoted(&label(graph, node));
        let shape = match node.kind() {
            Kind::Artifact => format!("[({label})]"),
            Kind::Partition => format!("[/{label}/]"),
            Kind::Version => format!("[{label}]"),
            Kind::Execution => format!("([{label}])"),
        };
        text.push_str(&format!("  {}{shape}\n", id(node)));
    }
    for edge in edges {
        let arrow = match edge.name(graph) {
            Some(name) => format!("-->|{}|", quoted(name)),
            None => "-.->".to_owned(),
        };
        text.push_str(&format!("  {} {arrow} {}\n", id(edge.source), id(edge.target)));
    }
    text
}

/// Mermaid writes special characters by number.
fn mermaid_text(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '#' | '&' | '<' | '>' | ';' | '`' | '\\' => written.push_str(&format!("#{};", u32::from(character))),
            _ => written.push(character),
        }
    }
    written
}

fn dot(graph: Snapshot<'_>, walked: &Walked, edges: &[Edge], id: impl Fn(Node) -> String) -> String {
    let mut text = "digraph lineage {\n  rankdir=LR;\n".to_owned();
    if let Some(remark) = remark(walked) {
        text.push_str(&format!("  // {remark}\n"));
    }
    for (node, _) in walked.nodes() {
        let shape = match node.kind() {
            Kind::Artifact => "cylinder",
            Kind::Partition => "folder",
            Kind::Version => "box",
            Kind::Execution => "ellipse",
        };
        let label = dot_text(&label(graph, node));
        text.push_str(&format!("  {} [label={label}, shape={shape}];\n", id(node)));
    }
    for edge in edges {
        let style = match edge.name(graph) {
            Some(name) => format!("label={}", dot_text(name)),
            None => "style=dashed".to_owned(),
        };
        text.push_str(&format!("  {} -> {} [{style}];\n", id(edge.source), id(edge.target)));
    }
    text.push_str("}\n");
    text
}

fn dot_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn json(graph: Snapshot<'_>, walked: &Walked, edges: &[Edge], id: impl Fn(Node) -> String) -> String {
    let nodes: Vec<serde_json::Value> = walked
        .nodes()
        .map(|(node, distance)| {
            let [project, domain, name] = graph.key(graph.artifact_of(node).unwrap_or(node));
            let mut object = serde_json::json!({
                "id": id(node),
                "kind": node.kind().as_str(),
                "label": label(graph, node),
                "distance": distance,
                "project": project,
                "domain": domain,
                "name": name,
            });
            if node.kind() == Kind::Version {
                object["version"] = graph.version_name(node).into();
                object["createdAt"] = graph.created_at(node).to_string().into();
            }
            object
        })
        .collect();
    let edges: Vec<serde_json::Value> = edges
        .iter()
        .map(|edge| {
            serde_json::json!({
                "source": id(edge.source),
                "target": id(edge.target),
                "role": edge.role.as_str(),
                "name": edge.name(graph),
                "recordedAt": graph.time_of(edge.revision()).to_string(),
            })
        })
        .collect();
    let stops: Vec<&str> = walked.stops().iter().map(|stop| stop.as_str()).collect();
    let all = serde_json::json!({
        "revision": graph.revision(),
        "complete": stops.is_empty(),
        "stoppedBy": stops,
        "nodes": nodes,
        "edges": edges,
    });
    format!("{all:#}\n")
}

fn csv(graph: Snapshot<'_>, walked: &Walked, edges: &[Edge], id: impl Fn(Node) -> String) -> String {
    let mut text = "source,sourceKind,sourceLabel,role,name,target,targetKind,targetLabel,recordedAt\r\n".to_owned();
    let mut row = |cells: [String; 9]| {
        let cells: Vec<String> = cells.iter().map(|cell| csv_text(cell)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    };
    let node = |node: Node| [id(node), node.kind().as_str().to_owned(), label(graph, node)];
    let mut joined = rustc_hash::FxHashSet::default();
    for edge in edges {
        joined.extend([edge.source, edge.target]);
        let ([a, b, c], [d, e, f]) = (node(edge.source), node(edge.target));
        let name = edge.name(graph).unwrap_or_default().to_owned();
        let recorded_at = graph.time_of(edge.revision()).to_string();
        row([a, b, c, edge.role.as_str().to_owned(), name, d, e, f, recorded_at]);
    }
    // A node without an edge has a row of its own.
    for (alone, _) in walked.nodes().filter(|(node, _)| !joined.contains(node)) {
        let [a, b, c] = node(alone);
        row([
            a,
            b,
            c,
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
        ]);
    }
    text
}

/// In quotation marks where it has to be; a cell that a spreadsheet would take for a formula gets an apostrophe in front.
fn csv_text(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t']) {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}
