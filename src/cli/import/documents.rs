//! JSON objects one after the other, whatever stands between them: a line each, printed over many lines, or elements of an
//! array. Each is found by its braces and handed on as text, so that only one is in memory, however long the file is.
//!
//! One that is cut short does not take the rest along. A string has no end of line in it; and where an object has begun
//! a line, another that begins one no further to the right is the next, unless it can be an element of an array. Whatever
//! is broken before, a line that begins with an event is where the next one begins. An event is known by its time, which
//! nothing in an event has: a dataset that stands on a line of its own is none.

use std::io::{self, BufRead, Read};

/// What stands before a document in a sequence of JSON texts (RFC 7464).
const RECORD_SEPARATOR: u8 = 0x1e;

/// The member that every event has, and nothing that is in an event.
const TIME: &[u8] = b"\"eventTime\"";

/// A document, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub struct Document<'a> {
    /// The line that it begins in, from 1.
    pub line: u64,
    /// Its text, or a sentence.
    pub text: Result<&'a [u8], String>,
}

/// The documents of a source.
#[derive(Debug)]
pub struct Documents<R> {
    source: Ahead<R>,
    longest: usize,
    scan: Scan,
    /// The text of the document under way; empty where it is too long.
    text: Vec<u8>,
}

/// A source whose next line can be looked at before it is read.
#[derive(Debug)]
struct Ahead<R> {
    source: R,
    /// What was looked at.
    line: Vec<u8>,
    /// How much of it has been read.
    used: usize,
}

/// How far the bytes of a source have been looked at.
#[derive(Debug)]
struct Scan {
    place: Place,
    /// The document under way.
    open: Option<Open>,
    /// After a document that was cut short: the column up to which the next one begins its line, where that is known.
    skipping: Option<Option<u64>>,
}

/// What was found in some bytes.
#[derive(Debug, Default)]
struct Part {
    /// Where in them the document under way begins.
    from: usize,
    /// How many were looked at.
    used: usize,
    /// How the document ended, if it did.
    end: Option<Step>,
}

/// Where the next byte stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    line: u64,
    column: u64,
    /// Whether the line has had nothing but white space.
    is_blank: bool,
}

/// A document under way.
#[derive(Debug)]
struct Open {
    line: u64,
    /// The column in which it begins, where it begins a line.
    column: Option<u64>,
    depth: u32,
    /// Whether it is no object.
    is_scalar: bool,
    is_in_string: bool,
    is_escaped: bool,
    is_too_long: bool,
    /// Whether a line of it begins further to the right than itself.
    is_indented: bool,
    /// The last byte that is no white space.
    last: u8,
}

/// What a byte does to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It is one of its bytes.
    Goes,
    /// It is its last one.
    Ends,
    /// It stands behind it.
    IsBehind,
    /// It belongs to the next one, and this one is cut short.
    CutsShort,
    /// It is an end of line in a string, so that this one is cut short.
    Breaks,
}

impl<R: BufRead> Documents<R> {
    /// Of a source, in which none may be longer.
    pub fn of(source: R, longest: usize) -> Self {
        let place = Place {
            line: 1,
            column: 0,
            is_blank: true,
        };
        Self {
            source: Ahead {
                source,
                line: Vec::new(),
                used: 0,
            },
            longest,
            scan: Scan {
                place,
                open: None,
                skipping: None,
            },
            text: Vec::new(),
        }
    }

    /// The next one; none at the end.
    pub fn next(&mut self) -> io::Result<Option<Document<'_>>> {
        self.text.clear();
        let end = loop {
            if self.begins_anew()? {
                self.scan.skipping = None;
                if self.scan.open.is_some() {
                    break Step::CutsShort;
                }
            }
            let buffer = self.source.bytes()?;
            if buffer.is_empty() {
                break Step::CutsShort;
            }
            let part = self.scan.read(buffer);
            if let Some(open) = &mut self.scan.open {
                open.keep(&mut self.text, &buffer[part.from..part.used], self.longest);
            }
            self.source.consume(part.used);
            if let Some(end) = part.end {
                break end;
            }
        };
        let Some(open) = self.scan.open.take() else {
            return Ok(None);
        };
        if end == Step::Breaks {
            self.scan.skipping = Some(open.column);
        }
        let text = match open.refusal(end, self.longest) {
            Some(sentence) => Err(sentence),
            None => Ok(&self.text[..]),
        };
        Ok(Some(Document { line: open.line, text }))
    }

    /// Whether the line that comes next begins a document, though the one before has not ended well.
    fn begins_anew(&mut self) -> io::Result<bool> {
        let may_begin = |byte: &u8| matches!(*byte, b'{' | b'[' | RECORD_SEPARATOR);
        if !self.scan.is_unsure() || !self.source.bytes()?.first().is_some_and(may_begin) {
            return Ok(false);
        }
        let is_indented = self.scan.open.as_ref().is_some_and(|open| open.is_indented);
        let line = self.source.next_line(self.longest)?;
        Ok(begins_with_event(line) || is_indented && line.trim_ascii() == b"{")
    }
}

