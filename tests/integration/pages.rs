//! Whatever the size of a page, the direction and what is written between pages: the pages of a list are the list.

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::{
    on_both_databases,
    support::{TestApp, TestDb, artifact, execution, fixtures::exact, version},
};

/// A list: its field up to the arguments of the page, and what stands around it.
struct List {
    around: &'static str,
    field: String,
}

/// Every list in every order.
fn lists() -> Vec<List> {
    let root = "query($cursor: String) { LIST }";
    let of_artifact = "query($cursor: String) { at: artifact(key: {project: \"shop\", domain: \"production\", name: \"orders\"}) { LIST } }";
    let of_version =
        "query($cursor: String) { at: version(query: {uri: \"flyte://av0.1/shop/production/orders@v00\"}) { LIST } }";
    let of_execution = "query($cursor: String) { at: execution(key: {project: \"shop\", domain: \"production\", name: \"wide\"}) { LIST } }";
    let of_partition = "query($cursor: String) { at: version(query: {uri: \"flyte://av0.1/shop/production/orders@v00\"}) { at: partition { LIST } } }";
    let mut lists = Vec::new();
    let mut add = |around: &'static str, field: &str| {
        lists.push(List {
            around,
            field: field.to_owned(),
        });
    };
    for direction in ["ASC", "DESC"] {
        for field in ["NAME", "CREATED_AT", "UPDATED_AT"] {
            add(
                root,
                &format!("artifacts(orderBy: {{field: {field}, direction: {direction}}}"),
            );
        }
        for field in ["STARTED_AT", "RECORDED_AT"] {
            add(
                root,
                &format!("executions(orderBy: {{field: {field}, direction: {direction}}}"),
            );
        }
        for field in ["CREATED_AT", "TIME_PARTITION", "VERSION"] {
            add(
                of_artifact,
                &format!("versions(orderBy: {{field: {field}, direction: {direction}}}"),
            );
            add(
                of_partition,
                &format!("versions(orderBy: {{field: {field}, direction: {direction}}}"),
            );
        }
        add(
            of_artifact,
            &format!(
                "versions(where: {{states: [AVAILABLE, REFERENCED]}}, orderBy: {{field: CREATED_AT, direction: {direction}}}"
            ),
        );
        add(
            of_artifact,
            &format!(
                "versions(where: {{partition: {{values: [{{key: \"region\", in: [\"r0\", \"r1\"]}}]}}}}, orderBy: {{field: TIME_PARTITION, direction: {direction}}}"
            ),
        );
    }
    add(of_artifact, "partitions(where: {values: []}");
    add(of_version, "consumers(_: 0");
    add(of_execution, "inputs(_: 0");
    add(of_execution, "outputs(_: 0");
    add(of_execution, "children(_: 0");
    lists
}

impl List {
    /// The nodes of one page, in order, and its pageInfo.
    async fn page(&self, app: &TestApp, page: &str, cursor: &Value) -> (Vec<Value>, Value, Value) {
        let field = format!(
            "list: {}, {page}) {{ totalCount edges {{ node {{ id }} cursor }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }}",
            self.field
        );
        let query = self.around.replace("LIST", &field.replace("_: 0, ", ""));
        let mut data = app.data(&query, json!({"cursor": cursor})).await;
        while data["list"].is_null() {
            data = data["at"].take();
        }
        let list = data["list"].take();
        let ids = list["edges"]
            .as_array()
            .unwrap()
            .iter()
            .map(|edge| edge["node"]["id"].clone())
            .collect();
        (ids, list["pageInfo"].clone(), list["totalCount"].clone())
    }

    /// All pages of a size put together; `between` is called after each.
    async fn walk(&self, app: &TestApp, size: usize, forward: bool, between: &mut impl AsyncFnMut()) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let page = if forward {
                format!("first: {size}, after: $cursor")
            } else {
                format!("last: {size}, before: $cursor")
            };
            let (ids, info, total) = self.page(app, &page, &cursor).await;
            assert!(ids.len() <= size);
            let (more, back, next) = if forward {
                ("hasNextPage", "hasPreviousPage", "endCursor")
            } else {
                ("hasPreviousPage", "hasNextPage", "startCursor")
            };
            assert_eq!(info[back], !all.is_empty(), "{}: {info}", self.field);
            if forward {
                all.extend(ids);
            } else {
                all.splice(0..0, ids);
            }
            if info[more] == false {
                assert_eq!(total, all.len(), "{}", self.field);
                return all;
            }
            cursor = info[next].clone();
            between().await;
        }
    }
}

