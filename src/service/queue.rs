//! The write queue: one in each server process. Whatever has been waiting while the last transaction committed goes into
//! the next one together, each record with its own verdict. An idle server adds no delay; a busy one pays one sync of the
//! disk for many writes.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::apply::{apply, load};
use super::clock::Clock;
use super::parallel::{self, LARGE};
use super::prepare::{Mode, Prepared, prepare};
use super::rejection::{Rejection, Verdict};
use super::weight::{of_events, weight};
use crate::domain::record::Record;
use crate::store::ledger::Ledger;
use crate::store::{Store, StoreError};

/// How much of a submission of events is read, and recorded, at a time: bytes of text, with what [`Event::size`](crate::domain::openlineage::Event::size) adds.
pub const PART: usize = 8 * 1024 * 1024;

/// How the queue works.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// The most submissions in the queue, those that are being written among them; one more is answered UNAVAILABLE at once.
    pub submissions: usize,
    /// The most bytes that the records of all submissions in the queue may hold in memory. One submission alone may have more,
    /// or it could never be written.
    pub bytes: usize,
    /// The most records that share a transaction, unless one submission alone has more.
    pub group_records: usize,
    /// A transaction takes in no further submission once its records hold so many bytes.
    pub group_bytes: usize,
    /// The most executions, versions, inputs and outputs that are written in a transaction, as far as the records tell: a row takes ten times
    /// the memory of what it is made of. One submission with more is written in several, one after the other.
    pub group_rows: usize,
    /// What time it is.
    pub clock: Clock,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            submissions: 10_000,
            bytes: 256 * 1024 * 1024,
            group_records: 5_000,
            group_bytes: 16 * 1024 * 1024,
            group_rows: 25_000,
            clock: Clock::System,
        }
    }
}

/// The way into the write queue; cheap to clone. The queue ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Writer {
    jobs: mpsc::UnboundedSender<Job>,
    room: Room,
    clock: Clock,
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The revision in which all that was submitted is visible.
    pub revision: i64,
    /// One for each record, in order.
    pub verdicts: Vec<Verdict>,
}

/// Why a submission has no answer. Nothing of it was recorded, unless the database went away while it was committing, or a part of what
/// is too large for one transaction was: submit it again, which is safe in either case.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// The queue is full: the same will work as soon as some of it is written.
    #[error("the write queue is full")]
    Full,
    /// The server is stopping, or the database is not available: the same may work later.
    #[error("the store takes no writes at the moment: {0}")]
    Unavailable(String),
    /// A bug, as far as the caller is concerned.
    #[error(transparent)]
    Store(StoreError),
}

/// How much is in the queue: accepted, and not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Submissions.
    pub submissions: usize,
    /// What their records hold in memory, in bytes; a submission that is larger than the queue counts as the whole of it.
    pub bytes: usize,
}

/// A submission that the queue has taken; it is written, whether or not somebody waits for the answer.
#[derive(Debug)]
pub struct Ticket(oneshot::Receiver<Result<Answer, WriteError>>);

impl Ticket {
    /// Waits until the submission is on disk.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn answer(self) -> Result<Answer, WriteError> {
        let answered = self.0.await;
        answered.unwrap_or_else(|_| Err(WriteError::Unavailable("the write ended without an answer".to_owned())))
    }
}

/// A submission of events whose text is about to be read, for which the queue has room. While it is read it takes the room of other
/// texts, but none of the queue: what has been read is admitted as it comes.
#[derive(Debug)]
pub struct Announced {
    writer: Writer,
    reading: Option<OwnedSemaphorePermit>,
    has_begun: bool,
}

impl Announced {
    /// Waits for room to read the next part in. The first has it.
    pub async fn room(&mut self) {
        let room = &self.writer.room;
        if self.has_begun {
            let part = Arc::clone(&room.reading).acquire_many_owned(room.permits(of_events(PART)));
            self.reading = part.await.ok();
        }
    }

