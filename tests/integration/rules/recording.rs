//! Rules 15 to 19: what comes of records, whatever their order.

use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{
        TestApp, TestDb,
        app::texts,
        declaration, execution,
        fixtures::{at_alias, exact, latest, latest_in, values},
        version,
    },
};

/// Every order of these.
fn permutations<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for first in 0..items.len() {
        let mut rest = items.to_vec();
        let item = rest.remove(first);
        for mut order in permutations(&rest) {
            order.insert(0, item.clone());
            all.push(order);
        }
    }
    all
}

on_both_databases! {
    async fn rule_15_of_states_the_further_along_wins(db: TestDb) {
        let app = TestApp::new(db).await;
        let states = ["QUEUED", "RUNNING", "SUCCEEDED"];
        for (n, order) in permutations(&states).iter().enumerate() {
            for state in order {
                app.record(&execution(&format!("e{n}")).state(state)).await;
            }
            assert_eq!(app.execution(&format!("e{n}"), "state").await["state"], "SUCCEEDED", "{order:?}");
        }
        for (n, terminal) in ["FAILED", "ABORTED", "SUCCEEDED"].into_iter().enumerate() {
            for state in [terminal, "RUNNING", "QUEUED"] {
                app.record(&execution(&format!("f{n}")).state(state)).await;
            }
            assert_eq!(app.execution(&format!("f{n}"), "state").await["state"], terminal);
        }
        let unknown = app.record(&execution("plain")).await;
        assert_eq!((&unknown["state"], &unknown["kind"]), (&json!("QUEUED"), &json!("WORKFLOW")));
    }

    async fn rule_15_of_two_final_states_the_later_end_then_succeeded(db: TestDb) {
        let app = TestApp::new(db).await;
        let finals = |name: &str| {
            [
                execution(name).state("FAILED").with("endedAt", "2026-11-23T10:00:00Z").with("error", "out of memory"),
                execution(name).state("ABORTED").with("endedAt", "2026-11-23T11:00:00Z"),
                execution(name).state("SUCCEEDED").with("endedAt", "2026-11-23T11:00:00Z").with("entity", "train"),
                execution(name).state("SUCCEEDED"),
            ]
        };
        for (n, order) in permutations(&[0, 1, 2, 3]).into_iter().enumerate() {
            let name = format!("e{n}");
            for which in order {
                app.record(&finals(&name)[which]).await;
            }
            let merged = app.execution(&name, "state endedAt error entity").await;
            let expected = json!({"state": "SUCCEEDED", "endedAt": "2026-11-23T11:00:00Z", "error": "out of memory", "entity": "train"});
            assert_eq!(merged, expected, "a field that is not given leaves what is there");
        }
        for order in permutations(&[("SUCCEEDED", "2026-11-23T10:00:00Z"), ("FAILED", "2026-11-23T12:00:00Z")]) {
            let name = order[0].0;
            for (state, end) in order {
                app.record(&execution(name).state(state).with("endedAt", end)).await;
            }
            assert_eq!(app.execution(name, "state").await["state"], "FAILED", "the later end wins over success");
        }
    }

    async fn rule_15_of_other_fields_the_record_further_along(db: TestDb) {
        let app = TestApp::new(db).await;
        let records = |name: &str| {
            [
                execution(name).state("QUEUED").with("principal", "scheduler").with("entity", "train").with("attempt", 1),
                execution(name).state("RUNNING").with("principal", "worker").with("startedAt", "2026-11-23T10:00:00Z").with("nodeId", "n0"),
                execution(name).state("SUCCEEDED").with("attempt", 2).with("metadata", json!({"a": 1})).with("kind", "TASK"),
                execution(name).with("principal", "nobody").with("entityVersion", "v9").with("error", "a warning"),
            ]
        };
        for (n, order) in permutations(&[0, 1, 2, 3]).into_iter().enumerate() {
            let name = format!("e{n}");
            for which in &order {
                app.record(&records(&name)[*which]).await;
            }
            let merged = app.execution(&name, "state kind principal entity entityVersion attempt nodeId startedAt endedAt error metadata").await;
            assert_eq!(merged, json!({
                "state": "SUCCEEDED", "kind": "TASK", "principal": "worker", "entity": "train", "entityVersion": "v9", "attempt": 2, "nodeId": "n0",
                "startedAt": "2026-11-23T10:00:00Z", "endedAt": null, "error": "a warning", "metadata": {"a": 1}
            }), "{order:?}");
        }
    }

    async fn rule_15_of_two_records_that_contradict_each_other_the_first_stays(db: TestDb) {
        let app = TestApp::new(db).await;
        app.record(&execution("e").state("RUNNING").with("entity", "train")).await;
        let contradicting = execution("e").state("RUNNING").with("entity", "score").consumes("in", "raw", "r1").produces("out", &version("orders", "v1"));
        app.try_record(&contradicting).await.refused("CONFLICT").says(&["entity"]);
        let kept = app.execution("e", "entity inputs { totalCount } outputs { totalCount }").await;
        assert_eq!(kept, json!({"entity": "train", "inputs": {"totalCount": 0}, "outputs": {"totalCount": 0}}));
        assert_eq!(app.choice(exact("orders", "v1")).await, None, "whole or not at all");
        assert_eq!(app.choice(exact("raw", "r1")).await, None);
        let same = app.try_record(&execution("e").state("RUNNING").with("entity", "train")).await;
        assert_eq!(same.ok()["recordExecution"]["created"], false);

        app.create(&version("orders", "v1").with("location", "here")).await;
        let other = execution("e2").produces("out", &version("orders", "v1").with("location", "there"));
        app.try_record(&other).await.refused("CONFLICT").says(&["location"]);
        assert_eq!(app.execution("e2", "id").await, Value::Null);
        assert_eq!(app.chosen(exact("orders", "v1"), "location").await["location"], "here");
    }

    async fn rule_15_inputs_and_outputs_add_up(db: TestDb) {
        let app = TestApp::new(db).await;
        app.record(&execution("e").consumes("a", "raw", "r1").produces("out", &version("orders", "v1"))).await;
        app.record(&execution("e").consumes("a", "raw", "r2").consumes("b", "raw", "r1")).await;
        app.record(&execution("e").consumes("a", "raw", "r1").produces("out", &version("orders", "v2"))).await;
        let query = "inputs { totalCount edges { name node { version } } } outputs { edges { name node { version } } }";
        let merged = app.execution("e", query).await;
        let edge = |name: &str, version: &str| json!({"name": name, "node": {"version": version}});
        assert_eq!(merged["inputs"], json!({"totalCount": 3, "edges": [edge("a", "r1"), edge("a", "r2"), edge("b", "r1")]}));
        assert_eq!(merged["outputs"]["edges"], json!([edge("out", "v1"), edge("out", "v2")]));
        let consumers = app.chosen(exact("raw", "r1"), "consumers { totalCount edges { name node { name } } }").await;
        assert_eq!(consumers["consumers"], json!({"totalCount": 2, "edges": [{"name": "a", "node": {"name": "e"}}, {"name": "b", "node": {"name": "e"}}]}));
    }

    async fn rule_15_parents_and_children_come_in_any_order(db: TestDb) {
        let app = TestApp::new(db).await;
        app.record(&execution("child").with("parent", crate::support::artifact("parent")).state("RUNNING")).await;
        let fields = "kind parent { name kind state children { totalCount nodes { name } } }";
        let child = app.execution("child", fields).await;
        assert_eq!(child["kind"], "TASK", "what has a parent is taken for a task");
        assert_eq!(child["parent"]["name"], "parent");
        let recorded = app.try_record(&execution("parent").state("SUCCEEDED").with("kind", "WORKFLOW")).await;
        assert_eq!(recorded.ok()["recordExecution"]["created"], true, "it had only been named");
        let child = app.execution("child", fields).await;
        assert_eq!(child["parent"], json!({"name": "parent", "kind": "WORKFLOW", "state": "SUCCEEDED", "children": {"totalCount": 1, "nodes": [{"name": "child"}]}}));
        app.try_record(&execution("selfish").with("parent", crate::support::artifact("selfish"))).await.refused("BAD_USER_INPUT");
    }

    async fn rule_15_each_record_has_its_own_verdict_and_repetition_changes_nothing(db: TestDb) {
        let app = TestApp::new(db).await;
        let records = [
            version("orders", "v1").with("location", "here").record(),
            version("orders", "v1").with("location", "there").record(),
            json!({"artifact": declaration("orders", &[], None)}),
            version("orders", " ").record(),
            execution("e").consumes("in", "orders", "v1").record(),
            version("orders", "v1").with("location", "here").record(),
        ];
        let reply = app.try_ingest(&records).await;
        let payload = &reply.ok()["ingest"];
        assert_eq!(texts(&payload["results"], "status"), ["APPLIED", "REJECTED", "APPLIED", "REJECTED", "APPLIED", "UNCHANGED"]);
        assert_eq!((&payload["applied"], &payload["unchanged"], &payload["rejected"]), (&json!(3), &json!(1), &json!(2)));
        assert_eq!(payload["results"][1]["error"]["code"], "CONFLICT");
        assert_eq!(payload["results"][1]["error"]["path"], json!(["version", "location"]));
        assert_eq!(payload["results"][3]["error"]["code"], "BAD_USER_INPUT");
        assert_eq!(payload["results"][3]["error"]["path"], json!(["version", "version"]));
        assert_eq!(payload["results"][5]["index"], 5);
        let revision = app.revision().await;
        assert_eq!(payload["revision"], revision);
        let again = app.try_ingest(&records).await;
        assert_eq!((&again.ok()["ingest"]["applied"], &again.ok()["ingest"]["unchanged"]), (&json!(0), &json!(4)));
        assert_eq!(app.revision().await, revision, "what changes nothing takes no revision");
    }

    async fn rule_16_an_input_may_name_a_version_that_nobody_produced_yet(db: TestDb) {
        let app = TestApp::new(db).await;
        app.record(&execution("reader").consumes("in", "orders", "v1")).await;
        let fields = "id state createdAt location producer { name } consumers { nodes { name } } partition { id } isLatest artifact { versionCount latest { version } }";
        let placeholder = app.chosen(exact("orders", "v1"), fields).await;
        let id = placeholder["id"].clone();
        assert_eq!(placeholder, json!({
            "id": id, "state": "REFERENCED", "createdAt": "2026-11-23T12:00:00Z", "location": null, "producer": null,
            "consumers": {"nodes": [{"name": "reader"}]}, "partition": null, "isLatest": false, "artifact": {"versionCount": 1, "latest": null}
        }));
        app.pass(60);
        let content = version("orders", "v1").at(&[("region", "EU")]).with("location", "s3://1").created_at("2026-11-22");
        let produced = app.try_record(&execution("writer").produces("out", &content)).await;
        assert_eq!(produced.ok()["recordExecution"]["execution"]["outputs"]["nodes"][0]["id"], id, "the same id");
        let available = app.chosen(exact("orders", "v1"), "id state createdAt recordedAt location producer { name } consumers { nodes { name } } isLatest artifact { versionCount latest { version } }").await;
        assert_eq!(available, json!({
            "id": id, "state": "AVAILABLE", "createdAt": "2026-11-22T00:00:00Z", "recordedAt": "2026-11-23T12:01:00Z", "location": "s3://1",
            "producer": {"name": "writer"}, "consumers": {"nodes": [{"name": "reader"}]}, "isLatest": true,
            "artifact": {"versionCount": 1, "latest": {"version": "v1"}}
        }));
        app.record(&execution("reader2").consumes("in", "orders", "v2")).await;
        let created = app.create(&version("orders", "v2")).await;
        assert!(created.created, "a placeholder is no version yet");
    }

    async fn rule_16_an_input_given_by_a_query_is_resolved_once(db: TestDb) {
        let app = TestApp::new(db).await;
        app.create(&version("orders", "v1").at(&[("region", "EU")])).await;
        let made = app.create(&version("orders", "v2").at(&[("region", "US")])).await;
        app.set_alias(&made.id, "production", false).await.ok();
        let reader = execution("reader")
            .takes("newest", latest("orders"))
            .takes("eu", latest_in("orders", values(&[("region", "EU")])))
            .takes("aliased", at_alias("orders", "production"))
            .takes("by-uri", json!({"uri": "flyte://av0.1/shop/production/orders@latest?region=EU"}));
        app.record(&reader).await;
        let inputs = async || {
            let edges = app.execution("reader", "inputs { edges { name node { version } } }").await["inputs"]["edges"].clone();
            let pair = |edge: &Value| format!("{}={}", edge["name"].as_str().unwrap(), edge["node"]["version"].as_str().unwrap());
            edges.as_array().unwrap().iter().map(pair).collect::<Vec<_>>()
        };
        let chosen = ["aliased=v2", "by-uri=v1", "eu=v1", "newest=v2"];
        assert_eq!(inputs().await, chosen);
        app.pass(60);
        let newer = app.create(&version("orders", "v3").at(&[("region", "EU")])).await;
        app.set_alias(&newer.id, "production", true).await.ok();
        let again = app.try_record(&reader).await;
        assert_eq!(again.ok()["recordExecution"]["created"], false);
        assert_eq!(inputs().await, chosen, "the edge stays when the record is sent again");
        app.record(&reader.clone().takes("newest2", latest("orders"))).await;
        assert_eq!(inputs().await, ["aliased=v2", "by-uri=v1", "eu=v1", "newest=v2", "newest2=v3"]);
        app.record(&execution("reader2").takes("newest", latest("orders"))).await;
        let other = app.execution("reader2", "inputs { nodes { version } }").await;
        assert_eq!(other["inputs"]["nodes"], json!([{"version": "v3"}]), "another execution chooses anew");
    }

    async fn rule_16_a_choice_is_kept_also_where_its_edge_is_there(db: TestDb) {
        let app = TestApp::new(db).await;
        app.create(&version("orders", "v1")).await;
        app.record(&execution("reader").consumes("in", "orders", "v1")).await;
        let asks = execution("reader").takes("in", latest("orders"));
        app.record(&asks).await;
        app.create(&version("orders", "v2")).await;
        app.record(&asks).await;
        let inputs = app.execution("reader", "inputs { nodes { version } }").await;
        assert_eq!(inputs["inputs"]["nodes"], json!([{"version": "v1"}]));
    }

    async fn rule_16_a_refused_record_chooses_nothing(db: TestDb) {
        let app = TestApp::new(db).await;
        app.create(&version("orders", "v1")).await;
        app.create(&version("taken", "t1").with("location", "s3://1")).await;
        app.record(&execution("reader").state("RUNNING")).await;
        let asks = execution("reader").takes("in", latest("orders"));
        let conflicting = asks.clone().produces("out", &version("taken", "t1").with("location", "s3://2"));
        let ingested = app.try_ingest(&[conflicting.record(), version("orders", "v2").record(), asks.record()]).await;
        assert_eq!(texts(&ingested.ok()["ingest"]["results"], "status"), ["REJECTED", "APPLIED", "APPLIED"]);
        let inputs = app.execution("reader", "inputs { nodes { version } }").await;
        assert_eq!(inputs["inputs"]["nodes"], json!([{"version": "v2"}]), "as in transactions of their own");
    }

    async fn rule_16_all_spellings_of_a_query_are_one(db: TestDb) {
        let app = TestApp::new(db).await;
        let both = [("region", "EU"), ("model", "a")];
        app.create(&version("orders", "v1").at(&both)).await;
        app.record(&execution("reader").takes("in", latest_in("orders", values(&both)))).await;
        app.create(&version("orders", "v2").at(&both)).await;
        let turned = [both[1], both[0]];
        app.record(&execution("reader").takes("in", latest_in("orders", values(&turned)))).await;
        let inputs = app.execution("reader", "inputs { nodes { version } }").await;
        assert_eq!(inputs["inputs"]["nodes"], json!([{"version": "v1"}]));
    }

    async fn rule_16_a_query_that_finds_none_is_not_found_and_nothing_is_dropped_in_silence(db: TestDb) {
        let app = TestApp::new(db).await;
        app.create(&version("orders", "v1").at(&[("region", "EU")])).await;
        let revision = app.revision().await;
        for query in [
            latest("clicks"),
            latest_in("orders", values(&[("region", "US")])),
            at_alias("orders", "production"),
            json!({"key": {"artifact": crate::support::artifact("orders"), "version": "v1", "partition": values(&[("region", "US")])}}),
        ] {
            let reader = execution("reader").state("RUNNING").consumes("also", "raw", "r1").takes("in", query.clone()).produces("out", &version("out", "o1"));
            app.try_record(&reader).await.refused("NOT_FOUND").says(&["\"in\""]);
            let ingested = app.try_ingest(&[reader.record()]).await;
            assert_eq!(ingested.ok()["ingest"]["results"][0]["error"]["code"], "NOT_FOUND", "{query}");
        }
        assert_eq!(app.revision().await, revision);
        assert_eq!(app.execution("reader", "id").await, Value::Null);
        assert_eq!(app.choice(exact("raw", "r1")).await, None);
        let only_referenced = execution("reader").consumes("also", "raw", "r1");
        app.record(&only_referenced).await;
        app.try_record(&only_referenced.takes("in", latest("raw"))).await.refused("NOT_FOUND");
    }

    async fn rule_17_a_second_claim_of_the_same_version_is_a_further_producer(db: TestDb) {
        let app = TestApp::new(db).await;
        let content = version("orders", "v1").with("location", "s3://1");
        app.record(&execution("retry").with("startedAt", "2026-11-23T11:00:00Z").with("principal", "bob").produces("again", &content)).await;
        let producer = async || app.chosen(exact("orders", "v1"), "producer { name } outputName principal").await;
        assert_eq!(producer().await, json!({"producer": {"name": "retry"}, "outputName": "again", "principal": "bob"}));
        app.record(&execution("first").with("startedAt", "2026-11-23T10:00:00Z").with("principal", "ann").produces("out", &content)).await;
        let expected = json!({"producer": {"name": "first"}, "outputName": "out", "principal": "ann"});
        assert_eq!(producer().await, expected, "the one that started first");
        app.record(&execution("unknown").produces("out", &content)).await;
        assert_eq!(producer().await, expected, "one that does not say when it started comes last");
        for (name, count) in [("first", 1), ("retry", 1), ("unknown", 1)] {
            let outputs = app.execution(name, "outputs { totalCount nodes { version location } }").await;
            assert_eq!(outputs["outputs"], json!({"totalCount": count, "nodes": [{"version": "v1", "location": "s3://1"}]}));
            let by = format!("versions(where: {{producedBy: {{project: \"shop\", domain: \"production\", name: \"{name}\"}}}}) {{ totalCount }}");
            assert_eq!(app.artifact("orders", &by).await["versions"]["totalCount"], 1, "{name}");
        }
        let of = |principal: &str| format!("versions(where: {{principal: \"{principal}\"}}) {{ totalCount }}");
        assert_eq!(app.artifact("orders", &of("ann")).await["versions"]["totalCount"], 1);
        assert_eq!(app.artifact("orders", &of("bob")).await["versions"]["totalCount"], 0, "the producer's principal counts");
        assert_eq!(app.artifact("orders", "versionCount").await["versionCount"], 1);
    }

    async fn rule_19_two_clocks(db: TestDb) {
        let app = TestApp::new(db).await;
        let content = version("orders", "v1").created_at("2025-01-01T00:00:00Z");
        app.record(&execution("e").with("startedAt", "2024-12-31T23:00:00Z").with("endedAt", "2025-01-01T00:10:00Z").consumes("in", "raw", "r1").produces("out", &content)).await;
        app.pass(3_600);
        app.record(&execution("e").with("startedAt", "2024-12-31T23:00:00Z").consumes("later", "raw", "r2")).await;
        let shown = app.chosen(exact("orders", "v1"), "createdAt recordedAt producer { startedAt endedAt recordedAt
            inputs { edges { name recordedAt } } outputs { edges { recordedAt } } }").await;
        assert_eq!(shown, json!({
            "createdAt": "2025-01-01T00:00:00Z", "recordedAt": "2026-11-23T12:00:00Z",
            "producer": {
                "startedAt": "2024-12-31T23:00:00Z", "endedAt": "2025-01-01T00:10:00Z", "recordedAt": "2026-11-23T12:00:00Z",
                "inputs": {"edges": [{"name": "in", "recordedAt": "2026-11-23T12:00:00Z"}, {"name": "later", "recordedAt": "2026-11-23T13:00:00Z"}]},
                "outputs": {"edges": [{"recordedAt": "2026-11-23T12:00:00Z"}]}
            }
        }));
        let now = app.create(&version("orders", "v2")).await;
        let node = app.data("query($id: ID!) { node(id: $id) { ... on Version { createdAt recordedAt } } revision { number recordedAt } }", json!({"id": now.id})).await;
        assert_eq!(node["node"], json!({"createdAt": "2026-11-23T13:00:00Z", "recordedAt": "2026-11-23T13:00:00Z"}), "null: now");
        assert_eq!(node["revision"], json!({"number": now.revision, "recordedAt": "2026-11-23T13:00:00Z"}));
    }

    async fn rule_19_a_clock_that_goes_back_does_not_turn_the_order_of_revisions(db: TestDb) {
        let app = TestApp::new(db).await;
        app.create(&version("orders", "v1")).await;
        app.set_clock("2026-11-23T11:00:00Z");
        let second = app.create(&version("orders", "v2").created_at("2026-11-23T11:00:00Z")).await;
        let shown = app.data("{ revision { number recordedAt } at(asOf: {time: \"2026-11-23T11:30:00Z\"}) { revision { number } } }", json!({})).await;
        assert_eq!(shown["revision"], json!({"number": second.revision, "recordedAt": "2026-11-23T12:00:00Z"}), "never before that of a smaller revision");
        assert_eq!(shown["at"]["revision"]["number"], 0);
    }
}
