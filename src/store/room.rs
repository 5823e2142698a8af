//! How much of long texts is read for one answer.
//!
//! A page may be of a thousand rows with megabytes each. They are not read to be thrown away: a statement that would bring more than there is
//! room for brings none of them, and says how many bytes they have. Their lengths stand in front of them, so that costs next to nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Mutex;

use super::cells::Cells;
use super::sql::{Binds, read};
use super::{Reader, StoreError};

/// So many bytes more than an answer may have can be read for it: beside a text that is asked for may stand others, which come with it.
const BESIDE: usize = 1 << 20;

/// How many bytes of long texts may be read for one answer, by all statements together.
#[derive(Debug)]
pub struct Room {
    limit: usize,
    /// What has been read. Whoever reads holds it, so that no two find the same room.
    taken: Mutex<usize>,
    wanted: AtomicUsize,
}

impl Room {
    /// Room for what an answer needs that may have so many bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            taken: Mutex::new(0),
            wanted: AtomicUsize::new(0),
        }
    }

    /// How many bytes were to be read, if that was more than there is room for.
    pub fn exceeded(&self) -> Option<usize> {
        Some(self.wanted.load(Ordering::Relaxed)).filter(|wanted| *wanted > self.most())
    }

    fn most(&self) -> usize {
        self.limit.saturating_add(BESIDE)
    }
}

/// A column of long texts.
pub(super) struct LongText<'a> {
    /// The column.
    pub column: &'a str,
    /// Where it is read; elsewhere it is NULL.
    pub when: &'a str,
}

/// Long texts that are to be read.
pub(super) struct LongTexts<'a> {
    /// The column that comes first.
    pub key: &'a str,
    /// The texts that follow.
    pub texts: &'a [LongText<'a>],
    /// Tables and conditions.
    pub from: &'a str,
}

impl LongTexts<'_> {
    /// Reads every row, if there is room for all of them.
    pub async fn read<T>(
        &self,
        db: &impl Reader,
        mut binds: Binds,
        read_one: impl Fn(&mut Cells) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let Some(room) = db.room() else {
            return read(
                &binds.many(db, &self.without_end(), 1 + self.texts.len()).await?,
                read_one,
            );
        };
        let mut taken = room.taken.lock().await;
        let left = room.most().saturating_sub(*taken);
        let sql = self.within(&binds.bind(i64::try_from(left).unwrap_or(i64::MAX)));
        let rows = binds.many(db, &sql, 2 + self.texts.len()).await?;
        let mut bytes = 0;
        rows.each(|cells| {
            bytes = usize::try_from(cells.next::<i64>()?).unwrap_or(usize::MAX);
            Ok(())
        })?;
        *taken = taken.saturating_add(bytes);
        room.wanted.store(*taken, Ordering::Relaxed);
        if bytes > left {
            return Err(StoreError::TooMuch {
                limit: room.limit,
                actual: *taken,
            });
        }
        read(&rows, |cells| {
            cells.next::<i64>()?;
            read_one(cells)
        })
    }

    fn without_end(&self) -> String {
        let texts = self.each(|LongText { column, when }| format!("CASE WHEN {when} THEN {column} END"));
        format!("SELECT {}, {} FROM {}", self.key, texts.join(", "), self.from)
    }

    fn within(&self, left: &str) -> String {
        let bytes = self.each(|LongText { column, when }| {
            format!("COALESCE(SUM(CASE WHEN {when} THEN octet_length({column}) END), 0)")
        });
        let texts = self
            .each(|LongText { column, when }| format!("CASE WHEN {when} AND long.bytes <= {left} THEN {column} END"));
        format!(
            "SELECT long.bytes, {}, {} FROM (SELECT {} AS bytes FROM {from}) AS long CROSS JOIN {from}",
            self.key,
            texts.join(", "),
            bytes.join(" + "),
            from = self.from,
        )
    }

    fn each(&self, sql: impl Fn(&LongText<'_>) -> String) -> Vec<String> {
        self.texts.iter().map(sql).collect()
    }
}
