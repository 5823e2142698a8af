//! How big a document may be, checked before the library sees it: its parser, its validation and its execution all
//! recurse, and follow each spread of a fragment, so a small text could exhaust the stack or ask for billions of
//! fields.
//!
//! First the text is scanned ([`check_source`]), which needs no stack; then the parsed document is measured
//! ([`check_document`]), each fragment once.

use std::collections::HashMap;

use async_graphql::{
    Name, Pos, Positioned,
    parser::types::{ExecutableDocument, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet},
};

use super::error::{ApiError, ErrorCode};
use crate::config::Limits;

/// Selection sets inside each other, inline fragments and spreads included, that the library is given to walk.
const NESTING_MAXIMUM: usize = 64;

/// Lists and objects inside each other in one value.
const VALUE_NESTING_MAXIMUM: usize = 64;

/// Lists and objects inside each other in a request's JSON, as `serde_json` counts them.
pub const JSON_NESTING_MAXIMUM: usize = 128;

/// Refuses a text that is too deep or too long to be parsed.
///
/// # Errors
/// LIMIT_EXCEEDED, with the limit and the actual number.
pub fn check_source(source: &str, limits: &Limits) -> Result<(), ApiError> {
    let shape = Shape::of(source);
    within("limits.tokens", "The document's tokens", limits.tokens, shape.tokens)?;
    if shape.selections > NESTING_MAXIMUM {
        within("limits.depth", "The document's levels", limits.depth, shape.selections)?;
    }
    within(
        "the nesting of values",
        "The levels of a value",
        VALUE_NESTING_MAXIMUM,
        shape.values,
    )
}

fn within(name: &str, what: &str, limit: usize, actual: usize) -> Result<(), ApiError> {
    if actual <= limit {
        return Ok(());
    }
    Err(ApiError::limit_exceeded(name, what, limit, actual))
}

/// What a scan of the text finds, without understanding it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shape {
    /// Names, numbers, strings and punctuation.
    tokens: usize,
    /// The deepest `{` outside of parentheses.
    selections: usize,
    /// The deepest `{` or `[` inside of parentheses, or of a list type.
    values: usize,
}

#[derive(Default)]
struct Depth {
    current: usize,
    deepest: usize,
}

impl Depth {
    fn enter(&mut self) {
        self.current += 1;
        self.deepest = self.deepest.max(self.current);
    }

    fn leave(&mut self) {
        self.current = self.current.saturating_sub(1);
    }
}

impl Shape {
    fn of(source: &str) -> Self {
        let bytes = source.as_bytes();
        let (mut selections, mut values) = (Depth::default(), Depth::default());
        let (mut tokens, mut parentheses, mut at) = (0, 0_usize, 0);
        while let Some(&byte) = bytes.get(at) {
            let mut end = at + 1;
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                    at = end;
                    continue;
                }
                b'#' => {
                    at = end_of_line(bytes, at);
                    continue;
                }
                b'"' => end = end_of_string(bytes, at),
                b'(' => parentheses += 1,
                b')' => parentheses = parentheses.saturating_sub(1),
                b'{' if parentheses == 0 => selections.enter(),
                b'}' if parentheses == 0 => selections.leave(),
                b'{' | b'[' => values.enter(),
                b'}' | b']' => values.leave(),
                _ if is_word(byte) => end = end_of_word(bytes, at),
                _ => {}
            }
            tokens += 1;
            at = end;
        }
        // Parentheses cannot stand inside each other in GraphQL, so whoever opens many of them wants to go deep.
        Self {
            tokens,
            selections: selections.deepest,
            values: values.deepest.max(parentheses),
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'+')
}

fn end_of_word(bytes: &[u8], start: usize) -> usize {
    bytes[start..]
        .iter()
        .position(|&byte| !is_word(byte))
        .map_or(bytes.len(), |length| start + length)
}

fn end_of_line(bytes: &[u8], start: usize) -> usize {
    let ends = |&byte: &u8| matches!(byte, b'\n' | b'\r');
    bytes[start..]
        .iter()
        .position(ends)
        .map_or(bytes.len(), |length| start + length)
}

