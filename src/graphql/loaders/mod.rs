//! How resolvers read: each says what it wants, and what is wanted of the same kind, with the same arguments, in the same
//! scope, becomes one call of the store for the whole level of the query.
//!
//! A kind of read is a [`Batch`]. It holds the arguments that members of a batch share, and says what they differ in: its
//! `Of`, usually the parent's id.

pub mod facts;
pub mod nodes;
pub mod pages;

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;

use async_graphql::dataloader::Loader;

use crate::store::{Scope, Session, StoreError};

/// One kind of read; its value is the arguments that a batch shares.
pub trait Batch: Clone + Eq + Hash + Send + Sync + 'static {
    /// What the members of a batch differ in.
    type Of: Clone + Eq + Hash + Send + Sync + 'static;
    /// The answer for one of them. Cheap to clone.
    type Value: Clone + Send + Sync + 'static;

    /// Answers for all of them, one value each, in their order.
    fn run(
        &self,
        db: &Session,
        scope: &Scope,
        of: &[Self::Of],
    ) -> impl Future<Output = Result<Vec<Self::Value>, StoreError>> + Send;
}

/// What one resolver wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key<B: Batch> {
    /// Which kind of read, with what arguments.
    pub batch: B,
    /// In which scope.
    pub scope: Scope,
    /// Of what.
    pub of: B::Of,
}

/// Reads for the resolvers of one request.
pub struct Loaders(pub Session);

impl<B: Batch> Loader<Key<B>> for Loaders {
    type Value = B::Value;
    type Error = StoreError;

    async fn load(&self, keys: &[Key<B>]) -> Result<HashMap<Key<B>, B::Value>, StoreError> {
        let mut groups: HashMap<(&B, Scope), Vec<B::Of>> = HashMap::new();
        for key in keys {
            groups.entry((&key.batch, key.scope)).or_default().push(key.of.clone());
        }
        let mut answers = HashMap::with_capacity(keys.len());
        for ((batch, scope), of) in groups {
            let values = batch.run(&self.0, &scope, &of).await?;
            if values.len() != of.len() {
                return Err(StoreError::Inconsistent(format!(
                    "{} answers for {} questions",
                    values.len(),
                    of.len()
                )));
            }
            answers.extend(of.into_iter().zip(values).map(|(of, value)| {
                (
                    Key {
                        batch: batch.clone(),
                        scope,
                        of,
                    },
                    value,
                )
            }));
        }
        Ok(answers)
    }
}

/// Puts rows that come in any order, without those that are not there, into the order of the ids asked for.
fn in_order<I: Copy + Eq + Hash, R>(ids: &[I], rows: impl IntoIterator<Item = (I, R)>) -> Vec<Option<R>> {
    let mut by_id: HashMap<I, R> = rows.into_iter().collect();
    ids.iter().map(|id| by_id.remove(id)).collect()
}
