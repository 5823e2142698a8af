//! The parameters of a GraphQL request, read strictly from a JSON body or from a query string.

use std::borrow::Cow;

use async_graphql::Variables;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, de::IgnoredAny};

use crate::domain::json;
use crate::graphql::{
    engine::Operation,
    error::{ApiError, ErrorCode},
    limits::JSON_NESTING_MAXIMUM,
};

/// A request's body. Further fields are ignored, as the specification asks.
#[derive(Deserialize)]
struct Params {
    query: String,
    #[serde(default, rename = "operationName")]
    operation_name: Option<String>,
    #[serde(default)]
    variables: Variables,
    /// Nothing is read from it, but it must be an object.
    #[serde(default, rename = "extensions")]
    _extensions: Option<Ignored>,
}

/// A JSON object, whatever is in it.
type Ignored = std::collections::HashMap<String, IgnoredAny>;

impl From<Params> for Operation {
    fn from(params: Params) -> Self {
        Self {
            query: params.query,
            operation_name: params.operation_name,
            variables: params.variables,
        }
    }
}

/// Reads the body of a POST.
///
/// # Errors
/// BAD_USER_INPUT when it is no UTF-8, no JSON, or no GraphQL request; LIMIT_EXCEEDED when it is nested too deep.
pub fn from_body(body: &[u8]) -> Result<Operation, ApiError> {
    let text = std::str::from_utf8(body).map_err(|error| {
        malformed(format!(
            "The body is no UTF-8 from byte {} on: send JSON in UTF-8.",
            error.valid_up_to()
        ))
    })?;
    if text.trim_start().starts_with('[') {
        return Err(malformed(
            "The body is a list, but batches are not supported: send one operation in a request.".to_owned(),
        ));
    }
    serde_json::from_str::<Params>(text)
        .map(Operation::from)
        .map_err(|error| unreadable("The body", text, &error))
}

/// Reads the query string of a GET.
///
/// # Errors
/// BAD_USER_INPUT when it has no `query`, a parameter twice, or one that cannot be read; LIMIT_EXCEEDED when one is
/// nested too deep.
pub fn from_query_string(query_string: &str) -> Result<Operation, ApiError> {
    let [mut query, mut operation_name, mut variables, mut extensions] = [const { None }; 4];
    for (name, value) in pairs(query_string)? {
        let slot = match name.as_ref() {
            "query" => &mut query,
            "operationName" => &mut operation_name,
            "variables" => &mut variables,
            "extensions" => &mut extensions,
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(malformed(format!("The parameter \"{name}\" is given twice: give it once.")).about(name));
        }
    }
    json_parameter::<Option<Ignored>>("extensions", extensions.as_deref())?;
    Ok(Operation {
        query: query.ok_or_else(no_query)?.into_owned(),
        operation_name: operation_name.map(Cow::into_owned),
        variables: json_parameter("variables", variables.as_deref())?.unwrap_or_default(),
    })
}

fn no_query() -> ApiError {
    malformed("The parameter \"query\" is missing: give the document to run in it.".to_owned()).about("query")
}

fn malformed(message: String) -> ApiError {
    ApiError::new(ErrorCode::BadUserInput, message)
}

fn json_parameter<'a, T: Deserialize<'a>>(name: &str, text: Option<&'a str>) -> Result<Option<T>, ApiError> {
    text.filter(|text| !text.is_empty())
        .map(|text| {
            serde_json::from_str(text)
                .map_err(|error| unreadable(&format!("The parameter \"{name}\""), text, &error).about(name))
        })
        .transpose()
}

fn unreadable(what: &str, text: &str, error: &serde_json::Error) -> ApiError {
    let nesting = json::nesting(text);
    if nesting >= JSON_NESTING_MAXIMUM {
        return ApiError::limit_exceeded(
            "the nesting of JSON",
            &format!("{what}'s levels"),
            JSON_NESTING_MAXIMUM - 1,
            nesting,
        );
    }
    let wanted = "a JSON object with a text \"query\" and perhaps \"operationName\", \"variables\" and \"extensions\"";
    if error.is_data() {
        malformed(format!("{what} is no GraphQL request, which is {wanted}: {error}."))
    } else {
        malformed(format!("{what} is no JSON: {error}."))
    }
}

