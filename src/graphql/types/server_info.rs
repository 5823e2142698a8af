//! What a client may count on.

use async_graphql::SimpleObject;

use crate::config;

/// This server.
#[derive(SimpleObject, Clone, Debug)]
pub struct ServerInfo {
    /// The version of Heirloom that it runs, such as `0.1.0`.
    pub version: &'static str,
    /// What one request may ask for.
    pub limits: Limits,
}

/// What one request may ask for. Whatever exceeds a limit is refused with LIMIT_EXCEEDED, which names the limit and the number
/// asked for.
#[derive(SimpleObject, Clone, Debug)]
pub struct Limits {
    /// Levels of fields in an operation.
    pub depth: i32,
    /// The estimated cost of an operation, in fields: a page counts its size times the cost of one of its nodes.
    pub complexity: i32,
    /// Aliases in a document.
    pub aliases: i32,
    /// Directives in a document.
    pub directives: i32,
    /// Fields at the top of an operation.
    pub root_fields: i32,
    /// Fields in an operation, fragments counted where they are spread.
    pub fields: i32,
    /// Lexical tokens in a document: names, numbers, strings and punctuation.
    pub tokens: i32,
    /// Bytes in one answer, before it is compressed.
    pub answer_bytes: i32,
    /// The size of a page when a query does not say `first` or `last`.
    pub page_default: i32,
    /// The largest `first` or `last`.
    pub page_maximum: i32,
    /// Ids in one `nodes`.
    pub node_ids_maximum: i32,
    /// Records in one `ingest`.
    pub ingest_records_maximum: i32,
    /// OpenLineage events in one `POST /api/v1/lineage/batch`.
    pub event_batch_maximum: i32,
    /// Roots of one `lineage`.
    pub lineage_roots_maximum: i32,
    /// The largest `limit` of a `lineage`.
    pub lineage_nodes_maximum: i32,
    /// Edges on one page of a `lineage`.
    pub lineage_edges_maximum: i32,
    /// Nodes and edges of a page that `export` draws.
    pub lineage_export_maximum: i32,
    /// The largest `first` of `lineagePaths`.
    pub lineage_paths_maximum: i32,
    /// How long one walk may take, in milliseconds.
    pub lineage_deadline_ms: i32,
}

impl ServerInfo {
    /// Of this program, with the limits that it was given.
    pub fn new(limits: &config::Limits) -> Self {
        let int = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        let limits = Limits {
            depth: int(limits.depth),
            complexity: int(limits.complexity),
            aliases: int(limits.aliases),
            directives: int(limits.directives),
            root_fields: int(limits.root_fields),
            fields: int(limits.fields),
            tokens: int(limits.tokens),
            answer_bytes: int(limits.answer_bytes),
            page_default: int(limits.page_default),
            page_maximum: int(limits.page_maximum),
            node_ids_maximum: int(limits.node_ids_maximum),
            ingest_records_maximum: int(limits.ingest_records_maximum),
            event_batch_maximum: int(limits.event_batch_maximum),
            lineage_roots_maximum: int(limits.lineage_roots_maximum),
            lineage_nodes_maximum: int(limits.lineage_nodes_maximum),
            lineage_edges_maximum: int(limits.lineage_edges_maximum),
            lineage_export_maximum: int(limits.lineage_export_maximum),
            lineage_paths_maximum: int(limits.lineage_paths_maximum),
            lineage_deadline_ms: int(limits.lineage_deadline_ms),
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            limits,
        }
    }
}
