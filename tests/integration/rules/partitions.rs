//! Rules 6 to 10: declarations, partition keys, time partitions and filters on them.

use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{
        TestApp, TestDb,
        app::texts,
        artifact, declaration, execution,
        fixtures::{exact, latest, latest_in, values},
        version,
    },
};

/// The versions of an artifact in the partitions that pass a filter, oldest first.
async fn found(app: &TestApp, name: &str, partition: Value) -> Vec<String> {
    let query = "query($key: ArtifactKey!, $partition: PartitionFilter!) { artifact(key: $key) {
        versions(first: 1000, where: {partition: $partition}, orderBy: {field: CREATED_AT, direction: ASC}) { nodes { version } totalCount } } }";
    let data = app
        .data(query, json!({"key": artifact(name), "partition": partition}))
        .await;
    let found = texts(&data["artifact"]["versions"]["nodes"], "version");
    assert_eq!(data["artifact"]["versions"]["totalCount"], found.len());
    found
}

/// The values and the label of each partition of an artifact, newest window first.
async fn partitions(app: &TestApp, name: &str) -> Value {
    let fields = "partitions { nodes { values { key value } timePartition { label granularity } versionCount } }";
    app.artifact(name, fields).await["partitions"]["nodes"].clone()
}

/// A filter on time.
fn time(filter: Value) -> Value {
    json!({"time": filter})
}

