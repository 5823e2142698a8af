//! Batches on their way through the write queue.

use std::collections::VecDeque;

use anyhow::{Context, Result};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use heirloom::service::{Answer, Mode, WriteError, Writer};
use tokio::sync::mpsc;

use super::read::Batch;

/// Batches in the write queue at a time: twice as many as share a transaction, so that while one is being written, the next
/// is complete.
const UNDER_WAY: usize = 10;

type Submitted = (Batch, BoxFuture<'static, Result<Answer, WriteError>>);

/// Records batches in their order, and hands on what became of each.
pub async fn load(
    writer: &Writer,
    mut batches: mpsc::Receiver<Batch>,
    mut done: impl FnMut(Batch, Answer) -> Result<()>,
) -> Result<()> {
    let mut under_way: VecDeque<Submitted> = VecDeque::new();
    while let Some(batch) = batches.recv().await {
        under_way.push_back(submit(writer, batch));
        if under_way.len() >= UNDER_WAY {
            settle(&mut under_way, &mut done).await?;
        }
    }
    while !under_way.is_empty() {
        settle(&mut under_way, &mut done).await?;
    }
    Ok(())
}

/// Puts a batch into the queue now, and not when its turn comes to be waited for.
fn submit(writer: &Writer, mut batch: Batch) -> Submitted {
    let records = std::mem::take(&mut batch.records);
    let writer = writer.clone();
    let mut answer = async move { writer.submit(records, Mode::Ingest).await }.boxed();
    let answer = match (&mut answer).now_or_never() {
        Some(at_once) => std::future::ready(at_once).boxed(),
        None => answer,
    };
    (batch, answer)
}

async fn settle(under_way: &mut VecDeque<Submitted>, done: &mut impl FnMut(Batch, Answer) -> Result<()>) -> Result<()> {
    let Some((batch, answer)) = under_way.pop_front() else {
        return Ok(());
    };
    let answer = answer.await.with_context(|| match batch.places.first() {
        Some(place) => format!("the import stopped at {place}"),
        None => "the import stopped".to_owned(),
    })?;
    done(batch, answer)
}
