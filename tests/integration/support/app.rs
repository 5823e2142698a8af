//! The real router, engine and write queue over a database of the test's own.

use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use heirloom::{
    config::Config,
    domain::time::Timestamp,
    graphql::{engine::Engine, resources::Resources, schema_builder},
    lineage::Lineage,
    server::{AppState, router, writer_options},
    service::{Clock, Writer, WriterOptions},
    store::Store,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{
    client::Reply,
    db::TestDb,
    fixtures::{ExecutionInput, VersionInput, artifact},
    log,
};

/// When the tests begin, by their clock.
pub const BEGIN: &str = "2026-11-23T12:00:00Z";

/// A server without a socket.
pub struct TestApp {
    pub db: TestDb,
    pub store: Store,
    pub writer: Writer,
    pub router: Router,
    pub lineage: Lineage,
    clock: Clock,
}

/// A version that was created, or was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    pub id: String,
    pub version: String,
    pub created: bool,
    pub revision: i64,
}

impl TestApp {
    /// With the default configuration; its clock stands at [`BEGIN`].
    pub async fn new(db: TestDb) -> Self {
        Self::with(db, Config::default()).await
    }

    /// With a configuration of the test's own.
    pub async fn with(db: TestDb, config: Config) -> Self {
        let store = db.store().await;
        Self::over(db, store, config)
    }

    /// Over a store that is open.
    pub fn over(db: TestDb, store: Store, config: Config) -> Self {
        log::listen();
        let clock = Clock::manual(Timestamp::parse(BEGIN).unwrap());
        let options = WriterOptions {
            clock: clock.clone(),
            ..writer_options(&config)
        };
        let writer = Writer::start(store.clone(), options);
        let lineage = Lineage::new(store.clone());
        let state = AppState::new(config, &store, &writer, &lineage);
        Self {
            db,
            store,
            writer,
            router: router(state),
            lineage,
            clock,
        }
    }

    /// Sets the clock.
    pub fn set_clock(&self, instant: &str) {
        self.clock.set(Timestamp::parse(instant).unwrap());
    }

    /// Lets seconds pass.
    pub fn pass(&self, seconds: i64) {
        self.clock.set(Timestamp(self.clock.now().0 + seconds * 1_000_000));
    }

    /// What the clock says.
    pub fn now(&self) -> String {
        self.clock.now().to_string()
    }

    /// Sends any request.
    pub async fn send(&self, request: Request<Body>) -> Reply {
        send(&self.router, request).await
    }

    /// The same service, which resolves all lists field by field, as the library does, and writes none from prepared rows.
    pub fn resolving_by_field(&self) -> Router {
        self.answering(Config::default(), false)
    }

    /// The same service with another configuration, which writes lists from prepared rows, or resolves them field by field.
    pub fn answering(&self, config: Config, prepares_rows: bool) -> Router {
        let (store, writer, lineage) = (self.store.clone(), self.writer.clone(), self.lineage.clone());
        let engine = Engine::new(schema_builder, &config).attaching(move |request, mut context| {
            context.prepares_rows = prepares_rows;
            let resources = Resources::new(&store, writer.clone(), lineage.clone(), &context);
            request.data(resources).data(context)
        });
        router(AppState {
            config: config.into(),
            engine: engine.into(),
            answers: None,
            readiness: std::sync::Arc::new(|| Box::pin(async { Ok(()) })),
            events: None,
        })
    }

    /// Runs an operation with variables on a router.
    pub async fn query_on(router: &Router, query: &str, variables: Value) -> Reply {
        send(
            router,
            graphql(json!({"query": query, "variables": variables}).to_string()),
        )
        .await
    }

    /// Posts a body as it is.
    pub async fn post(&self, body: impl Into<Body>) -> Reply {
        self.send(graphql(body)).await
    }

    /// Runs an operation with variables.
    pub async fn query(&self, query: &str, variables: Value) -> Reply {
        self.post(json!({"query": query, "variables": variables}).to_string())
            .await
    }

    /// The data of an operation that must succeed.
    #[track_caller]
    pub fn data(&self, query: &str, variables: Value) -> impl Future<Output = Value> {
        let asked = self.query(query, variables);
        let place = std::panic::Location::caller();
        async move {
            let reply = asked.await;
            assert!(
                reply.errors.is_empty() && reply.status == 200,
                "{place}: {} {}",
                reply.status,
                reply.body
            );
            reply.data
        }
    }

