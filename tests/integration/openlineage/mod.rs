//! OpenLineage events: what they come to, in whatever order, and what is refused.

mod bad_input;
mod clients;
mod mapping;
mod order;
mod past;
mod picture;
mod real;
mod records;
mod runs;
mod soundness;
