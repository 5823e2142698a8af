//! Who said what, where records and events speak of the same execution: events may take back what they said, and what a
//! record said stays.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "ALTER TABLE edge ADD COLUMN is_recorded BOOLEAN NOT NULL DEFAULT TRUE",
    // It was not kept apart before. Where there are events, they are the likely source.
    "UPDATE edge SET is_recorded = FALSE WHERE execution_id IN (SELECT id FROM run_story)",
    "ALTER TABLE run_story ADD COLUMN recorded TEXT",
];

const DOWN: &[&str] = &[
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
