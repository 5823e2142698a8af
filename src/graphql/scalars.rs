//! The scalars of the schema: `DateTime`, `Long` and `JSON`.
//!
//! Each says in the validation of a document whether it can read a value, so that a wrong one is refused before
//! anything runs.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use crate::domain::time::Timestamp;

/// The largest whole number that every JSON reader keeps exact: 2^53 - 1.
pub const LONG_MAXIMUM: i64 = (1 << 53) - 1;

/// The key under which the library, as `serde_json` itself, takes a text for JSON that is written already.
pub const RAW_VALUE_TOKEN: &str = "$serde_json::private::RawValue";

/// The JSON that an object of an answer stands for, if it is one that [`Json::into_value`] made.
pub fn written(members: &async_graphql::indexmap::IndexMap<async_graphql::Name, Value>) -> Option<&str> {
    // Every object of an answer is asked, so nothing is hashed for it.
    match members.first() {
        Some((key, Value::String(text))) if members.len() == 1 && key == RAW_VALUE_TOKEN => Some(text),
        _ => None,
    }
}

/// What is right for a scalar of ours, by its name: ends the error of a value that it cannot read.
pub fn advice(scalar: &str) -> Option<&'static str> {
    match scalar {
        "DateTime" => {
            Some("write an instant as in RFC 3339, such as \"2026-11-23T08:00:00Z\", of the years 0001 to 9999")
        }
        "Long" => Some("write a whole number between -(2^53 - 1) and 2^53 - 1"),
        "JSON" => Some("write a JSON value, with texts in quotation marks and without the character U+0000"),
        _ => None,
    }
}

/// An instant, as in RFC 3339, such as `"2026-11-23T08:00:00Z"`. It is accepted with any offset; without one it is UTC,
/// and a date alone is its midnight. Years are 0001 to 9999; fractions of a second count to the microsecond, and the
/// rest is cut off. It is answered in UTC with `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime(pub Timestamp);

/// An instant, as in RFC 3339, such as `"2026-11-23T08:00:00Z"`. It is accepted with any offset; without one it is UTC, and a
/// date alone is its midnight. Years are 0001 to 9999; fractions of a second count to the microsecond, and the rest is cut off.
/// It is answered in UTC with `Z`.
#[Scalar(specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        Timestamp::parse(text).map(Self).map_err(InputValueError::custom)
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(text) if Timestamp::parse(text).is_ok())
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl From<Timestamp> for DateTime {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp)
    }
}

/// A whole number between -(2^53 - 1) and 2^53 - 1, as a JSON number: every JSON reader keeps those exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Long(pub i64);

/// A whole number between -(2^53 - 1) and 2^53 - 1, as a JSON number: every JSON reader keeps those exact.
#[Scalar]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        match exact(&value) {
            Some(number) => Ok(Self(number)),
            None => Err(InputValueError::expected_type(value)),
        }
    }

    fn is_valid(value: &Value) -> bool {
        exact(value).is_some()
    }

    fn to_value(&self) -> Value {
        Value::Number(self.0.into())
    }
}

impl From<i64> for Long {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

fn exact(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number
            .as_i64()
            .filter(|number| number.unsigned_abs() <= LONG_MAXIMUM as u64),
        _ => None,
    }
}

/// Any JSON value: an object, a list, a text, a number, `true`, `false` or `null`. Numbers are kept as 64-bit integers
/// or floating point; the character U+0000 is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Json(
    /// The value, written in JSON.
    pub String,
);

/// Any JSON value: an object, a list, a text, a number, `true`, `false` or `null`. Numbers are kept as 64-bit integers or
/// floating point; the character U+0000 is refused.
#[Scalar(name = "JSON", specified_by_url = "https://www.rfc-editor.org/rfc/rfc8259")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        if !is_json(&value) {
            return Err(InputValueError::custom("it is no JSON, or has the character U+0000"));
        }
        serde_json::to_string(&Verbatim(&value))
            .map(Self)
            .map_err(InputValueError::custom)
    }

    fn is_valid(value: &Value) -> bool {
        is_json(value)
    }

    fn to_value(&self) -> Value {
        self.clone().into_value()
    }
}

