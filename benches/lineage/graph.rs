//! The graph that is asked: chains of days, hubs with many consumers, and a rest with a heavy-tailed number of inputs.
//!
//! Chains and hubs are alike in stores of every size, a larger one has more of them. Everything is recorded in order of
//! time, so that what belongs together lies scattered, as in a store that has grown.

use std::ops::Range;

use heirloom::domain::filter::{VersionKeyQuery, VersionQuery};
use heirloom::domain::key::{ArtifactKey, Digest, ExecutionKey};
use heirloom::domain::record::{
    CreateVersion, DeclareArtifact, ExecutionInput, ExecutionKind, ExecutionOutput, ExecutionState, PartitionValue,
    Record, RecordExecution,
};
use heirloom::domain::time::{Granularity, Timestamp};

/// How many days a chain has.
const DAYS: u32 = 730;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const YEARS: i64 = DAYS as i64 * DAY;
/// 2024-11-23T00:00:00Z.
const BEGIN: i64 = 1_732_320_000;

const REGIONS: [&str; 10] = ["EU", "US", "BR", "IN", "JP", "AU", "ZA", "KR", "CA", "MX"];
const PROJECTS: [&str; 4] = ["ads", "retail", "search", "risk"];

/// How many artifacts there are. The first are those of the chains, then come the hubs', then the rest.
const ARTIFACTS: u16 = 622;
/// A chain has the artifact of its days and three of sources; after so many chains come others with the same artifacts and
/// another region.
const CHAIN_ARTIFACTS: u16 = 20 * 4;
/// The artifact of the hubs; those of what is made from them follow, so many for each layer.
const HUB_ARTIFACT: u16 = CHAIN_ARTIFACTS;
const LAYER_ARTIFACTS: u16 = 60;
const REST_ARTIFACTS: Range<u16> = HUB_ARTIFACT + 1 + 3 * LAYER_ARTIFACTS..ARTIFACTS;

/// From how many versions before it an execution of the rest takes its inputs.
const RECENT: usize = 20_000;

/// The graph, before it is recorded.
pub struct Graph {
    versions: Vec<Made>,
    runs: Vec<Run>,
    /// The inputs of all runs, one run after the other.
    inputs: Vec<u32>,
    /// The version of every day of every chain.
    chains: Vec<Vec<u32>>,
    hubs: Vec<(u32, u32)>,
    rest: Vec<u32>,
}

/// A version, as a number: its place in the list.
struct Made {
    artifact: u16,
    region: u8,
    at: i64,
}

/// What happened at once: an execution with what it made, or without inputs and without an execution a version that came from
/// outside.
struct Run {
    at: i64,
    by_execution: bool,
    inputs: Range<usize>,
    outputs: Range<u32>,
}

impl Graph {
    /// A graph of about so many versions.
    pub fn of(versions: u64) -> Self {
        assert!(
            (20_000..=2_000_000).contains(&versions),
            "sizes are 20,000 to 2,000,000"
        );
        let size = usize::try_from(versions).unwrap();
        let mut graph = Self {
            versions: Vec::with_capacity(size),
            runs: Vec::with_capacity(size),
            inputs: Vec::with_capacity(size * 5 / 2),
            chains: Vec::new(),
            hubs: Vec::new(),
            rest: Vec::new(),
        };
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..size / 10_000 {
            graph.add_chain();
        }
        let consumers = [10_000; 10].into_iter().take(size / 200_000);
        let consumers = consumers.chain([5_000; 10].into_iter().take(size / 200_000));
        let consumers: Vec<u32> = consumers.chain(vec![500; (size / 50_000).max(4)]).collect();
        let mut finished: Vec<u32> = Vec::new();
        for consumers in consumers {
            finished.extend(graph.add_hub(consumers));
        }
        finished.sort_by_key(|&made| graph.versions[made as usize].at);
        graph.add_rest(size.saturating_sub(graph.versions.len()), &finished, &mut random);
        graph.runs.sort_by_key(|run| run.at);
        graph
    }

    /// Adds a run; the first of its outputs.
    fn add(&mut self, at: i64, inputs: impl IntoIterator<Item = u32>, outputs: &[(u16, u8)]) -> u32 {
        let (from, first) = (self.inputs.len(), self.next());
        self.inputs.extend(inputs);
        let made = |&(artifact, region)| Made { artifact, region, at };
        self.versions.extend(outputs.iter().map(made));
        self.runs.push(Run {
            at,
            by_execution: true,
            inputs: from..self.inputs.len(),
            outputs: first..self.next(),
        });
        first
    }

    /// Adds a version that no execution made.
    fn add_lone(&mut self, at: i64, artifact: u16, region: u8) -> u32 {
        let made = self.add(at, [], &[(artifact, region)]);
        self.runs.last_mut().unwrap().by_execution = false;
        made
    }

    fn next(&self) -> u32 {
        u32::try_from(self.versions.len()).unwrap()
    }

