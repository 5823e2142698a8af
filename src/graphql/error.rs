//! What a client is told when something goes wrong: one list of codes, one sentence each.
//!
//! [`ApiError`] has no `Display` on purpose: async-graphql turns every `Display` into an error of its own, word for
//! word, and a driver's text would reach the client through a `?`.

use std::{any::Any, borrow::Cow, fmt::Debug, sync::Arc};

use async_graphql::{Error, ErrorExtensionValues, Pos, ServerError};

use crate::domain::Invalid;

/// The kinds of failure that a client can tell apart, in `extensions.code` of every error. The list is part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The document is no GraphQL.
    GraphqlParseFailed,
    /// The document does not fit the schema, or a variable does not fit its type.
    GraphqlValidationFailed,
    /// A value cannot be used; `extensions.argument` names it.
    BadUserInput,
    /// A cursor is malformed, or belongs to another list.
    BadCursor,
    /// A filter names a partition key that the artifact has not declared.
    UnknownPartitionKey,
    /// A mutation names something that is not there.
    NotFound,
    /// What is there contradicts what was asked for.
    Conflict,
    /// The state of the store does not allow it.
    FailedPrecondition,
    /// The caller is unknown.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// More was asked than a limit allows; `extensions.limit` and `extensions.actual` say the numbers.
    LimitExceeded,
    /// The answer took longer than a request may take.
    DeadlineExceeded,
    /// The database does not answer, or too much waits to be written; trying again may help.
    Unavailable,
    /// A fault of the server; `extensions.requestId` finds its cause in the log.
    Internal,
}

impl ErrorCode {
    /// All codes, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::GraphqlParseFailed,
        Self::GraphqlValidationFailed,
        Self::BadUserInput,
        Self::BadCursor,
        Self::UnknownPartitionKey,
        Self::NotFound,
        Self::Conflict,
        Self::FailedPrecondition,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::LimitExceeded,
        Self::DeadlineExceeded,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The code as it stands in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GraphqlParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::GraphqlValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::BadCursor => "BAD_CURSOR",
            Self::UnknownPartitionKey => "UNKNOWN_PARTITION_KEY",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::LimitExceeded => "LIMIT_EXCEEDED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }

    /// Whether the same request may succeed later; told in `extensions.retryable`.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::DeadlineExceeded | Self::Unavailable)
    }

    /// Whether the fault is ours: such errors are logged as warnings.
    pub const fn is_server_fault(self) -> bool {
        matches!(self, Self::DeadlineExceeded | Self::Unavailable | Self::Internal)
    }
}

/// An error on its way to the client.
///
/// One pointer wide, since it travels in every `Result` of a resolver.
#[derive(Debug, Clone)]
pub struct ApiError(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    code: ErrorCode,
    message: Cow<'static, str>,
    argument: Option<String>,
    numbers: Option<Numbers>,
    position: Option<Pos>,
    cause: Option<Cause>,
}

#[derive(Debug, Clone, Copy)]
struct Numbers {
    limit: u64,
    actual: u64,
}

/// What really happened, for the log only.
#[derive(Debug, Clone)]
struct Cause(Arc<str>);

/// All that a client hears of a fault of ours.
const INTERNAL_MESSAGE: &str = "The server failed to answer; report the request id, which finds the cause in its log.";