/// Whether a line begins with an event, be it broken, or the first of an array.
fn begins_with_event(line: &[u8]) -> bool {
    let line = line.strip_prefix(&[RECORD_SEPARATOR]).unwrap_or(line);
    let line = line.strip_prefix(b"[").unwrap_or(line).trim_ascii_start();
    line.starts_with(b"{") && line.windows(TIME.len()).any(|part| part == TIME)
}

impl<R: BufRead> Ahead<R> {
    fn bytes(&mut self) -> io::Result<&[u8]> {
        if self.used < self.line.len() {
            Ok(&self.line[self.used..])
        } else {
            self.source.fill_buf()
        }
    }

    fn consume(&mut self, count: usize) {
        if self.used < self.line.len() {
            self.used += count;
        } else {
            self.source.consume(count);
        }
    }

    /// The line that comes next, or as much of it as may be held. Asked for at the beginning of a line only.
    fn next_line(&mut self, longest: usize) -> io::Result<&[u8]> {
        self.line.clear();
        self.used = 0;
        let most = u64::try_from(longest).unwrap_or(u64::MAX);
        self.source.by_ref().take(most).read_until(b'\n', &mut self.line)?;
        Ok(&self.line)
    }
}

impl Scan {
    /// Looks at bytes up to the end of a document.
    fn read(&mut self, bytes: &[u8]) -> Part {
        let mut part = Part::default();
        for &byte in bytes {
            let step = match &mut self.open {
                Some(open) => open.add(byte, self.place),
                None => {
                    part.from = part.used;
                    self.begin(byte)
                }
            };
            if step != Step::Goes {
                part.end = Some(step);
            }
            if matches!(step, Step::CutsShort | Step::IsBehind) {
                break;
            }
            self.place.pass(byte);
            part.used += 1;
            if part.end.is_some() || self.is_unsure() {
                break;
            }
        }
        part
    }

    /// Whether a line begins, and something before it has not ended.
    fn is_unsure(&self) -> bool {
        let begins_line = self.place.is_blank && self.place.column == 0;
        begins_line && (self.open.is_some() || self.skipping.is_some())
    }

    /// Begins a document, if a byte does.
    fn begin(&mut self, byte: u8) -> Step {
        if self.skipping.is_none_or(|column| self.place.begins(byte, column)) {
            self.skipping = None;
            self.open = Open::with(byte, self.place);
        }
        Step::Goes
    }
}

impl Place {
    fn pass(&mut self, byte: u8) {
        match byte {
            b'\n' => {
                *self = Self {
                    line: self.line + 1,
                    column: 0,
                    is_blank: true,
                }
            }
            // A byte order mark takes no room.
            0xef | 0xbb | 0xbf if self.is_blank => {}
            _ => {
                self.column += 1;
                self.is_blank &= byte.is_ascii_whitespace();
            }
        }
    }

    /// Whether a byte begins an object that begins a line, no further to the right than a column if one is given.
    fn begins(self, byte: u8, column: Option<u64>) -> bool {
        byte == b'{' && self.is_blank && column.is_none_or(|column| self.column <= column)
    }
}

impl Open {
    /// Keeps some of its bytes.
    fn keep(&mut self, text: &mut Vec<u8>, bytes: &[u8], longest: usize) {
        self.is_too_long |= text.len() + bytes.len() > longest;
        if self.is_too_long {
            *text = Vec::new();
        } else {
            text.extend_from_slice(bytes);
        }
    }

    /// Why it is no document, where it is none.
    fn refusal(&self, end: Step, longest: usize) -> Option<String> {
        if self.is_too_long {
            return Some(format!(
                "The event has more than {} MiB: send less in one.",
                longest >> 20
            ));
        }
        let sentence = match end {
            _ if self.is_scalar => "This is no event: write JSON objects.",
            Step::CutsShort => "The event is cut short: its last brace is missing.",
            Step::Breaks => "The event is cut short: a text in it has no end in its line.",
            _ => return None,
        };
        Some(sentence.to_owned())
    }

