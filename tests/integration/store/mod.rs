//! The store by itself: what it answers, and by which plans.

mod plans;
mod reads;
