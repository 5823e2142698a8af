//! The shortest paths between two nodes, along the edges, no node twice.
//!
//! First the part of the graph that lies between the two is found, then its paths are told apart by where they leave those
//! found before (Lawler's form of Yen's algorithm, Management Science 18 (7), 1972): each candidate is a beginning that no other
//! has, with the length of its shortest end. Where the part has no cycle, that length is the same for every beginning.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::edges::Edge;
use super::graph::{Snapshot, Way};
use super::hops::end;
use super::node::{Kind, Node};

/// A path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Its nodes, from the most upstream one on.
    pub nodes: Vec<Node>,
    /// Its edges, hop by hop; all that lead from one node to the next, by name.
    pub edges: Vec<Edge>,
}

/// A search under way.
#[derive(Debug)]
pub struct PathSearch {
    sources: Vec<Node>,
    targets: FxHashSet<Node>,
    first: usize,
    work: usize,
    stage: Stage,
    found: Vec<Arc<Vec<u32>>>,
}

#[derive(Debug)]
enum Stage {
    /// Everything downstream of the sources.
    Forward(Spread),
    /// What of that is upstream of the targets.
    Backward { forward: FxHashSet<Node>, spread: Spread },
    /// The paths in what lies between.
    Between(Between),
}

/// A set of nodes that grows by their neighbours.
#[derive(Debug, Default)]
struct Spread {
    nodes: Vec<Node>,
    seen: FxHashSet<Node>,
    followed: usize,
    /// Where the level under way ends; as long as nothing is followed, 0.
    level_end: usize,
}

impl Spread {
    fn from(nodes: impl IntoIterator<Item = Node>) -> Self {
        let mut spread = Self::default();
        nodes.into_iter().for_each(|node| spread.add(node));
        spread
    }

    fn add(&mut self, node: Node) {
        if self.seen.insert(node) {
            self.nodes.push(node);
        }
    }
}

impl PathSearch {
    /// The first `first` paths from a node to another. An artifact or a partition stands for its versions.
    pub fn new(snapshot: Snapshot<'_>, from: Node, to: Node, first: usize) -> Self {
        let sources = stand_for(snapshot, from);
        Self {
            targets: stand_for(snapshot, to).into_iter().collect(),
            stage: Stage::Forward(Spread::from(sources.iter().copied())),
            sources,
            first,
            work: 0,
            found: Vec::new(),
        }
    }

    /// Goes on until about so many edges have been looked at; whether the search is at its end.
    pub fn advance(&mut self, snapshot: Snapshot<'_>, edges: usize) -> bool {
        let enough = self.work.saturating_add(edges);
        while self.work < enough {
            match &mut self.stage {
                Stage::Forward(spread) => {
                    // The first path alone needs nothing beyond the nearest target.
                    let is_near = self.first == 1
                        && spread.followed == spread.level_end
                        && spread.nodes[spread.followed..]
                            .iter()
                            .any(|node| self.targets.contains(node));
                    match spread.nodes.get(spread.followed).copied().filter(|_| !is_near) {
                        Some(node) => {
                            if spread.followed == spread.level_end {
                                spread.level_end = spread.nodes.len();
                            }
                            spread.followed += 1;
                            self.work += follow(snapshot, node, Way::Down, spread, |_| true);
                        }
                        None => {
                            let forward = std::mem::take(&mut spread.seen);
                            let reached = self.targets.iter().copied().filter(|node| forward.contains(node));
                            let spread = Spread::from(reached.collect::<Vec<_>>());
                            self.stage = Stage::Backward { forward, spread };
                        }
                    }
                }
                Stage::Backward { forward, spread } => match spread.nodes.get(spread.followed).copied() {
                    Some(node) => {
                        spread.followed += 1;
                        self.work += follow(snapshot, node, Way::Up, spread, |other| forward.contains(&other));
                    }
                    None => {
                        let nodes = std::mem::take(&mut spread.nodes);
                        let between = Between::new(snapshot, nodes, &self.sources, &self.targets);
                        self.work += between.nodes.len();
                        self.stage = Stage::Between(between);
                    }
                },
                Stage::Between(between) => {
                    if self.found.len() == self.first {
                        return true;
                    }
                    match between.step(&mut self.work) {
                        Step::Found(path) => self.found.push(path),
                        Step::Left => {}
                        Step::End => return true,
                    }
                }
            }
        }
        false
    }

