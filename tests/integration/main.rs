//! The integration tests: one binary, since each one links SQLite and both drivers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops, and says in which line")]

mod cli;
mod corpus;
mod engine;
mod http;
mod rules;
mod store;
mod support;
mod toy;