impl ApiError {
    /// An error of any code; the message is one sentence that says what was wrong and what would be right.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            argument: None,
            numbers: None,
            position: None,
            cause: None,
        }))
    }

    /// The value of `argument`, a path such as `input.partition[2].key`, cannot be used.
    pub fn bad_user_input(argument: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::BadUserInput, message).about(argument)
    }

    /// The cursor in `argument` is malformed, or belongs to another list.
    pub fn bad_cursor(argument: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::BadCursor, message).about(argument)
    }

    /// A filter names a partition key that the artifact has not declared.
    pub fn unknown_partition_key(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::UnknownPartitionKey, message)
    }

    /// A mutation names something that is not there.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// What is there contradicts what was asked for.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    /// The state of the store does not allow it.
    pub fn failed_precondition(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::FailedPrecondition, message)
    }

    /// More was asked than the limit called `name` in the configuration allows. `what` is the subject, such as "The
    /// document's aliases".
    pub fn limit_exceeded(name: &str, what: &str, limit: usize, actual: usize) -> Self {
        let message = format!("{what} number {actual}, but {name} allows {limit}: ask for less at a time.");
        Self::over_limit(message, limit, actual)
    }

    /// What was sent as one thing has more bytes than the limit called `name` allows; `advice` says what to do about it.
    pub fn too_large(name: &str, what: &str, limit: usize, actual: usize, advice: &str) -> Self {
        let message = format!("{what} has {actual} bytes, but {name} allows {limit}: {advice}.");
        Self::over_limit(message, limit, actual)
    }

    /// The answer would have more bytes than `limits.answer_bytes` allows.
    pub fn answer_too_large(limit: usize, actual: usize) -> Self {
        let message = format!(
            "The answer would have at least {actual} bytes, but limits.answer_bytes allows {limit}: ask for fewer nodes or fields."
        );
        Self::over_limit(message, limit, actual)
    }

    /// More was asked or sent than a limit allows, in words of its own.
    pub fn over_limit(message: String, limit: usize, actual: usize) -> Self {
        let mut error = Self::new(ErrorCode::LimitExceeded, message);
        error.0.numbers = Some(Numbers {
            limit: limit as u64,
            actual: actual as u64,
        });
        error
    }

    /// The answer took longer than `limit_ms` milliseconds.
    pub fn deadline_exceeded(limit_ms: u64) -> Self {
        let message = format!(
            "The answer took longer than {limit_ms} ms, which is the limit: ask for less at a time, or try again."
        );
        Self::new(ErrorCode::DeadlineExceeded, message)
    }

    /// The database does not answer. The cause is for the log; the client hears that trying again may help.
    pub fn unavailable(cause: impl Debug) -> Self {
        Self::new(
            ErrorCode::Unavailable,
            "The database does not answer at the moment: try again in a few seconds.",
        )
        .because(cause)
    }

    /// More is waiting than the server takes on: writes, or bodies of requests.
    pub fn overloaded() -> Self {
        Self::new(
            ErrorCode::Unavailable,
            "The server has as much to do as it takes on at a time: try again in a few seconds.",
        )
    }

    /// A fault of ours. The cause is for the log; the client hears nothing but the request's id.
    pub fn internal(cause: impl Debug) -> Self {
        Self::new(ErrorCode::Internal, INTERNAL_MESSAGE).because(cause)
    }

    /// Names the argument that the error is about.
    #[must_use]
    pub fn about(mut self, argument: impl Into<String>) -> Self {
        self.0.argument = Some(argument.into());
        self
    }

    /// Says where in the document.
    #[must_use]
    pub fn at(mut self, position: Pos) -> Self {
        self.0.position = Some(position);
        self
    }

    fn because(mut self, cause: impl Debug) -> Self {
        self.0.cause = Some(Cause(format!("{cause:?}").into()));
        self
    }

    /// The code.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The sentence that the client reads.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The argument that the error is about.
    pub fn argument(&self) -> Option<&str> {
        self.0.argument.as_deref()
    }

    /// As an entry of `errors` that is about no field: without a path.
    pub fn into_server_error(self) -> ServerError {
        let position = self.0.position;
        let Error {
            message,
            source,
            extensions,
        } = self.into();
        let mut error = ServerError::new(message, position);
        error.source = source;
        error.extensions = extensions;
        error
    }

    fn extensions(&self) -> ErrorExtensionValues {
        let mut values = ErrorExtensionValues::default();
        values.set("code", self.0.code.as_str());
        if let Some(argument) = &self.0.argument {
            values.set("argument", argument.as_str());
        }
        if let Some(Numbers { limit, actual }) = self.0.numbers {
            values.set("limit", limit);
            values.set("actual", actual);
        }
        if self.0.code.is_retryable() {
            values.set("retryable", true);
        }
        values
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        Self::bad_user_input(invalid.argument, invalid.message)
    }
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        let extensions = Some(error.extensions());
        let Inner { message, cause, .. } = *error.0;
        Self {
            message: message.into_owned(),
            source: cause.map(|cause| Arc::new(cause) as Arc<dyn Any + Send + Sync>),
            extensions,
        }
    }
}

