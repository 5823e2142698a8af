//! The form of OpenLineage events: those that were sent, as they were sent; and what did not come by events, each execution as the
//! events of its life.

use anyhow::Result;
use heirloom::interchange::openlineage::events;
use heirloom::store::export::Export;

use super::{Sink, each};

/// Writes them.
pub async fn write(export: &Export, sink: &mut Sink) -> Result<()> {
    each(export.events(), |event| sink.line_of(&event)).await?;
    each(export.executions_without_events(), |execution| {
        events(&execution).iter().try_for_each(|event| sink.line(event))
    })
    .await
}
