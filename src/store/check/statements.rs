//! What one statement can find wrong: each answers a row for each fault, which says where it is and what would be right.
//!
//! A new table gets an entry in [`CHECKED_TABLES`], which has what all tables have; what is true of it alone is an entry in
//! `INVARIANTS`.

use entity::NEVER;
use sea_orm::DbBackend;

/// A statement and the name of its check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The check.
    pub name: &'static str,
    /// Two texts a row; `{newest}` and `{never}` stand for revisions.
    sql: String,
}

impl Query {
    fn new(name: &'static str, sql: impl Into<String>) -> Self {
        Self { name, sql: sql.into() }
    }

    /// The statement for a store whose newest revision this is.
    pub(super) fn text(&self, newest: i64) -> String {
        self.sql
            .replace("{newest}", &newest.to_string())
            .replace("{never}", &NEVER.to_string())
    }
}

/// What is true of every table: its references lead somewhere, its revisions have been, its ids have been given out.
#[derive(Clone, Copy, Debug)]
pub struct CheckedTable {
    /// Its name.
    pub name: &'static str,
    /// How a row is called, as SQL over `t`.
    row: &'static str,
    /// Columns that name rows of other tables.
    pub references: &'static [(&'static str, &'static str)],
    /// Columns of revisions: the first is when the row was recorded, the others came no earlier, or never.
    pub revisions: &'static [&'static str],
    /// The column of the counter row that has the last id given out, for tables with an `id`.
    counter: Option<&'static str>,
}

/// Every table but the log of revisions and its counter.
pub const CHECKED_TABLES: [CheckedTable; 10] = [
    CheckedTable {
        name: "artifact",
        row: "'artifact ' || t.id",
        references: &[],
        revisions: &[
            "revision",
            "declared_revision",
            "described_revision",
            "time_seen_revision",
        ],
        counter: Some("artifact_id"),
    },
    CheckedTable {
        name: "artifact_key",
        row: "'artifact_key ' || t.artifact_id || ' ' || t.key",
        references: &[("artifact_id", "artifact")],
        revisions: &["revision"],
        counter: None,
    },
    CheckedTable {
        name: "partition",
        row: "'partition ' || t.id",
        references: &[("artifact_id", "artifact")],
        revisions: &["revision", "retired_revision"],
        counter: Some("partition_id"),
    },
    CheckedTable {
        name: "partition_value",
        row: "'partition_value ' || t.partition_id || ' ' || t.key",
        references: &[("partition_id", "partition")],
        revisions: &[],
        counter: None,
    },
    CheckedTable {
        name: "version",
        row: "'version ' || t.id",
        references: &[
            ("artifact_id", "artifact"),
            ("partition_id", "partition"),
            ("prior_partition_id", "partition"),
        ],
        revisions: &["revision", "produced_revision", "deleted_revision", "placed_revision"],
        counter: Some("version_id"),
    },
    CheckedTable {
        name: "version_value",
        row: "'version_value ' || t.version_id || ' ' || t.key",
        references: &[("version_id", "version")],
        revisions: &[],
        counter: None,
    },
    CheckedTable {
        name: "alias",
        row: "'alias ' || t.id",
        references: &[("artifact_id", "artifact"), ("version_id", "version")],
        revisions: &["revision", "ended_revision"],
        counter: Some("alias_id"),
    },
    CheckedTable {
        name: "execution",
        row: "'execution ' || t.id",
        references: &[("parent_id", "execution")],
        revisions: &["revision", "reported_revision"],
        counter: Some("execution_id"),
    },
    CheckedTable {
        name: "edge",
        row: "'edge ' || t.execution_id || ' ' || t.role || ' ' || t.name || ' ' || t.version_id",
        references: &[("execution_id", "execution"), ("version_id", "version")],
        revisions: &["revision"],
        counter: None,
    },
    CheckedTable {
        name: "resolved_input",
        row: "'resolved_input ' || t.execution_id || ' ' || t.version_id",
        references: &[("execution_id", "execution"), ("version_id", "version")],
        revisions: &["revision"],
        counter: None,
    },
];

