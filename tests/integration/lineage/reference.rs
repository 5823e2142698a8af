//! What lineage means, said as plainly as we can and without a thought for speed: the graph of a level is built whole,
//! with all its edges, before anybody walks in it. It shares no code with the service.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::world::{Edge, Node, Partition, Past, Seconds, Size, World, instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Upstream,
    Downstream,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Full,
    Version,
    Execution,
    Partition,
    Artifact,
}

#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub artifacts: Option<Vec<usize>>,
    pub projects: Option<Vec<&'static str>>,
    pub states: Option<Vec<&'static str>>,
    pub partition: Option<PartitionFilter>,
    pub created: Option<(Option<Seconds>, Option<Seconds>)>,
    pub prune: bool,
}

#[derive(Clone, Debug, Default)]
pub struct PartitionFilter {
    pub values: Vec<(&'static str, ValueTest)>,
    pub time: Option<TimeTest>,
    pub strict: bool,
}

#[derive(Clone, Debug)]
pub enum ValueTest {
    Eq(&'static str),
    In(Vec<&'static str>),
    NotIn(Vec<&'static str>),
    StartsWith(&'static str),
}

#[derive(Clone, Debug)]
pub struct TimeTest {
    pub span: Span,
    pub size: Option<Size>,
}

#[derive(Clone, Debug)]
pub enum Span {
    At(Seconds),
    In(Vec<Seconds>),
    From(Seconds),
    To(Seconds),
}

/// A past state, by its revision or by an instant at which it was the newest.
#[derive(Clone, Copy, Debug)]
pub enum AsOf {
    Revision(i64),
    Time(i64),
}

/// A question to `lineage`.
#[derive(Clone, Debug)]
pub struct Question {
    pub roots: Vec<Node>,
    pub direction: Direction,
    pub level: Level,
    pub depth: Option<usize>,
    pub limit: Option<usize>,
    pub fan_out: Option<usize>,
    pub filter: Option<Filter>,
    pub as_of: Option<AsOf>,
}

impl Direction {
    fn text(self) -> &'static str {
        match self {
            Self::Upstream => "UPSTREAM",
            Self::Downstream => "DOWNSTREAM",
            Self::Both => "BOTH",
        }
    }

    /// The walks that it takes.
    fn walks(self) -> Vec<Way> {
        match self {
            Self::Upstream => vec![Way::Up],
            Self::Downstream => vec![Way::Down],
            Self::Both => vec![Way::Up, Way::Down],
        }
    }
}

impl Level {
    fn text(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Version => "VERSION",
            Self::Execution => "EXECUTION",
            Self::Partition => "PARTITION",
            Self::Artifact => "ARTIFACT",
        }
    }
}

impl Filter {
    fn json(&self, world: &World) -> Value {
        let keys = |artifacts: &Vec<usize>| {
            artifacts
                .iter()
                .map(|artifact| world.artifact_key(*artifact))
                .collect::<Vec<_>>()
        };
        let mut json = json!({"prune": self.prune});
        let mut set = |field: &str, value: Option<Value>| value.map(|value| json[field] = value);
        set(
            "artifacts",
            self.artifacts.as_ref().map(|artifacts| json!(keys(artifacts))),
        );
        set("projects", self.projects.as_ref().map(|projects| json!(projects)));
        set("states", self.states.as_ref().map(|states| json!(states)));
        set("partition", self.partition.as_ref().map(PartitionFilter::json));
        set(
            "createdAt",
            self.created
                .map(|(from, to)| json!({"from": from.map(instant), "to": to.map(instant)})),
        );
        json
    }
}

impl PartitionFilter {
    fn json(&self) -> Value {
        let values = self.values.iter().map(|(key, test)| match test {
            ValueTest::Eq(value) => json!({"key": key, "eq": value}),
            ValueTest::In(values) => json!({"key": key, "in": values}),
            ValueTest::NotIn(values) => json!({"key": key, "notIn": values}),
            ValueTest::StartsWith(prefix) => json!({"key": key, "startsWith": prefix}),
        });
        let mut json = json!({"values": values.collect::<Vec<_>>(), "strict": self.strict});
        if let Some(TimeTest { span, size }) = &self.time {
            let size = size.map(Size::text);
            json["time"] = match span {
                Span::At(at) => json!({"at": instant(*at), "granularity": size}),
                Span::In(list) => {
                    json!({"in": list.iter().copied().map(instant).collect::<Vec<_>>(), "granularity": size})
                }
                Span::From(from) => json!({"from": instant(*from), "granularity": size}),
                Span::To(to) => json!({"to": instant(*to), "granularity": size}),
            };
        }
        json
    }

    /// Strict about nothing: what has no partition and needs none.
    fn asks_for_none(&self) -> bool {
        self.strict && self.values.is_empty() && self.time.is_none()
    }

    fn matches(&self, partition: &Partition) -> bool {
        let value_passes = |(key, test): &(&str, ValueTest)| {
            partition.values.get(key).is_some_and(|value| match test {
                ValueTest::Eq(wanted) => value == wanted,
                ValueTest::In(wanted) => wanted.contains(value),
                ValueTest::NotIn(unwanted) => !unwanted.contains(value),
                ValueTest::StartsWith(prefix) => value.starts_with(prefix),
            })
        };
        let is_named = |key: &&str| self.values.iter().any(|(named, _)| named == key);
        let nothing_else = partition.values.keys().all(is_named) && (partition.window.is_none() || self.time.is_some());
        self.values.iter().all(value_passes)
            && self
                .time
                .as_ref()
                .is_none_or(|test| partition.window.is_some_and(|window| test.matches(window)))
            && (!self.strict || nothing_else)
    }
}

impl TimeTest {
    /// Whether a window passes, read as one of the size that is asked for where that is coarser.
    fn matches(&self, (own, start): (Size, Seconds)) -> bool {
        let size = self.size.map_or(own, |asked| asked.max(own));
        let (start, end) = size.window(start);
        let contains = |at: &Seconds| (start..end).contains(at);
        match &self.span {
            Span::At(at) => contains(at),
            Span::In(list) => list.iter().any(contains),
            Span::From(from) => end > *from,
            Span::To(to) => start < *to,
        }
    }
}

impl Question {
    /// The revision that it is about.
    pub fn revision(&self, world: &World) -> i64 {
        match self.as_of {
            Some(AsOf::Revision(revision) | AsOf::Time(revision)) => revision,
            None => world.newest(),
        }
    }

    /// The ids of its roots.
    pub fn ids(&self, world: &World) -> Vec<String> {
        self.roots.iter().map(|root| world.id(root).to_owned()).collect()
    }

    /// Its options, as the API takes them.
    pub fn options(&self, world: &World) -> Value {
        let as_of = self.as_of.map(|as_of| match as_of {
            AsOf::Revision(revision) => json!({"revision": revision}),
            AsOf::Time(revision) => json!({"time": instant(world.moments[&revision]).replace('Z', ".5Z")}),
        });
        let mut json = json!({"direction": self.direction.text(), "level": self.level.text(), "depth": self.depth, "fanOut": self.fan_out, "asOf": as_of});
        json["where"] = self.filter.as_ref().map_or(Value::Null, |filter| filter.json(world));
        if let Some(limit) = self.limit {
            json["limit"] = json!(limit);
        }
        json
    }

    /// The codes of all that is wrong with it.
    pub fn errors(&self, world: &World) -> Vec<&'static str> {
        let past = world.at(self.revision(world));
        let mut errors = vec![];
        if self.roots.iter().any(|root| !past.nodes().contains(root)) {
            errors.push("NOT_FOUND");
        }
        if let Some(Filter {
            artifacts: Some(artifacts),
            partition,
            ..
        }) = &self.filter
        {
            if artifacts.iter().any(|artifact| !past.artifacts().contains(artifact)) {
                errors.push("NOT_FOUND");
            }
            let could_match = |test: &PartitionFilter| {
                artifacts.iter().any(|artifact| {
                    let keys = past.keys(*artifact);
                    let has_keys = test.values.iter().all(|(key, _)| keys.contains(key));
                    has_keys && (test.time.is_none() || past.has_time(*artifact))
                })
            };
            if !partition.as_ref().is_none_or(could_match) {
                errors.push("UNKNOWN_PARTITION_KEY");
            }
        }
        errors
    }
}

/// A node in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub id: String,
    pub distance: usize,
    pub upstream: usize,
    pub downstream: usize,
}

/// An edge in an answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    pub source: String,
    pub target: String,
    pub role: String,
    pub name: Option<String>,
    pub recorded_at: String,
}

