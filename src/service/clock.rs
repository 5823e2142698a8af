//! The one place that asks what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::Utc;

use crate::domain::time::Timestamp;

/// A source of time: the machine's, or one that tests move.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock, cut to microseconds.
    System,
    /// Stands still at an instant until it is set again; for tests.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at an instant.
    pub fn manual(at: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(at.0)))
    }

    /// Moves a manual clock; the machine's stays as it is.
    pub fn set(&self, at: Timestamp) {
        if let Self::Manual(micros) = self {
            micros.store(at.0, Ordering::SeqCst);
        }
    }

    /// Now.
    #[expect(clippy::disallowed_methods, reason = "this is the place that may")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp(Utc::now().timestamp_micros()),
            Self::Manual(micros) => Timestamp(micros.load(Ordering::SeqCst)),
        }
    }
}
