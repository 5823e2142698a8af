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
            .replace("{described}", DESCRIBED)
    }
}

/// What is true of every table: its references lead somewhere, its revisions have been, its ids have been given out.
#[derive(Clone, Copy, Debug)]
pub struct CheckedTable {
    /// Its name.
    pub name: &'static str,
    /// How a row is called, as SQL over `t`.
    pub(super) row: &'static str,
    /// Columns that name rows of other tables.
    pub references: &'static [(&'static str, &'static str)],
    /// Columns of revisions: the first is when the row was recorded, the others came no earlier, or never.
    pub revisions: &'static [&'static str],
    /// The column of the counter row that has the last id given out, for tables with an `id`.
    counter: Option<&'static str>,
}

/// Every table but the log of revisions and its counter.
pub const CHECKED_TABLES: [CheckedTable; 19] = [
    CheckedTable {
        name: "artifact",
        row: "'artifact ' || t.id",
        references: &[],
        revisions: &[
            "revision",
            "declared_revision",
            "described_revision",
            "time_seen_revision",
            "merged_revision",
            "returned_revision",
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
        name: "recorded_version",
        row: "'recorded_version ' || t.id",
        references: &[("id", "version")],
        revisions: &["revision"],
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
        revisions: &["revision", "ended_revision"],
        counter: None,
    },
    CheckedTable {
        name: "resolved_input",
        row: "'resolved_input ' || t.execution_id || ' ' || t.version_id",
        references: &[("execution_id", "execution"), ("version_id", "version")],
        revisions: &["revision"],
        counter: None,
    },
    CheckedTable {
        name: "event",
        row: "'event ' || t.id",
        references: &[("execution_id", "execution"), ("artifact_id", "artifact")],
        revisions: &["revision"],
        counter: Some("event_id"),
    },
    CheckedTable {
        name: "run_story",
        row: "'run_story ' || t.id",
        references: &[("id", "execution")],
        revisions: &[],
        counter: None,
    },
    CheckedTable {
        name: "dataset_story",
        row: "'dataset_story ' || t.id",
        references: &[("id", "artifact")],
        revisions: &[],
        counter: None,
    },
    CheckedTable {
        name: "version_story",
        row: "'version_story of ' || COALESCE('execution ' || t.execution_id, 'artifact ' || t.artifact_id, '') || ' ' || t.version",
        references: &[("execution_id", "execution"), ("artifact_id", "artifact")],
        revisions: &[],
        counter: None,
    },
    CheckedTable {
        name: "floating_input",
        row: "'floating_input ' || t.id",
        references: &[
            ("execution_id", "execution"),
            ("artifact_id", "artifact"),
            ("version_id", "version"),
        ],
        revisions: &[],
        counter: Some("event_id"),
    },
    CheckedTable {
        name: "symlink",
        row: "'symlink ' || t.id",
        references: &[],
        revisions: &["revision"],
        counter: Some("event_id"),
    },
    CheckedTable {
        name: "dataset_name",
        row: "'dataset_name ' || t.id",
        references: &[("artifact_id", "artifact")],
        revisions: &["revision", "ended_revision"],
        counter: Some("event_id"),
    },
    CheckedTable {
        name: "idempotent_answer",
        row: "'idempotent_answer ' || t.key",
        references: &[],
        revisions: &[],
        counter: None,
    },
];

/// What is true of one table alone, or of two together: the check's name, and the statement.
const INVARIANTS: [(&str, &str); 38] = [
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
         WHERE NOT v.created_at_given AND v.created_at <> r.recorded_at
         AND NOT EXISTS (SELECT 1 FROM recorded_version k WHERE k.id = v.id)",
    ),
    (
        "keys of artifacts",
        "SELECT 'artifact_key ' || k.artifact_id || ' ' || k.key, 'a version that revision ' || k.revision || ' produced has the key'
         FROM artifact_key k WHERE NOT EXISTS (
           SELECT 1 FROM version_value x JOIN version v ON v.id = x.version_id
           WHERE x.artifact_id = k.artifact_id AND x.key = k.key AND v.produced_revision = k.revision)
         AND NOT EXISTS (SELECT 1 FROM version v WHERE v.artifact_id = k.artifact_id AND {described})",
    ),
    (
        "keys of artifacts",
        "SELECT 'artifact ' || a.id, 'a version that revision ' || a.time_seen_revision || ' produced has a time partition'
         FROM artifact a WHERE a.time_seen_revision <> {never} AND NOT EXISTS (
           SELECT 1 FROM version v
           WHERE v.artifact_id = a.id AND v.given_time IS NOT NULL AND v.produced_revision = a.time_seen_revision)
         AND NOT EXISTS (SELECT 1 FROM version v WHERE v.artifact_id = a.id AND {described})",
    ),
    (
        "partitions",
        "SELECT 'partition ' || p.id, 'revision ' || p.revision || ' placed a version in it'
         FROM partition p WHERE NOT EXISTS (
           SELECT 1 FROM version v WHERE v.partition_id = p.id AND v.placed_revision = p.revision)
         AND NOT EXISTS (
           SELECT 1 FROM version v WHERE v.prior_partition_id = p.id AND v.produced_revision = p.revision)
         AND NOT EXISTS (SELECT 1 FROM version v WHERE v.artifact_id = p.artifact_id AND {described})",
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
         FROM version v WHERE abs(ordinal) < id
           OR (abs(ordinal) > id AND (named_at IS NULL OR produced_revision = {never}) AND NOT {described})
           OR abs(ordinal) > (SELECT version_id FROM revision_counter)",
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
           'revision is not before its version was named, in ' || v.revision
         FROM edge g JOIN version v ON v.id = g.version_id WHERE g.revision < v.revision",
    ),
    (
        "edges",
        "SELECT 'edge ' || execution_id || ' ' || role || ' ' || name || ' ' || version_id, 'it ended before it came again, in ' || revision
         FROM (SELECT execution_id, role, name, version_id, revision, LAG(ended_revision)
           OVER (PARTITION BY execution_id, role, name, version_id ORDER BY revision) AS before FROM edge) AS stays
         WHERE before > revision",
    ),
    (
        "edges",
        "SELECT 'edge ' || g.execution_id || ' ' || g.role || ' ' || g.name || ' ' || g.version_id,
           'it is recorded, and stands as long as its version does, or events tell of its execution'
         FROM edge g WHERE NOT EXISTS (SELECT 1 FROM run_story s WHERE s.id = g.execution_id)
           AND (NOT g.is_recorded OR (g.ended_revision <> {never} AND NOT EXISTS (
             SELECT 1 FROM version v WHERE v.id = g.version_id AND v.ordinal < 0 AND v.deleted_revision = g.ended_revision)))",
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
    (
        "ids",
        "SELECT 'id ' || id, 'it was given out once, to an event, a floating input, a symlink or a name'
         FROM (SELECT id FROM event UNION ALL SELECT id FROM floating_input
           UNION ALL SELECT id FROM symlink UNION ALL SELECT id FROM dataset_name) AS given GROUP BY id HAVING COUNT(*) > 1",
    ),
    (
        "events",
        "SELECT 'event ' || id, 'it is about an execution, or, as an event about a dataset, about an artifact'
         FROM event WHERE (execution_id IS NULL) <> (kind = 'DATASET') OR (artifact_id IS NULL) = (kind = 'DATASET')",
    ),
    (
        "stories",
        "SELECT 'run_story ' || s.id, 'there is an event about the execution'
         FROM run_story s WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.execution_id = s.id)",
    ),
    (
        "stories",
        "SELECT 'version_story of ' || COALESCE('execution ' || s.execution_id, 'artifact ' || s.artifact_id, '') || ' ' || s.version,
           'it is kept apart from the story of a run or of a dataset, which is there'
         FROM version_story s WHERE (s.execution_id IS NULL) = (s.artifact_id IS NULL)
           OR (s.execution_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM run_story r WHERE r.id = s.execution_id))
           OR (s.artifact_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM dataset_story d WHERE d.id = s.artifact_id))",
    ),
    (
        "stories",
        "SELECT 'event ' || e.id, 'its dataset has a story'
         FROM event e WHERE e.artifact_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM dataset_story s WHERE s.id = e.artifact_id)",
    ),
    (
        "floating inputs",
        "SELECT 'floating_input ' || id, 'it is at a version, or gone' FROM floating_input WHERE (version_id IS NULL) <> is_gone",
    ),
    (
        "floating inputs",
        "SELECT 'floating_input ' || f.id, 'an input edge to version ' || f.version_id || ' stands'
         FROM floating_input f WHERE f.version_id IS NOT NULL AND NOT EXISTS (
           SELECT 1 FROM edge g WHERE g.execution_id = f.execution_id AND g.role = 0 AND g.name = f.name
             AND g.version_id = f.version_id AND g.ended_revision = {never})",
    ),
    (
        "other names",
        "SELECT 'symlink ' || s.id, 'both names are of one artifact'
         FROM symlink s LEFT JOIN dataset_name n ON n.digest = s.alias_digest AND n.ended_revision = {never} LEFT JOIN artifact a ON a.key_digest = s.alias_digest
           LEFT JOIN dataset_name m ON m.digest = s.dataset_digest AND m.ended_revision = {never} LEFT JOIN artifact b ON b.key_digest = s.dataset_digest
         WHERE coalesce(n.artifact_id, a.id, 0) <> coalesce(m.artifact_id, b.id, -1)",
    ),
    (
        "other names",
        "SELECT 'dataset_name ' || n.id, 'the name is of another artifact from revision ' || n.ended_revision || ' on, where this one ended'
         FROM dataset_name n WHERE n.ended_revision <> {never}
           AND NOT EXISTS (SELECT 1 FROM dataset_name m WHERE m.digest = n.digest AND m.revision = n.ended_revision)",
    ),
    (
        "merged artifacts",
        "SELECT 'artifact ' || a.id, 'it is the artifact of no name, since it is another one'
         FROM artifact a WHERE a.merged_revision <> {never} AND a.returned_revision = {never}
           AND EXISTS (SELECT 1 FROM dataset_name n WHERE n.artifact_id = a.id AND n.ended_revision = {never})",
    ),
    (
        "merged artifacts",
        "SELECT 'artifact ' || a.id, 'its name is another name of the artifact that it is'
         FROM artifact a WHERE a.merged_revision <> {never}
           AND NOT EXISTS (SELECT 1 FROM dataset_name n WHERE n.digest = a.key_digest AND n.ended_revision = {never})",
    ),
    (
        "merged artifacts",
        "SELECT 'artifact ' || a.id, 'it has no version that is there, such as ' || min(v.id)
         FROM artifact a JOIN version v ON v.artifact_id = a.id WHERE a.merged_revision <> {never}
           AND a.returned_revision = {never} AND v.ordinal > 0 GROUP BY a.id",
    ),
    (
        "merged artifacts",
        "SELECT 'artifact ' || id, 'it is back only after it was another one'
         FROM artifact WHERE returned_revision <> {never} AND returned_revision <= merged_revision",
    ),
    (
        "recorded versions",
        "SELECT 'recorded_version ' || k.id, 'its version is there, and events describe it, since revision ' || k.revision || ' at the latest'
         FROM recorded_version k JOIN version v ON v.id = k.id
         WHERE v.ordinal < 0 OR NOT v.is_described OR v.produced_revision > k.revision",
    ),
    (
        "withdrawn versions",
        "SELECT 'version ' || v.id, 'it has a deleted_revision, and neither edges nor aliases that stand'
         FROM version v WHERE v.ordinal < 0 AND (v.deleted_revision = {never}
           OR EXISTS (SELECT 1 FROM edge g WHERE g.version_id = v.id AND g.ended_revision = {never})
           OR EXISTS (SELECT 1 FROM alias l WHERE l.version_id = v.id AND l.ended_revision = {never}))",
    ),
    (
        "withdrawn versions",
        "SELECT 'version ' || v.id, 'it is withdrawn, since nobody has produced it, and nothing names it'
         FROM version v WHERE v.ordinal > 0 AND v.deleted_revision = {never} AND v.produced_revision = {never}
           AND NOT EXISTS (SELECT 1 FROM edge g WHERE g.version_id = v.id AND g.ended_revision = {never})
           AND NOT EXISTS (SELECT 1 FROM alias l WHERE l.version_id = v.id)",
    ),
    (
        "kept answers",
        "SELECT 'idempotent_answer ' || key, 'it has a key, a fingerprint of 32 bytes, a status of HTTP and a content type'
         FROM idempotent_answer WHERE key = '' OR length(fingerprint) <> 32 OR status NOT BETWEEN 100 AND 599 OR content_type = ''",
    ),
];

/// Whether events describe a version `v`, or may have: then it may have been another one before, and what that brought stays.
const DESCRIBED: &str = "(v.is_described OR v.ordinal < 0
    OR (v.named_at IS NOT NULL AND EXISTS (SELECT 1 FROM revision_counter c WHERE c.event_id > 0)))";

/// SQLite's own look at its file: pages, trees, indices, and the constraints of columns.
const FILE: &str =
    "SELECT 'what SQLite found', integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'";

/// The check of texts, which is none of a statement: see `texts`.
pub(super) const TEXTS: &str = "texts";

/// All statements that apply to a database.
pub fn queries(backend: DbBackend) -> Vec<Query> {
    let mut queries = Vec::new();
    if backend == DbBackend::Sqlite {
        queries.push(Query::new("database file", FILE));
        queries.push(Query::new(TEXTS, ""));
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
    let mut queries = vec![Query::new("ids", given_out)];
    if table.revisions.contains(&"revision") {
        queries.push(Query::new("ids", in_order));
    }
    queries
}
