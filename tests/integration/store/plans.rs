//! The plan of every statement that a page or a choice waits for: on SQLite no table is read from end to end, on
//! PostgreSQL (told not to) each goes by the index that is meant for it. On SQLite the tables are empty, and it never
//! has figures to plan by; PostgreSQL tells indexes apart by figures, so there are some versions.

use std::sync::Mutex;

use entity::{ArtifactId, ExecutionId, PartitionId, VersionId};
use heirloom::store::Reader;
use heirloom::{
    domain::{
        filter::{DateTimeRange, PartitionFilter, TimeFilter, ValueFilter, VersionKeyQuery},
        key::{ArtifactKey, ExecutionKey},
        openlineage::Dataset,
        time::{Granularity, Timestamp},
    },
    store::{
        Scope,
        artifact::{ArtifactRow, Placement, artifact_find_by_keys, artifact_find_many, artifact_other_names},
        artifact_list::{
            ArtifactFilter, ArtifactOrder, ArtifactOrderField, artifact_list, artifact_list_by_domains,
            artifact_updated_at, artifact_version_counts,
        },
        edge::{Role, edge_count_by_versions, edge_list_by_executions, edge_list_by_versions},
        event::{EventFilter, EventOrder, EventOrderField, EventSubject, event_list},
        execution::{execution_find_by_keys, execution_find_many},
        execution_list::{
            ExecutionFilter, ExecutionOrder, ExecutionOrderField, execution_list, execution_list_by_parents,
        },
        page::{OrderDirection, Page},
        partition::{PartitionsOf, partition_find_many, partition_list, partition_version_counts},
        partition_filter::PartitionTest,
        partition_value::{Within, partition_values, time_buckets},
        resolve::version_select,
        scope::revision_at,
        version::{
            Parts, revision_times, version_aliases, version_content, version_find_by_keys, version_find_many,
            version_producers,
        },
        version_latest::{LatestOf, version_latest_by_artifacts, version_latest_by_partitions},
        version_list::{VersionFilter, VersionOrder, VersionOrderField, VersionsOf, version_list},
    },
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use crate::{on_both_databases, support::TestDb};

/// A connection that explains every statement before it runs it.
struct Explaining {
    inner: DatabaseConnection,
    plans: Mutex<Vec<String>>,
}

/// Three artifacts with a hundred partitions and a thousand versions each.
const VERSIONS: &str = "
    INSERT INTO artifact SELECT a, decode(md5(a::text), 'hex'), 'shop', 'production', 'orders' || a, 0, 1, 1,
        '[\"region\", \"tier\"]', 'DAY', NULL, 9223372036854775807, 9223372036854775807 FROM generate_series(1, 3) AS a;
    INSERT INTO partition SELECT p, 1 + p % 3, decode(md5(p::text), 'hex'), '{}', 0, p * 86400000000, 'DAY', 1, 9223372036854775807
        FROM generate_series(1, 300) AS p;
    INSERT INTO version (id, artifact_id, key_digest, version, revision, produced_revision, deleted_revision, created_at,
            created_at_given, ordinal, placed_revision, partition_id, window_start,
            prior_window_start)
        SELECT i, 1 + i % 3, decode(md5(i::text), 'hex'), 'v' || i, 1, 1, 9223372036854775807, i * 8640000000, true, i, 1, 1 + i % 300,
            (1 + i % 300) * 86400000000, -9223372036854775808 FROM generate_series(1, 3000) AS i;
    ANALYZE artifact, partition, version";

impl Explaining {
    async fn new(db: &TestDb) -> Self {
        let inner = db.connection().await;
        if inner.get_database_backend() == DbBackend::Postgres {
            for what in ["seqscan", "bitmapscan"] {
                inner
                    .execute_unprepared(&format!("SET enable_{what} = off"))
                    .await
                    .unwrap();
            }
            inner.execute_unprepared(VERSIONS).await.unwrap();
        }
        Self {
            inner,
            plans: Mutex::default(),
        }
    }

    async fn explain(&self, statement: &Statement) -> Result<(), DbErr> {
        let (words, column) = match self.get_database_backend() {
            DbBackend::Sqlite => ("EXPLAIN QUERY PLAN", 3),
            _ => ("EXPLAIN", 0),
        };
        let mut explain = statement.clone();
        explain.sql = format!("{words} {}", statement.sql);
        let rows = self.inner.query_all_raw(explain).await?;
        let lines: Vec<String> = rows
            .iter()
            .map(|row| row.try_get_by_index(column))
            .collect::<Result<_, _>>()?;
        self.plans
            .lock()
            .unwrap()
            .push(format!("{}\n  {}", statement.sql, lines.join("\n  ")));
        Ok(())
    }

    /// Checks the plans since the last time: each index is used by one of them, and no table is read from end to end.
    fn expect(&self, what: &str, indexes: &[&str]) {
        let plans = std::mem::take(&mut *self.plans.lock().unwrap());
        let text = plans.join("\n");
        let sqlite = self.get_database_backend() == DbBackend::Sqlite;
        for index in indexes {
            // SQLite calls the tree of a table its primary key.
            let used = if sqlite && index.ends_with("_pkey") {
                "PRIMARY KEY"
            } else {
                index
            };
            assert!(text.contains(used), "{what}: {index} is not used:\n{text}");
        }
        for plan in &plans {
            for line in plan
                .lines()
                .filter(|line| sqlite && line.trim_start().starts_with("SCAN "))
            {
                let name = line.split_whitespace().nth(1).unwrap_or_default();
                let made = ["CO-ROUTINE", "MATERIALIZE"]
                    .iter()
                    .any(|word| plan.contains(&format!("{word} {name}\n")));
                assert!(
                    made || line.contains("VIRTUAL TABLE") || line.contains("CONSTANT ROW"),
                    "{what}: {line}\n{plan}"
                );
            }
            assert!(!plan.contains("Seq Scan"), "{what}:\n{plan}");
        }
    }
}

impl Reader for Explaining {}

#[async_trait::async_trait]
impl ConnectionTrait for Explaining {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.inner.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.inner.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.explain(&statement).await?;
        self.inner.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.explain(&statement).await?;
        self.inner.query_all_raw(statement).await
    }
}

