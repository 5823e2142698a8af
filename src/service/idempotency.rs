//! What a repeated request hears: the answer that the first one was given, kept under the key that its client chose.
//!
//! A request is claimed in the memory of its process while it is under way, and its answer is written down before it is sent.
//! Nothing is written at the beginning: that would cost a second sync of the disk for what a crash in between does not spoil,
//! since records that come again change nothing (docs/decisions/0013). Answers that are ready at the same time share a
//! transaction, as records do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER;
use entity::idempotent_answer::Model;
use tokio::sync::{mpsc, oneshot};

use super::Clock;
use crate::domain::key::Digest;
use crate::domain::time::Timestamp;
use crate::store::idempotency::{idempotent_answer_find, idempotent_answer_keep, idempotent_answer_prune};
use crate::store::{Store, StoreError};

/// Answers that share a transaction at most; those that wait beyond them keep their requests waiting.
const GROUP: usize = 64;

/// How often old answers are thrown away, in microseconds, as long as there are new ones.
const PRUNE_EVERY: i64 = 60 * 1_000_000;

/// What a request was: a digest of all that the same request would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// What is the same whenever a request is sent under its key: names that are not given are made of it, so that a request
/// which is executed twice, because its answer could not be kept, makes nothing twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(Digest);

impl Seed {
    /// That of a request.
    pub fn of(key: &str, fingerprint: Fingerprint) -> Self {
        Self(Digest::of(b"request", &[key, &HEXLOWER.encode(&fingerprint.0)]))
    }

    /// Thirty-two hexadecimal digits for one of the things that the request makes.
    pub fn name(self, of: &str) -> String {
        Digest::of(b"name", &[&self.0.to_hex(), of]).to_hex()
    }
}

/// An answer, as it goes to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The status.
    pub status: u16,
    /// The content type.
    pub content_type: String,
    /// The body, before compression.
    pub body: Vec<u8>,
}

/// The answers of requests that had a key. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Answers {
    store: Store,
    clock: Clock,
    lifetime: i64,
    under_way: UnderWay,
    to_keep: mpsc::Sender<Keep>,
}

/// The requests under way, by key.
type UnderWay = Arc<Mutex<HashMap<Arc<str>, Fingerprint>>>;

/// How a request with a key is to be answered.
#[derive(Debug)]
pub enum Turn {
    /// It is the first: execute it, and keep its answer.
    First(Claim),
    /// It was answered before.
    Repeated(KeptAnswer),
    /// The same request is under way.
    UnderWay,
    /// The key is another request's.
    Taken,
}

/// A request under way. When it is dropped, the same key may be tried again.
#[derive(Debug)]
pub struct Claim {
    key: Arc<str>,
    fingerprint: Fingerprint,
    answers: Answers,
}

/// An answer on its way to the table.
#[derive(Debug)]
struct Keep {
    answer: Model,
    /// Whether it was written: another process may have kept one before.
    done: oneshot::Sender<Result<bool, StoreError>>,
}

impl Answers {
    /// Keeps answers in a store, for so many hours.
    pub fn start(store: Store, clock: Clock, hours: usize) -> Self {
        let hour = 3_600 * 1_000_000;
        let lifetime = i64::try_from(hours).unwrap_or(i64::MAX).saturating_mul(hour);
        let (to_keep, waiting) = mpsc::channel(GROUP);
        tokio::spawn(keep_together(store.clone(), clock.clone(), lifetime, waiting));
        Self {
            store,
            clock,
            lifetime,
            under_way: UnderWay::default(),
            to_keep,
        }
    }

    /// Says how a request is to be answered.
    ///
    /// # Errors
    /// When the database does not say whether there is an answer.
    pub async fn turn(&self, key: &str, fingerprint: Fingerprint) -> Result<Turn, StoreError> {
        // Before the look, so that nobody else begins after it.
        let turn = self.claim(key, fingerprint);
        // Also where another has a claim: it may be one that finds the answer there.
        Ok(match self.find(key).await? {
            Some(kept) if kept.fingerprint == fingerprint.0 => Turn::Repeated(kept.into()),
            Some(_) => Turn::Taken,
            None => turn,
        })
    }

