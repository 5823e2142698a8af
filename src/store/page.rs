//! Pages by key: after a row, before a row, so many from either end. The only place that writes bounds, orders and limits.

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::sql::Binds;

/// The direction of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderDirection {
    /// Least first.
    Ascending,
    /// Greatest first.
    Descending,
}

/// From which end of what lies between the bounds a page is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// From the first row on.
    First,
    /// From the last row back.
    Last,
}

/// One column of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KeyPart {
    /// A number or an instant.
    Int(i64),
    /// A text.
    Text(String),
}

/// What a part of a key must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// A number or an instant.
    Int,
    /// A text.
    Text,
}

/// The place of a row in an order: the values of the ordered columns, the last of which no two rows share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(pub Vec<KeyPart>);

/// Which part of an ordered list is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Page {
    /// From which end it is counted.
    pub end: End,
    /// How many rows; none at all may be wanted.
    pub limit: u32,
    /// Only rows behind this place.
    pub after: Option<Key>,
    /// Only rows ahead of this place.
    pub before: Option<Key>,
}

/// A part of an ordered list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice<T> {
    /// The rows, in the order of the list.
    pub rows: Vec<T>,
    /// Whether there are rows behind the last one.
    pub has_next: bool,
    /// Whether there are rows ahead of the first one.
    pub has_previous: bool,
}

impl OrderDirection {
    fn reversed(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }
}

impl From<i64> for KeyPart {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<String> for KeyPart {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<KeyPart> for sea_orm::Value {
    fn from(part: KeyPart) -> Self {
        match part {
            KeyPart::Int(number) => number.into(),
            KeyPart::Text(text) => text.into(),
        }
    }
}

impl Key {
    /// Whether it is made of such parts.
    pub fn fits(&self, shape: &[KeyKind]) -> bool {
        let kind = |part: &KeyPart| match part {
            KeyPart::Int(_) => KeyKind::Int,
            KeyPart::Text(_) => KeyKind::Text,
        };
        self.0.len() == shape.len() && self.0.iter().zip(shape).all(|(part, wanted)| kind(part) == *wanted)
    }
}

impl Page {
    /// The first rows.
    pub const fn first(limit: u32) -> Self {
        Self {
            end: End::First,
            limit,
            after: None,
            before: None,
        }
    }

    /// The last rows.
    pub const fn last(limit: u32) -> Self {
        Self {
            end: End::Last,
            limit,
            after: None,
            before: None,
        }
    }

    /// Of those behind a place.
    #[must_use]
    pub fn after(self, key: Key) -> Self {
        Self {
            after: Some(key),
            ..self
        }
    }

    /// Of those ahead of a place.
    #[must_use]
    pub fn before(self, key: Key) -> Self {
        Self {
            before: Some(key),
            ..self
        }
    }

    /// Whether its bounds are keys of such an order; a cursor of another list has others.
    pub fn fits(&self, shape: &[KeyKind]) -> bool {
        self.after.iter().chain(&self.before).all(|key| key.fits(shape))
    }

    /// How it is read in an order: which way the index is walked, and between which bounds.
    pub(super) fn walk(&self, direction: OrderDirection, shape: &[KeyKind]) -> Result<Walk<'_>, StoreError> {
        if !self.fits(shape) {
            return Err(StoreError::Inconsistent(
                "a page is bounded by the key of another order".to_owned(),
            ));
        }
        let (above, below) = match direction {
            OrderDirection::Ascending => (&self.after, &self.before),
            OrderDirection::Descending => (&self.before, &self.after),
        };
        let direction = if self.end == End::First {
            direction
        } else {
            direction.reversed()
        };
        Ok(Walk {
            direction,
            above: above.as_ref(),
            below: below.as_ref(),
            limit: i64::from(self.limit) + 1,
        })
    }

    /// The page out of the rows that were read by its walk: at most one more than its limit, in the walk's order.
    pub(super) fn slice<T>(&self, mut rows: Vec<T>) -> Slice<T> {
        let more = rows.len() > self.limit as usize;
        rows.truncate(self.limit as usize);
        let (after, before) = (self.after.is_some(), self.before.is_some());
        match self.end {
            End::First => Slice {
                rows,
                has_next: more || before,
                has_previous: after,
            },
            End::Last => {
                rows.reverse();
                Slice {
                    rows,
                    has_next: before,
                    has_previous: more || after,
                }
            }
        }
    }
}

impl<T> Slice<T> {
    /// The same part of a list of something else.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Slice<U> {
        let Self {
            rows,
            has_next,
            has_previous,
        } = self;
        Slice {
            rows: rows.into_iter().map(f).collect(),
            has_next,
            has_previous,
        }
    }
}

/// A page as an index is walked for it: one way, between two bounds that are not part of it, up to a number of rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk<'a> {
    pub direction: OrderDirection,
    pub above: Option<&'a Key>,
    pub below: Option<&'a Key>,
    pub limit: i64,
}

impl Walk<'_> {
    /// The condition on the columns, with `AND` in front; nothing without bounds. Row values, which an index answers by
    /// one descent, where `a < x OR a = x AND b < y` reads it from its start.
    pub fn bounds(&self, binds: &mut Binds, columns: &[&str]) -> String {
        let mut sql = String::new();
        for (key, operator) in [(self.above, ">"), (self.below, "<")] {
            if let Some(key) = key {
                let values = binds.bind_all(key.0.iter().cloned());
                sql.push_str(&format!(" AND ({}) {operator} ({values})", columns.join(", ")));
            }
        }
        sql
    }

    /// The `ORDER BY`.
    pub fn order(&self, columns: &[&str]) -> String {
        let word = match self.direction {
            OrderDirection::Ascending => " ASC",
            OrderDirection::Descending => " DESC",
        };
        let columns: Vec<String> = columns.iter().map(|column| format!("{column}{word}")).collect();
        format!("ORDER BY {}", columns.join(", "))
    }

    /// `ORDER BY` and `LIMIT`.
    pub fn order_and_limit(&self, binds: &mut Binds, columns: &[&str]) -> String {
        format!("{} {}", self.order(columns), binds.limit(self.limit))
    }

    /// Puts rows into the walk's order, up to its limit: where several walks were made for one page.
    pub fn merge<T>(&self, rows: &mut Vec<T>, key: impl Fn(&T) -> Key) {
        rows.sort_by_cached_key(key);
        if self.direction == OrderDirection::Descending {
            rows.reverse();
        }
        rows.truncate(usize::try_from(self.limit).unwrap_or(usize::MAX));
    }
}

/// The part of a text that an order by it looks at: an index entry cannot hold more.
pub(super) fn prefix(text: &str) -> KeyPart {
    KeyPart::Text(text.chars().take(255).collect())
}
