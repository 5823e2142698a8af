//! Rules 1 to 5: names, versions, deletion and aliases.

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

/// A character of four bytes: lengths count characters.
const CRAB: &str = "🦀";

fn key(project: &str, domain: &str, name: &str) -> Value {
    json!({"project": project, "domain": domain, "name": name})
}

on_both_databases! {
    async fn rule_01_names_have_a_length_in_characters(db: TestDb) {
        let app = TestApp::new(db).await;
        let (short, long) = (CRAB.repeat(255), CRAB.repeat(1_024));
        let most = version("x", &long).with("artifact", key(&short, &short, &long));
        assert!(app.create(&most).await.created);
        let found = app.chosen(json!({"key": {"artifact": key(&short, &short, &long), "version": long}}), "version artifact { project domain name }").await;
        assert_eq!(found, json!({"version": long, "artifact": key(&short, &short, &long)}));

        let (shorter, longer) = (format!("{short}x"), format!("{long}x"));
        for (input, argument) in [
            (version("x", "v").with("artifact", key(&shorter, "d", "n")), "input.artifact.project"),
            (version("x", "v").with("artifact", key("p", &shorter, "n")), "input.artifact.domain"),
            (version("x", "v").with("artifact", key("p", "d", &longer)), "input.artifact.name"),
            (version("x", &longer), "input.version"),
            (version("x", "v").at(&[(&shorter, "EU")]), "input.partition"),
            (version("x", "v").at(&[("region", &shorter)]), "input.partition"),
        ] {
            let reply = app.try_create(&input).await;
            reply.refused("BAD_USER_INPUT").says(&["characters"]);
            assert_eq!(reply.argument(), argument, "{}", reply.body);
        }
        app.declare(declaration("declared", &[&shorter], None)).await.refused("BAD_USER_INPUT");
        app.declare(declaration("declared", &[&short], None)).await.ok();
        app.try_record(&execution(&longer)).await.refused("BAD_USER_INPUT");
        app.try_record(&execution(&long)).await.ok();
    }

    async fn rule_01_names_have_no_control_characters_and_no_white_space_at_their_ends(db: TestDb) {
        let app = TestApp::new(db).await;
        for wrong in ["", " ", " a", "a ", "\u{a0}a", "a\u{3000}", "a\tb", "a\nb", "a\u{0}b", "a\u{7f}b", "a\u{85}b"] {
            for (what, input) in [
                ("project", version("x", "v").with("artifact", key(wrong, "d", "n"))),
                ("domain", version("x", "v").with("artifact", key("p", wrong, "n"))),
                ("name", version("x", "v").with("artifact", key("p", "d", wrong))),
                ("version", version("x", wrong)),
                ("partition key", version("x", "v").at(&[(wrong, "EU")])),
            ] {
                let reply = app.try_create(&input).await;
                assert_eq!(reply.code(), "BAD_USER_INPUT", "the {what} {wrong:?}: {}", reply.body);
            }
            app.declare(declaration("x", &[wrong], None)).await.refused("BAD_USER_INPUT");
            app.try_record(&execution(wrong)).await.refused("BAD_USER_INPUT");
            app.try_record(&execution("e").consumes(wrong, "x", "v")).await.refused("BAD_USER_INPUT");
        }
        assert_eq!(app.revision().await, 0, "what is refused leaves nothing");
        app.create(&version("a b", "c d").at(&[("a key", "a value")])).await;
    }

    async fn rule_01_latest_is_no_version(db: TestDb) {
        let app = TestApp::new(db).await;
        app.try_create(&version("x", "latest")).await.refused("BAD_USER_INPUT").says(&["latest"]);
        app.create(&version("x", "Latest")).await;
        app.create(&version("x", "latest1")).await;
        let made = app.create(&version("x", "v2")).await;
        app.set_alias(&made.id, "latest", false).await.refused("BAD_USER_INPUT").says(&["latest"]);
        let asked = json!({"key": {"artifact": artifact("x"), "version": "latest"}});
        assert_eq!(app.choice(asked).await.as_deref(), Some("v2"));
    }

    async fn rule_01_every_key_makes_the_round_trip_through_its_uri(db: TestDb) {
        let app = TestApp::new(db).await;
        let names = ["s3://bucket/a b", "f3a9/n0/0/o0", "a@b", "100%", "%2F", "?region=EU&x#y", "..", "a+b", "é🦀", "latest", "a\"b'c\\"];
        for (n, name) in names.into_iter().enumerate() {
            let project = names[(n + 3) % names.len()];
            let artifact = key(project, name, name);
            let string = if name == "latest" { "@latest" } else { name };
            let made = app.create(&version("", string).with("artifact", artifact.clone())).await;
            let uri = app.chosen(json!({"key": {"artifact": artifact, "version": string}}), "uri artifact { uri }").await;
            let (of_version, of_artifact) = (uri["uri"].as_str().unwrap(), uri["artifact"]["uri"].as_str().unwrap());
            assert!(of_version.starts_with(&format!("{of_artifact}@")), "{uri}");
            assert!(of_artifact.starts_with("flyte://av0.1/"), "{uri}");
            let plain = |c: char| c.is_ascii_alphanumeric() || "-._~%/:@".contains(c);
            assert!(of_version.chars().all(plain), "{uri}");
            for asked in [of_version, of_artifact, &format!("{of_artifact}@latest")] {
                let found = app.chosen(json!({"uri": asked}), "id version artifact { project domain name }").await;
                assert_eq!(found, json!({"id": made.id, "version": string, "artifact": key(project, name, name)}), "{asked}");
            }
        }
    }

    async fn rule_01_a_uri_can_ask_for_a_partition_and_name_an_organisation(db: TestDb) {
        let app = TestApp::new(db).await;
        app.declare(declaration("orders", &["region"], Some("DAY"))).await.ok();
        app.create(&version("orders", "eu").at(&[("region", "E&U")]).time("2026-11-22")).await;
        app.create(&version("orders", "us").at(&[("region", "US")]).time("2026-11-23")).await;
        for (uri, found) in [
            ("flyte://av0.1/shop/production/orders?region=E%26U", Some("eu")),
            ("flyte://av0.1/shop/production/orders?time_partition=2026-11-22T10:00:00Z", Some("eu")),
            ("flyte://av0.1/shop/production/orders@latest?region=US&time_partition=2026-11-23", Some("us")),
            ("flyte://av0.1/shop/production/orders@us?region=US", Some("us")),
            ("flyte://av0.1/shop/production/orders@us?region=E%26U", None),
            ("flyte://av0.2/our-org/shop/production/orders", Some("us")),
        ] {
            assert_eq!(app.choice(json!({"uri": uri})).await.as_deref(), found, "{uri}");
        }
        for uri in ["", "orders", "http://a/b/c", "flyte://av0.1/shop/production", "flyte://av9/a/b/c", "flyte://av0.1/a/b/%FF", "flyte://av0.1/a/b/c?x"] {
            let reply = app.query("query($q: VersionQuery!) { version(query: $q) { id } }", json!({"q": {"uri": uri}})).await;
            reply.refused("BAD_USER_INPUT");
        }
    }

    async fn rule_02_the_same_version_again_is_the_node_that_is_there(db: TestDb) {
        let app = TestApp::new(db).await;
        let full = version("orders", "v1")
            .at(&[("region", "EU"), ("model", "m")])
            .time("2026-11-22T10:15:00Z")
            .created_at("2026-11-22T11:00:00Z")
            .with("location", "s3://b/1")
            .with("type", "parquet")
            .with("description", "Orders")
            .with("metadata", json!({"rows": 1, "more": {"a": [1, 2.5, null]}}))
            .with("card", "# Orders");
        let first = app.create(&full).await;
        assert!(first.created);
        app.pass(60);
        let same_again = full.clone().at(&[("model", "m"), ("region", "EU")]).time("2026-11-22T11:15:00+01:00");
        let without_time = full.clone().without("createdAt");
        let reordered = full.clone().with("metadata", json!({"more": {"a": [1, 2.5, null]}, "rows": 1}));
        for again in [&full, &same_again, &without_time, &reordered] {
            let again = app.create(again).await;
            assert_eq!((again.id, again.created), (first.id.clone(), false));
        }
        for (field, other) in [
            ("timePartition", json!("2026-11-22T10:16:00Z")),
            ("createdAt", json!("2026-11-22T11:00:01Z")),
            ("location", json!("s3://b/2")),
            ("location", Value::Null),
            ("type", json!("csv")),
            ("description", json!("orders")),
            ("metadata", json!({"rows": 2})),
            ("metadata", json!({"rows": 1, "more": {"a": [2.5, 1, null]}})),
            ("card", json!("# orders")),
            ("partition", json!([{"key": "region", "value": "US"}, {"key": "model", "value": "m"}])),
        ] {
            let reply = app.try_create(&full.clone().with(field, other)).await;
            reply.refused("CONFLICT").says(&["v1", field]);
        }
        let kept = app.chosen(exact("orders", "v1"), "location type description metadata card createdAt").await;
        let expected = json!({"location": "s3://b/1", "type": "parquet", "description": "Orders", "card": "# Orders",
            "metadata": {"more": {"a": [1, 2.5, null]}, "rows": 1}, "createdAt": "2026-11-22T11:00:00Z"});
        assert_eq!(kept, expected, "the first stays");
    }

    async fn rule_02_a_creation_time_that_is_not_given_is_not_compared(db: TestDb) {
        let app = TestApp::new(db).await;
        let first = app.create(&version("orders", "v1")).await;
        app.pass(3_600);
        let again = app.create(&version("orders", "v1")).await;
        assert_eq!((&again.id, again.created), (&first.id, false));
        let given = app.create(&version("orders", "v1").created_at("2020-01-01")).await;
        assert_eq!((&given.id, given.created), (&first.id, false));
        let kept = app.chosen(exact("orders", "v1"), "createdAt").await;
        assert_eq!(kept["createdAt"], "2026-11-23T12:00:00Z", "a version never changes");
    }

    async fn rule_02_the_same_string_under_another_artifact_is_another_version(db: TestDb) {
        let app = TestApp::new(db).await;
        let one = app.create(&version("orders", "v1")).await;
        let other = app.create(&version("clicks", "v1").with("location", "x")).await;
        assert!(other.created && one.id != other.id);
    }

    async fn rule_03_a_version_without_a_string_gets_thirty_two_hexadecimal_digits(db: TestDb) {
        let app = TestApp::new(db).await;
        let nameless = version("orders", "").without("version");
        let (one, other) = (app.create(&nameless).await, app.create(&nameless).await);
        for made in [&one, &other] {
            assert!(made.created && made.version.len() == 32, "{made:?}");
            assert!(made.version.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{made:?}");
        }
        assert_ne!(one.version, other.version);
        let explicit_null = app.create(&nameless.clone().with("version", Value::Null)).await;
        assert!(explicit_null.created);

        // In an ingested record and in an output the digits come of the content, so that the record can come again.
        let record = execution("e1").produces("out", &nameless).record();
        let records = [nameless.clone().with("location", "here").record(), record];
        let first = app.try_ingest(&records).await;
        assert_eq!(first.ok()["ingest"]["applied"], 2);
        let again = app.try_ingest(&records).await;
        assert_eq!(again.ok()["ingest"]["unchanged"], 2, "{}", again.body);
        let output = app.execution("e1", "outputs { nodes { version } totalCount }").await;
        assert_eq!(output["outputs"]["totalCount"], 1);
        assert_eq!(output["outputs"]["nodes"][0]["version"].as_str().unwrap().len(), 32);
    }

    async fn rule_04_a_deleted_version_is_a_tombstone(db: TestDb) {
        let app = TestApp::new(db).await;
        let raw = version("raw", "r1").with("location", "s3://raw").with("metadata", json!({"rows": 1})).with("card", "# Raw").with("type", "csv");
        app.record(&execution("extract").produces("raw", &raw)).await;
        app.record(&execution("clean").consumes("in", "raw", "r1").produces("out", &version("clean", "c1"))).await;
        app.create(&version("raw", "r0").created_at("2026-11-01")).await;
        let id = app.chosen(exact("raw", "r1"), "id").await["id"].as_str().unwrap().to_owned();
        app.set_alias(&id, "production", false).await.ok();
        assert_eq!(app.choice(latest("raw")).await.as_deref(), Some("r1"));

        let deleted = app.delete(&id).await;
        assert_eq!(deleted.ok()["deleteVersion"]["version"], json!({"id": id, "state": "DELETED"}));

        let fields = "id state location metadata card isLatest aliases producer { name } consumers { totalCount nodes { name outputs { nodes { version } } } }";
        let tombstone = app.chosen(exact("raw", "r1"), fields).await;
        assert_eq!(tombstone, json!({
            "id": id, "state": "DELETED", "location": null, "metadata": {}, "card": null, "isLatest": false, "aliases": [],
            "producer": {"name": "extract"},
            "consumers": {"totalCount": 1, "nodes": [{"name": "clean", "outputs": {"nodes": [{"version": "c1"}]}}]}
        }));
        // The path through it is whole from the other side, too.
        let upwards = app.chosen(exact("clean", "c1"), "producer { inputs { nodes { id state producer { name } } } }").await;
        assert_eq!(upwards["producer"]["inputs"]["nodes"], json!([{"id": id, "state": "DELETED", "producer": {"name": "extract"}}]));
        assert_eq!(app.choice(latest("raw")).await.as_deref(), Some("r0"), "never again the latest");
        assert_eq!(app.choice(at_alias("raw", "production")).await, None);
        let by_node = app.data("query($id: ID!) { node(id: $id) { id ... on Version { state } } }", json!({"id": id})).await;
        assert_eq!(by_node["node"], json!({"id": id, "state": "DELETED"}));
        let listed = app.artifact("raw", "versionCount versions { nodes { version state } }").await;
        assert_eq!(listed, json!({"versionCount": 2, "versions": {"nodes": [{"version": "r1", "state": "DELETED"}, {"version": "r0", "state": "AVAILABLE"}]}}));
    }

    async fn rule_04_what_a_deleted_version_held_is_not_found_by(db: TestDb) {
        let app = TestApp::new(db).await;
        app.declare(declaration("raw", &["region"], None)).await.ok();
        let made = app.create(&version("raw", "r1").at(&[("region", "EU")]).with("metadata", json!({"rows": 1}))).await;
        let found = "versions(where: {metadata: [{key: \"rows\", eq: 1}]}) { totalCount nodes { version } }";
        assert_eq!(app.artifact("raw", found).await["versions"]["totalCount"], 1);
        app.delete(&made.id).await.ok();
        assert_eq!(app.artifact("raw", found).await["versions"], json!({"totalCount": 0, "nodes": []}));
        assert_eq!(app.choice(latest_in("raw", values(&[("region", "EU")]))).await, None);
        let partition = app.artifact("raw", "latest { id } partitions { nodes { latest { id } versionCount } }").await;
        assert_eq!(partition, json!({"latest": null, "partitions": {"nodes": [{"latest": null, "versionCount": 1}]}}));
    }

    async fn rule_04_deleting_again_changes_nothing_and_the_version_does_not_come_back(db: TestDb) {
        let app = TestApp::new(db).await;
        let made = app.create(&version("raw", "r1").with("location", "here")).await;
        let first = app.delete(&made.id).await.ok()["deleteVersion"]["revision"].clone();
        let again = app.delete(&made.id).await;
        assert_eq!(again.ok()["deleteVersion"]["version"]["state"], "DELETED");
        assert_eq!(app.revision().await, first.as_i64().unwrap(), "nothing changed, so there is no revision");
        let created_again = app.create(&version("raw", "r1").with("location", "here")).await;
        assert_eq!((created_again.id, created_again.created), (made.id.clone(), false));
        assert_eq!(app.chosen(exact("raw", "r1"), "state location").await, json!({"state": "DELETED", "location": null}));
        app.set_alias(&made.id, "production", true).await.refused("FAILED_PRECONDITION");
        app.delete("version_7777").await.refused("NOT_FOUND");
        app.delete("execution_b").await.refused("BAD_USER_INPUT");
    }

    async fn rule_05_an_alias_points_to_at_most_one_version_of_an_artifact(db: TestDb) {
        let app = TestApp::new(db).await;
        let one = app.create(&version("model", "m1")).await;
        let two = app.create(&version("model", "m2")).await;
        let elsewhere = app.create(&version("other", "o1")).await;

        let set = app.set_alias(&one.id, "production", false).await;
        assert_eq!(set.ok()["setAlias"]["version"], json!({"version": "m1", "aliases": ["production"]}));
        assert_eq!(set.data["setAlias"]["previous"], Value::Null);
        app.set_alias(&elsewhere.id, "production", false).await.ok();

        let revision = app.revision().await;
        let again = app.set_alias(&one.id, "production", false).await;
        assert_eq!(again.ok()["setAlias"]["previous"], Value::Null);
        assert_eq!(app.revision().await, revision, "set where it stands changes nothing");

        let refused = app.set_alias(&two.id, "production", false).await;
        refused.refused("CONFLICT").says(&["production", "overwrite"]);
        assert_eq!(app.choice(at_alias("model", "production")).await.as_deref(), Some("m1"));

        let moved = app.set_alias(&two.id, "production", true).await;
        assert_eq!(moved.ok()["setAlias"]["version"], json!({"version": "m2", "aliases": ["production"]}));
        assert_eq!(moved.data["setAlias"]["previous"], json!({"version": "m1", "aliases": []}));
        assert_eq!(app.choice(at_alias("model", "production")).await.as_deref(), Some("m2"));
        assert_eq!(app.choice(at_alias("other", "production")).await.as_deref(), Some("o1"));

        app.set_alias(&two.id, "canary", false).await.ok();
        app.set_alias(&two.id, "Production", false).await.ok();
        let aliases = app.chosen(exact("model", "m2"), "aliases").await;
        assert_eq!(aliases["aliases"], json!(["Production", "canary", "production"]));
        let listed = app.artifact("model", "versions(where: {alias: \"canary\"}) { nodes { version } totalCount }").await;
        assert_eq!(listed["versions"], json!({"nodes": [{"version": "m2"}], "totalCount": 1}));
    }

    async fn rule_05_an_alias_that_is_removed_stands_nowhere(db: TestDb) {
        let app = TestApp::new(db).await;
        let one = app.create(&version("model", "m1")).await;
        let two = app.create(&version("model", "m2")).await;
        app.set_alias(&one.id, "production", false).await.ok();
        assert_eq!(app.remove_alias("model", "production").await.ok()["removeAlias"]["removed"], true);
        assert_eq!(app.remove_alias("model", "production").await.ok()["removeAlias"]["removed"], false);
        assert_eq!(app.choice(at_alias("model", "production")).await, None);
        app.remove_alias("nothing", "production").await.refused("NOT_FOUND");
        app.set_alias(&two.id, "production", false).await.ok();
        assert_eq!(app.choice(at_alias("model", "production")).await.as_deref(), Some("m2"));
        app.set_alias("version_7777", "production", false).await.refused("NOT_FOUND");
        for wrong in ["", " a", "a\n", &"x".repeat(256)] {
            app.set_alias(&two.id, wrong, false).await.refused("BAD_USER_INPUT");
        }
    }

    async fn rule_05_aliases_in_records_stand_at_versions_by_key(db: TestDb) {
        let app = TestApp::new(db).await;
        let alias = |version: &str, overwrite: bool| json!({"alias": {"artifact": artifact("model"), "version": version, "alias": "production", "overwrite": overwrite}});
        app.ingest(&[version("model", "m1").record(), version("model", "m2").record(), alias("m1", false)]).await;
        let refused = app.try_ingest(&[alias("m2", false)]).await;
        assert_eq!(refused.ok()["ingest"]["results"][0]["error"]["code"], "CONFLICT");
        app.ingest(&[alias("m2", true)]).await;
        assert_eq!(app.choice(at_alias("model", "production")).await.as_deref(), Some("m2"));
        app.ingest(&[json!({"aliasRemoval": {"artifact": artifact("model"), "alias": "production"}})]).await;
        assert_eq!(app.choice(at_alias("model", "production")).await, None);
        let versions = app.artifact("model", "versions { nodes { version } }").await;
        assert_eq!(texts(&versions["versions"]["nodes"], "version").len(), 2);
    }
}
