//! Rows of one table as a write transaction sees them: read once by key, changed in memory, written together.

use std::collections::HashMap;
use std::hash::Hash;

/// The rows that a transaction has looked at, by key.
///
/// A record is applied between [`Table::begin`] and the next one; [`Table::undo`] takes back what it did, so that a
/// refused record leaves no trace.
#[derive(Debug)]
pub struct Table<K, R> {
    slots: HashMap<K, Slot<R>>,
    /// What the record under way replaced, oldest first.
    replaced: Vec<(K, Option<Slot<R>>)>,
    /// Keys of rows to write, in the order in which they were first changed.
    dirty: Vec<K>,
    dirty_at_begin: usize,
}

#[derive(Clone, Debug)]
struct Slot<R> {
    row: Option<R>,
    saved: Saved,
    /// What the database has, where the row is another.
    stored: Option<R>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Saved {
    AsRead,
    New,
    Changed,
}

/// What a flush has to write.
#[derive(Debug)]
pub struct Unsaved<R> {
    /// Rows that the database does not have, in the order in which they were made.
    pub new: Vec<R>,
    /// Rows that it has otherwise.
    pub changed: Vec<R>,
    /// How it has those.
    pub stored: Vec<R>,
}

impl<R> Default for Unsaved<R> {
    fn default() -> Self {
        Self {
            new: Vec::new(),
            changed: Vec::new(),
            stored: Vec::new(),
        }
    }
}

impl<R> Unsaved<R> {
    /// All of them: the new ones, then the changed ones.
    pub fn both(self) -> [Vec<R>; 2] {
        [self.new, self.changed]
    }
}

impl<K, R> Default for Table<K, R> {
    fn default() -> Self {
        Self {
            slots: HashMap::new(),
            replaced: Vec::new(),
            dirty: Vec::new(),
            dirty_at_begin: 0,
        }
    }
}

impl<K: Eq + Hash + Clone, R: Clone> Table<K, R> {
    /// An empty one: nothing has been looked at.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a key has been looked up.
    pub fn knows(&self, key: &K) -> bool {
        self.slots.contains_key(key)
    }

    /// Takes in what the database answered for a key; what has been looked up before stays.
    pub fn read(&mut self, key: K, row: Option<R>) {
        self.slots.entry(key).or_insert(Slot {
            row,
            saved: Saved::AsRead,
            stored: None,
        });
    }

    /// The row under a key, if there is one.
    pub fn get(&self, key: &K) -> Option<&R> {
        self.slots.get(key)?.row.as_ref()
    }

    /// The rows that the database does not have yet, or has otherwise.
    pub fn unsaved(&self) -> impl Iterator<Item = &R> {
        self.dirty.iter().filter_map(|key| self.get(key))
    }

    /// All rows that have been looked at.
    pub fn rows(&self) -> impl Iterator<Item = &R> {
        self.slots.values().filter_map(|slot| slot.row.as_ref())
    }

    /// Sets the row under a key.
    pub fn put(&mut self, key: K, row: R) {
        let before = self.slots.get(&key).cloned();
        let saved = match &before {
            Some(Slot {
                row: Some(_),
                saved: Saved::New,
                ..
            })
            | Some(Slot { row: None, .. })
            | None => Saved::New,
            Some(Slot { row: Some(_), .. }) => Saved::Changed,
        };
        if before.as_ref().is_none_or(|slot| slot.saved == Saved::AsRead) {
            self.dirty.push(key.clone());
        }
        let stored = match &before {
            Some(slot) if slot.saved == Saved::AsRead => slot.row.clone(),
            Some(slot) => slot.stored.clone(),
            None => None,
        };
        let row = Some(row);
        self.slots.insert(key.clone(), Slot { row, saved, stored });
        self.replaced.push((key, before));
    }

    /// Takes it that there is no row under a key any more; what was under it must have been written.
    pub fn vacate(&mut self, key: K) {
        debug_assert!(!self.dirty.contains(&key), "an unsaved row would be lost");
        let slot = Slot {
            row: None,
            saved: Saved::AsRead,
            stored: None,
        };
        self.slots.insert(key, slot);
    }

    /// Begins a record.
    pub fn begin(&mut self) {
        self.replaced.clear();
        self.dirty_at_begin = self.dirty.len();
    }

    /// Takes back what was put since [`Table::begin`].
    pub fn undo(&mut self) {
        for (key, before) in self.replaced.drain(..).rev() {
            match before {
                Some(slot) => self.slots.insert(key, slot),
                None => self.slots.remove(&key),
            };
        }
        self.dirty.truncate(self.dirty_at_begin);
    }

    /// Whether there is something to write.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Hands out what is to be written, and takes it for written.
    pub fn take_unsaved(&mut self) -> Unsaved<R> {
        let mut unsaved = Unsaved::default();
        for key in self.dirty.drain(..) {
            let Some(slot) = self.slots.get_mut(&key) else { continue };
            let Some(row) = &slot.row else { continue };
            match slot.saved {
                Saved::New => unsaved.new.push(row.clone()),
                Saved::Changed => {
                    unsaved.changed.push(row.clone());
                    unsaved.stored.extend(slot.stored.take());
                }
                Saved::AsRead => {}
            }
            slot.saved = Saved::AsRead;
        }
        self.begin();
        unsaved
    }

    /// Forgets all that was looked up; nothing may be unsaved.
    pub fn forget(&mut self) {
        debug_assert!(!self.is_dirty(), "unsaved rows would be lost");
        self.slots.clear();
        self.begin();
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn a_record_taken_back_leaves_no_trace() {
        let mut table = Table::new();
        table.read(1, Some("one"));
        table.read(2, None);
        table.begin();
        table.put(2, "two");
        table.begin();
        table.put(1, "uno");
        table.put(2, "due");
        table.put(3, "tre");
        table.undo();
        assert_eq!(
            (table.get(&1), table.get(&2), table.get(&3)),
            (Some(&"one"), Some(&"two"), None)
        );
        let unsaved = table.take_unsaved();
        assert_eq!((unsaved.new, unsaved.changed), (vec!["two"], vec![]));
    }

    #[test]
    fn a_new_row_stays_new_until_it_is_written() {
        let mut table = Table::new();
        table.put(1, "a");
        table.put(1, "b");
        assert_eq!(table.take_unsaved().new, ["b"]);
        table.put(1, "c");
        let unsaved = table.take_unsaved();
        assert_eq!((unsaved.new, unsaved.changed), (vec![], vec!["c"]));
    }
}
