//! Executions and the edges of lineage.
//!
//! Both directions of an edge are covering: the table itself by execution, its index by version.

use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // A parent may be named after its child, so that one statement writes the child and a later one the parent.
    "CREATE TABLE execution (
        id {id} NOT NULL PRIMARY KEY,
        key_digest {bytes} NOT NULL,
        project {text} NOT NULL,
        domain {text} NOT NULL,
        name {text} NOT NULL,
        revision BIGINT NOT NULL,
        reported_revision BIGINT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('WORKFLOW', 'TASK')),
        state TEXT NOT NULL CHECK (state IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'ABORTED')),
        entity {text},
        entity_version {text},
        node_id {text},
        attempt INTEGER,
        principal {text},
        parent_id BIGINT CONSTRAINT execution_parent REFERENCES execution (id) DEFERRABLE INITIALLY DEFERRED,
        started_at BIGINT NOT NULL,
        ended_at BIGINT,
        error TEXT,
        metadata TEXT,
        field_ranks TEXT NOT NULL
    )",
    "CREATE UNIQUE INDEX execution_key_digest ON execution (key_digest)",
    "CREATE INDEX execution_children ON execution (parent_id, id) WHERE parent_id IS NOT NULL",
    // ExecutionOrderField.STARTED_AT and RECORDED_AT, over all and within a project and domain.
    "CREATE INDEX execution_started_at ON execution (started_at, id)",
    "CREATE INDEX execution_project_domain_started_at ON execution (project, domain, started_at, id)",
    "CREATE TABLE edge (
        execution_id BIGINT NOT NULL CONSTRAINT edge_execution REFERENCES execution (id),
        role SMALLINT NOT NULL CHECK (role IN (0, 1)),
        name {text} NOT NULL,
        version_id BIGINT NOT NULL CONSTRAINT edge_version REFERENCES version (id),
        revision BIGINT NOT NULL,
        PRIMARY KEY (execution_id, role, name, version_id)
    ){in_key}",
    "CREATE INDEX edge_version ON edge (version_id, role, execution_id, name, revision)",
    "CREATE TABLE resolved_input (
        execution_id BIGINT NOT NULL CONSTRAINT resolved_input_execution REFERENCES execution (id),
        digest {bytes} NOT NULL,
        version_id BIGINT NOT NULL CONSTRAINT resolved_input_version REFERENCES version (id),
        revision BIGINT NOT NULL,
        PRIMARY KEY (execution_id, digest)
    ){in_key}",
];

const DOWN: &[&str] = &["DROP TABLE resolved_input", "DROP TABLE edge", "DROP TABLE execution"];

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
