//! What others write, read; and what is recorded, told in their words. Imports without an end, and those that end too soon.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use heirloom::domain::uri;
use heirloom::store::Store;
use heirloom::store::export::{Edges, Pass};
use serde::Deserialize;
use serde::de::{Error, MapAccess, Visitor};
use serde_json::{Value, json};

use crate::cli::{Place, awkward_records, command, gzip, lines, sample};
use crate::on_both_databases;
use crate::support::{TestDb, openlineage, process};

fn data(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/lineage/data");
    directory.join(name)
}

fn import_instances(place: &Place, files: &[&Path]) -> crate::cli::Said {
    let mut arguments = vec!["import", "--format", "wfformat"];
    arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
    place.run(&arguments, b"")
}

on_both_databases! {
    async fn an_instance_of_a_workflow_is_read_as_its_records(db: TestDb) {
        // The records beside the instance were made from it by another program.
        let (first, second) = (Place::with(&db), Place::new());
        let instance = data("sarek-dirt02-001.json.gz");
        let said = import_instances(&first, &[&instance]);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(second.import(&data("sarek-dirt02-001.jsonl.gz")).code, 0);
        let exported = first.export();
        assert!(exported.lines().count() > 100, "{exported}");
        assert_eq!(exported, second.export());
        let again = import_instances(&first, &[&instance]);
        assert!(again.out.contains(" 0 applied") && again.out.contains(" 0 rejected"), "{again:?}");
    }

    async fn a_byte_order_mark_before_an_instance_is_passed_over(db: TestDb) {
        let place = Place::with(&db);
        let good = std::fs::read(data("two-tasks.json")).unwrap();
        let marked = [b"\xef\xbb\xbf", &good[..]].concat();
        let (plain, packed) = (place.write("marked.json", &marked), place.write("packed.json.gz", gzip(&marked)));
        let said = import_instances(&place, &[&plain, &packed]);
        assert!(said.code == 0 && said.out.contains(" 0 rejected"), "{said:?}");
        let empty = place.write("empty.json", b"\xef\xbb\xbf");
        assert_eq!(import_instances(&place, &[&empty]).code, 1);
    }

    async fn what_is_no_instance_is_rejected_by_file_and_path(db: TestDb) {
        let place = Place::with(&db);
        let good = data("two-tasks.json");
        let text = std::fs::read_to_string(&good).unwrap();
        let wrong = place.write("wrong.json", text.replace("2026-11-20T13:00:00+01:00", "at noon"));
        let event = place.write("event.json", json!({ "eventType": "START" }).to_string());
        let name = place.write("name.json", text.replace("left.csv", " left.csv"));
        let rejects = place.path("rejects.jsonl");
        let arguments = ["import", "--format", "wfformat", "--rejects", rejects.to_str().unwrap()];
        let files = [&wrong, &event, &name, &good].map(|path| path.to_str().unwrap());
        let said = place.run(&[&arguments[..], &files].concat(), b"");
        assert_eq!(said.code, 1, "{said:?}");
        // Of the third file the run and one version are fine, of the last everything.
        assert!(said.out.starts_with("10 records in") && said.out.contains("6 applied, 0 unchanged, 4 rejected"), "{said:?}");
        let rejects = std::fs::read_to_string(rejects).unwrap();
        let rejects: Vec<Value> = rejects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let expected = [
            (&wrong, "$.workflow.execution.executedAt", "\"at noon\" is not a date and time"),
            (&event, "$", "missing field `name`"),
            (&name, "$.workflow.specification.tasks[0]", "white space"),
            (&name, "$.workflow.specification.tasks[1]", "white space"),
        ];
        assert_eq!(rejects.len(), expected.len());
        for ((file, path, words), (reject, line)) in expected.into_iter().zip(rejects.iter().zip(said.err.lines())) {
            assert_eq!((&reject["file"], &reject["path"]), (&json!(file), &json!(path)), "{reject}");
            assert!(reject["message"].as_str().unwrap().contains(words), "{reject}");
            assert!(line.starts_with(&format!("{}:{path}: BAD_USER_INPUT", file.display())), "{line}");
        }
    }
}

