//! Which artifact another name was of before: a name that turns out to be of another dataset has a row for each.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "ALTER TABLE dataset_name ADD COLUMN ended_revision BIGINT NOT NULL DEFAULT 9223372036854775807",
    "DROP INDEX dataset_name_digest",
    "CREATE UNIQUE INDEX dataset_name_digest ON dataset_name (digest, ended_revision)",
];

const DOWN: &[&str] = &[
    "DELETE FROM dataset_name WHERE ended_revision <> 9223372036854775807",
    "DROP INDEX dataset_name_digest",
    "ALTER TABLE dataset_name DROP COLUMN ended_revision",
    "CREATE UNIQUE INDEX dataset_name_digest ON dataset_name (digest)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
