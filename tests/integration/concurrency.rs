//! Many at once, much at once, and a database that goes away: nothing is lost, half-written or done twice.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use heirloom::{
    domain::{
        key::ArtifactKey,
        record::{CreateVersion, Record},
    },
    service::{Mode, Verdict},
    store::{Scope, version::version_find_many},
};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{Reply, TestApp, TestDb, app::texts, artifact, execution, fixtures::exact, version},
};

/// The revisions have no gaps: they are the numbers from 1 to the counter's.
pub async fn revisions_have_no_gaps(db: &TestDb) -> i64 {
    let newest = db.number("SELECT revision FROM revision_counter").await;
    assert_eq!(db.number("SELECT COUNT(*) FROM revision").await, newest);
    assert_eq!(db.number("SELECT COALESCE(MAX(id), 0) FROM revision").await, newest);
    assert_eq!(db.number("SELECT COUNT(*) FROM revision WHERE id < 1").await, 0);
    newest
}

on_both_databases! {
    async fn the_same_version_from_fifty_clients_is_created_once(db: TestDb) {
        let app = TestApp::new(db).await;
        let same = version("orders", "v1").with("location", "here");
        let made = join_all((0..50).map(|_| app.create(&same))).await;
        assert_eq!(made.iter().filter(|made| made.created).count(), 1);
        assert!(made.iter().all(|other| other.id == made[0].id));
        assert_eq!(app.artifact("orders", "versionCount").await["versionCount"], 1);
        assert_eq!(revisions_have_no_gaps(&app.db).await, 1);
    }

    async fn different_contents_of_a_version_from_fifty_clients_are_one_and_conflicts(db: TestDb) {
        let app = TestApp::new(db).await;
        let different: Vec<_> = (0..50).map(|n| version("orders", "v1").with("location", n.to_string())).collect();
        let replies = join_all(different.iter().map(|version| app.try_create(version))).await;
        let (made, refused): (Vec<_>, Vec<_>) = replies.iter().enumerate().partition(|(_, reply)| reply.errors.is_empty());
        assert_eq!(made.len(), 1);
        for (_, reply) in refused {
            reply.refused("CONFLICT");
        }
        let kept = app.chosen(exact("orders", "v1"), "location").await;
        assert_eq!(kept["location"], made[0].0.to_string(), "the one that was answered as created");
    }

    async fn one_hundred_and_sixty_writers_in_two_processes_all_succeed(db: TestDb) {
        let (one, other) = (TestApp::new(db.clone()).await, TestApp::new(db.clone()).await);
        let write = async |n: usize| {
            let app = if n.is_multiple_of(2) { &one } else { &other };
            let name = n.to_string();
            app.record(&execution(&name).state("RUNNING").consumes("in", "shared", "s1").produces("out", &version("orders", &name))).await;
            app.create(&version("orders", &name)).await
        };
        let made = join_all((0..160).map(write)).await;
        assert!(made.iter().all(|made| !made.created));
        let counts = one.artifact("orders", "versionCount versions { totalCount }").await;
        assert_eq!(counts, json!({"versionCount": 160, "versions": {"totalCount": 160}}));
        let shared = one.chosen(exact("shared", "s1"), "consumers { totalCount }").await;
        assert_eq!(shared["consumers"]["totalCount"], 160);
        let newest = revisions_have_no_gaps(&db).await;
        assert!((2..=160).contains(&newest), "{newest}");
        assert_eq!(one.revision().await, other.revision().await);
    }

    async fn writes_that_wait_share_a_revision(db: TestDb) {
        let app = TestApp::new(db).await;
        let blocking = app.store.begin_write().await.unwrap();
        let versions: Vec<_> = (0..100).map(|n| version("orders", &n.to_string())).collect();
        let writes = join_all(versions.iter().map(|version| app.create(version)));
        let release = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            blocking.rollback().await.unwrap();
        };
        let (made, ()) = tokio::join!(writes, release);
        assert!(made.iter().all(|made| made.created));
        assert_eq!(revisions_have_no_gaps(&app.db).await, 2, "the first that came together, and all that waited behind them");
        assert!(made.iter().any(|made| made.revision == 2));
        let one_refused = [versions[0].clone().with("location", "elsewhere"), version("orders", "new"), version("orders", " ")];
        let blocking = app.store.begin_write().await.unwrap();
        let writes = join_all(one_refused.iter().map(|version| app.try_create(version)));
        let (replies, ()) = tokio::join!(writes, async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            blocking.rollback().await.unwrap();
        });
        assert_eq!(replies.iter().map(Reply::code).collect::<Vec<_>>(), ["CONFLICT", "", "BAD_USER_INPUT"], "each has its own verdict");
    }

    async fn a_revision_is_visible_whole_or_not_at_all(db: TestDb) {
        let app = Arc::new(TestApp::new(db).await);
        let writer = Arc::clone(&app);
        let writing = tokio::spawn(async move {
            for batch in 0..40 {
                let records: Vec<Value> = (0..5).map(|n| version("orders", &format!("{batch}-{n}")).record()).collect();
                writer.ingest(&records).await;
            }
        });
        let (mut looks, mut before) = (0, 0);
        loop {
            let done = writing.is_finished();
            let query = "query($key: ArtifactKey!) { revision { number } artifact(key: $key) { versionCount versions(first: 1000) { totalCount nodes { id } } } }";
            let data = app.data(query, json!({"key": artifact("orders")})).await;
            let revision = data["revision"]["number"].as_i64().unwrap();
            if revision > 0 {
                assert_eq!(data["artifact"]["versionCount"], 5 * revision);
                assert_eq!(data["artifact"]["versions"]["totalCount"], 5 * revision);
                assert_eq!(i64::try_from(data["artifact"]["versions"]["nodes"].as_array().unwrap().len()).unwrap(), 5 * revision);
            }
            assert!(revision >= before, "never before a smaller one");
            (looks, before) = (looks + 1, revision);
            if done {
                break;
            }
        }
        writing.await.unwrap();
        assert!(looks > 2, "{looks}");
        assert_eq!(revisions_have_no_gaps(&app.db).await, 40);
    }

    async fn what_is_written_is_read_at_the_answered_revision(db: TestDb) {
        let app = TestApp::new(db).await;
        let versions: Vec<_> = (0..20).map(|n| version("orders", &n.to_string())).collect();
        let looks = versions.iter().map(async |version| {
            let made = app.create(version).await;
            let query = "query($asOf: AsOf!, $id: ID!) { now: node(id: $id) { id } at(asOf: $asOf) { node(id: $id) { id } } }";
            let data = app.data(query, json!({"asOf": {"revision": made.revision}, "id": made.id})).await;
            assert_eq!((&data["now"]["id"], &data["at"]["node"]["id"]), (&json!(made.id), &json!(made.id)));
            let before = app.data(query, json!({"asOf": {"revision": made.revision - 1}, "id": made.id})).await;
            assert_eq!(before["at"]["node"], Value::Null);
        });
        join_all(looks).await;
    }

    async fn twenty_thousand_records_at_once(db: TestDb) {
        let app = TestApp::new(db).await;
        let owner = ArtifactKey { project: "shop".into(), domain: "production".into(), name: "orders".into() };
        let template: CreateVersion = serde_json::from_value(version("orders", "v").at(&[("region", "EU")]).json()).unwrap();
        let records = || (0..20_000).map(|n| Record::Version(CreateVersion { artifact: owner.clone(), version: Some(n.to_string()), ..template.clone() })).collect();
        let answer = app.writer.submit(records(), Mode::Ingest).await.unwrap();
        assert_eq!(answer.verdicts.len(), 20_000);
        assert!(answer.verdicts.iter().all(|verdict| matches!(verdict, Verdict::Applied(_))));
        let again = app.writer.submit(records(), Mode::Ingest).await.unwrap();
        assert!(again.verdicts.iter().all(|verdict| matches!(verdict, Verdict::Unchanged(_))));
        assert_eq!(again.revision, answer.revision);
        assert_eq!(app.artifact("orders", "versionCount").await["versionCount"], 20_000);

        let ids: Vec<entity::VersionId> = (1..=40_000).map(entity::VersionId).collect();
        let found = version_find_many(&app.store.session(), &Scope::at(answer.revision), &ids).await.unwrap();
        assert_eq!(found.len(), 20_000, "of forty thousand ids, those that are there");
    }

    async fn the_statements_of_a_query_do_not_depend_on_the_number_of_rows(db: TestDb) {
        let app = TestApp::new(db).await;
        let query = "query($key: ArtifactKey!, $first: Int!) { artifact(key: $key) { latest { version } versions(first: $first) { totalCount nodes {
            version isLatest aliases metadata recordedAt partition { values { value } versionCount latest { version } versions(first: 2) { nodes { version } } }
            producer { name inputs { nodes { version artifact { name versionCount } } } outputs { totalCount } parent { name } }
            consumers { totalCount nodes { name } } } } } }";
        let mut records = Vec::new();
        for n in 0..300 {
            let output = version("orders", &n.to_string()).at(&[("region", &format!("r{}", n % 7))]);
            let parent = artifact(&format!("w{}", n % 5));
            records.push(execution(&format!("e{n}")).with("parent", parent).consumes("in", &format!("raw{}", n % 20), "v").produces("out", &output).record());
            records.push(execution(&format!("f{n}")).consumes("in", "orders", &n.to_string()).record());
        }
        app.ingest(&records).await;
        let mut counts = Vec::new();
        for first in [1, 20, 300] {
            let reply = app.query(query, json!({"key": artifact("orders"), "first": first})).await;
            let rows = reply.ok()["artifact"]["versions"]["nodes"].as_array().unwrap().len();
            assert_eq!(rows, first);
            counts.push(reply.statements);
        }
        assert!(counts[0] > 0 && counts[2] <= 25, "{counts:?}");
        assert_eq!(counts, [counts[0]; 3]);
    }

    async fn pages_are_stable_while_others_write(db: TestDb) {
        let app = TestApp::new(db).await;
        let ids: Vec<_> = {
            let records: Vec<Value> = (0..60).map(|n| version("orders", &format!("v{n:02}")).created_at(&format!("2026-11-{:02}", 1 + n % 9)).record()).collect();
            app.ingest(&records).await;
            let all = app.artifact("orders", "versions(first: 60) { nodes { id version } }").await;
            all["versions"]["nodes"].as_array().unwrap().clone()
        };
        let expected: Vec<_> = ids.iter().map(|node| node["version"].as_str().unwrap().to_owned()).collect();
        let (mut walked, mut after, mut page) = (Vec::new(), Value::Null, 0);
        loop {
            let query = "query($key: ArtifactKey!, $after: String) { artifact(key: $key) { versions(first: 7, after: $after) { totalCount nodes { version state } pageInfo { endCursor hasNextPage } } } }";
            let list = app.data(query, json!({"key": artifact("orders"), "after": after})).await["artifact"]["versions"].clone();
            assert_eq!(list["totalCount"], 60, "of the state that the first page was read in");
            assert!(texts(&list["nodes"], "state").iter().all(|state| state == "AVAILABLE"));
            walked.extend(texts(&list["nodes"], "version"));
            if list["pageInfo"]["hasNextPage"] == false {
                break;
            }
            after = list["pageInfo"]["endCursor"].clone();
            app.create(&version("orders", &format!("new{page}")).created_at("2026-11-05")).await;
            app.delete(ids[(page * 7 + 11) % 60]["id"].as_str().unwrap()).await.ok();
            page += 1;
        }
        assert_eq!(walked, expected);
    }
}

