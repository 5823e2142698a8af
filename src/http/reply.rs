//! What goes back: an answer that is whole, or a refusal, in the shape that the path speaks.

use axum::{
    body::Bytes,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};

use super::{graphql, negotiation::Media};
use crate::graphql::{
    context::RequestId,
    error::{ApiError, ErrorCode, finish},
};

/// Says that an answer was given before: the header that a repeated request's answer has.
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Below this everything is told in JSON of its own, elsewhere in GraphQL's shape.
const REST_PATHS: &str = "/api/";

/// After how many seconds to come again, at most; each client is told another number, so that they do not come all at once.
const RETRY_SECONDS_MAXIMUM: u32 = 5;

/// An answer that is whole.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The content type.
    pub content_type: HeaderValue,
    /// The body.
    pub body: Bytes,
    /// Whether it may stand as the answer to the same request sent again: the request was executed, and nothing failed that may
    /// work later.
    pub is_final: bool,
    /// Whether it is to say when to come again.
    pub is_retryable: bool,
    /// Whether it was given before.
    pub is_replayed: bool,
}

impl Reply {
    /// An answer, final unless its status says that the server failed or is busy.
    pub fn new(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type,
            body: body.into(),
            is_final: !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS,
            is_retryable: status == StatusCode::SERVICE_UNAVAILABLE,
            is_replayed: false,
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = (self.status, [(CONTENT_TYPE, self.content_type)], self.body).into_response();
        let headers = response.headers_mut();
        if self.is_retryable {
            headers.insert(RETRY_AFTER, retry_after());
        }
        if self.is_replayed {
            headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// A request that is refused: before there is anything to execute, or as a whole.
#[derive(Debug)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// What is told.
    pub error: ApiError,
    /// What is told beside.
    pub headers: HeaderMap,
}

impl Refusal {
    /// BAD_USER_INPUT with a status.
    pub fn new(status: StatusCode, message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::of(status, ApiError::new(ErrorCode::BadUserInput, message))
    }

    /// An error with another status than that of its code. What may work later says when.
    pub fn of(status: StatusCode, error: ApiError) -> Self {
        let refusal = Self {
            status,
            error,
            headers: HeaderMap::new(),
        };
        if refusal.error.code() == ErrorCode::Unavailable {
            return refusal.with(RETRY_AFTER, retry_after());
        }
        refusal
    }

    /// Tells a header beside.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// In GraphQL's shape.
    pub fn into_graphql(self, id: &RequestId) -> Response {
        let mut response = graphql::refuse(self.status, self.error, id);
        response.headers_mut().extend(self.headers);
        response
    }

    /// As a JSON object with `code`, `message`, and what else belongs to the error, such as `limit` and `actual`.
    pub fn into_rest(mut self, id: &RequestId) -> Response {
        let headers = std::mem::take(&mut self.headers);
        let mut response = self.into_rest_reply(id).into_response();
        response.headers_mut().extend(headers);
        response
    }

    /// The same as an answer to an execution: what may work later is not final.
    pub fn into_rest_reply(self, id: &RequestId) -> Reply {
        log(self.status, self.error.code(), id);
        let mut error = self.error.into_server_error();
        finish(&mut error, id.as_str());
        let mut object = serde_json::to_value(error.extensions).unwrap_or_default();
        object["message"] = error.message.into();
        Reply::new(self.status, Media::Json.content_type(), object.to_string())
    }

    /// In the shape that is spoken at a path.
    pub fn at(self, path: &str, id: &RequestId) -> Response {
        if path.starts_with(REST_PATHS) {
            self.into_rest(id)
        } else {
            self.into_graphql(id)
        }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::of(status_of(error.code()), error)
    }
}

/// The status of a request that failed as a whole.
fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Conflict => StatusCode::CONFLICT,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::GraphqlParseFailed
        | ErrorCode::GraphqlValidationFailed
        | ErrorCode::BadUserInput
        | ErrorCode::BadCursor
        | ErrorCode::UnknownPartitionKey
        | ErrorCode::FailedPrecondition
        | ErrorCode::LimitExceeded => StatusCode::BAD_REQUEST,
    }
}

/// After how many seconds to come again.
pub fn retry_after() -> HeaderValue {
    HeaderValue::from(fastrand::u32(1..=RETRY_SECONDS_MAXIMUM))
}

/// The line that a refusal leaves in the log.
pub fn log(status: StatusCode, code: ErrorCode, id: &RequestId) {
    tracing::info!(
        target: "heirloom::request",
        request_id = id.as_str(),
        status = status.as_u16(),
        code = code.as_str(),
        "refused"
    );
}
