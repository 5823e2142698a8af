//! Heirloom: the open artifact service, a GraphQL API over the lineage of data and models.
//!
//! The modules are floors, and each imports only from those below it (`tests/integration/floors.rs` sees to that):
//!
//! 1. [`domain`]: plain values; beside it [`config`], [`telemetry`] and [`sample`]
//! 2. [`store`]: SQL over SQLite and PostgreSQL
//! 3. [`service`]: the rules of writing, and the write queue; beside it [`interchange`], the forms of others
//! 4. `graphql`: the schema
//! 5. `http`: the transport
//! 6. `server` and `demo`: what puts them together, and `cli` in the binary

pub mod config;
pub mod demo;
pub mod domain;
pub mod graphql;
pub mod http;
pub mod interchange;
pub mod lineage;
pub mod sample;
pub mod server;
pub mod service;
pub mod store;
pub mod telemetry;
