//! OpenLineage over HTTP: `POST /api/v1/lineage` takes an event, `POST /api/v1/lineage/batch` a list of them, as the specification's
//! API and Marquez have it.

use std::{
    fmt,
    iter::{Enumerate, Peekable},
    slice, vec,
};

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header::ALLOW},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::{Value, json, value::RawValue};

use super::{
    body::{self, BodyLimit, Received},
    elements::elements,
    idempotency::{self, Keyed},
    negotiation::is_json_body,
    reply::{Refusal, Reply},
};
use crate::{
    config::Limits,
    domain::{openlineage::Draft, record::Record},
    graphql::{
        context::RequestId,
        error::{ApiError, ErrorCode},
        resources::rejection_code,
    },
    service::{Mode, Rejection, Verdict, Writer, idempotency::Answers, parallel, queue::PART},
};

/// How many events of a batch are read at the same time, at most.
const STRIDE: usize = 256;
/// And bytes of their texts, unless one alone has more.
const STRIDE_BYTES: usize = 1024 * 1024;

/// What the routes need.
#[derive(Clone)]
struct Transport {
    writer: Writer,
    answers: Option<Answers>,
    bodies: BodyLimit,
    /// The most bytes of an event.
    event_bytes: usize,
    /// The most events of a batch.
    batch_maximum: usize,
}

/// The two routes. Events that are larger than the limits allow are refused, and so are batches of more.
pub fn routes<S>(writer: Writer, answers: Option<Answers>, bodies: BodyLimit, limits: &Limits) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/api/v1/lineage", post(take_event).fallback(refuse_method))
        .route("/api/v1/lineage/batch", post(take_batch).fallback(refuse_method))
        .with_state(Transport {
            writer,
            answers,
            bodies,
            event_bytes: limits.event_bytes,
            batch_maximum: limits.event_batch_maximum,
        })
}

async fn refuse_method(Extension(id): Extension<RequestId>) -> Response {
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Events are sent by POST: use it.");
    refusal.with(ALLOW, HeaderValue::from_static("POST")).into_rest(&id)
}

async fn take_event(
    State(transport): State<Transport>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Response {
    let answered = take(transport, id.clone(), request, Taken::Event).await;
    answered.map_or_else(|refusal| refusal.into_rest(&id), IntoResponse::into_response)
}

async fn take_batch(
    State(transport): State<Transport>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Response {
    let answered = take(transport, id.clone(), request, Taken::Batch).await;
    answered.map_or_else(|refusal| refusal.into_rest(&id), IntoResponse::into_response)
}

/// What a body is.
#[derive(Clone, Copy)]
enum Taken {
    Event,
    Batch,
}

async fn take(transport: Transport, id: RequestId, request: Request, what: Taken) -> Result<Reply, Refusal> {
    let (parts, body) = request.into_parts();
    if !is_json_body(&parts.headers) {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body is not declared as JSON: send it with \"content-type: application/json\", in UTF-8.",
        ));
    }
    let body = body::read(&parts.headers, body, &transport.bodies).await?;
    let keyed = Keyed::of(&parts, &body)?;
    let answers = transport.answers.clone();
    let recorded = async move {
        let recorded = match what {
            Taken::Event => record_event(&transport, body).await,
            Taken::Batch => record_batch(&transport, body).await,
        };
        recorded.unwrap_or_else(|refusal| refusal.into_rest_reply(&id))
    };
    idempotency::once(answers.as_ref(), keyed, recorded).await
}

async fn record_event(transport: &Transport, body: Received) -> Result<Reply, Refusal> {
    let mut announced = transport.writer.announce(body.len()).map_err(ApiError::from)?;
    let event = parse(utf8("body", &body)?, transport.event_bytes)?.finish();
    drop(body);
    let answer = announced
        .submit(vec![Record::Event(Box::new(event))], Mode::Ingest)
        .await;
    let verdict = answer.map_err(ApiError::from)?.verdicts.into_iter().next();
    match verdict {
        Some(Verdict::Rejected(rejection)) => Err(refused(rejection).into()),
        // Known before.
        Some(Verdict::Unchanged(_)) => Ok(json(StatusCode::OK, &json!({"status": "success", "created": false}))),
        _ => Ok(json(
            StatusCode::CREATED,
            &json!({"status": "success", "created": true}),
        )),
    }
}

/// Records a batch, in parts where it is large: the next is not read before the one before is on disk. Where the client goes away in between,
/// it ends there.
async fn record_batch(transport: &Transport, body: Received) -> Result<Reply, Refusal> {
    let mut announced = transport.writer.announce(body.len()).map_err(ApiError::from)?;
    let elements = told_apart(&body, transport.batch_maximum)?;
    let mut failed = Vec::new();
    let mut drafts = Drafts::of(&elements, transport.event_bytes);
    while !drafts.is_done() {
        announced.room().await;
        let Part { records, indices } = next_part(&mut drafts, &mut failed);
        if records.is_empty() {
            break;
        }
        let answer = announced.submit(records, Mode::Ingest).await;
        let verdicts = indices.into_iter().zip(answer.map_err(ApiError::from)?.verdicts);
        failed.extend(verdicts.filter_map(|(index, verdict)| match verdict {
            Verdict::Rejected(rejection) => Some(Failed {
                index,
                error: refused(rejection),
            }),
            _ => None,
        }));
    }
    failed.sort_by_key(|failed| failed.index);
    Ok(json(StatusCode::OK, &summary(elements.len(), &failed)))
}