on_both_databases! {
    async fn rule_06_an_artifact_declares_up_to_ten_keys_and_perhaps_a_time_partition(db: TestDb) {
        let app = TestApp::new(db).await;
        let ten: Vec<String> = (0..10).map(|n| format!("k{}", 9 - n)).collect();
        let keys: Vec<&str> = ten.iter().map(String::as_str).collect();
        let declared = app.declare(declaration("ten", &keys, Some("HOUR"))).await;
        let shown = json!({"id": declared.data["declareArtifact"]["artifact"]["id"], "partitionKeys": ten, "timePartitionGranularity": "HOUR", "description": null});
        assert_eq!(declared.ok()["declareArtifact"]["artifact"], shown, "in declared order");
        let none = app.declare(declaration("none", &[], None)).await;
        assert_eq!(none.ok()["declareArtifact"]["artifact"]["partitionKeys"], json!([]));
        assert_eq!(none.data["declareArtifact"]["created"], true);
        let pairs: Vec<(&str, &str)> = keys.iter().map(|key| (*key, "v")).collect();
        app.create(&version("ten", "v").at(&pairs).time("2026-11-23")).await;
        assert_eq!(found(&app, "ten", values(&pairs)).await, ["v"]);
    }

    async fn rule_06_declaring_the_same_again_is_fine_and_something_else_is_refused(db: TestDb) {
        let app = TestApp::new(db).await;
        let same = declaration("orders", &["region", "model"], Some("DAY"));
        let first = app.declare(same.clone()).await;
        assert_eq!(first.ok()["declareArtifact"]["created"], true);
        let again = app.declare(same).await;
        assert_eq!(again.ok()["declareArtifact"]["created"], false);
        assert_eq!(again.data["declareArtifact"]["revision"], first.data["declareArtifact"]["revision"]);
        for (keys, granularity) in [
            (&["region"][..], Some("DAY")),
            (&["region", "model", "x"], Some("DAY")),
            (&["model", "region"], Some("DAY")),
            (&["region", "model"], Some("HOUR")),
            (&["region", "model"], None),
        ] {
            let refused = app.declare(declaration("orders", keys, granularity)).await;
            refused.refused("FAILED_PRECONDITION").says(&["declared"]);
        }
        let kept = app.artifact("orders", "partitionKeys timePartitionGranularity").await;
        assert_eq!(kept, json!({"partitionKeys": ["region", "model"], "timePartitionGranularity": "DAY"}));
    }

    async fn rule_06_a_description_can_come_later_but_not_change(db: TestDb) {
        let app = TestApp::new(db).await;
        let with = |description: Value| {
            let mut declaration = declaration("orders", &[], None);
            declaration["description"] = description;
            declaration
        };
        app.declare(with(Value::Null)).await.ok();
        let described = app.declare(with(json!("All orders"))).await;
        assert_eq!(described.ok()["declareArtifact"]["artifact"]["description"], "All orders");
        app.declare(with(Value::Null)).await.ok();
        app.declare(with(json!("Some orders"))).await.refused("FAILED_PRECONDITION");
        assert_eq!(app.artifact("orders", "description").await["description"], "All orders");
    }

    async fn rule_06_until_it_is_declared_an_artifact_takes_what_its_versions_bring(db: TestDb) {
        let app = TestApp::new(db).await;
        app.create(&version("orders", "plain")).await;
        let schema = "partitionKeys timePartitionGranularity";
        assert_eq!(app.artifact("orders", schema).await, json!({"partitionKeys": [], "timePartitionGranularity": null}));
        app.pass(1);
        app.create(&version("orders", "eu").at(&[("region", "EU")])).await;
        app.pass(1);
        app.create(&version("orders", "eu-m").at(&[("region", "EU"), ("model", "m")]).time("2026-11-22T23:59:59.999999Z")).await;
        assert_eq!(
            app.artifact("orders", schema).await,
            json!({"partitionKeys": ["model", "region"], "timePartitionGranularity": "DAY"}),
            "a time partition counts as DAY"
        );
        assert_eq!(found(&app, "orders", values(&[("region", "EU")])).await, ["eu", "eu-m"]);
        assert_eq!(found(&app, "orders", time(json!({"at": "2026-11-22"}))).await, ["eu-m"]);
        assert_eq!(found(&app, "orders", json!({"strict": true})).await, ["plain"]);
        let eight: Vec<String> = (0..8).map(|n| format!("k{n}")).collect();
        let pairs: Vec<(&str, &str)> = eight.iter().map(|key| (key.as_str(), "v")).collect();
        app.create(&version("orders", "ten").at(&pairs)).await;
        assert_eq!(app.artifact("orders", schema).await["partitionKeys"].as_array().unwrap().len(), 10);
    }

    async fn rule_06_an_artifact_that_is_not_declared_takes_ten_keys_at_most(db: TestDb) {
        let app = TestApp::new(db).await;
        let nine: Vec<String> = (0..9).map(|n| format!("k{n}")).collect();
        let pairs: Vec<(&str, &str)> = nine.iter().map(|key| (key.as_str(), "v")).collect();
        app.create(&version("orders", "v1").at(&pairs)).await;
        let two_more = version("orders", "v2").at(&[("x", "1"), ("y", "2")]);
        app.try_create(&two_more).await.refused("BAD_USER_INPUT").says(&["x, y", "10"]);
        app.ingest(&[two_more.record()]).await;
        let flagged = app.chosen(exact("orders", "v2"), "schemaMismatch partition { id }").await;
        assert!(flagged["schemaMismatch"].as_str().unwrap().contains("10"), "{flagged}");
        assert_eq!(flagged["partition"], Value::Null);
        assert_eq!(app.artifact("orders", "partitionKeys").await["partitionKeys"].as_array().unwrap().len(), 9);
        app.create(&version("orders", "v3").at(&[("x", "1")])).await;
    }

    async fn rule_06_a_later_declaration_settles_the_versions_that_came_before_it(db: TestDb) {
        let app = TestApp::new(db).await;
        let versions = [
            version("orders", "h10").at(&[("region", "EU")]).time("2026-11-22T10:15:00Z").created_at("2026-11-22T11:00:00Z"),
            version("orders", "h11").at(&[("region", "EU")]).time("2026-11-22T11:45:00+00:00").created_at("2026-11-22T12:00:00Z"),
            version("orders", "h11b").at(&[("region", "EU")]).time("2026-11-22T11:05:00Z").created_at("2026-11-22T12:30:00Z"),
        ];
        for name in ["before", "after"] {
            if name == "after" {
                app.declare(declaration(name, &["region"], Some("HOUR"))).await.ok();
            }
            for version in &versions {
                app.create(&version.clone().with("artifact", artifact(name))).await;
            }
            if name == "before" {
                let days = partitions(&app, name).await;
                assert_eq!(days[0]["timePartition"], json!({"label": "2026-11-22", "granularity": "DAY"}));
                assert_eq!(days.as_array().unwrap().len(), 1);
                app.declare(declaration(name, &["region"], Some("HOUR"))).await.ok();
            }
            assert_eq!(found(&app, name, time(json!({"at": "2026-11-22T11:30:00Z"}))).await, ["h11", "h11b"], "{name}");
            assert_eq!(app.chosen(exact(name, "h11b"), "isLatest").await["isLatest"], true);
            assert_eq!(app.chosen(exact(name, "h10"), "isLatest").await["isLatest"], true);
            assert_eq!(app.chosen(exact(name, "h11"), "isLatest").await["isLatest"], false);
        }
        let (before, after) = (partitions(&app, "before").await, partitions(&app, "after").await);
        assert_eq!(before, after, "it does not matter which came first");
        assert_eq!(texts(&json!([before[0]["timePartition"], before[1]["timePartition"]]), "label"), ["2026-11-22T11", "2026-11-22T10"]);
    }

    async fn rule_06_versions_that_a_later_declaration_does_not_fit_are_flagged(db: TestDb) {
        let app = TestApp::new(db).await;
        app.create(&version("orders", "fits").at(&[("region", "EU")]).time("2026-11-22T10:15:00Z")).await;
        app.create(&version("orders", "plain")).await;
        app.create(&version("orders", "more").at(&[("region", "EU"), ("model", "m")]).time("2026-11-22T10:15:00Z")).await;
        app.declare(declaration("orders", &["region"], Some("HOUR"))).await.ok();
        let fields = "schemaMismatch partition { values { key value } timePartition { label } }";
        let fits = app.chosen(exact("orders", "fits"), fields).await;
        assert_eq!(fits, json!({"schemaMismatch": null, "partition": {"values": [{"key": "region", "value": "EU"}], "timePartition": {"label": "2026-11-22T10"}}}));
        for (name, complaint) in [("plain", "missing: region, time partition"), ("more", "surplus: model")] {
            let flagged = app.chosen(exact("orders", name), fields).await;
            assert_eq!(flagged["partition"], Value::Null);
            assert!(flagged["schemaMismatch"].as_str().unwrap().contains(complaint), "{flagged}");
        }
        let listed = app.artifact("orders", "versionCount partitionKeys partitions { totalCount }").await;
        assert_eq!(listed, json!({"versionCount": 3, "partitionKeys": ["region"], "partitions": {"totalCount": 1}}));
    }

    async fn rule_07_reserved_keys_and_an_eleventh_are_refused(db: TestDb) {
        let app = TestApp::new(db).await;
        for reserved in ["time_partition", "project", "domain", "partitions", "tag", "version"] {
            app.declare(declaration("orders", &["region", reserved], None)).await.refused("BAD_USER_INPUT").says(&[reserved, "reserved"]);
            app.try_create(&version("orders", "v").at(&[(reserved, "x")])).await.refused("BAD_USER_INPUT").says(&[reserved]);
            let ingested = app.try_ingest(&[version("orders", "v").at(&[(reserved, "x")]).record(), json!({"artifact": declaration("orders", &[reserved], None)})]).await;
            assert_eq!(ingested.ok()["ingest"]["rejected"], 2, "{reserved}");
        }
        let eleven: Vec<String> = (0..11).map(|n| format!("k{n}")).collect();
        let keys: Vec<&str> = eleven.iter().map(String::as_str).collect();
        app.declare(declaration("orders", &keys, None)).await.refused("BAD_USER_INPUT").says(&["11", "10"]);
        let pairs: Vec<(&str, &str)> = keys.iter().map(|key| (*key, "v")).collect();
        app.try_create(&version("orders", "v").at(&pairs)).await.refused("BAD_USER_INPUT").says(&["11", "10"]);
        app.declare(declaration("orders", &["a", "b", "a"], None)).await.refused("BAD_USER_INPUT").says(&["\"a\"", "twice"]);
        app.try_create(&version("orders", "v").at(&[("a", "1"), ("a", "2")])).await.refused("BAD_USER_INPUT");
        assert_eq!(app.revision().await, 0);
        app.declare(declaration("orders", &["Version", "tags"], None)).await.ok();
    }

    async fn rule_08_a_direct_version_gives_a_value_for_every_declared_key_and_no_other(db: TestDb) {
        let app = TestApp::new(db).await;
        app.declare(declaration("orders", &["region", "model"], Some("DAY"))).await.ok();
        let whole = version("orders", "v").at(&[("region", "EU"), ("model", "m")]).time("2026-11-22");
        for (wrong, complaints) in [
            (whole.clone().at(&[("region", "EU")]), &["missing: model"][..]),
            (whole.clone().at(&[]), &["missing: model, region"]),
            (whole.clone().without("timePartition"), &["missing: time partition"]),
            (whole.clone().at(&[("region", "EU"), ("model", "m"), ("ds", "x")]), &["surplus: ds"]),
            (whole.clone().at(&[("region", "EU"), ("ds", "x")]).without("timePartition"), &["missing: model, time partition", "surplus: ds"]),
        ] {
            let reply = app.try_create(&wrong).await;
            reply.refused("BAD_USER_INPUT").says(complaints);
            assert_eq!(reply.argument(), "input.partition");
        }
        assert_eq!(app.chosen(exact("orders", "v"), "id").await, Value::Null);
        assert!(app.create(&whole).await.created);
        app.declare(declaration("plain", &[], None)).await.ok();
        app.try_create(&version("plain", "v").time("2026-11-22")).await.refused("BAD_USER_INPUT").says(&["surplus: time partition"]);
        app.create(&version("plain", "v")).await;
    }

    async fn rule_08_in_an_event_or_an_import_it_is_kept_and_flagged(db: TestDb) {
        let app = TestApp::new(db).await;
        app.declare(declaration("orders", &["region"], None)).await.ok();
        app.create(&version("orders", "good").at(&[("region", "EU")])).await;
        app.pass(1);
        app.ingest(&[version("orders", "flagged").at(&[("region", "EU"), ("ds", "x")]).record()]).await;
        app.record(&execution("e").produces("out", &version("orders", "output"))).await;
        for (name, complaint) in [("flagged", "surplus: ds"), ("output", "missing: region")] {
            let flagged = app.chosen(exact("orders", name), "state schemaMismatch partition { id } isLatest").await;
            assert!(flagged["schemaMismatch"].as_str().unwrap().contains(complaint), "{flagged}");
            assert_eq!((&flagged["state"], &flagged["partition"], &flagged["isLatest"]), (&json!("AVAILABLE"), &Value::Null, &json!(false)));
        }
        let listed = app.artifact("orders", "versionCount versions(orderBy: {field: VERSION, direction: ASC}) { totalCount nodes { version } }").await;
        assert_eq!(listed, json!({"versionCount": 3, "versions": {"totalCount": 3, "nodes": [{"version": "flagged"}, {"version": "good"}, {"version": "output"}]}}));
        let lineage = app.execution("e", "outputs { nodes { version } }").await;
        assert_eq!(lineage["outputs"]["nodes"], json!([{"version": "output"}]), "in lineage");
        for partition in [values(&[("region", "EU")]), json!({"values": [{"key": "region", "startsWith": "E"}]}), json!({"values": [{"key": "region", "notIn": ["US"]}]})] {
            assert_eq!(found(&app, "orders", partition.clone()).await, ["good"], "{partition}");
        }
        assert_eq!(found(&app, "orders", json!({"strict": true})).await, [] as [&str; 0]);
        assert_eq!(app.artifact("orders", "partitions { totalCount }").await["partitions"]["totalCount"], 1);
        assert_eq!(app.choice(latest_in("orders", values(&[("region", "EU")]))).await.as_deref(), Some("good"));
    }

    async fn rule_08_the_empty_string_is_no_value(db: TestDb) {
        let app = TestApp::new(db).await;
        app.try_create(&version("orders", "v").at(&[("region", "")])).await.refused("BAD_USER_INPUT").says(&["region", "empty"]);
        let ingested = app.try_ingest(&[version("orders", "v").at(&[("region", "")]).record()]).await;
        assert_eq!(ingested.ok()["ingest"]["results"][0]["error"]["code"], "BAD_USER_INPUT");
        app.create(&version("orders", "v").at(&[("region", "EU")])).await;
        let query = "query($query: VersionQuery!) { version(query: $query) { id } }";
        for test in ["eq", "startsWith"] {
            let filter = json!({"values": [{"key": "region", test: ""}]});
            app.query(query, json!({"query": latest_in("orders", filter)})).await.refused("BAD_USER_INPUT");
        }
    }

    async fn rule_09_a_time_partition_is_floored_in_utc(db: TestDb) {
        let app = TestApp::new(db).await;
        for (granularity, label, start, end) in [
            ("MINUTE", "2026-11-22T23:44", "2026-11-22T23:44:00Z", "2026-11-22T23:45:00Z"),
            ("HOUR", "2026-11-22T23", "2026-11-22T23:00:00Z", "2026-11-23T00:00:00Z"),
            ("DAY", "2026-11-22", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"),
            ("WEEK", "2026-W47", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
            ("MONTH", "2026-11", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("YEAR", "2026", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ] {
            app.declare(declaration(granularity, &[], Some(granularity))).await.ok();
            // A quarter to one in Berlin is a quarter to midnight of the day before in UTC; that day is a Sunday.
            app.create(&version(granularity, "v").time("2026-11-23T00:44:31.5+01:00")).await;
            let window = app.chosen(exact(granularity, "v"), "partition { timePartition { start end granularity label } }").await;
            let expected = json!({"start": start, "end": end, "granularity": granularity, "label": label});
            assert_eq!(window["partition"]["timePartition"], expected);
            for (instant, is_in) in [(start, true), ("2026-11-22T23:44:59.999999Z", true), (end, false)] {
                assert_eq!(found(&app, granularity, time(json!({"at": instant}))).await.len(), usize::from(is_in), "{granularity} {instant}");
            }
        }
        app.declare(declaration("new-year", &[], Some("WEEK"))).await.ok();
        app.create(&version("new-year", "v").time("2027-01-03T12:00:00Z")).await;
        let label = app.chosen(exact("new-year", "v"), "partition { timePartition { label start } }").await;
        assert_eq!(label["partition"]["timePartition"], json!({"label": "2026-W53", "start": "2026-12-28T00:00:00Z"}));
    }

    async fn rule_09_filters_mean_windows(db: TestDb) {
        let app = TestApp::new(db).await;
        app.declare(declaration("hours", &[], Some("HOUR"))).await.ok();
        let instants = ["2026-10-31T23:00:00Z", "2026-11-01T00:00:00Z", "2026-11-15T10:00:00Z", "2026-11-15T11:00:00Z", "2026-11-30T23:00:00Z", "2026-12-01T00:00:00Z"];
        for (n, instant) in instants.iter().enumerate() {
            app.create(&version("hours", &n.to_string()).time(instant)).await;
            app.pass(1);
        }
        let november = ["1", "2", "3", "4"];
        for (filter, expected) in [
            (json!({"at": "2026-11-15T10:59:59Z"}), &["2"][..]),
            (json!({"in": ["2026-11-15T10:30:00Z", "2026-11-30T23:10:00Z", "2000-01-01"]}), &["2", "4"]),
            (json!({"in": []}), &[]),
            (json!({"from": "2026-11-15T10:30:00Z", "to": "2026-11-15T11:00:00Z"}), &["2"]),
            (json!({"from": "2026-11-15T10:30:00Z", "to": "2026-11-15T11:00:00.000001Z"}), &["2", "3"]),
            (json!({"from": "2026-11-15T11:00:00Z", "to": "2026-11-15T11:00:01Z"}), &["3"]),
            (json!({"from": "2026-11-30T23:59:59Z"}), &["4", "5"]),
            (json!({"to": "2026-11-01T00:00:00Z"}), &["0"]),
            (json!({"at": "2026-11-15T10:15:00Z", "granularity": "DAY"}), &["2", "3"]),
            (json!({"at": "2026-11-15", "granularity": "MONTH"}), &november),
            (json!({"from": "2026-11-15", "to": "2026-11-16", "granularity": "MONTH"}), &november),
            (json!({"in": ["2026-11-15"], "granularity": "YEAR"}), &["0", "1", "2", "3", "4", "5"]),
            (json!({"at": "2026-11-15T10:15:00Z", "granularity": "MINUTE"}), &["2"]),
        ] {
            assert_eq!(found(&app, "hours", time(filter.clone())).await, expected, "{filter}");
        }
        let week = json!({"at": "2026-11-30T00:00:00Z", "granularity": "WEEK"});
        assert_eq!(found(&app, "hours", time(week)).await, ["4", "5"], "a week begins on Monday");
        let empty = app.query("query($q: VersionQuery!) { version(query: $q) { id } }", json!({"q": latest_in("hours", time(json!({})))})).await;
        empty.refused("BAD_USER_INPUT");
    }

    async fn rule_09_a_coarser_window_means_what_starts_in_it(db: TestDb) {
        let app = TestApp::new(db).await;
        app.declare(declaration("weeks", &[], Some("WEEK"))).await.ok();
        // The week of 26 October to 1 November starts in October.
        app.create(&version("weeks", "44").time("2026-11-01")).await;
        app.create(&version("weeks", "45").time("2026-11-02")).await;
        assert_eq!(found(&app, "weeks", time(json!({"at": "2026-11-15", "granularity": "MONTH"}))).await, ["45"]);
        assert_eq!(found(&app, "weeks", time(json!({"at": "2026-10-15", "granularity": "MONTH"}))).await, ["44"]);
        let buckets = app.artifact("weeks", "timeBuckets(granularity: MONTH) { window { label } versionCount partitionCount latest { version } }").await;
        assert_eq!(buckets["timeBuckets"], json!([
            {"window": {"label": "2026-11"}, "versionCount": 1, "partitionCount": 1, "latest": {"version": "45"}},
            {"window": {"label": "2026-10"}, "versionCount": 1, "partitionCount": 1, "latest": {"version": "44"}}
        ]));
    }

    async fn rule_09_the_first_and_the_last_instant_are_in_windows(db: TestDb) {
        let app = TestApp::new(db).await;
        for granularity in ["MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"] {
            app.declare(declaration(granularity, &[], Some(granularity))).await.ok();
            for (name, instant) in [("first", "0001-01-01T00:00:00Z"), ("last", "9999-12-31T23:59:59.999999Z")] {
                app.create(&version(granularity, name).time(instant)).await;
                assert_eq!(found(&app, granularity, time(json!({"at": instant}))).await, [name], "{granularity}");
                app.chosen(exact(granularity, name), "partition { timePartition { start end label } }").await;
            }
            app.artifact(granularity, "timeBuckets(granularity: YEAR) { window { start end label } }").await;
        }
    }

    async fn rule_10_an_unknown_key_in_a_filter_is_an_error_where_one_artifact_is_asked(db: TestDb) {
        let app = TestApp::new(db).await;
        app.declare(declaration("orders", &["region"], None)).await.ok();
        app.create(&version("orders", "v").at(&[("region", "EU")])).await;
        let query = latest_in("orders", values(&[("region", "EU"), ("regoin", "EU")]));
        for operation in ["version(query: $query) { id }", "resolve(query: $query) { rule }"] {
            let reply = app.query(&format!("query($query: VersionQuery!) {{ {operation} }}"), json!({"query": query})).await;
            reply.refused("UNKNOWN_PARTITION_KEY").says(&["\"regoin\"", "\"region\""]);
        }
        for (filter, complaint) in [(values(&[("model", "m")]), "\"model\""), (time(json!({"at": "2026-11-22"})), "time partition")] {
            for field in [
                "latest(where: $where) { id }",
                "versions(where: {partition: $where}) { nodes { id } }",
                "versions(where: {partition: $where}) { totalCount }",
                "partitions(where: $where) { nodes { id } }",
                "partitionValues(key: \"region\", where: $where) { nodes { value } }",
                "timeBuckets(granularity: DAY, where: $where) { versionCount }",
            ] {
                let text = format!("query($key: ArtifactKey!, $where: PartitionFilter) {{ artifact(key: $key) {{ {field} }} }}");
                let reply = app.query(&text, json!({"key": artifact("orders"), "where": filter})).await;
                assert_eq!(reply.code(), "UNKNOWN_PARTITION_KEY", "{field}: {}", reply.body);
                reply.says(&[complaint]);
            }
        }
        let of_key = "query($key: ArtifactKey!) { artifact(key: $key) { partitionValues(key: \"model\") { nodes { value } } } }";
        app.query(of_key, json!({"key": artifact("orders")})).await.refused("UNKNOWN_PARTITION_KEY");
        let exact_one = json!({"key": {"artifact": artifact("orders"), "version": "v", "partition": values(&[("model", "m")])}});
        app.query("query($q: VersionQuery!) { version(query: $q) { id } }", json!({"q": exact_one})).await.refused("UNKNOWN_PARTITION_KEY");
        let by_uri = json!({"uri": "flyte://av0.1/shop/production/orders?model=m"});
        app.query("query($q: VersionQuery!) { version(query: $q) { id } }", json!({"q": by_uri})).await.refused("UNKNOWN_PARTITION_KEY");
    }

    async fn rule_10_an_input_by_a_query_with_an_unknown_key_is_refused(db: TestDb) {
        let app = TestApp::new(db).await;
        app.declare(declaration("orders", &["region"], None)).await.ok();
        app.create(&version("orders", "v").at(&[("region", "EU")])).await;
        let consumer = execution("e").takes("in", latest_in("orders", values(&[("model", "m")])));
        app.try_record(&consumer).await.refused("UNKNOWN_PARTITION_KEY");
        assert_eq!(app.execution("e", "id").await, Value::Null, "nothing is half-written");
        assert_eq!(app.choice(latest("orders")).await.as_deref(), Some("v"));
    }
}
