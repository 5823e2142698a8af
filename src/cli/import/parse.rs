//! From the bytes of a line or a document to its record, or a sentence that says why it is none.

use heirloom::domain::json;
use heirloom::domain::openlineage::Event;
use heirloom::domain::record::Record;
use serde_json::Value;

const KINDS: &str = "artifact, version, execution, alias, aliasRemoval, deletion or event";

/// Reads one record.
pub fn record(line: &[u8]) -> Result<Record, String> {
    let text = std::str::from_utf8(line)
        .map_err(|error| format!("The line is not UTF-8 from byte {} on.", error.valid_up_to() + 1))?;
    json::read(text).map_err(|error| explain(text, &error))
}

/// Reads one OpenLineage event.
pub fn event(document: &[u8]) -> Result<Box<Event>, String> {
    let text = std::str::from_utf8(document)
        .map_err(|error| format!("The event is not UTF-8 from byte {} on.", error.valid_up_to() + 1))?;
    let event = Event::parse(text).map_err(|invalid| invalid.message)?;
    Ok(Box::new(event))
}

/// Why it is no record. Reads the line once more, to tell what is no JSON from what is none of ours.
fn explain(text: &str, error: &serde_json::Error) -> String {
    let value = match json::read::<Value>(text) {
        Ok(value) => value,
        Err(error) => return format!("The line is no valid JSON: {}.", by_column(&error)),
    };
    let Some(members) = value.as_object().filter(|members| members.len() == 1) else {
        return format!("The line is no record: write an object with one member, which is {KINDS}.");
    };
    let kind = members.keys().next().map_or("", String::as_str);
    let is_known = KINDS.split([',', ' ']).any(|known| known == kind);
    if !is_known || kind == "or" {
        return format!("The line is no record: {kind:?} is none of {KINDS}.");
    }
    format!("The record's {kind} cannot be read: {}.", by_column(error))
}

/// An error's words; the line is always the first, and said elsewhere.
fn by_column(error: &serde_json::Error) -> String {
    let words = error.to_string();
    match words.split_once(" at line 1 column ") {
        Some((what, column)) => format!("{} (column {column})", what.trim_end_matches('.')),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::record;

    #[test]
    fn what_is_no_record_says_why() {
        let cases: [(&[u8], &str); 9] = [
            (b"{", "no valid JSON: EOF while parsing an object (column 1)"),
            (b"{\"a\":\xff}", "not UTF-8 from byte 6"),
            (b"[]", "an object with one member"),
            (b"{}", "an object with one member"),
            (b"{\"or\":{}}", "\"or\" is none of artifact"),
            (b"{\"versions\":{}}", "\"versions\" is none of artifact"),
            (
                b"{\"version\":{}}",
                "The record's version cannot be read: missing field `artifact`",
            ),
            (
                br#"{"execution":{"key":{"project":"p","domain":"d","name":"n"},"state":"DONE"}}"#,
                "unknown variant `DONE`, expected one of `QUEUED`",
            ),
            (
                br#"{"execution":{"key":{"project":"p","domain":"d","name":"n"},"status":"DONE"}}"#,
                "unknown field `status`, expected one of `key`",
            ),
        ];
        for (line, expected) in cases {
            let message = record(line).unwrap_err();
            assert!(message.contains(expected) && message.ends_with('.'), "{message}");
        }
        let wrong_time = br#"{"version":{"artifact":{"project":"p","domain":"d","name":"n"},"createdAt":"yesterday"}}"#;
        assert!(record(wrong_time).unwrap_err().contains("is not a date and time"));
    }
}
