//! The forms in which others write lineage, and how they map to records: pure functions, which the command line gives
//! files and rows to. What maps to what, and why, is in `docs/import-export.md`.

pub mod openlineage;
pub mod prov;
pub mod wfformat;

use crate::domain::key::ExecutionKey;
use crate::domain::uri;

/// A URN that stands for an execution, percent-encoded like the URIs of artifacts.
fn execution_urn(key: &ExecutionKey) -> String {
    format!("{EXECUTION_URN}{}", execution_path(key))
}

const EXECUTION_URN: &str = "urn:heirloom:execution:";

fn execution_path(key: &ExecutionKey) -> String {
    let parts = [&key.project, &key.domain, &key.name];
    parts.map(|part| uri::encode(part).to_string()).join("/")
}
