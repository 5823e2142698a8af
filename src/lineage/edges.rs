//! The edges between the nodes of an answer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::graph::{Link, Name, Snapshot, Way};
use super::hops::{Hops, Sight, end};
use super::node::{Kind, Node};
use super::question::Direction;
use super::walk::Walked;

/// What an edge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// An execution took a version in.
    Input,
    /// An execution gave a version out.
    Output,
    /// Some hops through what is not shown.
    Derived,
}

impl Role {
    /// As in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "INPUT",
            Self::Output => "OUTPUT",
            Self::Derived => "DERIVED",
        }
    }
}

/// An edge of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The upstream end.
    pub source: Node,
    /// The downstream end.
    pub target: Node,
    /// What it is.
    pub role: Role,
    name: Name,
    revision: u32,
}

impl Edge {
    fn new(from: Node, to: Node, way: Way, role: Role, name: Name, revision: u32) -> Self {
        let (source, target) = match way {
            Way::Up => (to, from),
            Way::Down => (from, to),
        };
        Self {
            source,
            target,
            role,
            name,
            revision,
        }
    }

    /// An edge of the graph, seen from one of its ends.
    pub(super) fn of_link(from: Node, link: Link, way: Way) -> Self {
        let role = match (from.kind(), way) {
            (Kind::Version, Way::Down) | (Kind::Execution, Way::Up) => Role::Input,
            _ => Role::Output,
        };
        Self::new(from, end(from, link), way, role, link.name, link.revision)
    }

    /// What the execution calls it; none for a derived edge.
    pub fn name<'a>(&self, snapshot: Snapshot<'a>) -> Option<&'a str> {
        (self.role != Role::Derived).then(|| snapshot.name(self.name))
    }

    /// The revision that recorded it; of a derived edge, that by which the first of its chains was whole.
    pub fn revision(&self) -> i64 {
        self.revision.into()
    }
}

/// Finds the edges of a page, in portions.
#[derive(Debug)]
pub struct EdgeScan<'a> {
    walked: &'a Walked,
    hops: Hops,
    way: Way,
    looked_at: usize,
    edges: Vec<Edge>,
    chains: Chains,
}

impl<'a> EdgeScan<'a> {
    /// The edges whose later end is in the page of a walk, in the order of the nodes from which they are found.
    pub fn new(walked: &'a Walked, snapshot: Snapshot<'_>) -> Self {
        Self {
            walked,
            hops: Hops::new(&walked.question, walked.exempt.clone(), snapshot),
            // Seen from either end, all edges between shown nodes are there; this is the end that the walk has looked from.
            way: match walked.question.direction {
                Direction::Downstream => Way::Down,
                Direction::Upstream | Direction::Both => Way::Up,
            },
            looked_at: 0,
            edges: Vec::new(),
            chains: Chains::default(),
        }
    }

    /// Goes on until about so many edges have been looked at; whether all are found.
    pub fn advance(&mut self, snapshot: Snapshot<'_>, edges: usize) -> bool {
        let enough = self.hops.work.saturating_add(edges);
        while self.looked_at < self.walked.shown.end {
            if self.hops.work >= enough {
                return false;
            }
            self.look(snapshot, self.looked_at);
            self.looked_at += 1;
        }
        true
    }

    /// How many have been found so far.
    pub fn found(&self) -> usize {
        self.edges.len()
    }

    /// The edges.
    pub fn finish(self) -> Vec<Edge> {
        self.edges
    }