/// Behind the string that begins at `start`: `"…"`, or `"""…"""` for a block.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let is_block = bytes[start..].starts_with(b"\"\"\"");
    let mut at = if is_block { start + 3 } else { start + 1 };
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if is_block && bytes[at..].starts_with(b"\\\"\"\"") => at += 4,
            b'\\' if !is_block => at += 2,
            b'"' if !is_block => return at + 1,
            b'"' if bytes[at..].starts_with(b"\"\"\"") => return at + 3,
            b'\n' | b'\r' if !is_block => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Refuses a document that asks for too much, whatever the schema says about it.
///
/// # Errors
/// LIMIT_EXCEEDED, with the limit and the actual number; GRAPHQL_VALIDATION_FAILED when a fragment spreads itself,
/// which the library would follow before it notices.
pub fn check_document(document: &ExecutableDocument, limits: &Limits) -> Result<(), ApiError> {
    let mut survey = Survey {
        fragments: &document.fragments,
        surveyed: HashMap::with_capacity(document.fragments.len()),
        aliases: 0,
        directives: 0,
    };
    for (name, fragment) in &document.fragments {
        survey.fragment(name, fragment.pos, 0)?;
    }
    for (_, operation) in document.operations.iter() {
        let extent = survey.operation(&operation.node)?;
        let root_fields = root_fields(&operation.node.selection_set, &survey.surveyed);
        within(
            "limits.root_fields",
            "The fields at the top of the operation",
            limits.root_fields,
            root_fields,
        )?;
        within(
            "limits.depth",
            "The levels of the operation",
            limits.depth,
            extent.depth,
        )?;
        within(
            "limits.fields",
            "The fields of the operation, fragments counted at each spread,",
            limits.fields,
            extent.fields,
        )?;
    }
    within(
        "limits.aliases",
        "The document's aliases",
        limits.aliases,
        survey.aliases,
    )?;
    within(
        "limits.directives",
        "The document's directives",
        limits.directives,
        survey.directives,
    )
}

/// How far a selection set reaches, fragments included.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    /// Levels of fields.
    depth: usize,
    /// Fields, as often as they are spread.
    fields: usize,
    /// Fields that stand directly in it.
    top: usize,
    /// Levels of selection sets, fragments counted.
    nesting: usize,
}

impl Extent {
    fn add(&mut self, other: Self) {
        self.depth = self.depth.max(other.depth);
        self.fields = self.fields.saturating_add(other.fields);
        self.top = self.top.saturating_add(other.top);
        self.nesting = self.nesting.max(other.nesting);
    }
}

/// Walks each selection set of a document once.
struct Survey<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    /// `None` while a fragment is being walked: who meets it then is inside of it.
    surveyed: HashMap<&'a str, Option<Extent>>,
    aliases: usize,
    directives: usize,
}

impl<'a> Survey<'a> {
    fn operation(&mut self, operation: &'a OperationDefinition) -> Result<Extent, ApiError> {
        self.directives += operation.directives.len();
        self.directives += operation
            .variable_definitions
            .iter()
            .map(|definition| definition.node.directives.len())
            .sum::<usize>();
        self.selection_set(&operation.selection_set, 1)
    }

