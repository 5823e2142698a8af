//! A small schema behind the real transport: for what is true of every schema, and needs no database.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use async_graphql::{Context, EmptySubscription, InputObject, Object, OneofObject, Schema, SimpleObject};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use heirloom::{
    config::Config,
    graphql::{
        context::RequestContext,
        engine::Engine,
        error::ApiError,
        scalars::{DateTime, Json, Long},
    },
    server::{AppState, router},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

#[derive(Default)]
pub struct Query;

/// An object, some fields of which fail.
pub struct Thing;

#[derive(SimpleObject)]
struct Row {
    id: i32,
}

#[derive(InputObject)]
struct Filter {
    name: Option<String>,
    at: Option<DateTime>,
    size: Option<i32>,
    tags: Option<Vec<String>>,
}

#[derive(OneofObject)]
enum AsOf {
    Revision(Long),
    Time(DateTime),
}

#[Object]
impl Thing {
    async fn slow(&self) -> i32 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        1
    }

    async fn fast(&self) -> i32 {
        2
    }

    async fn required(&self) -> Result<i32, ApiError> {
        Err(ApiError::not_found("It is not there: name one that is."))
    }

    async fn optional(&self) -> Option<Result<i32, ApiError>> {
        Some(Err(ApiError::not_found("It is not there: name one that is.")))
    }

    async fn items(&self) -> Vec<Option<Result<i32, ApiError>>> {
        vec![
            Some(Ok(1)),
            Some(Err(ApiError::not_found("It is not there: name one that is."))),
        ]
    }

    async fn child(&self) -> Self {
        Self
    }
}

#[Object]
impl Query {
    async fn thing(&self) -> Thing {
        Thing
    }

    async fn maybe(&self) -> Option<Thing> {
        Some(Thing)
    }

    async fn nullable(&self, n: Option<i32>) -> i32 {
        n.unwrap_or(-1)
    }

    async fn required(&self, n: i32) -> i32 {
        n
    }

    #[graphql(complexity = "1 + usize::try_from(first).unwrap_or(0) * child_complexity")]
    async fn rows(&self, first: i32) -> Vec<Row> {
        (0..first).map(|id| Row { id }).collect()
    }

    async fn filtered(&self, filter: Filter) -> Option<String> {
        let _ = (filter.at, filter.size, filter.tags);
        filter.name
    }

    async fn at(&self, as_of: AsOf) -> Json {
        Json(match as_of {
            AsOf::Revision(Long(number)) => number.to_string(),
            AsOf::Time(DateTime(time)) => json!(time.to_string()).to_string(),
        })
    }

    async fn time(&self, time: DateTime) -> DateTime {
        time
    }

    async fn long(&self, number: Long) -> Long {
        number
    }

    async fn json(&self, value: Json) -> Json {
        value
    }

    async fn text(&self, length: usize) -> String {
        "lorem ipsum ".repeat(length / 12)
    }

    async fn request_id(&self, ctx: &Context<'_>) -> String {
        ctx.data_unchecked::<RequestContext>().request_id.to_string()
    }

    async fn wait(&self, ms: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        ms
    }

    async fn panic(&self) -> i32 {
        std::hint::black_box::<Option<i32>>(None).expect("password is hunter2")
    }

    async fn internal(&self) -> Result<i32, ApiError> {
        Err(ApiError::internal("password is hunter2"))
    }

    async fn careless(&self) -> async_graphql::Result<i32> {
        Err(std::io::Error::other("password is hunter2").into())
    }
}

/// Counts what it has executed.
#[derive(Clone, Default)]
pub struct Mutation(pub Arc<AtomicUsize>);

#[Object]
impl Mutation {
    async fn write(&self, at: Option<DateTime>) -> usize {
        let _ = at;
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// The real router over the toy schema.
pub struct Toy {
    pub router: Router,
    writes: Arc<AtomicUsize>,
}

/// What came back.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
    pub json: Value,
}

impl Toy {
    pub fn new() -> Self {
        Self::with(&Config::default())
    }

    pub fn with(config: &Config) -> Self {
        let mutation = Mutation::default();
        let writes = Arc::clone(&mutation.0);
        let engine = Engine::new(|| Schema::build(Query, mutation.clone(), EmptySubscription), config);
        let state = AppState {
            config: Arc::new(config.clone()),
            engine: Arc::new(engine),
            answers: None,
            readiness: Arc::new(|| Box::pin(async { Err("the migration m2 is pending".to_owned()) })),
            events: None,
        };
        Self {
            router: router(state),
            writes,
        }
    }

    /// How many mutations have been executed.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Reply {
            status: parts.status,
            headers: parts.headers,
            bytes,
            json,
        }
    }

    /// Posts a body as JSON, accepting `application/graphql-response+json`.
    pub async fn post(&self, body: impl Into<Body>) -> Reply {
        let request = Request::post("/graphql")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/graphql-response+json");
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Runs an operation with variables.
    pub async fn run(&self, query: &str, variables: Value) -> Reply {
        self.post(json!({"query": query, "variables": variables}).to_string())
            .await
    }

    /// Runs an operation without variables.
    pub async fn query(&self, query: &str) -> Reply {
        self.run(query, json!({})).await
    }
}

impl Reply {
    /// The code of the first error.
    pub fn code(&self) -> &str {
        self.json["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_default()
    }

    /// The sentence of the first error.
    pub fn message(&self) -> &str {
        self.json["errors"][0]["message"].as_str().unwrap_or_default()
    }

    /// The body as a text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    pub fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Refused with this status and code, in GraphQL's shape, and without data.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status.as_u16(), self.code()), (status, code), "{}", self.text());
        assert!(self.json.get("data").is_none(), "{}", self.text());
        self
    }
}