/// An answer, of the service or of the reference. Edges ascend: their order is not promised, but that each is there once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub revision: i64,
    pub roots: Vec<String>,
    pub nodes: Vec<Seen>,
    pub edges: Vec<Line>,
    pub complete: bool,
    pub stopped_by: Vec<String>,
    pub has_cursor: bool,
    pub node_count: usize,
    pub counts: Vec<(usize, String, usize)>,
}

impl Answer {
    /// The page of this unlimited answer that begins behind so many nodes.
    pub fn page(&self, from: usize, limit: usize) -> Self {
        let to = self.nodes.len().min(from + limit);
        let more = to < self.nodes.len();
        let place = |id: &String| {
            self.nodes
                .iter()
                .position(|seen| seen.id == *id)
                .expect("an edge's end is shown")
        };
        let is_here = |line: &&Line| (from..to).contains(&place(&line.source).max(place(&line.target)));
        let mut page = Self {
            nodes: self.nodes[from..to].to_vec(),
            edges: self.edges.iter().filter(is_here).cloned().collect(),
            node_count: to,
            counts: counts(&self.nodes[..to]),
            ..self.clone()
        };
        if more {
            page.complete = false;
            page.stopped_by = vec!["LIMIT".to_owned()];
            page.has_cursor = true;
        }
        page
    }
}

