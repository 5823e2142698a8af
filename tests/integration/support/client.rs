//! What came back.

use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

/// The answer to a GraphQL request.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body as a text.
    pub body: String,
    /// The answer's data; null when there is none.
    pub data: Value,
    /// The answer's errors.
    pub errors: Vec<Value>,
    /// The SQL statements that the request has cost; 0 when it was refused before it ran.
    pub statements: u64,
}

impl Reply {
    /// Reads an answer.
    pub fn new(status: StatusCode, headers: HeaderMap, body: String, statements: u64) -> Self {
        let json: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
        let errors = json["errors"].as_array().cloned().unwrap_or_default();
        Self {
            status,
            headers,
            data: json["data"].clone(),
            body,
            errors,
            statements,
        }
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// The data of an answer without errors.
    #[track_caller]
    pub fn ok(&self) -> &Value {
        assert!(
            self.errors.is_empty() && self.status == StatusCode::OK,
            "{} {}",
            self.status,
            self.body
        );
        &self.data
    }

    /// The answer has one error, with this code and a message of one sentence.
    #[track_caller]
    pub fn refused(&self, code: &str) -> &Self {
        assert_eq!((self.errors.len(), self.code()), (1, code), "{}", self.body);
        let message = self.message();
        assert!(
            message.ends_with(['.', '?']) && message.len() > 20,
            "no sentence: {message}"
        );
        self
    }

    /// The code of the first error.
    pub fn code(&self) -> &str {
        self.errors
            .first()
            .and_then(|e| e["extensions"]["code"].as_str())
            .unwrap_or_default()
    }

    /// The sentence of the first error.
    pub fn message(&self) -> &str {
        self.errors
            .first()
            .and_then(|e| e["message"].as_str())
            .unwrap_or_default()
    }

    /// The message has each of these in it.
    #[track_caller]
    pub fn says(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(self.message().contains(part), "{part:?} is not in: {}", self.body);
        }
        self
    }

    /// The argument that the first error names.
    pub fn argument(&self) -> &str {
        self.errors
            .first()
            .and_then(|e| e["extensions"]["argument"].as_str())
            .unwrap_or_default()
    }
}
