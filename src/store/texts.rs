//! Texts of statements about whole rows of a table: each is put together once, since that takes as long as to run it.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use sea_orm::{DbBackend, EntityTrait};

/// What a statement does with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// Inserts so many rows; those that are there, by the first so many columns, are replaced.
    Insert { rows: usize, key: usize },
    /// The same for rows that are a JSON array of objects.
    Objects { key: usize },
    /// Finds the rows with one of so many values in a column.
    Find { column: &'static str, keys: usize },
}

type Texts = HashMap<(TypeId, bool, Form), Arc<str>>;

/// There are a few for each table, since numbers of rows and values are rounded.
static TEXTS: LazyLock<RwLock<Texts>> = LazyLock::new(RwLock::default);

/// The text of a statement, which is written when it is first asked for.
pub(super) fn text<E: EntityTrait>(backend: DbBackend, form: Form, write: impl FnOnce() -> String) -> Arc<str> {
    let key = (TypeId::of::<E>(), backend == DbBackend::Sqlite, form);
    let known = TEXTS.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    known.unwrap_or_else(|| {
        let mut texts = TEXTS.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(texts.entry(key).or_insert_with(|| write().into()))
    })
}