#[test]
fn a_broken_event_is_rejected_by_line_and_does_not_take_the_rest_along() {
    let place = Place::new();
    let events = gzip(b"[\n  {\"eventType\": \"START\n  },\n  5\n]\n{\"eventType\":");
    let said = place.run(&["import", "--format", "openlineage", "-"], &events);
    assert_eq!(said.code, 1, "{said:?}");
    let expected = [
        "-:2: BAD_USER_INPUT: The event is cut short",
        "-:6: BAD_USER_INPUT: The event is cut short",
    ];
    assert_eq!(said.err.lines().count(), expected.len(), "{said:?}");
    for (line, expected) in said.err.lines().zip(expected) {
        assert!(line.starts_with(expected), "{line}");
    }
}

on_both_databases! {
    async fn an_event_that_is_cut_short_costs_no_other(db: TestDb) {
        let place = Place::with(&db);
        let event = |n: usize| openlineage::run(&format!("r{n}")).on("COMPLETE", "10:00").reads("a").writes("b").json().to_string();
        let broken = event(9);
        let cut = |behind: &str| broken[..broken.find(behind).unwrap() + behind.len()].to_owned();
        let mut good = (1..9).map(event);
        let mut lines = Vec::new();
        for broken in [cut(","), cut("\"inputs\":["), "}{".to_owned(), cut("\"inputs\":[{\"")] {
            lines.extend([broken, good.next().unwrap(), good.next().unwrap()]);
        }
        let file = place.write("events.jsonl", lines.join("\n"));
        let rejects = place.path("rejects.jsonl");
        let said = place.run(&["import", "--format", "openlineage", "--rejects", rejects.to_str().unwrap(), file.to_str().unwrap()], b"");
        assert!(said.code == 1 && said.out.contains("8 applied, 0 unchanged, 5 rejected"), "{said:?}");
        let rejected = std::fs::read_to_string(rejects).unwrap();
        let lines: Vec<Value> = rejected.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["line"].clone()).collect();
        assert_eq!(lines, [1, 4, 7, 7, 10], "{rejected}");
    }
}

/// A JSON object in which no member stands twice.
#[derive(Debug)]
struct Object<T>(BTreeMap<String, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<T>, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, T>()? {
                    if members.contains_key(&name) {
                        return Err(A::Error::custom(format!("{name} stands twice")));
                    }
                    members.insert(name, value);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members(std::marker::PhantomData))
    }
}

type Document = BTreeMap<String, Object<Value>>;

fn prov(place: &Place, arguments: &[&str]) -> Document {
    let said = place.run(&[&["export", "--format", "prov-json"], arguments].concat(), b"");
    assert_eq!(said.code, 0, "{said:?}");
    let document: Object<Object<Value>> = serde_json::from_str(&said.out).unwrap();
    document.0
}

/// Records with everything that PROV has a word for, beside those that are awkward.
fn told_records() -> Vec<Value> {
    let key = |name: &str| json!({ "project": "p/:", "domain": "-d.", "name": name });
    let read = json!({ "name": "in", "version": { "key": { "artifact": key("s3://a b/é🦀"), "version": "1." } } });
    let made = json!({ "name": "out", "version": { "artifact": key("model"), "version": "2", "type": "model", "partition": [{ "key": "région", "value": "EU" }],
        "timePartition": "2026-01-01", "location": "s3://model/2", "metadata": { "n": 0.1 }, "createdAt": "2026-01-01T00:00:01Z" } });
    let run = json!({ "execution": { "key": key("train"), "kind": "TASK", "state": "FAILED", "error": "late", "entity": "train", "attempt": 2, "principal": "ann@example.org",
        "parent": key("nightly"), "startedAt": "2026-01-01T00:00:00Z", "endedAt": "2026-01-01T00:00:02Z", "inputs": [read], "outputs": [made] } });
    let mut records = awkward_records();
    records.push(run);
    records
}

