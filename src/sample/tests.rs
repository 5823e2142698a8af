use std::collections::{HashMap, HashSet};

use super::{Options, nights, records};
use crate::domain::filter::VersionQuery;
use crate::domain::key::{ArtifactKey, check_partition_key, check_version};
use crate::domain::record::{CreateVersion, Record};
use crate::domain::time::{Granularity, Timestamp};

fn sample(versions: u64) -> Vec<Record> {
    records(Options {
        versions,
        ..Options::default()
    })
    .collect()
}

fn lines(options: Options) -> String {
    records(options)
        .map(|record| serde_json::to_string(&record).unwrap() + "\n")
        .collect()
}

/// Every version that a record makes.
fn made(record: &Record) -> Vec<&CreateVersion> {
    match record {
        Record::Version(version) => vec![version],
        Record::Execution(run) => run.outputs.iter().flatten().map(|output| &output.version).collect(),
        _ => vec![],
    }
}

fn key_of(version: &CreateVersion) -> (ArtifactKey, String) {
    (version.artifact.clone(), version.version.clone().unwrap())
}

fn distinct(records: &[Record]) -> HashSet<(ArtifactKey, String)> {
    records.iter().flat_map(made).map(key_of).collect()
}

#[test]
fn the_same_options_make_the_same_records() {
    let options = Options::default();
    assert_eq!(lines(options), lines(options));
    assert_ne!(lines(options), lines(Options { seed: 43, ..options }));
    assert_eq!(Options::END.to_string(), "2026-11-23T00:00:00Z");
}

#[test]
fn a_record_is_what_its_line_says() {
    for record in sample(500) {
        let line = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record);
    }
}

#[test]
fn about_as_many_versions_as_asked_for() {
    for asked in [1_000, 2_500, 10_000, 60_000] {
        let count = distinct(&sample(asked)).len() as f64;
        assert!(
            (0.85..1.15).contains(&(count / asked as f64)),
            "{count} versions instead of {asked}"
        );
    }
    assert!(distinct(&sample(0)).len() < 500);
}

#[test]
fn declarations_come_first_and_inputs_after_their_producers() {
    let records = sample(2_500);
    let last_declaration = records.iter().rposition(|r| matches!(r, Record::Artifact(_))).unwrap();
    assert!(
        records[..last_declaration]
            .iter()
            .all(|r| matches!(r, Record::Artifact(_)))
    );

    let all = distinct(&records);
    let mut known = HashSet::new();
    let (mut early, mut never) = (HashSet::new(), HashSet::new());
    for record in &records {
        if let Record::Execution(run) = record {
            for input in run.inputs.iter().flatten() {
                let VersionQuery::Key(query) = &input.version else {
                    panic!("a URI")
                };
                let Some(version) = query.version.clone() else { continue };
                let key = (query.artifact.clone(), version);
                if !all.contains(&key) {
                    never.insert(key);
                } else if !known.contains(&key) {
                    early.insert(key);
                }
            }
        }
        known.extend(made(record).into_iter().map(key_of));
        match record {
            Record::Alias(set) => assert!(known.contains(&(set.artifact.clone(), set.version.clone()))),
            Record::Deletion(deletion) => {
                assert!(known.contains(&(deletion.artifact.clone(), deletion.version.clone())));
            }
            _ => {}
        }
    }
    let early: Vec<_> = early
        .iter()
        .map(|(artifact, version)| (artifact.name.as_str(), version.as_str()))
        .collect();
    assert_eq!(
        early,
        [("orders_snapshot", "2026-11-16")],
        "only the audit of one day comes before its input"
    );
    assert!(
        never
            .iter()
            .all(|(artifact, _)| artifact.name == "s3://partner-apac/orders export"),
        "{never:?}"
    );
}

#[test]
fn the_same_version_always_has_the_same_content() {
    let mut seen = HashMap::new();
    for record in &sample(2_500) {
        for version in made(record) {
            let first = seen.entry(key_of(version)).or_insert_with(|| version.clone());
            assert_eq!(first, version);
        }
    }
}

#[test]
fn names_fit_and_versions_fit_their_declarations() {
    let records = sample(20_000);
    let mut declared = HashMap::new();
    for record in &records {
        if let Record::Artifact(artifact) = record {
            artifact.key.validate().unwrap();
            artifact
                .partition_keys
                .iter()
                .for_each(|key| check_partition_key("key", key).unwrap());
            declared.insert(artifact.key.clone(), artifact.clone());
        }
    }
    let mut flagged = Vec::new();
    for version in records.iter().flat_map(made) {
        version.artifact.validate().unwrap();
        check_version(version.version.as_deref().unwrap()).unwrap();
        let Some(artifact) = declared.get(&version.artifact) else {
            continue;
        };
        let keys: HashSet<&String> = version.partition.iter().map(|value| &value.key).collect();
        let fits = keys == artifact.partition_keys.iter().collect()
            && version.time_partition.is_some() == artifact.time_partition_granularity.is_some();
        if !fits {
            flagged.push(version.version.clone().unwrap());
        }
    }
    assert_eq!(flagged, ["manual-upload"]);
    let granularities: HashSet<Granularity> = declared.values().filter_map(|a| a.time_partition_granularity).collect();
    assert_eq!(granularities.len(), Granularity::ALL.len());
}

#[test]
fn nothing_is_made_before_its_window_ends_or_long_after_the_last_day() {
    let last = Timestamp(Options::END.0 + 24 * 3_600_000_000);
    for record in &sample(2_500) {
        for version in made(record) {
            assert!(version.created_at.unwrap() < last);
        }
        if let Record::Execution(run) = record {
            assert!(
                run.ended_at
                    .is_none_or(|end| run.started_at.unwrap() < end && end < last),
                "{:?}",
                run.key
            );
        }
    }
}

#[test]
fn nights_are_recorded_one_after_the_other_and_the_last_in_the_morning_after() {
    let recorded: Vec<Timestamp> = nights(Options::default()).map(|night| night.at).collect();
    assert!(recorded.is_sorted_by(|one, next| one < next));
    assert_eq!(recorded.first().unwrap().to_string(), "2026-08-05T00:00:00Z");
    assert!(recorded.last().unwrap().to_string().starts_with("2026-11-23T07:"));
}

#[test]
fn a_big_sample_has_a_hub_in_proportion() {
    let mut readers: HashMap<String, usize> = HashMap::new();
    for record in records(Options {
        versions: 20_000,
        ..Options::default()
    }) {
        let Record::Execution(run) = record else { continue };
        for input in run.inputs.iter().flatten() {
            let VersionQuery::Key(query) = &input.version else {
                panic!("a URI")
            };
            if query.artifact.name == "features/customer_embedding" {
                *readers.entry(query.version.clone().unwrap()).or_default() += 1;
            }
        }
    }
    assert!(
        (980..1_020).contains(&readers["v1"]) && (480..520).contains(&readers["v2"]),
        "{readers:?}"
    );
}
