//! The schema and what runs it: names, nullability, documentation and cost. No SQL, and nothing of HTTP.

pub mod budget;
pub mod connection;
pub mod context;
pub mod dispatch;
pub mod documents;
pub mod engine;
pub mod enums;
pub mod error;
pub mod inputs;
pub mod limits;
pub mod loaders;
pub mod mutation;
pub mod node_id;
pub mod payloads;
pub mod prepared;
pub mod query;
pub mod resources;
pub mod scalars;
pub mod types;
pub mod variables;
pub mod view;

use async_graphql::{EmptySubscription, SDLExportOptions, Schema, SchemaBuilder};

use mutation::Mutation;
use query::Query;

/// The schema, before anything is added to it. Does no I/O; what resolvers need comes with each request, as
/// [`resources::Resources`].
pub fn schema_builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query::default(), Mutation, EmptySubscription)
}

/// The schema in the schema definition language, everything sorted, so that moving code makes no difference.
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by()
        .use_space_ident();
    schema_builder().finish().sdl_with_options(options)
}
