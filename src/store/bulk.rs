//! Many rows in few statements.

use sea_orm::{
    ConnectionTrait, DbBackend, EntityTrait, IdenStatic, Iterable, ModelTrait, Statement, TryIntoModel, Value,
};

use super::texts::{Form, text};
use super::{StoreError, Transaction, dialect};

/// The most values bound in one statement; SQLite allows 32,766.
const MOST_VALUES: usize = 16_384;
/// The most rows in one statement: more gain nothing.
const MOST_ROWS: usize = 128;

/// Inserts rows that the table does not have.
pub async fn insert<E: EntityTrait>(tx: &Transaction, rows: &[E::Model]) -> Result<(), StoreError> {
    write::<E>(tx, rows, 0).await
}

/// Writes rows that the table may have under the same primary key, which is its first columns.
pub async fn update<E: EntityTrait>(tx: &Transaction, rows: &[E::Model]) -> Result<(), StoreError> {
    write::<E>(tx, rows, E::PrimaryKey::iter().count()).await
}

/// Inserts rows; those that are there, by the first so many columns, are replaced.
async fn write<E: EntityTrait>(tx: &Transaction, rows: &[E::Model], key: usize) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let backend = tx.get_database_backend();
    let columns: Vec<E::Column> = E::Column::iter().collect();
    let insert = |rows| {
        text::<E>(backend, Form::Insert { rows, key }, || {
            insert_sql::<E>(backend, rows, key)
        })
    };
    if tx.is_here() {
        let values = rows
            .iter()
            .map(|row| columns.iter().map(|column| row.get(*column)).collect());
        return tx.write_here(&insert(1), values);
    }
    let mut rest = rows;
    while !rest.is_empty() {
        let (chunk, remainder) = rest.split_at(chunk_size(rest.len(), columns.len()));
        let values: Vec<Value> = chunk
            .iter()
            .flat_map(|row| columns.iter().map(|column| row.get(*column)))
            .collect();
        let sql = insert(chunk.len());
        tx.execute(Statement::from_sql_and_values(backend, &*sql, values))
            .await?;
        rest = remainder;
    }
    Ok(())
}

/// Up to so many rows have a statement of their own: what one record changes goes in one.
const FEW_ROWS: usize = 8;

/// How many of the rows go into the next statement: a few, or the greatest power of two that fits, so that any number of rows
/// is written by few different statements.
pub fn chunk_size(rows: usize, columns: usize) -> usize {
    if rows <= FEW_ROWS {
        return rows.max(1);
    }
    let most = rows.min(MOST_ROWS).min(MOST_VALUES / columns).max(1);
    1 << most.ilog2()
}

fn insert_sql<E: EntityTrait>(backend: DbBackend, rows: usize, key: usize) -> String {
    let names = columns::<E>();
    let table = E::default().table_name();
    let mut sql = format!("INSERT INTO \"{table}\" ({}) VALUES ", names.join(", "));
    push_tuples(&mut sql, backend, rows, names.len());
    push_replacing(&mut sql, &names, key);
    sql
}

/// The same for PostgreSQL, where the rows are a JSON array of objects in `$1`.
pub(super) fn insert_objects_sql<E: EntityTrait>(key: usize) -> String {
    let names = columns::<E>();
    let (table, list) = (E::default().table_name(), names.join(", "));
    let rows = format!("json_populate_recordset(NULL::\"{table}\", $1::text::json)");
    let mut sql = format!("INSERT INTO \"{table}\" ({list}) SELECT {list} FROM {rows}");
    push_replacing(&mut sql, &names, key);
    sql
}

/// Has rows that are there, by the first so many columns, be replaced.
fn push_replacing(sql: &mut String, names: &[String], key: usize) {
    if key > 0 {
        let assignments: Vec<String> = names[key..].iter().map(|n| format!("{n} = excluded.{n}")).collect();
        sql.push_str(&format!(
            " ON CONFLICT ({}) DO UPDATE SET {}",
            names[..key].join(", "),
            assignments.join(", ")
        ));
    }
}

/// Appends `($1, $2), ($3, $4)` and so on; for SQLite `(?, ?), (?, ?)`, since it looks a name up among all earlier ones,
/// which for thousands takes seconds.
pub fn push_tuples(sql: &mut String, backend: DbBackend, rows: usize, columns: usize) {
    let mut number = 0;
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            number += 1;
            sql.push_str(if column == 0 { "" } else { ", " });
            dialect::push_placeholder(sql, backend, number);
        }
        sql.push(')');
    }
}

/// The most keys in one `IN` list.
const MOST_KEYS: usize = 4_096;

/// All rows of a table with a column among some keys, no two of which are the same.
pub async fn find<E: EntityTrait, V: Into<Value> + Clone>(
    tx: &Transaction,
    column: E::Column,
    keys: &[V],
) -> Result<Vec<E::Model>, StoreError>
where
    E::ActiveModel: TryIntoModel<E::Model>,
{
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    match tx.models_by_key::<E, V>(column, keys) {
        Some(found) => found,
        None => find_in::<E, V>(tx, column, keys).await,
    }
}

/// The columns of a table, in quotation marks.
fn columns<E: EntityTrait>() -> Vec<String> {
    E::Column::iter().map(|c| format!("\"{}\"", c.as_str())).collect()
}

/// The text of a statement that finds the rows with one value, or with one of some, in a column.
pub(super) fn find_sql<E: EntityTrait>(backend: DbBackend, column: E::Column, keys: usize) -> String {
    let (names, table) = (columns::<E>().join(", "), E::default().table_name());
    let mut sql = format!("SELECT {names} FROM \"{table}\" WHERE \"{}\" IN ", column.as_str());
    push_tuples(&mut sql, backend, 1, keys);
    sql
}

/// The same in few statements. Lists are filled up to a power of two by repeating the last key, so that there are few different
/// statements to prepare.
pub async fn find_in<E: EntityTrait, V: Into<Value> + Clone>(
    db: &impl ConnectionTrait,
    column: E::Column,
    keys: &[V],
) -> Result<Vec<E::Model>, StoreError> {
    let backend = db.get_database_backend();
    let mut found = Vec::new();
    for chunk in keys.chunks(MOST_KEYS) {
        let Some(last) = chunk.last() else { continue };
        let size = chunk.len().next_power_of_two();
        let padded = chunk.iter().chain(std::iter::repeat(last)).take(size);
        let values = padded.cloned().map(Into::into);
        let form = Form::Find {
            column: column.as_str(),
            keys: size,
        };
        let sql = text::<E>(backend, form, || find_sql::<E>(backend, column, size));
        let select = Statement::from_sql_and_values(backend, &*sql, values);
        found.extend(E::find().from_raw_sql(select).all(db).await?);
    }
    Ok(found)
}
