//! The transport: bytes, headers and status codes. It knows no type of the schema and runs no SQL.

pub mod body;
pub mod connections;
mod elements;
pub mod graphiql;
pub mod graphql;
pub mod health;
pub mod idempotency;
pub mod layers;
pub mod lineage;
mod negotiation;
mod params;
pub mod reply;
