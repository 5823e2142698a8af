//! What records say of versions that events describe too.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &["CREATE TABLE recorded_version (
        id {id} NOT NULL PRIMARY KEY CONSTRAINT recorded_version_version REFERENCES version (id),
        revision BIGINT NOT NULL,
        content TEXT NOT NULL
    )"];

const DOWN: &[&str] = &["DROP TABLE recorded_version"];

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