    /// Runs `declareArtifact`.
    pub async fn declare(&self, declaration: Value) -> Reply {
        let query = "mutation($input: DeclareArtifactInput!) { declareArtifact(input: $input) { created revision
            artifact { id partitionKeys timePartitionGranularity description } } }";
        self.query(query, json!({"input": declaration})).await
    }

    /// Runs `createVersion`.
    pub async fn try_create(&self, version: &VersionInput) -> Reply {
        let query = "mutation($input: CreateVersionInput!) { createVersion(input: $input) { created revision
            version { id version state createdAt recordedAt } } }";
        self.query(query, json!({"input": version.json()})).await
    }

    /// Creates a version.
    pub async fn create(&self, version: &VersionInput) -> Created {
        let reply = self.try_create(version).await;
        let payload = &reply.ok()["createVersion"];
        Created {
            id: payload["version"]["id"].as_str().unwrap().to_owned(),
            version: payload["version"]["version"].as_str().unwrap().to_owned(),
            created: payload["created"].as_bool().unwrap(),
            revision: payload["revision"].as_i64().unwrap(),
        }
    }

    /// Runs `recordExecution`.
    pub async fn try_record(&self, execution: &ExecutionInput) -> Reply {
        let query = "mutation($input: RecordExecutionInput!) { recordExecution(input: $input) { created revision
            execution { id kind state entity entityVersion nodeId attempt principal startedAt endedAt error metadata
                parent { name }
                inputs { nodes { id version } } outputs { nodes { id version } } } } }";
        self.query(query, json!({"input": execution.json()})).await
    }

    /// Records an execution and answers it.
    pub async fn record(&self, execution: &ExecutionInput) -> Value {
        self.try_record(execution).await.ok()["recordExecution"]["execution"].clone()
    }

    /// Runs `ingest`.
    pub async fn try_ingest(&self, records: &[Value]) -> Reply {
        let query =
            "mutation($records: [RecordInput!]!) { ingest(records: $records) { applied unchanged rejected revision
            results { index status error { code message path } } } }";
        self.query(query, json!({"records": records})).await
    }

    /// Sends OpenLineage events as a batch.
    pub async fn try_hear(&self, events: &[Value]) -> Reply {
        self.send_json("/api/v1/lineage/batch", &Value::from(events)).await
    }

    /// Sends OpenLineage events, none of which may fail.
    pub async fn hear(&self, events: &[Value]) {
        let reply = self.try_hear(events).await;
        assert!(
            reply.status == 200 && reply.json()["status"] == "success",
            "{}",
            reply.body
        );
    }

    /// Posts JSON to a path.
    pub async fn send_json(&self, path: &str, body: &Value) -> Reply {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(body.to_string().into()).unwrap()).await
    }

    /// Ingests records, none of which may be rejected; answers the revision.
    pub async fn ingest(&self, records: &[Value]) -> i64 {
        let reply = self.try_ingest(records).await;
        let payload = &reply.ok()["ingest"];
        assert_eq!(payload["rejected"], 0, "{}", reply.body);
        payload["revision"].as_i64().unwrap()
    }

    /// Runs `setAlias`.
    pub async fn set_alias(&self, version_id: &str, alias: &str, overwrite: bool) -> Reply {
        let query = "mutation($input: SetAliasInput!) { setAlias(input: $input) { revision version { version aliases }
            previous { version aliases } } }";
        let input = json!({"version": version_id, "alias": alias, "overwrite": overwrite});
        self.query(query, json!({"input": input})).await
    }

    /// Runs `removeAlias`.
    pub async fn remove_alias(&self, artifact_name: &str, alias: &str) -> Reply {
        let query = "mutation($input: RemoveAliasInput!) { removeAlias(input: $input) { removed revision } }";
        self.query(
            query,
            json!({"input": {"artifact": artifact(artifact_name), "alias": alias}}),
        )
        .await
    }

    /// Runs `deleteVersion`.
    pub async fn delete(&self, version_id: &str) -> Reply {
        let query =
            "mutation($input: DeleteVersionInput!) { deleteVersion(input: $input) { revision version { id state } } }";
        self.query(query, json!({"input": {"version": version_id}})).await
    }

    /// Fields of the version that a query chooses; null when none matches.
    pub async fn chosen(&self, query: Value, fields: &str) -> Value {
        let text = format!("query($query: VersionQuery!) {{ version(query: $query) {{ {fields} }} }}");
        self.data(&text, json!({"query": query})).await["version"].clone()
    }

    /// The version string that a query chooses.
    pub async fn choice(&self, query: Value) -> Option<String> {
        let version = self.chosen(query, "version").await;
        version["version"].as_str().map(str::to_owned)
    }

    /// Fields of the artifact `name`.
    pub async fn artifact(&self, name: &str, fields: &str) -> Value {
        let text = format!("query($key: ArtifactKey!) {{ artifact(key: $key) {{ {fields} }} }}");
        self.data(&text, json!({"key": artifact(name)})).await["artifact"].clone()
    }

    /// Fields of the execution `name`.
    pub async fn execution(&self, name: &str, fields: &str) -> Value {
        let text = format!("query($key: ExecutionKey!) {{ execution(key: $key) {{ {fields} }} }}");
        self.data(&text, json!({"key": artifact(name)})).await["execution"].clone()
    }

    /// The newest revision.
    pub async fn revision(&self) -> i64 {
        self.data("{ revision { number } }", json!({})).await["revision"]["number"]
            .as_i64()
            .unwrap()
    }
}

fn graphql(body: impl Into<Body>) -> Request<Body> {
    Request::post("/graphql")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/graphql-response+json")
        .body(body.into())
        .unwrap()
}

async fn send(router: &Router, mut request: Request<Body>) -> Reply {
    let id = uuid::Uuid::new_v4().simple().to_string();
    request.headers_mut().insert("x-request-id", id.parse().unwrap());
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let statements = log::statements(&id).unwrap_or_default();
    let body = String::from_utf8(bytes.to_vec()).unwrap();
    Reply::new(parts.status, parts.headers, body, statements)
}

/// The texts of one field of the items of a list.
pub fn texts(items: &Value, field: &str) -> Vec<String> {
    let items = items.as_array().unwrap_or_else(|| panic!("no list: {items}"));
    items
        .iter()
        .map(|item| item[field].as_str().unwrap_or("null").to_owned())
        .collect()
}