    /// Records what was read, or a part of it, as [`Writer::submit`] does. The first part is refused where the queue is full; the others
    /// wait for room, since a client that came again would begin anew.
    ///
    /// # Errors
    /// As there.
    pub async fn submit(&mut self, records: Vec<Record>, mode: Mode) -> Result<Answer, WriteError> {
        let ticket = if self.has_begun {
            self.writer.enqueue(records, mode).await?
        } else {
            self.writer.admit(records, mode)?
        };
        self.has_begun = true;
        self.reading = None;
        ticket.answer().await
    }
}

#[derive(Debug)]
struct Job {
    records: Vec<Result<Prepared, Rejection>>,
    weight: usize,
    /// See [`WriterOptions::group_rows`].
    rows: usize,
    mode: Mode,
    answer: oneshot::Sender<Result<Answer, WriteError>>,
    /// Given back before the job has its answer.
    place: Place,
}

/// What the queue has room for.
#[derive(Clone, Debug)]
struct Room {
    submissions: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    /// For texts that are being read, as much as for what waits.
    reading: Arc<Semaphore>,
    all_submissions: usize,
    all_bytes: usize,
}

/// The part of the room that one submission takes.
#[derive(Debug)]
struct Place {
    _submission: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Room {
    fn new(options: &WriterOptions) -> Self {
        let within = |most: usize| most.clamp(1, Semaphore::MAX_PERMITS);
        let (all_submissions, all_bytes) = (within(options.submissions), within(options.bytes));
        Self {
            submissions: Arc::new(Semaphore::new(all_submissions)),
            bytes: Arc::new(Semaphore::new(all_bytes)),
            reading: Arc::new(Semaphore::new(all_bytes)),
            all_submissions,
            all_bytes,
        }
    }

    /// How many permits a weight takes. Whatever is heavier than the whole takes the whole: it waits until nothing else does.
    fn permits(&self, weight: usize) -> u32 {
        u32::try_from(weight.min(self.all_bytes)).unwrap_or(u32::MAX)
    }
}

impl Writer {
    /// Starts the queue of a store.
    pub fn start(store: Store, options: WriterOptions) -> Self {
        // Bounded by the room, of which each job in it has its place.
        let (jobs, waiting) = mpsc::unbounded_channel();
        let (room, clock) = (Room::new(&options), options.clock.clone());
        // A thread of its own: writing takes the processor and waits for the disk, and would keep the runtime from its reads.
        let runtime = tokio::runtime::Handle::current();
        std::thread::spawn(move || runtime.block_on(run(store, waiting, options)));
        Self { jobs, room, clock }
    }

    /// Asks whether there is room for events, before the time is spent to read their text of so many bytes. This is a look: what has
    /// been read may still find the queue full.
    ///
    /// # Errors
    /// [`WriteError::Full`] where there is no room now, or where other texts that are being read will fill it.
    pub fn announce(&self, text: usize) -> Result<Announced, WriteError> {
        let room = &self.room;
        // No more than a part of it is read at a time.
        let permits = room.permits(of_events(text.min(PART)));
        let is_full = room.submissions.available_permits() == 0 || room.bytes.available_permits() < permits as usize;
        if is_full {
            return Err(WriteError::Full);
        }
        // One that is small is read in no time: whoever reads it does not count among those who read.
        let reading = (text >= LARGE).then(|| Arc::clone(&room.reading).try_acquire_many_owned(permits));
        Ok(Announced {
            writer: self.clone(),
            reading: reading.transpose().map_err(|_| WriteError::Full)?,
            has_begun: false,
        })
    }

    /// Records what is given, and answers when it is on disk.
    ///
    /// # Errors
    /// [`WriteError::Full`] at once when the queue has no room for it; and when it could not be written.
    pub async fn submit(&self, records: Vec<Record>, mode: Mode) -> Result<Answer, WriteError> {
        self.admit(records, mode)?.answer().await
    }

    /// Puts what is given into the queue, if there is room for it.
    fn admit(&self, records: Vec<Record>, mode: Mode) -> Result<Ticket, WriteError> {
        let submission = Arc::clone(&self.room.submissions).try_acquire_owned();
        // Before anything is made ready, since a queue that is full has no time to lose.
        let submission = submission.map_err(|_| WriteError::Full)?;
        let (records, weight) = ready(records, mode);
        let bytes = Arc::clone(&self.room.bytes).try_acquire_many_owned(self.room.permits(weight));
        let place = Place {
            _submission: submission,
            _bytes: bytes.map_err(|_| WriteError::Full)?,
        };
        self.send(records, weight, mode, place)
    }

