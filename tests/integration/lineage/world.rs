//! Worlds to walk in: what is recorded about them, step by step, and what their records say as of each revision. All in
//! words of the tests' own: nothing here asks the service but for the ids that it gave.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::TestApp;

/// Seconds since the first of November 2026, when all worlds begin.
pub type Seconds = i64;

const HOUR: Seconds = 3_600;
const DAY: Seconds = 24 * HOUR;
/// November has thirty days; no world sees the year's end.
const NOVEMBER: Seconds = 30 * DAY;
const YEARS_END: Seconds = 61 * DAY;

/// The two projects of every world; each world has a domain of its own.
pub const PROJECTS: [&str; 2] = ["alpha", "beta"];

const REGIONS: [&str; 3] = ["EU", "US", "UK"];
const MODELS: [&str; 2] = ["m1", "m2"];
const NAMES: [&str; 3] = ["a", "b", "c"];
const FINAL_STATES: [&str; 3] = ["SUCCEEDED", "FAILED", "ABORTED"];

/// As the API writes it.
pub fn instant(at: Seconds) -> String {
    let (month, day) = match at / DAY {
        day @ 0..30 => (11, day + 1),
        day => (12, day - 29),
    };
    let (hour, minute, second) = (at % DAY / HOUR, at % HOUR / 60, at % 60);
    format!("2026-{month}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads what the API wrote.
pub fn seconds(instant: &str) -> Seconds {
    let number = |from: usize| instant[from..from + 2].parse::<Seconds>().unwrap();
    let days = if number(5) == 11 { number(8) - 1 } else { number(8) + 29 };
    days * DAY + number(11) * HOUR + number(14) * 60 + number(17)
}

/// The size of a window of time; the coarser is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    Hour,
    Day,
    Month,
}

impl Size {
    pub fn text(self) -> &'static str {
        match self {
            Self::Hour => "HOUR",
            Self::Day => "DAY",
            Self::Month => "MONTH",
        }
    }

    /// Start and end of the window that contains an instant.
    pub fn window(self, at: Seconds) -> (Seconds, Seconds) {
        match self {
            Self::Hour => (at - at % HOUR, at - at % HOUR + HOUR),
            Self::Day => (at - at % DAY, at - at % DAY + DAY),
            Self::Month if at < NOVEMBER => (0, NOVEMBER),
            Self::Month => (NOVEMBER, YEARS_END),
        }
    }
}

/// An artifact, and what it declares if it ever does.
#[derive(Clone, Debug)]
pub struct Artifact {
    pub project: &'static str,
    keys: Vec<&'static str>,
    size: Option<Size>,
}

/// A version's content: whoever produces it gives the same.
#[derive(Clone, Debug)]
pub struct Version {
    pub artifact: usize,
    values: BTreeMap<&'static str, &'static str>,
    time: Option<Seconds>,
    created: Seconds,
}

/// An execution, and how it ends if it ever does.
#[derive(Clone, Debug)]
pub struct Execution {
    pub project: &'static str,
    end: &'static str,
}

/// Something to record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    Took {
        execution: usize,
        name: &'static str,
        version: usize,
    },
    Gave {
        execution: usize,
        name: &'static str,
        version: usize,
    },
    Produced(usize),
    Deleted(usize),
    Declared(usize),
    Runs(usize),
    Ended(usize),
    HasParent(usize),
}

impl Fact {
    fn version(&self) -> Option<usize> {
        match self {
            Self::Took { version, .. }
            | Self::Gave { version, .. }
            | Self::Produced(version)
            | Self::Deleted(version) => Some(*version),
            _ => None,
        }
    }

    fn executions(&self) -> Vec<usize> {
        match self {
            Self::Took { execution, .. }
            | Self::Gave { execution, .. }
            | Self::Runs(execution)
            | Self::Ended(execution) => {
                vec![*execution]
            }
            Self::HasParent(execution) => vec![*execution, parent(*execution)],
            _ => vec![],
        }
    }

