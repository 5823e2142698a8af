//! Lineage: the graph of versions and executions in memory, and the walks over it.
//!
//! [`Lineage`] is what a server holds: the [`graph`] and the store that it follows. A [`question::Question`] is answered by a
//! [`walk::Walk`], whose nodes may be shown at another level than the graph has (`hops`); [`edges`] finds the edges between
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

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

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
    /// Whether a step failed in the middle.
    is_spoilt: AtomicBool,
    far_behind: i64,
    under_way: AtomicUsize,
}

/// Counts a walk, or a search, for as long as somebody waits for it.
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

/// Why there are no edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoEdges {
    /// Time ran out before all were found.
    OutOfTime,
    /// There are too many.
    TooMany,
}

impl From<OutOfTime> for NoEdges {
    fn from(OutOfTime: OutOfTime) -> Self {
        Self::OutOfTime
    }
}

impl Lineage {
    /// Of a store. Nothing is read before somebody asks.
    pub fn new(store: Store) -> Self {
        Self::reading_anew_after(store, FAR_BEHIND)
    }

    /// The same, which reads the graph anew when it is more than so many revisions behind.
    pub fn reading_anew_after(store: Store, far_behind: i64) -> Self {
        Self(Arc::new(Inner {
            store,
            graph: RwLock::default(),
            following: Mutex::default(),
            is_spoilt: AtomicBool::new(false),
            far_behind,
            under_way: AtomicUsize::new(0),
        }))
    }

    /// The graph, as far as it has come. Let go of it before waiting for anything.
    pub fn graph(&self) -> RwLockReadGuard<'_, Graph> {
        self.0.graph.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many walks and searches are under way.
    pub fn walks(&self) -> usize {
        self.0.under_way.load(Ordering::Relaxed)
    }

    /// Whether the graph has been read, and lacks little up to a revision.
    pub fn is_near(&self, through: i64) -> bool {
        let revision = self.graph().revision();
        revision > 0 && through - revision <= follow::REVISIONS
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

    fn graph_to_write(&self) -> RwLockWriteGuard<'_, Graph> {
        self.0.graph.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn exchange(&self, graph: Graph) {
        let old = std::mem::replace(&mut *self.graph_to_write(), graph);
        self.0.is_spoilt.store(false, Ordering::Release);
        // Readers need not wait until it is taken apart.
        drop(old);
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
            let is_far = behind > self.0.far_behind.max(position.revision / 4);
            if position.revision == 0 || is_far || self.0.is_spoilt.load(Ordering::Acquire) {
                let empty = Graph::numbering_as(&self.graph());
                let graph = follow::load(&db.for_much(), empty, through).await?;
                self.exchange(graph);
            } else if let Some(step) = Step::read(&db, position).await? {
                // Half a step is harmless to readers, who look at earlier revisions only, but must not be taken twice.
                self.0.is_spoilt.store(true, Ordering::Release);
                step.apply(&mut self.graph_to_write())?;
                self.0.is_spoilt.store(false, Ordering::Release);
            }
            if self.graph().revision() == position.revision {
                return Err(StoreError::Inconsistent(format!(
                    "the log ends before revision {through}"
                )));
            }
        }
    }

    /// Walks until the page is full, the walk is at its end, or time is over, which begins where the page does: what earlier pages
    /// have shown is walked through again, however long that takes.
    pub async fn walk(&self, question: Arc<Question>, skip: usize, limit: usize, time: Duration) -> Walked {
        let _counted = UnderWay::begin(&self.0.under_way);
        let at = question.revision;
        let mut walk = Walk::new(question, skip, limit, self.graph().at(at));
        let mut deadline = None;
        while !walk.advance(self.graph().at(at), PORTION) {
            if walk.progress() > 0 && Instant::now() >= *deadline.get_or_insert_with(|| Instant::now() + time) {
                return walk.finish(true);
            }
            tokio::task::yield_now().await;
        }
        walk.finish(false)
    }

    /// The edges of the page of a walk, `most` of them.
    ///
    /// # Errors
    /// When time is over before all are found, or there are more.
    pub async fn edges(&self, walked: &Walked, most: usize, deadline: Instant) -> Result<Vec<Edge>, NoEdges> {
        let _counted = UnderWay::begin(&self.0.under_way);
        let at = walked.question().revision;
        let mut scan = EdgeScan::new(walked, self.graph().at(at));
        while !scan.advance(self.graph().at(at), PORTION) {
            in_time(deadline).await?;
            if scan.found() > most {
                return Err(NoEdges::TooMany);
            }
        }
        if scan.found() > most {
            return Err(NoEdges::TooMany);
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
        let _counted = UnderWay::begin(&self.0.under_way);
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
