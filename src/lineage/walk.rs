//! The walk: breadth first, level by level, each node once, in an order that depends on nothing but the graph.
//!
//! A walk goes on in portions, so that whoever drives it can stop it, and others can use the processor between. It reads the
//! graph as of one revision, which stays the same whatever is written between two portions.

use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::graph::{Snapshot, Way};
use super::hops::{Exempt, Hops, end};
use super::node::{Kind, Node};
use super::question::{Level, Question};

/// Why an answer is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stop {
    /// Something lies beyond the depth.
    Depth,
    /// The page is full.
    Limit,
    /// A node has more neighbours than are followed.
    FanOut,
    /// Time ran out.
    Deadline,
    /// The filter stopped the walk.
    Hidden,
}

/// One of the directions of a walk.
#[derive(Debug)]
struct Side {
    way: Way,
    /// What it has reached; none where it is the only side, and all that is reached is reached by it.
    seen: Option<FxHashSet<Node>>,
    /// The nodes of the last level, and how many of them have been followed.
    frontier: Vec<Node>,
    followed: usize,
    next: Vec<Node>,
    /// What it has passed through.
    passed: FxHashSet<Node>,
    /// Neighbours that were not followed.
    cut: FxHashSet<Node>,
    /// Nodes of the other side alone that this one has looked at, or will, in this phase.
    looked_at: FxHashSet<Node>,
    /// How many nodes of the frontier stand at the greatest depth; the others are those of the other side.
    at_depth: usize,
}

impl Side {
    fn next_level(&mut self) {
        self.frontier = std::mem::take(&mut self.next);
        self.frontier.sort_unstable();
        self.followed = 0;
    }

    /// Will look at a node that only the other side has come to.
    fn look_at(&mut self, node: Node) {
        let is_of_other = self.seen.as_ref().is_some_and(|seen| !seen.contains(&node));
        if is_of_other && self.looked_at.insert(node) {
            self.frontier.push(node);
        }
    }
}

/// How far a walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nodes are being shown.
    Walking,
    /// All are, up to the depth; is there something beyond it?
    Beyond,
    /// Is there something behind the neighbours that were not followed?
    Behind,
}

/// A walk under way.
#[derive(Debug)]
pub struct Walk {
    question: Arc<Question>,
    skip: usize,
    limit: usize,
    hops: Hops,
    exempt: Exempt,
    sides: Vec<Side>,
    /// All nodes so far, level after level.
    order: Vec<Node>,
    /// Where each level begins.
    levels: Vec<usize>,
    position: FxHashMap<Node, u32>,
    /// What the next level has so far.
    reached: Vec<Node>,
    found: Vec<Node>,
    /// Whether something lies beyond the depth; and whether behind a neighbour that was not followed.
    beyond: bool,
    behind: bool,
    phase: Phase,
}

/// The place of a node whose level is not complete.
const NOT_YET: u32 = u32::MAX;

impl Walk {
    /// A walk that skips so many nodes, which earlier pages have shown, and then shows up to `limit`.
    pub fn new(question: Arc<Question>, skip: usize, limit: usize, snapshot: Snapshot<'_>) -> Self {
        let ways = question.direction.ways();
        let starts: Vec<Vec<Node>> = ways.iter().map(|way| starts(snapshot, &question, *way)).collect();
        let exempt: Exempt = Arc::new(starts.iter().flatten().copied().collect());
        let mut walk = Self {
            hops: Hops::new(&question, Arc::clone(&exempt), snapshot),
            exempt,
            skip,
            limit,
            sides: Vec::new(),
            order: Vec::new(),
            levels: Vec::new(),
            position: FxHashMap::default(),
            reached: Vec::new(),
            found: Vec::new(),
            beyond: false,
            behind: false,
            phase: Phase::Walking,
            question,
        };
        for (way, starts) in ways.iter().zip(starts) {
            let mut side = Side {
                way: *way,
                seen: (ways.len() > 1).then(FxHashSet::default),
                frontier: Vec::new(),
                followed: 0,
                next: Vec::new(),
                passed: FxHashSet::default(),
                cut: FxHashSet::default(),
                looked_at: FxHashSet::default(),
                at_depth: 0,
            };
            starts.into_iter().for_each(|node| walk.reach(&mut side, node));
            walk.sides.push(side);
        }
        walk.sides.iter_mut().for_each(Side::next_level);
        walk.place_level();
        walk
    }

    /// Goes on until about so many edges have been looked at; whether the walk is at its end.
    pub fn advance(&mut self, snapshot: Snapshot<'_>, edges: usize) -> bool {
        let enough = self.hops.work.saturating_add(edges);
        let mut sides = std::mem::take(&mut self.sides);
        let ended = self.advance_sides(&mut sides, snapshot, enough);
        self.sides = sides;
        ended
    }

