//! Why a version was chosen: the rule in words, what was considered, and what became of each.

use std::collections::HashMap;

use ::entity::{ArtifactId, PartitionId};

use super::artifact::artifact_find;
use super::page::Page;
use super::partition::{PartitionRow, partition_find_many};
use super::partition_filter::PartitionTest;
use super::resolve::{SelectError, Selection, asked, under_any_name, version_select};
use super::version::{VersionRow, VersionState};
use super::version_count::version_count;
use super::version_list::{VersionFilter, VersionOrder, VersionsOf, version_list};
use super::{Reader, Scope, StoreError};
use crate::domain::filter::{PartitionFilter, TimeFilter, ValueFilter, VersionKeyQuery};
use crate::domain::time::Window;

/// A version that was considered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidateRow {
    /// The version.
    pub version: VersionRow,
    /// Whether it is the one.
    pub chosen: bool,
    /// Why, or why not: a sentence.
    pub reason: String,
}

/// A choice, explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What was chosen; the same as [`version_select`] answers.
    pub version: Option<VersionRow>,
    /// How it was chosen: a sentence.
    pub rule: String,
    /// How many versions were considered.
    pub candidate_count: i64,
    /// They, up to the limit: those in the partitions asked for, then the others, each newest first. The chosen one is always
    /// among them, as the last where it is older than the others that fit.
    pub candidates: Vec<CandidateRow>,
}

/// Makes the same choice as [`version_select`] and explains it.
pub async fn version_explain(
    db: &impl Reader,
    scope: &Scope,
    query: &VersionKeyQuery,
    limit: u32,
) -> Result<Explanation, SelectError> {
    let Selection {
        version: chosen,
        artifact,
        ..
    } = version_select(db, scope, query).await?;
    let artifact = match artifact {
        Some(artifact) => Some(artifact),
        None => artifact_find(db, scope, &query.artifact).await?,
    };
    let rule = rule(query);
    let Some(artifact) = artifact else {
        let rule = format!("{rule} The artifact is not recorded.");
        return Ok(Explanation {
            version: None,
            rule,
            candidate_count: 0,
            candidates: Vec::new(),
        });
    };
    let test = asked(query)
        .map(|filter| PartitionTest::compile(&artifact, filter))
        .transpose()?;
    let (candidate_count, considered) = if query.version.is_some() || query.alias.is_some() {
        let named: Vec<VersionRow> = under_any_name(db, scope, query).await?.into_iter().collect();
        (i64::try_from(named.len()).unwrap_or(i64::MAX), named)
    } else {
        candidates(db, scope, artifact.id, test.as_ref(), chosen.as_ref(), limit).await?
    };
    let partitions = partitions_of(db, scope, &considered).await?;
    let reasons = Reasons {
        query,
        test: test.as_ref(),
        chosen: chosen.as_ref(),
        partitions,
    };
    let candidates = considered
        .into_iter()
        .take(limit as usize)
        .map(|version| reasons.candidate(version))
        .collect();
    Ok(Explanation {
        version: chosen,
        rule,
        candidate_count,
        candidates,
    })
}

/// The artifact's versions: those in the partitions asked for, then those that are not, each newest first; the chosen one
/// among them.
async fn candidates(
    db: &impl Reader,
    scope: &Scope,
    id: ArtifactId,
    asked: Option<&PartitionTest>,
    chosen: Option<&VersionRow>,
    limit: u32,
) -> Result<(i64, Vec<VersionRow>), StoreError> {
    let any = VersionFilter::default();
    let of = |partition| VersionsOf::Artifact { id, partition };
    let all = [of(None)];
    let count = version_count(db, scope, &all, &any).await?.pop().unwrap_or(0);
    let lists: Vec<VersionsOf> = asked
        .map(|test| of(Some(test.clone())))
        .into_iter()
        .chain(all)
        .collect();
    let pages = version_list(db, scope, &lists, &any, VersionOrder::default(), &Page::first(limit)).await?;
    let mut rows: Vec<VersionRow> = Vec::new();
    for row in pages.into_iter().flat_map(|page| page.rows) {
        if !rows.iter().any(|other| other.id == row.id) {
            rows.push(row);
        }
    }
    rows.truncate(limit as usize);
    if let Some(chosen) = chosen
        && limit > 0
        && !rows.iter().any(|row| row.id == chosen.id)
    {
        rows.truncate(limit as usize - 1);
        rows.push(chosen.clone());
    }
    Ok((count, rows))
}

async fn partitions_of(
    db: &impl Reader,
    scope: &Scope,
    versions: &[VersionRow],
) -> Result<HashMap<PartitionId, PartitionRow>, StoreError> {
    let ids: Vec<PartitionId> = versions.iter().filter_map(|version| version.partition_id).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = partition_find_many(db, scope, &ids).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

struct Reasons<'a> {
    query: &'a VersionKeyQuery,
    test: Option<&'a PartitionTest>,
    chosen: Option<&'a VersionRow>,
    partitions: HashMap<PartitionId, PartitionRow>,
}

