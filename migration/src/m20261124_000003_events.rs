//! Events, what they come to, and edges that end.
//!
//! What an event says of a run adds up with what earlier ones said, in whatever order they come. An input without a version
//! therefore moves when its producer is heard of later; the edge that it had ends, and earlier states still have it.

use sea_orm_migration::{
    prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait},
    sea_orm::DbBackend,
};

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // An edge may come again after it has ended, so its revision is part of what it is. SQLite cannot change a primary key.
    "CREATE TABLE edge_with_end (
        execution_id BIGINT NOT NULL CONSTRAINT edge_execution REFERENCES execution (id),
        role SMALLINT NOT NULL CHECK (role IN (0, 1)),
        name {text} NOT NULL,
        version_id BIGINT NOT NULL CONSTRAINT edge_version REFERENCES version (id),
        revision BIGINT NOT NULL,
        ended_revision BIGINT NOT NULL,
        PRIMARY KEY (execution_id, role, name, version_id, revision)
    ){in_key}",
    "INSERT INTO edge_with_end SELECT execution_id, role, name, version_id, revision, 9223372036854775807 FROM edge",
    "DROP TABLE edge",
    "ALTER TABLE edge_with_end RENAME TO edge",
    "CREATE INDEX edge_version ON edge (version_id, role, execution_id, name, revision, ended_revision)",
    // Whether events describe a version: then its facets add up, and it moves with the time of the run that made it.
    "ALTER TABLE version ADD COLUMN is_described BOOLEAN NOT NULL DEFAULT FALSE",
    // The counter row goes on to say how many events there are: without any, nothing below is looked at.
    "ALTER TABLE revision_counter ADD COLUMN event_id BIGINT NOT NULL DEFAULT 0",
    "CREATE TABLE event (
        id {id} NOT NULL PRIMARY KEY,
        digest {bytes} NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('RUN', 'JOB', 'DATASET')),
        event_type TEXT,
        event_time BIGINT NOT NULL,
        namespace {text} NOT NULL,
        name {text} NOT NULL,
        run_id {text},
        execution_id BIGINT CONSTRAINT event_execution REFERENCES execution (id),
        artifact_id BIGINT CONSTRAINT event_artifact REFERENCES artifact (id),
        revision BIGINT NOT NULL,
        body TEXT NOT NULL
    )",
    "CREATE UNIQUE INDEX event_digest ON event (digest)",
    // EventOrderField.EVENT_TIME; RECORDED_AT is the order of ids.
    "CREATE INDEX event_event_time ON event (event_time, id)",
    "CREATE INDEX event_execution_event_time ON event (execution_id, event_time, id) WHERE execution_id IS NOT NULL",
    "CREATE INDEX event_artifact_event_time ON event (artifact_id, event_time, id) WHERE artifact_id IS NOT NULL",
    // Filters by job and by run; names can be longer than an index entry of PostgreSQL.
    "CREATE INDEX event_job ON event (substr(namespace, 1, 255), substr(name, 1, 255), event_time, id)",
    "CREATE INDEX event_run ON event (substr(run_id, 1, 255), event_time, id) WHERE run_id IS NOT NULL",
    // What the events about one execution come to, and those about one dataset.
    "CREATE TABLE run_story (
        id BIGINT NOT NULL PRIMARY KEY CONSTRAINT run_story_execution REFERENCES execution (id),
        story TEXT NOT NULL
    )",
    "CREATE TABLE dataset_story (
        id BIGINT NOT NULL PRIMARY KEY CONSTRAINT dataset_story_artifact REFERENCES artifact (id),
        story TEXT NOT NULL
    )",
    // Inputs that name no version: they are at the version that was the latest when their run started.
    "CREATE TABLE floating_input (
        id {id} NOT NULL PRIMARY KEY,
        digest {bytes} NOT NULL,
        execution_id BIGINT NOT NULL CONSTRAINT floating_input_execution REFERENCES execution (id),
        artifact_id BIGINT NOT NULL CONSTRAINT floating_input_artifact REFERENCES artifact (id),
        name {text} NOT NULL,
        partition_digest {bytes},
        placeholder TEXT NOT NULL,
        started_at BIGINT NOT NULL,
        version_id BIGINT CONSTRAINT floating_input_version REFERENCES version (id),
        is_gone BOOLEAN NOT NULL
    )",
    "CREATE UNIQUE INDEX floating_input_digest ON floating_input (digest)",
    "CREATE INDEX floating_input_execution ON floating_input (execution_id)",
    "CREATE INDEX floating_input_version ON floating_input (version_id) WHERE version_id IS NOT NULL",
    // Which inputs a version that is heard of late may be meant by.
    "CREATE INDEX floating_input_artifact_started_at ON floating_input (artifact_id, started_at, id)",
    // What events say of other names of datasets: this name and that are of the same one.
    "CREATE TABLE symlink (
        id {id} NOT NULL PRIMARY KEY,
        digest {bytes} NOT NULL,
        alias_digest {bytes} NOT NULL,
        dataset_digest {bytes} NOT NULL,
        alias TEXT NOT NULL,
        dataset TEXT NOT NULL,
        kind TEXT,
        revision BIGINT NOT NULL
    )",
    "CREATE UNIQUE INDEX symlink_digest ON symlink (digest)",
    "CREATE INDEX symlink_alias ON symlink (alias_digest, id)",
    "CREATE INDEX symlink_dataset ON symlink (dataset_digest, id)",
    // What follows from them: which artifact a name is of.
    "CREATE TABLE dataset_name (
        id {id} NOT NULL PRIMARY KEY,
        digest {bytes} NOT NULL,
        namespace {text} NOT NULL,
        name {text} NOT NULL,
        artifact_id BIGINT NOT NULL CONSTRAINT dataset_name_artifact REFERENCES artifact (id),
        dataset TEXT NOT NULL,
        revision BIGINT NOT NULL
    )",
    "CREATE UNIQUE INDEX dataset_name_digest ON dataset_name (digest)",
    "CREATE INDEX dataset_name_artifact ON dataset_name (artifact_id, id)",
    // An artifact that turned out to be another one, under another name, is no more from this revision on.
    "ALTER TABLE artifact ADD COLUMN merged_revision BIGINT NOT NULL DEFAULT 9223372036854775807",
];