    fn selection_set(&mut self, set: &'a Positioned<SelectionSet>, level: usize) -> Result<Extent, ApiError> {
        within(
            "the nesting of selections",
            "The levels of the document, fragments counted,",
            NESTING_MAXIMUM,
            level,
        )?;
        let mut whole = Extent {
            nesting: 1,
            ..Extent::default()
        };
        for selection in &set.node.items {
            self.directives += selection.node.directives().len();
            let part = match &selection.node {
                Selection::Field(field) => self.field(&field.node, level)?,
                Selection::InlineFragment(inline) => nested(self.selection_set(&inline.node.selection_set, level + 1)?),
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name;
                    nested(self.fragment(&name.node, name.pos, level)?)
                }
            };
            whole.add(part);
        }
        within(
            "the nesting of selections",
            "The levels of the document, fragments counted,",
            NESTING_MAXIMUM,
            level + whole.nesting - 1,
        )?;
        Ok(whole)
    }

    fn field(&mut self, field: &'a Field, level: usize) -> Result<Extent, ApiError> {
        self.aliases += usize::from(field.alias.is_some());
        if field.selection_set.node.items.is_empty() {
            return Ok(Extent {
                depth: 1,
                fields: 1,
                top: 1,
                nesting: 1,
            });
        }
        let inner = self.selection_set(&field.selection_set, level + 1)?;
        Ok(Extent {
            depth: inner.depth + 1,
            fields: inner.fields.saturating_add(1),
            top: 1,
            nesting: inner.nesting + 1,
        })
    }

    fn fragment(&mut self, name: &'a Name, position: Pos, level: usize) -> Result<Extent, ApiError> {
        match self.surveyed.get(name.as_str()) {
            Some(Some(extent)) => return Ok(*extent),
            Some(None) => {
                let message = format!(
                    "The fragment \"{name}\" spreads itself, so it would never end: remove one of the spreads."
                );
                return Err(ApiError::new(ErrorCode::GraphqlValidationFailed, message).at(position));
            }
            None => {}
        }
        // A fragment that is not there is the validation's to complain about.
        let Some(fragment) = self.fragments.get(name) else {
            return Ok(Extent::default());
        };
        self.surveyed.insert(name, None);
        self.directives += fragment.node.directives.len();
        let extent = self.selection_set(&fragment.node.selection_set, level + 1)?;
        self.surveyed.insert(name, Some(extent));
        Ok(extent)
    }
}

/// A fragment adds a level of selection sets, but none of fields.
fn nested(inner: Extent) -> Extent {
    Extent {
        nesting: inner.nesting + 1,
        ..inner
    }
}