impl Reasons<'_> {
    fn candidate(&self, version: VersionRow) -> CandidateRow {
        let chosen = self.chosen.is_some_and(|chosen| chosen.id == version.id);
        let reason = if chosen { self.why() } else { self.why_not(&version) };
        CandidateRow {
            version,
            chosen,
            reason,
        }
    }

    fn why(&self) -> String {
        let and_partition = if self.test.is_some() {
            ", and its partition is what is asked for"
        } else {
            ""
        };
        match (&self.query.version, &self.query.alias) {
            (Some(_), _) => format!("Chosen: it is the version that is named{and_partition}."),
            (None, Some(alias)) => format!("Chosen: the alias {alias:?} stands at it{and_partition}."),
            (None, None) => format!(
                "Chosen: it is the most recent of the available versions{}.",
                match self.test {
                    Some(_) => " whose partition is what is asked for",
                    None => "",
                }
            ),
        }
    }

    fn why_not(&self, version: &VersionRow) -> String {
        let most_recent = self.query.version.is_none() && self.query.alias.is_none();
        match version.state {
            VersionState::Referenced if most_recent => return "Skipped: nobody has produced it yet.".to_owned(),
            VersionState::Deleted if most_recent => return "Skipped: it has been deleted.".to_owned(),
            _ => {}
        }
        if let Some(test) = self.test
            && let Some(reason) = self.contradiction(version, test)
        {
            return reason;
        }
        match self.chosen {
            Some(chosen) if chosen.created_at == version.created_at => {
                "Not chosen: it was produced at the same instant as the chosen one, but recorded before it.".to_owned()
            }
            Some(chosen) => format!(
                "Not chosen: it was produced at {}, before the chosen one ({}).",
                version.created_at, chosen.created_at
            ),
            None => "Not chosen: it is not what is asked for.".to_owned(),
        }
    }

    /// What speaks against a version when a partition is asked for.
    fn contradiction(&self, version: &VersionRow, test: &PartitionTest) -> Option<String> {
        if let Some(mismatch) = &version.schema_mismatch {
            return Some(format!(
                "Skipped: no partition query finds it, since it does not fit the declared keys: {mismatch}"
            ));
        }
        let Some(id) = version.partition_id else {
            let fits = test.0.asks_for_none() && version.state != VersionState::Referenced;
            return (!fits).then(|| "Skipped: it has no partition.".to_owned());
        };
        let partition = self.partitions.get(&id)?;
        let label = label(partition);
        (!test.matches(partition)).then(|| format!("Skipped: its partition, {label}, is not what is asked for."))
    }
}

/// A partition in words: `region=EU, 2026-11-22`.
fn label(partition: &PartitionRow) -> String {
    let values = partition.values.iter().map(|(key, value)| format!("{key}={value}"));
    values
        .chain(partition.window.map(Window::label))
        .collect::<Vec<_>>()
        .join(", ")
}

/// How the choice is made, in words.
fn rule(query: &VersionKeyQuery) -> String {
    let artifact = format!(
        "{}/{}/{}",
        query.artifact.project, query.artifact.domain, query.artifact.name
    );
    let mut rule = match (&query.version, &query.alias) {
        (Some(version), _) => format!("The version {version:?} of {artifact}, in whatever state it is"),
        (None, Some(alias)) => {
            format!("The version of {artifact} at which the alias {alias:?} stands, in whatever state it is")
        }
        (None, None) => format!(
            "The most recent version of {artifact}: of those available, the one produced last; of the same instant, the one recorded later"
        ),
    };
    if let Some(filter) = asked(query) {
        rule.push_str(&format!(". Its partition must have {}", filter_in_words(filter)));
    }
    rule.push('.');
    rule
}

fn filter_in_words(filter: &PartitionFilter) -> String {
    let mut parts: Vec<String> = filter.values.iter().map(value_in_words).collect();
    parts.extend(filter.time.as_ref().map(time_in_words));
    let rest = match (filter.strict, parts.is_empty()) {
        (true, true) => return "no keys and no time window (strict)".to_owned(),
        (true, false) => "and nothing else (strict)",
        (false, _) => "whatever else it has",
    };
    format!("{}, {rest}", parts.join(" and "))
}

fn value_in_words(value: &ValueFilter) -> String {
    let mut tests: Vec<String> = Vec::new();
    tests.extend(value.eq.as_ref().map(|eq| format!("= {eq:?}")));
    tests.extend(value.is_in.as_ref().map(|list| format!("in {list:?}")));
    tests.extend(value.not_in.as_ref().map(|list| format!("not in {list:?}")));
    tests.extend(
        value
            .starts_with
            .as_ref()
            .map(|start| format!("starting with {start:?}")),
    );
    format!("{} {}", value.key, tests.join(" and "))
}

fn time_in_words(time: &TimeFilter) -> String {
    let mut tests: Vec<String> = Vec::new();
    tests.extend(time.at.map(|at| format!("that contains {at}")));
    tests.extend(time.is_in.as_ref().map(|list| {
        let list: Vec<String> = list.iter().map(ToString::to_string).collect();
        format!("that contains one of {}", list.join(", "))
    }));
    tests.extend(time.from.map(|from| format!("that ends after {from}")));
    tests.extend(time.to.map(|to| format!("that starts before {to}")));
    let size = time
        .granularity
        .map(|g| format!(", taken by {}", g.as_str()))
        .unwrap_or_default();
    format!("a time window {}{size}", tests.join(" and "))
}
