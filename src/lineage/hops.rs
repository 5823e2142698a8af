//! One hop of a level: from a shown node, through what is not shown, to the next shown ones.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::graph::{Link, Snapshot, Way};
use super::node::{Kind, Node};
use super::question::{Level, Question, Test};

/// How a walk sees a version or an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// It is shown, by this node.
    Shown(Node),
    /// It is passed through.
    Through,
    /// The walk stops at it.
    Stop,
}

/// Nodes that are shown whatever the filter says: what the roots stand for.
pub(super) type Exempt = Arc<FxHashSet<Node>>;

/// Makes hops.
#[derive(Debug)]
pub(super) struct Hops {
    level: Level,
    test: Option<Test>,
    exempt: Exempt,
    stack: Vec<Node>,
    passed: FxHashSet<Node>,
    /// How many edges have been looked at.
    pub work: usize,
    /// Whether the filter has stopped a hop.
    pub stopped: bool,
}

impl Hops {
    /// The hops that a question asks for.
    pub fn new(question: &Question, exempt: Exempt, snapshot: Snapshot<'_>) -> Self {
        let filter = question.filter.clone();
        Self {
            level: question.level,
            test: filter.map(|filter| Test::new(filter, snapshot)),
            exempt,
            stack: Vec::new(),
            passed: FxHashSet::default(),
            work: 0,
            stopped: false,
        }
    }

    /// The hops of a level without any filter.
    pub fn unfiltered(level: Level) -> Self {
        Self {
            level,
            test: None,
            exempt: Exempt::default(),
            stack: Vec::new(),
            passed: FxHashSet::default(),
            work: 0,
            stopped: false,
        }
    }

    /// Whether a hop is one edge of the graph.
    pub fn are_edges(&self) -> bool {
        self.level == Level::Full && self.test.is_none()
    }

    /// Whether the walk stops at what the filter does not let pass.
    pub fn prune(&self) -> bool {
        self.test.as_ref().is_some_and(Test::prunes)
    }

    /// How the walk sees a version or an execution.
    pub fn look(&mut self, snapshot: Snapshot<'_>, base: Node) -> Sight {
        let shown = self.level.shows(snapshot, base);
        let Some(test) = &mut self.test else {
            return shown.map_or(Sight::Through, Sight::Shown);
        };
        match shown {
            Some(node) if self.exempt.contains(&node) || test.passes(snapshot, base) => Sight::Shown(node),
            None if !test.prunes() || test.passes(snapshot, base) => Sight::Through,
            _ if test.prunes() => Sight::Stop,
            _ => Sight::Through,
        }
    }

    /// The versions and executions that a shown node stands for.
    pub fn members(&mut self, snapshot: Snapshot<'_>, node: Node, members: &mut Vec<Node>) {
        if matches!(node.kind(), Kind::Version | Kind::Execution) {
            members.push(node);
            return;
        }
        let all = self.exempt.contains(&node);
        for version in snapshot.versions_of(node) {
            let belongs = self.level.shows(snapshot, version) == Some(node);
            if belongs && (all || self.test.as_mut().is_none_or(|test| test.passes(snapshot, version))) {
                members.push(version);
            }
        }
        self.work += members.len();
    }

    /// Appends the shown nodes that are a hop away from one: perhaps several times, perhaps itself among them. What `passed` has
    /// is not passed through, and what is passed through is added to it.
    ///
    /// A walk that goes level by level keeps one such set for each direction: whatever lies beyond a node that was passed through
    /// before has been reached then, in as few hops or fewer.
    pub fn neighbours(
        &mut self,
        snapshot: Snapshot<'_>,
        node: Node,
        way: Way,
        passed: &mut FxHashSet<Node>,
        found: &mut Vec<Node>,
    ) {
        if self.are_edges() {
            let before = found.len();
            found.extend(snapshot.links(node, way).map(|link| end(node, link)));
            self.work += found.len() - before + 1;
            return;
        }
        let mut stack = std::mem::take(&mut self.stack);
        self.members(snapshot, node, &mut stack);
        while let Some(base) = stack.pop() {
            self.work += 1;
            for link in snapshot.links(base, way) {
                self.work += 1;
                let other = end(base, link);
                match self.look(snapshot, other) {
                    Sight::Shown(shown) => found.push(shown),
                    Sight::Through if passed.insert(other) => stack.push(other),
                    Sight::Through => {}
                    Sight::Stop => self.stopped = true,
                }
            }
        }
        self.stack = stack;
    }

    /// The other nodes that are a hop away from one, in order, each once.
    pub fn distinct_neighbours(&mut self, snapshot: Snapshot<'_>, node: Node, way: Way, found: &mut Vec<Node>) {
        found.clear();
        let mut passed = std::mem::take(&mut self.passed);
        passed.clear();
        self.neighbours(snapshot, node, way, &mut passed, found);
        self.passed = passed;
        found.sort_unstable();
        found.dedup();
        found.retain(|other| *other != node);
    }
}

/// What stands at the other end of a version's or an execution's edge.
pub(super) fn end(node: Node, link: Link) -> Node {
    let kind = match node.kind() {
        Kind::Version => Kind::Execution,
        _ => Kind::Version,
    };
    Node::new(kind, link.other)
}
