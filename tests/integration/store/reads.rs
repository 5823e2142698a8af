//! Every list, count and choice against the plain words of the model, on random histories and as of random revisions:
//! all rows are read, and what the store should answer is worked out from them one by one.

use std::collections::BTreeMap;

use entity::{ArtifactId, NEVER, NO_TIME, PartitionId, artifact, partition, version};
use heirloom::{
    domain::{
        filter::{DateTimeRange, PartitionFilter, TimeFilter, ValueFilter, VersionKeyQuery, VersionQuery},
        key::{ArtifactKey, ExecutionKey},
        record::{
            CreateVersion, DeclareArtifact, DeleteVersion, ExecutionInput, PartitionValue, Record, RecordExecution,
            SetAlias,
        },
        time::{Granularity, Timestamp, Window},
    },
    service::{Clock, Mode, Writer, WriterOptions},
    store::{
        Scope, Session,
        artifact::{ArtifactRow, artifact_find_many},
        explain::version_explain,
        page::{End, OrderDirection, Page, Slice},
        partition::{PartitionsOf, partition_count, partition_find_many, partition_list},
        partition_filter::PartitionTest,
        partition_value::{Within, partition_value_counts, partition_values, time_buckets},
        resolve::version_select,
        version::{VersionRow, VersionState, version_find_many},
        version_count::version_count,
        version_latest::{LatestOf, version_is_latest, version_latest_by_artifacts, version_latest_by_partitions},
        version_list::{MetadataFilter, VersionFilter, VersionOrder, VersionOrderField, VersionsOf, version_list},
    },
};
use sea_orm::EntityTrait;
use serde_json::json;

use crate::{on_both_databases, support::TestDb};

const HOUR: i64 = 3_600_000_000;
const NAMES: [&str; 4] = ["declared", "later", "never", "plain"];

fn begin() -> Timestamp {
    Timestamp::parse("2026-11-01T00:00:00Z").unwrap()
}

fn key(name: &str) -> ArtifactKey {
    ArtifactKey {
        project: "shop".into(),
        domain: "production".into(),
        name: name.into(),
    }
}

fn execution(number: usize) -> ExecutionKey {
    ExecutionKey {
        project: "shop".into(),
        domain: "production".into(),
        name: format!("run-{number}"),
    }
}

/// A history in which every kind of thing happens.
fn history(random: &mut fastrand::Rng, length: usize) -> Vec<Record> {
    let mut records = vec![declaration("declared", &["region", "tier"], Some(Granularity::Day))];
    for number in 0..length {
        let name = NAMES[random.usize(..NAMES.len())];
        records.push(match random.u32(..20) {
            0..12 => Record::Version(create(random, name, number)),
            12..14 => Record::Deletion(DeleteVersion {
                artifact: key(name),
                version: format!("v{}", random.usize(..=number)),
            }),
            14..16 => Record::Alias(SetAlias {
                artifact: key(name),
                version: format!("v{}", random.usize(..=number)),
                alias: ["production", "best"][random.usize(..2)].into(),
                overwrite: true,
            }),
            16 if number > length / 2 => declaration("later", &["region"], Some(Granularity::Hour)),
            _ => run(random, name, number),
        });
    }
    records
}

fn declaration(name: &str, keys: &[&str], granularity: Option<Granularity>) -> Record {
    Record::Artifact(DeclareArtifact {
        key: key(name),
        partition_keys: keys.iter().map(|k| (*k).to_owned()).collect(),
        time_partition_granularity: granularity,
        description: None,
    })
}

fn create(random: &mut fastrand::Rng, name: &str, number: usize) -> CreateVersion {
    let mut partition = Vec::new();
    for (key, values) in [("region", ["EU", "US", "APAC"]), ("tier", ["gold", "silver", "Gold"])] {
        if name != "plain" && random.u32(..8) > 0 {
            let value = values[random.usize(..3)].to_owned();
            partition.push(PartitionValue { key: key.into(), value });
        }
    }
    let time = (name != "plain" && random.u32(..5) > 0).then(|| Timestamp(begin().0 + random.i64(0..60) * HOUR));
    CreateVersion {
        artifact: key(name),
        version: Some(format!("v{number}")),
        partition,
        time_partition: time,
        location: None,
        data_type: [None, Some("csv".to_owned())][random.usize(..2)].clone(),
        description: None,
        metadata:
            json!({"rows": random.u32(..3), "who\"$.": (["a", "b"][random.usize(..2)]), "list": [1, {"a": true}]})
                .as_object()
                .cloned(),
        card: None,
        // Few instants, so that many versions share one.
        created_at: Some(Timestamp(begin().0 + random.i64(0..30) * HOUR)),
    }
}

