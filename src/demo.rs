//! The demo's store: the sample, recorded as if the store had lived through it.

use crate::domain::record::Record;
use crate::domain::time::Timestamp;
use crate::sample::{self, Options};
use crate::service::{Clock, Mode, Verdict, WriteError, Writer, WriterOptions};
use crate::store::Store;

/// Records the sample in an empty store: the declarations, then each night, a revision of its own with the time at which it
/// would have been recorded. So a question as of a past day has the answer of that day. What lies after `now` is recorded
/// now. `told` is called with the number of records before they are recorded.
///
/// # Errors
/// When the database is not available, or refuses.
pub async fn record_sample(
    store: &Store,
    options: Options,
    now: Timestamp,
    mut told: impl FnMut(usize),
) -> Result<(), WriteError> {
    let clock = Clock::manual(now);
    let writer = Writer::start(
        store.clone(),
        WriterOptions {
            clock: clock.clone(),
            ..WriterOptions::default()
        },
    );
    for night in sample::nights(options) {
        clock.set(night.at.min(now));
        told(night.records.len());
        record(&writer, night.records).await?;
    }
    Ok(())
}

async fn record(writer: &Writer, records: Vec<Record>) -> Result<(), WriteError> {
    let answer = writer.submit(records, Mode::Ingest).await?;
    for verdict in &answer.verdicts {
        if let Verdict::Rejected(rejection) = verdict {
            tracing::error!(
                revision = answer.revision,
                "the sample has a record that is refused: {}",
                rejection.message
            );
        }
    }
    Ok(())
}