mod away {
    //! A PostgreSQL that goes away in the middle of a request, and comes back.

    use tokio::{
        io::copy_bidirectional,
        net::{TcpListener, TcpStream},
        task::{JoinHandle, JoinSet},
    };

    use super::*;

    /// Stands between the program and the server; while it is cut, the server cannot be reached.
    struct Wire {
        server: String,
        address: std::net::SocketAddr,
        carrying: Option<JoinHandle<()>>,
    }

    impl Wire {
        async fn to(server: String) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let carrying = Some(tokio::spawn(carry(listener, server.clone())));
            Self {
                server,
                address,
                carrying,
            }
        }

        /// Ends all connections, and refuses new ones.
        async fn cut(&mut self) {
            let carrying = self.carrying.take().unwrap();
            carrying.abort();
            assert!(carrying.await.unwrap_err().is_cancelled());
        }

        async fn mend(&mut self) {
            let listener = TcpListener::bind(self.address).await.unwrap();
            self.carrying = Some(tokio::spawn(carry(listener, self.server.clone())));
        }
    }

    async fn carry(listener: TcpListener, server: String) {
        let mut connections = JoinSet::new();
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let server = server.clone();
            connections.spawn(async move {
                let mut upstream = TcpStream::connect(server).await.unwrap();
                // Either side may end it.
                let _ = copy_bidirectional(&mut client, &mut upstream).await;
            });
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_postgresql_that_goes_away_and_comes_back_loses_nothing() {
        TestDb::postgres().await.lend(body).await;
    }

    /// What a client does that is told to try again: a connection that broke while nobody looked is noticed when it is used.
    async fn again(ask: impl AsyncFn() -> Reply) -> Reply {
        for _ in 0..10 {
            let reply = ask().await;
            if reply.errors.is_empty() {
                return reply;
            }
            reply.refused("UNAVAILABLE");
        }
        panic!("it does not come back");
    }

    async fn body(db: TestDb) {
        let start = db
            .url
            .find('@')
            .map_or_else(|| db.url.find("://").unwrap() + 3, |at| at + 1);
        let host = db.url[start..].split('/').next().unwrap();
        let mut wire = Wire::to(host.to_owned()).await;
        let through = db.at(db.url.replacen(host, &wire.address.to_string(), 1));
        let store = through.store_patient_for(Duration::from_secs(2)).await;
        let app = TestApp::over(through, store, heirloom::config::Config::default());
        app.create(&version("orders", "before")).await;
        let direct = db.connection().await;

        // A write that is under way: another holds the counter.
        direct
            .execute_unprepared("BEGIN; UPDATE revision_counter SET revision = revision")
            .await
            .unwrap();
        let input = version("orders", "during");
        let (reply, ()) = tokio::join!(app.try_create(&input), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            wire.cut().await;
        });
        reply.refused("UNAVAILABLE").says(&["try again"]);
        direct.execute_unprepared("ROLLBACK").await.unwrap();

        // While it is away, everything says so, and the server lives.
        app.query("{ revision { number } }", json!({}))
            .await
            .refused("UNAVAILABLE");
        app.try_create(&version("orders", "away")).await.refused("UNAVAILABLE");
        let health = axum::http::Request::get("/healthz")
            .body(axum::body::Body::empty())
            .unwrap();
        assert_eq!(app.send(health).await.status, 200);
        let ready = || {
            axum::http::Request::get("/readyz")
                .body(axum::body::Body::empty())
                .unwrap()
        };
        assert_eq!(app.send(ready()).await.status, 503);

        // It comes back, and the same requests succeed; each was written once or not at all.
        wire.mend().await;
        let newest = again(async || app.query("{ revision { number } }", json!({})).await).await;
        assert_eq!(newest.data["revision"]["number"], 1, "nothing is half-written");
        for name in ["during", "away"] {
            let input = version("orders", name);
            again(async || app.try_create(&input).await).await;
        }
        assert_eq!(app.send(ready()).await.status, 200);
        assert_eq!(revisions_have_no_gaps(&db).await, 3);

        // A read that is under way.
        direct
            .execute_unprepared("BEGIN; LOCK TABLE version IN ACCESS EXCLUSIVE MODE")
            .await
            .unwrap();
        let (reply, ()) = tokio::join!(
            app.query("{ artifacts { nodes { versions { nodes { id } } } } }", json!({})),
            async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                wire.cut().await;
            }
        );
        reply.refused("UNAVAILABLE");
        direct.execute_unprepared("ROLLBACK").await.unwrap();
        wire.mend().await;
        let counted = again(async || app.query("{ artifacts { nodes { versionCount } } }", json!({})).await).await;
        assert_eq!(counted.data["artifacts"]["nodes"][0]["versionCount"], 3);

        // The server ends every connection, as it does when it is restarted.
        let name = db.postgres_name().unwrap();
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        );
        for round in 0..3 {
            direct.execute_unprepared(&sql).await.unwrap();
            let name = format!("after{round}");
            let input = version("orders", &name);
            again(async || app.try_create(&input).await).await;
            again(async || app.query("{ revision { number } }", json!({})).await).await;
        }
        assert_eq!(revisions_have_no_gaps(&db).await, 6);
        assert_eq!(
            db.number("SELECT COUNT(*) FROM version").await,
            6,
            "each was written, and once"
        );
        direct.close().await.unwrap();
    }
}