fn run(random: &mut fastrand::Rng, name: &str, number: usize) -> Record {
    let input = |number: usize| ExecutionInput {
        name: format!("i{number}"),
        version: VersionQuery::Key(VersionKeyQuery {
            artifact: key(name),
            version: Some(format!("v{number}")),
            alias: None,
            partition: None,
        }),
    };
    let record = json!({"key": execution(random.usize(..5)), "startedAt": begin().to_string()});
    let mut record: RecordExecution = serde_json::from_value(record).unwrap();
    record.started_at = Some(Timestamp(begin().0 + number as i64));
    // Some that nobody has produced yet.
    record.inputs = Some(vec![input(number + random.usize(..6))]);
    if random.bool() {
        let output =
            json!({"name": "o", "version": serde_json::to_value(create(random, name, number + 1_000)).unwrap()});
        record.outputs = Some(vec![serde_json::from_value(output).unwrap()]);
    }
    Record::Execution(record)
}

/// All rows, and what they mean as of a revision.
struct Model {
    artifacts: Vec<artifact::Model>,
    partitions: BTreeMap<i64, partition::Model>,
    versions: Vec<version::Model>,
    aliases: Vec<entity::alias::Model>,
    edges: Vec<entity::edge::Model>,
    executions: Vec<entity::execution::Model>,
}

/// A version as of a revision, by the words of the model.
#[derive(Clone, Debug)]
struct Seen<'a> {
    row: &'a version::Model,
    state: VersionState,
    produced: bool,
    created_at: i64,
    ordinal: i64,
    partition: Option<PartitionId>,
    window: i64,
    flagged: bool,
}

impl Model {
    async fn read(db: &TestDb) -> Self {
        let db = db.connection().await;
        let partitions = partition::Entity::find().all(&db).await.unwrap();
        Self {
            artifacts: artifact::Entity::find().all(&db).await.unwrap(),
            partitions: partitions.into_iter().map(|row| (row.id.0, row)).collect(),
            versions: version::Entity::find().all(&db).await.unwrap(),
            aliases: entity::alias::Entity::find().all(&db).await.unwrap(),
            edges: entity::edge::Entity::find().all(&db).await.unwrap(),
            executions: entity::execution::Entity::find().all(&db).await.unwrap(),
        }
    }

