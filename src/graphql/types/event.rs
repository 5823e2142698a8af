//! OpenLineage events, as they were sent.

use std::sync::Arc;

use async_graphql::{Context, Object, SimpleObject};

use super::artifact::Artifact;
use super::edges::{Listed, recorded_at};
use super::execution::Execution;
use super::missing;
use crate::domain::openlineage::EventKind as StoredKind;
use crate::graphql::budget::{StoredJson, Text};
use crate::graphql::enums::{EventKind, EventType};
use crate::graphql::error::ApiError;
use crate::graphql::loaders::facts::EventBody;
use crate::graphql::loaders::nodes::ArtifactByKey;
use crate::graphql::resources::Resources;
use crate::graphql::scalars::DateTime;
use crate::graphql::view::View;
use crate::lineage::node::Node;
use crate::store::event::EventRow;

/// An OpenLineage event, as it is seen in a view.
#[derive(Clone)]
pub struct Event {
    /// Its row.
    pub row: Arc<EventRow>,
    /// In which view.
    pub view: View,
}

/// A name of OpenLineage.
#[derive(SimpleObject)]
pub struct EventName {
    /// The namespace, such as `s3://lake` or `airflow`.
    pub namespace: Text<String>,
    /// The name in there.
    pub name: Text<String>,
}

/// An OpenLineage event, as it was sent: what it means is in the nodes that it is about, and nothing that was sent is lost to that.
#[Object]
impl Event {
    /// What it is about.
    async fn kind(&self) -> EventKind {
        self.row.kind.into()
    }

    /// What happened to the run; null where the event did not say, and for events about jobs and datasets.
    #[graphql(name = "type")]
    async fn event_type(&self) -> Option<EventType> {
        self.row.event_type.map(Into::into)
    }

    /// When it happened.
    async fn event_time(&self) -> DateTime {
        DateTime(self.row.event_time)
    }

    /// Its job; null for an event about a dataset.
    async fn job(&self) -> Option<EventName> {
        (self.row.kind != StoredKind::Dataset).then(|| self.subject())
    }

    /// The dataset that it is about; null for an event about a run or a job.
    async fn dataset(&self) -> Option<EventName> {
        (self.row.kind == StoredKind::Dataset).then(|| self.subject())
    }

    /// The id of its run, as the sender calls it; null for an event about a job or a dataset.
    async fn run_id(&self) -> Option<Text<&str>> {
        self.row.run_id.as_deref().map(Text)
    }

    /// The execution that its run, or its job as such, is; null for an event about a dataset.
    async fn execution(&self, ctx: &Context<'_>) -> Option<Result<Execution, ApiError>> {
        let id = self.row.execution_id?;
        let found = match Resources::of(ctx) {
            Ok(resources) => Execution::find(resources, self.view, id).await,
            Err(error) => Err(error),
        };
        found.transpose()
    }

    /// The artifact that its dataset is, by whatever name; null for an event about a run or a job.
    async fn artifact(&self, ctx: &Context<'_>) -> Option<Result<Artifact, ApiError>> {
        (self.row.kind == StoredKind::Dataset).then_some(())?;
        self.artifact_by_name(ctx).await.transpose()
    }

    /// The event: its JSON as it was sent, on one line.
    async fn body(&self, ctx: &Context<'_>) -> Result<StoredJson<Arc<str>>, ApiError> {
        let body = Resources::of(ctx)?
            .load(EventBody, self.view.scope, self.row.id)
            .await?;
        body.map(StoredJson).ok_or_else(|| missing("the text of an event"))
    }

    /// When this server heard it first.
    async fn recorded_at(&self, ctx: &Context<'_>) -> Result<DateTime, ApiError> {
        recorded_at(ctx, self.view, self.row.revision).await
    }
}

impl Event {
    /// By name, since a symlink may have told since that it is of another artifact.
    async fn artifact_by_name(&self, ctx: &Context<'_>) -> Result<Option<Artifact>, ApiError> {
        let key = self.row.subject.key();
        let row = Resources::of(ctx)?.load(ArtifactByKey, self.view.scope, key).await?;
        Ok(row.map(|row| Artifact { row, view: self.view }))
    }

    fn subject(&self) -> EventName {
        EventName {
            namespace: Text(self.row.subject.namespace.clone()),
            name: Text(self.row.subject.name.clone()),
        }
    }
}

impl Listed for Event {
    type Row = EventRow;
    const EDGE: &'static str = "EventEdge";
    const CONNECTION: &'static str = "EventConnection";

    fn of_row(row: Arc<EventRow>, view: View) -> Self {
        Self { row, view }
    }

    fn in_graph(&self) -> Option<(Node, i64)> {
        None
    }
}
