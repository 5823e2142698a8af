//! Answers kept for requests with an `Idempotency-Key`.

use std::collections::HashSet;

use ::entity::idempotent_answer::{Column, Entity, Model};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, Statement, Value};

use super::cells::Cells;
use super::sql::read;
use super::{Store, StoreError, bulk, dialect};
use crate::domain::time::Timestamp;

/// The columns, in the order in which they are written.
const COLUMNS: usize = 6;

/// Answers thrown away at a time, so that the write lock is held for a moment only.
const PRUNED_TOGETHER: u64 = 256;

/// The answer kept under a key, unless it is older than `since`.
pub async fn idempotent_answer_find(
    db: &impl ConnectionTrait,
    key: &str,
    since: Timestamp,
) -> Result<Option<Model>, StoreError> {
    let fresh = Condition::all()
        .add(Column::Key.eq(key))
        .add(Column::RecordedAt.gte(since.0));
    Ok(Entity::find().filter(fresh).one(db).await?)
}

/// Keeps answers, all in one transaction, and says under which keys. Where another process has kept one under the same key since
/// `since`, that one stays.
///
/// Their keys must differ.
pub async fn idempotent_answer_keep(
    store: &Store,
    mut answers: Vec<Model>,
    since: Timestamp,
) -> Result<HashSet<String>, StoreError> {
    // In one order everywhere, so that two processes which keep the same keys never wait for each other.
    answers.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    let tx = store.begin_write().await?;
    let backend = tx.get_database_backend();
    let (mut rest, mut kept) = (answers, HashSet::new());
    while !rest.is_empty() {
        let remainder = rest.split_off(bulk::chunk_size(rest.len(), COLUMNS));
        let mut sql =
            "INSERT INTO idempotent_answer (key, fingerprint, status, content_type, body, recorded_at) VALUES "
                .to_owned();
        bulk::push_tuples(&mut sql, backend, rest.len(), COLUMNS);
        sql.push_str(
            " ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status, \
             content_type = excluded.content_type, body = excluded.body, recorded_at = excluded.recorded_at \
             WHERE idempotent_answer.recorded_at < ",
        );
        dialect::push_placeholder(&mut sql, backend, rest.len() * COLUMNS + 1);
        sql.push_str(" RETURNING key");
        let mut values: Vec<Value> = rest.into_iter().flat_map(values_of).collect();
        values.push(since.0.into());
        let written = Statement::from_sql_and_values(backend, sql, values);
        kept.extend(read(&tx.rows(written).await?, read_key)?);
        rest = remainder;
    }
    tx.commit().await?;
    Ok(kept)
}

fn read_key(cells: &mut Cells) -> Result<String, StoreError> {
    cells.next()
}

fn values_of(answer: Model) -> [Value; COLUMNS] {
    [
        answer.key.into(),
        answer.fingerprint.into(),
        answer.status.into(),
        answer.content_type.into(),
        answer.body.into(),
        answer.recorded_at.into(),
    ]
}

/// Throws away some of the answers that are older than `since`; whether there may be more of them.
pub async fn idempotent_answer_prune(store: &Store, since: Timestamp) -> Result<bool, StoreError> {
    let tx = store.begin_write().await?;
    let sql = format!(
        "DELETE FROM idempotent_answer WHERE key IN \
         (SELECT key FROM idempotent_answer WHERE recorded_at < $1 ORDER BY recorded_at LIMIT {PRUNED_TOGETHER})"
    );
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, [since.0.into()]);
    let pruned = tx.execute(statement).await?;
    tx.commit().await?;
    Ok(pruned == PRUNED_TOGETHER)
}
