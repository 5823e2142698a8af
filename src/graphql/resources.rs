//! What the resolvers of one request use.

use std::sync::Arc;

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, HashMapCache};

use super::context::RequestContext;
use super::dispatch::NoDelay;
use super::error::{ApiError, ErrorCode};
use super::loaders::facts::{Newest, RevisionAt};
use super::loaders::{Batch, Key, Loaders};
use crate::config::Limits;
use crate::domain::record::Record;
use crate::domain::time::Timestamp;
use crate::lineage::Lineage;
use crate::service::{Answer, Mode, Rejection, RejectionCode, WriteError, Writer};
use crate::store::partition_filter::UnknownKey;
use crate::store::scope::Recorded;
use crate::store::{Scope, Store, StoreError};

/// What the resolvers of one request use: its loaders, the graph in memory, the write queue and the limits. Cheap to clone.
#[derive(Clone)]
pub struct Resources(Arc<Inner>);

struct Inner {
    loader: DataLoader<Loaders, HashMapCache>,
    writer: Writer,
    lineage: Lineage,
    limits: Arc<Limits>,
}

/// A list of so many rows is worth the handful of statements that follow the log.
const ROWS_WORTH_FOLLOWING: usize = 50;

/// The scope of what is asked in no scope.
const NO_SCOPE: Scope = Scope::at(0);

impl Resources {
    /// For a request that begins.
    pub fn new(store: &Store, writer: Writer, lineage: Lineage, context: &RequestContext) -> Self {
        let session = store.session_counting(context.statements.shared());
        let loaders = Loaders(session.within(Arc::clone(context.budget.room())));
        // A batch is whole when it runs, so there is nothing to wait for; keys hold their scope, so what is cached stays right.
        let loader = DataLoader::with_cache(loaders, context.reads.clone(), NoDelay, HashMapCache::default());
        Self(Arc::new(Inner {
            loader: loader.max_batch_size(1_000_000),
            writer,
            lineage,
            limits: Arc::clone(&context.limits),
        }))
    }

    /// Those of the request that a resolver works for.
    pub fn of<'a>(ctx: &Context<'a>) -> Result<&'a Self, ApiError> {
        ctx.data_opt()
            .ok_or_else(|| ApiError::internal("the request has no resources"))
    }

    /// What a request may ask for.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The graph in memory, and the walks over it.
    pub fn lineage(&self) -> &Lineage {
        &self.0.lineage
    }

    /// Whether so many rows can be written from the graph in memory: it is complete to the newest revision, or nearly so, and taking it
    /// there is worth it. No list is worth the wait for a graph that has yet to be read.
    pub async fn graph_is_ready(&self, rows: usize) -> Result<bool, ApiError> {
        let newest = self.newest().await?.revision;
        if self.0.lineage.graph().revision() >= newest {
            return Ok(true);
        }
        if rows < ROWS_WORTH_FOLLOWING || !self.0.lineage.is_near(newest) {
            return Ok(false);
        }
        self.0.lineage.follow(newest).await?;
        Ok(true)
    }

    /// Reads one value, together with what others of the level want of the same kind.
    pub async fn load<B: Batch>(&self, batch: B, scope: Scope, of: B::Of) -> Result<B::Value, ApiError> {
        let value = self.0.loader.load_one(Key { batch, scope, of }).await?;
        value.ok_or_else(|| ApiError::internal("a loader gave no answer"))
    }

    /// Keeps a value that was read on the way to another, so that whoever asks for it next need not read it again.
    pub async fn keep<B: Batch>(&self, batch: B, scope: Scope, of: B::Of, value: B::Value) {
        self.0.loader.feed_one(Key { batch, scope, of }, value).await;
    }

    /// Reads many values at once, in the order of `of`.
    pub async fn load_many<B: Batch>(&self, batch: B, scope: Scope, of: Vec<B::Of>) -> Result<Vec<B::Value>, ApiError> {
        let key = |of: &B::Of| Key {
            batch: batch.clone(),
            scope,
            of: of.clone(),
        };
        let values = self.0.loader.load_many(of.iter().map(key)).await?;
        let value = |of: &B::Of| {
            values
                .get(&key(of))
                .cloned()
                .ok_or_else(|| ApiError::internal("a loader gave no answer"))
        };
        of.iter().map(value).collect()
    }

    /// The newest revision: read once a request, when somebody first asks.
    pub async fn newest(&self) -> Result<Recorded, ApiError> {
        self.load(Newest, NO_SCOPE, ()).await
    }

    /// The newest revision that had been recorded at an instant.
    pub async fn revision_at(&self, instant: Timestamp) -> Result<Recorded, ApiError> {
        self.load(RevisionAt, NO_SCOPE, instant).await
    }

    /// Has records written.
    pub async fn write(&self, records: Vec<Record>, mode: Mode) -> Result<Answer, ApiError> {
        Ok(self.0.writer.submit(records, mode).await?)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TooMuch { limit, actual } => Self::answer_too_large(limit, actual),
            error if error.is_retryable() => Self::unavailable(error),
            error => Self::internal(error),
        }
    }
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Full => Self::overloaded(),
            WriteError::Unavailable(cause) => Self::unavailable(cause),
            WriteError::Store(error) => error.into(),
        }
    }
}

impl From<UnknownKey> for ApiError {
    fn from(unknown: UnknownKey) -> Self {
        Self::unknown_partition_key(unknown.to_string())
    }
}

/// The code of a refused record.
pub fn rejection_code(code: RejectionCode) -> ErrorCode {
    match code {
        RejectionCode::BadUserInput => ErrorCode::BadUserInput,
        RejectionCode::UnknownPartitionKey => ErrorCode::UnknownPartitionKey,
        RejectionCode::NotFound => ErrorCode::NotFound,
        RejectionCode::Conflict => ErrorCode::Conflict,
        RejectionCode::FailedPrecondition => ErrorCode::FailedPrecondition,
    }
}

impl From<Rejection> for ApiError {
    fn from(
        Rejection {
            code,
            message,
            argument,
        }: Rejection,
    ) -> Self {
        let error = Self::new(rejection_code(code), message);
        // A record's path begins with its kind, such as `version.partition`; a mutation's argument is called `input`.
        match argument.split_once('.') {
            Some((_, path)) => error.about(format!("input.{path}")),
            None => error.about("input"),
        }
    }
}
