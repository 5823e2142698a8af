//! Why a version was chosen.

use std::sync::Arc;

use async_graphql::{Context, Object};

use super::version::Version;
use crate::graphql::budget::{List, Text};
use crate::graphql::connection::{int, size};
use crate::graphql::error::ApiError;
use crate::graphql::resources::Resources;
use crate::graphql::view::View;
use crate::store::explain::{CandidateRow, Explanation};

/// How a query for a version was answered, and why.
pub struct Resolution {
    /// The choice, with as many candidates as the query wants.
    pub explanation: Arc<Explanation>,
    /// In which view.
    pub view: View,
}

/// How a query for a version was answered, and why.
#[Object]
impl Resolution {
    /// The version chosen, which `version` answers to the same query; null when none matches.
    async fn version(&self) -> Option<Version> {
        let row = self.explanation.version.clone()?;
        Some(Version {
            row: Arc::new(row),
            view: self.view,
        })
    }

    /// The rule by which it was chosen, or why none matches, in one sentence.
    async fn rule(&self) -> &str {
        &self.explanation.rule
    }

    /// How many versions came into question.
    async fn candidate_count(&self) -> i32 {
        int(self.explanation.candidate_count)
    }

    /// The artifact's versions, each with what was decided about it: those in the partitions asked for, then the others, each
    /// newest first. The chosen one is always among them.
    #[graphql(complexity = "crate::graphql::connection::page_cost(first, None, child_complexity)")]
    async fn candidates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many; null: 50, unless configured otherwise.")] first: Option<i32>,
    ) -> Result<List<Candidate>, ApiError> {
        let limit = candidate_limit(Resources::of(ctx)?, first)?;
        let candidate = |row: &CandidateRow| Candidate {
            row: row.clone(),
            view: self.view,
        };
        Ok(self
            .explanation
            .candidates
            .iter()
            .take(limit as usize)
            .map(candidate)
            .collect())
    }
}

/// How many candidates are wanted.
pub fn candidate_limit(resources: &Resources, first: Option<i32>) -> Result<u32, ApiError> {
    let limits = resources.limits();
    first.map_or_else(
        || Ok(u32::try_from(limits.page_default).unwrap_or(u32::MAX)),
        |first| size("first", first, limits),
    )
}

/// A version that came into question.
pub struct Candidate {
    row: CandidateRow,
    view: View,
}

/// A version that came into question, and what was decided about it.
#[Object]
impl Candidate {
    /// The version.
    async fn version(&self) -> Version {
        Version {
            row: Arc::new(self.row.version.clone()),
            view: self.view,
        }
    }

    /// Whether it was chosen; one at most is.
    async fn chosen(&self) -> bool {
        self.row.chosen
    }

    /// Why, or why not, in one sentence.
    async fn reason(&self) -> Text<&str> {
        Text(&self.row.reason)
    }
}