    async fn find(&self, key: &str) -> Result<Option<Model>, StoreError> {
        let since = oldest(&self.clock, self.lifetime);
        idempotent_answer_find(&self.store.session(), key, since).await
    }

    fn claim(&self, key: &str, fingerprint: Fingerprint) -> Turn {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        match under_way.get(key) {
            Some(other) if *other == fingerprint => Turn::UnderWay,
            Some(_) => Turn::Taken,
            None => {
                let key: Arc<str> = key.into();
                under_way.insert(Arc::clone(&key), fingerprint);
                Turn::First(Claim {
                    key,
                    fingerprint,
                    answers: self.clone(),
                })
            }
        }
    }
}

impl From<Model> for KeptAnswer {
    fn from(kept: Model) -> Self {
        Self {
            // What is in the table came from a `u16`.
            status: u16::try_from(kept.status).unwrap_or_default(),
            content_type: kept.content_type,
            body: kept.body,
        }
    }
}

impl Claim {
    /// Writes the answer down. Answers the one that every client is to hear: another process may have kept its own first.
    ///
    /// # Errors
    /// When it cannot be written; then it was given, but a repeated request is executed anew.
    pub async fn keep(&self, answer: KeptAnswer) -> Result<KeptAnswer, StoreError> {
        let answers = &self.answers;
        let row = Model {
            key: self.key.as_ref().to_owned(),
            fingerprint: self.fingerprint.0.to_vec(),
            status: answer.status.into(),
            content_type: answer.content_type.clone(),
            body: answer.body.clone(),
            recorded_at: answers.clock.now().0,
        };
        let (done, written) = oneshot::channel();
        // Nobody is left to write, or to be told, where the process is ending.
        let sent = answers.to_keep.send(Keep { answer: row, done }).await.is_ok();
        if !sent || written.await.unwrap_or(Ok(true))? {
            return Ok(answer);
        }
        let earlier = answers.find(&self.key).await?;
        Ok(earlier
            .filter(|kept| kept.fingerprint == self.fingerprint.0)
            .map_or(answer, KeptAnswer::from))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut under_way = self.answers.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.remove(&self.key);
    }
}

/// The recording time of the oldest answer that still counts.
fn oldest(clock: &Clock, lifetime: i64) -> Timestamp {
    Timestamp(clock.now().0.saturating_sub(lifetime))
}

/// Writes answers: whatever has become ready while the last ones were written goes together. After it some old ones go, at most
/// once a minute, or each time as long as there are many: more of them go than new ones come.
async fn keep_together(store: Store, clock: Clock, lifetime: i64, mut waiting: mpsc::Receiver<Keep>) {
    let mut group = Vec::new();
    let (mut pruned_at, mut many) = (i64::MIN, false);
    while waiting.recv_many(&mut group, GROUP).await > 0 {
        let since = oldest(&clock, lifetime);
        keep_group(&store, std::mem::take(&mut group), since).await;
        let now = clock.now().0;
        if many || now.saturating_sub(pruned_at) >= PRUNE_EVERY {
            pruned_at = now;
            many = idempotent_answer_prune(&store, since).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "old answers of repeated requests could not be thrown away");
                false
            });
        }
    }
}

async fn keep_group(store: &Store, group: Vec<Keep>, since: Timestamp) {
    let (mut rows, mut askers) = (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
    for Keep { answer, done } in group {
        askers.push((answer.key.clone(), done));
        rows.push(answer);
    }
    let result = idempotent_answer_keep(store, rows, since).await;
    for (key, done) in askers {
        // Whoever asked may have gone away.
        let _ = done.send(match &result {
            Ok(kept) => Ok(kept.contains(&key)),
            Err(error) => Err(error.clone()),
        });
    }
}
