//! GraphQL over HTTP, by hand to the specification: `GET` for queries, `POST` with JSON for all.
//!
//! Every answer has the shape of a GraphQL answer, whatever went wrong. A request that another site's page can send
//! without asking (a form, plain text, a link) never changes anything: `POST` takes JSON only, and `GET` runs queries
//! only.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_graphql::parser::types::OperationType;
use axum::{
    Extension, Router,
    body::{BodyDataStream, Bytes},
    extract::{RawQuery, Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, VARY},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::BytesMut;
use futures_util::StreamExt;

use super::{
    negotiation::{Media, is_json_body},
    params,
};
use crate::graphql::{
    context::{RequestContext, RequestId},
    engine::{Answer, Engine, Operation},
    error::{ApiError, ErrorCode},
};

/// The methods of the route.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");

/// How long the rest of a body that is too large is read and thrown away, so that the client gets to read the refusal.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// The most bytes that are set aside for a body on the word of its client alone.
const FIRST_ALLOCATION: usize = 256 * 1024;

/// What the route needs.
#[derive(Clone)]
struct Transport {
    engine: Arc<Engine>,
    body_limit: usize,
}

/// `/graphql`. Bodies of more than `body_limit` bytes are refused.
pub fn routes<S>(engine: Arc<Engine>, body_limit: usize) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let methods = get(answer_get).post(answer_post).fallback(refuse_method);
    Router::new()
        .route("/graphql", methods)
        .with_state(Transport { engine, body_limit })
}

/// A request that is refused before there is anything to execute.
struct Refusal {
    status: StatusCode,
    error: ApiError,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self {
            status,
            error: ApiError::new(ErrorCode::BadUserInput, message),
        }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error,
        }
    }
}

async fn answer_get(
    State(transport): State<Transport>,
    Extension(id): Extension<RequestId>,
    RawQuery(query_string): RawQuery,
    headers: HeaderMap,
) -> Response {
    let begun = Instant::now();
    let read = || -> Result<_, Refusal> {
        let media = negotiate(&headers)?;
        Ok((
            media,
            params::from_query_string(query_string.as_deref().unwrap_or_default())?,
        ))
    };
    match read() {
        Ok((media, operation)) => {
            run(
                &transport,
                Run {
                    operation,
                    media,
                    begun,
                    id,
                    may_write: false,
                },
            )
            .await
        }
        Err(Refusal { status, error }) => refuse(status, error, &id),
    }
}

async fn answer_post(
    State(transport): State<Transport>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Response {
    let begun = Instant::now();
    match read_post(&transport, request).await {
        Ok((media, operation)) => {
            run(
                &transport,
                Run {
                    operation,
                    media,
                    begun,
                    id,
                    may_write: true,
                },
            )
            .await
        }
        Err(Refusal { status, error }) => refuse(status, error, &id),
    }
}

async fn refuse_method(Extension(id): Extension<RequestId>) -> Response {
    let error = ApiError::new(
        ErrorCode::BadUserInput,
        "GraphQL is asked by GET or POST: use one of them.",
    );
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, error, &id);
    response.headers_mut().insert(ALLOW, METHODS);
    response
}

async fn read_post(transport: &Transport, request: Request) -> Result<(Media, Operation), Refusal> {
    let media = negotiate(request.headers())?;
    if !is_json_body(request.headers()) {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body is not declared as JSON: send it with \"content-type: application/json\", in UTF-8.",
        ));
    }
    let body = read_body(request, transport.body_limit).await?;
    Ok((media, params::from_body(&body)?))
}

fn negotiate(headers: &HeaderMap) -> Result<Media, Refusal> {
    Media::accepted(headers).ok_or_else(|| {
        Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            "No accepted media type is written here: accept application/graphql-response+json or application/json.",
        )
    })
}

