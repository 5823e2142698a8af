//! Lineage through the real API, against a naive reference and against shapes whose answers are known.

mod ask;
mod bad_input;
mod following;
mod nested;
mod pages;
mod properties;
mod reference;
mod shapes;
mod world;
