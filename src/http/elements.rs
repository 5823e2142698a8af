//! The elements of a JSON array that is no JSON as a whole: told apart by strings, brackets and commas alone, so that one that is
//! broken has a place of its own, and costs no other.

use serde::de::IgnoredAny;

use crate::domain::json;

/// The elements of an array; `None` where it cannot be said where each ends: its brackets do not fit each other, a quote is missing,
/// or something stands before or behind it. Of more than `most` it does not look at the rest.
pub fn elements(text: &[u8], most: usize) -> Option<Vec<&[u8]>> {
    let inner = text.trim_ascii().strip_prefix(b"[")?;
    let mut found = Vec::new();
    let mut rest = inner;
    loop {
        let Element { length, is_doubtful } = first(rest)?;
        let (element, behind) = rest.split_at(length);
        let element = element.trim_ascii();
        if is_doubtful && serde_json::from_slice::<IgnoredAny>(element).is_err() {
            return None;
        }
        found.push(element);
        if found.len() > most {
            return Some(found);
        }
        match behind {
            [b',', behind @ ..] => rest = behind,
            [_] => return Some(found),
            _ => return None,
        }
    }
}

/// Where an element ends.
struct Element {
    length: usize,
    /// Whether a string in it looks as if it went on into the next element.
    is_doubtful: bool,
}

/// The element that a text begins with, up to the comma or bracket behind it.
fn first(text: &[u8]) -> Option<Element> {
    let mut expected = Vec::new();
    let mut is_doubtful = false;
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => {
                let length = json::string_length(&text[at + 1..])?;
                is_doubtful |= runs_on(&text[at + 1..][..length]);
                at += 1 + length;
            }
            b'{' => expected.push(b'}'),
            b'[' => expected.push(b']'),
            b',' | b']' if expected.is_empty() => {
                return Some(Element {
                    length: at,
                    is_doubtful,
                });
            }
            closing @ (b'}' | b']') if expected.pop() != Some(*closing) => return None,
            _ => {}
        }
        at += 1;
    }
}

/// Whether a string ends as one does whose own quote is missing: with the beginning of the next element.
fn runs_on(string: &[u8]) -> bool {
    let before = string.trim_ascii_end().strip_suffix(b"{");
    before.is_some_and(|before| before.trim_ascii_end().ends_with(b","))
}

#[cfg(test)]
mod tests {
    use super::elements;

    fn found(text: &str) -> Option<Vec<&str>> {
        let elements = elements(text.as_bytes(), 100)?;
        Some(
            elements
                .into_iter()
                .map(|one| std::str::from_utf8(one).unwrap())
                .collect(),
        )
    }

    #[test]
    fn broken_elements_stand_by_themselves() {
        let cases = [
            (
                r#"[{"a":NaN},{"b":[1,{"c":2}]}]"#,
                vec![r#"{"a":NaN}"#, r#"{"b":[1,{"c":2}]}"#],
            ),
            ("\n[ {\"a\":\"x\ny\"} , 5 ]\n", vec!["{\"a\":\"x\ny\"}", "5"]),
            (r#"["]\"},{",{a b},"\\"]"#, vec![r#""]\"},{""#, "{a b}", r#""\\""#]),
            (
                r#"[{"a":"he said "no", twice"},1]"#,
                vec![r#"{"a":"he said "no", twice"}"#, "1"],
            ),
            (r#"[{"a":"},{"},nul]"#, vec![r#"{"a":"},{"}"#, "nul"]),
            ("[1,,2]", vec!["1", "", "2"]),
            ("[1,]", vec!["1", ""]),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_has_no_clear_ends_is_not_taken_apart() {
        for text in [
            "",
            "{}",
            "[",
            "[1",
            "[1,",
            "[1]]",
            "[1] 2",
            "1]",
            "[{]}",
            "[{\"a\":[1},{\"b\":2]}]",
            "[\"a]",
            "[\"\\",
            // Two elements without a closing quote, which make a string of whatever stands between them.
            r#"[{"a":"x}, {"good":1},{"b":"y}]"#,
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
