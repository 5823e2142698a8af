//! What cannot be answered is refused, with a code and a sentence that names it: never an empty answer that looks like
//! "nothing downstream".

use heirloom::config::Config;
use serde_json::{Value, json};

use super::ask::{artifact_id, ask, ask_paths, execution_id, part, version_id};
use crate::{
    on_both_databases,
    support::{Reply, TestApp, TestDb, app::BEGIN, artifact, execution, version},
};

/// A store with a chain of five versions, the last of which has a partition of its own.
async fn furnished(db: TestDb) -> TestApp {
    furnished_from(db, BEGIN).await
}

/// The same, recorded from an instant on.
async fn furnished_from(db: TestDb, begin: &str) -> TestApp {
    let app = TestApp::new(db).await;
    app.set_clock(begin);
    for n in 0..4 {
        let output = version("table", &(n + 1).to_string());
        let output = if n == 3 { output.at(&[("region", "EU")]) } else { output };
        app.record(
            &execution(&format!("run{n}"))
                .consumes("in", "table", &n.to_string())
                .produces("out", &output),
        )
        .await;
        app.pass(1);
    }
    app
}

async fn refused(app: &TestApp, root: &str, options: Value, code: &str, says: &[&str]) -> Reply {
    let reply = ask(app, &[root], options.clone(), "nodeCount").await;
    assert_eq!(reply.code(), code, "{options}: {}", reply.body);
    reply.refused(code).says(says);
    reply
}

/// The cursor of a page of one node.
async fn cursor(app: &TestApp, root: &str, mut options: Value) -> String {
    options["limit"] = json!(1);
    let page = part(app, &[root], options, "endCursor").await;
    page["endCursor"].as_str().unwrap().to_owned()
}

/// The cursor is refused with these options, and with nothing else to complain about.
async fn refused_cursor(app: &TestApp, root: &str, mut options: Value, cursor: &str) {
    options["after"] = json!(cursor);
    let reply = refused(app, root, options, "BAD_CURSOR", &["cursor"]).await;
    assert!(reply.body.len() < 1_000, "an answer does not echo without bound");
}

