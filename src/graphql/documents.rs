//! Parsed documents by their source text, so that a query that comes again is neither parsed nor validated again.
//!
//! Two generations take the place of a list in order of use: what is used moves to the young one, and when that is
//! full, the old one is dropped and the young one takes its place. Looking up costs one hash of the text and one short
//! lock.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_graphql::{
    Name, Positioned,
    parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet},
};

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// A document that is parsed and within the limits.
pub struct Document {
    /// What the parser made of it.
    pub parsed: ExecutableDocument,
    valid: AtomicBool,
    repeats: OnceLock<bool>,
}

impl Document {
    /// A document that nobody has validated yet.
    pub fn new(parsed: ExecutableDocument) -> Self {
        Self {
            parsed,
            valid: AtomicBool::new(false),
            repeats: OnceLock::new(),
        }
    }

    /// Whether it names a field with a selection twice under one key, one of them a list that is written from prepared rows or
    /// something around such a list. The library resolves both and merges what they answer, which it cannot do with what is
    /// written already. Only of a document that is valid: others may have fragments in a circle.
    pub fn repeats_lists(&self, lists: &[&str]) -> bool {
        *self.repeats.get_or_init(|| {
            let fragments = &self.parsed.fragments;
            let mut operations = self.parsed.operations.iter();
            operations.any(|(_, operation)| {
                let Repeats { repeated, .. } = Repeats::of(&[&operation.node.selection_set.node], fragments, lists);
                repeated
            })
        })
    }

    /// Whether it has been found to fit the schema.
    pub fn is_valid(&self) -> bool {
        self.valid.load(Ordering::Relaxed)
    }

    /// Remembers that it fits the schema.
    pub fn set_valid(&self) {
        self.valid.store(true, Ordering::Relaxed);
    }
}

/// What there is below a field.
struct Repeats {
    /// Whether one of the lists is there.
    has_list: bool,
    /// Whether one is there twice, or below something that is there twice.
    repeated: bool,
}

impl Repeats {
    fn of(sets: &[&SelectionSet], fragments: &Fragments, lists: &[&str]) -> Self {
        let mut fields = HashMap::new();
        for set in sets {
            collect(set, fragments, &mut fields);
        }
        let mut found = Self {
            has_list: false,
            repeated: false,
        };
        for (name, sets) in fields.values() {
            let below = Self::of(sets, fragments, lists);
            let has_list = below.has_list || lists.contains(name);
            found.has_list |= has_list;
            found.repeated |= below.repeated || has_list && sets.len() > 1;
        }
        found
    }
}

/// The fields with selections of a set, by the key of their answer, whatever type they are selected of.
fn collect<'a>(
    set: &'a SelectionSet,
    fragments: &'a Fragments,
    fields: &mut HashMap<&'a str, (&'a str, Vec<&'a SelectionSet>)>,
) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) if field.node.selection_set.node.items.is_empty() => {}
            Selection::Field(field) => {
                let field = &field.node;
                let key = field.response_key().node.as_str();
                let known = fields
                    .entry(key)
                    .or_insert_with(|| (field.name.node.as_str(), Vec::new()));
                known.1.push(&field.selection_set.node);
            }
            Selection::InlineFragment(fragment) => collect(&fragment.node.selection_set.node, fragments, fields),
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                    collect(&fragment.node.selection_set.node, fragments, fields);
                }
            }
        }
    }
}

/// A bounded store of documents.
pub struct Documents {
    generations: Mutex<Generations>,
    /// What one generation may hold: half of everything.
    entries: usize,
    bytes: usize,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Arc<str>, Arc<Document>>,
    old: HashMap<Arc<str>, Arc<Document>>,
    young_bytes: usize,
}

impl Documents {
    /// Holds at most `entries` documents, with at most `bytes` bytes of source text together.
    pub fn new(entries: usize, bytes: usize) -> Self {
        Self {
            generations: Mutex::default(),
            entries: entries / 2,
            bytes: bytes / 2,
        }
    }

    /// The document with this source text, if it is here.
    pub fn get(&self, source: &str) -> Option<Arc<Document>> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = generations.young.get(source) {
            return Some(Arc::clone(document));
        }
        let (source, document) = generations.old.remove_entry(source)?;
        self.insert_young(&mut generations, source, Arc::clone(&document));
        Some(document)
    }

    /// Keeps a document, and forgets others that have not been used for long.
    pub fn insert(&self, source: &str, document: Arc<Document>) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        self.insert_young(&mut generations, source.into(), document);
    }

    fn insert_young(&self, generations: &mut Generations, source: Arc<str>, document: Arc<Document>) {
        if source.len() > self.bytes || self.entries == 0 {
            return;
        }
        let is_full = generations.young.len() >= self.entries || generations.young_bytes + source.len() > self.bytes;
        if is_full {
            generations.old = std::mem::take(&mut generations.young);
            generations.young_bytes = 0;
        }
        generations.young_bytes += source.len();
        if let Some((replaced, _)) = generations.young.get_key_value(&source) {
            generations.young_bytes -= replaced.len();
        }
        generations.young.insert(source, document);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Arc<Document> {
        Arc::new(Document::new(async_graphql::parser::parse_query("{a}").unwrap()))
    }

    fn held(documents: &Documents) -> usize {
        let generations = documents.generations.lock().unwrap();
        generations.young.len() + generations.old.len()
    }

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let documents = Documents::new(8, 1_000_000);
        documents.insert("used", document());
        for n in 0..100 {
            documents.insert(&format!("once {n}"), document());
            assert!(documents.get("used").is_some());
            assert!(held(&documents) <= 8);
        }
        assert!(documents.get("once 0").is_none());
        assert!(documents.get("once 99").is_some());
    }

    #[test]
    fn bytes_are_bounded_too() {
        let documents = Documents::new(1_000, 100);
        for n in 0..100 {
            documents.insert(&format!("{n:020}"), document());
        }
        assert!(held(&documents) <= 5);
        documents.insert(&"x".repeat(51), document());
        assert!(documents.get(&"x".repeat(51)).is_none());
    }

    #[test]
    fn the_same_document_counts_once() {
        let documents = Documents::new(100, 100);
        for _ in 0..100 {
            documents.insert("the same source text", document());
        }
        assert_eq!(held(&documents), 1);
    }

    #[test]
    fn none_can_be_kept() {
        let documents = Documents::new(0, 0);
        documents.insert("a", document());
        assert!(documents.get("a").is_none());
    }
}