    /// Whether it is about how far an execution is: what is known now, whatever the revision.
    pub fn is_of_a_state(&self) -> bool {
        matches!(self, Self::Runs(_) | Self::Ended(_))
    }
}

/// The parent of an execution, where a fact says that it has one.
fn parent(execution: usize) -> usize {
    execution / 2
}

/// What will be recorded, each step by one `ingest`.
#[derive(Clone, Debug)]
pub struct Plan {
    pub artifacts: Vec<Artifact>,
    pub versions: Vec<Version>,
    pub executions: Vec<Execution>,
    pub steps: Vec<Vec<Fact>>,
}

fn artifacts() -> impl Strategy<Value = Artifact> {
    let keys = prop::sample::select(vec![vec![], vec!["region"], vec!["model"], vec!["region", "model"]]);
    let sizes = prop::sample::select(vec![None, Some(Size::Day), Some(Size::Hour), Some(Size::Month)]);
    (prop::sample::select(&PROJECTS[..]), keys, sizes).prop_map(|(project, keys, size)| Artifact {
        project,
        keys,
        size,
    })
}

/// The numbers of a version, before it is known which artifacts there are.
#[derive(Clone, Debug)]
struct Numbers {
    artifact: usize,
    fits: bool,
    region: &'static str,
    model: &'static str,
    time: Seconds,
    has: (bool, bool, bool),
    created: Seconds,
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let time = (
        prop::sample::select(vec![0, DAY, NOVEMBER]),
        prop::sample::select(vec![0, 5 * HOUR]),
    );
    (
        0..12_usize,
        prop::bool::weighted(0.75),
        prop::sample::select(&REGIONS[..]),
        prop::sample::select(&MODELS[..]),
        time.prop_map(|(day, hour)| day + hour + 600),
        any::<(bool, bool, bool)>(),
        0..8_i64,
    )
        .prop_map(|(artifact, fits, region, model, time, has, created)| Numbers {
            artifact,
            fits,
            region,
            model,
            time,
            has,
            created: created * 6 * HOUR,
        })
}

impl Numbers {
    fn version(&self, artifacts: &[Artifact]) -> Version {
        let artifact = self.artifact % artifacts.len();
        let Artifact { keys, size, .. } = &artifacts[artifact];
        let (has_region, has_model, has_time) = if self.fits {
            (keys.contains(&"region"), keys.contains(&"model"), size.is_some())
        } else {
            self.has
        };
        let values = [("region", self.region, has_region), ("model", self.model, has_model)];
        Version {
            artifact,
            values: values
                .into_iter()
                .filter(|(.., has)| *has)
                .map(|(key, value, _)| (key, value))
                .collect(),
            time: has_time.then_some(self.time),
            created: self.created,
        }
    }
}