    /// Puts what is given into the queue as soon as there is room for it: for whoever has nobody to tell to come again, or is in the middle
    /// of something.
    /// What one caller enqueues is written in that order.
    ///
    /// # Errors
    /// When the server is stopping.
    pub async fn enqueue(&self, records: Vec<Record>, mode: Mode) -> Result<Ticket, WriteError> {
        let closed = |_| stopping();
        let submission = Arc::clone(&self.room.submissions).acquire_owned().await;
        let submission = submission.map_err(closed)?;
        let (records, weight) = ready(records, mode);
        let bytes = Arc::clone(&self.room.bytes).acquire_many_owned(self.room.permits(weight));
        let place = Place {
            _submission: submission,
            _bytes: bytes.await.map_err(closed)?,
        };
        self.send(records, weight, mode, place)
    }

    fn send(
        &self,
        records: Vec<Result<Prepared, Rejection>>,
        weight: usize,
        mode: Mode,
        place: Place,
    ) -> Result<Ticket, WriteError> {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            rows: rows(&records),
            records,
            weight,
            mode,
            answer,
            place,
        };
        self.jobs.send(job).map_err(|_| stopping())?;
        Ok(Ticket(answered))
    }

    /// How much is in the queue.
    pub fn backlog(&self) -> Backlog {
        let room = &self.room;
        Backlog {
            submissions: room.all_submissions - room.submissions.available_permits(),
            bytes: room.all_bytes - room.bytes.available_permits(),
        }
    }