on_both_databases! {
    async fn a_prov_document_names_what_it_speaks_of(db: TestDb) {
        let place = Place::with(&db);
        assert_eq!(place.run(&["import", "-"], lines(&told_records()).as_bytes()).code, 0);
        let document = prov(&place, &[]);
        let members: BTreeSet<&str> = document.keys().map(String::as_str).collect();
        let expected = ["prefix", "entity", "activity", "agent", "used", "wasGeneratedBy", "wasAssociatedWith", "wasAttributedTo",
            "specializationOf", "wasInvalidatedBy"];
        assert_eq!(members, BTreeSet::from(expected));
        let declared = |kind: &str, name: &Value| document[kind].0.contains_key(name.as_str().unwrap());
        for (kind, references) in [
            ("used", &[("prov:activity", "activity"), ("prov:entity", "entity")][..]),
            ("wasGeneratedBy", &[("prov:activity", "activity"), ("prov:entity", "entity")]),
            ("wasAssociatedWith", &[("prov:activity", "activity"), ("prov:agent", "agent")]),
            ("wasAttributedTo", &[("prov:entity", "entity"), ("prov:agent", "agent")]),
            ("specializationOf", &[("prov:specificEntity", "entity"), ("prov:generalEntity", "entity")]),
            ("wasInvalidatedBy", &[("prov:entity", "entity")]),
        ] {
            assert!(!document[kind].0.is_empty(), "{kind}");
            for (name, said) in &document[kind].0 {
                assert!(name.starts_with("_:"), "{name}");
                assert!(references.iter().all(|(attribute, what)| declared(what, &said[attribute])), "{kind}: {said}");
            }
        }
        let prefix = document["prefix"].0["artifact"].as_str().unwrap();
        for (name, said) in &document["entity"].0 {
            let query = uri::parse(&name.replacen("artifact:", prefix, 1)).unwrap();
            assert_eq!((&said["heirloom:name"], &said["heirloom:project"]), (&json!(query.artifact.name), &json!(query.artifact.project)));
            assert_eq!(said.get("heirloom:version").cloned(), query.version.map(Value::from), "{name}");
        }
        let name = "artifact:p%2F%3A/-d./model@2";
        let said = &document["entity"].0[name];
        assert_eq!((&said["prov:location"], &said["partition:r%C3%A9gion"]), (&json!("s3://model/2"), &json!("EU")));
        assert_eq!(said["heirloom:metadata"], json!({ "$": "{\"n\":0.1}", "type": "rdf:JSON" }));
        let run = &document["activity"].0["execution:p%2F%3A/-d./train"];
        assert_eq!((&run["prov:startTime"], &run["prov:endTime"]), (&json!("2026-01-01T00:00:00Z"), &json!("2026-01-01T00:00:02Z")));
        assert_eq!(run["dcterms:isPartOf"]["$"], "execution:p%2F%3A/-d./nightly");
        let made = document["wasGeneratedBy"].0.values().find(|said| said["prov:entity"] == name).unwrap();
        assert_eq!((&made["prov:role"], &made["prov:time"]), (&json!("out"), &json!("2026-01-01T00:00:01Z")));
        assert_eq!(document["wasAttributedTo"].0.len(), 1);
        assert_eq!(document["wasInvalidatedBy"].0.len(), 2, "both that were deleted");
        let before = prov(&place, &["--as-of", "0"]);
        assert!(expected[1..].iter().all(|kind| before[*kind].0.is_empty()), "{before:?}");
    }

    async fn executions_are_told_as_openlineage_events(db: TestDb) {
        let place = Place::with(&db);
        assert_eq!(place.run(&["import", "-"], lines(&told_records()).as_bytes()).code, 0);
        let said = place.run(&["export", "--format", "openlineage"], b"");
        assert_eq!(said.code, 0, "{said:?}");
        let events: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let brief = |event: &Value| {
            let count = |side: &str| event[side].as_array().unwrap().len();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&event["eventType"]), text(&event["job"]["name"]), count("inputs"), count("outputs"))
        };
        let expected = [("OTHER", "silent", 0, 0), ("START", "train", 1, 0), ("FAIL", "train", 1, 1), ("START", "early", 2, 0), ("COMPLETE", "early", 2, 1)];
        let expected = expected.map(|(kind, job, inputs, outputs)| (kind.to_owned(), job.to_owned(), inputs, outputs));
        assert_eq!(events.iter().map(brief).collect::<Vec<_>>(), expected);
        let failed = &events[2];
        assert_eq!((&failed["eventTime"], &failed["job"]["namespace"]), (&json!("2026-01-01T00:00:02Z"), &json!("p/:/-d.")));
        let facets = &failed["run"]["facets"];
        assert_eq!((&facets["errorMessage"]["message"], &facets["parent"]["job"]["name"]), (&json!("late"), &json!("nightly")));
        assert_eq!(facets["heirloom"]["principal"], "ann@example.org");
        assert_eq!(failed["inputs"][0]["facets"]["version"]["datasetVersion"], "1.");
        let subset = &failed["outputs"][0]["outputFacets"]["subset"]["outputCondition"];
        assert_eq!(subset["partitions"][0]["dimensions"], json!({ "région": "EU", "time_partition": "2026-01-01T00:00:00Z" }));
        assert_eq!(failed["run"]["runId"], events[1]["run"]["runId"]);
    }

    async fn an_export_in_many_windows_is_the_same(db: TestDb) {
        let place = Place::with(&db);
        assert_eq!(place.run(&["import", "-"], sample(400).as_bytes()).code, 0);
        assert_eq!(place.run(&["import", "-"], lines(&told_records()).as_bytes()).code, 0);
        let store = db.store().await;
        let whole = passes(&store, usize::MAX).await;
        let counts = whole.iter().map(Vec::len).collect::<Vec<_>>();
        assert!(counts.iter().all(|count| *count > 1), "{counts:?}");
        // In the last case the first window of contents is full, and nothing is behind it.
        for window in [97, counts[2]] {
            assert!(passes(&store, window).await == whole, "{window}");
        }
        store.close().await.unwrap();
    }
}

