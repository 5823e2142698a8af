//! OpenLineage over HTTP: `POST /api/v1/lineage` takes an event, `POST /api/v1/lineage/batch` a list of them, as the specification's
//! API and Marquez have it.

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json, value::RawValue};

use super::graphql::refuse;
use crate::{
    domain::{openlineage::Event, record::Record},
    graphql::{
        context::RequestId,
        error::{ApiError, ErrorCode, finish},
        resources::rejection_code,
    },
    service::{Mode, Rejection, Verdict, Writer},
};

/// From how many bytes on a body is read apart from the threads that answer requests.
const LARGE: usize = 64 * 1024;

/// What the routes need.
#[derive(Clone)]
struct Transport {
    writer: Writer,
    body_limit: usize,
    event_limit: usize,
}

/// The two routes. Bodies of more than `body_limit` bytes are refused, and events of more than `event_limit`.
pub fn routes<S>(writer: Writer, body_limit: usize, event_limit: usize) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/api/v1/lineage", post(take_event).fallback(refuse_method))
        .route("/api/v1/lineage/batch", post(take_batch).fallback(refuse_method))
        .with_state(Transport {
            writer,
            body_limit,
            event_limit,
        })
}

async fn refuse_method(Extension(id): Extension<RequestId>) -> Response {
    let error = ApiError::new(ErrorCode::BadUserInput, "Events are sent by POST.");
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, error, &id);
    response
        .headers_mut()
        .insert(header::ALLOW, header::HeaderValue::from_static("POST"));
    response
}

async fn take_event(
    State(transport): State<Transport>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Response {
    let body = match read_text(request, transport.body_limit).await {
        Ok(body) => body,
        Err(error) => return answer_error(error, &id),
    };
    let limit = transport.event_limit;
    let event = match apart(body, move |body| parse(&body, limit)).await {
        Ok(event) => event,
        Err(error) => return answer_error(error, &id),
    };
    match transport.writer.submit(vec![Record::Event(event)], Mode::Ingest).await {
        Ok(answer) => match answer.verdicts.into_iter().next() {
            Some(Verdict::Rejected(rejection)) => answer_error(refused(rejection), &id),
            Some(Verdict::Unchanged(_)) => answer_json(StatusCode::OK, &json!({"status": "success", "created": false})),
            _ => answer_json(StatusCode::CREATED, &json!({"status": "success", "created": true})),
        },
        Err(error) => answer_error(error.into(), &id),
    }
}

async fn take_batch(
    State(transport): State<Transport>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Response {
    let body = match read_text(request, transport.body_limit).await {
        Ok(body) => body,
        Err(error) => return answer_error(error, &id),
    };
    let limit = transport.event_limit;
    let read = match apart(body, move |body| parse_all(&body, limit)).await {
        Ok(read) => read,
        Err(error) => return answer_error(error, &id),
    };
    let mut failed: Vec<Failed> = Vec::new();
    let mut records = Vec::with_capacity(read.len());
    let mut indices = Vec::with_capacity(read.len());
    let received = read.len();
    for (index, event) in read.into_iter().enumerate() {
        match event {
            Ok(event) => {
                records.push(Record::Event(event));
                indices.push(index);
            }
            Err(error) => failed.push(Failed { index, error }),
        }
    }
    if !records.is_empty() {
        match transport.writer.submit(records, Mode::Ingest).await {
            Ok(answer) => failed.extend(indices.into_iter().zip(answer.verdicts).filter_map(|(index, verdict)| {
                let Verdict::Rejected(rejection) = verdict else {
                    return None;
                };
                Some(Failed {
                    index,
                    error: refused(rejection),
                })
            })),
            Err(error) => {
                return answer_error(error.into(), &id);
            }
        }
    }
    failed.sort_by_key(|failed| failed.index);
    answer_json(StatusCode::OK, &summary(received, &failed))
}

async fn read_text(request: Request, limit: usize) -> Result<String, ApiError> {
    let body = http_body_util::Limited::new(request.into_body(), limit);
    let bytes = http_body_util::BodyExt::collect(body).await;
    let bytes =
        bytes.map_err(|_| ApiError::limit_exceeded("limits.event_body_bytes", "The body's bytes", limit, limit + 1))?;
    String::from_utf8(bytes.to_bytes().into())
        .map_err(|_| ApiError::new(ErrorCode::BadUserInput, "The body is no UTF-8: send JSON in UTF-8."))
}

/// An event of a batch that was not recorded.
struct Failed {
    index: usize,
    error: ApiError,
}

/// What became of a batch, as the specification has it.
fn summary(received: usize, failed: &[Failed]) -> Value {
    let retriable = failed.iter().filter(|one| one.error.code().is_retryable()).count();
    let events = failed.iter().map(|Failed { index, error }| {
        json!({
            "index": index, "reason": error.message(), "retriable": error.code().is_retryable(),
            "code": error.code().as_str(), "argument": error.argument(),
        })
    });
    json!({
        "status": if failed.is_empty() { "success" } else { "partial_success" },
        "summary": {
            "received": received, "successful": received - failed.len(), "failed": failed.len(),
            "retriable": retriable, "non_retriable": failed.len() - retriable,
        },
        "failed_events": events.collect::<Vec<_>>(),
    })
}

/// Reads an event.
fn parse(text: &str, limit: usize) -> Result<Box<Event>, ApiError> {
    if text.len() > limit {
        return Err(ApiError::limit_exceeded(
            "limits.event_bytes",
            "The event's bytes",
            limit,
            text.len(),
        ));
    }
    Event::parse(text).map(Box::new).map_err(ApiError::from)
}

/// Reads each event of a list by itself.
fn parse_all(text: &str, limit: usize) -> Result<Vec<Result<Box<Event>, ApiError>>, ApiError> {
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
        let what = if text.trim_start().starts_with('[') {
            "no JSON"
        } else {
            "no list of events"
        };
        ApiError::new(
            ErrorCode::BadUserInput,
            format!("The body is {what}: {error}. Send a JSON array of events."),
        )
    })?;
    Ok(items.into_iter().map(|item| parse(item.get(), limit)).collect())
}

/// Reads a body where it holds up nobody: a large one on a thread of its own.
async fn apart<T: Send + 'static>(
    body: String,
    read: impl FnOnce(String) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    if body.len() < LARGE {
        return read(body);
    }
    let done = tokio::task::spawn_blocking(move || read(body)).await;
    done.unwrap_or_else(|error| Err(ApiError::internal(error)))
}

fn status_of(error: &ApiError) -> StatusCode {
    match error.code() {
        ErrorCode::Conflict | ErrorCode::FailedPrecondition => StatusCode::CONFLICT,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::LimitExceeded => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// Of a refused event: its argument is a path in the event.
fn refused(rejection: Rejection) -> ApiError {
    let error = ApiError::new(rejection_code(rejection.code), rejection.message);
    error.about(rejection.argument)
}

/// Answers an error: its code, its sentence and what it is about; when to try again, where that may help.
fn answer_error(error: ApiError, id: &RequestId) -> Response {
    let status = status_of(&error);
    let argument = error.argument().map(str::to_owned);
    let mut error = error.into_server_error();
    let code = finish(&mut error, id.as_str());
    tracing::info!(target: "heirloom::request", request_id = id.as_str(), status = status.as_u16(), code = code.as_str(), "refused");
    let body = json!({"code": code.as_str(), "message": error.message, "argument": argument, "requestId": id.as_str()});
    let mut response = answer_json(status, &body);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}

fn answer_json(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