    /// The paths, the shortest first; those of the same length in the order of their nodes.
    pub fn finish(self, snapshot: Snapshot<'_>) -> Vec<Path> {
        let Stage::Between(between) = self.stage else {
            return Vec::new();
        };
        let path = |path: Arc<Vec<u32>>| {
            let nodes: Vec<Node> = path.iter().map(|&index| between.nodes[index as usize]).collect();
            let edges = nodes
                .windows(2)
                .flat_map(|hop| edges_of(snapshot, hop[0], hop[1]))
                .collect();
            Path { nodes, edges }
        };
        self.found.into_iter().map(path).collect()
    }
}

fn stand_for(snapshot: Snapshot<'_>, node: Node) -> Vec<Node> {
    match node.kind() {
        Kind::Artifact | Kind::Partition => snapshot.versions_of(node).collect(),
        Kind::Version | Kind::Execution => vec![node],
    }
}

fn follow(snapshot: Snapshot<'_>, node: Node, way: Way, spread: &mut Spread, wanted: impl Fn(Node) -> bool) -> usize {
    let mut looked_at = 1;
    for link in snapshot.links(node, way) {
        looked_at += 1;
        let other = end(node, link);
        if wanted(other) {
            spread.add(other);
        }
    }
    looked_at
}

fn edges_of(snapshot: Snapshot<'_>, from: Node, to: Node) -> Vec<Edge> {
    let links = snapshot.links(from, Way::Down).filter(|link| end(from, *link) == to);
    let mut edges: Vec<Edge> = links.map(|link| Edge::of_link(from, link, Way::Down)).collect();
    edges.sort_by(|a, b| a.name(snapshot).cmp(&b.name(snapshot)));
    edges
}

/// The part of the graph that lies between the two ends, its nodes numbered in their order.
#[derive(Debug)]
struct Between {
    nodes: Vec<Node>,
    down: Vec<Vec<u32>>,
    up: Vec<Vec<u32>>,
    targets: Vec<u32>,
    is_target: Vec<bool>,
    /// How many nodes and edges it has.
    size: usize,
    /// How far each node is from the nearest target; only where there is no cycle.
    distances: Option<Vec<u32>>,
    candidates: BinaryHeap<Reverse<Candidate>>,
    /// The path found last, and from which length on its ways to leave it are still to be looked for.
    to_leave: Option<(Arc<Vec<u32>>, usize)>,
}

/// What a step of the search has come to.
enum Step {
    /// The next path.
    Found(Arc<Vec<u32>>),
    /// Ways to leave the path before at one of its nodes.
    Left,
    /// There are no more paths.
    End,
}

/// Farther than any node.
const NO_WAY: u32 = u32::MAX;

/// A beginning of a path, and the fewest hops that a path beginning so has.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    hops: u32,
    /// A path that was found; the beginning has its first nodes up to `length`, then `next`.
    known: Arc<Vec<u32>>,
    length: usize,
    /// None: the path ends here.
    next: Option<u32>,
}