    fn look(&mut self, snapshot: Snapshot<'_>, index: usize) {
        let node = self.walked.order[index];
        let before = self.edges.len();
        if self.hops.are_edges() {
            for link in snapshot.links(node, self.way) {
                self.hops.work += 1;
                self.keep(index, Edge::of_link(node, link, self.way));
            }
        } else {
            let mut chains = std::mem::take(&mut self.chains);
            chains.follow(&mut self.hops, snapshot, node, self.way, |edge| self.edges.push(edge));
            self.chains = chains;
            let mut kept = before;
            for at in before..self.edges.len() {
                let edge = self.edges[at];
                if self.is_of_page(index, edge) {
                    self.edges[kept] = edge;
                    kept += 1;
                }
            }
            self.edges.truncate(kept);
        }
        let walked = self.walked;
        let place = |edge: &Edge| {
            let other = if edge.target == node { edge.source } else { edge.target };
            walked.position.get(&other).copied()
        };
        self.edges[before..].sort_by(|a, b| {
            (place(a), a.role)
                .cmp(&(place(b), b.role))
                .then_with(|| snapshot.name(a.name).cmp(snapshot.name(b.name)))
        });
    }

    fn keep(&mut self, index: usize, edge: Edge) {
        if self.is_of_page(index, edge) {
            self.edges.push(edge);
        }
    }

    /// Whether an edge of the node at an index ends on this page, and begins on it or before.
    fn is_of_page(&self, index: usize, edge: Edge) -> bool {
        let node = self.walked.order[index];
        let other = if edge.target == node { edge.source } else { edge.target };
        self.walked.position.get(&other).is_some_and(|place| {
            let place = *place as usize;
            place < self.walked.shown.end && place.max(index) >= self.walked.shown.start
        })
    }
}

/// Follows chains through what is not shown.
#[derive(Debug, Default)]
struct Chains {
    members: Vec<Node>,
    /// Where chains have come to, each with the revision by which it was whole, the earliest first.
    open: BinaryHeap<Reverse<(u32, Node)>>,
    passed: FxHashSet<Node>,
    ends: FxHashMap<Node, u32>,
}

impl Chains {
    /// Hands out all edges of a shown node in one direction: those of the graph, and for each node at the end of chains one that
    /// stands for them.
    fn follow(
        &mut self,
        hops: &mut Hops,
        snapshot: Snapshot<'_>,
        node: Node,
        way: Way,
        mut hand_out: impl FnMut(Edge),
    ) {
        self.members.clear();
        self.open.clear();
        self.passed.clear();
        self.ends.clear();
        hops.members(snapshot, node, &mut self.members);
        for at in 0..self.members.len() {
            let member = self.members[at];
            for link in snapshot.links(member, way) {
                hops.work += 1;
                match hops.look(snapshot, end(member, link)) {
                    Sight::Shown(_) => hand_out(Edge::of_link(member, link, way)),
                    Sight::Through => self.open.push(Reverse((link.revision, end(member, link)))),
                    Sight::Stop => {}
                }
            }
        }
        // The earliest first: when a node is met for the first time, no other chain to it was whole before.
        while let Some(Reverse((since, base))) = self.open.pop() {
            if !self.passed.insert(base) {
                continue;
            }
            for link in snapshot.links(base, way) {
                hops.work += 1;
                let since = since.max(link.revision);
                let other = end(base, link);
                match hops.look(snapshot, other) {
                    Sight::Shown(shown) => self.end_at(shown, since),
                    Sight::Through if !self.passed.contains(&other) => self.open.push(Reverse((since, other))),
                    Sight::Through | Sight::Stop => {}
                }
            }
        }
        for (&other, &since) in &self.ends {
            hand_out(Edge::new(node, other, way, Role::Derived, 0, since));
        }
    }

    fn end_at(&mut self, shown: Node, since: u32) {
        let earliest = self.ends.entry(shown).or_insert(since);
        *earliest = since.min(*earliest);
    }
}

/// Counts the direct neighbours of nodes, shown or not.
#[derive(Debug)]
pub struct Neighbours {
    hops: Hops,
    found: Vec<Node>,
}

impl Neighbours {
    /// Of the nodes of an answer.
    pub fn of(walked: &Walked) -> Self {
        Self {
            hops: Hops::unfiltered(walked.question.level),
            found: Vec::new(),
        }
    }

    /// How many other nodes are a hop away in a direction.
    pub fn count(&mut self, snapshot: Snapshot<'_>, node: Node, way: Way) -> usize {
        self.hops.distinct_neighbours(snapshot, node, way, &mut self.found);
        self.found.len()
    }
}
