//! What clients get wrong: each gets a clear error, with nothing written, and the server goes on. What is wrong with names,
//! keys and partitions is in the rules; with bodies and media types, in `http`; with the command line, in `cli`.

use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{TestApp, TestDb, artifact, execution, fixtures::exact, version},
};

/// A cursor of the first item of a list.
async fn cursor(app: &TestApp, field: &str) -> String {
    let query =
        format!("query($key: ArtifactKey!) {{ artifact(key: $key) {{ list: {field} {{ edges {{ cursor }} }} }} }}");
    let data = app.data(&query, json!({"key": artifact("orders")})).await;
    data["artifact"]["list"]["edges"][0]["cursor"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// A store with one of everything.
async fn furnished(db: TestDb) -> TestApp {
    let app = TestApp::new(db).await;
    let output = version("orders", "v1").at(&[("region", "EU")]).time("2026-11-22");
    app.record(&execution("e").consumes("in", "raw", "r1").produces("out", &output))
        .await;
    app
}

on_both_databases! {
    async fn a_cursor_of_the_same_kind_of_list_of_something_else(db: TestDb) {
        let app = TestApp::new(db).await;
        for name in ["orders", "clicks"] {
            app.create(&version(name, "v1")).await;
            app.create(&version(name, "v2")).await;
        }
        let page = |arguments: &str| format!("versions(first: 1 {arguments}) {{ nodes {{ version }} pageInfo {{ endCursor }} }}");
        let first = app.artifact("orders", &page("")).await;
        let cursor = first["versions"]["pageInfo"]["endCursor"].as_str().unwrap().to_owned();
        let second = app.artifact("orders", &page(&format!("after: {cursor:?}"))).await;
        assert_eq!(second["versions"]["nodes"], json!([{"version": "v1"}]));
        let after = |name: &str, filter: &str| {
            let key = artifact(name);
            let query = format!("query($key: ArtifactKey!) {{ artifact(key: $key) {{ {} }} }}", page(&format!("after: {cursor:?} {filter}")));
            (query, json!({"key": key}))
        };
        for (name, filter) in [("clicks", ""), ("orders", "where: {states: [AVAILABLE]}")] {
            let (query, variables) = after(name, filter);
            app.query(&query, variables).await.refused("BAD_CURSOR").says(&["another list"]);
        }
    }

    async fn a_cursor_of_another_list_or_order_is_refused(db: TestDb) {
        let app = furnished(db).await;
        let newest = cursor(&app, "versions").await;
        let oldest = cursor(&app, "versions(orderBy: {field: CREATED_AT, direction: ASC})").await;
        let by_name = cursor(&app, "versions(orderBy: {field: VERSION, direction: ASC})").await;
        let partition = cursor(&app, "partitions").await;
        let value = cursor(&app, "partitionValues(key: \"region\")").await;
        let ask = async |field: &str, cursor: &str| {
            let query = format!("query($key: ArtifactKey!, $cursor: String!) {{ artifact(key: $key) {{ {field} {{ nodes {{ __typename }} }} }} }}");
            app.query(&query, json!({"key": artifact("orders"), "cursor": cursor})).await
        };
        ask("versions(after: $cursor)", &newest).await.ok();
        for wrong in [&oldest, &by_name, &partition, &value, "", "x", "%%%", &newest[1..], &format!("{newest}AA")] {
            for argument in ["after", "before"] {
                let reply = ask(&format!("versions({argument}: $cursor)"), wrong).await;
                reply.refused("BAD_CURSOR");
                assert_eq!(reply.argument(), argument, "{wrong}");
            }
        }
        ask("versions(orderBy: {field: CREATED_AT, direction: ASC}, after: $cursor)", &newest).await.refused("BAD_CURSOR");
        ask("partitions(after: $cursor)", &newest).await.refused("BAD_CURSOR");
        ask("partitionValues(key: \"region\", after: $cursor)", &partition).await.refused("BAD_CURSOR");
        for list in ["artifacts", "executions"] {
            let query = format!("query($cursor: String!) {{ {list}(after: $cursor) {{ totalCount nodes {{ id }} }} }}");
            app.query(&query, json!({"cursor": newest})).await.refused("BAD_CURSOR");
        }
    }

    async fn an_id_of_another_kind_is_refused(db: TestDb) {
        let app = furnished(db).await;
        let ids = app.chosen(exact("orders", "v1"), "id artifact { id } partition { id } producer { id }").await;
        let revision = app.revision().await;
        for other in [&ids["artifact"]["id"], &ids["partition"]["id"], &ids["producer"]["id"]] {
            let other = other.as_str().unwrap();
            app.delete(other).await.refused("BAD_USER_INPUT").says(&[other, "version"]);
            app.set_alias(other, "production", false).await.refused("BAD_USER_INPUT").says(&[other]);
        }
        let long = "version_".to_owned() + &"a".repeat(100_000);
        for wrong in ["", "version", "version_", "version_!", "Version_b", "run_b", "1", &long] {
            let reply = app.query("query($id: ID!) { node(id: $id) { id } }", json!({"id": wrong})).await;
            reply.refused("BAD_USER_INPUT");
            assert!(reply.body.len() < 1_000, "an answer does not echo without bound");
            app.query("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({"ids": [ids["id"], wrong]})).await.refused("BAD_USER_INPUT");
            app.delete(wrong).await.refused("BAD_USER_INPUT");
        }
        let unknown = app.data("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({"ids": ["version_7777", ids["id"], "execution_7777", ids["id"]]})).await;
        assert_eq!(unknown["nodes"], json!([null, {"id": ids["id"]}, null, {"id": ids["id"]}]));
        assert_eq!(app.revision().await, revision);
    }

    async fn sizes_of_pages_are_checked_on_every_list(db: TestDb) {
        let app = furnished(db).await;
        let of_artifact = ["versions", "partitions"];
        let of_execution = ["inputs", "outputs", "children"];
        let lists = [
            ("artifacts", String::new(), String::new()),
            ("executions", String::new(), String::new()),
        ];
        let mut queries: Vec<(String, &str)> = lists.iter().map(|(list, _, _)| (format!("{{ {list}(PAGE) {{ nodes {{ id }} }} }}"), *list)).collect();
        queries.extend(of_artifact.iter().map(|list| (format!("{{ artifact(key: {{project: \"shop\", domain: \"production\", name: \"orders\"}}) {{ {list}(PAGE) {{ nodes {{ id }} }} }} }}"), *list)));
        queries.extend(of_execution.iter().map(|list| (format!("{{ execution(key: {{project: \"shop\", domain: \"production\", name: \"e\"}}) {{ {list}(PAGE) {{ nodes {{ id }} }} }} }}"), *list)));
        for (query, list) in queries {
            for (page, code) in [
                ("first: -1", "BAD_USER_INPUT"),
                ("last: -1", "BAD_USER_INPUT"),
                ("first: 1, last: 1", "BAD_USER_INPUT"),
                ("first: 1001", "LIMIT_EXCEEDED"),
                ("last: 2147483647", "LIMIT_EXCEEDED"),
                ("first: 2147483648", "GRAPHQL_VALIDATION_FAILED"),
                ("first: 1.5", "GRAPHQL_VALIDATION_FAILED"),
            ] {
                let reply = app.query(&query.replace("PAGE", page), json!({})).await;
                assert_eq!(reply.code(), code, "{list}({page}): {}", reply.body);
            }
            for page in ["first: 0", "first: 1000", "last: 1000"] {
                app.query(&query.replace("PAGE", page), json!({})).await.ok();
            }
        }
    }

    async fn dates_that_are_none_are_refused(db: TestDb) {
        let app = TestApp::new(db).await;
        for wrong in ["", "yesterday", "2026", "2026-02-30", "2026-13-01", "2026-11-22T25:00:00Z", "2026-11-22T10:00:00+99:00", "0000-01-01", "0000-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"] {
            for field in ["createdAt", "timePartition"] {
                let reply = app.try_create(&version("orders", "v").with(field, wrong)).await;
                reply.refused("BAD_USER_INPUT").says(&["RFC 3339"]);
            }
            app.try_record(&execution("e").with("startedAt", wrong)).await.refused("BAD_USER_INPUT");
            app.query("query($t: DateTime!) { at(asOf: {time: $t}) { revision { number } } }", json!({"t": wrong})).await.refused("BAD_USER_INPUT");
            app.query(&format!("{{ at(asOf: {{time: {wrong:?}}}) {{ revision {{ number }} }} }}"), json!({})).await.refused("BAD_USER_INPUT");
        }
        assert_eq!(app.revision().await, 0);
        for (n, right) in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2024-02-29", "2026-11-22T10:00:00", "2026-11-22T10:00:00.1234567+05:30"].iter().enumerate() {
            app.create(&version("orders", &n.to_string()).created_at(right).time(right)).await;
        }
        let odd = app.chosen(exact("orders", "4"), "createdAt").await;
        assert_eq!(odd["createdAt"], "2026-11-22T04:30:00.123456Z", "cut to microseconds");
        app.query("query($r: DateTimeRange) { artifacts(where: {updatedAt: $r}) { totalCount } }", json!({"r": {"from": "2026-01-02", "to": "2026-01-01"}})).await.refused("BAD_USER_INPUT");
    }

    async fn numbers_that_are_too_large_are_refused(db: TestDb) {
        let app = TestApp::new(db).await;
        app.create(&version("orders", "v")).await;
        for wrong in ["1152921504606846976", "9007199254740992", "1e30", "1.5", "\"1\"", "9999999999999999999999"] {
            app.query(&format!("{{ at(asOf: {{revision: {wrong}}}) {{ revision {{ number }} }} }}"), json!({})).await.refused("BAD_USER_INPUT");
            let body = format!("{{\"query\": \"query($r: Long!) {{ at(asOf: {{revision: $r}}) {{ revision {{ number }} }} }}\", \"variables\": {{\"r\": {wrong}}}}}");
            app.post(body).await.refused("BAD_USER_INPUT");
        }
        app.try_record(&execution("e").with("attempt", 1_i64 << 60)).await.refused("GRAPHQL_VALIDATION_FAILED");
        let large = version("orders", "large").with("metadata", json!({"n": 1_i64 << 60, "f": 1.0e300, "m": -9_223_372_036_854_775_808_i64}));
        app.create(&large).await;
        let kept = app.chosen(exact("orders", "large"), "metadata").await;
        assert_eq!(kept["metadata"], json!({"n": 1_i64 << 60, "f": 1.0e300, "m": -9_223_372_036_854_775_808_i64}), "metadata is the producer's");
    }

    async fn texts_that_no_database_keeps_are_refused(db: TestDb) {
        let app = TestApp::new(db).await;
        for field in ["location", "type", "description", "card"] {
            let reply = app.try_create(&version("orders", "v").with(field, "a\u{0}b")).await;
            reply.refused("BAD_USER_INPUT").says(&["U+0000"]);
        }
        for metadata in [json!({"a": "\u{0}"}), json!({"\u{0}": 1}), json!({"a": [{"b": "x\u{0}"}]})] {
            app.try_create(&version("orders", "v").with("metadata", metadata)).await.refused("BAD_USER_INPUT");
        }
        for metadata in [json!([1]), json!("text"), json!(1), json!(true)] {
            app.try_create(&version("orders", "v").with("metadata", metadata)).await.refused("BAD_USER_INPUT");
        }
        app.query("{ artifacts(where: {nameContains: \"\\u0000\"}) { totalCount } }", json!({})).await.refused("BAD_USER_INPUT");
        assert_eq!(app.revision().await, 0);
        let emoji = "\u{1F980} \u{202E}x\n\t% _ \\ ' \" $1 ?1";
        app.create(&version("orders", "v").with("card", emoji).with("metadata", json!({emoji: emoji}))).await;
        assert_eq!(app.chosen(exact("orders", "v"), "card metadata").await, json!({"card": emoji, "metadata": {emoji: emoji}}));
    }

    async fn a_text_in_a_filter_is_no_pattern_and_no_sql(db: TestDb) {
        let app = TestApp::new(db).await;
        for name in ["a%b", "a_b", "a'b", "axb", "A%B"] {
            app.create(&version(name, "v").at(&[("k", name)])).await;
        }
        for (part, expected) in [("%", 2), ("_", 1), ("'", 1), ("a%b", 2), ("' OR 1=1 --", 0), ("X", 1)] {
            let found = app.data("query($part: String!) { artifacts(where: {nameContains: $part}) { totalCount nodes { name } } }", json!({"part": part})).await;
            assert_eq!(found["artifacts"]["totalCount"], expected, "{part}: {found}");
            assert_eq!(found["artifacts"]["nodes"].as_array().unwrap().len(), expected);
        }
        let starts = |prefix: &str| json!({"key": {"artifact": artifact("a%b"), "partition": {"values": [{"key": "k", "startsWith": prefix}]}}});
        assert_eq!(app.choice(starts("a%")).await.as_deref(), Some("v"));
        assert_eq!(app.choice(starts("a_")).await, None);
        assert_eq!(app.choice(starts("A")).await, None);
    }

    async fn bodies_that_are_no_json_or_no_text_are_refused(db: TestDb) {
        let app = TestApp::new(db).await;
        for wrong in [&b"{"[..], b"", b"nonsense", b"[]", b"{\"query\": 7}", b"{\"query\": \"{revision{number}}\", \"variables\": []}", b"{\"query\": \"{revision{number}}\xff\"}"] {
            let reply = app.post(wrong.to_vec()).await;
            assert_eq!(reply.status, 400, "{}", reply.body);
            reply.refused("BAD_USER_INPUT");
        }
        let reply = app.post(vec![b' '; 100 * 1024 * 1024]).await;
        assert_eq!(reply.status, 413);
        reply.refused("LIMIT_EXCEEDED");
        assert_eq!(app.revision().await, 0);
    }

    async fn documents_that_are_too_much_are_refused(db: TestDb) {
        let app = TestApp::new(db).await;
        let aliases: String = (0..10_000).map(|n| format!("a{n}: revision {{ number }} ")).collect();
        let writes: String = (0..10_000).map(|n| format!("a{n}: removeAlias(input: {{artifact: {{project: \"p\", domain: \"d\", name: \"n\"}}, alias: \"a\"}}) {{ removed }} ")).collect();
        let deep = |levels: usize| format!("{{ artifacts {{ nodes {{ {}id{} }} }} }}", "latest { artifact { ".repeat(levels / 2), " } }".repeat(levels / 2));
        let spreads = "{ artifacts { nodes { ...A } } } fragment A on Artifact { latest { artifact { ...B } } } fragment B on Artifact { latest { artifact { ...A } } }";
        for document in [format!("{{ {aliases} }}"), format!("mutation {{ {writes} }}"), deep(10_000), deep(40)] {
            app.query(&document, json!({})).await.refused("LIMIT_EXCEEDED");
        }
        app.query(spreads, json!({})).await.refused("GRAPHQL_VALIDATION_FAILED");
        let costly = "{ artifacts(first: 1000) { nodes { versions(first: 1000) { nodes { consumers(first: 1000) { nodes { id } } } } } } }";
        app.query(costly, json!({})).await.refused("LIMIT_EXCEEDED").says(&["limits.complexity"]);
        let nested = format!("{{\"query\": \"query($v: JSON) {{ artifacts {{ totalCount }} }}\", \"variables\": {{\"v\": {}{}}}}}", "[".repeat(10_000), "]".repeat(10_000));
        let reply = app.post(nested).await;
        assert_eq!(reply.status, 400, "{}", reply.body);
        assert_eq!(app.revision().await, 0);
    }

    async fn ingest_has_a_limit_that_it_names(db: TestDb) {
        let mut config = heirloom::config::Config::default();
        config.limits.ingest_records_maximum = 3;
        config.limits.node_ids_maximum = 3;
        let app = TestApp::with(db, config).await;
        let records: Vec<Value> = (0..4).map(|n| version("orders", &n.to_string()).record()).collect();
        let refused = app.try_ingest(&records).await;
        refused.refused("LIMIT_EXCEEDED").says(&["limits.ingest_records_maximum", "4", "3"]);
        assert_eq!(app.revision().await, 0);
        app.ingest(&records[..3]).await;
        app.ingest(&[]).await;
        let ids = ["version_b"; 4];
        app.query("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({"ids": ids})).await.refused("LIMIT_EXCEEDED").says(&["limits.node_ids_maximum"]);
        app.query("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({"ids": &ids[..3]})).await.ok();
        app.query("mutation { ingest(records: [{}]) { applied } }", json!({})).await.refused("GRAPHQL_VALIDATION_FAILED");
    }
}
