//! Answers that are kept for requests with an `Idempotency-Key`, so that a repeated request hears the first answer, whichever
//! process it asks.
//!
//! No revision is involved: a kept answer is about a conversation with a client, not about lineage.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "CREATE TABLE idempotent_answer (
        key {text} NOT NULL PRIMARY KEY,
        fingerprint {bytes} NOT NULL,
        status INTEGER NOT NULL,
        content_type TEXT NOT NULL,
        body {bytes} NOT NULL,
        recorded_at BIGINT NOT NULL
    )",
    // Old ones are thrown away from the oldest on.
    "CREATE INDEX idempotent_answer_recorded_at ON idempotent_answer (recorded_at)",
];

const DOWN: &[&str] = &["DROP TABLE idempotent_answer"];

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
