//! The write queue: one in each server process. Whatever has been waiting while the last transaction committed goes into
//! the next one together, each record with its own verdict. An idle server adds no delay; a busy one pays one sync of the
//! disk for many writes.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};

use super::apply::{apply, load};
use super::clock::Clock;
use super::prepare::{Mode, Prepared, prepare};
use super::rejection::{Rejection, Verdict};
use crate::domain::record::Record;
use crate::store::ledger::Ledger;
use crate::store::{Store, StoreError};

/// How the queue works.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// The most submissions that may wait; one more is answered UNAVAILABLE at once.
    pub waiting: usize,
    /// The most records that share a transaction, unless one submission alone has more.
    pub records: usize,
    /// What time it is.
    pub clock: Clock,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            waiting: 10_000,
            records: 5_000,
            clock: Clock::System,
        }
    }
}

/// The way into the write queue; cheap to clone. The queue ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The revision in which all that was submitted is visible.
    pub revision: i64,
    /// One for each record, in order.
    pub verdicts: Vec<Verdict>,
}

/// Why a submission has no answer. Nothing of it was recorded, unless the database went away while it was committing:
/// submit it again, which is safe in either case.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// The queue is full, the server is stopping, or the database is not available: the same may work later.
    #[error("the store takes no writes at the moment: {0}")]
    Unavailable(String),
    /// A bug, as far as the caller is concerned.
    #[error(transparent)]
    Store(StoreError),
}

#[derive(Debug)]
struct Job {
    records: Vec<Result<Prepared, Rejection>>,
    mode: Mode,
    answer: oneshot::Sender<Result<Answer, WriteError>>,
}

impl Writer {
    /// Starts the queue of a store.
    pub fn start(store: Store, options: WriterOptions) -> Self {
        let (jobs, waiting) = mpsc::channel(options.waiting.max(1));
        tokio::spawn(run(store, waiting, options));
        Self { jobs }
    }

    /// Records what is given, and answers when it is on disk.
    pub async fn submit(&self, records: Vec<Record>, mode: Mode) -> Result<Answer, WriteError> {
        let records = records.into_iter().map(|record| prepare(record, mode)).collect();
        let (answer, answered) = oneshot::channel();
        self.jobs.try_send(Job { records, mode, answer }).map_err(|error| {
            WriteError::Unavailable(match error {
                mpsc::error::TrySendError::Full(_) => "too many writes are waiting".to_owned(),
                mpsc::error::TrySendError::Closed(_) => "the server is stopping".to_owned(),
            })
        })?;
        answered
            .await
            .unwrap_or_else(|_| Err(WriteError::Unavailable("the write ended without an answer".to_owned())))
    }
}

async fn run(store: Store, mut waiting: mpsc::Receiver<Job>, options: WriterOptions) {
    while let Some(first) = waiting.recv().await {
        let mut records = first.records.len();
        let mut jobs = vec![first];
        while records < options.records
            && let Ok(job) = waiting.try_recv()
        {
            records += job.records.len();
            jobs.push(job);
        }
        // A bug in a rule must not end all writing: the jobs of this round hear that they have no answer, and the next go on.
        let round = AssertUnwindSafe(write_together(&store, jobs, &options.clock));
        if round.catch_unwind().await.is_err() {
            tracing::error!("a write panicked; nothing of it was recorded");
        }
    }
}

/// Writes submissions in one transaction. When that fails for another reason than the database being away, each is
/// tried by itself, so that one bad apple does not spoil the others.
async fn write_together(store: &Store, jobs: Vec<Job>, clock: &Clock) {
    match write(store, &jobs, clock).await {
        Ok(answers) => {
            for (job, answer) in jobs.into_iter().zip(answers) {
                reply(job, Ok(answer));
            }
        }
        Err(error) if jobs.len() > 1 && !error.is_retryable() => {
            tracing::error!(%error, "a group of writes failed; trying each by itself");
            for job in jobs {
                let answer = write(store, std::slice::from_ref(&job), clock)
                    .await
                    .map(|mut answers| answers.remove(0));
                reply(job, answer.map_err(WriteError::from));
            }
        }
        Err(error) => {
            tracing::error!(%error, "a write failed");
            for job in jobs {
                reply(job, Err(WriteError::from(error.clone())));
            }
        }
    }
}

fn reply(job: Job, answer: Result<Answer, WriteError>) {
    // Whoever asked may have gone away; what was written stays written.
    let _ = job.answer.send(answer);
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        if error.is_retryable() {
            Self::Unavailable("the database is not available".to_owned())
        } else {
            Self::Store(error)
        }
    }
}

/// One transaction: one answer for each submission. A connection on which it failed is not used again.
async fn write(store: &Store, jobs: &[Job], clock: &Clock) -> Result<Vec<Answer>, StoreError> {
    let written = transaction(store, jobs, clock).await;
    if written.is_err() {
        store.replace_writer();
    }
    written
}

async fn transaction(store: &Store, jobs: &[Job], clock: &Clock) -> Result<Vec<Answer>, StoreError> {
    let mut ledger = Ledger::open(store.begin_write().await?, clock.now()).await?;
    let accepted: Vec<&Prepared> = jobs.iter().flat_map(|job| job.records.iter().flatten()).collect();
    load(&mut ledger, &accepted).await?;
    let mut verdicts = Vec::with_capacity(jobs.len());
    for job in jobs {
        let mut of_job = Vec::with_capacity(job.records.len());
        for record in &job.records {
            of_job.push(match record {
                Ok(record) => {
                    if ledger.has_forgotten() {
                        load(&mut ledger, &[record]).await?;
                    }
                    apply(&mut ledger, record, job.mode).await?
                }
                Err(rejection) => Verdict::Rejected(rejection.clone()),
            });
        }
        verdicts.push(of_job);
    }
    let revision = ledger.commit().await?;
    Ok(verdicts
        .into_iter()
        .map(|verdicts| Answer { revision, verdicts })
        .collect())
}