fn key() -> ArtifactKey {
    ArtifactKey {
        project: "shop".into(),
        domain: "production".into(),
        name: "orders".into(),
    }
}

fn artifact(placement: Placement) -> ArtifactRow {
    ArtifactRow {
        id: ArtifactId(1),
        project: "shop".into(),
        domain: "production".into(),
        name: "orders".into(),
        created_at: Timestamp(0),
        description: None,
        keys: vec!["region".into(), "tier".into()],
        granularity: Some(Granularity::Day),
        declared: true,
        placement,
        updated_at: None,
    }
}

fn of(filter: &PartitionFilter) -> Vec<VersionsOf> {
    let test = PartitionTest::compile(&artifact(Placement::Current), filter).unwrap();
    vec![VersionsOf::Artifact {
        id: ArtifactId(1),
        partition: Some(test),
    }]
}

fn region() -> PartitionFilter {
    PartitionFilter {
        values: vec![ValueFilter::eq("region", "EU")],
        ..PartitionFilter::default()
    }
}

fn days() -> PartitionFilter {
    let time = TimeFilter {
        from: Some(Timestamp(0)),
        to: Some(Timestamp(86_400_000_000)),
        ..TimeFilter::default()
    };
    PartitionFilter {
        time: Some(time),
        ..PartitionFilter::default()
    }
}

fn full() -> PartitionFilter {
    PartitionFilter {
        values: vec![ValueFilter::eq("region", "EU"), ValueFilter::eq("tier", "gold")],
        time: Some(TimeFilter {
            at: Some(Timestamp(0)),
            ..TimeFilter::default()
        }),
        strict: false,
    }
}

const NOW: Scope = Scope::at(1_000);

