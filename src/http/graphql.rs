//! GraphQL over HTTP, by hand to the specification: `GET` for queries, `POST` with JSON for all.
//!
//! Every answer has the shape of a GraphQL answer, whatever went wrong. A request that another site's page can send
//! without asking (a form, plain text, a link) never changes anything: `POST` takes JSON only, and `GET` runs queries
//! only.

use std::{sync::Arc, time::Instant};

use async_graphql::parser::types::OperationType;
use axum::{
    Extension, Router,
    body::Bytes,
    extract::{RawQuery, Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{ALLOW, VARY},
    },
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    body::{self, BodyLimit, Share},
    idempotency::{self, Keyed},
    negotiation::{Media, is_json_body},
    params,
    reply::{self, Refusal, Reply},
};
use crate::{
    graphql::{
        context::{RequestContext, RequestId, StatementCounter},
        engine::{Answer, Engine, Operation},
        error::{ApiError, ErrorCode},
    },
    service::idempotency::Answers,
};

/// The methods of the route.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");

/// What the route needs.
#[derive(Clone)]
struct Transport {
    engine: Arc<Engine>,
    answers: Option<Answers>,
    body_limit: BodyLimit,
}

/// `/graphql`. Mutations with an `Idempotency-Key` are looked up among `answers`.
pub fn routes<S>(engine: Arc<Engine>, answers: Option<Answers>, body_limit: BodyLimit) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let methods = get(answer_get).post(answer_post).fallback(refuse_method);
    Router::new().route("/graphql", methods).with_state(Transport {
        engine,
        answers,
        body_limit,
    })
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
        let operation = params::from_query_string(query_string.as_deref().unwrap_or_default())?;
        Ok((media, operation))
    };
    let answered = match read() {
        Ok((media, operation)) => {
            let line = LogLine::begin(begun, &id, media);
            run(&transport, operation, Method::Get, line).await
        }
        Err(refusal) => Err(refusal),
    };
    answered.unwrap_or_else(|refusal| refusal.into_graphql(&id))
}

async fn answer_post(
    State(transport): State<Transport>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Response {
    let begun = Instant::now();
    let answered = match read_post(&transport, request).await {
        Ok((media, operation, method)) => {
            let line = LogLine::begin(begun, &id, media);
            run(&transport, operation, method, line).await
        }
        Err(refusal) => Err(refusal),
    };
    answered.unwrap_or_else(|refusal| refusal.into_graphql(&id))
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

async fn read_post(transport: &Transport, request: Request) -> Result<(Media, Operation, Method), Refusal> {
    let (parts, body) = request.into_parts();
    let media = negotiate(&parts.headers)?;
    if !is_json_body(&parts.headers) {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body is not declared as JSON: send it with \"content-type: application/json\", in UTF-8.",
        ));
    }
    let body = body::read(&parts.headers, body, &transport.body_limit).await?;
    let operation = params::from_body(&body)?;
    let keyed = Keyed::of(&parts, &body);
    let share = body.into_share();
    Ok((media, operation, Method::Post { keyed, share }))
}

fn negotiate(headers: &HeaderMap) -> Result<Media, Refusal> {
    Media::accepted(headers).ok_or_else(|| {
        Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            "No accepted media type is written here: accept application/graphql-response+json or application/json.",
        )
    })
}

/// How an operation was sent.
enum Method {
    /// It may only be a query.
    Get,
    /// It may be a mutation.
    Post {
        /// Its key, or why it has none that can be used, which is of interest for a mutation only.
        keyed: Result<Option<Keyed>, Refusal>,
        /// The room that what it says takes until it is answered.
        share: Share,
    },
}

impl Method {
    /// What belongs to an operation of a kind that was sent so.
    fn permit(self, kind: OperationType) -> Result<(Option<Keyed>, Share), Refusal> {
        let is_query = kind == OperationType::Query;
        match self {
            Self::Get if is_query => Ok((None, Share::default())),
            Self::Get => Err(Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "Only a query can be run by GET: send this operation by POST.",
            )
            .with(ALLOW, HeaderValue::from_static("POST"))),
            Self::Post { share, .. } if is_query => Ok((None, share)),
            Self::Post { keyed, share } => Ok((keyed?, share)),
        }
    }
}

/// Runs an operation, or finds the answer that it was given before.
async fn run(
    transport: &Transport,
    operation: Operation,
    method: Method,
    mut line: LogLine,
) -> Result<Response, Refusal> {
    let engine = Arc::clone(&transport.engine);
    let prepared = match engine.prepare(operation).await {
        Ok(prepared) => prepared,
        Err(errors) => {
            let answer = Answer::refused(errors, &line.id);
            return Ok(varying(line.end(answer)));
        }
    };
    line.kind = Some(prepared.kind());
    line.name = prepared.name().map(str::to_owned);
    let (keyed, share) = method.permit(prepared.kind())?;
    let mut context = RequestContext::new(line.id.clone(), Arc::clone(engine.limits()));
    context.statements = line.statements.clone();
    context.seed = keyed.as_ref().map(Keyed::seed);
    let id = line.id.clone();
    let execution = async move {
        let answer = engine.execute(prepared, context).await;
        drop(share);
        line.end(answer)
    };
    let reply = idempotency::once(transport.answers.as_ref(), keyed, execution).await?;
    if reply.is_replayed {
        tracing::info!(target: "heirloom::request", request_id = id.as_str(), status = reply.status.as_u16(), "replayed");
    }
    Ok(varying(reply))
}

/// An answer whose form depends on what the client accepts.
fn varying(reply: Reply) -> Response {
    let mut response = reply.into_response();
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}

/// A request under way, and the one line that it leaves in the log.
struct LogLine {
    begun: Instant,
    id: RequestId,
    media: Media,
    statements: StatementCounter,
    name: Option<String>,
    kind: Option<OperationType>,
}

impl LogLine {
    fn begin(begun: Instant, id: &RequestId, media: Media) -> Self {
        Self {
            begun,
            id: id.clone(),
            media,
            statements: StatementCounter::default(),
            name: None,
            kind: None,
        }
    }

    fn end(self, mut answer: Answer) -> Reply {
        let body = answer.write();
        let status = status_of(self.media, &answer);
        self.write(status, &answer);
        reply(status, self.media, &answer, body)
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

fn reply(status: StatusCode, media: Media, answer: &Answer, body: serde_json::Result<Vec<u8>>) -> Reply {
    match body {
        Ok(body) => {
            let mut reply = Reply::new(status, media.content_type(), body);
            reply.is_final &= answer.data.is_some() && !answer.codes().any(ErrorCode::is_server_fault);
            reply.is_retryable = answer.is_unavailable();
            reply
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            Reply::new(StatusCode::INTERNAL_SERVER_ERROR, media.content_type(), Bytes::new())
        }
    }
}

/// The answer to a request that fails before, or beside, GraphQL: in GraphQL's shape all the same.
pub fn refuse(status: StatusCode, error: ApiError, id: &RequestId) -> Response {
    reply::log(status, error.code(), id);
    let mut answer = Answer::refused(vec![error], id);
    let body = answer.write();
    varying(reply(status, Media::Json, &answer, body))
}