impl Json {
    /// As a part of an answer.
    pub fn into_value(self) -> Value {
        // The library writes the text under this key into the answer as it is, without building a tree of it.
        let mut raw = async_graphql::indexmap::IndexMap::with_capacity(1);
        raw.insert(async_graphql::Name::new(RAW_VALUE_TOKEN), Value::String(self.0));
        Value::Object(raw)
    }
}

/// A name such as `RED` is GraphQL's, not JSON's, and no text may hold U+0000, which PostgreSQL cannot store.
fn is_json(value: &Value) -> bool {
    match value {
        Value::Null | Value::Number(_) | Value::Boolean(_) => true,
        Value::String(text) => !text.contains('\0'),
        Value::List(items) => items.iter().all(is_json),
        Value::Object(fields) => fields
            .iter()
            .all(|(name, value)| !name.contains('\0') && is_json(value)),
        Value::Enum(_) | Value::Binary(_) => false,
    }
}

/// Writes a value with every key as it is. The library's own writer takes one key for a command to copy text.
struct Verbatim<'a>(&'a Value);

impl Serialize for Verbatim<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items
                    .iter()
                    .try_for_each(|item| list.serialize_element(&Verbatim(item)))?;
                list.end()
            }
            Value::Object(fields) => {
                let mut object = serializer.serialize_map(Some(fields.len()))?;
                fields
                    .iter()
                    .try_for_each(|(name, value)| object.serialize_entry(name.as_str(), &Verbatim(value)))?;
                object.end()
            }
            plain => plain.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_date_time_is_read_with_any_offset_and_answered_in_utc() {
        for (given, answered) in [
            ("2026-11-23T09:00:00+01:00", "2026-11-23T08:00:00Z"),
            ("2026-11-23T08:00:00", "2026-11-23T08:00:00Z"),
            ("2026-11-23", "2026-11-23T00:00:00Z"),
            ("2026-11-23T08:00:00.120000000Z", "2026-11-23T08:00:00.12Z"),
        ] {
            let read = <DateTime as ScalarType>::parse(Value::String(given.to_owned()))
                .ok()
                .unwrap();
            assert_eq!(ScalarType::to_value(&read), Value::String(answered.to_owned()));
        }
    }

    #[test]
    fn what_is_no_date_time_is_refused() {
        for wrong in [
            r#""""#,
            r#""tomorrow""#,
            r#""0000-01-01T00:00:00Z""#,
            r#""10000-01-01T00:00:00Z""#,
            "1763884800",
            "null",
            "{}",
        ] {
            let wrong = json(wrong);
            assert!(!DateTime::is_valid(&wrong));
            assert!(<DateTime as ScalarType>::parse(wrong).is_err());
        }
    }

    #[test]
    fn a_long_is_a_whole_number_that_json_keeps_exact() {
        for number in [0, -1, LONG_MAXIMUM, -LONG_MAXIMUM] {
            assert_eq!(
                <Long as ScalarType>::parse(Value::Number(number.into())).ok(),
                Some(Long(number))
            );
        }
        for wrong in [
            "1152921504606846976",
            "9007199254740992",
            "-9007199254740992",
            "1.5",
            "1e300",
            r#""1""#,
            "true",
        ] {
            assert!(!Long::is_valid(&json(wrong)), "{wrong}");
        }
    }

    #[test]
    fn json_makes_the_round_trip() {
        for text in [
            r#"{"b":1,"a":[null,true,"é\n",1.5,-3]}"#,
            "null",
            r#""x""#,
            r#"{"$serde_json::private::RawValue":"[1]"}"#,
            "18446744073709551615",
        ] {
            let read = <Json as ScalarType>::parse(json(text)).ok().unwrap();
            assert_eq!(read.0, text);
            assert_eq!(serde_json::to_string(&ScalarType::to_value(&read)).unwrap(), text);
        }
    }

    #[test]
    fn json_has_no_names_and_no_nul() {
        assert!(!Json::is_valid(&Value::Enum(async_graphql::Name::new("RED"))));
        assert!(!Json::is_valid(&json(r#"{"a":["\u0000"]}"#)));
        assert!(<Json as ScalarType>::parse(json(r#"{"\u0000":1}"#)).is_err());
    }
}
