//! Digests with an order: in front of the hash stand the first bytes of a name, or a time, so that what is recorded together is found
//! on few pages of a large index.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};
use sea_orm_migration::sea_orm::{ConnectionTrait as _, DbBackend};

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// An index, and how it is made.
struct Index {
    name: &'static str,
    sql: &'static str,
}

/// A column with digests, and its index, which is made anew after all rows have changed.
struct Column {
    table: &'static str,
    column: &'static str,
    index: Index,
    near: Near,
    /// Which rows have something to be near to.
    only: &'static str,
}

/// What the digests of a column are near to.
enum Near {
    Text(&'static str),
    Time(&'static str),
}

const COLUMNS: [Column; 4] = [
    Column {
        table: "version",
        column: "key_digest",
        index: Index {
            name: "version_key_digest",
            sql: "(key_digest, (CASE WHEN ordinal < 0 THEN id ELSE 0 END))",
        },
        near: Near::Text("version"),
        only: "",
    },
    Column {
        table: "execution",
        column: "key_digest",
        index: Index {
            name: "execution_key_digest",
            sql: "(key_digest)",
        },
        near: Near::Text("name"),
        only: "",
    },
    Column {
        table: "partition",
        column: "digest",
        index: Index {
            name: "partition_digest",
            sql: "(digest)",
        },
        near: Near::Time("window_start"),
        // A partition without a window has no time.
        only: " WHERE granularity IS NOT NULL",
    },
    Column {
        table: "event",
        column: "digest",
        index: Index {
            name: "event_digest",
            sql: "(digest)",
        },
        near: Near::Time("event_time"),
        only: "",
    },
];

impl Column {
    /// The statement that puts what a digest is near to in front of it.
    fn put_in_front(&self, backend: DbBackend) -> String {
        let Self {
            table, column, only, ..
        } = self;
        let front = match (&self.near, backend) {
            (Near::Text(name), DbBackend::Sqlite) => format!("substr(CAST({name} AS BLOB), 1, 32)"),
            (Near::Text(name), _) => format!("substring(convert_to({name}, 'UTF8') FOR 32)"),
            (Near::Time(name), DbBackend::Sqlite) => format!("unhex(printf('%016x', {name}))"),
            (Near::Time(name), _) => format!("int8send({name})"),
        };
        format!("UPDATE {table} SET {column} = CAST({front} || {column} AS {{bytes}}){only}")
    }

    /// The statement that leaves the hash alone.
    fn leave_hash(&self) -> String {
        let Self { table, column, .. } = self;
        format!("UPDATE {table} SET {column} = substr({column}, length({column}) - 15)")
    }

    async fn rewrite(&self, manager: &SchemaManager<'_>, update: &str) -> Result<(), DbErr> {
        let (table, Index { name, sql }) = (self.table, &self.index);
        let drop = format!("DROP INDEX {name}");
        let create = format!("CREATE UNIQUE INDEX {name} ON {table} {sql}");
        run(manager, &[&drop, update, &create]).await
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_connection().get_database_backend();
        for column in &COLUMNS {
            column.rewrite(manager, &column.put_in_front(backend)).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in &COLUMNS {
            column.rewrite(manager, &column.leave_hash()).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