    /// The clock that its records are stamped by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

fn stopping() -> WriteError {
    WriteError::Unavailable("the server is stopping".to_owned())
}

/// Records made ready, while the caller waits, and what they weigh.
fn ready(records: Vec<Record>, mode: Mode) -> (Vec<Result<Prepared, Rejection>>, usize) {
    // Most of the others take a few microseconds each.
    let events = records.iter().map(|record| match record {
        Record::Event(event) => event.body.len(),
        _ => 0,
    });
    let bytes = events.sum();
    let records = parallel::map(records, bytes, |record| prepare(record, mode));
    let weight = weight(&records);
    (records, weight)
}

/// How many rows records make, as far as they tell.
fn rows(records: &[Result<Prepared, Rejection>]) -> usize {
    records.iter().flatten().map(Prepared::rows).sum()
}

async fn run(store: Store, mut waiting: mpsc::UnboundedReceiver<Job>, options: WriterOptions) {
    let mut next = None;
    loop {
        let first = match next.take() {
            Some(job) => job,
            None => match waiting.recv().await {
                Some(job) => job,
                None => break,
            },
        };
        let (mut records, mut bytes, mut rows) = (first.records.len(), first.weight, first.rows);
        let mut jobs = vec![first];
        while records < options.group_records
            && bytes < options.group_bytes
            && rows < options.group_rows
            && let Ok(job) = waiting.try_recv()
        {
            // One that is large has transactions of its own.
            if rows + job.rows > options.group_rows {
                next = Some(job);
                break;
            }
            records += job.records.len();
            bytes += job.weight;
            rows += job.rows;
            jobs.push(job);
        }
        // A bug in a rule must not end all writing: the jobs of this round hear that they have no answer, and the next go on.
        let round = AssertUnwindSafe(write_together(&store, jobs, &options));
        if round.catch_unwind().await.is_err() {
            tracing::error!("a write panicked; nothing of that transaction was recorded");
        }
    }
}

/// Writes submissions in one transaction. When that fails for another reason than the database being away, each is
/// tried by itself, so that one bad apple does not spoil the others.
async fn write_together(store: &Store, jobs: Vec<Job>, options: &WriterOptions) {
    match write(store, &jobs, options).await {
        Ok(answers) => {
            for (job, answer) in jobs.into_iter().zip(answers) {
                reply(job, Ok(answer));
            }
        }
        Err(error) if jobs.len() > 1 && !error.is_retryable() => {
            tracing::error!(%error, "a group of writes failed; trying each by itself");
            for job in jobs {
                let answer = write(store, std::slice::from_ref(&job), options)
                    .await
                    .map(|mut answers| answers.remove(0));
                reply(job, answer.map_err(WriteError::from));
            }
        }
        Err(error) => {
            // That its file is gone is said once, by whoever has noticed.
            if !matches!(error, StoreError::Replaced(_)) {
                tracing::error!(%error, "a write failed");
            }
            for job in jobs {
                reply(job, Err(WriteError::from(error.clone())));
            }
        }
    }
}

fn reply(job: Job, answer: Result<Answer, WriteError>) {
    let Job {
        records,
        place,
        answer: asker,
        ..
    } = job;
    // First, so that whoever hears the answer finds room for the next submission.
    drop(place);
    // Whoever asked may have gone away; what was written stays written.
    let _ = asker.send(answer);
    // Last, since it takes a while to give up many small texts.
    drop(records);
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

/// One answer for each submission. A connection on which it failed is not used again.
async fn write(store: &Store, jobs: &[Job], options: &WriterOptions) -> Result<Vec<Answer>, StoreError> {
    let written = match jobs {
        [job] => in_parts(store, job, options).await.map(|answer| vec![answer]),
        _ => {
            let parts: Vec<Part<'_>> = jobs.iter().map(|job| (&job.records[..], job.mode)).collect();
            let written = transaction(store, &parts, &options.clock).await;
            written.map(|(revision, verdicts)| {
                let answer = |verdicts| Answer { revision, verdicts };
                verdicts.into_iter().map(answer).collect()
            })
        }
    };
    if written.is_err() {
        store.replace_writer();
    }
    written
}

/// Writes a submission, in as many transactions as it needs.
async fn in_parts(store: &Store, job: &Job, options: &WriterOptions) -> Result<Answer, StoreError> {
    let mut verdicts = Vec::with_capacity(job.records.len());
    let mut rest = &job.records[..];
    loop {
        let (part, behind) = rest.split_at(part(rest, options.group_rows));
        let (revision, written) = transaction(store, &[(part, job.mode)], &options.clock).await?;
        verdicts.extend(written.into_iter().flatten());
        if behind.is_empty() {
            return Ok(Answer { revision, verdicts });
        }
        rest = behind;
    }
}

/// How many records, from the first on, make so many rows.
fn part(records: &[Result<Prepared, Rejection>], most: usize) -> usize {
    let mut rows = 0;
    let is_full = |record: &Result<Prepared, Rejection>| {
        rows += record.as_ref().map_or(0, Prepared::rows);
        rows >= most
    };
    let last = records.iter().position(is_full);
    last.map_or(records.len(), |last| last + 1)
}

/// Records that share a transaction with others, each part with its own verdicts.
type Part<'a> = (&'a [Result<Prepared, Rejection>], Mode);

/// The revision in which all of it is visible, and the verdicts of each part.
async fn transaction(store: &Store, parts: &[Part<'_>], clock: &Clock) -> Result<(i64, Vec<Vec<Verdict>>), StoreError> {
    let mut ledger = Ledger::open(store.begin_write_here().await?, clock.now()).await?;
    let accepted: Vec<&Prepared> = parts.iter().flat_map(|(records, _)| records.iter().flatten()).collect();
    load(&mut ledger, &accepted).await?;
    let mut verdicts = Vec::with_capacity(parts.len());
    for (records, mode) in parts {
        let mut of_part = Vec::with_capacity(records.len());
        for record in *records {
            of_part.push(match record {
                Ok(record) => {
                    if ledger.has_forgotten() {
                        load(&mut ledger, &[record]).await?;
                    }
                    apply(&mut ledger, record, *mode).await?
                }
                Err(rejection) => Verdict::Rejected(rejection.clone()),
            });
        }
        verdicts.push(of_part);
    }
    super::settle::settle(&mut ledger).await?;
    Ok((ledger.commit().await?, verdicts))
}