/// The code of an entry of `errors`, if it has one of ours.
pub fn code_of(error: &ServerError) -> Option<ErrorCode> {
    let async_graphql::Value::String(text) = error.extensions.as_ref()?.get("code")? else {
        return None;
    };
    ErrorCode::ALL.into_iter().find(|code| code.as_str() == text)
}

/// Makes an entry of `errors` fit to be sent: it has a code, a fault of ours hides its cause, and the cause is in the
/// log, once.
pub fn finish(error: &mut ServerError, request_id: &str) -> ErrorCode {
    let code = code_of(error).unwrap_or_else(|| adopt(error));
    if let Some(Cause(cause)) = error.source::<Cause>() {
        tracing::error!(request_id, code = code.as_str(), %cause, "a request failed");
    }
    if code == ErrorCode::Internal {
        error.extensions.get_or_insert_default().set("requestId", request_id);
    }
    code
}

/// Gives a code to an error that a resolver or the library raised while executing.
fn adopt(error: &mut ServerError) -> ErrorCode {
    // The library's own complaints about a value have no source; what has one is a resolver's error that nobody
    // translated.
    let code = if error.source.is_none() {
        ErrorCode::BadUserInput
    } else {
        error.source = Some(Arc::new(Cause(std::mem::take(&mut error.message).into())));
        error.message = INTERNAL_MESSAGE.to_owned();
        ErrorCode::Internal
    };
    error.extensions.get_or_insert_default().set("code", code.as_str());
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(error: ApiError) -> serde_json::Value {
        serde_json::to_value(Error::from(error)).unwrap()
    }

    #[test]
    fn there_are_fourteen_codes_in_screaming_snake() {
        let mut texts: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert!(
            texts
                .iter()
                .all(|text| text.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        );
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), 14);
    }

    #[test]
    fn numbers_and_arguments_are_extensions() {
        let limit = json(ApiError::limit_exceeded("limits.aliases", "The aliases", 2, 3));
        assert_eq!(
            limit["extensions"],
            serde_json::json!({"code": "LIMIT_EXCEEDED", "limit": 2, "actual": 3})
        );
        assert!(limit["message"].as_str().unwrap().contains("limits.aliases"));
        let input = json(ApiError::bad_user_input(
            "first",
            "first is -1, but must be at least 0.",
        ));
        assert_eq!(
            input["extensions"],
            serde_json::json!({"code": "BAD_USER_INPUT", "argument": "first"})
        );
        assert_eq!(
            json(ApiError::unavailable("x"))["extensions"],
            serde_json::json!({"code": "UNAVAILABLE", "retryable": true})
        );
    }

    #[test]
    fn an_internal_cause_stays_inside() {
        let mut error = ApiError::internal("password is hunter2").into_server_error();
        assert_eq!(finish(&mut error, "r1"), ErrorCode::Internal);
        let text = serde_json::to_string(&error).unwrap();
        assert!(!text.contains("hunter2"));
        assert!(text.contains(r#""requestId":"r1""#));
    }

    #[test]
    fn an_error_that_nobody_translated_is_hidden() {
        let careless = Error::new_with_source(std::io::Error::other("password is hunter2"));
        let mut error = careless.into_server_error(Pos::default());
        assert_eq!(finish(&mut error, "r1"), ErrorCode::Internal);
        assert!(!serde_json::to_string(&error).unwrap().contains("hunter2"));
    }

    #[test]
    fn the_librarys_complaint_about_a_value_is_bad_user_input() {
        let mut error = ServerError::new("Expected input type \"Int\", found 1.5.", None);
        assert_eq!(finish(&mut error, "r1"), ErrorCode::BadUserInput);
        assert!(error.message.contains("Int"));
    }
}