/// Events of a batch that are recorded together, and where each of them stands.
struct Part {
    records: Vec<Record>,
    indices: Vec<usize>,
}

/// Takes the next events of a batch, until they are [`PART`] bytes, each by its size. What is no event goes among those that failed.
fn next_part(drafts: &mut Drafts<'_>, failed: &mut Vec<Failed>) -> Part {
    let (mut records, mut indices, mut size) = (Vec::new(), Vec::new(), 0);
    while size < PART
        && let Some((index, draft)) = drafts.next()
    {
        match draft {
            Ok(draft) => {
                let event = draft.finish();
                size += event.size();
                records.push(Record::Event(Box::new(event)));
                indices.push(index);
            }
            Err(Refusal { error, .. }) => failed.push(Failed { index, error }),
        }
    }
    Part { records, indices }
}

/// The events of a batch and where each of them stands, read a stride at a time on all processors.
struct Drafts<'a> {
    unread: Peekable<Enumerate<slice::Iter<'a, &'a [u8]>>>,
    read: vec::IntoIter<(usize, Result<Draft, Refusal>)>,
    /// The most bytes of an event.
    limit: usize,
}

impl<'a> Drafts<'a> {
    fn of(elements: &'a [&'a [u8]], limit: usize) -> Self {
        Self {
            unread: elements.iter().enumerate().peekable(),
            read: Vec::new().into_iter(),
            limit,
        }
    }

    fn is_done(&self) -> bool {
        self.read.len() == 0 && self.unread.len() == 0
    }

    fn read_stride(&mut self) {
        let (mut stride, mut bytes) = (Vec::new(), 0);
        while stride.len() < STRIDE
            && let Some((index, element)) = self
                .unread
                .next_if(|(_, element)| bytes == 0 || bytes + element.len() <= STRIDE_BYTES)
        {
            bytes += element.len();
            stride.push((index, *element));
        }
        let limit = self.limit;
        let read = |(index, element)| (index, draft(element, limit));
        self.read = parallel::map(stride, bytes, read).into_iter();
    }
}

impl Iterator for Drafts<'_> {
    type Item = (usize, Result<Draft, Refusal>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.read.len() == 0 {
            self.read_stride();
        }
        self.read.next()
    }
}

/// Reads an element of a batch.
fn draft(element: &[u8], limit: usize) -> Result<Draft, Refusal> {
    let text = utf8("event", element).map_err(|error| error.about(""))?;
    parse(text, limit)
}

/// An event of a batch that was not recorded.
struct Failed {
    index: usize,
    error: ApiError,
}

/// What became of a batch, as the specification has it; beside, the code of each failure and the member that it is about.
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
fn parse(text: &str, limit: usize) -> Result<Draft, Refusal> {
    if text.len() > limit {
        let advice = "leave out its largest facets, or raise the limit";
        let error = ApiError::too_large("limits.event_bytes", "The event", limit, text.len(), advice);
        return Err(Refusal::of(StatusCode::PAYLOAD_TOO_LARGE, error.about("")));
    }
    Ok(Draft::parse(text).map_err(ApiError::from)?)
}

/// The events of a list, `most` of them. Where the list is no JSON, they are told apart by brackets and commas, if they can be.
fn told_apart(body: &[u8], most: usize) -> Result<Vec<&[u8]>, Refusal> {
    let elements = match items(body, most) {
        Ok(items) => items.into_iter().map(|item| item.get().as_bytes()).collect(),
        Err(refusal) => elements(body, most).ok_or(refusal)?,
    };
    check_count(elements.len(), most)?;
    Ok(elements)
}

/// Verdicts take memory too, however small the events are.
fn check_count(count: usize, most: usize) -> Result<(), Refusal> {
    if count <= most {
        return Ok(());
    }
    let message = format!(
        "The batch has more events than the {most} that limits.event_batch_maximum allows: send them in several batches."
    );
    let error = ApiError::over_limit(message, most, count);
    Err(Refusal::of(StatusCode::PAYLOAD_TOO_LARGE, error))
}

/// The elements of a list that is JSON.
fn items(body: &[u8], most: usize) -> Result<Vec<&RawValue>, Refusal> {
    let text = utf8("body", body)?;
    let mut list = serde_json::Deserializer::from_str(text);
    let items = Items { most }.deserialize(&mut list);
    let items = items.and_then(|items| list.end().map(|()| items));
    items.map_err(|error| {
        let what = if text.trim_start().starts_with('[') {
            "no JSON"
        } else {
            "no list of events"
        };
        let message = format!("The body is {what}: {error}; send a JSON array of events.");
        ApiError::new(ErrorCode::BadUserInput, message).into()
    })
}

/// A list that is read up to one element more than is allowed.
struct Items {
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Items {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, list: D) -> Result<Self::Value, D::Error> {
        list.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() <= self.most {
            match list.next_element()? {
                Some(item) => items.push(item),
                None => break,
            }
        }
        Ok(items)
    }
}

/// The text of a body or an event.
fn utf8<'a>(what: &str, bytes: &'a [u8]) -> Result<&'a str, ApiError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let message = format!("The {what} is no UTF-8 from byte {at} on: send JSON in UTF-8.");
        ApiError::new(ErrorCode::BadUserInput, message)
    })
}

/// The error of a refused event: its argument is a path in the event.
fn refused(rejection: Rejection) -> ApiError {
    let error = ApiError::new(rejection_code(rejection.code), rejection.message);
    error.about(rejection.argument)
}

fn json(status: StatusCode, body: &Value) -> Reply {
    Reply::new(status, HeaderValue::from_static("application/json"), body.to_string())
}
