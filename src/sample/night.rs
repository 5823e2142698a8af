//! One night of one brand: what is made of a day after its end.

use fastrand::Rng;

use super::World;
use super::build::Place;
use super::calendar::Day;
use crate::domain::key::ArtifactKey;
use crate::domain::record::Record;
use crate::domain::time::{Granularity, Timestamp};

/// The shop.
pub(super) const RETAIL: Place = Place::new("retail", "production");
/// The shop's rehearsal.
pub(super) const RETAIL_STAGING: Place = Place::new("retail", "staging");
/// Where the shop's people try things.
pub(super) const RETAIL_DEVELOPMENT: Place = Place::new("retail", "development");
/// Advertising.
pub(super) const ADS: Place = Place::new("ads", "production");
/// Machine learning.
pub(super) const LEARNING: Place = Place::new("ml-platform", "production");
/// Where machine learning tries things.
pub(super) const LEARNING_DEVELOPMENT: Place = Place::new("ml-platform", "development");

/// Where the shop sells.
pub(super) const REGIONS: [&str; 3] = ["EU", "US", "APAC"];

/// An artifact of a brand: the first brand's have plain names, another's begin with its own.
pub(super) fn branded(brand: i64, name: &str) -> String {
    if brand == 0 {
        name.to_owned()
    } else {
        format!("brand-{brand:03}/{name}")
    }
}

/// What is made in one night, record after record.
pub(super) struct Night {
    pub world: World,
    /// Which brand; 0 is the first.
    pub brand: i64,
    /// Which day, from 0.
    pub index: i64,
    /// The day.
    pub day: Day,
    pub rng: Rng,
    records: Vec<Record>,
}

impl Night {
    pub fn new(world: World, brand: i64, index: i64) -> Self {
        let day = world.first.plus(index);
        let rng = Rng::with_seed(mix(&[world.seed, brand.unsigned_abs(), day.number().unsigned_abs()]));
        Self {
            world,
            brand,
            index,
            day,
            rng,
            records: Vec::new(),
        }
    }

    /// All of it.
    pub fn records(mut self) -> Vec<Record> {
        self.before_the_night();
        self.retail();
        self.ads();
        self.learning();
        self.after_the_night();
        self.records
    }

    pub fn push(&mut self, record: Record) {
        self.records.push(record);
    }

    /// How many days before the last one; 0 is the last.
    pub fn ago(&self) -> i64 {
        self.world.days - 1 - self.index
    }

    /// How many weeks before the last one; 0 is the last.
    pub fn weeks_ago(&self) -> i64 {
        self.ago() / 7
    }

    /// Whether this brand is the one that single things happen to.
    pub fn is_first_brand(&self) -> bool {
        self.brand == 0
    }

    /// So many minutes into the night, that is, after the end of the day; some seconds later each time.
    pub fn minute(&mut self, minutes: i64) -> Timestamp {
        self.day.plus(1).at(minutes * 60 + self.rng.i64(0..50))
    }

    pub fn name(&self, name: &str) -> String {
        branded(self.brand, name)
    }

    pub fn artifact(&self, place: Place, name: &str) -> ArtifactKey {
        place.artifact(self.name(name))
    }

    /// The days of this week or month that the sample has, up to this day.
    pub fn days_of(&self, granularity: Granularity) -> impl Iterator<Item = Day> + use<> {
        let first = self.day.first_of(granularity).max(self.world.first);
        (0..=self.day.since(first)).map(move |n| first.plus(n))
    }

    /// Sixteen hexadecimal digits that stand for something made of this brand on a day.
    pub fn hex(&self, what: &str, day: Day) -> String {
        let what = what
            .bytes()
            .fold(0, |sum: u64, byte| sum.wrapping_mul(257).wrapping_add(byte.into()));
        format!(
            "{:016x}",
            mix(&[
                self.world.seed,
                self.brand.unsigned_abs(),
                day.number().unsigned_abs(),
                what
            ])
        )
    }
}

/// Mixes numbers into one: the finaliser of SplitMix64 after each.
fn mix(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0x9e37_79b9_7f4a_7c15, |mixed: u64, number| {
        let mut z = mixed.wrapping_add(*number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}