/// How a fact comes about, before it is known what there is: what it is, its places, and the step.
type Draft = (u8, usize, usize, &'static str, usize);

fn drafts(most: usize) -> impl Strategy<Value = Vec<Draft>> {
    let draft = (
        0..24_u8,
        0..64_usize,
        0..64_usize,
        prop::sample::select(&NAMES[..]),
        0..5_usize,
    );
    prop::collection::vec(draft, most / 3..most)
}

/// How the edges of a world lie.
#[derive(Clone, Copy, Debug)]
enum Lie {
    /// Anywhere: dense, with cycles of all lengths.
    Anywhere,
    /// From an execution to versions that stand a little above or below it: long ways, and no cycle.
    Along,
    /// The same, but the top is the bottom again.
    Around,
}

impl Plan {
    /// The version at an end of an edge of an execution.
    fn version_near(&self, lie: Lie, execution: usize, place: usize, takes: bool) -> usize {
        let count = self.versions.len();
        let height = execution * (count - 1) / self.executions.len();
        let steps = place % 3;
        match (lie, takes) {
            (Lie::Anywhere, _) => place % count,
            (Lie::Along, true) => height.saturating_sub(steps),
            (Lie::Along, false) => (height + 1 + steps).min(count - 1),
            (Lie::Around, true) => (height + count - steps.min(height)) % count,
            (Lie::Around, false) => (height + 1 + steps) % count,
        }
    }

    fn draft(&mut self, draft: Draft, lie: Lie) {
        let (what, one, other, name, step) = draft;
        let execution = other % self.executions.len();
        let takes = what < 8;
        let version = self.version_near(lie, execution, one, takes);
        let fact = match what {
            0..16 if takes => Fact::Took {
                execution,
                name,
                version,
            },
            0..16 => Fact::Gave {
                execution,
                name,
                version,
            },
            16 | 17 => Fact::Produced(one % self.versions.len()),
            18 => Fact::Deleted(one % self.versions.len()),
            19 | 20 => Fact::Declared(one % self.artifacts.len()),
            21 => Fact::Runs(execution),
            22..25 => Fact::Ended(execution),
            _ if execution == 0 => Fact::Ended(execution),
            _ => Fact::HasParent(execution),
        };
        let steps = self.steps.len();
        self.steps[step % steps].push(fact);
    }
}

/// Random worlds of up to so many facts in up to five steps.
pub fn plans(most: usize) -> impl Strategy<Value = Plan> {
    let executions = (
        prop::sample::select(&PROJECTS[..]),
        prop::sample::select(&FINAL_STATES[..]),
    )
        .prop_map(|(project, end)| Execution { project, end });
    let nodes = (
        prop::collection::vec(artifacts(), 1..6),
        prop::collection::vec(numbers(), 4..20),
        prop::collection::vec(executions, 3..14),
    );
    let lies = prop::sample::select(vec![Lie::Anywhere, Lie::Along, Lie::Around]);
    (nodes, lies, 1..6_usize, drafts(most)).prop_map(|((artifacts, versions, executions), lie, steps, drafts)| {
        let mut plan = Plan {
            versions: versions.iter().map(|numbers| numbers.version(&artifacts)).collect(),
            artifacts,
            executions,
            steps: vec![vec![]; steps],
        };
        for draft in drafts {
            plan.draft(draft, lie);
        }
        plan.steps.retain(|step| !step.is_empty());
        plan
    })
}

/// A small world of every kind of artifact, in which these steps are recorded. There are six versions: of the first
/// artifact 0, 1 and one that will not fit, 5; of the second 4 and one that will not fit, 2; 3 has no partition.
pub fn fixed(steps: Vec<Vec<Fact>>) -> Plan {
    let artifact = |keys: &[&'static str], size| Artifact {
        project: PROJECTS[0],
        keys: keys.to_vec(),
        size,
    };
    let version = |artifact, values: &[(&'static str, &'static str)], time| Version {
        artifact,
        values: values.iter().copied().collect(),
        time,
        created: DAY,
    };
    let execution = |n: usize| Execution {
        project: PROJECTS[n % 2],
        end: FINAL_STATES[n % 3],
    };
    Plan {
        artifacts: vec![
            artifact(&["region"], Some(Size::Hour)),
            artifact(&["model"], Some(Size::Day)),
            artifact(&[], None),
        ],
        versions: vec![
            version(0, &[("region", "EU")], Some(5 * HOUR)),
            version(0, &[("region", "EU")], Some(6 * HOUR)),
            version(1, &[("region", "EU")], Some(DAY)),
            version(2, &[], None),
            version(1, &[("model", "m1")], Some(DAY)),
            version(0, &[("model", "m1")], None),
        ],
        executions: (0..6).map(execution).collect(),
        steps,
    }
}

/// A partition: one combination of values and a window of one artifact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Partition {
    pub artifact: usize,
    pub values: BTreeMap<&'static str, &'static str>,
    pub window: Option<(Size, Seconds)>,
}

/// A node of any kind; kinds are in the order in which answers show them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    Artifact(usize),
    Partition(Partition),
    Version(usize),
    Execution(usize),
}