    fn seen(&self, artifact: ArtifactId, revision: i64) -> Vec<Seen<'_>> {
        let declared = self
            .artifacts
            .iter()
            .find(|row| row.id == artifact)
            .unwrap()
            .declared_revision;
        let of = self
            .versions
            .iter()
            .filter(|row| row.artifact_id == artifact && row.revision <= revision);
        of.map(|row| {
            let produced = row.produced_revision <= revision;
            let prior = row.produced_revision < declared && declared != NEVER && revision < declared;
            let (partition, window, mismatch) = match (produced, prior) {
                (false, _) => (None, NO_TIME, false),
                (true, true) => (
                    row.prior_partition_id,
                    row.prior_window_start,
                    row.prior_schema_mismatch.is_some(),
                ),
                (true, false) => (row.partition_id, row.window_start, row.schema_mismatch.is_some()),
            };
            Seen {
                row,
                state: match (row.deleted_revision <= revision, produced) {
                    (true, _) => VersionState::Deleted,
                    (false, true) => VersionState::Available,
                    (false, false) => VersionState::Referenced,
                },
                produced,
                created_at: if produced {
                    row.created_at
                } else {
                    row.named_at.unwrap_or(row.created_at)
                },
                ordinal: if produced { row.ordinal } else { row.id.0 },
                partition,
                window,
                flagged: mismatch,
            }
        })
        .collect()
    }

    fn values(&self, partition: PartitionId) -> BTreeMap<String, String> {
        serde_json::from_str(&self.partitions[&partition.0].values).unwrap()
    }

    /// Whether values and a window pass a filter.
    fn passes(
        values: &BTreeMap<String, String>,
        window: i64,
        filter: &PartitionFilter,
        granularity: Option<Granularity>,
    ) -> bool {
        let named = |key: &String| filter.values.iter().any(|test| test.key == *key);
        let in_time = match (&filter.time, granularity) {
            (None, _) => !(filter.strict && window != NO_TIME),
            (Some(time), Some(own)) => time
                .starts(own)
                .iter()
                .any(|(from, to)| (from.0..to.0).contains(&window)),
            (Some(_), None) => false,
        };
        in_time
            && filter
                .values
                .iter()
                .all(|test| values.get(&test.key).is_some_and(|value| test.matches(value)))
            && (!filter.strict || values.keys().all(named))
    }

    fn version_passes(&self, seen: &Seen, filter: &PartitionFilter, granularity: Option<Granularity>) -> bool {
        if filter.is_empty() {
            return true;
        }
        if seen.flagged || !seen.produced {
            return false;
        }
        let values = seen.partition.map(|id| self.values(id)).unwrap_or_default();
        let asks_for_none = filter.strict && filter.values.is_empty() && filter.time.is_none();
        (seen.partition.is_some() || asks_for_none) && Self::passes(&values, seen.window, filter, granularity)
    }

    fn filter_passes(&self, seen: &Seen, filter: &VersionFilter, revision: i64) -> bool {
        let claims = || {
            let edges = self.edges.iter().filter(|edge| {
                edge.role == entity::edge::OUTPUT && edge.version_id == seen.row.id && edge.revision <= revision
            });
            edges.filter_map(|edge| self.executions.iter().find(|row| row.id == edge.execution_id))
        };
        let there = seen.state == VersionState::Available;
        let facts: serde_json::Value = seen
            .row
            .metadata
            .as_deref()
            .map_or(json!({}), |text| serde_json::from_str(text).unwrap());
        filter.created_at.is_none_or(|range| {
            range.from.is_none_or(|from| from.0 <= seen.created_at) && range.to.is_none_or(|to| seen.created_at < to.0)
        }) && filter.states.as_ref().is_none_or(|states| states.contains(&seen.state))
            && filter
                .produced_by
                .as_ref()
                .is_none_or(|key| claims().any(|row| row.name == key.name))
            && filter.alias.as_ref().is_none_or(|name| {
                self.aliases.iter().any(|alias| {
                    alias.version_id == seen.row.id
                        && alias.name == *name
                        && alias.revision <= revision
                        && alias.ended_revision > revision
                })
            })
            && filter
                .data_type
                .as_ref()
                .is_none_or(|kind| there && seen.row.data_type.as_ref() == Some(kind))
            && filter.metadata.iter().all(|fact| {
                let value = facts.get(&fact.key);
                there
                    && fact.eq.as_ref().is_none_or(|eq| value == Some(eq))
                    && fact
                        .is_in
                        .as_ref()
                        .is_none_or(|list| value.is_some_and(|value| list.contains(value)))
                    && fact.exists.is_none_or(|exists| value.is_some() == exists)
            })
    }
}

impl Seen<'_> {
    fn order(&self, field: VersionOrderField) -> (i64, String, i64, i64) {
        match field {
            VersionOrderField::CreatedAt => (0, String::new(), self.created_at, self.ordinal),
            VersionOrderField::TimePartition => (self.window, String::new(), self.created_at, self.ordinal),
            VersionOrderField::Version => (0, self.row.version.clone(), self.row.id.0, 0),
        }
    }

    fn is(&self, row: &VersionRow) -> bool {
        (
            self.row.id,
            self.state,
            self.created_at,
            self.ordinal,
            self.partition,
            self.window,
            self.flagged,
        ) == (
            row.id,
            row.state,
            row.created_at.0,
            row.ordinal,
            row.partition_id,
            row.window_start,
            row.schema_mismatch.is_some(),
        )
    }
}

