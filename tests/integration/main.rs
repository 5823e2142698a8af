//! The integration tests: one binary, since each one links SQLite and both drivers.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on stops, and says in which line"
)]

mod bad_input;
mod cli;
mod clients;
mod concurrency;
mod corpus;
mod engine;
mod floors;
mod http;
mod interchange;
mod lineage;
mod merging;
mod migrations;
mod pages;
mod prepared;
mod rules;
mod schema;
mod store;
mod support;
mod toy;
mod walks;