impl Node {
    /// As the API spells it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Artifact(_) => "Artifact",
            Self::Partition(_) => "Partition",
            Self::Version(_) => "Version",
            Self::Execution(_) => "Execution",
        }
    }
}

/// An edge of the graph as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub source: Node,
    pub target: Node,
    pub role: &'static str,
    pub name: &'static str,
    pub revision: i64,
}

/// A plan that has been recorded, wholly or in part, and which ids the service gave.
#[derive(Debug)]
pub struct World {
    pub plan: Plan,
    domain: String,
    /// Since which revision each fact is known.
    pub known: BTreeMap<Fact, i64>,
    /// The world's revisions, and when each was recorded.
    pub moments: BTreeMap<i64, Seconds>,
    ids: BTreeMap<Node, String>,
}

impl World {
    /// A plan of which nothing is recorded yet, in a domain of its own.
    pub fn new(plan: Plan, domain: String) -> Self {
        Self {
            plan,
            domain,
            known: BTreeMap::new(),
            moments: BTreeMap::new(),
            ids: BTreeMap::new(),
        }
    }

    /// Records all steps of a plan.
    pub async fn recorded(app: &TestApp, plan: Plan, domain: String) -> Self {
        let mut world = Self::new(plan, domain);
        for step in world.plan.steps.clone() {
            let recorded = world.record(app, &step).await;
            world.learn(&step, recorded);
        }
        world.look(app).await;
        world
    }

    /// Records one step: in which revision, and when.
    pub async fn record(&self, app: &TestApp, step: &[Fact]) -> (i64, Seconds) {
        app.pass(1);
        let now = seconds(&app.now());
        let records: Vec<Value> = step.iter().map(|fact| self.json(fact)).collect();
        (app.ingest(&records).await, now)
    }

    /// Takes note of what has been recorded.
    pub fn learn(&mut self, step: &[Fact], (revision, now): (i64, Seconds)) {
        self.moments.entry(revision).or_insert(now);
        for fact in step {
            self.known.entry(fact.clone()).or_insert(revision);
        }
    }

    fn key(&self, project: &str, name: &str) -> Value {
        json!({"project": project, "domain": self.domain, "name": name})
    }

    /// The key of an artifact.
    pub fn artifact_key(&self, artifact: usize) -> Value {
        self.key(self.plan.artifacts[artifact].project, &format!("a{artifact}"))
    }

    /// The key of an execution.
    pub fn execution_key(&self, execution: usize) -> Value {
        self.key(self.plan.executions[execution].project, &format!("e{execution}"))
    }

    fn content(&self, version: usize) -> Value {
        let Version {
            artifact,
            values,
            time,
            created,
        } = &self.plan.versions[version];
        let values: Vec<Value> = values
            .iter()
            .map(|(key, value)| json!({"key": key, "value": value}))
            .collect();
        json!({"artifact": self.artifact_key(*artifact), "version": format!("v{version}"), "partition": values,
            "timePartition": time.map(instant), "createdAt": instant(*created)})
    }

    /// A fact as a record of `ingest`.
    fn json(&self, fact: &Fact) -> Value {
        let execution = |execution: &usize, field: &str, value: Value| json!({"execution": {"key": self.execution_key(*execution), field: value}});
        let artifact_of = |version: usize| self.artifact_key(self.plan.versions[version].artifact);
        match fact {
            Fact::Took {
                execution: e,
                name,
                version,
            } => {
                let query = json!({"key": {"artifact": artifact_of(*version), "version": format!("v{version}")}});
                execution(e, "inputs", json!([{"name": name, "version": query}]))
            }
            Fact::Gave {
                execution: e,
                name,
                version,
            } => execution(e, "outputs", json!([{"name": name, "version": self.content(*version)}])),
            Fact::Produced(version) => json!({"version": self.content(*version)}),
            Fact::Deleted(version) => {
                json!({"deletion": {"artifact": artifact_of(*version), "version": format!("v{version}")}})
            }
            Fact::Declared(artifact) => {
                let Artifact { keys, size, .. } = &self.plan.artifacts[*artifact];
                json!({"artifact": {"key": self.artifact_key(*artifact), "partitionKeys": keys, "timePartitionGranularity": size.map(Size::text)}})
            }
            Fact::Runs(e) => execution(e, "state", json!("RUNNING")),
            Fact::Ended(e) => execution(e, "state", json!(self.plan.executions[*e].end)),
            Fact::HasParent(e) => execution(e, "parent", self.execution_key(parent(*e))),
        }
    }

