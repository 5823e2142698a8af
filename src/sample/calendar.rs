//! Days: what the sample counts in.

use crate::domain::time::{Granularity, Timestamp, Window};

const DAY: i64 = 86_400_000_000;

/// A day in UTC, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(i64);

impl Day {
    /// The day that contains an instant.
    pub fn of(instant: Timestamp) -> Self {
        Self(instant.0.div_euclid(DAY))
    }

    /// So many days later, or earlier where the number is negative.
    pub fn plus(self, days: i64) -> Self {
        Self(self.0 + days)
    }

    /// How many days it lies after another.
    pub fn since(self, other: Self) -> i64 {
        self.0 - other.0
    }

    /// The number of the day.
    pub fn number(self) -> i64 {
        self.0
    }

    /// Its first instant.
    pub fn midnight(self) -> Timestamp {
        Timestamp(self.0 * DAY)
    }

    /// So many seconds after its midnight.
    pub fn at(self, seconds: i64) -> Timestamp {
        Timestamp(self.0 * DAY + seconds * 1_000_000)
    }

    /// The window around it.
    pub fn window(self, granularity: Granularity) -> Window {
        Window::containing(self.midnight(), granularity)
    }

    /// Its name, or that of the window around it: `2026-11-22`, `2026-W47`, `2026-11`.
    pub fn label(self, granularity: Granularity) -> String {
        self.window(granularity).label()
    }

    /// The first day of the window around it.
    pub fn first_of(self, granularity: Granularity) -> Self {
        Self::of(granularity.floor(self.midnight()))
    }

    /// Whether it is the last day of the window around it.
    pub fn ends(self, granularity: Granularity) -> bool {
        granularity.next(self.midnight()) == self.plus(1).midnight()
    }
}
