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

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use sea_orm::DbBackend;

    use super::{End, Key, KeyKind, KeyPart, OrderDirection, Page, Slice};
    use crate::store::sql::Binds;

    const SHAPE: &[KeyKind] = &[KeyKind::Int];

    fn key(number: i64) -> Key {
        Key(vec![number.into()])
    }

    /// What a database answers to a walk over numbers.
    fn answer(page: &Page, direction: OrderDirection, numbers: &[i64]) -> Slice<i64> {
        let walk = page.walk(direction, SHAPE).unwrap();
        let beyond = |bound: Option<&Key>, number: i64, above: bool| {
            bound.is_none_or(|bound| {
                if above {
                    key(number) > *bound
                } else {
                    key(number) < *bound
                }
            })
        };
        let mut rows: Vec<i64> = numbers.to_vec();
        rows.retain(|n| beyond(walk.above, *n, true) && beyond(walk.below, *n, false));
        walk.merge(&mut rows, |n| key(*n));
        page.slice(rows)
    }

    proptest! {
        #[test]
        fn pages_put_together_are_the_list(
            numbers in proptest::collection::btree_set(any::<i64>(), 0..40),
            limit in 1_u32..7, descending in any::<bool>(), backwards in any::<bool>(),
        ) {
            let mut list: Vec<i64> = numbers.into_iter().collect();
            let direction = if descending { OrderDirection::Descending } else { OrderDirection::Ascending };
            if descending {
                list.reverse();
            }
            let mut page = if backwards { Page::last(limit) } else { Page::first(limit) };
            let mut together: Vec<i64> = Vec::new();
            loop {
                let slice = answer(&page, direction, &list);
                let edge = match page.end {
                    End::First => slice.rows.last().copied(),
                    End::Last => slice.rows.first().copied(),
                };
                let more = if backwards { slice.has_previous } else { slice.has_next };
                let at = if backwards { 0 } else { together.len() };
                together.splice(at..at, slice.rows);
                let Some(edge) = edge.filter(|_| more) else { break };
                page = if backwards { Page::last(limit).before(key(edge)) } else { Page::first(limit).after(key(edge)) };
                prop_assert!(together.len() <= list.len());
            }
            prop_assert_eq!(together, list);
        }
    }

    #[test]
    fn no_rows_may_be_wanted() {
        let slice = answer(&Page::first(0), OrderDirection::Ascending, &[1, 2]);
        assert_eq!((slice.rows.len(), slice.has_next, slice.has_previous), (0, true, false));
        assert!(!answer(&Page::first(0), OrderDirection::Ascending, &[]).has_next);
    }

    #[test]
    fn bounds_are_row_values() {
        let mut binds = Binds::of(DbBackend::Postgres);
        let page = Page::first(2).after(Key(vec![7.into(), KeyPart::Text("x".to_owned())]));
        let walk = page
            .walk(OrderDirection::Descending, &[KeyKind::Int, KeyKind::Text])
            .unwrap();
        assert_eq!(walk.bounds(&mut binds, &["a", "b"]), " AND (a, b) < ($1, $2)");
        assert_eq!(
            walk.order_and_limit(&mut binds, &["a", "b"]),
            "ORDER BY a DESC, b DESC LIMIT 3"
        );
    }

    #[test]
    fn the_key_of_another_order_is_refused() {
        assert!(
            Page::first(1)
                .after(key(1))
                .walk(OrderDirection::Ascending, &[KeyKind::Text])
                .is_err()
        );
        assert!(!Page::last(1).before(key(1)).fits(&[KeyKind::Int, KeyKind::Int]));
    }

    #[test]
    fn keys_travel_as_json() {
        let key = Key(vec![i64::MIN.into(), KeyPart::Text("a\"b".to_owned())]);
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(text, r#"[-9223372036854775808,"a\"b"]"#);
        assert_eq!(serde_json::from_str::<Key>(&text).unwrap(), key);
    }
}