    /// How far an execution is known to be now, whatever the revision.
    pub fn state(&self, execution: usize) -> &'static str {
        if self.known.contains_key(&Fact::Ended(execution)) {
            self.plan.executions[execution].end
        } else if self.known.contains_key(&Fact::Runs(execution)) {
            "RUNNING"
        } else {
            "QUEUED"
        }
    }

    /// The newest of the world's revisions.
    pub fn newest(&self) -> i64 {
        *self.moments.last_key_value().expect("nothing is recorded").0
    }

    /// The world as of a revision.
    pub fn at(&self, revision: i64) -> Past<'_> {
        Past { world: self, revision }
    }

    /// The id that the service gave a node.
    pub fn id(&self, node: &Node) -> &str {
        self.ids.get(node).unwrap_or_else(|| panic!("{node:?} has no id"))
    }

    /// The place of a node among those of a distance: by kind, then in the order of recording.
    pub fn order(&self, node: &Node) -> (u8, u64) {
        let kind = match node {
            Node::Artifact(_) => 0,
            Node::Partition(_) => 1,
            Node::Version(_) => 2,
            Node::Execution(_) => 3,
        };
        (kind, number(self.id(node)))
    }

    /// Asks for the ids, and for what else the world's own words rest on: which versions and executions there are as of
    /// each revision, when each version was created, and which partition it is in.
    pub async fn look(&mut self, app: &TestApp) {
        let query = "query($asOf: AsOf!, $domain: String!) { at(asOf: $asOf) { executions(first: 50, where: {domain: $domain}) { nodes { id name } }
            artifacts(first: 20, where: {domain: $domain}) { nodes { id name
                partitions(first: 50) { nodes { id values { key value } timePartition { start granularity } } }
                versions(first: 50) { nodes { id version createdAt partition { id } } } } } } }";
        for revision in self.moments.keys().copied().collect::<Vec<_>>() {
            let data = app
                .data(query, json!({"asOf": {"revision": revision}, "domain": self.domain}))
                .await;
            let mut seen = vec![];
            for execution in data["at"]["executions"]["nodes"].as_array().unwrap() {
                seen.push(self.name(Node::Execution(place(&execution["name"])), &execution["id"]));
            }
            let mut versions = vec![];
            for artifact in data["at"]["artifacts"]["nodes"].as_array().unwrap() {
                let at = place(&artifact["name"]);
                seen.push(self.name(Node::Artifact(at), &artifact["id"]));
                for partition in artifact["partitions"]["nodes"].as_array().unwrap() {
                    seen.push(self.name(Node::Partition(read_partition(at, partition)), &partition["id"]));
                }
                for version in artifact["versions"]["nodes"].as_array().unwrap() {
                    seen.push(self.name(Node::Version(place(&version["version"])), &version["id"]));
                    versions.push(version.clone());
                }
            }
            self.check(revision, seen, &versions);
        }
    }

    fn name(&mut self, node: Node, id: &Value) -> Node {
        let id = id.as_str().unwrap();
        let known = self.ids.entry(node.clone()).or_insert_with(|| id.to_owned());
        assert_eq!(known, id, "{node:?} has two ids");
        node
    }

    fn check(&self, revision: i64, mut seen: Vec<Node>, versions: &[Value]) {
        let past = self.at(revision);
        seen.sort();
        assert_eq!(past.nodes(), seen, "as of revision {revision} of {:#?}", self.known);
        for version in versions {
            let at = place(&version["version"]);
            let partition = past.partition(at).map(|partition| self.id(&Node::Partition(partition)));
            assert_eq!(version["partition"]["id"].as_str(), partition, "v{at} as of {revision}");
            assert_eq!(
                version["createdAt"],
                instant(past.created_at(at)),
                "v{at} as of {revision}"
            );
        }
    }
}

