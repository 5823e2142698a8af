//! What each kind of event, and each facet that means something to us, becomes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::picture::{dataset as artifact, edges, edges_as_of, execution};
use crate::{
    checks::findings,
    on_both_databases,
    support::{
        TestApp, TestDb,
        openlineage::{NAMESPACE, about, dataset, job, run},
        version,
    },
};

on_both_databases! {
    async fn a_run_is_an_execution(db: TestDb) {
        let app = TestApp::new(db).await;
        let parent = json!({"run": {"runId": "dag-run"}, "job": {"namespace": NAMESPACE, "name": "dag"}});
        app.hear(&[
            run("r").on("START", "10:00").facet("run", "parent", parent).facet("run", "nominalTime", json!({"nominalStartTime": "2026-11-24T00:00:00Z"})).json(),
            run("r").on("RUNNING", "10:01").facet("run", "processing_engine", json!({"name": "spark", "version": "3.5"})).json(),
            run("r").on("FAIL", "10:05").facet("run", "errorMessage", json!({"message": "no space", "programmingLanguage": "JAVA"}))
                .facet("job", "sourceCodeLocation", json!({"type": "git", "url": "https://example.com/x"}))
                .facet("run", "made_up", json!({"a": [1, {"b": null}]})).json(),
        ]).await;
        let found = execution(&app, "r", "project name kind state entity startedAt endedAt error metadata parent { name kind children { totalCount } }").await;
        assert_eq!(found, json!({
            "project": NAMESPACE, "name": "r", "kind": "TASK", "state": "FAILED", "entity": "job of r",
            "startedAt": "2026-11-24T10:00:00Z", "endedAt": "2026-11-24T10:05:00Z", "error": "no space",
            "metadata": {
                "run": {
                    "parent": {"run": {"runId": "dag-run"}, "job": {"namespace": NAMESPACE, "name": "dag"}},
                    "nominalTime": {"nominalStartTime": "2026-11-24T00:00:00Z"}, "processing_engine": {"name": "spark", "version": "3.5"},
                    "errorMessage": {"message": "no space", "programmingLanguage": "JAVA"}, "made_up": {"a": [1, {"b": null}]},
                },
                "job": {"sourceCodeLocation": {"type": "git", "url": "https://example.com/x"}},
            },
            "parent": {"name": "dag-run", "kind": "WORKFLOW", "children": {"totalCount": 1}},
        }));
    }

    async fn what_a_run_writes_is_there_when_it_is_complete(db: TestDb) {
        let app = TestApp::new(db).await;
        app.hear(&[run("r").on("START", "10:00").writes("d").json()]).await;
        assert_eq!(edges(&app).await, ["r -> d@r?"]);
        assert_eq!(artifact(&app, "d", "latest { version }").await["latest"], json!(null));
        app.hear(&[run("r").on("COMPLETE", "10:05").writes(dataset("d").schema("a")
            .facet("documentation", json!({"description": "orders"})).facet("datasetType", json!({"datasetType": "TABLE"}))
            .own("outputFacets", "outputStatistics", json!({"rowCount": 3}))).json()]).await;
        let fields = "latest { version createdAt location type description metadata principal producer { name } }";
        assert_eq!(artifact(&app, "d", fields).await["latest"], json!({
            "version": "r", "createdAt": "2026-11-24T10:05:00Z", "location": "s3://lake/d", "type": "TABLE", "description": "orders",
            "metadata": {"schema": {"fields": [{"name": "a"}]}, "documentation": {"description": "orders"}, "datasetType": {"datasetType": "TABLE"}, "outputStatistics": {"rowCount": 3}},
            "principal": null, "producer": {"name": "r"},
        }));
        // A run that fails has written nothing.
        app.hear(&[run("f").on("START", "11:00").writes("d").json(), run("f").on("FAIL", "11:05").writes("d").json()]).await;
        assert_eq!(artifact(&app, "d", "latest { version }").await["latest"]["version"], "r");
        // One that goes on without end has written as soon as it says so.
        let streaming = json!({"processingType": "STREAMING", "integration": "FLINK"});
        app.hear(&[run("s").on("RUNNING", "12:00").facet("job", "jobType", streaming).writes("d").json()]).await;
        assert_eq!(artifact(&app, "d", "latest { version }").await["latest"]["version"], "s");
    }

    async fn an_input_is_the_latest_version_when_the_run_started(db: TestDb) {
        let app = TestApp::new(db).await;
        app.hear(&[
            run("w1").on("COMPLETE", "10:00").writes("d").json(),
            run("w2").on("COMPLETE", "11:00").writes("d").json(),
            run("early").on("START", "09:00").reads("d").json(),
            run("between").on("START", "10:30").reads("d").json(),
            run("between").on("COMPLETE", "12:00").reads("d").json(),
            run("at").on("START", "11:00").reads("d").json(),
            run("late").on("COMPLETE", "12:00").reads("d").json(),
        ]).await;
        assert_eq!(edges(&app).await, ["d@unversioned? -> early", "d@w1 -> between", "d@w2 -> at", "d@w2 -> late", "w1 -> d@w1", "w2 -> d@w2"]);
    }

    async fn an_input_moves_when_its_producer_is_heard_of_later(db: TestDb) {
        let app = TestApp::new(db).await;
        app.hear(&[run("r").on("START", "12:00").reads("d").json()]).await;
        let first = app.revision().await;
        assert_eq!(edges(&app).await, ["d@unversioned? -> r"]);
        app.hear(&[run("w1").on("COMPLETE", "10:00").writes("d").json()]).await;
        let second = app.revision().await;
        assert_eq!(edges(&app).await, ["d@w1 -> r", "w1 -> d@w1"]);
        assert_eq!(artifact(&app, "d", "versionCount versions { nodes { version } }").await, json!({"versionCount": 1, "versions": {"nodes": [{"version": "w1"}]}}));
        // The same for what a record creates.
        app.ingest(&[version("d", "v").with("artifact", json!({"project": NAMESPACE, "domain": "default", "name": "d"})).created_at("2026-11-24T11:00:00Z").record()]).await;
        assert_eq!(edges(&app).await, ["d@v -> r", "w1 -> d@w1"]);
        // A later start was not the start.
        app.hear(&[run("r").on("START", "10:30").json()]).await;
        assert_eq!(edges(&app).await, ["d@w1 -> r", "w1 -> d@w1"]);
        // Earlier states are as they were recorded, in lists and in lineage.
        assert_eq!(edges_as_of(&app, Some(first)).await, ["d@unversioned? -> r"]);
        assert_eq!(edges_as_of(&app, Some(second)).await, ["d@w1 -> r", "w1 -> d@w1"]);
        let lineage = "query($number: Long!) { at(asOf: {revision: $number}) { execution(key: {project: \"s3://lake\", domain: \"default\", name: \"r\"}) {
            lineage { nodeCount nodes { node { ... on Version { version state } } } edges { role } } } } }";
        for (revision, expected) in [(first, vec!["unversioned"]), (second, vec!["w1"]), (app.revision().await, vec!["w1"])] {
            let data = app.data(lineage, json!({"number": revision})).await;
            let nodes = data["at"]["execution"]["lineage"]["nodes"].as_array().unwrap();
            let versions: Vec<&str> = nodes.iter().filter_map(|node| node["node"]["version"].as_str()).collect();
            assert_eq!(versions, expected, "as of {revision}: {data}");
        }
    }

    async fn a_version_facet_names_the_version(db: TestDb) {
        let app = TestApp::new(db).await;
        app.hear(&[
            run("r").on("START", "10:00").reads(dataset("in").version("v7")).writes("out").json(),
            run("r").on("RUNNING", "10:01").writes(dataset("out").version("s1")).json(),
            run("r").on("COMPLETE", "10:05").writes(dataset("out").version("s2").schema("a")).json(),
        ]).await;
        assert_eq!(edges(&app).await, ["in@v7? -> r", "r -> out@s1", "r -> out@s2"]);
        let versions = artifact(&app, "out", "versionCount versions(orderBy: {field: CREATED_AT, direction: ASC}) { nodes { version createdAt } }").await;
        assert_eq!(versions, json!({"versionCount": 2, "versions": {"nodes": [
            {"version": "s1", "createdAt": "2026-11-24T10:01:00Z"}, {"version": "s2", "createdAt": "2026-11-24T10:05:00Z"}]}}));
        // What can be no version names none.
        app.hear(&[run("l").on("COMPLETE", "11:00").reads(dataset("out").version("latest")).json()]).await;
        assert!(edges(&app).await.contains(&"out@s2 -> l".to_owned()));
    }

    async fn two_runs_that_say_the_same_of_a_version_both_made_it(db: TestDb) {
        let app = TestApp::new(db).await;
        let made = |id: &str, time: &str, field: &str| run(id).on("COMPLETE", time).writes(dataset("d").version("v").schema(field)).json();
        app.hear(&[made("a", "10:00", "x"), made("b", "11:00", "x")]).await;
        assert_eq!(edges(&app).await, ["a -> d@v", "b -> d@v"]);
        let reply = app.try_hear(&[made("c", "12:00", "y"), made("e", "12:30", "x")]).await;
        let body = reply.json();
        assert_eq!((&body["status"], &body["summary"]["failed"]), (&json!("partial_success"), &json!(1)), "{body}");
        let failed = &body["failed_events"][0];
        assert_eq!((&failed["index"], &failed["code"], &failed["retriable"]), (&json!(0), &json!("CONFLICT"), &json!(false)), "{failed}");
        assert_eq!(edges(&app).await, ["a -> d@v", "b -> d@v", "e -> d@v"]);
        assert_eq!(execution(&app, "c", "name").await, json!(null), "nothing of it was recorded");
    }

    async fn the_same_schema_from_another_client_is_no_contradiction(db: TestDb) {
        let app = TestApp::new(db).await;
        let made = |id: &str, producer: &str, url: &str| {
            let schema = json!({"_producer": producer, "_schemaURL": url, "fields": [{"name": "a", "type": "int"}]});
            run(id).on("COMPLETE", "10:00").writes(dataset("d").version("v").facet("schema", schema)).json()
        };
        app.hear(&[made("a", "spark/1.20", "1-1-0"), made("b", "spark/1.21", "1-1-0"), made("c", "airflow", "1-1-1")]).await;
        assert_eq!(edges(&app).await, ["a -> d@v", "b -> d@v", "c -> d@v"]);
    }

    async fn an_event_that_says_nothing_of_a_version_contradicts_nobody(db: TestDb) {
        let of = |id: &str, event_type: &str, time: &str| run(id).on(event_type, time);
        let v = |field: &str| dataset("d").version("v").schema(field);
        // What was only announced comes to light with an end that says nothing of it.
        let app = TestApp::new(TestDb::of(db.backend()).await).await;
        app.hear(&[
            of("a", "START", "10:00").writes(v("x")).json(),
            of("b", "START", "10:01").writes(v("y")).json(),
            of("a", "COMPLETE", "10:02").json(),
            of("b", "COMPLETE", "10:03").json(),
        ]).await;
        assert_eq!(edges(&app).await, ["a -> d@v", "b -> d@v"]);
        assert_eq!(execution(&app, "b", "state").await["state"], "SUCCEEDED");
        // Since then both have been said, and who says either again contradicts nobody: one by one, or all at once.
        let events = [
            of("a", "START", "10:00").writes(v("x")).json(),
            of("b", "START", "10:01").writes(v("y")).json(),
            of("a", "COMPLETE", "10:02").json(),
            of("b", "COMPLETE", "10:03").json(),
            of("c", "COMPLETE", "10:04").writes(v("y")).json(),
            of("e", "COMPLETE", "10:04").writes(v("x")).json(),
            of("a", "OTHER", "10:05").writes(v("x").own("outputFacets", "rows", json!({"count": 1}))).json(),
            of("b", "OTHER", "10:00").writes(v("x")).json(),
        ];
        for at_a_time in [1, events.len()] {
            let app = TestApp::new(TestDb::of(db.backend()).await).await;
            for events in events.chunks(at_a_time) {
                app.hear(events).await;
            }
            assert_eq!(edges(&app).await, ["a -> d@v", "b -> d@v", "c -> d@v", "e -> d@v"]);
            let reply = app.try_hear(&[of("f", "COMPLETE", "10:06").writes(v("z")).json()]).await;
            assert_eq!(reply.json()["failed_events"][0]["code"], "CONFLICT", "{}", reply.body);
        }
        // Two names turn out to be of one dataset where somebody only reads it.
        let app = TestApp::new(db.clone()).await;
        app.hear(&[
            of("a", "COMPLETE", "10:00").writes(dataset("old").version("0").schema("x").symlink("table")).json(),
            of("b", "COMPLETE", "10:01").writes(dataset("new").version("0").schema("y")).json(),
            of("r", "COMPLETE", "10:02").reads(dataset("new").version("0").symlink("table")).writes("report").json(),
        ]).await;
        assert_eq!(edges(&app).await, ["a -> new@0", "b -> new@0", "new@0 -> r", "r -> report@r"]);
        let schema = artifact(&app, "new", "latest { metadata }").await["latest"]["metadata"]["schema"].clone();
        assert_eq!(schema["fields"][0]["name"], "y", "the last word holds: {schema}");
        assert!(findings(&db).await.is_empty());
    }

    async fn who_takes_back_what_others_have_said_too_is_told_where(db: TestDb) {
        let app = TestApp::new(db).await;
        let of = |id: &str, event_type: &str, time: &str, field: &str| {
            run(id).on(event_type, time).writes("other").writes(dataset("d").version("v").schema(field)).json()
        };
        app.hear(&[of("a", "COMPLETE", "10:00", "x"), of("b", "RUNNING", "10:01", "x")]).await;
        let reply = app.send_json("/api/v1/lineage", &of("a", "OTHER", "10:02", "y")).await;
        let body = reply.json();
        assert_eq!((reply.status.as_u16(), &body["code"], &body["argument"]), (409, &json!("CONFLICT"), &json!("outputs.1.facets.schema")), "{body}");
        // As long as nobody else has said it, one may say otherwise.
        app.hear(&[of("c", "OTHER", "10:03", "x")]).await;
        let alone = |event_type: &str, field: &str| run("e").on(event_type, "10:04").writes(dataset("d").version("w").schema(field)).json();
        app.hear(&[alone("COMPLETE", "x"), alone("OTHER", "y")]).await;
        let own = run("f").on("COMPLETE", "10:05").writes(dataset("d").version("v").own("outputFacets", "schema", json!({"fields": []}))).json();
        let reply = app.send_json("/api/v1/lineage", &own).await;
        assert_eq!(reply.json()["argument"], "outputs.0.outputFacets.schema", "{}", reply.body);
        let day = |id: &str, day: &str| run(id).on("COMPLETE", "10:06").writes(dataset("p").version("v").partitions("outputFacets", &[&[("day", day)]])).json();
        app.hear(&[day("g", "22")]).await;
        let reply = app.send_json("/api/v1/lineage", &day("h", "23")).await;
        assert_eq!(reply.json()["argument"], "outputs.0.outputFacets.subset", "{}", reply.body);
        // An event about the dataset itself says it elsewhere.
        let reply = app.send_json("/api/v1/lineage", &about(dataset("d").version("v").schema("y")).json()).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["argument"]), (409, &json!("dataset.facets.schema")), "{}", reply.body);
    }

    async fn a_facet_that_is_deleted_names_nothing(db: TestDb) {
        let app = TestApp::new(db).await;
        let gone = dataset("d")
            .facet("version", json!({"_deleted": true, "datasetVersion": "v"}))
            .facet("symlinks", json!({"_deleted": true, "identifiers": [{"namespace": NAMESPACE, "name": "t", "type": "TABLE"}]}));
        app.hear(&[run("w").on("COMPLETE", "10:00").writes(gone).json()]).await;
        assert_eq!(edges(&app).await, ["w -> d@w"]);
        assert_eq!(artifact(&app, "d", "otherNames { name }").await["otherNames"], json!([]));
    }

    async fn subsets_are_partitions(db: TestDb) {
        let app = TestApp::new(db).await;
        let days = |list: &str, days: &[&str]| {
            let values: Vec<[(&str, &str); 1]> = days.iter().map(|day| [("day", *day)]).collect();
            let partitions: Vec<&[(&str, &str)]> = values.iter().map(|one| &one[..]).collect();
            dataset("d").partitions(list, &partitions)
        };
        let equal = json!({"inputCondition": {"type": "compare", "comparison": "EQUAL", "left": {"type": "field", "field": "day"}, "right": {"type": "literal", "value": "22"}}});
        app.hear(&[
            run("w1").on("COMPLETE", "10:00").writes(days("outputFacets", &["22", "23"])).json(),
            run("w2").on("COMPLETE", "11:00").writes(days("outputFacets", &["23"])).json(),
            run("r").on("START", "12:00").reads(days("inputFacets", &["22", "23", "24"])).json(),
            run("c").on("START", "12:00").reads(dataset("d").own("inputFacets", "subset", equal)).json(),
        ]).await;
        assert_eq!(edges(&app).await, [
            "d@unversioned/day=24? -> r", "d@w1/day=22 -> c", "d@w1/day=22 -> r", "d@w2/day=23 -> r",
            "w1 -> d@w1/day=22", "w1 -> d@w1/day=23", "w2 -> d@w2/day=23"]);
        let query = "query($query: VersionQuery!) { version(query: $query) { version partition { value(key: \"day\") } } }";
        let query_of = json!({"key": {"artifact": {"project": NAMESPACE, "domain": "default", "name": "d"}, "partition": {"values": [{"key": "day", "eq": "22"}]}}});
        assert_eq!(app.data(query, json!({"query": query_of})).await["version"], json!({"version": "w1/day=22", "partition": {"value": "22"}}));
        app.hear(&[run("w3").on("COMPLETE", "11:30").writes(days("outputFacets", &["24"])).json()]).await;
        assert!(edges(&app).await.contains(&"d@w3/day=24 -> r".to_owned()));
    }

    async fn a_subset_that_is_deleted_names_nothing_any_more(db: TestDb) {
        let days = |days: &[&str]| {
            let values: Vec<[(&str, &str); 1]> = days.iter().map(|day| [("day", *day)]).collect();
            let partitions: Vec<&[(&str, &str)]> = values.iter().map(|one| &one[..]).collect();
            dataset("d").partitions("outputFacets", &partitions)
        };
        let events = [
            run("w").on("RUNNING", "10:00").writes(days(&["22", "23"])).json(),
            run("w").on("RUNNING", "10:10").writes(dataset("d").own("outputFacets", "subset", json!({"_deleted": true}))).json(),
            run("w").on("COMPLETE", "10:20").writes(days(&["23", "24"])).json(),
        ];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]] {
            let app = TestApp::new(TestDb::of(db.backend()).await).await;
            for place in order {
                app.hear(std::slice::from_ref(&events[place])).await;
            }
            assert_eq!(edges(&app).await, ["w -> d@w/day=23", "w -> d@w/day=24"], "{order:?}");
        }
    }

    async fn more_partitions_than_are_told_apart_are_the_dataset_as_a_whole(db: TestDb) {
        let app = TestApp::new(db).await;
        let names: Vec<String> = (0..=10_000).map(|n| n.to_string()).collect();
        let days = |count: usize| {
            let values: Vec<[(&str, &str); 1]> = names[..count].iter().map(|name| [("n", name.as_str())]).collect();
            let partitions: Vec<&[(&str, &str)]> = values.iter().map(|one| &one[..]).collect();
            dataset("d").partitions("outputFacets", &partitions).facet("note", json!({"of": "d"}))
        };
        app.hear(&[run("few").on("COMPLETE", "09:00").writes(days(1_100)).json()]).await;
        let made = artifact(&app, "d", "versionCount latest { metadata partition { value(key: \"n\") } }").await;
        assert_eq!((&made["versionCount"], &made["latest"]["metadata"]), (&json!(1_100), &json!({"note": {"of": "d"}})), "{made}");
        app.hear(&[run("many").on("RUNNING", "10:00").writes(days(2)).json()]).await;
        app.hear(&[run("many").on("COMPLETE", "11:00").writes(days(10_001)).json()]).await;
        let query = "{ execution(key: {project: \"s3://lake\", domain: \"default\", name: \"many\"}) { outputs { nodes { version state } } } }";
        let outputs = app.data(query, json!({})).await["execution"]["outputs"]["nodes"].clone();
        assert_eq!(outputs, json!([{"version": "many", "state": "AVAILABLE"}]));
    }

    async fn partitions_whose_facets_would_be_too_much_have_none(db: TestDb) {
        let names: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        let values: Vec<[(&str, &str); 1]> = names.iter().map(|name| [("n", name.as_str())]).collect();
        let partitions: Vec<&[(&str, &str)]> = values.iter().map(|one| &one[..]).collect();
        let large = json!({"text": "x".repeat(4 << 20)});
        let events = [
            run("w").on("RUNNING", "09:00").writes(dataset("d").partitions("outputFacets", &partitions)).json(),
            run("w").on("COMPLETE", "10:00").writes(dataset("d").facet("large", large)).json(),
        ];
        let fields = "versionCount latest { metadata partition { value(key: \"n\") } }";
        for order in [[0, 1], [1, 0]] {
            let app = TestApp::new(TestDb::of(db.backend()).await).await;
            for place in order {
                app.hear(std::slice::from_ref(&events[place])).await;
            }
            let made = artifact(&app, "d", fields).await;
            assert_eq!((&made["versionCount"], &made["latest"]["metadata"]), (&json!(20), &json!({})), "{order:?}");
            assert!(made["latest"]["partition"]["value"].is_string(), "{order:?}");
        }
    }

    async fn the_name_of_what_has_no_version_is_no_version(db: TestDb) {
        let app = TestApp::new(db).await;
        app.hear(&[run("w").on("COMPLETE", "10:00").writes(dataset("d").version("unversioned")).json()]).await;
        app.hear(&[run("r").on("START", "09:00").reads("d").json()]).await;
        assert_eq!(edges(&app).await, ["d@unversioned? -> r", "w -> d@w"]);
    }

    async fn symlinks_are_other_names_of_one_dataset(db: TestDb) {
        let app = TestApp::new(db).await;
        app.hear(&[
            run("w").on("COMPLETE", "10:00").writes(dataset("a/path").symlink("table")).json(),
            run("r").on("START", "11:00").reads("table").json(),
        ]).await;
        assert_eq!(edges(&app).await, ["a/path@w -> r", "w -> a/path@w"]);
        assert_eq!(artifact(&app, "table", "name latest { version }").await, json!({"name": "a/path", "latest": {"version": "w"}}));
        let query = "query($query: VersionQuery!) { version(query: $query) { uri } }";
        let by_uri = app.data(query, json!({"query": {"uri": "flyte://av0.1/s3%3A%2F%2Flake/default/table"}})).await;
        assert_eq!(by_uri["version"]["uri"], "flyte://av0.1/s3%3A%2F%2Flake/default/a%2Fpath@w");
        let names = app.data("{ artifacts { totalCount nodes { name } } }", json!({})).await;
        assert_eq!(names["artifacts"], json!({"totalCount": 1, "nodes": [{"name": "a/path"}]}));
    }

    async fn a_dataset_may_have_thousands_of_other_names(db: TestDb) {
        let app = TestApp::new(db).await;
        let named = |n: usize| json!({"namespace": NAMESPACE, "name": format!("t{n}"), "type": "TABLE"});
        // The first is there twice, and a chain is joined to the others.
        let many: Vec<Value> = (0..2_000).chain([0]).map(named).collect();
        let linked = dataset("a").facet("symlinks", json!({"identifiers": many}));
        app.hear(&[
            run("c").on("COMPLETE", "09:00").writes(dataset("c").symlink("t1999")).json(),
            run("w").on("COMPLETE", "10:00").writes(linked).json(),
        ]).await;
        let names = artifact(&app, "c", "name otherNames { name }").await;
        let others: BTreeSet<&str> = names["otherNames"].as_array().unwrap().iter().filter_map(|other| other["name"].as_str()).collect();
        assert_eq!((&names["name"], others.len()), (&json!("a"), 2_001));
        assert!(others.contains("c") && others.contains("t0"));
    }

    async fn a_name_that_turns_out_to_be_another_ones_moves_there(db: TestDb) {
        let app = TestApp::new(db).await;
        app.hear(&[
            run("r").on("START", "11:00").reads("table").json(),
            run("x").on("COMPLETE", "09:00").writes("table").json(),
            about(dataset("table").version("v0").schema("s")).at("08:00").json(),
        ]).await;
        let before = app.revision().await;
        assert_eq!(edges(&app).await, ["table@x -> r", "x -> table@x"]);
        app.hear(&[run("w").on("COMPLETE", "10:00").writes(dataset("a/path").symlink("table")).json()]).await;
        assert_eq!(edges(&app).await, ["a/path@w -> r", "w -> a/path@w", "x -> a/path@x"]);
        assert_eq!(edges_as_of(&app, Some(before)).await, ["table@x -> r", "x -> table@x"]);
        let names = app.data("{ artifacts { nodes { name versions(orderBy: {field: VERSION, direction: ASC}) { nodes { version } } } } }", json!({})).await;
        assert_eq!(names["artifacts"]["nodes"], json!([{"name": "a/path", "versions": {"nodes": [{"version": "v0"}, {"version": "w"}, {"version": "x"}]}}]));
        assert_eq!(artifact(&app, "table", "name").await["name"], "a/path");
    }

    async fn an_event_about_a_dataset_is_of_the_artifact_that_it_is(db: TestDb) {
        let events = [about(dataset("d")).json(), about(dataset("a").symlink("d")).json()];
        for order in [[0, 1], [1, 0]] {
            let app = TestApp::new(TestDb::of(db.backend()).await).await;
            for place in order {
                app.hear(std::slice::from_ref(&events[place])).await;
            }
            let found = app.data("{ events { nodes { dataset { name } artifact { name } } } }", json!({})).await;
            let nodes = found["events"]["nodes"].as_array().unwrap();
            assert!(nodes.iter().all(|event| event["artifact"]["name"] == "a"), "{order:?}: {found}");
        }
    }

    async fn jobs_and_datasets_are_heard_apart_from_runs(db: TestDb) {
        let app = TestApp::new(db).await;
        app.hear(&[
            about(dataset("d").version("v1").schema("a")).at("09:00").json(),
            job("plan").at("10:00").reads("d").writes("e").facet("job", "documentation", json!({"description": "a plan"})).json(),
        ]).await;
        assert_eq!(edges(&app).await, ["d@v1 -> plan", "plan -> e@unversioned?"]);
        assert_eq!(artifact(&app, "d", "latest { version metadata producer { name } }").await["latest"]["metadata"]["schema"]["fields"][0]["name"], "a");
        let found = execution(&app, "plan", "state startedAt entity metadata").await;
        assert_eq!(found, json!({"state": "QUEUED", "startedAt": null, "entity": "plan", "metadata": {"job": {"documentation": {"description": "a plan"}}}}));
    }

    async fn a_deleted_facet_is_gone(db: TestDb) {
        let app = TestApp::new(db).await;
        app.hear(&[
            run("r").on("START", "10:00").facet("run", "a", json!({"x": 1})).facet("job", "b", json!({"x": 1})).json(),
            run("r").on("RUNNING", "10:01").facet("run", "a", json!({"_deleted": true})).json(),
            run("r").on("COMPLETE", "10:02").facet("job", "b", json!({"x": 2})).json(),
        ]).await;
        assert_eq!(execution(&app, "r", "metadata").await["metadata"], json!({"job": {"b": {"x": 2}}}));
        app.hear(&[run("r").on("OTHER", "10:00").with(&["eventTime"], "2026-11-24T10:00:30Z").facet("run", "a", json!({"x": 3})).json()]).await;
        assert_eq!(execution(&app, "r", "metadata").await["metadata"], json!({"job": {"b": {"x": 2}}}), "it was deleted later");
    }

    async fn events_and_records_speak_of_the_same_things(db: TestDb) {
        let app = TestApp::new(db).await;
        let key = |name: &str| json!({"project": NAMESPACE, "domain": "default", "name": name});
        let output = |announced: bool| json!([{"name": "o", "announced": announced, "version": {"artifact": key("d"), "version": "v", "createdAt": "2026-11-24T10:00:00Z"}}]);
        let announced = json!({"execution": {"key": key("p"), "state": "RUNNING", "outputs": output(true)}});
        app.ingest(&[announced]).await;
        app.hear(&[run("r").on("START", "11:00").reads("d").json()]).await;
        assert_eq!(edges(&app).await, ["d@unversioned? -> r", "p -> d@v?"]);
        app.ingest(&[json!({"execution": {"key": key("p"), "state": "SUCCEEDED", "outputs": output(false)}})]).await;
        assert_eq!(edges(&app).await, ["d@v -> r", "p -> d@v"]);
        // An event about a version that a record created adds an edge, and what the record has left open.
        app.hear(&[run("again").on("COMPLETE", "12:00").writes(dataset("d").version("v").schema("a")).json()]).await;
        assert_eq!(edges(&app).await, ["again -> d@v", "d@v -> r", "p -> d@v"]);
        assert_eq!(artifact(&app, "d", "latest { metadata }").await["latest"]["metadata"]["schema"], json!({"fields": [{"name": "a"}]}));
    }
}