/// What each pass comes by.
async fn passes(store: &Store, window: usize) -> Vec<Vec<String>> {
    let export = store.export().await.unwrap().in_windows_of(window);
    vec![
        rows(export.declarations()).await,
        rows(export.artifacts()).await,
        rows(export.contents()).await,
        rows(export.versions()).await,
        rows(export.executions(Edges::All)).await,
        rows(export.principals()).await,
        rows(export.aliases()).await,
        rows(export.deletions()).await,
    ]
}

async fn rows<T: Debug>(mut pass: Pass<'_, T>) -> Vec<String> {
    let mut rows = Vec::new();
    while let Some(some) = pass.next().await.unwrap() {
        rows.extend(some.iter().map(|row| format!("{row:?}")));
    }
    rows
}

/// An import of standard input under way.
fn importing(url: &str) -> Child {
    let mut command = command(&["--database", url, "import", "-"]);
    command.stdout(Stdio::piped()).stderr(Stdio::inherit());
    command.spawn().unwrap()
}

/// Versions of some artifacts, as lines of about a kilobyte.
fn version_line(n: usize) -> String {
    let artifact = json!({ "project": "p", "domain": "d", "name": format!("a{}", n % 10) });
    let description = "x".repeat(1_000);
    let created_at = format!("2026-01-01T00:{:02}:{:02}Z", n / 60 % 60, n % 60);
    json!({ "version": { "artifact": artifact, "version": n.to_string(), "description": description, "createdAt": created_at } }).to_string() + "\n"
}

/// The memory that a process has for itself, in MiB.
fn private_memory(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

/// 300,000 lines are more than 300 MB; of them few are new, so that the test is about the import and not the database.
#[test]
fn an_import_takes_the_same_memory_however_long_it_is() {
    let place = Place::new();
    let mut child = importing(&place.url);
    let mut input = child.stdin.take().unwrap();
    let block: String = (0..3_000).map(version_line).collect();
    let mut most = 0;
    for _ in 0..100 {
        input.write_all(block.as_bytes()).unwrap();
        most = most.max(private_memory(&child));
    }
    drop(input);
    let output = process::ended(child);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("3000 applied, 297000 unchanged, 0 rejected"), "{said}");
    assert!((1..200).contains(&most), "{most} MiB");
}

on_both_databases! {
    async fn an_import_that_was_killed_is_run_again(db: TestDb) {
        let (place, whole) = (Place::with(&db), Place::new());
        let file: String = (0..6_000).map(version_line).collect();
        let mut child = importing(&place.url);
        let mut input = child.stdin.take().unwrap();
        let half = file[..file.len() / 2].to_owned();
        let writing = std::thread::spawn(move || -> io::Result<_> {
            input.write_all(half.as_bytes())?;
            // Open until the import is gone.
            Ok(input)
        });
        while db.number("SELECT revision FROM revision_counter").await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        drop(writing.join().unwrap());
        let recorded = db.number("SELECT count(*) FROM version").await;
        assert!(0 < recorded && recorded <= 3_000, "{recorded}");
        let again = place.run(&["import", "-"], file.as_bytes());
        assert_eq!(again.code, 0, "{again:?}");
        assert!(again.out.contains(&format!("{recorded} unchanged, 0 rejected")), "{again:?}");
        assert_eq!(whole.run(&["import", "-"], file.as_bytes()).code, 0);
        assert_eq!(place.export(), whole.export());
    }
}
