//! What the benchmarks share: the service as a process of its own, a caller, and how both databases are reached.

pub mod arguments;
pub mod client;
pub mod cpu;
pub mod postgres;
pub mod server;
