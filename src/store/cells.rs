//! Rows as they come from a database, read from left to right: one by one, or packed into one text.
//!
//! The driver for SQLite hands every row over from a thread of its own, and copies every value on the way: 5 µs a row.
//! Many rows are therefore packed by SQLite into one JSON text, which is read here for a tenth of that.

use ::entity::{ArtifactId, ExecutionId, PartitionId, VersionId};
use rusqlite::types::Value as Stored;
use sea_orm::QueryResult;

use super::{LocalRows, StoreError};

/// The answer of a statement.
#[derive(Debug)]
pub(super) enum RowSet {
    /// Rows of the driver.
    Rows(Vec<QueryResult>),
    /// A JSON array of arrays, as SQLite writes it: without white space.
    Packed(String),
    /// Rows that were read without the driver.
    Local(LocalRows),
}

impl RowSet {
    /// Calls a function with every row, until it fails.
    pub fn each(&self, mut f: impl FnMut(&mut Cells) -> Result<(), StoreError>) -> Result<(), StoreError> {
        match self {
            Self::Rows(rows) => rows.iter().try_for_each(|row| f(&mut Cells::Row { row, next: 0 })),
            Self::Local(rows) => rows
                .values
                .chunks(rows.columns.max(1))
                .try_for_each(|values| f(&mut Cells::Local { values, next: 0 })),
            Self::Packed(text) => {
                let mut packed = Packed { text, at: 0 };
                packed.skip(b'[');
                while packed.skip(b'[') {
                    let mut cells = Cells::Packed(packed);
                    f(&mut cells)?;
                    let Cells::Packed(rest) = cells else { break };
                    packed = rest;
                    packed.leave_row();
                    packed.skip(b',');
                }
                Ok(())
            }
        }
    }
}

/// The columns of a row, read by position: a look-up by name costs more than the value.
#[derive(Debug)]
pub(super) enum Cells<'a> {
    /// A row of the driver.
    Row {
        /// The row.
        row: &'a QueryResult,
        /// The next column.
        next: usize,
    },
    /// Inside of a packed row.
    Packed(Packed<'a>),
    /// A row that was read without the driver.
    Local {
        /// The row.
        values: &'a [Stored],
        /// The next column.
        next: usize,
    },
}

impl Cells<'_> {
    /// The next column.
    pub fn next<T: Cell>(&mut self) -> Result<T, StoreError> {
        match self {
            Self::Row { row, next } => {
                let index = *next;
                *next += 1;
                T::of_row(row, index)
            }
            Self::Local { values, next } => {
                let value = values.get(*next).and_then(T::of_local);
                *next += 1;
                value.ok_or_else(wrong_column)
            }
            Self::Packed(packed) => {
                packed.skip(b',');
                T::of_packed(packed).ok_or_else(wrong_column)
            }
        }
    }

    /// The next column, a text of which the empty one stands for none: cheaper than NULL, which is an error on its way.
    pub fn text(&mut self) -> Result<Option<String>, StoreError> {
        Ok(Some(self.next::<String>()?).filter(|text| !text.is_empty()))
    }
}

fn wrong_column() -> StoreError {
    StoreError::Inconsistent("a column holds what it should not".to_owned())
}

/// A value of a column.
pub(super) trait Cell: Sized {
    fn of_row(row: &QueryResult, index: usize) -> Result<Self, StoreError>;
    fn of_packed(packed: &mut Packed) -> Option<Self>;
    fn of_local(value: &Stored) -> Option<Self>;
}

macro_rules! cells {
    ($($type:ty: $read:expr, $local:expr;)*) => {$(
        impl Cell for $type {
            fn of_row(row: &QueryResult, index: usize) -> Result<Self, StoreError> {
                Ok(row.try_get_by_index(index)?)
            }

            fn of_packed(packed: &mut Packed) -> Option<Self> {
                let read: fn(&mut Packed) -> Option<Self> = $read;
                read(packed)
            }

            fn of_local(value: &Stored) -> Option<Self> {
                let read: fn(&Stored) -> Option<Self> = $local;
                read(value)
            }
        }
    )*};
}

fn integer(value: &Stored) -> Option<i64> {
    match value {
        Stored::Integer(number) => Some(*number),
        _ => None,
    }
}

