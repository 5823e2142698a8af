//! The rules that the service keeps (architecture.md lists them), one module a group, each test named after its rule, all
//! of them through the real router by GraphQL, on both databases.

mod durability;
mod errors;
mod identity;
mod partitions;
mod recording;
mod resolution;
