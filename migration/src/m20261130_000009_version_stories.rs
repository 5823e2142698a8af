//! What events say of the versions that a story names beyond the first. Stories of before keep theirs in themselves. The way back loses what
//! is kept apart: it is for development, as every way back is.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "CREATE TABLE version_story (
        digest {bytes} NOT NULL PRIMARY KEY,
        execution_id BIGINT CONSTRAINT version_story_execution REFERENCES execution (id),
        artifact_id BIGINT CONSTRAINT version_story_artifact REFERENCES artifact (id),
        is_written BOOLEAN NOT NULL,
        dataset TEXT,
        version TEXT NOT NULL,
        story TEXT NOT NULL
    )",
    "CREATE INDEX version_story_execution ON version_story (execution_id) WHERE execution_id IS NOT NULL",
    "CREATE INDEX version_story_artifact ON version_story (artifact_id) WHERE artifact_id IS NOT NULL",
];

const DOWN: &[&str] = &["DROP TABLE version_story"];

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