/// How an answer differs from the one that is expected.
pub fn difference(found: &Answer, expected: &Answer) -> String {
    let missing = |these: &Answer, those: &Answer| {
        let nodes: Vec<&Seen> = these.nodes.iter().filter(|seen| !those.nodes.contains(seen)).collect();
        let edges: Vec<&Line> = these.edges.iter().filter(|line| !those.edges.contains(line)).collect();
        format!("{nodes:?} {edges:?}")
    };
    let rest = |answer: &Answer| {
        let ids: Vec<&str> = answer.nodes.iter().map(|seen| seen.id.as_str()).collect();
        format!(
            "{} roots {:?} {ids:?} {} edges, complete {} {:?} cursor {} count {} {:?}",
            answer.revision,
            answer.roots,
            answer.edges.len(),
            answer.complete,
            answer.stopped_by,
            answer.has_cursor,
            answer.node_count,
            answer.counts
        )
    };
    format!(
        "found {}\nexpected {}\nsurplus {}\nmissing {}",
        rest(found),
        rest(expected),
        missing(found, expected),
        missing(expected, found)
    )
}

fn counts(nodes: &[Seen]) -> Vec<(usize, String, usize)> {
    let kinds = ["Artifact", "Partition", "Version", "Execution"];
    let mut counts = vec![];
    for distance in 0..=nodes.last().map_or(0, |last| last.distance) {
        for kind in kinds {
            let is_such = |seen: &&Seen| seen.distance == distance && seen.id.starts_with(&kind.to_lowercase());
            let count = nodes.iter().filter(is_such).count();
            if count > 0 {
                counts.push((distance, kind.to_owned(), count));
            }
        }
    }
    counts
}

/// The two ways to walk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// What a version or an execution is in the graph of a level.
enum Face {
    /// A node of that graph: itself, or the class that it belongs to.
    Shown(Node),
    /// Passed through.
    Through,
    /// The walk stops there.
    Blocked,
}

impl Face {
    fn shown(&self) -> Option<&Node> {
        match self {
            Self::Shown(node) => Some(node),
            Self::Through | Self::Blocked => None,
        }
    }
}

/// What every version and execution is.
type Faces = BTreeMap<Node, Face>;