/// A decoded parameter of a query string.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

fn pairs(query_string: &str) -> Result<Vec<Pair<'_>>, ApiError> {
    query_string
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

/// Undoes the encoding of a form: `+` is a space, and `%C3%A9` is é.
fn decode(text: &str) -> Result<Cow<'_, str>, ApiError> {
    let no_utf8 = |_| malformed("The query string is no UTF-8: percent-encode texts in UTF-8.".to_owned());
    if !text.contains('+') {
        return percent_decode_str(text).decode_utf8().map_err(no_utf8);
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(no_utf8)?;
    Ok(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(result: Result<Operation, ApiError>) -> String {
        result.unwrap_err().message().to_owned()
    }

    #[test]
    fn a_body_is_read_strictly() {
        let body = br#"{"query":"{a}","operationName":null,"variables":{"x":[1,null]},"extensions":{"a":1},"id":7}"#;
        let operation = from_body(body).unwrap();
        assert_eq!(operation.query, "{a}");
        assert_eq!(operation.variables.len(), 1);
        for (wrong, expected) in [
            ("", "no JSON"),
            ("{", "no JSON"),
            ("{}", "missing field `query`"),
            (r#"{"query":1}"#, "no GraphQL request"),
            (r#"{"query":null}"#, "no GraphQL request"),
            (r#"{"query":"{a}","variables":[]}"#, "no GraphQL request"),
            (r#"{"query":"{a}","variables":"{}"}"#, "no GraphQL request"),
            (r#"{"query":"{a}","extensions":[]}"#, "no GraphQL request"),
            (r#"{"query":"{a}","operationName":1}"#, "no GraphQL request"),
            (r#"{"query":"{a}","query":"{b}"}"#, "duplicate field"),
            (r#"{"query":"{a}"} x"#, "no JSON"),
            (r#"[{"query":"{a}"}]"#, "batches"),
            (" []", "batches"),
            ("1", "no GraphQL request"),
        ] {
            let message = message(from_body(wrong.as_bytes()));
            assert!(message.contains(expected), "{wrong}: {message}");
        }
        assert!(message(from_body(b"{\"query\":\"\xff\"}")).contains("no UTF-8 from byte 10"));
    }

    #[test]
    fn a_body_that_is_nested_too_deep_names_the_limit() {
        let nested = |n: usize| {
            format!(
                r#"{{"query":"{{a}}","variables":{{"x":{}{}}}}}"#,
                "[".repeat(n),
                "]".repeat(n)
            )
        };
        assert!(from_body(nested(125).as_bytes()).is_ok());
        let error = from_body(nested(10_000).as_bytes()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::LimitExceeded);
        assert!(error.message().contains("10002"), "{}", error.message());
        let error = from_body(nested(126).as_bytes()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::LimitExceeded);
    }

    #[test]
    fn a_query_string_is_read_strictly() {
        let operation =
            from_query_string("query=%7Ba+b%7D&variables=%7B%22x%22%3A%22%C3%A9%22%7D&other=1&operationName=a")
                .unwrap();
        assert_eq!(
            (operation.query.as_str(), operation.operation_name.as_deref()),
            ("{a b}", Some("a"))
        );
        assert_eq!(operation.variables["x"], async_graphql::Value::from("é"));
        assert!(from_query_string("query={a}&variables=").is_ok());
        for (wrong, expected) in [
            ("", "\"query\" is missing"),
            ("query=%7Ba%7D&query=%7Bb%7D", "given twice"),
            ("query=%FF", "no UTF-8"),
            ("query={a}&variables=1", "no GraphQL request"),
            ("query={a}&variables={", "no JSON"),
            ("query={a}&extensions=[]", "no GraphQL request"),
        ] {
            let message = message(from_query_string(wrong));
            assert!(message.contains(expected), "{wrong}: {message}");
        }
    }
}
