//! Revisions, artifacts, partitions, versions and aliases.
//!
//! Instants are BIGINT microseconds; a revision that has not come is 9223372036854775807 (`entity::NEVER`), a time
//! that is not there -9223372036854775808 (`entity::NO_TIME`). Names can be 1,024 characters of four bytes, more than
//! PostgreSQL puts into an index entry, so natural keys are unique by their digest and names are ordered by their
//! first 255 characters.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "CREATE TABLE revision (
        id {id} NOT NULL PRIMARY KEY,
        recorded_at BIGINT NOT NULL,
        changed TEXT
    )",
    // `asOf: {time}`: the newest revision recorded up to an instant.
    "CREATE INDEX revision_recorded_at ON revision (recorded_at, id)",
    "CREATE TABLE revision_counter (
        id {id} NOT NULL PRIMARY KEY CHECK (id = 1),
        revision BIGINT NOT NULL,
        recorded_at BIGINT NOT NULL,
        artifact_id BIGINT NOT NULL,
        partition_id BIGINT NOT NULL,
        version_id BIGINT NOT NULL,
        execution_id BIGINT NOT NULL,
        alias_id BIGINT NOT NULL
    )",
    "INSERT INTO revision_counter VALUES (1, 0, 0, 0, 0, 0, 0, 0)",
    "CREATE TABLE artifact (
        id {id} NOT NULL PRIMARY KEY,
        key_digest {bytes} NOT NULL,
        project {text} NOT NULL,
        domain {text} NOT NULL,
        name {text} NOT NULL,
        created_at BIGINT NOT NULL,
        revision BIGINT NOT NULL,
        declared_revision BIGINT NOT NULL,
        declared_keys TEXT,
        declared_granularity TEXT CHECK (declared_granularity IN ('MINUTE', 'HOUR', 'DAY', 'WEEK', 'MONTH', 'YEAR')),
        description TEXT,
        described_revision BIGINT NOT NULL,
        time_seen_revision BIGINT NOT NULL
    )",
    "CREATE UNIQUE INDEX artifact_key_digest ON artifact (key_digest)",
    // Projects, domains, and the artifacts of one of them.
    "CREATE INDEX artifact_project_domain ON artifact (project, domain, id)",
    // ArtifactOrderField.NAME and CREATED_AT.
    "CREATE INDEX artifact_name ON artifact (substr(name, 1, 255), id)",
    "CREATE INDEX artifact_created_at ON artifact (created_at, id)",
    "CREATE TABLE artifact_key (
        artifact_id BIGINT NOT NULL CONSTRAINT artifact_key_artifact REFERENCES artifact (id),
        key {text} NOT NULL,
        revision BIGINT NOT NULL,
        PRIMARY KEY (artifact_id, key)
    ){in_key}",
    "CREATE TABLE partition (
        id {id} NOT NULL PRIMARY KEY,
        artifact_id BIGINT NOT NULL CONSTRAINT partition_artifact REFERENCES artifact (id),
        digest {bytes} NOT NULL,
        \"values\" TEXT NOT NULL,
        key_count SMALLINT NOT NULL,
        window_start BIGINT NOT NULL,
        granularity TEXT CHECK (granularity IN ('MINUTE', 'HOUR', 'DAY', 'WEEK', 'MONTH', 'YEAR')),
        revision BIGINT NOT NULL,
        retired_revision BIGINT NOT NULL
    )",
    "CREATE UNIQUE INDEX partition_digest ON partition (digest)",
    // The partitions of an artifact, newest window first, and those of a range of windows.
    "CREATE INDEX partition_window ON partition (artifact_id, window_start, id)",
    "CREATE TABLE partition_value (
        artifact_id BIGINT NOT NULL,
        key {text} NOT NULL,
        value {text} NOT NULL,
        partition_id BIGINT NOT NULL CONSTRAINT partition_value_partition REFERENCES partition (id),
        PRIMARY KEY (artifact_id, key, value, partition_id)
    ){in_key}",
    // The values of one partition: filters by anything but equality.
    "CREATE INDEX partition_value_of_partition ON partition_value (partition_id, key, value)",
    "CREATE TABLE version (
        id {id} NOT NULL PRIMARY KEY,
        artifact_id BIGINT NOT NULL CONSTRAINT version_artifact REFERENCES artifact (id),
        key_digest {bytes} NOT NULL,
        version {text} NOT NULL,
        revision BIGINT NOT NULL,
        produced_revision BIGINT NOT NULL,
        deleted_revision BIGINT NOT NULL,
        created_at BIGINT NOT NULL,
        created_at_given BOOLEAN NOT NULL,
        ordinal BIGINT NOT NULL,
        named_at BIGINT,
        placed_revision BIGINT NOT NULL,
        partition_id BIGINT CONSTRAINT version_partition REFERENCES partition (id),
        window_start BIGINT NOT NULL,
        schema_mismatch TEXT,
        prior_partition_id BIGINT CONSTRAINT version_prior_partition REFERENCES partition (id),
        prior_window_start BIGINT NOT NULL,
        prior_schema_mismatch TEXT,
        given_values TEXT,
        given_time BIGINT,
        location TEXT,
        data_type TEXT,
        description TEXT,
        metadata TEXT,
        card TEXT
    )",
    "CREATE UNIQUE INDEX version_key_digest ON version (key_digest)",
    // VersionOrderField.CREATED_AT and the latest version, of an artifact and of a partition. The columns behind the order
    // let a walk pass over versions that are not wanted without reading their rows, which are wide.
    "CREATE INDEX version_created_at ON version
        (artifact_id, created_at, ordinal, window_start, partition_id, produced_revision, deleted_revision)",
    "CREATE INDEX version_partition_created_at ON version (partition_id, created_at, ordinal) WHERE partition_id IS NOT NULL",
    "CREATE INDEX version_prior_partition_created_at ON version (prior_partition_id, created_at, ordinal)
        WHERE prior_partition_id IS NOT NULL",
    // VersionOrderField.TIME_PARTITION and ranges of windows.
    "CREATE INDEX version_window ON version
        (artifact_id, window_start, created_at, ordinal, partition_id, produced_revision, deleted_revision)",
    // VersionOrderField.VERSION.
    "CREATE INDEX version_version ON version (artifact_id, substr(version, 1, 255), id)",
    // The versions that were placeholders once: few, and found without reading the others.
    "CREATE INDEX version_named_at ON version (artifact_id, named_at, id) WHERE named_at IS NOT NULL",
    "CREATE TABLE version_value (
        artifact_id BIGINT NOT NULL,
        key {text} NOT NULL,
        value {text} NOT NULL,
        created_at BIGINT NOT NULL,
        ordinal BIGINT NOT NULL,
        version_id BIGINT NOT NULL CONSTRAINT version_value_version REFERENCES version (id),
        PRIMARY KEY (artifact_id, key, value, created_at, ordinal)
    ){in_key}",
    "CREATE TABLE alias (
        id {id} NOT NULL PRIMARY KEY,
        artifact_id BIGINT NOT NULL CONSTRAINT alias_artifact REFERENCES artifact (id),
        name {text} NOT NULL,
        version_id BIGINT NOT NULL CONSTRAINT alias_version REFERENCES version (id),
        revision BIGINT NOT NULL,
        ended_revision BIGINT NOT NULL
    )",
    // At most one open stay of a name in an artifact; its history beside it.
    "CREATE UNIQUE INDEX alias_open ON alias (artifact_id, name) WHERE ended_revision = 9223372036854775807",
    "CREATE INDEX alias_name ON alias (artifact_id, name, ended_revision)",
    "CREATE INDEX alias_of_version ON alias (version_id, name)",
];

const DOWN: &[&str] = &[
    "DROP TABLE alias",
    "DROP TABLE version_value",
    "DROP TABLE version",
    "DROP TABLE partition_value",
    "DROP TABLE partition",
    "DROP TABLE artifact_key",
    "DROP TABLE artifact",
    "DROP TABLE revision_counter",
    "DROP TABLE revision",
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