impl Candidate {
    fn beginning(&self) -> impl Iterator<Item = u32> + '_ {
        self.known[..self.length].iter().copied().chain(self.next)
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.hops
            .cmp(&other.hops)
            .then_with(|| self.beginning().cmp(other.beginning()))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Between {
    fn new(snapshot: Snapshot<'_>, mut nodes: Vec<Node>, sources: &[Node], targets: &FxHashSet<Node>) -> Self {
        nodes.sort_unstable();
        let numbers: FxHashMap<Node, u32> = nodes.iter().copied().zip(0..).collect();
        let mut down = vec![Vec::new(); nodes.len()];
        let mut up = vec![Vec::new(); nodes.len()];
        for (number, &node) in (0..).zip(&nodes) {
            let neighbours = snapshot.links(node, Way::Down);
            let mut theirs: Vec<u32> = neighbours
                .filter_map(|link| numbers.get(&end(node, link)).copied())
                .collect();
            theirs.sort_unstable();
            theirs.dedup();
            theirs.iter().for_each(|&other| up[other as usize].push(number));
            down[number as usize] = theirs;
        }
        let is_target: Vec<bool> = nodes.iter().map(|node| targets.contains(node)).collect();
        let mut between = Self {
            targets: (0..)
                .zip(&is_target)
                .filter_map(|(number, is)| is.then_some(number))
                .collect(),
            is_target,
            size: nodes.len() + down.iter().map(Vec::len).sum::<usize>(),
            nodes,
            down,
            up,
            distances: None,
            candidates: BinaryHeap::new(),
            to_leave: None,
        };
        let distances = between.distances_without(&[]);
        let nothing = Arc::new(Vec::new());
        for number in sources.iter().filter_map(|source| numbers.get(source)) {
            between.candidates.push(Reverse(Candidate {
                hops: distances[*number as usize],
                known: Arc::clone(&nothing),
                length: 0,
                next: Some(*number),
            }));
        }
        between.distances = between.has_no_cycle().then_some(distances);
        between
    }

    /// How far each node is from the nearest target, on ways that avoid some nodes.
    fn distances_without(&self, avoided: &[u32]) -> Vec<u32> {
        let mut distances = vec![NO_WAY; self.nodes.len()];
        let mut is_avoided = vec![false; self.nodes.len()];
        avoided.iter().for_each(|&node| is_avoided[node as usize] = true);
        let mut queue: Vec<u32> = self
            .targets
            .iter()
            .copied()
            .filter(|&target| !is_avoided[target as usize])
            .collect();
        queue.iter().for_each(|&target| distances[target as usize] = 0);
        let mut followed = 0;
        while let Some(&node) = queue.get(followed) {
            followed += 1;
            for &other in &self.up[node as usize] {
                if distances[other as usize] == NO_WAY && !is_avoided[other as usize] {
                    distances[other as usize] = distances[node as usize] + 1;
                    queue.push(other);
                }
            }
        }
        distances
    }

    fn has_no_cycle(&self) -> bool {
        let mut open: Vec<usize> = self.up.iter().map(Vec::len).collect();
        let mut ready: Vec<u32> = (0..)
            .zip(&open)
            .filter_map(|(node, open)| (*open == 0).then_some(node))
            .collect();
        let mut done = 0;
        while let Some(node) = ready.pop() {
            done += 1;
            for &other in &self.down[node as usize] {
                open[other as usize] -= 1;
                if open[other as usize] == 0 {
                    ready.push(other);
                }
            }
        }
        done == self.nodes.len()
    }

    /// Goes on: looks for the ways to leave the path found last, node after node, and then takes the next path.
    fn step(&mut self, work: &mut usize) -> Step {
        if let Some((path, length)) = self.to_leave.take_if(|(path, length)| *length <= path.len()) {
            self.leave(&path, length, work);
            self.to_leave = Some((path, length + 1));
            return Step::Left;
        }
        let Some(Reverse(candidate)) = self.candidates.pop() else {
            return Step::End;
        };
        let mut path: Vec<u32> = candidate.beginning().collect();
        // A path that was to end here has no other ways to go on: those are candidates of their own.
        let first = if candidate.next.is_some() {
            path.len()
        } else {
            path.len() + 1
        };
        if candidate.next.is_some() {
            self.finish_path(&mut path, work);
        }
        *work += path.len();
        let path = Arc::new(path);
        self.to_leave = Some((Arc::clone(&path), first));
        Step::Found(path)
    }

    /// Goes the shortest way on to a target, of several such the first.
    fn finish_path(&self, path: &mut Vec<u32>, work: &mut usize) {
        let computed;
        let distances = if let Some(distances) = &self.distances {
            distances
        } else {
            *work += self.size;
            computed = self.distances_without(&path[..path.len() - 1]);
            &computed
        };
        while let Some(&last) = path.last()
            && let Some(left) = distances[last as usize].checked_sub(1)
        {
            let next = self.down[last as usize]
                .iter()
                .find(|&&other| distances[other as usize] == left);
            let Some(&next) = next else { return };
            path.push(next);
        }
    }

    /// Adds the beginnings that share the first nodes of a path, up to `length`, and then go another way.
    fn leave(&mut self, path: &Arc<Vec<u32>>, length: usize, work: &mut usize) {
        let last = path[length - 1];
        let taken = path.get(length).copied();
        let hops_so_far = u32::try_from(length - 1).unwrap_or(NO_WAY);
        if taken.is_some() && self.is_target[last as usize] {
            self.candidates.push(Reverse(Candidate {
                hops: hops_so_far,
                known: Arc::clone(path),
                length,
                next: None,
            }));
        }
        let others = &self.down[last as usize];
        *work += others.len();
        if others.iter().all(|&other| Some(other) == taken) {
            return;
        }
        let computed;
        let distances = if let Some(distances) = &self.distances {
            distances
        } else {
            *work += self.size;
            computed = self.distances_without(&path[..length]);
            &computed
        };
        for &other in others {
            let left = distances[other as usize];
            if Some(other) != taken && left != NO_WAY {
                self.candidates.push(Reverse(Candidate {
                    hops: hops_so_far + 1 + left,
                    known: Arc::clone(path),
                    length,
                    next: Some(other),
                }));
            }
        }
    }
}
