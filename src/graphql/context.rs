//! What belongs to one request, and reaches every resolver.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::budget::Budget;
use super::dispatch::Dispatcher;
use crate::config::Limits;
use crate::service::idempotency::Seed;

/// The id of a request, which the client gave in `x-request-id` or the server made; it finds the request in the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

/// The longest id that is taken from a client, in bytes.
const REQUEST_ID_MAXIMUM: usize = 128;

impl RequestId {
    /// A new one: 32 hexadecimal digits.
    pub fn random() -> Self {
        Self(format!("{:032x}", fastrand::u128(..)).into())
    }

    /// The one that a client gave, if it is fit for a log: up to 128 letters, digits and `-_.:/+=`.
    pub fn given(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
        let fits = (1..=REQUEST_ID_MAXIMUM).contains(&text.len()) && text.bytes().all(is_plain);
        fits.then(|| Self(text.into()))
    }

    /// As a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many SQL statements a request has cost; clones count together.
#[derive(Debug, Clone, Default)]
pub struct StatementCounter(Arc<AtomicU64>);

impl StatementCounter {
    /// Counts one more.
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The counter itself, for those who count.
    pub fn shared(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.0)
    }

    /// All so far.
    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What belongs to one request.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The request's id.
    pub request_id: RequestId,
    /// The SQL statements that it has cost so far.
    pub statements: StatementCounter,
    /// What it may ask for.
    pub limits: Arc<Limits>,
    /// The bytes that its answer may have.
    pub budget: Budget,
    /// The reads that its resolvers leave.
    pub reads: Dispatcher,
    /// Whether long lists of plain fields are written from prepared rows. Always, but in the test that compares both ways.
    pub prepares_rows: bool,
    /// What names that are not given are made of, where the request may come again under a key; none: of chance.
    pub seed: Option<Seed>,
}

impl RequestContext {
    /// The context of a request that begins.
    pub fn new(request_id: RequestId, limits: Arc<Limits>) -> Self {
        Self {
            request_id,
            statements: StatementCounter::default(),
            budget: Budget::new(limits.answer_bytes),
            limits,
            reads: Dispatcher::default(),
            prepares_rows: true,
            seed: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_only_when_it_is_fit_for_a_log() {
        assert_eq!(RequestId::given("a-1/b").unwrap().as_str(), "a-1/b");
        for wrong in ["", "a b", "a\nb", "ä", &"x".repeat(129)] {
            assert_eq!(RequestId::given(wrong), None);
        }
        let made = RequestId::random();
        assert_eq!(made.as_str().len(), 32);
        assert_ne!(made, RequestId::random());
    }
}