fn root_fields(set: &Positioned<SelectionSet>, surveyed: &HashMap<&str, Option<Extent>>) -> usize {
    set.node
        .items
        .iter()
        .map(|selection| match &selection.node {
            Selection::Field(_) => 1,
            Selection::InlineFragment(inline) => root_fields(&inline.node.selection_set, surveyed),
            Selection::FragmentSpread(spread) => surveyed
                .get(spread.node.fragment_name.node.as_str())
                .copied()
                .flatten()
                .map_or(0, |extent| extent.top),
        })
        .fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn limits() -> Limits {
        Limits {
            depth: 3,
            aliases: 2,
            directives: 2,
            root_fields: 3,
            fields: 10,
            tokens: 100,
            ..Limits::default()
        }
    }

    /// The code, the limit and the actual number of the refusal.
    fn refusal(source: &str) -> Option<(String, u64, u64)> {
        let limits = limits();
        let error = check_source(source, &limits)
            .and_then(|()| check_document(&parse_query(source).unwrap(), &limits))
            .err()?;
        let json = serde_json::to_value(error.into_server_error()).unwrap();
        let number = |key: &str| json["extensions"][key].as_u64().unwrap_or_default();
        Some((
            json["message"].as_str().unwrap().to_owned(),
            number("limit"),
            number("actual"),
        ))
    }

    fn exceeds(source: &str, name: &str, limit: u64, actual: u64) {
        let (message, given_limit, given_actual) = refusal(source).expect("the document must be refused");
        assert!(message.contains(name), "{message}");
        assert_eq!((given_limit, given_actual), (limit, actual), "{message}");
    }

    #[test]
    fn each_limit_in_pairs() {
        assert_eq!(refusal("{a{b{c}}}"), None);
        exceeds("{a{b{c{d}}}}", "limits.depth", 3, 4);
        assert_eq!(refusal("{x:a y:b}"), None);
        exceeds("{x:a y:b z:c}", "limits.aliases", 2, 3);
        assert_eq!(refusal("query @a {x @b}"), None);
        exceeds("query @a {x @b @c}", "limits.directives", 2, 3);
        assert_eq!(refusal("{a b ...{c}}"), None);
        exceeds("{a b ...F} fragment F on Q {c d}", "limits.root_fields", 3, 4);
        assert_eq!(refusal("{a{a b c d e f g h i}}"), None);
        exceeds("{a{a b c d e f g h i j}}", "limits.fields", 10, 11);
        let tokens = |count: usize| format!("{{a(x:[{}])}}", "1 ".repeat(count));
        assert_eq!(refusal(&tokens(91)), None);
        exceeds(&tokens(92), "limits.tokens", 100, 101);
    }

    #[test]
    fn fragments_count_at_each_spread() {
        exceeds("{a{...F ...F}} fragment F on Q {a b c d e}", "limits.fields", 10, 11);
        exceeds("{a{...F}} fragment F on Q {a{b{c}}}", "limits.depth", 3, 4);
        let doubling: String = (0..5)
            .map(|n| format!("fragment F{n} on Q {{ ...F{0} ...F{0} }}", n + 1))
            .collect();
        exceeds(
            &format!("{{a{{...F0}}}} {doubling} fragment F5 on Q {{x}}"),
            "limits.fields",
            10,
            33,
        );
    }

    #[test]
    fn a_fragment_that_spreads_itself_is_invalid() {
        let (message, ..) = refusal("{...F} fragment F on Q {...G} fragment G on Q {...F}").unwrap();
        assert!(message.contains("spreads itself"));
    }

    #[test]
    fn depth_that_would_exhaust_the_stack_is_refused_by_the_scan() {
        let limits = Limits {
            tokens: 1_000_000,
            ..Limits::default()
        };
        let deep = |open: &str, close: &str, n: usize| format!("{}{}", open.repeat(n), close.repeat(n));
        let check = |source: &str| {
            serde_json::to_value(check_source(source, &limits).unwrap_err().into_server_error()).unwrap()["extensions"]
                ["actual"]
                .as_u64()
                .unwrap()
        };
        assert_eq!(check(&deep("{a", "}", 10_000)), 10_000);
        assert_eq!(check(&format!("{{a(x:{})}}", deep("[", "]", 10_000))), 10_000);
        assert_eq!(check(&format!("{{a(x:{})}}", deep("{a:", "}", 10_000))), 10_000);
        assert_eq!(check(&format!("query($x:{}){{a}}", deep("[", "]", 10_000))), 10_000);
        assert_eq!(check(&"(".repeat(10_000)), 10_000);
    }

    #[test]
    fn a_chain_of_fragments_is_as_deep_as_nested_fields() {
        let chain: String = (0..1000)
            .map(|n| format!("fragment F{n} on Q {{ ...F{} }}", n + 1))
            .collect();
        let source = format!("{{...F0}} {chain} fragment F1000 on Q {{a}}");
        let document = parse_query(source).unwrap();
        let error = check_document(&document, &Limits::default()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::LimitExceeded);
    }

    #[test]
    fn the_scan_knows_strings_and_comments() {
        let shape = |source: &str| Shape::of(source);
        assert_eq!(shape("{a}").tokens, 3);
        assert_eq!(
            shape(r#"{a(x:"{{{[[[")}"#),
            Shape {
                tokens: 8,
                selections: 1,
                values: 0
            }
        );
        assert_eq!(shape(r#"{a(x:"\"{{{")}"#).values, 0);
        assert_eq!(
            shape(r#"{a(x:"""{{ " \""" {{""")}"#),
            Shape {
                tokens: 8,
                selections: 1,
                values: 0
            }
        );
        assert_eq!(
            shape("{a # {{{\n b}"),
            Shape {
                tokens: 4,
                selections: 1,
                values: 0
            }
        );
        assert_eq!(shape("{a(x:{b:[1]})}").values, 2);
        assert_eq!(
            shape("\"unterminated"),
            Shape {
                tokens: 1,
                selections: 0,
                values: 0
            }
        );
        assert_eq!(
            shape("\"\"\"unterminated \\"),
            Shape {
                tokens: 1,
                selections: 0,
                values: 0
            }
        );
    }
}
