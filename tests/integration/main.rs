//! The integration tests: one binary, since each one links SQLite and both drivers.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on stops, and says in which line"
)]

mod answers;
mod backpressure;
mod backups;
mod bad_input;
mod bodies;
mod checkpoints;
mod checks;
mod cli;
mod clients;
mod concurrency;
mod connections;
mod corpus;
mod crashes;
mod engine;
mod floors;
mod http;
mod idempotency;
mod interchange;
mod lineage;
mod merging;
mod migrations;
mod opening;
mod openlineage;
mod outages;
mod outputs;
mod pages;
mod prepared;
mod rules;
mod schema;
mod store;
mod support;
mod toy;
mod walks;
