//! The integration tests: one binary, since each one links SQLite and both drivers.

mod engine;
mod http;
mod toy;
