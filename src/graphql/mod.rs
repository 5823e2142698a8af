//! The schema and what runs it: names, nullability, documentation and cost. No SQL, and nothing of HTTP.

pub mod context;
pub mod documents;
pub mod engine;
pub mod error;
pub mod limits;
pub mod node_id;
pub mod scalars;
pub mod variables;
