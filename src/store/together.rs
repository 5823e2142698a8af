//! Rows of many tables in one statement.
//!
//! A statement of PostgreSQL is a journey to it and back, so what a small transaction writes goes in one: a part for each table,
//! whose rows are handed over as JSON, so that there are few different statements to plan. SQLite is no journey away.

use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, IdenStatic, Iterable, ModelTrait, Statement, Value};
use serde_json::{Map, Value as Json};

use super::texts::{Form, text};
use super::{StoreError, Transaction, bulk};

/// The most rows of a table that go with others: more are read faster in a statement of their own.
const MOST_ROWS: usize = 64;

/// Rows to write, in this order as far as it matters: none may refer to what comes later. The same row may be in it once.
#[derive(Debug, Default)]
pub(super) struct Together {
    parts: Vec<String>,
    values: Vec<Value>,
}

impl Together {
    /// Inserts rows that the table does not have.
    pub async fn insert<E: EntityTrait>(&mut self, tx: &Transaction, rows: &[E::Model]) -> Result<(), StoreError> {
        if self.takes(tx, rows.len()).await? {
            return self.add::<E>(rows, 0);
        }
        bulk::insert::<E>(tx, rows).await
    }

    /// Writes rows that the table may have under the same primary key, which is its first columns.
    pub async fn update<E: EntityTrait>(&mut self, tx: &Transaction, rows: &[E::Model]) -> Result<(), StoreError> {
        if self.takes(tx, rows.len()).await? {
            return self.add::<E>(rows, E::PrimaryKey::iter().count());
        }
        bulk::update::<E>(tx, rows).await
    }

    /// Whether so many rows go with others. Where they do not, those that came before have been written.
    async fn takes(&mut self, tx: &Transaction, rows: usize) -> Result<bool, StoreError> {
        let is_far = tx.get_database_backend() != DbBackend::Sqlite;
        if is_far && rows > MOST_ROWS {
            self.write(tx).await?;
        }
        Ok(is_far && rows <= MOST_ROWS)
    }

    fn add<E: EntityTrait>(&mut self, rows: &[E::Model], key: usize) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let rows = rows
            .iter()
            .map(object::<E>)
            .collect::<Result<Vec<Json>, StoreError>>()?;
        self.values.push(Json::Array(rows).to_string().into());
        let part = text::<E>(DbBackend::Postgres, Form::Objects { key }, || {
            bulk::insert_objects_sql::<E>(key)
        });
        self.parts.push(part.replace("$1", &format!("${}", self.values.len())));
        Ok(())
    }

    /// Writes them.
    pub async fn write(&mut self, tx: &Transaction) -> Result<(), StoreError> {
        if self.parts.is_empty() {
            return Ok(());
        }
        let parts = std::mem::take(&mut self.parts);
        let last = parts.len() - 1;
        let mut sql = String::new();
        for (number, part) in parts.iter().enumerate() {
            sql.push_str(match number {
                _ if number == last => "",
                0 => "WITH ",
                _ => ", ",
            });
            if number == last {
                sql.push_str(part);
            } else {
                sql.push_str(&format!("part_{number} AS ({part})"));
            }
        }
        let values = std::mem::take(&mut self.values);
        tx.execute(Statement::from_sql_and_values(DbBackend::Postgres, sql, values))
            .await?;
        Ok(())
    }
}

/// A row as an object of JSON; what it lacks is null.
fn object<E: EntityTrait>(row: &E::Model) -> Result<Json, StoreError> {
    let mut object = Map::new();
    for column in E::Column::iter() {
        let value = match row.get(column) {
            Value::Bool(given) => given.map(Json::from),
            Value::SmallInt(given) => given.map(Json::from),
            Value::Int(given) => given.map(Json::from),
            Value::BigInt(given) => given.map(Json::from),
            Value::String(given) => given.map(Json::from),
            Value::Bytes(given) => given.map(|bytes| format!("\\x{}", data_encoding::HEXLOWER.encode(&bytes)).into()),
            other => {
                let message = format!("a column of {:?} holds {other:?}", E::default().table_name());
                return Err(StoreError::Inconsistent(message));
            }
        };
        if let Some(value) = value {
            object.insert(column.as_str().to_owned(), value);
        }
    }
    Ok(Json::Object(object))
}
