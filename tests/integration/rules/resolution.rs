//! Rules 11 to 14: which version is chosen, and from what had been recorded when.

use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{
        TestApp, TestDb,
        app::texts,
        artifact, declaration, execution,
        fixtures::{at_alias, exact, latest, latest_in, values},
        version,
    },
};

/// The answer of `resolve`.
async fn explained(app: &TestApp, query: Value) -> Value {
    let text = "query($query: VersionQuery!) { resolve(query: $query) { version { version } rule candidateCount
        candidates(first: 10) { version { version state } chosen reason } } }";
    app.data(text, json!({"query": query})).await["resolve"].clone()
}

/// The version that a query chooses in a past state, by each of the two ways to ask for one.
async fn choice_as_of(app: &TestApp, query: Value, as_of: Value) -> Option<String> {
    let text = "query($query: VersionQuery!, $asOf: AsOf!) { version(query: $query, asOf: $asOf) { version }
        at(asOf: $asOf) { version(query: $query) { version } } }";
    let data = app.data(text, json!({"query": query, "asOf": as_of})).await;
    assert_eq!(data["version"], data["at"]["version"], "{as_of}");
    data["version"]["version"].as_str().map(str::to_owned)
}

on_both_databases! {
    async fn rule_11_the_most_recent_is_the_greatest_creation_time_then_the_later_recorded(db: TestDb) {
        let app = TestApp::new(db).await;
        app.create(&version("orders", "z").created_at("2026-11-20")).await;
        app.create(&version("orders", "10").created_at("2026-11-22")).await;
        app.create(&version("orders", "9").created_at("2026-11-21")).await;
        assert_eq!(app.choice(latest("orders")).await.as_deref(), Some("10"), "not the greatest string");
        app.create(&version("orders", "1").created_at("2026-11-22")).await;
        assert_eq!(app.choice(latest("orders")).await.as_deref(), Some("1"), "the later recorded of two");
        app.ingest(&[version("orders", "y").created_at("2026-11-22").record(), version("orders", "a").created_at("2026-11-22").record()]).await;
        assert_eq!(app.choice(latest("orders")).await.as_deref(), Some("a"), "also within a revision");
        let shown = app.artifact("orders", "latest { version isLatest } updatedAt versions(first: 3) { nodes { version isLatest } }").await;
        assert_eq!(shown, json!({
            "latest": {"version": "a", "isLatest": true}, "updatedAt": "2026-11-22T00:00:00Z",
            "versions": {"nodes": [{"version": "a", "isLatest": true}, {"version": "y", "isLatest": false}, {"version": "1", "isLatest": false}]}
        }));
        app.create(&version("orders", "b").created_at("2026-11-22T00:00:00.000001Z")).await;
        assert_eq!(app.choice(latest("orders")).await.as_deref(), Some("b"), "a microsecond counts");
    }

    async fn rule_11_a_placeholder_counts_from_when_its_content_was_recorded(db: TestDb) {
        let app = TestApp::new(db).await;
        app.record(&execution("e").consumes("in", "orders", "early")).await;
        app.create(&version("orders", "first").created_at("2026-11-22")).await;
        assert_eq!(app.choice(latest("orders")).await.as_deref(), Some("first"));
        app.create(&version("orders", "early").created_at("2026-11-22")).await;
        assert_eq!(app.choice(latest("orders")).await.as_deref(), Some("early"), "its content was recorded later");
    }

    async fn rule_11_it_skips_what_is_referenced_deleted_or_flagged(db: TestDb) {
        let app = TestApp::new(db).await;
        app.declare(declaration("orders", &["region"], None)).await.ok();
        let eu = |name: &str, day: &str| version("orders", name).at(&[("region", "EU")]).created_at(day);
        app.create(&eu("good", "2026-11-01")).await;
        let deleted = app.create(&eu("deleted", "2026-11-02")).await;
        app.delete(&deleted.id).await.ok();
        app.record(&execution("e").consumes("in", "orders", "referenced")).await;
        app.ingest(&[version("orders", "flagged").at(&[("region", "EU"), ("x", "y")]).created_at("2026-11-03").record()]).await;
        let region = values(&[("region", "EU")]);
        assert_eq!(app.choice(latest_in("orders", region.clone())).await.as_deref(), Some("good"));
        assert_eq!(app.choice(latest("orders")).await.as_deref(), Some("flagged"), "flagged ones are skipped where a partition is asked");
        let shown = app.data(
            "query($key: ArtifactKey!, $where: PartitionFilter) { artifact(key: $key) { latest { version } in: latest(where: $where) { version }
                partitions { nodes { latest { version } } } } }",
            json!({"key": artifact("orders"), "where": region}),
        ).await;
        assert_eq!(shown["artifact"], json!({"latest": {"version": "flagged"}, "in": {"version": "good"}, "partitions": {"nodes": [{"latest": {"version": "good"}}]}}));
        for name in ["good", "deleted", "referenced", "flagged"] {
            assert_eq!(app.choice(exact("orders", name)).await.as_deref(), Some(name), "an exact one in whatever state");
        }
    }

    async fn rule_12_keys_that_are_not_named_match_any_value_unless_strict(db: TestDb) {
        let app = TestApp::new(db).await;
        let make = async |name: &str, pairs: &[(&str, &str)], time: Option<&str>| {
            let input = version("orders", name).at(pairs);
            app.create(&time.map_or(input.clone(), |time| input.time(time))).await;
            app.pass(1);
        };
        make("eu", &[("region", "EU")], None).await;
        make("eu-m", &[("region", "EU"), ("model", "m")], None).await;
        make("us", &[("region", "US")], None).await;
        make("eu-day", &[("region", "EU")], Some("2026-11-22")).await;
        make("plain", &[], None).await;
        make("day", &[], Some("2026-11-22")).await;
        let strict = |mut filter: Value| { filter["strict"] = json!(true); filter };
        let region = values(&[("region", "EU")]);
        let day = json!({"time": {"at": "2026-11-22"}});
        let both = json!({"values": [{"key": "region", "eq": "EU"}], "time": {"at": "2026-11-22"}});
        for (filter, matching) in [
            (region.clone(), &["eu", "eu-m", "eu-day"][..]),
            (strict(region), &["eu"]),
            (values(&[("region", "EU"), ("model", "m")]), &["eu-m"]),
            (strict(values(&[("region", "EU"), ("model", "m")])), &["eu-m"]),
            (strict(values(&[("model", "m")])), &[]),
            (day.clone(), &["eu-day", "day"]),
            (strict(day), &["day"]),
            (both.clone(), &["eu-day"]),
            (strict(both), &["eu-day"]),
            (json!({"strict": true}), &["plain"]),
            (json!({"values": [{"key": "region", "in": ["EU", "US"]}, {"key": "region", "notIn": ["EU"]}]}), &["us"]),
            (json!({"values": [{"key": "region", "startsWith": "E"}]}), &["eu", "eu-m", "eu-day"]),
            (json!({"values": [{"key": "region", "in": []}]}), &[]),
            (json!({"values": [{"key": "model", "notIn": ["x"]}]}), &["eu-m"]),
        ] {
            let query = "query($key: ArtifactKey!, $where: PartitionFilter) { artifact(key: $key) {
                versions(where: {partition: $where}, orderBy: {field: CREATED_AT, direction: ASC}) { nodes { version } totalCount }
                latest(where: $where) { version } partitions(where: $where) { totalCount nodes { versionCount } } } }";
            let shown = app.data(query, json!({"key": artifact("orders"), "where": filter})).await["artifact"].clone();
            assert_eq!(texts(&shown["versions"]["nodes"], "version"), matching, "{filter}");
            assert_eq!(shown["latest"]["version"].as_str(), matching.last().copied(), "{filter}");
            assert_eq!(app.choice(latest_in("orders", filter.clone())).await.as_deref(), matching.last().copied(), "{filter}");
            let unpartitioned = usize::from(matching == ["plain"]);
            assert_eq!(shown["partitions"]["totalCount"], matching.len() - unpartitioned, "{filter}");
        }
    }

    async fn rule_13_an_exact_version_with_contradicting_partitions_is_no_match(db: TestDb) {
        let app = TestApp::new(db).await;
        app.declare(declaration("orders", &["region"], Some("DAY"))).await.ok();
        let made = app.create(&version("orders", "v1").at(&[("region", "EU")]).time("2026-11-22")).await;
        app.set_alias(&made.id, "production", false).await.ok();
        app.record(&execution("e").consumes("in", "orders", "referenced")).await;
        let with = |mut query: Value, partition: Value| { query["key"]["partition"] = partition; query };
        let (eu, us) = (values(&[("region", "EU")]), values(&[("region", "US")]));
        for (query, chosen) in [
            (with(exact("orders", "v1"), eu.clone()), Some("v1")),
            (with(exact("orders", "v1"), us.clone()), None),
            (with(exact("orders", "v1"), json!({"time": {"at": "2026-11-22T10:00:00Z"}})), Some("v1")),
            (with(exact("orders", "v1"), json!({"time": {"at": "2026-11-23"}})), None),
            (with(exact("orders", "v1"), json!({"values": [{"key": "region", "eq": "EU"}], "strict": true})), None),
            (with(exact("orders", "referenced"), eu.clone()), None),
            (with(at_alias("orders", "production"), eu.clone()), Some("v1")),
            (with(at_alias("orders", "production"), us.clone()), None),
            (exact("orders", "v2"), None),
            (at_alias("orders", "canary"), None),
            (exact("clicks", "v1"), None),
            (latest("clicks"), None),
            (latest_in("orders", us.clone()), None),
        ] {
            assert_eq!(app.choice(query.clone()).await.as_deref(), chosen, "{query}");
            let why = explained(&app, query.clone()).await;
            assert_eq!(why["version"]["version"].as_str(), chosen, "{query}");
            assert!(why["rule"].as_str().unwrap().len() > 20, "resolve says why: {why}");
        }
        let both = json!({"key": {"artifact": artifact("orders"), "version": "v1", "alias": "production"}});
        let reply = app.query("query($q: VersionQuery!) { version(query: $q) { id } }", json!({"q": both})).await;
        reply.refused("BAD_USER_INPUT");
        let contradiction = explained(&app, with(exact("orders", "v1"), us)).await;
        let said = contradiction.to_string();
        assert!(said.contains("v1") && (said.contains("US") || said.contains("partition")), "{contradiction}");
    }

    async fn rule_13_resolve_names_the_candidates_and_why_they_were_passed_over(db: TestDb) {
        let app = TestApp::new(db).await;
        app.create(&version("orders", "old").created_at("2026-11-01")).await;
        let deleted = app.create(&version("orders", "deleted").created_at("2026-11-03")).await;
        app.delete(&deleted.id).await.ok();
        app.create(&version("orders", "new").created_at("2026-11-02")).await;
        app.record(&execution("e").consumes("in", "orders", "referenced")).await;
        let why = explained(&app, latest("orders")).await;
        assert_eq!(why["version"]["version"], "new");
        let candidates = why["candidates"].as_array().unwrap();
        assert_eq!(candidates.iter().filter(|c| c["chosen"] == true).count(), 1, "{why}");
        assert_eq!(why["candidateCount"].as_i64().unwrap(), i64::try_from(candidates.len()).unwrap(), "{why}");
        for candidate in candidates {
            assert_eq!(candidate["chosen"] == true, candidate["version"]["version"] == "new", "{why}");
            assert!(!candidate["reason"].as_str().unwrap().is_empty(), "{why}");
        }
        assert!(candidates.iter().any(|c| c["version"]["version"] == "old"), "{why}");
    }

    async fn rule_14_resolution_answers_from_what_had_been_recorded(db: TestDb) {
        let app = TestApp::new(db).await;
        let mut seen: Vec<(i64, String, Option<&str>, Option<&str>)> = vec![(0, "2026-11-23T11:59:59Z".into(), None, None)];
        let one = app.create(&version("orders", "one").created_at("2026-11-02")).await;
        seen.push((one.revision, app.now(), Some("one"), None));
        app.pass(60);
        let later_but_older = app.create(&version("orders", "older").created_at("2026-11-01")).await;
        seen.push((later_but_older.revision, app.now(), Some("one"), None));
        app.pass(60);
        let two = app.create(&version("orders", "two").created_at("2026-11-03")).await;
        seen.push((two.revision, app.now(), Some("two"), None));
        app.pass(60);
        let revision = |reply: &crate::support::Reply, field: &str| reply.ok()[field]["revision"].as_i64().unwrap();
        let set = revision(&app.set_alias(&one.id, "production", false).await, "setAlias");
        seen.push((set, app.now(), Some("two"), Some("one")));
        app.pass(60);
        let moved = revision(&app.set_alias(&two.id, "production", true).await, "setAlias");
        seen.push((moved, app.now(), Some("two"), Some("two")));
        app.pass(60);
        let deleted = revision(&app.delete(&two.id).await, "deleteVersion");
        seen.push((deleted, app.now(), Some("one"), None));
        app.pass(60);

        for (revision, time, newest, production) in &seen {
            for as_of in [json!({"revision": revision}), json!({"time": time})] {
                assert_eq!(choice_as_of(&app, latest("orders"), as_of.clone()).await.as_deref(), *newest, "{as_of}");
                assert_eq!(choice_as_of(&app, at_alias("orders", "production"), as_of.clone()).await.as_deref(), *production, "{as_of}");
            }
        }
        let future = choice_as_of(&app, latest("orders"), json!({"time": "2100-01-01"})).await;
        assert_eq!(future.as_deref(), Some("one"), "in the future: the newest state");
        for query in ["{ at(asOf: {revision: 1000000}) { revision { number } } }", "{ at(asOf: {revision: -1}) { revision { number } } }"] {
            app.query(query, json!({})).await.refused("BAD_USER_INPUT");
        }
        app.query("{ at(asOf: {}) { revision { number } } }", json!({})).await.refused("GRAPHQL_VALIDATION_FAILED");
    }

    async fn rule_14_lists_counts_and_lineage_answer_from_what_had_been_recorded(db: TestDb) {
        let app = TestApp::new(db).await;
        let state = async |as_of: i64| {
            let text = "query($asOf: AsOf!, $key: ArtifactKey!) { at(asOf: $asOf) { revision { number }
                projects { name domains { name artifactCount artifacts { totalCount } } }
                artifacts { totalCount nodes { name } }
                executions { totalCount nodes { name } }
                artifact(key: $key) { versionCount updatedAt partitionKeys timePartitionGranularity
                    partitions { totalCount nodes { values { value } timePartition { label } versionCount latest { version } } }
                    partitionValues(key: \"region\") { totalCount nodes { value } }
                    timeBuckets(granularity: YEAR) { versionCount partitionCount latest { version } }
                    versions { totalCount nodes { version state isLatest location aliases schemaMismatch
                        producer { name } consumers { totalCount nodes { name } } } } } } }";
            app.data(text, json!({"asOf": {"revision": as_of}, "key": artifact("orders")})).await
        };
        let mut past = Vec::new();
        let mut remember = async || {
            let revision = app.revision().await;
            past.push((revision, state(revision).await));
            app.pass(60);
        };
        let v1 = version("orders", "v1").at(&[("region", "EU")]).time("2026-11-22T10:00:00Z").with("location", "s3://1");
        app.record(&execution("e1").produces("out", &v1)).await;
        remember().await;
        app.create(&version("orders", "v2").at(&[("region", "US")]).time("2026-11-22T11:00:00Z")).await;
        remember().await;
        app.record(&execution("e2").consumes("in", "orders", "v1").consumes("more", "clicks", "c1")).await;
        remember().await;
        let id = app.chosen(exact("orders", "v1"), "id").await["id"].as_str().unwrap().to_owned();
        app.set_alias(&id, "production", false).await.ok();
        remember().await;
        app.create(&version("orders", "plain")).await;
        remember().await;
        app.declare(declaration("orders", &["region"], Some("HOUR"))).await.ok();
        remember().await;
        app.remove_alias("orders", "production").await.ok();
        remember().await;
        app.delete(&id).await.ok();
        remember().await;
        app.create(&version("clicks", "c1")).await;
        remember().await;

        let distinct: std::collections::HashSet<String> = past.iter().map(|(_, state)| state.to_string()).collect();
        assert_eq!(distinct.len(), past.len(), "each step shows");
        for (revision, then) in &past {
            assert_eq!(state(*revision).await, *then, "as of revision {revision}");
        }
        let empty = state(0).await;
        assert_eq!(empty["at"]["artifact"], Value::Null);
        assert_eq!(empty["at"]["artifacts"], json!({"totalCount": 0, "nodes": []}));
        assert_eq!(empty["at"]["projects"], json!([]));
    }

    async fn rule_14_a_later_declaration_does_not_show(db: TestDb) {
        let app = TestApp::new(db).await;
        for (name, hour) in [("h10", "10"), ("h11", "11")] {
            app.create(&version("orders", name).at(&[("region", "EU")]).time(&format!("2026-11-22T{hour}:00:00Z"))).await;
            app.pass(1);
        }
        app.ingest(&[version("orders", "other").at(&[("model", "m")]).record()]).await;
        let before = app.revision().await;
        app.declare(declaration("orders", &["region"], Some("HOUR"))).await.ok();
        app.create(&version("orders", "new").at(&[("region", "EU")]).time("2026-11-22T10:30:00Z")).await;
        let query = "query($asOf: AsOf!, $key: ArtifactKey!) { at(asOf: $asOf) { artifact(key: $key) {
            eu: latest(where: {values: [{key: \"region\", eq: \"EU\"}]}) { version }
            h10: versions(where: {partition: {time: {at: \"2026-11-22T10:15:00Z\"}}}) { totalCount nodes { version partition { id } } }
            partitions { totalCount nodes { id timePartition { label granularity } versions { nodes { version } } } }
            versions { nodes { version schemaMismatch partition { timePartition { label } } } } } } }";
        let at = async |revision: i64| app.data(query, json!({"asOf": {"revision": revision}, "key": artifact("orders")})).await["at"]["artifact"].clone();
        let (then, now) = (at(before).await, at(app.revision().await).await);
        assert_eq!(then["eu"]["version"], "h11");
        assert_eq!(then["h10"]["totalCount"], 2, "a day then: {then}");
        assert_eq!(now["h10"]["totalCount"], 2, "an hour now: {now}");
        assert_eq!(texts(&then["h10"]["nodes"], "version"), ["h11", "h10"]);
        assert_eq!(texts(&now["h10"]["nodes"], "version"), ["new", "h10"]);
        assert_eq!(then["partitions"]["totalCount"], 2, "EU of that day, and m: {then}");
        assert_eq!(now["partitions"]["totalCount"], 2, "EU of two hours: {now}");
        assert_eq!(then["versions"]["nodes"][0], json!({"version": "other", "schemaMismatch": null, "partition": {"timePartition": null}}));
        assert!(now["versions"]["nodes"].to_string().contains("surplus: model"), "{now}");
        let model = "query($asOf: AsOf!, $key: ArtifactKey!) { at(asOf: $asOf) { artifact(key: $key) { latest(where: {values: [{key: \"model\", eq: \"m\"}]}) { version } } } }";
        let found = app.data(model, json!({"asOf": {"revision": before}, "key": artifact("orders")})).await;
        assert_eq!(found["at"]["artifact"]["latest"]["version"], "other");
        app.query(model, json!({"asOf": {"revision": app.revision().await}, "key": artifact("orders")})).await.refused("UNKNOWN_PARTITION_KEY");
    }

    async fn rule_14_nested_fields_stay_in_the_past_and_an_execution_shows_what_is_known_now(db: TestDb) {
        let app = TestApp::new(db).await;
        app.record(&execution("e1").state("RUNNING").consumes("in", "raw", "r1").produces("out", &version("orders", "v1"))).await;
        let before = app.revision().await;
        app.pass(60);
        app.record(&execution("e1").state("SUCCEEDED").with("endedAt", "2026-11-23T13:00:00Z").consumes("more", "raw", "r2").produces("also", &version("orders", "v2"))).await;
        app.create(&version("raw", "r1").with("location", "s3://raw")).await;
        let query = "query($asOf: AsOf!, $query: VersionQuery!) { at(asOf: $asOf) { version(query: $query) { version producer {
            state endedAt inputs { totalCount nodes { version state location createdAt } } outputs { totalCount nodes { version artifact { versionCount latest { version } } } } } } } }";
        let then = app.data(query, json!({"asOf": {"revision": before}, "query": latest("orders")})).await;
        assert_eq!(then["at"]["version"], json!({"version": "v1", "producer": {
            "state": "SUCCEEDED", "endedAt": "2026-11-23T13:00:00Z",
            "inputs": {"totalCount": 1, "nodes": [{"version": "r1", "state": "REFERENCED", "location": null, "createdAt": "2026-11-23T12:00:00Z"}]},
            "outputs": {"totalCount": 1, "nodes": [{"version": "v1", "artifact": {"versionCount": 1, "latest": {"version": "v1"}}}]}
        }}));
        // Inside, asOf can go further back, and a later one means the outer.
        let inner = "query($asOf: AsOf!, $query: VersionQuery!, $inner: AsOf!) { at(asOf: $asOf) { version(query: $query, asOf: $inner) { version } } }";
        let later = app.query(inner, json!({"asOf": {"revision": before}, "inner": {"revision": before + 1}, "query": latest("orders")})).await;
        later.refused("BAD_USER_INPUT");
        let earlier = app.data(inner, json!({"asOf": {"revision": before}, "inner": {"revision": 0}, "query": latest("orders")})).await;
        assert_eq!(earlier["at"]["version"], Value::Null);
        let after = app.data(inner, json!({"asOf": {"revision": before}, "inner": {"time": "2100-01-01"}, "query": latest("orders")})).await;
        assert_eq!(after["at"]["version"]["version"], "v1");
    }

    async fn rule_14_nodes_by_id_are_not_there_before_they_were_recorded(db: TestDb) {
        let app = TestApp::new(db).await;
        app.create(&version("other", "o")).await;
        let before = app.revision().await;
        app.record(&execution("e").produces("out", &version("orders", "v").at(&[("region", "EU")]))).await;
        let ids = app.chosen(exact("orders", "v"), "id artifact { id } partition { id } producer { id }").await;
        let ids = [&ids["id"], &ids["artifact"]["id"], &ids["partition"]["id"], &ids["producer"]["id"]];
        let query = "query($ids: [ID!]!, $asOf: AsOf!) { nodes(ids: $ids) { id __typename } at(asOf: $asOf) { nodes(ids: $ids) { id } } }";
        let data = app.data(query, json!({"ids": ids, "asOf": {"revision": before}})).await;
        assert_eq!(texts(&data["nodes"], "__typename"), ["Version", "Artifact", "Partition", "Execution"]);
        assert_eq!(data["at"]["nodes"], json!([null, null, null, null]));
    }
}
