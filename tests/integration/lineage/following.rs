//! Whichever server of a store is asked, since whenever it runs and whoever writes: the answer is the same.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::ask::{answer, artifact_id, execution_id, version_id};
use super::nested::furnished;
use super::reference::{
    self, Answer, AsOf, Direction, Filter, Level, PartitionFilter, Question, ValueTest, difference,
};
use super::world::{
    Fact::{Declared, Deleted, Ended, Gave, HasParent, Produced, Runs, Took},
    Plan, World, fixed, instant,
};
use crate::{
    on_both_databases,
    support::{TestApp, TestDb, declaration, execution, fixtures::VersionInput, version},
};

on_both_databases! {
    async fn a_restarted_server_answers_the_same(db: TestDb) {
        let app = furnished(db.clone()).await;
        app.delete(&version_id(&app, "orders", "o2").await).await.ok();
        app.declare(declaration("report", &["day"], None)).await.ok();
        let roots = [artifact_id(&app, "clicks").await, execution_id(&app, "load5").await];
        let questions: Vec<Value> = ["FULL", "VERSION", "EXECUTION", "PARTITION", "ARTIFACT"]
            .iter()
            .flat_map(|level| [2, 3, 4].map(|revision| json!({"direction": "DOWNSTREAM", "level": level, "asOf": {"revision": revision}})))
            .collect();
        let mut before = vec![];
        for question in &questions {
            before.push(answer(&app, &roots, question.clone()).await);
        }
        app.store.close().await.unwrap();
        let app = TestApp::new(db).await;
        for (question, before) in questions.iter().zip(before) {
            assert_eq!(answer(&app, &roots, question.clone()).await, before, "{question}");
        }
    }

    async fn a_server_that_did_not_write_answers_what_was_written(db: TestDb) {
        let writer = TestApp::new(db.clone()).await;
        let reader = TestApp::new(db).await;
        let plan = rounds();
        let mut world = World::new(plan.clone(), "followed".to_owned());
        for step in &plan.steps {
            let recorded = world.record(&writer, step).await;
            world.learn(step, recorded);
            world.look(&reader).await;
            for question in questions(&world) {
                let found = answer(&reader, &question.ids(&world), question.options(&world)).await;
                let expected = reference::answer(&world, &question);
                assert!(found == expected, "{}\n{question:?}", difference(&found, &expected));
            }
        }
    }

    async fn two_servers_that_both_write_answer_the_same(db: TestDb) {
        let servers = [TestApp::new(db.clone()).await, TestApp::new(db).await];
        let plan = rounds();
        let mut world = World::new(plan.clone(), "both".to_owned());
        for (turn, step) in plan.steps.iter().flat_map(|step| step.chunks(2)).enumerate() {
            let writer = &servers[turn % 2];
            // One clock for both: the other's stands still while this one writes.
            writer.set_clock(&instant(2_000_000 + i64::try_from(turn).unwrap()));
            let recorded = world.record(writer, step).await;
            world.learn(step, recorded);
            for server in &servers {
                world.look(server).await;
                for question in questions(&world).into_iter().skip(turn % 3).step_by(3) {
                    let found = answer(server, &question.ids(&world), question.options(&world)).await;
                    let expected = reference::answer(&world, &question);
                    assert!(found == expected, "{turn}: {}\n{question:?}", difference(&found, &expected));
                }
            }
        }
    }

    async fn an_answer_given_while_many_write_is_that_of_its_revision(db: TestDb) {
        let servers = [TestApp::new(db.clone()).await, TestApp::new(db.clone()).await];
        servers[0].create(&table(0)).await;
        let root = artifact_id(&servers[0], "table").await;
        let writes = join_all(servers.iter().zip(0..).map(|(server, which)| write(server, which)));
        let reads = join_all(servers.iter().map(|server| look(server, &root)));
        let (_, reads) = tokio::join!(writes, reads);
        let fresh = TestApp::new(db).await;
        let newest = fresh.revision().await;
        let between = reads.iter().flatten().filter(|(_, answer)| (2..newest).contains(&answer.revision)).count();
        assert!(between > 5, "{between} of the answers were given while others wrote");
        for (mut options, seen) in reads.into_iter().flatten() {
            options["asOf"] = json!({"revision": seen.revision});
            for server in servers.iter().chain([&fresh]) {
                let again = answer(server, &[&root], options.clone()).await;
                assert!(again == seen, "{}\n{options}", difference(&again, &seen));
            }
        }
    }
}