/// A random filter on the partitions of an artifact, of the keys that it has.
fn partition_filter(random: &mut fastrand::Rng, artifact: &ArtifactRow) -> PartitionFilter {
    let mut filter = PartitionFilter {
        strict: random.u32(..4) == 0,
        ..PartitionFilter::default()
    };
    for key in &artifact.keys {
        let mut test = ValueFilter {
            key: key.clone(),
            ..ValueFilter::default()
        };
        match random.u32(..6) {
            0 | 1 => test.eq = Some(["EU", "gold", "US"][random.usize(..3)].into()),
            2 => test.is_in = Some(vec!["EU".into(), "gold".into(), "a\"b\\".into()]),
            3 => test.not_in = Some(vec!["EU".into(), "silver".into()]),
            4 => test.starts_with = Some(["E", "g", "_"][random.usize(..3)].into()),
            _ => continue,
        }
        filter.values.push(test);
    }
    if artifact.granularity.is_some() && random.bool() {
        let instant = |random: &mut fastrand::Rng| Timestamp(begin().0 + random.i64(0..60) * HOUR);
        filter.time = Some(match random.u32(..4) {
            0 => TimeFilter {
                at: Some(instant(random)),
                ..TimeFilter::default()
            },
            1 => TimeFilter {
                is_in: Some(vec![instant(random), instant(random)]),
                ..TimeFilter::default()
            },
            2 => TimeFilter {
                from: Some(instant(random)),
                ..TimeFilter::default()
            },
            _ => TimeFilter {
                at: Some(instant(random)),
                granularity: Some(Granularity::Week),
                ..TimeFilter::default()
            },
        });
    }
    filter
}

fn version_filter(random: &mut fastrand::Rng) -> VersionFilter {
    let states = VersionState::ALL;
    let fact = |key: &str| MetadataFilter {
        key: key.into(),
        ..MetadataFilter::default()
    };
    match random.u32(..12) {
        0 => VersionFilter {
            states: Some(vec![states[random.usize(..3)], states[random.usize(..3)]]),
            ..VersionFilter::default()
        },
        1 => VersionFilter {
            created_at: Some(DateTimeRange {
                from: Some(Timestamp(begin().0 + 5 * HOUR)),
                to: Some(Timestamp(begin().0 + 20 * HOUR)),
            }),
            ..VersionFilter::default()
        },
        2 => VersionFilter {
            produced_by: Some(execution(random.usize(..5))),
            ..VersionFilter::default()
        },
        3 => VersionFilter {
            alias: Some("production".into()),
            ..VersionFilter::default()
        },
        4 => VersionFilter {
            data_type: Some("csv".into()),
            ..VersionFilter::default()
        },
        5 => VersionFilter {
            metadata: vec![MetadataFilter {
                eq: Some(json!(1)),
                ..fact("rows")
            }],
            ..VersionFilter::default()
        },
        6 => VersionFilter {
            metadata: vec![MetadataFilter {
                is_in: Some(vec![json!("a"), json!(null), json!(true)]),
                ..fact("who\"$.")
            }],
            ..VersionFilter::default()
        },
        7 => VersionFilter {
            metadata: vec![
                MetadataFilter {
                    exists: Some(random.bool()),
                    ..fact("rows")
                },
                MetadataFilter {
                    eq: Some(json!([1, {"a": true}])),
                    ..fact("list")
                },
            ],
            ..VersionFilter::default()
        },
        _ => VersionFilter::default(),
    }
}

/// What a page of a list should be.
fn expected_page<T: Clone>(all: &[T], page: &Page, after: usize) -> Vec<T> {
    let rest = match page.end {
        End::First => &all[after.min(all.len())..],
        End::Last => &all[..all.len() - after.min(all.len())],
    };
    let limit = (page.limit as usize).min(rest.len());
    match page.end {
        End::First => rest[..limit].to_vec(),
        End::Last => rest[rest.len() - limit..].to_vec(),
    }
}