/// What is true of one table alone, or of two together: the check's name, and the statement.
const INVARIANTS: [(&str, &str); 19] = [
    (
        "counter",
        "SELECT 'revision_counter', 'it has one row' FROM (SELECT COUNT(*) AS rows FROM revision_counter) AS counted WHERE rows <> 1",
    ),
    (
        "recorded times",
        "SELECT 'artifact ' || a.id, 'created_at is ' || r.recorded_at || ', when its revision was recorded'
         FROM artifact a JOIN revision r ON r.id = a.revision WHERE a.created_at <> r.recorded_at",
    ),
    (
        "recorded times",
        "SELECT 'version ' || v.id, 'named_at is ' || r.recorded_at || ', when its revision was recorded'
         FROM version v JOIN revision r ON r.id = v.revision WHERE v.named_at <> r.recorded_at",
    ),
    (
        "recorded times",
        "SELECT 'version ' || v.id, 'created_at is ' || r.recorded_at || ', when it was recorded, since none was given'
         FROM version v JOIN revision r ON r.id = v.produced_revision
         WHERE NOT v.created_at_given AND v.created_at <> r.recorded_at",
    ),
    (
        "keys of artifacts",
        "SELECT 'artifact_key ' || k.artifact_id || ' ' || k.key, 'a version that revision ' || k.revision || ' produced has the key'
         FROM artifact_key k WHERE NOT EXISTS (
           SELECT 1 FROM version_value x JOIN version v ON v.id = x.version_id
           WHERE x.artifact_id = k.artifact_id AND x.key = k.key AND v.produced_revision = k.revision)",
    ),
    (
        "keys of artifacts",
        "SELECT 'artifact ' || a.id, 'a version that revision ' || a.time_seen_revision || ' produced has a time partition'
         FROM artifact a WHERE a.time_seen_revision <> {never} AND NOT EXISTS (
           SELECT 1 FROM version v
           WHERE v.artifact_id = a.id AND v.given_time IS NOT NULL AND v.produced_revision = a.time_seen_revision)",
    ),
    (
        "partitions",
        "SELECT 'partition ' || p.id, 'revision ' || p.revision || ' placed a version in it'
         FROM partition p WHERE NOT EXISTS (
           SELECT 1 FROM version v WHERE v.partition_id = p.id AND v.placed_revision = p.revision)
         AND NOT EXISTS (
           SELECT 1 FROM version v WHERE v.prior_partition_id = p.id AND v.produced_revision = p.revision)",
    ),
    (
        "states of versions",
        "SELECT 'version ' || id, 'placed_revision is at least produced_revision, and neither comes without the other'
         FROM version WHERE placed_revision < produced_revision OR (placed_revision = {never}) <> (produced_revision = {never})",
    ),
    (
        "states of versions",
        "SELECT 'version ' || id, 'it has a named_at, and no content before it is produced'
         FROM version WHERE produced_revision = {never} AND (named_at IS NULL OR partition_id IS NOT NULL
           OR prior_partition_id IS NOT NULL OR schema_mismatch IS NOT NULL OR prior_schema_mismatch IS NOT NULL
           OR given_values IS NOT NULL OR given_time IS NOT NULL OR location IS NOT NULL OR data_type IS NOT NULL
           OR description IS NOT NULL OR metadata IS NOT NULL OR card IS NOT NULL)",
    ),
    (
        "ordinals",
        "SELECT 'version ' || id, 'ordinal is its id, unless it was named before it was produced; then a later number that was given out'
         FROM version WHERE ordinal < id OR (ordinal > id AND (named_at IS NULL OR produced_revision = {never}))
           OR ordinal > (SELECT version_id FROM revision_counter)",
    ),
    (
        "ordinals",
        "SELECT 'version ' || v.id, 'its ordinal is no other version''s'
         FROM version v JOIN version w
           ON w.artifact_id = v.artifact_id AND w.created_at = v.created_at AND w.ordinal = v.ordinal AND w.id < v.id",
    ),
    (
        "aliases",
        "SELECT 'alias ' || l.id, 'it stands at a version of its own artifact'
         FROM alias l JOIN version v ON v.id = l.version_id WHERE v.artifact_id <> l.artifact_id",
    ),
    (
        "aliases",
        "SELECT 'alias ' || l.id, 'it ended with its version, in revision ' || v.deleted_revision
         FROM alias l JOIN version v ON v.id = l.version_id WHERE l.ended_revision > v.deleted_revision",
    ),
    (
        "aliases",
        "SELECT 'alias ' || id, 'the alias ended elsewhere before it was set here'
         FROM (SELECT id, revision, LAG(ended_revision) OVER (PARTITION BY artifact_id, name ORDER BY id) AS before FROM alias) AS stays
         WHERE before > revision",
    ),
    (
        "edges",
        "SELECT 'edge ' || g.execution_id || ' ' || g.role || ' ' || g.name || ' ' || g.version_id,
           'revision is not before its execution was reported, in ' || e.reported_revision
         FROM edge g JOIN execution e ON e.id = g.execution_id WHERE g.revision < e.reported_revision",
    ),
    (
        "edges",
        "SELECT 'edge ' || g.execution_id || ' ' || g.role || ' ' || g.name || ' ' || g.version_id,
           'revision is not before its version was named, nor, for an output, before it was produced'
         FROM edge g JOIN version v ON v.id = g.version_id
         WHERE g.revision < v.revision OR (g.role = 1 AND g.revision < v.produced_revision)",
    ),
    (
        "resolved inputs",
        "SELECT 'resolved_input ' || i.execution_id || ' ' || i.version_id, 'there is an input edge, recorded no later'
         FROM resolved_input i WHERE NOT EXISTS (
           SELECT 1 FROM edge g WHERE g.version_id = i.version_id AND g.role = 0 AND g.execution_id = i.execution_id
             AND g.revision <= i.revision)",
    ),
    (
        "resolved inputs",
        "SELECT 'resolved_input ' || execution_id || ' ' || version_id, 'digest has sixteen bytes'
         FROM resolved_input WHERE length(digest) <> 16",
    ),
    (
        "executions",
        "SELECT 'execution ' || id, 'it is not its own parent' FROM execution WHERE parent_id = id",
    ),
];