async fn read_body(request: Request, limit: usize) -> Result<Bytes, Refusal> {
    let declared = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let mut chunks = request.into_body().into_data_stream();
    if let Some(length) = declared.filter(|&length: &usize| length > limit) {
        drain(chunks);
        return Err(too_large(limit, length));
    }
    let mut body = BytesMut::with_capacity(declared.unwrap_or_default().min(FIRST_ALLOCATION));
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "The body broke off: send all of it."))?;
        if body.len() + chunk.len() > limit {
            drain(chunks);
            return Err(too_large(limit, limit + 1));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn too_large(limit: usize, actual: usize) -> Refusal {
    Refusal {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        error: ApiError::limit_exceeded("server.body_limit_bytes", "The body's bytes", limit, actual),
    }
}

/// Reads a body on and throws it away, beside the answer: most clients read no answer before they have sent everything.
fn drain(mut rest: BodyDataStream) {
    let to_its_end = async move { while let Some(Ok(_)) = rest.next().await {} };
    tokio::spawn(tokio::time::timeout(DRAIN_LIMIT, to_its_end));
}

/// One operation on its way.
struct Run {
    operation: Operation,
    media: Media,
    begun: Instant,
    id: RequestId,
    /// Whether it may be a mutation.
    may_write: bool,
}

async fn run(transport: &Transport, run: Run) -> Response {
    let Run {
        operation,
        media,
        begun,
        id,
        may_write,
    } = run;
    let engine = &transport.engine;
    let context = RequestContext::new(id.clone(), Arc::clone(engine.limits()));
    let mut line = LogLine {
        begun,
        id: &id,
        statements: context.statements.clone(),
        name: None,
        kind: None,
    };
    let prepared = match engine.prepare(operation).await {
        Ok(prepared) => prepared,
        Err(errors) => return line.end(media, Answer::refused(errors, id.as_str())),
    };
    line.kind = Some(prepared.kind());
    line.name = prepared.name().map(str::to_owned);
    if !may_write && prepared.kind() != OperationType::Query {
        let error = ApiError::new(
            ErrorCode::BadUserInput,
            "Only a query can be run by GET: send this operation by POST.",
        );
        let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, error, &id);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let answer = engine.execute(prepared, context).await;
    line.end(media, answer)
}

/// The one line that a request leaves in the log.
struct LogLine<'a> {
    begun: Instant,
    id: &'a RequestId,
    statements: crate::graphql::context::StatementCounter,
    name: Option<String>,
    kind: Option<OperationType>,
}

impl LogLine<'_> {
    fn end(self, media: Media, answer: Answer) -> Response {
        let status = status_of(media, &answer);
        self.write(status, &answer);
        respond(status, media, &answer)
    }

    fn write(&self, status: StatusCode, answer: &Answer) {
        let codes: Vec<_> = answer.codes().map(ErrorCode::as_str).collect();
        let is_ours = answer.codes().any(ErrorCode::is_server_fault);
        let kind = self.kind.map(tracing::field::display);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "heirloom::request",
                    request_id = self.id.as_str(),
                    operation = self.name,
                    kind,
                    status = status.as_u16(),
                    elapsed_us = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX),
                    statements = self.statements.total(),
                    errors = (!codes.is_empty()).then(|| tracing::field::debug(&codes)),
                    "graphql"
                )
            };
        }
        if is_ours { line!(warn) } else { line!(info) }
    }
}

/// A request that was executed is a success in HTTP's eyes, and so is, for an older client, one that was understood.
fn status_of(media: Media, answer: &Answer) -> StatusCode {
    match media {
        Media::GraphqlResponse if answer.data.is_none() => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}

fn respond(status: StatusCode, media: Media, answer: &Answer) -> Response {
    match serde_json::to_vec(answer) {
        Ok(body) => (
            status,
            [
                (CONTENT_TYPE, media.content_type()),
                (VARY, HeaderValue::from_static("accept")),
            ],
            body,
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The answer to a request that fails before, or beside, GraphQL: in GraphQL's shape all the same.
pub fn refuse(status: StatusCode, error: ApiError, id: &RequestId) -> Response {
    let code = error.code().as_str();
    tracing::info!(target: "heirloom::request", request_id = id.as_str(), status = status.as_u16(), code, "refused");
    respond(status, Media::Json, &Answer::refused(vec![error], id.as_str()))
}