/// Reads a list page by page and compares each page and both flags.
async fn read_lists(
    random: &mut fastrand::Rng,
    db: &Session,
    scope: &Scope,
    of: &VersionsOf,
    filter: &VersionFilter,
    expected: &mut [Seen<'_>],
) {
    let fields = [
        VersionOrderField::CreatedAt,
        VersionOrderField::TimePartition,
        VersionOrderField::Version,
    ];
    let order = VersionOrder {
        field: fields[random.usize(..3)],
        direction: [OrderDirection::Ascending, OrderDirection::Descending][random.usize(..2)],
    };
    expected.sort_by_key(|seen| seen.order(order.field));
    if order.direction == OrderDirection::Descending {
        expected.reverse();
    }
    let what = format!("{of:?} {filter:?} {order:?} {scope:?}");
    let count = version_count(db, scope, std::slice::from_ref(of), filter)
        .await
        .unwrap();
    assert_eq!(count, [expected.len() as i64], "count of {what}");
    let limit = random.u32(1..6);
    let mut page = if random.bool() {
        Page::first(limit)
    } else {
        Page::last(limit)
    };
    let mut read = 0;
    loop {
        let slices = version_list(db, scope, std::slice::from_ref(of), filter, order, &page)
            .await
            .unwrap();
        let Slice {
            rows,
            has_next,
            has_previous,
        } = slices.into_iter().next().unwrap();
        let wanted = expected_page(expected, &page, read);
        assert!(
            rows.len() == wanted.len() && wanted.iter().zip(&rows).all(|(seen, row)| seen.is(row)),
            "{what} {page:?}\n is {rows:#?}\n not {wanted:#?}"
        );
        let more = expected.len() > read + rows.len();
        read += rows.len();
        page = match page.end {
            End::First => {
                assert_eq!((has_next, has_previous), (more, page.after.is_some()), "{what}");
                let Some(last) = rows.last().filter(|_| more) else {
                    return;
                };
                Page::first(limit).after(last.key(order.field))
            }
            End::Last => {
                assert_eq!((has_previous, has_next), (more, page.before.is_some()), "{what}");
                let Some(first) = rows.first().filter(|_| more) else {
                    return;
                };
                Page::last(limit).before(first.key(order.field))
            }
        };
    }
}

async fn recorded(db: &TestDb, random: &mut fastrand::Rng, length: usize) -> (heirloom::store::Store, i64) {
    let store = db.store().await;
    let clock = Clock::manual(begin());
    let writer = Writer::start(
        store.clone(),
        WriterOptions {
            clock: clock.clone(),
            ..WriterOptions::default()
        },
    );
    let mut revision = 0;
    for record in history(random, length) {
        clock.set(Timestamp(clock.now().0 + HOUR / 2));
        revision = writer
            .submit(vec![record], Mode::Ingest)
            .await
            .unwrap()
            .revision
            .max(revision);
    }
    (store, revision)
}

on_both_databases! {
    async fn every_answer_is_what_the_rows_say(db: TestDb) {
        let seed = std::env::var("READS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_123);
        let mut random = fastrand::Rng::with_seed(seed);
        let (store, newest) = recorded(&db, &mut random, 160).await;
        let model = Model::read(&db).await;
        let session = store.session();
        assert!(newest > 100, "few of the records were taken: {newest}");
        for round in 0..60 {
            let revision = if round % 4 == 0 { newest } else { random.i64(1..=newest) };
            let scope = Scope::at(revision);
            let ids: Vec<ArtifactId> = model.artifacts.iter().map(|row| row.id).collect();
            for artifact in artifact_find_many(&session, &scope, &ids).await.unwrap() {
                one_artifact(&mut random, &model, &session, &scope, &artifact).await;
            }
        }
    }
}

async fn one_artifact(random: &mut fastrand::Rng, model: &Model, db: &Session, scope: &Scope, artifact: &ArtifactRow) {
    let all = model.seen(artifact.id, scope.revision);
    let filter = partition_filter(random, artifact);
    let test = PartitionTest::compile(artifact, &filter).unwrap();
    let of = VersionsOf::Artifact {
        id: artifact.id,
        partition: Some(test.clone()),
    };
    let matching: Vec<Seen> = all
        .iter()
        .filter(|seen| model.version_passes(seen, &filter, artifact.granularity))
        .cloned()
        .collect();
    let what = format!("{} as of {}: {filter:?}", artifact.name, scope.revision);

    let other = version_filter(random);
    let chosen = |list: &[Seen<'_>]| {
        list.iter()
            .filter(|seen| model.filter_passes(seen, &other, scope.revision))
            .map(|seen| seen.row.id)
            .collect::<Vec<_>>()
    };
    let wanted = chosen(&matching);
    let mut expected: Vec<Seen> = matching
        .iter()
        .filter(|seen| wanted.contains(&seen.row.id))
        .cloned()
        .collect();
    read_lists(random, db, scope, &of, &other, &mut expected).await;
    let wanted = chosen(&all);
    let mut expected: Vec<Seen> = all
        .iter()
        .filter(|seen| wanted.contains(&seen.row.id))
        .cloned()
        .collect();
    read_lists(
        random,
        db,
        scope,
        &VersionsOf::Artifact {
            id: artifact.id,
            partition: None,
        },
        &other,
        &mut expected,
    )
    .await;

    let newest = |list: &[Seen]| {
        let available = list.iter().filter(|seen| seen.state == VersionState::Available);
        available
            .max_by_key(|seen| (seen.created_at, seen.ordinal))
            .map(|seen| seen.row.id)
    };
    let asked = [
        LatestOf {
            artifact: artifact.id,
            partition: Some(test.clone()),
        },
        LatestOf {
            artifact: artifact.id,
            partition: None,
        },
    ];
    let latest = version_latest_by_artifacts(db, scope, &asked).await.unwrap();
    let latest: Vec<_> = latest.into_iter().map(|row| row.map(|row| row.id)).collect();
    assert_eq!(latest, [newest(&matching), newest(&all)], "latest of {what}");
    let query = VersionKeyQuery {
        artifact: artifact.key_of(),
        version: None,
        alias: None,
        partition: Some(filter.clone()),
    };
    let selected = version_select(db, scope, &query)
        .await
        .unwrap()
        .version
        .map(|row| row.id);
    assert_eq!(selected, newest(&matching), "selection of {what}");
    let explained = version_explain(db, scope, &query, 5).await.unwrap();
    let picked: Vec<_> = explained
        .candidates
        .iter()
        .filter(|c| c.chosen)
        .map(|c| c.version.id)
        .collect();
    assert_eq!(
        picked,
        selected.into_iter().collect::<Vec<_>>(),
        "explanation of {what}"
    );

    partitions(random, model, db, scope, artifact, &filter, &test).await;
    is_latest(db, scope, &all).await;
}

async fn is_latest(db: &Session, scope: &Scope, all: &[Seen<'_>]) {
    let ids: Vec<_> = all.iter().map(|seen| seen.row.id).collect();
    let rows = version_find_many(db, scope, &ids).await.unwrap();
    assert_eq!(rows.len(), all.len());
    let answers = version_is_latest(db, scope, &rows).await.unwrap();
    let fits = |seen: &Seen| seen.state == VersionState::Available && !seen.flagged;
    for (row, answer) in rows.iter().zip(answers) {
        let seen = all.iter().find(|seen| seen.row.id == row.id).unwrap();
        assert!(seen.is(row), "{row:?} is not {seen:?}");
        let newer = |other: &&Seen| {
            fits(other)
                && other.partition == seen.partition
                && (other.created_at, other.ordinal) > (seen.created_at, seen.ordinal)
        };
        assert_eq!(
            answer,
            fits(seen) && !all.iter().any(|other| newer(&other)),
            "isLatest of {row:?}"
        );
    }
}

async fn partitions(
    random: &mut fastrand::Rng,
    model: &Model,
    db: &Session,
    scope: &Scope,
    artifact: &ArtifactRow,
    filter: &PartitionFilter,
    test: &PartitionTest,
) {
    let what = format!("{} as of {}: {filter:?}", artifact.name, scope.revision);
    let there = |row: &&partition::Model| {
        row.artifact_id == artifact.id && row.revision <= scope.revision && row.retired_revision > scope.revision
    };
    let passes =
        |row: &&partition::Model| Model::passes(&model.values(row.id), row.window_start, filter, artifact.granularity);
    let mut expected: Vec<&partition::Model> = model.partitions.values().filter(there).filter(passes).collect();
    expected.sort_by_key(|row| std::cmp::Reverse((row.window_start, row.id)));
    let of = [PartitionsOf {
        artifact: artifact.id,
        filter: Some(test.clone()),
    }];
    assert_eq!(
        partition_count(db, scope, &of).await.unwrap(),
        [expected.len() as i64],
        "partitions of {what}"
    );
    let page = Page::first(random.u32(0..9));
    let slice = partition_list(db, scope, &of, &page).await.unwrap().remove(0);
    let ids: Vec<_> = slice.rows.iter().map(|row| row.id).collect();
    assert_eq!(
        ids,
        expected
            .iter()
            .take(page.limit as usize)
            .map(|row| row.id)
            .collect::<Vec<_>>(),
        "{what}"
    );
    assert_eq!(slice.has_next, expected.len() > page.limit as usize);

    let all = model.seen(artifact.id, scope.revision);
    let ids: Vec<_> = expected.iter().map(|row| row.id).collect();
    let rows = partition_find_many(db, scope, &ids).await.unwrap();
    assert_eq!(rows.len(), ids.len());
    assert!(rows.iter().all(|row| test.matches(row)), "{what}");
    let latest = version_latest_by_partitions(db, scope, &ids).await.unwrap();
    for (id, latest) in ids.iter().zip(latest) {
        let of = all
            .iter()
            .filter(|seen| seen.partition == Some(*id) && seen.state == VersionState::Available);
        let newest = of
            .max_by_key(|seen| (seen.created_at, seen.ordinal))
            .map(|seen| seen.row.id);
        assert_eq!(latest.map(|row| row.id), newest, "latest of partition {id:?}");
    }
    if let Some(id) = ids.first() {
        let mut expected: Vec<Seen> = all.iter().filter(|seen| seen.partition == Some(*id)).cloned().collect();
        read_lists(
            random,
            db,
            scope,
            &VersionsOf::Partition(*id),
            &VersionFilter::default(),
            &mut expected,
        )
        .await;
    }
    for key in &artifact.keys {
        let mut values: BTreeMap<String, i64> = BTreeMap::new();
        for row in &expected {
            if let Some(value) = model.values(row.id).remove(key) {
                *values.entry(value).or_default() += 1;
            }
        }
        let both = [
            Within { artifact, filter: None },
            Within {
                artifact,
                filter: Some(test),
            },
        ];
        let read = partition_values(db, scope, &both, key, &Page::first(100))
            .await
            .unwrap()
            .remove(1);
        let read: Vec<_> = read
            .rows
            .into_iter()
            .map(|row| (row.value, row.partition_count))
            .collect();
        assert_eq!(
            read,
            values.into_iter().collect::<Vec<_>>(),
            "values of {key} of {what}"
        );
        let counts = partition_value_counts(db, scope, &both, key).await.unwrap();
        assert_eq!(
            counts[1],
            i64::try_from(read.len()).unwrap(),
            "number of values of {key} of {what}"
        );
    }
    buckets(model, db, scope, artifact, filter, test, &expected).await;
}

async fn buckets(
    model: &Model,
    db: &Session,
    scope: &Scope,
    artifact: &ArtifactRow,
    filter: &PartitionFilter,
    test: &PartitionTest,
    partitions: &[&partition::Model],
) {
    for granularity in [Granularity::Hour, Granularity::Day, Granularity::Week] {
        let size = artifact.granularity.map_or(granularity, |own| own.max(granularity));
        let all = model.seen(artifact.id, scope.revision);
        let mut expected: BTreeMap<Timestamp, (i64, i64, Vec<Seen>)> = BTreeMap::new();
        for row in partitions.iter().filter(|row| row.window_start != NO_TIME) {
            expected.entry(size.floor(Timestamp(row.window_start))).or_default().1 += 1;
        }
        let timed = all
            .into_iter()
            .filter(|seen| seen.partition.is_some() && seen.window != NO_TIME);
        for seen in timed.filter(|seen| model.version_passes(seen, filter, artifact.granularity)) {
            let bucket = expected.entry(size.floor(Timestamp(seen.window))).or_default();
            bucket.0 += 1;
            bucket.2.push(seen);
        }
        let expected: Vec<_> = expected
            .into_iter()
            .rev()
            .map(|(start, (versions, partitions, seen))| {
                let available = seen.iter().filter(|seen| seen.state == VersionState::Available);
                let latest = available
                    .max_by_key(|seen| (seen.created_at, seen.ordinal))
                    .map(|seen| seen.row.id);
                (
                    Window {
                        start,
                        granularity: size,
                    },
                    versions,
                    partitions,
                    latest,
                )
            })
            .collect();
        let both = [
            Within { artifact, filter: None },
            Within {
                artifact,
                filter: Some(test),
            },
        ];
        let read = time_buckets(db, scope, &both, granularity).await.unwrap().remove(1);
        let read: Vec<_> = read
            .into_iter()
            .map(|row| (row.window, row.version_count, row.partition_count, row.latest))
            .collect();
        assert_eq!(
            read, expected,
            "{granularity:?} of {} as of {}: {filter:?}",
            artifact.name, scope.revision
        );
    }
}