    /// Each day is made from the day before and two sources, which are loaded on that day; each sixth day from a third that
    /// came from outside.
    fn add_chain(&mut self) {
        let number = self.chains.len();
        let (set, region) = ((number % 20) as u16, (number / 20 % REGIONS.len()) as u8);
        let mut days: Vec<u32> = Vec::new();
        for day in 0..DAYS {
            let at = i64::from(day) * DAY + number as i64 % 1_800;
            let mut inputs: Vec<u32> = days.last().copied().into_iter().collect();
            for source in 1..=2 {
                inputs.push(self.add(at + HOUR, [], &[(4 * set + source, region)]));
            }
            if day % 6 == 0 {
                inputs.push(self.add_lone(at + HOUR, 4 * set + 3, region));
            }
            days.push(self.add(at + 3 * HOUR, inputs, &[(4 * set, region)]));
        }
        self.chains.push(days);
    }

    /// The version of the day before an instant, of some chain.
    fn day_before(&self, at: i64, some: usize) -> u32 {
        let chain = &self.chains[some % self.chains.len()];
        chain[usize::try_from(at / DAY - 1).unwrap_or(0)]
    }

    /// Three layers of executions: the first reads the hub, each further one what the one before made, all of it; each execution
    /// also reads a day of a chain. What the last layer made.
    fn add_hub(&mut self, consumers: u32) -> Range<u32> {
        let hub = self.add(DAY + 4 * HOUR, [self.chains[0][0]], &[(HUB_ARTIFACT, 0)]);
        self.hubs.push((consumers, hub));
        let mut above = hub..hub + 1;
        let layers = [
            (consumers, consumers * 3 / 2),
            (consumers, consumers * 11 / 10),
            (consumers * 9 / 10, consumers * 9 / 10),
        ];
        for (layer, (executions, versions)) in (0_u16..).zip(layers) {
            let made_from = self.next();
            for i in 0..executions {
                let at = 2 * DAY + 600 * DAY * i64::from(i) / i64::from(executions) + 6 * HOUR * i64::from(layer);
                let part = |n: u32| n * i / executions..n * (i + 1) / executions;
                // Shifted by one, so that what was made together is not read together.
                let shifted = |input: u32| above.start + (input + 1) % above.len() as u32;
                let read = if layer == 0 { 0..1 } else { part(above.len() as u32) };
                let mut inputs: Vec<u32> = read.map(shifted).collect();
                inputs.push(self.day_before(at, i as usize));
                let output = |n: u32| {
                    let artifact = HUB_ARTIFACT + 1 + layer * LAYER_ARTIFACTS + (n % u32::from(LAYER_ARTIFACTS)) as u16;
                    (artifact, (n % 10) as u8)
                };
                let outputs: Vec<(u16, u8)> = part(versions).map(output).collect();
                self.add(at, inputs, &outputs);
            }
            above = made_from..self.next();
        }
        above
    }

    /// Executions with two and more inputs, by a power law, from what was made recently. One version in twenty came from outside;
    /// one execution in seven makes nothing.
    fn add_rest(&mut self, versions: usize, finished: &[u32], random: &mut fastrand::Rng) {
        while self.rest.len() < versions {
            let at = 4 * DAY + (YEARS - 4 * DAY) * self.rest.len() as i64 / versions as i64;
            if random.u8(..100) < 5 {
                let (artifact, region) = random_place(random);
                let made = self.add_lone(at, artifact, region);
                self.rest.push(made);
                continue;
            }
            let done = finished.partition_point(|&made| self.versions[made as usize].at < at);
            let mut executions = 1 + usize::from(random.u8(..7) == 0);
            while executions > 0 {
                executions -= 1;
                let inputs = self.some_inputs(at, &finished[..done], random);
                let makes = if executions > 0 {
                    0
                } else {
                    1 + usize::from(random.u8(..25) == 0)
                };
                let outputs: Vec<(u16, u8)> = (0..makes).map(|_| random_place(random)).collect();
                let first = self.add(at, inputs, &outputs);
                self.rest.extend(first..self.next());
            }
        }
    }

    fn some_inputs(&self, at: i64, finished: &[u32], random: &mut fastrand::Rng) -> Vec<u32> {
        let count = (2.0 * random.f64().powf(-1.0 / 2.2)).min(200.0) as usize;
        let recent = &self.rest[self.rest.len().saturating_sub(RECENT)..];
        let mut inputs: Vec<u32> = (0..count)
            .map(|_| match (random.u8(..100), recent, finished) {
                (7.., [_, ..], _) => recent[random.usize(..recent.len())],
                (3.., _, [.., _]) => finished[finished.len() - 1 - random.usize(..finished.len().min(RECENT))],
                _ => self.day_before(at, random.usize(..)),
            })
            .collect();
        inputs.sort_unstable();
        inputs.dedup();
        inputs
    }

    /// A version of a day of the first chain.
    pub fn day(&self, day: usize) -> Digest {
        self.digest(self.chains[0][day])
    }

    /// The first hub with so many consumers, if there is one.
    pub fn hub(&self, consumers: u32) -> Option<Digest> {
        let &(_, hub) = self.hubs.iter().find(|hub| hub.0 == consumers)?;
        Some(self.digest(hub))
    }

