//! OpenLineage 2-0-2: events as they are sent, and what they mean.
//!
//! [`Event`] is one of them, read and checked. [`RunStory`] is what all events about one run come to, whatever their order
//! and however often each came; [`RunStory::meaning`] is that in our own terms: an execution, the versions that it wrote and
//! those that it read. What becomes of what is written down in `docs/openlineage.md`.

mod event;
mod facet;
mod meaning;
mod part;
mod story;
mod subset;

pub use event::{Dataset, Draft, Event, EventKind, EventType, FORMS, Mention, RunKey};
pub use facet::{Facet, Facets, to_json};
pub use meaning::{
    DatasetMeaning, Extent, Input, InputVersion, Meaning, Output, Telling, UNVERSIONED, Written, by_version,
};
pub use story::{DatasetStory, RunStory, Use, Uses};
pub use subset::PartitionValues;

/// The domain of everything that events name: OpenLineage has namespaces and names, and nothing in their place.
pub const DOMAIN: &str = "default";