/// The graph of a level: all edges between all nodes that it shows.
struct Graph {
    edges: BTreeSet<GraphEdge>,
    /// Where the walk up would have gone on, but for what it must not enter.
    blocked_up: BTreeSet<Node>,
    blocked_down: BTreeSet<Node>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct GraphEdge {
    source: Node,
    target: Node,
    role: &'static str,
    name: Option<&'static str>,
    revision: i64,
}

impl Graph {
    fn new(past: Past<'_>, face: &dyn Fn(&Node) -> Face) -> Self {
        let base = past.edges();
        let faces: Faces = past.recorded_nodes().map(|node| (node.clone(), face(&node))).collect();
        let mut edges = BTreeSet::new();
        for edge in &base {
            if let (Some(source), Some(target)) = (faces[&edge.source].shown(), faces[&edge.target].shown()) {
                edges.insert(GraphEdge {
                    source: source.clone(),
                    target: target.clone(),
                    role: edge.role,
                    name: Some(edge.name),
                    revision: edge.revision,
                });
            }
        }
        edges.extend(derived(&base, &faces));
        Self {
            edges,
            blocked_up: blocked(&base, &faces, Way::Up),
            blocked_down: blocked(&base, &faces, Way::Down),
        }
    }

    /// The neighbours of a node, without itself.
    fn neighbours(&self, node: &Node, way: Way) -> BTreeSet<Node> {
        let pairs = self.edges.iter().map(|edge| match way {
            Way::Up => (&edge.target, &edge.source),
            Way::Down => (&edge.source, &edge.target),
        });
        pairs
            .filter(|(from, to)| *from == node && *to != node)
            .map(|(_, to)| to.clone())
            .collect()
    }
}

/// One recorded hop.
fn hops<'a>(node: &'a Node, way: Way, edges: &'a [&Edge]) -> impl Iterator<Item = &'a Node> {
    edges.iter().filter_map(move |edge| match way {
        Way::Up => (edge.target == *node).then_some(&edge.source),
        Way::Down => (edge.source == *node).then_some(&edge.target),
    })
}

/// The edges that stand for chains. Each is as old as the first revision in which one of its chains was whole.
fn derived(base: &[Edge], faces: &Faces) -> Vec<GraphEdge> {
    let revisions: BTreeSet<i64> = base.iter().map(|edge| edge.revision).collect();
    let mut since = BTreeMap::new();
    for revision in revisions {
        let known: Vec<&Edge> = base.iter().filter(|edge| edge.revision <= revision).collect();
        for (node, face) in faces {
            let Some(source) = face.shown() else { continue };
            for passed in passed_through(node, Way::Down, &known, faces) {
                for target in hops(&passed, Way::Down, &known).filter_map(|next| faces[next].shown()) {
                    since.entry((source.clone(), target.clone())).or_insert(revision);
                }
            }
        }
    }
    let edge = |((source, target), revision)| GraphEdge {
        source,
        target,
        role: "DERIVED",
        name: None,
        revision,
    };
    since.into_iter().map(edge).collect()
}

/// The shown nodes from which the walk meets what it must not enter.
fn blocked(base: &[Edge], faces: &Faces, way: Way) -> BTreeSet<Node> {
    let edges: Vec<&Edge> = base.iter().collect();
    let mut blocked = BTreeSet::new();
    for (node, face) in faces {
        let Some(shown) = face.shown() else { continue };
        let mut from = passed_through(node, way, &edges, faces);
        from.insert(node.clone());
        let mut next = from.iter().flat_map(|node| hops(node, way, &edges));
        if next.any(|next| matches!(faces[next], Face::Blocked)) {
            blocked.insert(shown.clone());
        }
    }
    blocked
}

/// All that is passed through from a node on, before the next shown one.
fn passed_through(node: &Node, way: Way, edges: &[&Edge], faces: &Faces) -> BTreeSet<Node> {
    let mut passed = BTreeSet::new();
    let mut open = vec![node.clone()];
    while let Some(node) = open.pop() {
        for next in hops(&node, way, edges) {
            if matches!(faces[next], Face::Through) && passed.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    passed
}

/// What `lineage` answers.
pub fn answer(world: &World, question: &Question) -> Answer {
    let whole = unlimited(world, question, question.revision(world));
    whole.page(0, question.limit.unwrap_or(500))
}

/// The answer without a limit.
pub fn unlimited(world: &World, question: &Question, revision: i64) -> Answer {
    let view = View {
        past: world.at(revision),
        question,
    };
    let starts: Vec<(Way, BTreeSet<Node>)> = question
        .direction
        .walks()
        .into_iter()
        .map(|way| (way, view.starts(way)))
        .collect();
    let roots: BTreeSet<Node> = starts.iter().flat_map(|(_, starts)| starts.clone()).collect();
    let graph = Graph::new(view.past, &|node| view.face(node, &roots));
    let walks: Vec<Walk> = starts
        .into_iter()
        .map(|(way, starts)| view.walk(way, starts, &graph))
        .collect();
    let mut distances: BTreeMap<Node, usize> = BTreeMap::new();
    for (node, distance) in walks.iter().flat_map(|walk| &walk.distances) {
        let known = distances.entry(node.clone()).or_insert(*distance);
        *known = (*known).min(*distance);
    }
    let stopped_by = view.stopped_by(&walks, &graph, &distances);
    view.answer(&graph, &distances, stopped_by)
}

/// One directed walk: how far each node is, and which neighbours the fan-out cut off.
struct Walk {
    way: Way,
    distances: BTreeMap<Node, usize>,
    cut: BTreeSet<Node>,
}

struct View<'a> {
    past: Past<'a>,
    question: &'a Question,
}

impl View<'_> {
    /// The class of a version at a level that shows classes.
    fn class(&self, version: usize) -> Node {
        let artifact = Node::Artifact(self.past.world.plan.versions[version].artifact);
        match self.question.level {
            Level::Partition => self.past.partition(version).map_or(artifact, Node::Partition),
            _ => artifact,
        }
    }

    /// Where a walk begins.
    fn starts(&self, way: Way) -> BTreeSet<Node> {
        self.question
            .roots
            .iter()
            .flat_map(|root| self.stands_for(root, way))
            .collect()
    }

    fn stands_for(&self, root: &Node, way: Way) -> BTreeSet<Node> {
        let versions = self.versions_of(root, way);
        match (self.question.level, root) {
            (Level::Full | Level::Execution, Node::Execution(_)) => BTreeSet::from([root.clone()]),
            (Level::Full | Level::Version, _) => versions,
            (Level::Execution, _) => versions.iter().flat_map(|version| self.next_to(version, way)).collect(),
            (Level::Partition | Level::Artifact, Node::Artifact(_)) if versions.is_empty() => {
                BTreeSet::from([root.clone()])
            }
            (Level::Partition, Node::Partition(_)) => BTreeSet::from([root.clone()]),
            (Level::Partition | Level::Artifact, _) => versions
                .into_iter()
                .map(|version| {
                    if let Node::Version(version) = version {
                        self.class(version)
                    } else {
                        version
                    }
                })
                .collect(),
        }
    }

    /// The versions that any root means: of an execution those that it took in, for the walk up, or gave out.
    fn versions_of(&self, root: &Node, way: Way) -> BTreeSet<Node> {
        let versions = |versions: BTreeSet<usize>| versions.into_iter().map(Node::Version).collect();
        match root {
            Node::Version(version) => versions(BTreeSet::from([*version])),
            Node::Artifact(artifact) => versions(self.past.versions_of(*artifact)),
            Node::Partition(partition) => {
                let mut all = self.past.versions();
                all.retain(|version| self.past.partition(*version).as_ref() == Some(partition));
                versions(all)
            }
            Node::Execution(_) => self.next_to(root, way),
        }
    }

    /// What is one recorded hop away.
    fn next_to(&self, node: &Node, way: Way) -> BTreeSet<Node> {
        let edges = self.past.edges();
        let edges: Vec<&Edge> = edges.iter().collect();
        hops(node, way, &edges).cloned().collect()
    }

    fn face(&self, node: &Node, roots: &BTreeSet<Node>) -> Face {
        let itself = self.shown_as(node);
        if let Some(root) = itself.as_ref().filter(|itself| roots.contains(itself)) {
            return Face::Shown(root.clone());
        }
        let prunes = self.question.filter.as_ref().is_some_and(|filter| filter.prune);
        match (self.passes(node), itself) {
            (false, _) if prunes => Face::Blocked,
            (true, Some(itself)) => Face::Shown(itself),
            _ => Face::Through,
        }
    }

    /// How the level shows a node, if it does.
    fn shown_as(&self, node: &Node) -> Option<Node> {
        match (node, self.question.level) {
            (Node::Version(_), Level::Full | Level::Version) | (Node::Execution(_), Level::Full | Level::Execution) => {
                Some(node.clone())
            }
            (Node::Version(version), Level::Partition | Level::Artifact) => Some(self.class(*version)),
            _ => None,
        }
    }

    /// Whether a node passes every criterion that applies to its kind.
    fn passes(&self, node: &Node) -> bool {
        let Some(filter) = &self.question.filter else {
            return true;
        };
        let plan = &self.past.world.plan;
        let is_in_project = |project| {
            filter
                .projects
                .as_ref()
                .is_none_or(|projects| projects.contains(&project))
        };
        match node {
            Node::Version(version) => {
                let artifact = plan.versions[*version].artifact;
                let created = self.past.created_at(*version);
                is_in_project(plan.artifacts[artifact].project)
                    && filter
                        .artifacts
                        .as_ref()
                        .is_none_or(|artifacts| artifacts.contains(&artifact))
                    && filter
                        .partition
                        .as_ref()
                        .is_none_or(|test| match self.past.partition(*version) {
                            Some(partition) => test.matches(&partition),
                            None => test.asks_for_none() && self.past.is_unpartitioned(*version),
                        })
                    && filter.created.is_none_or(|(from, to)| {
                        from.is_none_or(|from| created >= from) && to.is_none_or(|to| created < to)
                    })
            }
            Node::Execution(execution) => {
                let state = self.past.world.state(*execution);
                is_in_project(plan.executions[*execution].project)
                    && filter.states.as_ref().is_none_or(|states| states.contains(&state))
            }
            Node::Artifact(_) | Node::Partition(_) => unreachable!("no node of the recorded graph"),
        }
    }

    fn walk(&self, way: Way, starts: BTreeSet<Node>, graph: &Graph) -> Walk {
        let mut distances: BTreeMap<Node, usize> = starts.iter().map(|start| (start.clone(), 0)).collect();
        let (mut here, mut distance, mut cut) = (starts, 0, BTreeSet::new());
        while !here.is_empty() && self.question.depth != Some(distance) {
            distance += 1;
            let mut next = BTreeSet::new();
            for node in &here {
                let mut neighbours: Vec<Node> = graph.neighbours(node, way).into_iter().collect();
                neighbours.sort_by_key(|node| self.past.world.order(node));
                let followed = self.question.fan_out.unwrap_or(usize::MAX).min(neighbours.len());
                cut.extend(neighbours.split_off(followed));
                next.extend(
                    neighbours
                        .into_iter()
                        .filter(|neighbour| !distances.contains_key(neighbour)),
                );
            }
            distances.extend(next.iter().map(|node| (node.clone(), distance)));
            here = next;
        }
        Walk { way, distances, cut }
    }

    fn stopped_by(&self, walks: &[Walk], graph: &Graph, shown: &BTreeMap<Node, usize>) -> Vec<String> {
        let mut reasons = vec![];
        // Something is left out that is not shown, or that stands behind what only the walk the other way has shown.
        let leads_out = |walk: &Walk, starts: Vec<Node>| {
            let (mut open, mut seen) = (starts, BTreeSet::new());
            while let Some(node) = open.pop() {
                if !shown.contains_key(&node) {
                    return true;
                }
                if !walk.distances.contains_key(&node) && seen.insert(node.clone()) {
                    open.extend(graph.neighbours(&node, walk.way));
                }
            }
            false
        };
        let goes_on = |walk: &Walk| {
            let mut last = walk
                .distances
                .iter()
                .filter(|(_, distance)| Some(**distance) == self.question.depth);
            last.any(|(node, _)| leads_out(walk, graph.neighbours(node, walk.way).into_iter().collect()))
        };
        if walks.iter().any(goes_on) {
            reasons.push("DEPTH".to_owned());
        }
        if walks
            .iter()
            .any(|walk| leads_out(walk, walk.cut.iter().cloned().collect()))
        {
            reasons.push("FAN_OUT".to_owned());
        }
        let is_blocked = |walk: &Walk| {
            let blocked = if walk.way == Way::Up {
                &graph.blocked_up
            } else {
                &graph.blocked_down
            };
            walk.distances.keys().any(|node| blocked.contains(node))
        };
        if walks.iter().any(is_blocked) {
            reasons.push("HIDDEN".to_owned());
        }
        reasons
    }

    fn answer(&self, graph: &Graph, distances: &BTreeMap<Node, usize>, stopped_by: Vec<String>) -> Answer {
        let world = self.past.world;
        let unfiltered = Graph::new(self.past, &|node| {
            self.shown_as(node).map_or(Face::Through, Face::Shown)
        });
        let mut shown: Vec<(&Node, usize)> = distances.iter().map(|(node, distance)| (node, *distance)).collect();
        shown.sort_by_key(|(node, distance)| (*distance, world.order(node)));
        let seen = |(node, distance): (&Node, usize)| Seen {
            id: world.id(node).to_owned(),
            distance,
            upstream: unfiltered.neighbours(node, Way::Up).len(),
            downstream: unfiltered.neighbours(node, Way::Down).len(),
        };
        let nodes: Vec<Seen> = shown.into_iter().map(seen).collect();
        let are_shown =
            |edge: &&GraphEdge| distances.contains_key(&edge.source) && distances.contains_key(&edge.target);
        let mut roots: Vec<String> = vec![];
        for id in self.question.ids(world) {
            if !roots.contains(&id) {
                roots.push(id);
            }
        }
        Answer {
            revision: self.past.revision,
            roots,
            edges: lines(world, graph.edges.iter().filter(are_shown)),
            complete: stopped_by.is_empty(),
            stopped_by,
            has_cursor: false,
            node_count: nodes.len(),
            counts: counts(&nodes),
            nodes,
        }
    }
}

/// Edges as they are answered, ascending.
fn lines<'a>(world: &World, edges: impl Iterator<Item = &'a GraphEdge>) -> Vec<Line> {
    let line = |edge: &GraphEdge| Line {
        source: world.id(&edge.source).to_owned(),
        target: world.id(&edge.target).to_owned(),
        role: edge.role.to_owned(),
        name: edge.name.map(str::to_owned),
        recorded_at: instant(world.moments[&edge.revision]),
    };
    let mut lines: Vec<Line> = edges.map(line).collect();
    lines.sort();
    lines
}

