//! JSON of any depth that a document may have, and on one line.

use std::borrow::Cow;

use memchr::memchr2;
use serde::Deserialize;
use serde_json::{Deserializer, Value};

/// The most levels of arrays and objects that are read. Reading takes stack for each.
pub const NESTING_MAXIMUM: usize = 512;

/// The most levels of what comes from outside. What is made of it, in the store and in files, goes a few levels deeper, and has to
/// be read again.
pub const GIVEN_NESTING_MAXIMUM: usize = 480;

/// How many levels of arrays and objects a text has, at its deepest place; any text has an answer.
pub fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for (_, byte) in Outside::of(text) {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The bytes of a JSON text that stand outside of its strings, and where; of each string the first quote. Any text has an end.
struct Outside<'a> {
    text: &'a [u8],
    /// Where the rest begins.
    rest: usize,
}

impl<'a> Outside<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            text: text.as_bytes(),
            rest: 0,
        }
    }
}

impl Iterator for Outside<'_> {
    type Item = (usize, u8);

    fn next(&mut self) -> Option<(usize, u8)> {
        let at = self.rest;
        let byte = *self.text.get(at)?;
        let behind = at + 1;
        self.rest = match byte {
            b'"' => string_length(&self.text[behind..]).map_or(self.text.len(), |length| behind + length + 1),
            _ => behind,
        };
        Some((at, byte))
    }
}

/// How many bytes of a string stand before the quote that ends it, of a text that begins behind its first; none where nothing ends it.
pub fn string_length(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        // With what is escaped.
        at += 2;
    }
}

/// Reads a value that may be deeper than the library allows by itself.
///
/// # Errors
/// The library's, and one where the text has more than [`NESTING_MAXIMUM`] levels.
pub fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    if nesting(text) > NESTING_MAXIMUM {
        let message = format!("it is nested deeper than {NESTING_MAXIMUM} levels");
        return Err(serde::de::Error::custom(message));
    }
    read_nested(text)
}

/// Reads a value whose levels have been counted.
///
/// # Errors
/// The library's.
pub fn read_nested<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    let mut reader = Deserializer::from_str(text);
    reader.disable_recursion_limit();
    let value = T::deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// A text with U+FFFD for each half of a surrogate pair that is escaped by itself. JSON may have one, and Python writes it for a byte
/// of a path that is no UTF-8; no text of ours can.
pub fn without_lone_surrogates(text: &str) -> Cow<'_, str> {
    if !text.contains("\\ud") && !text.contains("\\uD") {
        return Cow::Borrowed(text);
    }
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        whole.push_str(before);
        let length = match (surrogate(escape), surrogate(escape.get(6..).unwrap_or_default())) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(_), _) => {
                whole.push_str("\\ufffd");
                rest = &escape[6..];
                continue;
            }
            // Of two characters at least, in a text that is JSON.
            (None, _) => escape.char_indices().nth(2).map_or(escape.len(), |(end, _)| end),
        };
        let (escape, behind) = escape.split_at(length);
        whole.push_str(escape);
        rest = behind;
    }
    whole.push_str(rest);
    Cow::Owned(whole)
}

/// The half of a surrogate pair that an escape at the beginning of a text is.
fn surrogate(escape: &str) -> Option<u16> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let unit = u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
    (0xd800..=0xdfff).contains(&unit).then_some(unit)
}

/// The numbers of a JSON text that are read as the nearest of 64 bits, as they are spelled and in ascending order.
pub fn inexact_numbers(text: &str) -> Vec<&str> {
    let mut numbers = Vec::new();
    let mut outside = Outside::of(text);
    while let Some((start, byte)) = outside.next() {
        if byte == b'-' || byte.is_ascii_digit() {
            let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
            let length = text.as_bytes()[start..].iter().take_while(|byte| is_part(byte)).count();
            outside.rest = start + length;
            numbers.push(&text[start..outside.rest]);
        }
    }
    numbers.retain(|number| !is_exact(number));
    numbers.sort_unstable();
    numbers
}

