//! The text of a statement together with the values bound in it, and rows read by position.

use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

use super::cells::{Cells, RowSet};
use super::dialect;
use super::{Reader, StoreError};

/// The values of a statement under way. Its text is written around the placeholders that [`Binds::bind`] gives out.
///
/// `$1` works on both databases, and the same placeholder may stand in many places.
#[derive(Debug)]
pub(super) struct Binds {
    pub backend: DbBackend,
    values: Vec<Value>,
}

impl Binds {
    pub fn new(db: &impl ConnectionTrait) -> Self {
        Self::of(db.get_database_backend())
    }

    /// For a database of a kind.
    pub fn of(backend: DbBackend) -> Self {
        Self {
            backend,
            values: Vec::new(),
        }
    }

    /// Adds a value and answers its placeholder.
    pub fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// Adds several values and answers their placeholders, separated by commas: `$1, $2`.
    pub fn bind_all<V: Into<Value>>(&mut self, values: impl IntoIterator<Item = V>) -> String {
        let placeholders: Vec<String> = values.into_iter().map(|value| self.bind(value)).collect();
        placeholders.join(", ")
    }

    /// A `LIMIT`.
    ///
    /// PostgreSQL has to know it: a plan for any limit is one for many rows. SQLite plans with the value of a bare
    /// placeholder there, and so prepares the statement anew at every execution; with a sum it does not.
    pub fn limit(&mut self, rows: i64) -> String {
        match self.backend {
            DbBackend::Sqlite => format!("LIMIT {} + 0", self.bind(rows)),
            _ => format!("LIMIT {rows}"),
        }
    }

    /// Runs the statement and answers its rows: for few of them.
    pub async fn all(self, db: &impl Reader, sql: &str) -> Result<RowSet, StoreError> {
        if let Some(rows) = db.read_here(sql, &self.values) {
            return Ok(RowSet::Local(rows?));
        }
        let statement = Statement::from_sql_and_values(self.backend, sql, self.values);
        Ok(RowSet::Rows(db.query_all_raw(statement).await?))
    }

    /// Runs a statement that answers many rows, each of so many numbers and texts.
    pub async fn many(self, db: &impl Reader, sql: &str, columns: usize) -> Result<RowSet, StoreError> {
        if let Some(rows) = db.read_here(sql, &self.values) {
            return Ok(RowSet::Local(rows?));
        }
        let Some(packed) = dialect::packed(self.backend, sql, columns) else {
            let statement = Statement::from_sql_and_values(self.backend, sql, self.values);
            return Ok(RowSet::Rows(db.query_all_raw(statement).await?));
        };
        let statement = Statement::from_sql_and_values(self.backend, packed, self.values);
        let row = db.query_one_raw(statement).await?;
        Ok(RowSet::Packed(
            row.map_or(Ok(String::new()), |row| row.try_get_by_index(0))?,
        ))
    }

    /// Runs a statement that answers one number.
    pub async fn number(self, db: &impl Reader, sql: &str) -> Result<i64, StoreError> {
        let number = first(&self.all(db, sql).await?, read_number)?;
        Ok(number.unwrap_or_default())
    }
}

fn read_number(cells: &mut Cells) -> Result<i64, StoreError> {
    cells.next()
}

/// Reads every row with a function.
pub(super) fn read<T>(
    rows: &RowSet,
    read_one: impl Fn(&mut Cells) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut all = Vec::new();
    rows.each(|cells| {
        all.push(read_one(cells)?);
        Ok(())
    })?;
    Ok(all)
}

/// Reads the first row with a function.
pub(super) fn first<T>(
    rows: &RowSet,
    read_one: impl Fn(&mut Cells) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    Ok(read(rows, read_one)?.into_iter().next())
}

/// Spreads numbers that were found for some positions, which stand in the first column, over all; the others get 0.
pub(super) fn spread(count: usize, rows: &RowSet) -> Result<Vec<i64>, StoreError> {
    let mut numbers = vec![0; count];
    at_positions(rows, |position, cells| {
        if let Some(number) = numbers.get_mut(position) {
            *number += cells.next::<i64>()?;
        }
        Ok(())
    })?;
    Ok(numbers)
}

/// Puts what was found for some positions, which stand in the first column, into a list of all.
pub(super) fn place<T>(
    count: usize,
    rows: &RowSet,
    read_one: impl Fn(&mut Cells) -> Result<T, StoreError>,
) -> Result<Vec<Option<T>>, StoreError> {
    let mut found: Vec<Option<T>> = std::iter::repeat_with(|| None).take(count).collect();
    at_positions(rows, |position, cells| {
        let row = read_one(cells)?;
        if let Some(slot) = found.get_mut(position) {
            *slot = Some(row);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Deals rows, each with the position of its parent in the first column, out to their parents.
pub(super) fn deal<T>(
    count: usize,
    rows: &RowSet,
    read_one: impl Fn(&mut Cells) -> Result<T, StoreError>,
) -> Result<Vec<Vec<T>>, StoreError> {
    let mut dealt: Vec<Vec<T>> = std::iter::repeat_with(Vec::new).take(count).collect();
    at_positions(rows, |position, cells| {
        let row = read_one(cells)?;
        if let Some(children) = dealt.get_mut(position) {
            children.push(row);
        }
        Ok(())
    })?;
    Ok(dealt)
}

fn at_positions(
    rows: &RowSet,
    mut f: impl FnMut(usize, &mut Cells) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    rows.each(|cells| {
        let position = usize::try_from(cells.next::<i64>()?).unwrap_or(usize::MAX);
        f(position, cells)
    })
}
