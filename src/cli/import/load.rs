//! Batches on their way through the write queue.

use std::collections::VecDeque;

use anyhow::{Context, Result};
use heirloom::service::{Answer, Mode, Ticket, Writer};
use tokio::sync::mpsc;

use super::read::Batch;

/// Batches in the write queue at a time: twice as many as share a transaction, so that while one is being written, the next
/// is complete.
const UNDER_WAY: usize = 10;

/// A batch in the queue, and what will be answered.
type Submitted = (Batch, Ticket);

/// Records batches in their order, and hands on what became of each. Where the queue has no room for one, it waits.
pub async fn load(
    writer: &Writer,
    mut batches: mpsc::Receiver<Batch>,
    mut done: impl FnMut(Batch, Answer) -> Result<()>,
) -> Result<()> {
    let mut under_way: VecDeque<Submitted> = VecDeque::new();
    while let Some(mut batch) = batches.recv().await {
        let records = std::mem::take(&mut batch.records);
        let ticket = writer.enqueue(records, Mode::Ingest).await;
        let ticket = ticket.with_context(|| stopped_at(&batch))?;
        under_way.push_back((batch, ticket));
        if under_way.len() >= UNDER_WAY {
            settle(&mut under_way, &mut done).await?;
        }
    }
    while !under_way.is_empty() {
        settle(&mut under_way, &mut done).await?;
    }
    Ok(())
}

async fn settle(under_way: &mut VecDeque<Submitted>, done: &mut impl FnMut(Batch, Answer) -> Result<()>) -> Result<()> {
    let Some((batch, ticket)) = under_way.pop_front() else {
        return Ok(());
    };
    let answer = ticket.answer().await.with_context(|| stopped_at(&batch))?;
    done(batch, answer)
}

fn stopped_at(batch: &Batch) -> String {
    match batch.places.first() {
        Some(place) => format!("the import stopped at {place}"),
        None => "the import stopped".to_owned(),
    }
}