on_both_databases! {
    async fn choices(db: TestDb) {
        let db = Explaining::new(&db).await;
        let query = |version: Option<&str>, alias: Option<&str>| VersionKeyQuery {
            artifact: key(),
            version: version.map(str::to_owned),
            alias: alias.map(str::to_owned),
            partition: None,
        };
        version_select(&db, &NOW, &query(Some("v1"), None)).await.unwrap();
        db.expect("an exact version", &["version_key_digest"]);
        version_select(&db, &NOW, &query(None, Some("production"))).await.unwrap();
        db.expect("the version at an alias", &["artifact_key_digest", "alias_name"]);
        version_select(&db, &NOW, &query(None, None)).await.unwrap();
        db.expect("the most recent", &["artifact_key_digest", "version_created_at"]);
        for placement in [Placement::Current, Placement::Prior] {
            let test = PartitionTest::compile(&artifact(placement), &full()).unwrap();
            version_latest_by_artifacts(&db, &NOW, &[LatestOf { artifact: ArtifactId(1), partition: Some(test) }]).await.unwrap();
            let index = if placement == Placement::Current { "version_partition_created_at" } else { "version_prior_partition_created_at" };
            db.expect("the latest of a full set of values", &["partition_digest", index]);
        }
        let test = PartitionTest::compile(&artifact(Placement::Current), &region()).unwrap();
        version_latest_by_artifacts(&db, &NOW, &[LatestOf { artifact: ArtifactId(1), partition: Some(test) }]).await.unwrap();
        db.expect("the latest of one of several keys", &["version_value_pkey"]);
        version_latest_by_artifacts(&db, &NOW, &[LatestOf { artifact: ArtifactId(1), partition: None }]).await.unwrap();
        db.expect("the latest of artifacts", &["version_created_at"]);
        version_latest_by_partitions(&db, &NOW, &[PartitionId(1)]).await.unwrap();
        db.expect("the latest of partitions", &["version_partition_created_at", "version_prior_partition_created_at"]);
    }

    async fn lists_of_versions(db: TestDb) {
        let db = Explaining::new(&db).await;
        let all = VersionFilter::default();
        let artifact = vec![VersionsOf::Artifact { id: ArtifactId(1), partition: None }];
        let indexes = [
            (VersionOrderField::CreatedAt, "version_created_at"),
            (VersionOrderField::TimePartition, "version_window"),
            (VersionOrderField::Version, "version_version"),
        ];
        for (field, index) in indexes {
            for direction in [OrderDirection::Ascending, OrderDirection::Descending] {
                version_list(&db, &NOW, &artifact, &all, VersionOrder { field, direction }, &Page::first(10)).await.unwrap();
                db.expect("versions of an artifact", &[index]);
            }
        }
        let order = VersionOrder::default();
        version_list(&db, &NOW, &artifact, &all, order, &Page::last(10)).await.unwrap();
        db.expect("the oldest versions, with those that nobody has produced", &["version_created_at", "version_named_at"]);
        version_list(&db, &NOW, &[VersionsOf::Partition(PartitionId(1))], &all, order, &Page::first(10)).await.unwrap();
        db.expect("versions of a partition", &["version_partition_created_at"]);
        version_list(&db, &NOW, &of(&full()), &all, order, &Page::first(10)).await.unwrap();
        db.expect("versions of a full set of values", &["partition_digest", "version_partition_created_at"]);
        version_list(&db, &NOW, &of(&region()), &all, order, &Page::first(10)).await.unwrap();
        db.expect("versions of one of several keys", &["version_value_pkey"]);
        version_list(&db, &NOW, &of(&days()), &all, order, &Page::first(10)).await.unwrap();
        db.expect("versions of a range of windows", &["version_created_at", "version_window"]);
        let both = PartitionFilter { values: region().values, ..days() };
        version_list(&db, &NOW, &of(&both), &all, order, &Page::first(10)).await.unwrap();
        db.expect("versions of a key in a range of windows", &["version_window", "partition_value"]);
        let made = ExecutionKey { project: "shop".into(), domain: "production".into(), name: "run".into() };
        let filter = VersionFilter { produced_by: Some(made), ..all.clone() };
        version_list(&db, &NOW, &artifact, &filter, order, &Page::first(10)).await.unwrap();
        db.expect("an execution's versions", &["execution_key_digest", "edge_pkey"]);
        let filter = VersionFilter { alias: Some("production".into()), ..all };
        version_list(&db, &NOW, &artifact, &filter, order, &Page::first(10)).await.unwrap();
        db.expect("the version at an alias", &["alias_name"]);
    }

    async fn what_hangs_on_a_version(db: TestDb) {
        let db = Explaining::new(&db).await;
        let ids = [VersionId(1), VersionId(2)];
        let page = Page::first(10);
        version_find_many(&db, &NOW, &ids).await.unwrap();
        version_content(&db, &NOW, &ids, Parts::ALL).await.unwrap();
        partition_find_many(&db, &NOW, &[PartitionId(1)]).await.unwrap();
        execution_find_many(&db, &NOW, &[ExecutionId(1)]).await.unwrap();
        artifact_find_many(&db, &NOW, &[ArtifactId(1)]).await.unwrap();
        revision_times(&db, &[1]).await.unwrap();
        db.expect("rows by id", &[]);
        version_find_by_keys(&db, &NOW, &[(key(), "v1".into())]).await.unwrap();
        db.expect("versions by key", &["version_key_digest"]);
        version_aliases(&db, &NOW, &ids).await.unwrap();
        db.expect("aliases", &["alias_of_version"]);
        version_producers(&db, &NOW, &ids).await.unwrap();
        db.expect("producers", &["edge_version"]);
        edge_list_by_versions(&db, &NOW, &ids, Role::Input, &page).await.unwrap();
        edge_count_by_versions(&db, &NOW, &ids, Role::Input).await.unwrap();
        db.expect("consumers", &["edge_version"]);
        edge_list_by_executions(&db, &NOW, &[ExecutionId(1)], Role::Input, &page).await.unwrap();
        db.expect("inputs", &["edge_pkey"]);
        revision_at(&db, Timestamp(0)).await.unwrap();
        db.expect("the revision at an instant", &["revision_recorded_at"]);
    }

    async fn artifacts_and_partitions(db: TestDb) {
        let db = Explaining::new(&db).await;
        let page = Page::first(10);
        artifact_find_by_keys(&db, &NOW, &[key()]).await.unwrap();
        db.expect("artifacts by key", &["artifact_key_digest"]);
        let order = ArtifactOrder::default();
        let filter = ArtifactFilter { name: Some("orders".into()), ..ArtifactFilter::default() };
        artifact_list(&db, &NOW, &filter, order, &page).await.unwrap();
        db.expect("artifacts of a name", &["artifact_name"]);
        let filter = ArtifactFilter { project: Some("shop".into()), domain: Some("production".into()), ..ArtifactFilter::default() };
        artifact_list(&db, &NOW, &filter, ArtifactOrder { field: ArtifactOrderField::UpdatedAt, ..order }, &page).await.unwrap();
        db.expect("artifacts of a domain by update", &["artifact_project_domain", "version_created_at"]);
        artifact_list_by_domains(&db, &NOW, &[("shop".into(), "production".into())], &page).await.unwrap();
        db.expect("artifacts of domains", &["artifact_"]);
        artifact_updated_at(&db, &NOW, &[ArtifactId(1)]).await.unwrap();
        artifact_version_counts(&db, &NOW, &[ArtifactId(1)]).await.unwrap();
        db.expect("what is counted of artifacts", &["version_created_at"]);
        let filter = Some(PartitionTest::compile(&artifact(Placement::Current), &full()).unwrap());
        partition_list(&db, &NOW, &[PartitionsOf { artifact: ArtifactId(1), filter }], &page).await.unwrap();
        db.expect("the partition of a full set of values", &["partition_digest"]);
        partition_list(&db, &NOW, &[PartitionsOf { artifact: ArtifactId(1), filter: None }], &page).await.unwrap();
        db.expect("partitions", &["partition_window"]);
        partition_version_counts(&db, &NOW, &[PartitionId(1)]).await.unwrap();
        db.expect("versions counted by partition", &["version_partition_created_at"]);
        let orders = artifact(Placement::Current);
        let within = [Within { artifact: &orders, filter: None }];
        partition_values(&db, &NOW, &within, "region", &page).await.unwrap();
        db.expect("values", &["partition_value_pkey"]);
        time_buckets(&db, &NOW, &within, Granularity::Month).await.unwrap();
        db.expect("buckets", &["partition_window", "version_"]);
    }

    async fn events(db: TestDb) {
        let db = Explaining::new(&db).await;
        let page = Page::first(10);
        let by = |field| EventOrder { field, direction: OrderDirection::Descending };
        let list = async |filter: EventFilter, field, what: &str, index: &str| {
            event_list(&db, &NOW, &filter, by(field), &page).await.unwrap();
            db.expect(what, &[index]);
        };
        let all = EventFilter::default;
        let range = Some(DateTimeRange { from: Some(Timestamp(0)), to: Some(Timestamp(1)) });
        list(EventFilter { event_time: range, ..all() }, EventOrderField::EventTime, "events of a span", "event_event_time").await;
        let job = Dataset { namespace: "airflow".into(), name: "etl".into() };
        let subject = Some((EventSubject::Job, job));
        list(EventFilter { subject, ..all() }, EventOrderField::EventTime, "events of a job", "event_job").await;
        list(EventFilter { run_id: Some("r".into()), ..all() }, EventOrderField::EventTime, "events of a run", "event_run").await;
        let execution = Some(ExecutionId(1));
        list(EventFilter { execution, ..all() }, EventOrderField::EventTime, "events of an execution", "event_execution_event_time").await;
        artifact_other_names(&db, &NOW, &[ArtifactId(1)]).await.unwrap();
        db.expect("other names", &["dataset_name_artifact"]);
    }

    async fn executions(db: TestDb) {
        let db = Explaining::new(&db).await;
        let page = Page::first(10);
        let run = ExecutionKey { project: "shop".into(), domain: "production".into(), name: "run".into() };
        execution_find_by_keys(&db, &NOW, &[run]).await.unwrap();
        db.expect("executions by key", &["execution_key_digest"]);
        execution_list_by_parents(&db, &NOW, &[ExecutionId(1)], &page).await.unwrap();
        db.expect("children", &["execution_children"]);
        let order = ExecutionOrder { field: ExecutionOrderField::StartedAt, direction: OrderDirection::Descending };
        let filter = ExecutionFilter { project: Some("shop".into()), domain: Some("production".into()), ..ExecutionFilter::default() };
        execution_list(&db, &NOW, &filter, order, &page).await.unwrap();
        db.expect("executions of a domain by start", &["execution_project_domain_started_at"]);
    }
}