/// Lists that are long enough: equal times, times that differ by less than a microsecond, placeholders, deleted versions.
async fn furnish(app: &TestApp) {
    let mut records = Vec::new();
    let mut wide = execution("wide").with("startedAt", "2026-11-20");
    for n in 0..23 {
        let at = format!("2026-11-{:02}T10:00:00.00000{}Z", 1 + n % 3, 1 + n % 4);
        let fine = format!("{}{}Z", at.trim_end_matches('Z'), n % 10);
        let output = version("orders", &format!("v{n:02}"))
            .at(&[("region", &format!("r{}", n % 4 / 2))])
            .time(&format!("2026-10-{:02}", 1 + n % 3))
            .created_at(&fine);
        let mut run = execution(&format!("e{n}"))
            .with("parent", artifact("wide"))
            .consumes("in", "orders", "v00")
            .produces("out", &output);
        if n % 3 > 0 {
            run = run.with("startedAt", at.as_str());
        }
        records.push(run.record());
        wide = wide
            .consumes(&format!("in{}", n % 5), "raw", &format!("r{n}"))
            .produces(
                &format!("out{}", n % 5),
                &version(&format!("a{}", n % 11), &n.to_string()).created_at(&at),
            );
    }
    records.push(wide.record());
    app.ingest(&records).await;
    app.pass(1);
    let mut more = vec![
        version("orders", "plain")
            .created_at("2026-11-02T10:00:00.000001Z")
            .record(),
        version("orders", "v05x").time("2026-10-02").record(),
    ];
    more.extend((0..4).map(|n| {
        execution(&format!("named{n}"))
            .consumes("in", "orders", &format!("w{n}"))
            .record()
    }));
    app.ingest(&more).await;
    for name in ["v03", "v10"] {
        let id = app.chosen(exact("orders", name), "id").await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        app.delete(&id).await.ok();
    }
}

on_both_databases! {
    async fn pages_of_any_size_are_the_whole_list(db: TestDb) {
        let app = TestApp::new(db).await;
        furnish(&app).await;
        let lists = lists();
        let mut wholes = Vec::new();
        for list in &lists {
            let (ids, info, total) = list.page(&app, "first: 1000, after: $cursor", &Value::Null).await;
            assert!(ids.len() > 1, "{}: {}", list.field, ids.len());
            assert_eq!((&info["hasNextPage"], &info["hasPreviousPage"]), (&json!(false), &json!(false)));
            assert_eq!(total, ids.len(), "{}", list.field);
            wholes.push(ids);
        }
        // An order turned around is the list turned around.
        for (list, whole) in lists.iter().zip(&wholes).filter(|(list, _)| list.field.contains("ASC")) {
            let turned = list.field.replace("ASC", "DESC");
            let other = lists.iter().position(|other| other.around == list.around && other.field == turned).unwrap();
            let mut reversed = whole.clone();
            reversed.reverse();
            assert_eq!(reversed, wholes[other], "{turned}");
        }
        for (list, whole) in lists.iter().zip(&wholes) {
            for (size, forward) in [(1, true), (1, false), (4, true), (4, false), (whole.len(), true), (whole.len(), false), (whole.len() - 1, true)] {
                let walked = list.walk(&app, size, forward, &mut async || {}).await;
                assert_eq!(&walked, whole, "{} by {size}", list.field);
            }
        }
    }

    async fn pages_are_the_whole_list_whatever_is_written_between_them(db: TestDb) {
        let app = TestApp::new(db).await;
        furnish(&app).await;
        let (lists, handle) = (lists(), Handle::current());
        let mut runner = TestRunner::new(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() });
        let strategy = (0..lists.len(), 1..12_usize, any::<bool>(), prop::collection::vec((0..6_usize, 0..30_u32), 1..4));
        let fresh = std::cell::Cell::new(0);
        let outcome = tokio::task::block_in_place(|| runner.run(&strategy, |(which, size, forward, writes)| {
            handle.block_on(async {
                let list = &lists[which];
                let (whole, _, _) = list.page(&app, "first: 1000, after: $cursor", &Value::Null).await;
                let mut turn = 0;
                let walked = list.walk(&app, size, forward, &mut async || {
                    let (kind, number) = writes[turn % writes.len()];
                    turn += 1;
                    fresh.set(fresh.get() + 1);
                    write(&app, kind, number, fresh.get()).await;
                }).await;
                prop_assert_eq!(&walked, &whole, "{} by {} forward {}", &list.field, size, forward);
                Ok(())
            })
        }));
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
    }
}

/// Something that could disturb a list that is being read.
async fn write(app: &TestApp, kind: usize, number: u32, fresh: u32) {
    let name = format!("n{fresh}");
    let day = format!("2026-11-{:02}T10:00:00.000001Z", 1 + number % 3);
    let content = |version_name: &str| {
        version("orders", version_name)
            .at(&[("region", "r0")])
            .time("2026-10-01")
            .created_at(&day)
    };
    match kind {
        0 => drop(app.create(&content(&name)).await),
        1 => drop(
            app.record(
                &execution(&name)
                    .with("startedAt", day.as_str())
                    .with("parent", artifact("wide"))
                    .consumes("in", "orders", "v00"),
            )
            .await,
        ),
        2 => drop(
            app.record(
                &execution("wide")
                    .consumes(&format!("in{number}"), "raw", &name)
                    .produces("out2", &version(&format!("a{number}"), &name)),
            )
            .await,
        ),
        3 => {
            let found = app.chosen(exact("orders", &format!("v{number:02}")), "id").await;
            if let Some(id) = found["id"].as_str().filter(|_| number > 0) {
                app.delete(id).await.ok();
            }
        }
        // A placeholder that is produced while the list is read, once.
        4 => drop(
            app.try_create(&content(&format!("w{}", number % 4)).without("createdAt"))
                .await,
        ),
        _ => drop(app.create(&version(&name, "v")).await),
    }
}
