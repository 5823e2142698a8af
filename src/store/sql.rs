//! The text of a statement together with the values bound in it, and rows read by position.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, TryGetable, Value};

use super::StoreError;

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
        Self {
            backend: db.get_database_backend(),
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

    /// Runs the statement and answers its rows.
    pub async fn all(self, db: &impl ConnectionTrait, sql: &str) -> Result<Vec<QueryResult>, StoreError> {
        Ok(db
            .query_all_raw(Statement::from_sql_and_values(self.backend, sql, self.values))
            .await?)
    }

    /// Runs a statement that answers one number.
    pub async fn number(self, db: &impl ConnectionTrait, sql: &str) -> Result<i64, StoreError> {
        let row = db
            .query_one_raw(Statement::from_sql_and_values(self.backend, sql, self.values))
            .await?;
        Ok(row.map_or(Ok(0), |row| row.try_get_by_index(0))?)
    }
}

/// Reads the columns of a row from left to right: by position, since a look-up by name costs more than the value.
#[derive(Debug)]
pub(super) struct Cells<'a> {
    row: &'a QueryResult,
    next: usize,
}

impl<'a> Cells<'a> {
    pub fn new(row: &'a QueryResult) -> Self {
        Self { row, next: 0 }
    }

    /// The next column.
    pub fn next<T: TryGetable>(&mut self) -> Result<T, DbErr> {
        let index = self.next;
        self.next += 1;
        self.row.try_get_by_index(index)
    }

    /// The next column, a text of which the empty one stands for none: cheaper than NULL, which is an error on its way.
    pub fn text(&mut self) -> Result<Option<String>, DbErr> {
        Ok(Some(self.next::<String>()?).filter(|text| !text.is_empty()))
    }
}

/// Reads every row with a function.
pub(super) fn read<T>(
    rows: &[QueryResult],
    row: impl Fn(&mut Cells) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.iter().map(|r| row(&mut Cells::new(r))).collect()
}

/// Spreads numbers that were found for some positions over all of them; the others get 0.
pub(super) fn spread(count: usize, rows: &[QueryResult]) -> Result<Vec<i64>, StoreError> {
    let mut numbers = vec![0; count];
    for row in rows {
        let mut cells = Cells::new(row);
        let position: i64 = cells.next()?;
        if let Some(number) = usize::try_from(position).ok().and_then(|p| numbers.get_mut(p)) {
            *number += cells.next::<i64>()?;
        }
    }
    Ok(numbers)
}

/// Puts what was found for some positions, which stand in the first column, into a list of all.
pub(super) fn place<T>(
    count: usize,
    rows: &[QueryResult],
    read_one: impl Fn(&mut Cells) -> Result<T, StoreError>,
) -> Result<Vec<Option<T>>, StoreError> {
    let mut found: Vec<Option<T>> = std::iter::repeat_with(|| None).take(count).collect();
    for row in rows {
        let mut cells = Cells::new(row);
        let position: i64 = cells.next()?;
        if let Some(slot) = usize::try_from(position).ok().and_then(|p| found.get_mut(p)) {
            *slot = Some(read_one(&mut cells)?);
        }
    }
    Ok(found)
}

/// Deals rows, each with the position of its parent in the first column, out to their parents.
pub(super) fn deal<T>(
    count: usize,
    rows: &[QueryResult],
    read_one: impl Fn(&mut Cells) -> Result<T, StoreError>,
) -> Result<Vec<Vec<T>>, StoreError> {
    let mut dealt: Vec<Vec<T>> = std::iter::repeat_with(Vec::new).take(count).collect();
    for row in rows {
        let mut cells = Cells::new(row);
        let position: i64 = cells.next()?;
        if let Some(children) = usize::try_from(position).ok().and_then(|p| dealt.get_mut(p)) {
            children.push(read_one(&mut cells)?);
        }
    }
    Ok(dealt)
}