on_both_databases! {
    async fn roots_that_are_not_there_are_named(db: TestDb) {
        let app = furnished(db).await;
        let known = version_id(&app, "table", "4").await;
        for unknown in ["version_7777", "execution_7777", "artifact_7777", "partition_7777"] {
            for roots in [vec![unknown], vec![&known, unknown]] {
                for level in ["FULL", "VERSION", "EXECUTION", "PARTITION", "ARTIFACT"] {
                    let reply = ask(&app, &roots, json!({"level": level}), "nodeCount").await;
                    reply.refused("NOT_FOUND").says(&[unknown]);
                }
            }
            ask_paths(&app, unknown, &known, None, None).await.refused("NOT_FOUND").says(&[unknown]);
            ask_paths(&app, &known, unknown, None, None).await.refused("NOT_FOUND").says(&[unknown]);
        }
        // It is there now, and was not then.
        refused(&app, &known, json!({"asOf": {"revision": 3}}), "NOT_FOUND", &[&known]).await;
        ask_paths(&app, &known, &known, None, Some(3)).await.refused("NOT_FOUND").says(&[&known]);
        let inside = "query($roots: [ID!]!) { at(asOf: {revision: 3}) { lineage(roots: $roots) { nodeCount } } }";
        app.query(inside, json!({"roots": [known]})).await.refused("NOT_FOUND").says(&[&known]);
    }

    async fn roots_that_are_no_ids_are_refused(db: TestDb) {
        let app = furnished(db).await;
        let known = version_id(&app, "table", "4").await;
        let long = "version_".to_owned() + &"a".repeat(100_000);
        for wrong in ["", "version", "version_", "version_!", "Version_b", "run_b", "1", "table@4", &long] {
            let reply = ask(&app, &[&known, wrong], json!({}), "nodeCount").await;
            reply.refused("BAD_USER_INPUT").says(&["id"]);
            assert!(reply.argument().starts_with("roots"), "{}", reply.body);
            assert!(reply.body.len() < 1_000, "an answer does not echo without bound");
            ask_paths(&app, wrong, &known, None, None).await.refused("BAD_USER_INPUT");
            ask_paths(&app, &known, wrong, None, None).await.refused("BAD_USER_INPUT");
        }
        let none: [&str; 0] = [];
        ask(&app, &none, json!({}), "nodeCount").await.refused("BAD_USER_INPUT").says(&["root"]);
    }

    async fn ten_thousand_roots_are_too_many(db: TestDb) {
        let app = furnished(db).await;
        let digit = |number: usize| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[number % 32]);
        let ids: Vec<String> = (0..10_000).map(|n| format!("version_b{}{}{}", digit(n / 1_024), digit(n / 32), digit(n))).collect();
        ask(&app, &ids, json!({}), "nodeCount").await.refused("LIMIT_EXCEEDED").says(&["limits.lineage_roots_maximum", "10000", "1000"]);
        let mut config = Config::default();
        config.limits.lineage_roots_maximum = 2;
        let app = TestApp::over(app.db.clone(), app.db.store().await, config);
        let ids = [version_id(&app, "table", "1").await, version_id(&app, "table", "2").await, version_id(&app, "table", "3").await];
        ask(&app, &ids, json!({}), "nodeCount").await.refused("LIMIT_EXCEEDED").says(&["limits.lineage_roots_maximum", "3", "2"]);
        ask(&app, &ids[..2], json!({}), "nodeCount").await.ok();
    }

    async fn numbers_below_one_are_refused(db: TestDb) {
        let app = furnished(db).await;
        let root = version_id(&app, "table", "4").await;
        for option in ["depth", "limit", "fanOut", "deadlineMs"] {
            for number in [0, -1, -2_147_483_648] {
                let reply = refused(&app, &root, json!({option: number}), "BAD_USER_INPUT", &[option]).await;
                assert!(reply.message().contains('1') || reply.message().contains("one"), "what would be right: {}", reply.body);
            }
            for wrong in [json!(1.5), json!("1"), json!(2_147_483_648_i64), json!(true)] {
                let reply = ask(&app, &[&root], json!({option: wrong}), "nodeCount").await;
                assert!(["GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"].contains(&reply.code()), "{option}: {wrong}: {}", reply.body);
            }
        }
        for first in [0, -1] {
            ask_paths(&app, &root, &root, Some(first), None).await.refused("BAD_USER_INPUT").says(&["first"]);
        }
        for fine in [json!({"depth": 2_147_483_647}), json!({"fanOut": 2_147_483_647}), json!({"limit": 1_000_000}), json!({"deadlineMs": 2_147_483_647})] {
            let found = part(&app, &[&root], fine, "complete nodeCount").await;
            assert_eq!(found, json!({"complete": true, "nodeCount": 9}));
        }
    }

    async fn limits_above_the_maximum_are_refused_and_named(db: TestDb) {
        let app = furnished(db).await;
        let root = version_id(&app, "table", "4").await;
        refused(&app, &root, json!({"limit": 1_000_001}), "LIMIT_EXCEEDED", &["limits.lineage_nodes_maximum", "1000001", "1000000"]).await;
        ask_paths(&app, &root, &root, Some(101), None).await.refused("LIMIT_EXCEEDED").says(&["limits.lineage_paths_maximum", "101", "100"]);
        ask_paths(&app, &root, &root, Some(100), None).await.ok();
        let mut config = Config::default();
        config.limits.lineage_nodes_maximum = 600;
        config.limits.lineage_paths_maximum = 2;
        let app = TestApp::over(app.db.clone(), app.db.store().await, config);
        refused(&app, &root, json!({"limit": 601}), "LIMIT_EXCEEDED", &["limits.lineage_nodes_maximum", "601", "600"]).await;
        part(&app, &[&root], json!({"limit": 600}), "nodeCount").await;
        part(&app, &[&root], json!({}), "nodeCount").await;
        ask_paths(&app, &root, &root, Some(3), None).await.refused("LIMIT_EXCEEDED").says(&["limits.lineage_paths_maximum", "3", "2"]);
    }

    async fn filters_that_nothing_can_pass_are_refused(db: TestDb) {
        let app = furnished(db).await;
        let root = version_id(&app, "table", "4").await;
        for list in ["artifacts", "projects", "states"] {
            refused(&app, &root, json!({"where": {list: []}}), "BAD_USER_INPUT", &[list]).await;
        }
        for (from, to) in [("2026-01-02", "2026-01-01"), ("2026-01-01", "2026-01-01")] {
            refused(&app, &root, json!({"where": {"createdAt": {"from": from, "to": to}}}), "BAD_USER_INPUT", &["from", "to"]).await;
        }
        let both = |partition: Value| json!({"where": {"partition": partition}});
        refused(&app, &root, both(json!({"values": [{"key": "region"}]})), "BAD_USER_INPUT", &["region"]).await;
        refused(&app, &root, both(json!({"values": [{"key": "region", "eq": ""}]})), "BAD_USER_INPUT", &["region", "empty"]).await;
        refused(&app, &root, both(json!({"time": {}})), "BAD_USER_INPUT", &["time"]).await;
        refused(&app, &root, both(json!({"time": {"from": "2026-01-02", "to": "2026-01-01"}})), "BAD_USER_INPUT", &["2026-01-01"]).await;
        refused(&app, &root, both(json!({"values": [{"key": "region", "eq": "a\u{0}"}]})), "BAD_USER_INPUT", &["U+0000"]).await;
        for level in ["FULL", "ARTIFACT"] {
            refused(&app, &root, json!({"level": level, "where": {"artifacts": [artifact("table"), artifact("tabel")]}}), "NOT_FOUND", &["tabel"]).await;
        }
        refused(&app, &root, json!({"where": {"artifacts": [{"project": "", "domain": "d", "name": "n"}]}}), "BAD_USER_INPUT", &["project"]).await;
    }

    async fn a_key_that_no_named_artifact_has_is_refused(db: TestDb) {
        let app = furnished(db).await;
        app.create(&version("other", "1")).await;
        let root = version_id(&app, "table", "4").await;
        let by = |artifacts: &[&str], key: &str| json!({"where": {"artifacts": artifacts.iter().map(|name| artifact(name)).collect::<Vec<_>>(), "partition": {"values": [{"key": key, "eq": "EU"}]}}});
        refused(&app, &root, by(&["table"], "regoin"), "UNKNOWN_PARTITION_KEY", &["regoin"]).await;
        refused(&app, &root, by(&["other"], "region"), "UNKNOWN_PARTITION_KEY", &["region"]).await;
        part(&app, &[&root], by(&["table"], "region"), "nodeCount").await;
        part(&app, &[&root], by(&["other", "table"], "region"), "nodeCount").await;
        let anywhere = json!({"where": {"partition": {"values": [{"key": "regoin", "eq": "EU"}]}}});
        assert_eq!(part(&app, &[&root], anywhere, "nodeCount").await["nodeCount"], 5, "of no artifact in particular: the root and the executions");
    }

    async fn states_of_the_store_that_are_not_there_are_refused(db: TestDb) {
        let app = furnished(db).await;
        let root = version_id(&app, "table", "1").await;
        let newest = app.revision().await;
        refused(&app, &root, json!({"asOf": {"revision": newest + 1}}), "BAD_USER_INPUT", &[&newest.to_string()]).await;
        refused(&app, &root, json!({"asOf": {"revision": -1}}), "BAD_USER_INPUT", &[]).await;
        refused(&app, &root, json!({"asOf": {"revision": 0}}), "NOT_FOUND", &[&root]).await;
        refused(&app, &root, json!({"asOf": {"time": "2020-01-01"}}), "NOT_FOUND", &[&root]).await;
        let reply = ask(&app, &[&root], json!({"asOf": {"revision": 1, "time": "2026-11-23"}}), "nodeCount").await;
        assert!(["GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"].contains(&reply.code()), "{}", reply.body);
        ask_paths(&app, &root, &root, None, Some(newest + 1)).await.refused("BAD_USER_INPUT");
        let inside = "query($roots: [ID!]!) { at(asOf: {revision: 2}) { lineage(roots: $roots, options: {asOf: {revision: 3}}) { nodeCount } } }";
        app.query(inside, json!({"roots": [root]})).await.refused("BAD_USER_INPUT");
        let back = "query($roots: [ID!]!) { at(asOf: {revision: 3}) { lineage(roots: $roots, options: {direction: DOWNSTREAM, asOf: {revision: 1}}) { revision nodeCount } } }";
        assert_eq!(app.data(back, json!({"roots": [root]})).await["at"]["lineage"], json!({"revision": 1, "nodeCount": 1}));
    }

    async fn a_cursor_of_another_question_is_refused(db: TestDb) {
        let app = furnished(db).await;
        let (root, other) = (version_id(&app, "table", "4").await, version_id(&app, "table", "3").await);
        let run = execution_id(&app, "run3").await;
        let own = cursor(&app, &root, json!({})).await;
        let next = part(&app, &[&root], json!({"after": own, "limit": 2, "deadlineMs": 60_000}), "nodes { distance }").await;
        assert_eq!(next["nodes"], json!([{"distance": 1}, {"distance": 2}]), "the limit and the deadline may be others");
        for roots in [vec![&other], vec![&run], vec![&root, &other], vec![&other, &root]] {
            let reply = ask(&app, &roots, json!({"after": own}), "nodeCount").await;
            reply.refused("BAD_CURSOR");
        }
        for options in [
            json!({"direction": "DOWNSTREAM"}),
            json!({"direction": "BOTH"}),
            json!({"level": "VERSION"}),
            json!({"depth": 3}),
            json!({"fanOut": 3}),
            json!({"where": {"projects": ["shop"]}}),
            json!({"where": {"prune": true, "projects": ["shop"]}}),
        ] {
            refused_cursor(&app, &root, options.clone(), &own).await;
            // And the other way round.
            let theirs = if options["direction"] == "DOWNSTREAM" { continue } else { cursor(&app, &root, options.clone()).await };
            refused_cursor(&app, &root, json!({}), &theirs).await;
            let mut again = options;
            again["after"] = json!(theirs);
            part(&app, &[&root], again, "nodeCount").await;
        }
        let filtered = cursor(&app, &root, json!({"where": {"projects": ["shop"]}})).await;
        refused_cursor(&app, &root, json!({"where": {"projects": ["shop"], "states": ["FAILED"]}}), &filtered).await;
        let versions = app.artifact("table", "versions(first: 1) { pageInfo { endCursor } }").await;
        refused_cursor(&app, &root, json!({}), versions["versions"]["pageInfo"]["endCursor"].as_str().unwrap()).await;
        let query = "query($after: String!) { artifacts(after: $after) { totalCount nodes { id } } }";
        app.query(query, json!({"after": own})).await.refused("BAD_CURSOR");
    }

    async fn a_cursor_keeps_its_revision(db: TestDb) {
        let app = furnished(db).await;
        let root = version_id(&app, "table", "1").await;
        let down = json!({"direction": "DOWNSTREAM"});
        let own = cursor(&app, &root, down.clone()).await;
        let before = app.revision().await;
        app.record(&execution("late").consumes("in", "table", "1").produces("out", &version("late", "1"))).await;
        let mut rest = down.clone();
        rest["after"] = json!(own);
        let page = part(&app, &[&root], rest.clone(), "revision nodeCount complete").await;
        assert_eq!(page, json!({"revision": before, "nodeCount": 7, "complete": true}));
        let with = |revision: i64| {
            let mut options = rest.clone();
            options["asOf"] = json!({"revision": revision});
            options
        };
        refused(&app, &root, with(before + 1), "BAD_CURSOR", &["cursor"]).await;
        refused(&app, &root, with(before - 1), "BAD_CURSOR", &["cursor"]).await;
        let query = format!("query($roots: [ID!]!, $options: LineageOptions) {{ at(asOf: {{revision: {}}}) {{ lineage(roots: $roots, options: $options) {{ nodeCount }} }} }}", before - 1);
        app.query(&query, json!({"roots": [root], "options": rest})).await.refused("BAD_CURSOR");
    }

    async fn a_cursor_that_somebody_changed_is_refused(db: TestDb) {
        let app = furnished(db).await;
        let root = version_id(&app, "table", "4").await;
        let own = cursor(&app, &root, json!({})).await;
        assert!(own.is_ascii() && own.len() < 4_000, "{own}");
        for end in 0..own.len() {
            refused_cursor(&app, &root, json!({}), &own[..end]).await;
        }
        for start in 1..own.len() {
            refused_cursor(&app, &root, json!({}), &own[start..]).await;
        }
        for place in 0..own.len() {
            let here = own.as_bytes()[place];
            // Its neighbour in the alphabet differs in the last bit, which decoders like to overlook at the end.
            for there in [here ^ 1, here ^ 4, b'A', b'_', b'=', b'%', b' '] {
                let mut bytes = own.clone().into_bytes();
                bytes[place] = there;
                if there != here && let Ok(changed) = String::from_utf8(bytes) {
                    refused_cursor(&app, &root, json!({}), &changed).await;
                }
            }
        }
        for wrong in ["", "x", "%%%", "\u{0}", "é", &own.repeat(2), &format!("{own}A"), &format!("{own}="), &format!(" {own}"), &"A".repeat(100_000)] {
            refused_cursor(&app, &root, json!({}), wrong).await;
        }
        let mut fine = json!({});
        fine["after"] = json!(own);
        part(&app, &[&root], fine, "nodeCount").await;
    }

    async fn a_cursor_of_another_store_is_refused(db: TestDb) {
        let app = furnished(db).await;
        let other = TestDb::of(app.db.backend()).await;
        other.lend(async |other| {
            // The same records give the same ids; it is at another time that they were recorded.
            let other = furnished_from(other, "2026-11-23T12:00:00.000001Z").await;
            let root = version_id(&app, "table", "4").await;
            assert_eq!(root, version_id(&other, "table", "4").await);
            for options in [json!({}), json!({"direction": "BOTH"}), json!({"level": "VERSION"}), json!({"level": "ARTIFACT", "direction": "DOWNSTREAM"})] {
                let page = part(&app, &[&root], { let mut options = options.clone(); options["limit"] = json!(1); options }, "endCursor").await;
                if let Some(theirs) = page["endCursor"].as_str() {
                    refused_cursor(&other, &root, options, theirs).await;
                }
            }
        }).await;
    }

    async fn a_cursor_goes_from_one_server_of_a_store_to_another(db: TestDb) {
        let app = furnished(db.clone()).await;
        let root = version_id(&app, "table", "4").await;
        let own = cursor(&app, &root, json!({})).await;
        let second = TestApp::new(db).await;
        let rest = part(&second, &[&root], json!({"after": own}), "nodes { distance } complete nodeCount").await;
        assert_eq!(rest["nodes"].as_array().unwrap().len(), 8);
        assert_eq!((&rest["complete"], &rest["nodeCount"]), (&json!(true), &json!(9)));
    }

    async fn a_cursor_of_what_a_store_does_not_know_any_more_is_refused(db: TestDb) {
        let app = furnished(db.clone()).await;
        let root = version_id(&app, "table", "4").await;
        let before = cursor(&app, &root, json!({})).await;
        app.store.close().await.unwrap();
        let backup = db.copy().await;
        let app = TestApp::new(db).await;
        app.record(&execution("late").consumes("in", "table", "4")).await;
        let after = cursor(&app, &root, json!({})).await;
        backup.lend(async |backup| {
            let restored = TestApp::new(backup).await;
            part(&restored, &[&root], json!({"after": before}), "nodeCount").await;
            refused_cursor(&restored, &root, json!({}), &after).await;
        }).await;
    }

    async fn what_is_wrong_with_a_nested_walk_is_said_at_its_place(db: TestDb) {
        let app = furnished(db).await;
        let id = artifact_id(&app, "table").await;
        for (options, code) in [("{depth: 0}", "BAD_USER_INPUT"), ("{limit: 1000001}", "LIMIT_EXCEEDED"), ("{where: {states: []}}", "BAD_USER_INPUT"), ("{after: \"x\"}", "BAD_CURSOR")] {
            let query = format!("query($id: ID!) {{ node(id: $id) {{ ... on Artifact {{ lineage(options: {options}) {{ nodeCount }} }} }} }}");
            let reply = app.query(&query, json!({"id": id})).await;
            reply.refused(code);
            assert_eq!(reply.errors[0]["path"], json!(["node", "lineage"]), "{}", reply.body);
        }
    }
}