/// A path: the ids of its nodes, and the edges between them.
pub type Path = (Vec<String>, Vec<Line>);

/// All simple paths downstream from one node to another, in the order in which `lineagePaths` answers them.
pub fn paths(world: &World, from: &Node, to: &Node, revision: i64) -> Vec<Path> {
    let question = Question {
        roots: vec![],
        direction: Direction::Downstream,
        level: Level::Full,
        depth: None,
        limit: None,
        fan_out: None,
        filter: None,
        as_of: None,
    };
    let view = View {
        past: world.at(revision),
        question: &question,
    };
    let ends = |node: &Node| {
        if let Node::Execution(_) = node {
            BTreeSet::from([node.clone()])
        } else {
            view.versions_of(node, Way::Down)
        }
    };
    let targets = ends(to);
    let mut found = vec![];
    for source in ends(from) {
        extend(&view, vec![source], &targets, &mut found);
    }
    found.sort_by_key(|path| {
        (
            path.len(),
            path.iter().map(|node| world.order(node)).collect::<Vec<_>>(),
        )
    });
    found.iter().map(|path| described(&view, path)).collect()
}

fn extend(view: &View<'_>, path: Vec<Node>, targets: &BTreeSet<Node>, found: &mut Vec<Vec<Node>>) {
    let last = path.last().expect("a path has a first node");
    for next in view.next_to(last, Way::Down) {
        if !path.contains(&next) {
            extend(view, [path.clone(), vec![next]].concat(), targets, found);
        }
    }
    if targets.contains(last) {
        found.push(path);
    }
}

fn described(view: &View<'_>, path: &[Node]) -> Path {
    let (world, base) = (view.past.world, view.past.edges());
    let mut edges = vec![];
    for hop in path.windows(2) {
        let between = base
            .iter()
            .filter(|edge| edge.source == hop[0] && edge.target == hop[1]);
        let between = between.map(|edge| GraphEdge {
            source: edge.source.clone(),
            target: edge.target.clone(),
            role: edge.role,
            name: Some(edge.name),
            revision: edge.revision,
        });
        edges.extend(lines(world, between.collect::<Vec<_>>().iter()));
    }
    (path.iter().map(|node| world.id(node).to_owned()).collect(), edges)
}