/// The number in a name, such as `v7`.
fn place(name: &Value) -> usize {
    name.as_str().unwrap()[1..].parse().unwrap()
}

fn read_partition(artifact: usize, json: &Value) -> Partition {
    let read = |text: &Value| {
        *[&REGIONS[..], &MODELS, &["region", "model"]]
            .concat()
            .iter()
            .find(|known| text == **known)
            .unwrap()
    };
    let window = json["timePartition"]["start"].as_str().map(|start| {
        let sizes = [Size::Hour, Size::Day, Size::Month];
        let size = sizes
            .into_iter()
            .find(|size| json["timePartition"]["granularity"] == size.text())
            .unwrap();
        (size, seconds(start))
    });
    let values = json["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| (read(&value["key"]), read(&value["value"])))
        .collect();
    Partition {
        artifact,
        values,
        window,
    }
}

/// The number behind an id, which grows in the order of recording: base32 after the kind.
pub fn number(id: &str) -> u64 {
    let (_, digits) = id.split_once('_').unwrap();
    digits.bytes().fold(0, |number, digit| {
        let digit = if digit.is_ascii_digit() {
            digit - b'2' + 26
        } else {
            digit - b'a'
        };
        number * 32 + u64::from(digit)
    })
}

/// What was known as of a revision.
#[derive(Clone, Copy)]
pub struct Past<'a> {
    pub world: &'a World,
    pub revision: i64,
}

impl<'a> Past<'a> {
    fn facts(self) -> impl Iterator<Item = (&'a Fact, i64)> {
        let known = self.world.known.iter().map(|(fact, revision)| (fact, *revision));
        known.filter(move |(_, revision)| *revision <= self.revision)
    }

    pub fn versions(self) -> BTreeSet<usize> {
        self.facts().filter_map(|(fact, _)| fact.version()).collect()
    }

    pub fn executions(self) -> BTreeSet<usize> {
        self.facts().flat_map(|(fact, _)| fact.executions()).collect()
    }

    pub fn artifacts(self) -> BTreeSet<usize> {
        let of_versions = self
            .versions()
            .into_iter()
            .map(|version| self.world.plan.versions[version].artifact);
        let declared = self.facts().filter_map(|(fact, _)| match fact {
            Fact::Declared(artifact) => Some(*artifact),
            _ => None,
        });
        of_versions.chain(declared).collect()
    }

    pub fn partitions(self) -> BTreeSet<Partition> {
        self.versions()
            .into_iter()
            .filter_map(|version| self.partition(version))
            .collect()
    }

    /// Everything there is, ascending.
    pub fn nodes(self) -> Vec<Node> {
        let artifacts = self.artifacts().into_iter().map(Node::Artifact);
        let partitions = self.partitions().into_iter().map(Node::Partition);
        let versions = self.versions().into_iter().map(Node::Version);
        let executions = self.executions().into_iter().map(Node::Execution);
        artifacts.chain(partitions).chain(versions).chain(executions).collect()
    }

    /// The nodes of the graph as it was recorded: versions and executions.
    pub fn recorded_nodes(self) -> impl Iterator<Item = Node> {
        let executions = self.executions().into_iter().map(Node::Execution);
        self.versions().into_iter().map(Node::Version).chain(executions)
    }

    fn is_produced(self, version: usize) -> bool {
        self.facts().any(|(fact, _)| match fact {
            Fact::Produced(produced) => *produced == version,
            Fact::Gave { version: given, .. } => *given == version,
            _ => false,
        })
    }

