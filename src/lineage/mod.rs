//! Lineage: the graph of versions and executions in memory, and the walks over it.
//!
//! [`Lineage`] is what a server holds: the [`graph`] and the store that it follows. A [`question::Question`] is answered by a
//! [`walk::Walk`], whose nodes may be shown at another level than the graph has ([`hops`]); [`edges`] finds the edges between
//! them, [`paths`] the paths from one node to another, and [`draw`] puts an answer into a picture or a table. Why this
//! is in memory: `docs/decisions/0009`.

pub mod draw;
pub mod edges;
mod follow;
pub mod graph;
mod hops;
mod lists;
pub mod node;
pub mod paths;
pub mod question;
pub mod walk;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use tokio::sync::Mutex;

use self::edges::{Edge, EdgeScan};
use self::follow::{Position, Step};
use self::graph::Graph;
use self::node::Node;
use self::paths::{Path, PathSearch};
use self::question::Question;
use self::walk::{Walk, Walked};
use crate::store::scope::revision_newest;
use crate::store::{Store, StoreError};

/// Edges that are looked at before others get their turn: about a millisecond.
const PORTION: usize = 20_000;
/// A graph that is so many revisions behind is read anew, unless those are few beside what it has.
const FAR_BEHIND: i64 = 2_000;

/// The graph of a store, which follows what is written by whomever. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lineage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    graph: RwLock<Graph>,
    /// Whoever takes the graph further.
    following: Mutex<()>,
    under_way: AtomicUsize,
}

/// A walk under way, which ends when whoever waits for it goes away.
struct UnderWay<'a>(&'a AtomicUsize);

impl<'a> UnderWay<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Time ran out before there was anything to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfTime;

impl Lineage {
    /// Of a store. Nothing is read before somebody asks.
    pub fn new(store: Store) -> Self {
        Self(Arc::new(Inner {
            store,
            graph: RwLock::default(),
            following: Mutex::default(),
            under_way: AtomicUsize::new(0),
        }))
    }

    /// The graph, as far as it has come. Let go of it before waiting for anything.
    pub fn graph(&self) -> RwLockReadGuard<'_, Graph> {
        self.0.graph.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many walks are under way.
    pub fn walks(&self) -> usize {
        self.0.under_way.load(Ordering::Relaxed)
    }

    /// Takes the graph to a revision that the store has, at least. What has begun goes on when the caller goes away, since
    /// others wait for it too.
    pub async fn follow(&self, through: i64) -> Result<(), StoreError> {
        if self.graph().revision() >= through {
            return Ok(());
        }
        let this = self.clone();
        let followed = tokio::spawn(async move { this.follow_in_turn(through).await }).await;
        followed.unwrap_or_else(|failed| Err(StoreError::Inconsistent(format!("the graph cannot be read: {failed}"))))
    }

    /// Takes the graph to the newest revision, and answers which that is.
    pub async fn follow_newest(&self) -> Result<i64, StoreError> {
        let newest = revision_newest(&self.0.store.session()).await?.revision;
        self.follow(newest).await?;
        Ok(newest)
    }

    async fn follow_in_turn(&self, through: i64) -> Result<(), StoreError> {
        let _turn = self.0.following.lock().await;
        let db = self.0.store.session();
        loop {
            let position = Position::of(&self.graph());
            let behind = through - position.revision;
            if behind <= 0 {
                return Ok(());
            }
            if position.revision == 0 || behind > FAR_BEHIND.max(position.revision / 4) {
                let graph = follow::load(&db.for_much(), through).await?;
                *self.0.graph.write().unwrap_or_else(PoisonError::into_inner) = graph;
            } else if let Some(step) = Step::read(&db, position).await? {
                let mut graph = self.0.graph.write().unwrap_or_else(PoisonError::into_inner);
                if let Err(error) = step.apply(&mut graph) {
                    // Half a step is none: the next reader begins anew.
                    *graph = Graph::default();
                    return Err(error);
                }
            }
            if self.graph().revision() == position.revision {
                return Err(StoreError::Inconsistent(format!(
                    "the log ends before revision {through}"
                )));
            }
        }
    }

    /// Walks until the page is full, the walk is at its end, or time is over.
    ///
    /// # Errors
    /// When time is over before there is anything on the page.
    pub async fn walk(
        &self,
        question: Arc<Question>,
        skip: usize,
        limit: usize,
        deadline: Instant,
    ) -> Result<Walked, OutOfTime> {
        let _counted = UnderWay::begin(&self.0.under_way);
        let at = question.revision;
        let mut walk = Walk::new(question, skip, limit, self.graph().at(at));
        while !walk.advance(self.graph().at(at), PORTION) {
            if Instant::now() >= deadline {
                return if walk.progress() > 0 {
                    Ok(walk.finish(true))
                } else {
                    Err(OutOfTime)
                };
            }
            tokio::task::yield_now().await;
        }
        Ok(walk.finish(false))
    }

    /// The edges of the page of a walk.
    ///
    /// # Errors
    /// When time is over before all are found.
    pub async fn edges(&self, walked: &Walked, deadline: Instant) -> Result<Vec<Edge>, OutOfTime> {
        let at = walked.question().revision;
        let mut scan = EdgeScan::new(walked, self.graph().at(at));
        while !scan.advance(self.graph().at(at), PORTION) {
            in_time(deadline).await?;
        }
        Ok(scan.finish())
    }

    /// The shortest paths from a node to another as of a revision.
    ///
    /// # Errors
    /// When time is over before they are found.
    pub async fn paths(
        &self,
        at: i64,
        from: Node,
        to: Node,
        first: usize,
        deadline: Instant,
    ) -> Result<Vec<Path>, OutOfTime> {
        let mut search = PathSearch::new(self.graph().at(at), from, to, first);
        while !search.advance(self.graph().at(at), PORTION) {
            in_time(deadline).await?;
        }
        Ok(search.finish(self.graph().at(at)))
    }
}

async fn in_time(deadline: Instant) -> Result<(), OutOfTime> {
    if Instant::now() >= deadline {
        return Err(OutOfTime);
    }
    tokio::task::yield_now().await;
    Ok(())
}
