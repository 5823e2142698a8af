//! What a query selects of an object whose fields are all plain: read once, then written for each of thousands of objects.
//!
//! The library resolves field by field, with a future and a value for each, which costs more than finding the rows. Where a
//! selection asks for nothing but plain fields, the answer is written from it directly; where it asks for anything else, for the
//! whole list the library's way is taken. Aliases, fragments, fields named twice and `__typename` are as the library has them;
//! what `@skip` and `@include` leave out it has taken out of the document before. A test runs the same documents both ways.

use std::borrow::Cow;
use std::collections::HashMap;

use async_graphql::parser::types::{Field, FragmentDefinition, Selection, SelectionSet};
use async_graphql::{ContextSelectionSet, Name, Positioned};

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// The selection sets of one object: many, where its field is named more than once.
#[derive(Clone)]
pub struct Selected<'a> {
    sets: Vec<&'a SelectionSet>,
    fragments: &'a Fragments,
}

/// The plain fields of a type.
pub trait Plain: Sized {
    /// The type.
    const TYPE: &'static str;
    /// Whether it implements `Node`.
    const IS_NODE: bool = false;

    /// The field of a name with what is selected of it; none when it is not plain.
    fn named(name: &str, selected: &Selected<'_>) -> Option<Self>;
}

/// One field of an object.
pub enum Entry<F> {
    /// `__typename`.
    Typename,
    /// A field of the type.
    Field(F),
}

/// What is selected of an object of one type, in the order of the answer, each with the beginning of its member.
pub struct Fields<F> {
    of: Cow<'static, str>,
    members: Vec<(String, Entry<F>)>,
}

impl<'a> Selected<'a> {
    /// What is selected of the objects that `ctx` resolves.
    pub fn of(ctx: &ContextSelectionSet<'a>) -> Self {
        Self {
            sets: vec![&ctx.item.node],
            fragments: &ctx.query_env.fragments,
        }
    }

    /// The fields of a type; none when one is not plain.
    pub fn fields<F: Plain>(&self) -> Option<Fields<F>> {
        self.read(Cow::Borrowed(F::TYPE), F::IS_NODE, F::named)
    }

    /// The fields of a type that is no node; `named` answers the field of a name with what is selected of it.
    pub fn fields_of<F>(&self, of: &str, named: impl Fn(&str, &Selected<'_>) -> Option<F>) -> Option<Fields<F>> {
        self.read(Cow::Owned(of.to_owned()), false, named)
    }

    fn read<F>(
        &self,
        of: Cow<'static, str>,
        is_node: bool,
        named: impl Fn(&str, &Selected<'_>) -> Option<F>,
    ) -> Option<Fields<F>> {
        let mut selected: Vec<(&str, &str, Vec<&SelectionSet>)> = Vec::new();
        for set in &self.sets {
            self.collect(set, &of, is_node, &mut selected)?;
        }
        let mut members = Vec::with_capacity(selected.len());
        for (key, name, sets) in selected {
            let entry = match name {
                "__typename" => Entry::Typename,
                name => {
                    let selected = Selected {
                        sets,
                        fragments: self.fragments,
                    };
                    Entry::Field(named(name, &selected)?)
                }
            };
            members.push((format!("\"{key}\":"), entry));
        }
        Some(Fields { of, members })
    }

    fn collect<'b>(
        &self,
        set: &'b SelectionSet,
        of: &str,
        is_node: bool,
        members: &mut Vec<(&'b str, &'b str, Vec<&'b SelectionSet>)>,
    ) -> Option<()>
    where
        'a: 'b,
    {
        for selection in &set.items {
            let (condition, inner) = match &selection.node {
                Selection::Field(field) => {
                    add(&field.node, members)?;
                    continue;
                }
                Selection::InlineFragment(fragment) => {
                    let fragment = &fragment.node;
                    (fragment.type_condition.as_ref(), &fragment.selection_set.node)
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = &self.fragments.get(&spread.node.fragment_name.node)?.node;
                    (Some(&fragment.type_condition), &fragment.selection_set.node)
                }
            };
            let applies = condition.is_none_or(|condition| {
                let on = condition.node.on.node.as_str();
                on == of || is_node && on == "Node"
            });
            if applies {
                self.collect(inner, of, is_node, members)?;
            }
        }
        Some(())
    }
}

/// Adds a field; what is named before under the same key is the same field, and gets the selection of this one too.
fn add<'b>(field: &'b Field, members: &mut Vec<(&'b str, &'b str, Vec<&'b SelectionSet>)>) -> Option<()> {
    if !field.arguments.is_empty() || !field.directives.is_empty() {
        return None;
    }
    let key = field.response_key().node.as_str();
    let set = &field.selection_set.node;
    match members.iter_mut().find(|(known, ..)| *known == key) {
        Some((_, _, sets)) => sets.push(set),
        None => members.push((key, field.name.node.as_str(), vec![set])),
    }
    Some(())
}

impl<F> Fields<F> {
    /// The fields of the type that are selected.
    pub fn fields(&self) -> impl Iterator<Item = &F> {
        self.members.iter().filter_map(|(_, entry)| match entry {
            Entry::Typename => None,
            Entry::Field(field) => Some(field),
        })
    }

    /// Writes an object; `write` writes the value of a field.
    pub fn write(&self, json: &mut Vec<u8>, mut write: impl FnMut(&mut Vec<u8>, &F)) {
        json.push(b'{');
        for (index, (key, entry)) in self.members.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            json.extend_from_slice(key.as_bytes());
            match entry {
                Entry::Typename => text(json, &self.of),
                Entry::Field(field) => write(json, field),
            }
        }
        json.push(b'}');
    }
}

/// Writes a text.
pub fn text(json: &mut Vec<u8>, text: &str) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
    } else if serde_json::to_writer(&mut *json, text).is_err() {
        // A vector takes everything.
        json.extend_from_slice(b"\"\"");
    }
}

/// Writes a text, or `null`.
pub fn optional(json: &mut Vec<u8>, given: Option<&str>) {
    match given {
        Some(given) => text(json, given),
        None => json.extend_from_slice(b"null"),
    }
}

/// Writes a number.
pub fn number(json: &mut Vec<u8>, number: usize) {
    json.extend_from_slice(number.to_string().as_bytes());
}

/// Writes items with commas between.
pub fn separated<T>(json: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        write(json, item);
    }
}

/// Writes a list.
pub fn list<T>(json: &mut Vec<u8>, items: impl IntoIterator<Item = T>, write: impl FnMut(&mut Vec<u8>, T)) {
    json.push(b'[');
    separated(json, items, write);
    json.push(b']');
}
