//! The rules of writing: what a record must be, how records merge, and the queue through which they go.

mod alias;
mod apply;
pub mod check;
pub mod clock;
mod content;
mod declare;
mod describe;
mod event;
mod execution;
pub mod idempotency;
pub mod merge;
pub mod parallel;
pub mod place;
pub mod prepare;
pub mod queue;
pub mod rejection;
mod settle;
mod story;
mod symlink;
mod version;
mod weight;

pub use clock::Clock;
pub use prepare::Mode;
pub use queue::{Answer, Backlog, Ticket, WriteError, Writer, WriterOptions};
pub use rejection::{NodeRef, Rejection, RejectionCode, Touched, Verdict};