    fn advance_sides(&mut self, sides: &mut [Side], snapshot: Snapshot<'_>, enough: usize) -> bool {
        loop {
            if self.is_full() {
                return true;
            }
            for side in &mut *sides {
                while let Some(&node) = side.frontier.get(side.followed) {
                    if self.hops.work >= enough {
                        return false;
                    }
                    side.followed += 1;
                    match self.phase {
                        Phase::Walking => self.follow(snapshot, node, side),
                        Phase::Beyond | Phase::Behind => self.look_on(snapshot, node, side),
                    }
                }
            }
            match self.phase {
                Phase::Walking if self.is_at_depth() => self.begin(Phase::Beyond, sides),
                // One side may have come to what the other has shown already, with more behind it.
                Phase::Walking if sides.iter().any(|side| !side.next.is_empty()) => {
                    sides.iter_mut().for_each(Side::next_level);
                    self.place_level();
                    if self.is_at_depth() {
                        self.begin(Phase::Beyond, sides);
                    }
                }
                Phase::Walking | Phase::Beyond => self.begin(Phase::Behind, sides),
                Phase::Behind => return true,
            }
        }
    }

    fn is_at_depth(&self) -> bool {
        let depth = self.question.depth;
        depth.is_some_and(|depth| self.levels.len() > depth as usize)
    }

    /// Begins to find out what is left out: beyond the greatest depth, where the frontiers stand, or behind what was not followed.
    fn begin(&mut self, phase: Phase, sides: &mut [Side]) {
        self.phase = phase;
        for side in sides {
            if phase == Phase::Behind {
                side.frontier.clear();
                side.followed = 0;
                // What has been found beyond the depth may lie behind what was not followed too.
                side.looked_at.clear();
                side.passed.clear();
                for node in std::mem::take(&mut side.cut) {
                    self.behind |= !self.position.contains_key(&node);
                    side.look_at(node);
                }
            }
            side.at_depth = side.frontier.len();
        }
    }

    fn is_full(&self) -> bool {
        self.order.len() > self.skip.saturating_add(self.limit)
    }

    fn follow(&mut self, snapshot: Snapshot<'_>, node: Node, side: &mut Side) {
        let mut found = std::mem::take(&mut self.found);
        if let Some(most) = self.question.fan_out {
            self.hops.distinct_neighbours(snapshot, node, side.way, &mut found);
            let most = (most as usize).min(found.len());
            side.cut.extend(found.drain(most..));
        } else {
            found.clear();
            self.hops
                .neighbours(snapshot, node, side.way, &mut side.passed, &mut found);
        }
        found.iter().for_each(|&node| self.reach(side, node));
        self.found = found;
    }

    fn reach(&mut self, side: &mut Side, node: Node) {
        if side.seen.as_mut().is_some_and(|seen| !seen.insert(node)) {
            return;
        }
        let is_new = !self.position.contains_key(&node);
        if is_new {
            self.position.insert(node, NOT_YET);
            self.reached.push(node);
        }
        if is_new || side.seen.is_some() {
            side.next.push(node);
        }
    }

    /// Notes whether a node has a neighbour that is not shown. A neighbour that is shown, but by the other side alone, has neighbours
    /// that this side would have come to: it is looked at in turn.
    fn look_on(&mut self, snapshot: Snapshot<'_>, node: Node, side: &mut Side) {
        let is_known = match self.phase {
            Phase::Behind => self.behind,
            _ => self.beyond,
        };
        if is_known && !self.hops.prune() {
            return;
        }
        // What is hidden counts at nodes that this side has shown.
        let (stopped, counts) = (
            self.hops.stopped,
            side.followed <= side.at_depth && self.phase == Phase::Beyond,
        );
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        self.hops
            .neighbours(snapshot, node, side.way, &mut side.passed, &mut found);
        for &other in &found {
            if !self.position.contains_key(&other) {
                match self.phase {
                    Phase::Behind => self.behind = true,
                    _ => self.beyond = true,
                }
            } else {
                side.look_at(other);
            }
        }
        self.hops.stopped = stopped || counts && self.hops.stopped;
        self.found = found;
    }

    fn place_level(&mut self) {
        self.levels.push(self.order.len());
        self.reached.sort_unstable();
        for &node in &self.reached {
            self.position
                .insert(node, u32::try_from(self.order.len()).unwrap_or(NOT_YET));
            self.order.push(node);
        }
        self.reached.clear();
    }