fn text(value: &Stored) -> Option<String> {
    match value {
        Stored::Text(text) => Some(text.clone()),
        _ => None,
    }
}

cells! {
    i64: |packed| packed.number(), integer;
    i32: |packed| i32::try_from(packed.number()?).ok(), |value| i32::try_from(integer(value)?).ok();
    String: |packed| packed.string(), text;
    Option<i64>: |packed| if packed.null() { Some(None) } else { packed.number().map(Some) },
        |value| if *value == Stored::Null { Some(None) } else { integer(value).map(Some) };
    Option<String>: |packed| if packed.null() { Some(None) } else { packed.string().map(Some) },
        |value| if *value == Stored::Null { Some(None) } else { text(value).map(Some) };
    ArtifactId: |packed| packed.number().map(ArtifactId), |value| integer(value).map(ArtifactId);
    PartitionId: |packed| packed.number().map(PartitionId), |value| integer(value).map(PartitionId);
    VersionId: |packed| packed.number().map(VersionId), |value| integer(value).map(VersionId);
    ExecutionId: |packed| packed.number().map(ExecutionId), |value| integer(value).map(ExecutionId);
}

/// A place in packed rows.
#[derive(Debug)]
pub(super) struct Packed<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Packed<'a> {
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Passes over a character, if it is there.
    fn skip(&mut self, character: u8) -> bool {
        let there = self.rest().first() == Some(&character);
        self.at += usize::from(there);
        there
    }

    fn null(&mut self) -> bool {
        let there = self.rest().starts_with(b"null");
        self.at += if there { 4 } else { 0 };
        there
    }

    fn number(&mut self) -> Option<i64> {
        let rest = self.rest();
        let length = rest.iter().take_while(|b| b.is_ascii_digit() || **b == b'-').count();
        let number = self.text.get(self.at..self.at + length)?.parse().ok()?;
        self.at += length;
        Some(number)
    }

    fn string(&mut self) -> Option<String> {
        let (text, escaped) = self.quoted()?;
        if escaped {
            serde_json::from_str(text).ok()
        } else {
            Some(text.get(1..text.len() - 1)?.to_owned())
        }
    }

    /// A string with its quotes, and whether it has escapes.
    fn quoted(&mut self) -> Option<(&'a str, bool)> {
        let start = self.at;
        if !self.skip(b'"') {
            return None;
        }
        let mut escaped = false;
        loop {
            match *self.rest().first()? {
                b'\\' => {
                    escaped = true;
                    self.at += 2;
                }
                b'"' => {
                    self.at += 1;
                    return Some((self.text.get(start..self.at)?, escaped));
                }
                _ => self.at += 1,
            }
        }
    }

    /// Passes over what has not been read of a row, and its end.
    fn leave_row(&mut self) {
        while let Some(next) = self.rest().first() {
            match next {
                b']' => {
                    self.at += 1;
                    return;
                }
                b'"' if self.quoted().is_some() => {}
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

    use super::RowSet;

    proptest! {
        #[test]
        fn packed_rows_are_what_was_packed(rows in proptest::collection::vec(
            (any::<i64>(), ".*", proptest::option::of("[\\x00-\\x7f]*|\\PC*")).prop_map(|(a, b, c)| (a, b, c)), 0..20,
        )) {
            let packed = RowSet::Packed(serde_json::to_string(&rows).unwrap());
            let mut read: Vec<(i64, String, Option<String>)> = Vec::new();
            packed.each(|cells| { read.push((cells.next()?, cells.next()?, cells.next()?)); Ok(()) }).unwrap();
            prop_assert_eq!(&read, &rows);
            let mut numbers: Vec<i64> = Vec::new();
            packed.each(|cells| { numbers.push(cells.next()?); Ok(()) }).unwrap();
            prop_assert_eq!(numbers, rows.iter().map(|row| row.0).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_broken_is_an_error_not_a_loop() {
        for text in ["", "[", "[[", "[[\"a", "[[1", "[[\"\\"] {
            let mut rows = 0;
            let answer = RowSet::Packed(text.to_owned()).each(|cells| {
                cells.next::<String>()?;
                rows += 1;
                Ok(())
            });
            assert!(answer.is_err() || rows == 0, "{text}");
        }
    }
}