/// SQLite's own look at its file: pages, trees, indices, and the constraints of columns.
const FILE: &str =
    "SELECT 'what SQLite found', integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'";

/// All statements that apply to a database.
pub fn queries(backend: DbBackend) -> Vec<Query> {
    let mut queries = Vec::new();
    if backend == DbBackend::Sqlite {
        queries.push(Query::new("database file", FILE));
    }
    queries.extend(CHECKED_TABLES.iter().flat_map(references));
    queries.extend(CHECKED_TABLES.iter().flat_map(revisions));
    queries.extend(CHECKED_TABLES.iter().flat_map(ids));
    queries.extend(INVARIANTS.into_iter().map(|(name, sql)| Query::new(name, sql)));
    queries
}

fn references(table: &CheckedTable) -> Vec<Query> {
    let CheckedTable { name, row, .. } = table;
    let query = |(column, parent): &(&str, &str)| {
        let sql = format!(
            "SELECT {row}, '{column} ' || t.{column} || ' is the id of a row of {parent}' FROM {name} t
             WHERE t.{column} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE p.id = t.{column})"
        );
        Query::new("references", sql)
    };
    table.references.iter().map(query).collect()
}

fn revisions(table: &CheckedTable) -> Vec<Query> {
    let CheckedTable { name, row, .. } = table;
    let Some((first, later)) = table.revisions.split_first() else {
        return Vec::new();
    };
    let sql = format!(
        "SELECT {row}, '{first} is from 1 to {newest}, not ' || t.{first} FROM {name} t WHERE t.{first} NOT BETWEEN 1 AND {newest}",
        newest = "{newest}"
    );
    let mut queries = vec![Query::new("revision columns", sql)];
    for column in later {
        let sql = format!(
            "SELECT {row}, '{column} is from ' || t.{first} || ' to {newest}, or never, not ' || t.{column} FROM {name} t
             WHERE t.{column} NOT BETWEEN t.{first} AND {newest} AND t.{column} <> {never}",
            newest = "{newest}",
            never = "{never}"
        );
        queries.push(Query::new("revision columns", sql));
    }
    queries
}

fn ids(table: &CheckedTable) -> Vec<Query> {
    let CheckedTable { name, row, counter, .. } = table;
    let Some(counter) = counter else {
        return Vec::new();
    };
    let given_out = format!(
        "SELECT {row}, 'the id is from 1 to the counter''s ' || c.{counter} FROM {name} t CROSS JOIN revision_counter c
         WHERE t.id NOT BETWEEN 1 AND c.{counter}"
    );
    let in_order = format!(
        "SELECT {row}, 'revision is at least ' || t.before || ', that of the id before'
         FROM (SELECT id, revision, LAG(revision) OVER (ORDER BY id) AS before FROM {name}) AS t WHERE t.before > t.revision"
    );
    vec![Query::new("ids", given_out), Query::new("ids", in_order)]
}