const DOWN: &[&str] = &[
    "ALTER TABLE artifact DROP COLUMN merged_revision",
    "DROP TABLE dataset_name",
    "DROP TABLE symlink",
    "DROP TABLE floating_input",
    "DROP TABLE dataset_story",
    "DROP TABLE run_story",
    "DROP TABLE event",
    "ALTER TABLE revision_counter DROP COLUMN event_id",
    "ALTER TABLE version DROP COLUMN is_described",
    "CREATE TABLE edge_without_end (
        execution_id BIGINT NOT NULL CONSTRAINT edge_execution REFERENCES execution (id),
        role SMALLINT NOT NULL CHECK (role IN (0, 1)),
        name {text} NOT NULL,
        version_id BIGINT NOT NULL CONSTRAINT edge_version REFERENCES version (id),
        revision BIGINT NOT NULL,
        PRIMARY KEY (execution_id, role, name, version_id)
    ){in_key}",
    "INSERT INTO edge_without_end SELECT execution_id, role, name, version_id, max(revision) FROM edge
        WHERE ended_revision = 9223372036854775807 GROUP BY execution_id, role, name, version_id",
    "DROP TABLE edge",
    "ALTER TABLE edge_without_end RENAME TO edge",
    "CREATE INDEX edge_version ON edge (version_id, role, execution_id, name, revision)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await?;
        rename_key(manager, "edge_with_end_pkey").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await?;
        rename_key(manager, "edge_without_end_pkey").await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// PostgreSQL names a primary key after the table it was made with; SQLite's has no name.
async fn rename_key(manager: &SchemaManager<'_>, from: &str) -> Result<(), DbErr> {
    match manager.get_database_backend() {
        DbBackend::Postgres => run(manager, &[&format!("ALTER INDEX {from} RENAME TO edge_pkey")]).await,
        _ => Ok(()),
    }
}
