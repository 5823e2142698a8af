//! What is no event, or none that can be recorded, is told so, and keeps nothing else from being recorded.

use std::time::Duration;

use axum::{
    body::Body,
    http::{
        Request,
        header::{self, RETRY_AFTER},
    },
};
use heirloom::config::Config;
use serde_json::{Value, json};

use super::picture::{dataset as artifact, edges, execution, export};
use crate::{
    backpressure::Block,
    on_both_databases,
    support::{
        Reply, TestApp, TestDb,
        openlineage::{NAMESPACE, about, dataset, run},
        process,
    },
};

async fn post(app: &TestApp, path: &str, content_type: &str, body: impl Into<Body>) -> Reply {
    app.send(
        Request::post(path)
            .header(header::CONTENT_TYPE, content_type)
            .body(body.into())
            .unwrap(),
    )
    .await
}

#[track_caller]
fn refused(reply: &Reply, status: u16, code: &str, words: &str) {
    let body = reply.json();
    let message = body["message"].as_str().unwrap_or_default();
    assert!(
        reply.status == status && body["code"] == code && message.contains(words) && message.ends_with('.'),
        "{} {}",
        reply.status,
        reply.body
    );
}

on_both_databases! {
    async fn what_is_no_event_is_refused(db: TestDb) {
        let app = TestApp::new(db).await;
        let one = "/api/v1/lineage";
        for (body, words) in [("", "no JSON"), ("{", "no JSON"), ("nul", "no JSON"), ("[]", "no JSON object"), ("7", "no JSON object"), ("{}", "neither run and job")] {
            refused(&post(&app, one, "application/json", body).await, 400, "BAD_USER_INPUT", words);
        }
        refused(&post(&app, one, "application/json", vec![b'"', 0xff, b'"']).await, 400, "BAD_USER_INPUT", "UTF-8");
        refused(&post(&app, one, "text/plain", run("r").json().to_string()).await, 415, "BAD_USER_INPUT", "application/json");
        for (body, words) in [("{}", "no list of events"), ("[", "no JSON"), ("", "no list of events")] {
            refused(&post(&app, "/api/v1/lineage/batch", "application/json", body).await, 400, "BAD_USER_INPUT", words);
        }
        for member in ["eventTime", "producer", "schemaURL", "job"] {
            let mut event = run("r").json();
            event.as_object_mut().unwrap().remove(member);
            refused(&app.send_json(one, &event).await, 400, "BAD_USER_INPUT", &format!("{member} is missing"));
        }
        let reply = app.send(Request::get(one).body(Body::empty()).unwrap()).await;
        assert_eq!((reply.status.as_u16(), reply.headers["allow"].to_str().unwrap()), (405, "POST"));
        assert_eq!(app.revision().await, 0, "nothing was recorded");
    }

    async fn bad_events_among_a_thousand_spoil_none(db: TestDb) {
        let app = TestApp::new(db).await;
        let mut events: Vec<Value> = (0..1_000).map(|n| run(&format!("r{n}")).on("COMPLETE", "10:00").writes("d").json()).collect();
        // Some stand where those begin or end that are read at the same time.
        let bad = [0, 255, 256, 400, 999];
        for index in bad {
            events[index] = run("bad").with(&["run", "runId"], 7).json();
        }
        let reply = app.try_hear(&events).await;
        let body = reply.json();
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(body["summary"], json!({"received": 1000, "successful": 995, "failed": 5, "retriable": 0, "non_retriable": 5}));
        for (n, index) in bad.into_iter().enumerate() {
            let failed = &body["failed_events"][n];
            assert_eq!((&failed["index"], &failed["argument"]), (&json!(index), &json!("run.runId")));
            assert!(failed["reason"].as_str().unwrap().contains("run.runId is not a text"), "{body}");
        }
        assert_eq!(artifact(&app, "d", "versionCount").await["versionCount"], 995);
        let again = app.try_hear(&events).await;
        assert_eq!(again.json(), body, "a batch that is sent again has the same verdicts");
    }

    async fn an_event_that_is_no_json_has_its_own_verdict(db: TestDb) {
        let app = TestApp::new(db).await;
        let broken = |with: &[u8]| {
            let event = run("broken").facet("run", "f", json!({"value": "HERE"})).json().to_string();
            let (before, after) = event.split_once("\"HERE\"").unwrap();
            [before.as_bytes(), with, after.as_bytes()].concat()
        };
        let good = |n: usize| run(&format!("r{n}")).on("COMPLETE", "10:00").writes("d").json().to_string().into_bytes();
        let cases = [(&b"NaN"[..], "no JSON"), (b"\"a\nb\"", "control character"), (b"\"\xff\"", "UTF-8"), (b"", "no JSON"), (b"\"he said \"no\", twice\"", "no JSON")];
        for (round, (with, words)) in cases.into_iter().enumerate() {
            let mut events: Vec<_> = (round * 9..round * 9 + 9).map(good).collect();
            events.insert(4, broken(with));
            let body = [b"[", &events.join(&b", "[..])[..], b"]\n"].concat();
            let reply = post(&app, "/api/v1/lineage/batch", "application/json", body).await;
            let told = reply.json();
            assert_eq!(reply.status, 200, "{}", reply.body);
            assert_eq!(told["summary"], json!({"received": 10, "successful": 9, "failed": 1, "retriable": 0, "non_retriable": 1}));
            let failed = &told["failed_events"][0];
            assert_eq!((&failed["index"], &failed["code"], &failed["argument"]), (&json!(4), &json!("BAD_USER_INPUT"), &json!("")), "{failed}");
            assert!(failed["reason"].as_str().unwrap().contains(words), "{failed}");
        }
        assert_eq!(artifact(&app, "d", "versionCount").await["versionCount"], 45);
    }

    async fn a_list_whose_events_cannot_be_told_apart_is_refused_whole(db: TestDb) {
        let app = TestApp::new(db).await;
        let good = run("r").json().to_string();
        let no_text = [b"[", good.as_bytes(), b",\xff"].concat();
        for (body, words) in [(format!("[{good}").into_bytes(), "no JSON"), (format!("[{good}],").into_bytes(), "no JSON"), (format!("[{{]}},{good}]").into_bytes(), "no JSON"), (no_text, "UTF-8")] {
            refused(&post(&app, "/api/v1/lineage/batch", "application/json", body).await, 400, "BAD_USER_INPUT", words);
        }
        assert_eq!(app.revision().await, 0, "nothing was recorded");
    }

    async fn times_and_names_are_read_as_they_come(db: TestDb) {
        let app = TestApp::new(db).await;
        let name = "🦀 中文 \u{10FFFD} a/b?c#d%e=f&g";
        let events = [
            run("plain").with(&["eventTime"], "2026-11-24T10:00:00.123456789").with(&["eventType"], "COMPLETE").writes(name).json(),
            run("offset").with(&["eventTime"], "2026-11-24T10:00:00+05:30").with(&["eventType"], "COMPLETE").reads(name).json(),
        ];
        app.hear(&events).await;
        assert_eq!(execution(&app, "plain", "endedAt").await["endedAt"], "2026-11-24T10:00:00.123456Z");
        assert_eq!(execution(&app, "offset", "endedAt").await["endedAt"], "2026-11-24T04:30:00Z");
        let found = artifact(&app, name, "name uri latest { uri }").await;
        assert_eq!(found["name"], name);
        let uri = found["latest"]["uri"].as_str().unwrap();
        let by_uri = app.data("query($query: VersionQuery!) { version(query: $query) { version } }", json!({"query": {"uri": uri}})).await;
        assert_eq!(by_uri["version"]["version"], "plain");
    }

    async fn deep_facets_and_nul_are_kept(db: TestDb) {
        let app = TestApp::new(db).await;
        let deep = (0..200).fold(json!("the bottom"), |inner, _| json!({ "a": inner }));
        app.hear(&[run("r").on("COMPLETE", "10:00").facet("run", "deep", deep.clone()).facet("run", "nul", json!({"a\u{0}": "b\u{0}"})).writes(dataset("d").facet("deep", deep.clone())).json()]).await;
        let query = format!("{{ execution(key: {{project: \"{NAMESPACE}\", domain: \"default\", name: \"r\"}}) {{ metadata }} }}");
        let reply = app.query(&query, json!({})).await;
        // Deeper than the library reads by itself.
        assert!(reply.body.contains("the bottom") && reply.body.contains("a\u{fffd}"), "{}", reply.body);
        let with = |key: &str| json!({"where": {"metadata": [{"key": key, "exists": true}]}, "key": {"project": NAMESPACE, "domain": "default", "name": "d"}});
        let count = "query($key: ArtifactKey!, $where: VersionFilter) { artifact(key: $key) { versions(where: $where) { totalCount } } }";
        assert_eq!(app.data(count, with("deep")).await["artifact"]["versions"]["totalCount"], 1);
        let exported = export(&app.db.url).await;
        assert!(exported.contains("the bottom"));
        let too_deep = format!("{}{}", "[".repeat(600), "]".repeat(600));
        let body = run("t").json().to_string().replace("\"inputs\":[]", &format!("\"inputs\":[],\"x\":{too_deep}"));
        refused(&post(&app, "/api/v1/lineage", "application/json", body).await, 400, "BAD_USER_INPUT", "480 levels");
    }

    async fn the_deepest_events_add_up_and_come_back(db: TestDb) {
        let app = TestApp::new(db).await;
        // An event has five levels around a facet of an output.
        let deep = (0..475).fold(json!(0), |inner, _| json!({ "a": inner }));
        let made = |id: &str, event_type: &str, time: &str| run(id).on(event_type, time).writes(dataset("d").version("v").facet("deep", deep.clone()));
        for (id, event_type, time) in [("r", "START", "10:00"), ("r", "COMPLETE", "11:00"), ("s", "COMPLETE", "12:00")] {
            app.hear(&[made(id, event_type, time).json()]).await;
        }
        app.hear(&[about(dataset("d").version("v").facet("deep", deep.clone())).at("13:00").json()]).await;
        // Enough to be read by several threads, with the stack of those.
        let many: Vec<Value> = (0..32).map(|n| made(&format!("m{n}"), "COMPLETE", "14:00").json()).collect();
        app.hear(&many).await;
        let copy = TestApp::new(TestDb::of(app.db.backend()).await).await;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), export(&app.db.url).await).unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let url = copy.db.url.clone();
        let output = tokio::task::spawn_blocking(move || process::run(&["import", "--database", &url, &path])).await.unwrap();
        assert!(output.status.success(), "{}", process::text(&output.stderr));
        assert_eq!(export(&copy.db.url).await, export(&app.db.url).await);
    }

    async fn events_that_differ_in_the_last_digit_are_two(db: TestDb) {
        let app = TestApp::new(db).await;
        let event = |number: &str| {
            let event = run("r").on("COMPLETE", "10:00").facet("run", "big", json!({"number": 0})).json().to_string();
            event.replace("\"number\":0", &format!("\"number\":{number}"))
        };
        for number in ["123456789012345678901234567890", "123456789012345678901234567891"] {
            let reply = post(&app, "/api/v1/lineage", "application/json", event(number)).await;
            assert_eq!(reply.status, 201, "{}", reply.body);
        }
        let kept = app.query("{ events(first: 5) { nodes { body } } }", json!({})).await;
        assert!(kept.body.contains("678901234567890") && kept.body.contains("678901234567891"), "{}", kept.body);
    }

    async fn an_event_that_is_refused_leaves_no_trace(db: TestDb) {
        let app = TestApp::new(db).await;
        app.hear(&[about(dataset("a")).at("09:00").json()]).await;
        app.hear(&[run("r1").on("COMPLETE", "10:00").writes(dataset("b").version("v").schema("x")).json()]).await;
        let other = run("r2").on("COMPLETE", "11:00").writes(dataset("b").version("v").schema("y").symlink("a")).json();
        let reply = app.try_hear(&[other, run("r3").on("COMPLETE", "12:00").json()]).await;
        assert_eq!(reply.json()["summary"]["failed"], 1, "{}", reply.body);
        assert_eq!(artifact(&app, "a", "name").await["name"], "a");
        assert_eq!(artifact(&app, "b", "name").await["name"], "b");
    }

    async fn what_is_strange_but_true_is_recorded(db: TestDb) {
        let app = TestApp::new(db).await;
        app.hear(&[
            run("own").on("COMPLETE", "10:00").reads("d").writes("d").json(),
            run("own").on("START", "11:00").json(),
            run("again").on("START", "12:00").reads("d").writes("d").json(),
            run("again").on("COMPLETE", "12:05").json(),
            run("again").on("FAIL", "12:06").json(),
        ]).await;
        assert_eq!(edges(&app).await, ["again -> d@again", "d@own -> again", "d@unversioned? -> own", "own -> d@own"]);
        assert_eq!(execution(&app, "again", "state endedAt").await, json!({"state": "FAILED", "endedAt": "2026-11-24T12:06:00Z"}));
        let parent = json!({"run": {"runId": "self"}, "job": {"namespace": NAMESPACE, "name": "x"}});
        app.hear(&[run("self").on("START", "13:00").facet("run", "parent", parent).json()]).await;
        assert_eq!(execution(&app, "self", "parent { name }").await["parent"], json!(null));
    }

    async fn half_a_surrogate_pair_and_a_huge_number_do_not_break_the_rest(db: TestDb) {
        let app = TestApp::new(db).await;
        let text = |id: &str, what: &str| run(id).on("START", "10:00").facet("run", "note", json!({"is": "HERE"})).json().to_string().replace("\"HERE\"", what);
        let half = text("half", r#""a\udc80b""#);
        let reply = post(&app, "/api/v1/lineage", "application/json", half.clone()).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        let note = execution(&app, "half", "metadata").await["metadata"]["run"]["note"]["is"].clone();
        assert_eq!(note, "a\u{fffd}b");
        let batch = format!("[{half},{},{}]", text("huge", "1e400"), text("good", "1e300"));
        let body = post(&app, "/api/v1/lineage/batch", "application/json", batch).await.json();
        assert_eq!(body["summary"]["successful"], 2, "{body}");
        let failed = &body["failed_events"][0];
        assert_eq!((&failed["index"], &failed["code"]), (&json!(1), &json!("BAD_USER_INPUT")), "{body}");
        assert!(failed["reason"].as_str().unwrap().contains("send it as a text"), "{body}");
    }

    async fn a_large_batch_is_recorded_in_parts(db: TestDb) {
        let app = TestApp::new(db).await;
        let of = |n: usize| run(&format!("r{n}")).on("START", "10:00").facet("run", "large", json!({"text": "x".repeat(3 << 20)}));
        let mut events: Vec<Value> = (0..8).map(|n| of(n).json()).collect();
        events[1] = run("bad").with(&["run", "runId"], 7).json();
        events[6] = json!("no event");
        let reply = app.try_hear(&events).await;
        let body = reply.json();
        assert_eq!(body["summary"], json!({"received": 8, "successful": 6, "failed": 2, "retriable": 0, "non_retriable": 2}));
        let failed: Vec<&Value> = body["failed_events"].as_array().unwrap().iter().map(|failed| &failed["index"]).collect();
        assert_eq!(failed, [1, 6]);
        assert_eq!(app.revision().await, 2, "three are recorded together");
        for n in [0, 2, 3, 4, 5, 7] {
            assert_eq!(execution(&app, &format!("r{n}"), "state").await["state"], "RUNNING", "{n}");
        }
        assert_eq!(app.try_hear(&events).await.json(), body, "a batch that is sent again has the same verdicts");
        assert_eq!(app.revision().await, 2);
    }

    async fn events_that_name_more_than_their_text_is_long_are_recorded_in_parts(db: TestDb) {
        let app = TestApp::new(db).await;
        let is = |field: &str, value: usize| {
            json!({"type": "compare", "comparison": "EQUAL", "left": {"type": "field", "field": field}, "right": {"type": "literal", "value": value.to_string()}})
        };
        let join = |operator: &'static str| move |left: Value, right: Value| json!({"type": "binary", "operator": operator, "left": left, "right": right});
        let any = |field: &str| (0..100).map(|value| is(field, value)).reduce(join("OR")).unwrap();
        // Ten thousand partitions in a few lines.
        let subset = json!({"outputCondition": join("AND")(any("x"), any("y"))});
        let of = |n: usize| {
            let written = dataset("d").version(&format!("v{n}")).own("outputFacets", "subset", subset.clone());
            run(&format!("r{n}")).on("COMPLETE", "10:00").writes(written).json()
        };
        let events: Vec<Value> = (0..12).map(of).collect();
        assert_eq!(app.try_hear(&events).await.json()["summary"]["successful"], 12);
        // All of them are read at the same time, but not recorded.
        assert!(app.revision().await >= 3, "{}", app.revision().await);
        assert_eq!(artifact(&app, "d", "versionCount").await["versionCount"], 12);
    }

    async fn a_batch_whose_database_goes_away_between_parts_says_so_and_can_be_sent_again(db: TestDb) {
        let store = db.store_patient_for(Duration::from_secs(4)).await;
        let app = TestApp::over(db.clone(), store, Config::default());
        let of = |n: usize| run(&format!("r{n}")).on("START", "10:00").facet("run", "large", json!({"text": "x".repeat(3 << 20)}));
        let events: Vec<Value> = (0..15).map(|n| of(n).json()).collect();
        let connection = db.connection().await;
        let away = async {
            while app.revision().await == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Block::on(connection).await
        };
        let (reply, block) = tokio::join!(app.try_hear(&events), away);
        refused(&reply, 503, "UNAVAILABLE", "does not answer");
        assert!(reply.headers.contains_key(RETRY_AFTER));
        let parts = app.revision().await;
        assert!((1..=4).contains(&parts), "{parts}");
        let kept = db.number("SELECT count(*) FROM event").await;
        assert_eq!(kept, 3 * parts, "whole parts");
        assert_eq!(app.writer.backlog().bytes, 0, "what was answered takes no room");
        block.end().await;
        app.hear(&events).await;
        assert_eq!((app.revision().await, db.number("SELECT count(*) FROM event").await), (5, 15));
    }

    async fn a_batch_of_too_many_events_is_refused(db: TestDb) {
        let mut config = Config::default();
        config.limits.event_batch_maximum = 2;
        let app = TestApp::with(db, config).await;
        let two = [run("r1").on("START", "10:00").json(), run("r2").on("START", "10:00").json()];
        app.hear(&two).await;
        let three = [&two[..], &[run("r3").on("START", "10:00").json()]].concat();
        refused(&app.try_hear(&three).await, 413, "LIMIT_EXCEEDED", "several batches");
        refused(&post(&app, "/api/v1/lineage/batch", "application/json", "[1,,NaN]".to_owned()).await, 413, "LIMIT_EXCEEDED", "several batches");
        assert_eq!(execution(&app, "r3", "name").await, json!(null));
    }

    async fn an_event_that_is_too_large_is_told_so(db: TestDb) {
        let app = TestApp::new(db).await;
        let large = run("large").on("START", "10:00").facet("run", "large", json!({"text": "x".repeat(17 << 20)})).json();
        refused(&app.send_json("/api/v1/lineage", &large).await, 413, "LIMIT_EXCEEDED", "leave out its largest facets");
        let reply = app.try_hear(&[large, run("small").on("START", "10:00").json()]).await;
        assert_eq!(reply.json()["summary"]["failed"], 1, "{}", reply.status);
        let failed = &reply.json()["failed_events"][0];
        assert_eq!((&failed["code"], &failed["argument"]), (&json!("LIMIT_EXCEEDED"), &json!("")), "{failed}");
        assert_eq!(execution(&app, "small", "name").await["name"], "small");
        let huge = run("huge").facet("run", "large", json!({"text": "x".repeat(65 << 20)})).json();
        refused(&app.send_json("/api/v1/lineage", &huge).await, 413, "LIMIT_EXCEEDED", "body");
    }
}