/// A version of a table; they are in seven partitions.
fn table(n: usize) -> VersionInput {
    version("table", &format!("v{n}"))
        .at(&[("region", &format!("r{}", n % 7))])
        .created_at("2026-11-01")
}

/// Writes what both servers may write at the same time: executions of its own, and versions that the other gives, too.
async fn write(server: &TestApp, which: usize) {
    for n in 0..30 {
        let run = execution(&format!("run{which}-{n}"))
            .state("RUNNING")
            .consumes("in", "table", &format!("v{}", n / 2))
            .produces("out", &table(n + which));
        server.ingest(&[run.record()]).await;
        let more = execution(&format!("run{which}-{}", n / 3))
            .state("SUCCEEDED")
            .consumes("late", "other", &n.to_string())
            .produces("more", &table(n));
        server.ingest(&[more.record(), table(n + 40).record()]).await;
        match n {
            10 => drop(server.declare(declaration("table", &["region"], None)).await),
            20 => drop(
                server
                    .delete(&version_id(server, "table", &format!("v{which}")).await)
                    .await,
            ),
            _ => {}
        }
    }
}

/// Asks again and again, at every level.
async fn look(server: &TestApp, root: &str) -> Vec<(Value, Answer)> {
    let mut seen = vec![];
    for level in ["FULL", "PARTITION", "VERSION", "ARTIFACT", "EXECUTION"]
        .iter()
        .cycle()
        .take(40)
    {
        let options = json!({"direction": "BOTH", "level": level, "limit": 5_000});
        seen.push((options.clone(), answer(server, &[root], options).await));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    seen
}

/// What changes in a store: states of executions, placeholders that become available, deletions, late declarations that
/// place versions anew.
fn rounds() -> Plan {
    let took = |execution, version| Took {
        execution,
        name: "a",
        version,
    };
    let gave = |execution, version| Gave {
        execution,
        name: "b",
        version,
    };
    fixed(vec![
        vec![took(0, 0), Runs(0)],
        vec![gave(0, 1), took(1, 1)],
        vec![Produced(0), Ended(0)],
        vec![gave(1, 2), took(2, 2), took(2, 0), gave(2, 0)],
        vec![Declared(0)],
        vec![Deleted(1), Runs(1)],
        vec![gave(3, 3), took(3, 3), HasParent(3)],
        vec![Declared(1), took(4, 5)],
        vec![gave(4, 4), Ended(1), Produced(5)],
        vec![Deleted(0), took(5, 4), gave(5, 1)],
        vec![Ended(2), Ended(3), gave(2, 2)],
    ])
}

/// Some questions about everything there is, at every level.
fn questions(world: &World) -> Vec<Question> {
    let first = *world.moments.first_key_value().unwrap().0;
    let mut questions = vec![];
    for (n, root) in world.at(world.newest()).nodes().into_iter().enumerate() {
        let level = [
            Level::Full,
            Level::Version,
            Level::Execution,
            Level::Partition,
            Level::Artifact,
        ][n % 5];
        let plain = Question {
            roots: vec![root.clone()],
            direction: Direction::Both,
            level,
            depth: None,
            limit: None,
            fan_out: None,
            filter: None,
            as_of: None,
        };
        let over = Filter {
            states: Some(vec!["SUCCEEDED", "FAILED", "ABORTED"]),
            prune: true,
            ..Filter::default()
        };
        let europe = PartitionFilter {
            values: vec![("region", ValueTest::Eq("EU"))],
            ..PartitionFilter::default()
        };
        let europe = Filter {
            partition: Some(europe),
            ..Filter::default()
        };
        let mut more = |filter, level| {
            questions.push(Question {
                filter,
                level,
                ..plain.clone()
            });
        };
        more(None, level);
        more(Some(over), Level::Full);
        more(Some(europe), Level::Partition);
        if world.at(first).nodes().contains(&root) {
            let as_of = Some(AsOf::Revision(first));
            questions.push(Question { as_of, ..plain });
        }
    }
    questions
}