    /// Versions of the rest in some order, from after the first third.
    pub fn some_of_the_rest(&self) -> impl Iterator<Item = Digest> {
        let mut rest = self.rest[self.rest.len() / 3..].to_vec();
        fastrand::Rng::with_seed(5).shuffle(&mut rest);
        rest.into_iter().map(|made| self.digest(made))
    }

    /// The last version that an execution made from others.
    pub fn newest(&self) -> Digest {
        let newest = self
            .runs
            .iter()
            .rfind(|run| !run.inputs.is_empty() && !run.outputs.is_empty());
        self.digest(newest.unwrap().outputs.start)
    }

    fn digest(&self, made: u32) -> Digest {
        self.artifact_of(made).version_digest(&version_name(made))
    }

    fn artifact_of(&self, made: u32) -> ArtifactKey {
        artifact(self.versions[made as usize].artifact)
    }

    /// What there is to record, in order.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let declarations = (0..ARTIFACTS).map(declaration);
        let runs = self.runs.iter().enumerate();
        declarations.chain(runs.map(|(number, run)| self.record(number, run)))
    }

    fn record(&self, number: usize, run: &Run) -> Record {
        if !run.by_execution {
            return Record::Version(self.version(run.outputs.start));
        }
        let at = BEGIN + run.at;
        let input = |(place, made): (usize, &u32)| ExecutionInput {
            name: format!("in{place}"),
            version: VersionQuery::Key(VersionKeyQuery {
                artifact: self.artifact_of(*made),
                version: Some(version_name(*made)),
                alias: None,
                partition: None,
            }),
        };
        let output = |(place, made): (usize, u32)| ExecutionOutput {
            name: format!("out{place}"),
            version: self.version(made),
            announced: false,
        };
        let first = run
            .outputs
            .clone()
            .next()
            .map_or(0, |made| self.versions[made as usize].artifact);
        Record::Execution(RecordExecution {
            key: ExecutionKey {
                project: artifact(first).project,
                domain: "production".into(),
                name: format!("f{:016x}", scatter(1 << 40 | number as u64)),
            },
            kind: Some(ExecutionKind::Task),
            state: Some(if run.outputs.is_empty() && number.is_multiple_of(10) {
                ExecutionState::Failed
            } else {
                ExecutionState::Succeeded
            }),
            entity: Some(format!("tasks.make_{first:03}")),
            entity_version: None,
            node_id: Some("n0".into()),
            attempt: None,
            principal: Some("scheduler".into()),
            parent: None,
            started_at: Some(instant(at)),
            ended_at: Some(instant(at + 60 + number as i64 % 540)),
            error: None,
            metadata: None,
            inputs: Some(self.inputs[run.inputs.clone()].iter().enumerate().map(input).collect()),
            outputs: Some(run.outputs.clone().enumerate().map(output).collect()),
        })
    }

    fn version(&self, number: u32) -> CreateVersion {
        let made = &self.versions[number as usize];
        let (has_region, granularity) = partitioning(made.artifact);
        let at = instant(BEGIN + made.at);
        let (artifact, version) = (artifact(made.artifact), version_name(number));
        CreateVersion {
            location: Some(format!("s3://lake/{}/{version}", artifact.name)),
            artifact,
            version: Some(version),
            partition: has_region
                .then(|| PartitionValue {
                    key: "region".into(),
                    value: REGIONS[usize::from(made.region)].into(),
                })
                .into_iter()
                .collect(),
            time_partition: granularity.map(|_| at),
            data_type: Some("parquet".into()),
            description: None,
            metadata: None,
            card: None,
            created_at: Some(at),
        }
    }
}

fn random_place(random: &mut fastrand::Rng) -> (u16, u8) {
    (random.u16(REST_ARTIFACTS), random.u8(..10))
}

fn artifact(number: u16) -> ArtifactKey {
    ArtifactKey {
        project: PROJECTS[usize::from(number) % PROJECTS.len()].into(),
        domain: "production".into(),
        name: format!("table_{number:03}"),
    }
}

/// Whether an artifact has a region, and the size of its windows: one in ten has neither, and one no region.
fn partitioning(artifact: u16) -> (bool, Option<Granularity>) {
    match artifact % 10 {
        _ if artifact < CHAIN_ARTIFACTS => (true, Some(Granularity::Day)),
        0 => (false, None),
        1 => (false, Some(Granularity::Day)),
        2 => (true, Some(Granularity::Hour)),
        _ => (true, Some(Granularity::Day)),
    }
}

fn declaration(number: u16) -> Record {
    let (has_region, granularity) = partitioning(number);
    Record::Artifact(DeclareArtifact {
        key: artifact(number),
        partition_keys: has_region.then(|| "region".into()).into_iter().collect(),
        time_partition_granularity: granularity,
        description: None,
    })
}

fn version_name(made: u32) -> String {
    format!("{:016x}", scatter(made.into()))
}

fn instant(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1_000_000)
}

/// Another number for each number, with no order in them (the last step of SplitMix64).
fn scatter(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
