//! Who said what, where records and events speak of the same execution: events may take back what they said, and what a
//! record said stays. And what went and came back: a version that was withdrawn leaves its name to another row, and an
//! artifact keeps since when it is back, so that past states have them as they were.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "ALTER TABLE edge ADD COLUMN is_recorded BOOLEAN NOT NULL DEFAULT TRUE",
    // It was not kept apart before. Where there are events, they are the likely source.
    "UPDATE edge SET is_recorded = FALSE WHERE execution_id IN (SELECT id FROM run_story)",
    "ALTER TABLE run_story ADD COLUMN recorded TEXT",
    "DROP INDEX version_key_digest",
    // Of the rows under a key one at most is not withdrawn.
    "CREATE UNIQUE INDEX version_key_digest ON version (key_digest, (CASE WHEN ordinal < 0 THEN id ELSE 0 END))",
    "ALTER TABLE artifact ADD COLUMN returned_revision BIGINT NOT NULL DEFAULT 9223372036854775807",
];

const DOWN: &[&str] = &[
    "ALTER TABLE artifact DROP COLUMN returned_revision",
    "DROP INDEX version_key_digest",
    // The step before knows one row under a key only.
    "UPDATE version SET key_digest = CAST('withdrawn ' || id AS {bytes}) WHERE ordinal < 0
        AND EXISTS (SELECT 1 FROM version other WHERE other.key_digest = version.key_digest AND other.id <> version.id)",
    "CREATE UNIQUE INDEX version_key_digest ON version (key_digest)",
    "ALTER TABLE run_story DROP COLUMN recorded",
    "ALTER TABLE edge DROP COLUMN is_recorded",
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