    /// Begins with a byte, unless it only stands between documents.
    fn with(byte: u8, place: Place) -> Option<Self> {
        let is_between =
            byte.is_ascii_whitespace() || matches!(byte, b',' | b'[' | b']' | RECORD_SEPARATOR | 0xef | 0xbb | 0xbf);
        (!is_between).then(|| Self {
            line: place.line,
            column: place.is_blank.then_some(place.column),
            depth: u32::from(byte == b'{'),
            is_scalar: byte != b'{',
            is_in_string: byte == b'"',
            is_escaped: false,
            is_too_long: false,
            is_indented: false,
            last: byte,
        })
    }

    fn add(&mut self, byte: u8, place: Place) -> Step {
        if self.is_in_string {
            return self.add_to_string(byte);
        }
        if self.is_scalar {
            self.is_in_string = byte == b'"';
            let is_behind = matches!(byte, b',' | b']' | b'{' | b'\n');
            return if is_behind { Step::IsBehind } else { Step::Goes };
        }
        let is_next = self.column.is_some_and(|column| place.begins(byte, Some(column)));
        if is_next && !matches!(self.last, b'[' | b',') {
            return Step::CutsShort;
        }
        let is_further = self.column.is_some_and(|column| column < place.column);
        self.is_indented |= place.is_blank && is_further && !byte.is_ascii_whitespace();
        match byte {
            b'"' => self.is_in_string = true,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            self.last = byte;
        }
        if self.depth == 0 { Step::Ends } else { Step::Goes }
    }

