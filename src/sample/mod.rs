//! Sample data: a small company whose shop, advertising and machine learning make versions of each other's artifacts.
//!
//! Any size, record after record: what is made in one night of one brand follows from the seed, the brand and the day,
//! so that nothing has to be remembered. `docs/sample-data.md` names what is in it. This module speaks of plain values
//! only; it knows neither the store nor the service.

mod ads;
mod build;
mod calendar;
mod declarations;
mod events;
mod incidents;
mod learning;
mod night;
mod retail;

use crate::domain::record::Record;
use crate::domain::time::Timestamp;
use calendar::Day;
use night::Night;

/// What sample to make. The same options make the same records.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What random numbers follow from.
    pub seed: u64,
    /// About how many versions; the smallest sample has some 300.
    pub versions: u64,
    /// The midnight after the last day.
    pub end: Timestamp,
}

impl Options {
    /// The seed of the demo.
    pub const SEED: u64 = 42;
    /// About how many versions the demo has.
    pub const VERSIONS: u64 = 2_500;
    /// The midnight after the demo's last day: 2026-11-23T00:00:00Z, a Monday.
    pub const END: Timestamp = Timestamp(1_795_392_000_000_000);
}

impl Default for Options {
    /// The demo, on which the example queries of `docs/queries` have fixed answers.
    fn default() -> Self {
        Self {
            seed: Self::SEED,
            versions: Self::VERSIONS,
            end: Self::END,
        }
    }
}

/// Makes the sample: declarations first, then night after night, producers mostly before consumers.
pub fn records(options: Options) -> impl Iterator<Item = Record> + Send {
    nights(options).flat_map(|night| night.records)
}

/// What is recorded together.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// When: a minute after the last thing that happened in it.
    pub at: Timestamp,
    /// What.
    pub records: Vec<Record>,
}

/// The sample as it would have been recorded: first all declarations, then what each night made. Submitted one after the
/// other to an empty store, the declarations are revision 1 and the nights the revisions from 2 on.
pub fn nights(options: Options) -> impl Iterator<Item = Recording> + Send {
    let world = World::new(options);
    let declarations = Recording {
        at: world.first.midnight(),
        records: (0..world.brands).flat_map(declarations::of_brand).collect(),
    };
    let night = move |index| {
        let of_brand = |brand| Night::new(world, brand, index).records();
        let mut records: Vec<Record> = (0..world.brands).flat_map(of_brand).collect();
        if index + 1 == world.days {
            records.extend(events::of_evening(world.first.plus(index)));
        }
        let last = records.iter().filter_map(last_instant).max();
        let at = last.unwrap_or(world.first.plus(index + 1).midnight());
        Recording {
            at: Timestamp(at.0 + A_MINUTE),
            records,
        }
    };
    std::iter::once(declarations).chain((0..world.days).map(night))
}

const A_MINUTE: i64 = 60_000_000;

/// The last instant at which something happened that a record tells of.
fn last_instant(record: &Record) -> Option<Timestamp> {
    match record {
        Record::Version(version) => version.created_at,
        Record::Execution(run) => {
            let made = run.outputs.iter().flatten().map(|output| output.version.created_at);
            made.chain([run.started_at, run.ended_at]).max().flatten()
        }
        Record::Event(event) => Some(event.event_time),
        Record::Artifact(_) | Record::Alias(_) | Record::AliasRemoval(_) | Record::Deletion(_) => None,
    }
}

/// The sizes that everything follows from.
#[derive(Clone, Copy, Debug)]
struct World {
    seed: u64,
    /// The first day.
    first: Day,
    /// How many days, the first and the last included.
    days: i64,
    /// How many brands the shop has; the first is the one whose artifacts have plain names.
    brands: i64,
    /// How many scores are made, all from the embedding of customers.
    scores: i64,
}

/// About how many versions one brand makes in a day.
const VERSIONS_A_DAY: i64 = 20;
/// What the first brand has on top: minutes, mistakes, experiments.
const VERSIONS_APART: i64 = 100;
/// The most days; a bigger sample has more brands.
const MOST_DAYS: i64 = 730;
/// The fewest days, so that there are two weeks to compare.
const FEWEST_DAYS: i64 = 10;

impl World {
    fn new(options: Options) -> Self {
        let versions = i64::try_from(options.versions).unwrap_or(i64::MAX).min(1_000_000_000);
        // Of a thousand versions 75 are scores: 50 from the first embedding of customers, 25 from the second.
        let scores = versions * 75 / 1_000;
        let rest = (versions - scores - VERSIONS_APART).max(1);
        let brands = (rest - 1) / (VERSIONS_A_DAY * MOST_DAYS) + 1;
        let days = (rest / (VERSIONS_A_DAY * brands)).clamp(FEWEST_DAYS, MOST_DAYS);
        Self {
            seed: options.seed,
            first: Day::of(options.end).plus(-days),
            days,
            brands,
            scores,
        }
    }

    /// From which day on clicks are kept by the hour: the last third.
    fn hourly_from(&self) -> i64 {
        self.days * 2 / 3
    }

    /// The day in whose night the second embedding is made: after two thirds of the scores.
    fn second_embedding(&self) -> i64 {
        self.days * 2 / 3
    }

    /// How many scores are made in a night; none in the first, which makes the embedding.
    fn scores_in(&self, index: i64) -> i64 {
        self.scores_before(index + 1) - self.scores_before(index)
    }

    /// How many scores are made before a night.
    fn scores_before(&self, index: i64) -> i64 {
        self.scores * (index - 1).max(0) / (self.days - 1)
    }

    /// How many segments of customers are scored in turn: more than a night scores by one model, a dozen at least.
    fn segments(&self) -> i64 {
        (self.scores / (self.days - 1) / 2 + 2).max(12)
    }
}

#[cfg(test)]
mod tests;