    fn is_declared(self, artifact: usize) -> bool {
        self.facts().any(|(fact, _)| *fact == Fact::Declared(artifact))
    }

    /// The versions of an artifact.
    pub fn versions_of(self, artifact: usize) -> BTreeSet<usize> {
        let mut versions = self.versions();
        versions.retain(|version| self.world.plan.versions[*version].artifact == artifact);
        versions
    }

    /// Rules 6 to 9: the partition of a version; none of what is not produced, or does not fit what is declared.
    pub fn partition(self, version: usize) -> Option<Partition> {
        let Version {
            artifact, values, time, ..
        } = &self.world.plan.versions[version];
        let Artifact { keys, size, .. } = &self.world.plan.artifacts[*artifact];
        if !self.is_produced(version) {
            return None;
        }
        let size = if self.is_declared(*artifact) {
            let fits = values.len() == keys.len() && keys.iter().all(|key| values.contains_key(key));
            if !fits || time.is_some() != size.is_some() {
                return None;
            }
            *size
        } else {
            Some(Size::Day)
        };
        let window = time.zip(size).map(|(time, size)| (size, size.window(time).0));
        let partition = Partition {
            artifact: *artifact,
            values: values.clone(),
            window,
        };
        (!partition.values.is_empty() || partition.window.is_some()).then_some(partition)
    }

    /// Whether a version is produced and belongs to no partition because it needs none.
    pub fn is_unpartitioned(self, version: usize) -> bool {
        let Version {
            artifact, values, time, ..
        } = &self.world.plan.versions[version];
        let Artifact { keys, size, .. } = &self.world.plan.artifacts[*artifact];
        let needs_none = !self.is_declared(*artifact) || keys.is_empty() && size.is_none();
        self.is_produced(version) && values.is_empty() && time.is_none() && needs_none
    }

    /// When a version was produced; of one that is only named, when that was.
    pub fn created_at(self, version: usize) -> Seconds {
        if self.is_produced(version) {
            return self.world.plan.versions[version].created;
        }
        let named = self
            .facts()
            .filter(|(fact, _)| fact.version() == Some(version))
            .map(|(_, revision)| revision)
            .min();
        self.world.moments[&named.expect("nobody names it")]
    }

    /// The keys that an artifact has: those declared, or else those that its versions brought.
    pub fn keys(self, artifact: usize) -> BTreeSet<&'static str> {
        if self.is_declared(artifact) {
            return self.world.plan.artifacts[artifact].keys.iter().copied().collect();
        }
        let produced = self
            .versions_of(artifact)
            .into_iter()
            .filter(|version| self.is_produced(*version));
        produced
            .flat_map(|version| self.world.plan.versions[version].values.keys().copied())
            .collect()
    }

    /// Whether an artifact has a time partition: one declared, or else one that a version brought.
    pub fn has_time(self, artifact: usize) -> bool {
        if self.is_declared(artifact) {
            return self.world.plan.artifacts[artifact].size.is_some();
        }
        let mut produced = self
            .versions_of(artifact)
            .into_iter()
            .filter(|version| self.is_produced(*version));
        produced.any(|version| self.world.plan.versions[version].time.is_some())
    }

    /// The graph as it was recorded.
    pub fn edges(self) -> Vec<Edge> {
        self.facts()
            .filter_map(|(fact, revision)| match fact {
                Fact::Took {
                    execution,
                    name,
                    version,
                } => Some(Edge {
                    source: Node::Version(*version),
                    target: Node::Execution(*execution),
                    role: "INPUT",
                    name,
                    revision,
                }),
                Fact::Gave {
                    execution,
                    name,
                    version,
                } => Some(Edge {
                    source: Node::Execution(*execution),
                    target: Node::Version(*version),
                    role: "OUTPUT",
                    name,
                    revision,
                }),
                _ => None,
            })
            .collect()
    }
}
