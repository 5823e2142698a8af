//! How many versions a list has.

use super::artifact::Placement;
use super::partition_filter::Inner;
use super::sql::{Binds, spread};
use super::version_conditions::{self as conditions, Conditions};
use super::version_list::{VersionFilter, VersionsOf};
use super::version_place::{Groups, Place, artifact_places, driver, named_place, partition_places, single};
use super::{Reader, Scope, StoreError};

/// The numbers of versions of many parents, each as its list without a limit would have: an answer for each, in their order.
pub async fn version_count(
    db: &impl Reader,
    scope: &Scope,
    of: &[VersionsOf],
    filter: &VersionFilter,
) -> Result<Vec<i64>, StoreError> {
    let groups = Groups::of(of);
    let mut counts = vec![0; of.len()];
    if !groups.artifacts.is_empty() {
        let mut members = Counts::new(db, scope, filter);
        let places = artifact_places(&mut members.binds, &members.revision, &groups.artifacts, false);
        members.add_places(&places);
        scatter(
            &mut counts,
            &groups.artifacts,
            members.run(db, groups.artifacts.len()).await?,
        );
    }
    if !groups.partitions.is_empty() {
        let mut members = Counts::new(db, scope, filter);
        let places = partition_places(&mut members.binds, &members.revision, &groups.partitions);
        members.add_places(&places);
        scatter(
            &mut counts,
            &groups.partitions,
            members.run(db, groups.partitions.len()).await?,
        );
    }
    for (placement, named) in Placement::BOTH.into_iter().zip(&groups.named) {
        if !named.is_empty() {
            let mut members = Counts::new(db, scope, filter);
            let place = named_place(&mut members.binds, named, placement);
            members.add_places(&[place]);
            scatter(&mut counts, named, members.run(db, named.len()).await?);
        }
    }
    for tests in groups.tests.chunks(16) {
        let mut members = Counts::new(db, scope, filter);
        for (index, (_, test)) in tests.iter().enumerate() {
            members.add_test(index, test);
        }
        scatter(&mut counts, tests, members.run(db, tests.len()).await?);
    }
    Ok(counts)
}

fn scatter<P>(counts: &mut [i64], parents: &[(usize, P)], found: Vec<i64>) {
    for ((position, _), found) in parents.iter().zip(found) {
        counts[*position] += found;
    }
}

/// A statement under way: members of a `UNION ALL`, each of which counts for the rows of a table `parent`.
struct Counts<'a> {
    binds: Binds,
    revision: String,
    filter: &'a VersionFilter,
    texts: Vec<String>,
}

impl<'a> Counts<'a> {
    fn new(db: &impl Reader, scope: &Scope, filter: &'a VersionFilter) -> Self {
        let mut binds = Binds::new(db);
        let revision = binds.bind(scope.revision);
        Self {
            binds,
            revision,
            filter,
            texts: Vec::new(),
        }
    }

    async fn run(self, db: &impl Reader, parents: usize) -> Result<Vec<i64>, StoreError> {
        spread(parents, &self.binds.many(db, &self.texts.join(" UNION ALL "), 2).await?)
    }

    fn add_places(&mut self, places: &[Place]) {
        for place in places {
            let mut produced = place.own.clone();
            self.and_produced(&mut produced);
            let from = self.from(place.artifact);
            let mut sum = format!("(SELECT count(*) FROM {from} WHERE {})", produced.as_str());
            if place.unproduced && self.filter.takes_unproduced() {
                let mut named = place.own.clone();
                named.and(conditions::unproduced(&mut self.binds, &self.revision, self.filter).as_str());
                sum.push_str(&format!(" + (SELECT count(*) FROM version WHERE {})", named.as_str()));
            }
            self.texts
                .push(format!("SELECT parent.key, {sum} FROM {}", place.parents));
        }
    }

    fn add_test(&mut self, index: usize, test: &Inner) {
        let parent = single(&mut self.binds, index);
        let artifact = self.binds.bind(test.artifact.0);
        let mut all = Conditions::default();
        all.and(&format!("version.artifact_id = {artifact}"));
        self.and_produced(&mut all);
        all.and(conditions::partition(&mut self.binds, test, true, None).as_str());
        let from = self.from(&artifact);
        self.texts.push(format!(
            "SELECT parent.key, (SELECT count(*) FROM {from} WHERE {}) FROM {parent}",
            all.as_str()
        ));
    }

    fn and_produced(&mut self, all: &mut Conditions) {
        all.and(conditions::produced(&mut self.binds, &self.revision, self.filter).as_str());
        all.and(conditions::content(&mut self.binds, &self.revision, self.filter, "version").as_str());
    }

    fn from(&mut self, artifact: &str) -> String {
        driver(&mut self.binds, &self.revision, self.filter, artifact).unwrap_or_else(|| "version".to_owned())
    }
}
