//! The history of Heirloom's schema: one list of steps for SQLite and PostgreSQL.
//!
//! Each step is plain SQL in the subset that both databases share; the few words that differ are filled in by
//! `Words`. A released step never changes: what must change gets a new step.

pub use sea_orm_migration::prelude::MigratorTrait;
use sea_orm_migration::prelude::{DbErr, MigrationTrait, SchemaManager};
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

mod m20261123_000001_artifacts;
mod m20261123_000002_executions;
mod m20261124_000003_events;
mod m20261124_000004_idempotency;
mod m20261125_000005_origins;
mod m20261125_000006_recorded_versions;
mod m20261125_000007_order;
mod m20261125_000008_former_names;
mod m20261130_000009_version_stories;

/// The ordered list of steps.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_artifacts::Migration),
            Box::new(m20261123_000002_executions::Migration),
            Box::new(m20261124_000003_events::Migration),
            Box::new(m20261124_000004_idempotency::Migration),
            Box::new(m20261125_000005_origins::Migration),
            Box::new(m20261125_000006_recorded_versions::Migration),
            Box::new(m20261125_000007_order::Migration),
            Box::new(m20261125_000008_former_names::Migration),
            Box::new(m20261130_000009_version_stories::Migration),
        ]
    }
}

/// The words in which the two databases' DDL differs.
struct Words {
    /// The type of a 64-bit primary key; SQLite keeps a table in the tree of an INTEGER one, and in no other.
    id: &'static str,
    /// Text that compares by code point, so that an order is the same on both.
    text: &'static str,
    /// A short string of bytes.
    bytes: &'static str,
    /// Stores a table in its primary key's index, where the database can: one tree less for a table that is all key.
    in_key: &'static str,
}

impl Words {
    fn of(backend: DbBackend) -> Result<Self, DbErr> {
        match backend {
            DbBackend::Sqlite => Ok(Self {
                id: "INTEGER",
                text: "TEXT",
                bytes: "BLOB",
                in_key: " WITHOUT ROWID",
            }),
            DbBackend::Postgres => Ok(Self {
                id: "BIGINT",
                text: "TEXT COLLATE \"C\"",
                bytes: "BYTEA",
                in_key: "",
            }),
            other => Err(DbErr::Custom(format!(
                "{other:?} is not supported: use SQLite or PostgreSQL"
            ))),
        }
    }

    fn fill(&self, sql: &str) -> String {
        sql.replace("{id}", self.id)
            .replace("{text}", self.text)
            .replace("{bytes}", self.bytes)
            .replace("{in_key}", self.in_key)
    }
}

/// Runs the statements of a step one after the other.
async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    let words = Words::of(connection.get_database_backend())?;
    for sql in statements {
        connection.execute_unprepared(&words.fill(sql)).await?;
    }
    Ok(())
}