    /// How many nodes beyond those to skip it has shown so far.
    pub fn progress(&self) -> usize {
        self.order.len().saturating_sub(self.skip)
    }

    /// What the walk has found: at its end, or, when time ran out before that, up to the last level that is complete.
    pub fn finish(self, out_of_time: bool) -> Walked {
        let shown = self.skip.min(self.order.len())..self.order.len().min(self.skip.saturating_add(self.limit));
        let stops = if self.is_full() {
            vec![Stop::Limit]
        } else if out_of_time {
            vec![Stop::Deadline]
        } else {
            let reasons = [
                (self.beyond, Stop::Depth),
                (self.behind, Stop::FanOut),
                (self.hops.stopped, Stop::Hidden),
            ];
            reasons
                .into_iter()
                .filter_map(|(is, stop)| is.then_some(stop))
                .collect()
        };
        Walked {
            question: self.question,
            exempt: self.exempt,
            order: self.order,
            levels: self.levels,
            position: self.position,
            shown,
            stops,
        }
    }
}

/// A walk that has ended, and the page of it that is shown.
#[derive(Debug)]
pub struct Walked {
    pub(super) question: Arc<Question>,
    pub(super) exempt: Exempt,
    pub(super) order: Vec<Node>,
    levels: Vec<usize>,
    pub(super) position: FxHashMap<Node, u32>,
    /// The nodes of the page.
    pub(super) shown: Range<usize>,
    stops: Vec<Stop>,
}

/// How many nodes of a kind there are at a distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The distance.
    pub distance: usize,
    /// The kind.
    pub kind: Kind,
    /// How many.
    pub count: usize,
}

impl Walked {
    /// The question that it answers.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// The nodes of the page, in order, each with its distance.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (Node, usize)> + '_ {
        let mut level = self
            .levels
            .partition_point(|begin| *begin <= self.shown.start)
            .saturating_sub(1);
        self.shown.clone().map(move |index| {
            while self.levels.get(level + 1).is_some_and(|begin| *begin <= index) {
                level += 1;
            }
            (self.order[index], level)
        })
    }

    /// A sum of the first so many nodes; none when there are fewer.
    ///
    /// A walk is the same every time, but where the filter tests executions by their state, which is the one known now.
    pub fn sum(&self, nodes: usize) -> Option<u32> {
        let mut hasher = FxHasher::default();
        self.order.get(..nodes)?.hash(&mut hasher);
        Some((hasher.finish() >> 32) as u32)
    }

    /// Why it is not whole; nothing when it is.
    pub fn stops(&self) -> &[Stop] {
        &self.stops
    }

    /// How many nodes this page and those before it have.
    pub fn node_count(&self) -> usize {
        self.shown.end
    }

    /// Those nodes by distance and kind.
    pub fn counts(&self) -> Vec<Count> {
        let mut counts = Vec::new();
        for (distance, &begin) in self.levels.iter().enumerate() {
            let end = self.levels.get(distance + 1).copied().unwrap_or(self.order.len());
            let level = &self.order[begin.min(self.shown.end)..end.min(self.shown.end)];
            for kind in Kind::ALL {
                let count = level.iter().filter(|node| node.kind() == kind).count();
                if count > 0 {
                    counts.push(Count { distance, kind, count });
                }
            }
        }
        counts
    }
}

/// Where a walk in one direction begins: the nodes of the level that the roots stand for.
fn starts(snapshot: Snapshot<'_>, question: &Question, way: Way) -> Vec<Node> {
    let mut starts = Vec::new();
    for &root in &question.roots {
        stand_in(snapshot, question.level, root, way, &mut starts);
    }
    starts.sort_unstable();
    starts.dedup();
    starts
}

fn stand_in(snapshot: Snapshot<'_>, level: Level, root: Node, way: Way, starts: &mut Vec<Node>) {
    match (level, root.kind()) {
        (Level::Artifact, Kind::Artifact | Kind::Partition) => starts.extend(snapshot.artifact_of(root)),
        (Level::Partition, Kind::Partition) => starts.push(root),
        (_, Kind::Artifact | Kind::Partition) => {
            let before = starts.len();
            for version in snapshot.versions_of(root) {
                stand_in(snapshot, level, version, way, starts);
            }
            if level == Level::Partition && starts.len() == before {
                starts.push(root);
            }
        }
        (_, Kind::Version | Kind::Execution) => match level.shows(snapshot, root) {
            Some(node) => starts.push(node),
            // What is not shown begins with its neighbours, which are shown.
            None => starts.extend(
                snapshot
                    .links(root, way)
                    .filter_map(|link| level.shows(snapshot, end(root, link))),
            ),
        },
    }
}