/// Whether all digits count: those of an integer of 64 bits, or the 15 that any double keeps.
fn is_exact(number: &str) -> bool {
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    digits <= 15 || number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok()
}

/// The same JSON on one line: without white space between its parts, each of which stays as it is spelled.
pub fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut start = 0;
    for (index, byte) in Outside::of(text) {
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            line.push_str(&text[start..index]);
            start = index + 1;
        }
    }
    line.push_str(&text[start..]);
    line
}

/// The value without U+0000, which PostgreSQL's JSON cannot hold: U+FFFD stands for it.
pub fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(without_nul),
        Value::Object(members) => {
            if members.keys().any(|key| key.contains('\0')) {
                *members = std::mem::take(members)
                    .into_iter()
                    .map(|(key, value)| (key.replace('\0', "\u{fffd}"), value))
                    .collect();
            }
            members.values_mut().for_each(without_nul);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{inexact_numbers, nesting, on_one_line, read, without_lone_surrogates, without_nul};

    #[test]
    fn half_a_pair_by_itself_is_replaced() {
        let whole = |text: &str| without_lone_surrogates(text).into_owned();
        for same in [
            r#""a""#,
            r#""\ud83d\ude00""#,
            r#""\\ud800""#,
            r#""\u00e9\n""#,
            r#""\uD83D\uDE00\\""#,
        ] {
            assert_eq!(whole(same), same);
        }
        assert_eq!(whole(r#"{"a\udc00":"x\ud800y"}"#), r#"{"a\ufffd":"x\ufffdy"}"#);
        assert_eq!(whole(r#""\ud800\ud83d\ude00\ude00""#), r#""\ufffd\ud83d\ude00\ufffd""#);
        assert_eq!(whole(r#""\ud800é\\\udfff""#), r#""\ufffdé\\\ufffd""#);
        // What is no JSON stays so, for whoever reads it next.
        for broken in [r#""\ud80"#, r#""\ud800"#, r#"\ud800\"#, r#""\ud8é0""#] {
            let _ = whole(broken);
        }
    }

    #[test]
    fn deep_values_are_read_up_to_the_limit() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(read::<Value>(&nested(512)).is_ok());
        let error = read::<Value>(&nested(513)).unwrap_err().to_string();
        assert!(error.contains("512 levels"), "{error}");
        assert!(read::<Value>("1 2").is_err());
        assert_eq!(nesting(r#"{"a":[{"b":"]]{{\"["}]}"#), 3);
        assert_eq!(nesting(&"[".repeat(10_000)), 10_000);
        for (unended, levels) in [("[\"[", 1), ("[\"\\", 1), ("[\"\\\"[", 1), ("[[\"\\\\\"[\"", 3)] {
            assert_eq!(nesting(unended), levels, "{unended}");
        }
    }

    #[test]
    fn numbers_that_lose_digits_are_told() {
        let text = r#"{"a":[12345678901234567890123,-9223372036854775808,18446744073709551615,1.5],"1234567890123456789012":"-12345678901234567890",
            "b":-0.12345678901234567e-3}"#;
        assert_eq!(
            inexact_numbers(text),
            ["-0.12345678901234567e-3", "12345678901234567890123"]
        );
    }

    #[test]
    fn one_line_has_the_same_parts() {
        let text = "{ \"a b\\\" \\\\\" :\n\t[ 1.50 , \"x  y\", 1e2 ] }\r\n";
        assert_eq!(on_one_line(text), r#"{"a b\" \\":[1.50,"x  y",1e2]}"#);
    }

    #[test]
    fn nul_is_taken_out_everywhere() {
        let mut value = json!({"a\u{0}": ["\u{0}", {"b": "x\u{0}y"}], "c": 1});
        without_nul(&mut value);
        assert_eq!(value, json!({"a\u{fffd}": ["\u{fffd}", {"b": "x\u{fffd}y"}], "c": 1}));
    }
}