    fn add_to_string(&mut self, byte: u8) -> Step {
        match byte {
            b'\n' => return Step::Breaks,
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' => self.is_escaped = true,
            b'"' => self.is_in_string = false,
            _ => {}
        }
        self.last = byte;
        Step::Goes
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use serde_json::{Value, json};

    use super::Documents;

    /// The lines in which documents begin, with their value or the beginning of the sentence.
    fn found(text: &str) -> Vec<(u64, Value)> {
        // A small buffer, so that everything is cut somewhere.
        let mut documents = Documents::of(BufReader::with_capacity(3, text.as_bytes()), 200);
        let mut found = Vec::new();
        while let Some(document) = documents.next().unwrap() {
            let value = match document.text {
                Ok(text) => serde_json::from_slice(text).unwrap_or_else(|error| format!("{error}").into()),
                Err(sentence) => sentence.into(),
            };
            found.push((document.line, value));
        }
        found
    }

    #[test]
    fn whatever_stands_between_documents() {
        let (one, two) = (json!({ "a": "}]\",{" }), json!({ "b": [{}, [{ "c": "\\" }]] }));
        let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap();
        let both = json!([one, two]);
        let flat = "[\n{\n\"b\": [\n{\n},\n[\n{\n\"c\": \"\\\\\"\n}\n]\n]\n}\n]";
        let cases = [
            (format!("{one}\n{two}\n"), [1, 2]),
            (format!("\u{feff}{one}\r\n\r\n  {two}"), [1, 3]),
            (format!("{one}{two}"), [1, 1]),
            (format!("\u{1e}{one}\n\u{1e}{two}\n"), [1, 2]),
            (both.to_string(), [1, 1]),
            (pretty(&both), [2, 5]),
            (format!("{}\n{}", pretty(&one), pretty(&two)), [1, 4]),
            (format!("{one},\n{flat}"), [1, 3]),
        ];
        for (text, lines) in cases {
            let expected = [(lines[0], one.clone()), (lines[1], two.clone())];
            assert_eq!(found(&text), expected, "{text}");
        }
        assert_eq!(found(" \n[ ]\n"), []);
    }

    #[test]
    fn what_is_cut_short_does_not_take_the_rest_along() {
        let good = json!({ "good": 1 });
        let short = |words: &str| json!(format!("The event is cut short: {words}."));
        let (brace, string) = (
            short("its last brace is missing"),
            short("a text in it has no end in its line"),
        );
        let cases = [
            ("{\"a\":\n{\"good\":1}\n", vec![(1, brace.clone()), (2, good.clone())]),
            (
                "{\"a\": \"x\n{\"good\":1}\n",
                vec![(1, string.clone()), (2, good.clone())],
            ),
            (
                "{\n  \"a\": \"x\n  {\n}\n{\"good\":1}",
                vec![(1, string.clone()), (5, good.clone())],
            ),
            (
                "[\n  {\"a\": {\n  {\"good\":1}\n]",
                vec![(2, brace.clone()), (3, good.clone())],
            ),
            ("{\"good\":1}\n{\"a\"", vec![(1, good.clone()), (2, brace)]),
            (
                "{\"a\": ]\n{\"good\":1}",
                vec![(1, json!("expected value at line 1 column 7")), (2, good.clone())],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn a_line_that_begins_with_an_event_is_read_whatever_is_before_it() {
        let (one, two) = (json!({ "eventTime": 1, "inputs": [{}] }), json!({ "eventTime": 2 }));
        let whole = r#"{"a": [{"b": {}, "c": [1, "x\"y"]}, []], "eventTime": 3, "d": {"e": "f"}, "g": true}"#;
        let cut = (1..whole.len()).map(|length| &whole[..length]);
        let in_array = cut.clone().map(|cut| format!("[\n{cut}"));
        let others = [
            "}{",
            r#"[{"a": [{"#,
            r#"{"a": 1}{"b":"#,
            "{\n  \"a\": [\n    1,",
            "\u{1e}{\"a\": [",
        ];
        let broken = cut.chain(others).map(str::to_owned).chain(in_array);
        for broken in broken {
            let line = broken.lines().count() as u64;
            let forms = [
                format!("{broken}\n{one}\n{two}\n"),
                format!("{broken}\r\n{one},\r\n{two}]"),
                format!("{broken}\n[{one}, {two}]"),
                format!("{broken}\n\u{1e}{one}\n\u{1e}{two}"),
            ];
            for text in forms {
                let found = found(&text);
                let (good, rejected): (Vec<_>, Vec<_>) =
                    found.into_iter().partition(|(_, value)| value["eventTime"].is_u64());
                let lines: Vec<u64> = good.iter().map(|(line, _)| *line).collect();
                let values: Vec<&Value> = good.iter().map(|(_, value)| value).collect();
                assert_eq!((lines[0], values), (line + 1, vec![&one, &two]), "{text}");
                assert!(
                    rejected.iter().any(|(_, value)| value.is_string()),
                    "{text}: {rejected:?}"
                );
            }
        }
    }

    #[test]
    fn broken_events_one_after_the_other_are_told_each() {
        let good = json!({ "eventTime": 1 });
        let broken = r#"{"eventTime": 1, "a": ["#;
        let found = found(&format!(
            "{broken}\n{broken}\n{{\"eventTime\": NaN}}\n{broken}\n{good}\n"
        ));
        let lines: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!((lines, &found[4].1), (vec![1, 2, 3, 4, 5], &good));
        assert!(found[..4].iter().all(|(_, value)| value.is_string()), "{found:?}");
    }

    #[test]
    fn documents_over_many_lines_are_cut_short_where_the_next_begins() {
        let pretty = |number: u64| serde_json::to_string_pretty(&json!({ "eventTime": number, "a": [1, 2] })).unwrap();
        let whole = pretty(1);
        for count in 1..whole.lines().count() {
            let cut: Vec<&str> = whole.lines().take(count).collect();
            let found = found(&format!("{}\n{}\n{}", cut.join("\n"), pretty(2), pretty(3)));
            assert_eq!(found.len(), 3, "{count}: {found:?}");
            assert!(
                found[0].1.is_string() && found[1].1["eventTime"] == 2 && found[2].1["eventTime"] == 3,
                "{count}"
            );
        }
    }

    #[test]
    fn what_stands_on_a_line_of_its_own_in_an_event_is_none() {
        let text =
            "{\"eventTime\": 1, \"inputs\": [\n{\"name\": \"a\"},\n{\"name\": \"b\"}\n], \"outputs\": [\n{},\n[]\n]}";
        let event = json!({ "eventTime": 1, "inputs": [{ "name": "a" }, { "name": "b" }], "outputs": [{}, []] });
        assert_eq!(found(text), [(1, event)]);
    }

    #[test]
    fn what_is_no_object_or_too_long_is_passed_over() {
        let no_object = json!("This is no event: write JSON objects.");
        let good = json!({ "good": 1 });
        assert_eq!(
            found("1, \"a,b\", null\nhello [world]\n{\"good\":1}"),
            [
                (1, no_object.clone()),
                (1, no_object.clone()),
                (1, no_object.clone()),
                (2, no_object),
                (3, good.clone())
            ]
        );
        let long = format!("{{\"a\": {{\"b\": \"{}\"}}}}{{\"good\":1}}", "x".repeat(200));
        assert_eq!(
            found(&long),
            [
                (1, json!("The event has more than 0 MiB: send less in one.")),
                (1, good)
            ]
        );
    }
}
