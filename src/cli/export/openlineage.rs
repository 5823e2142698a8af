//! The form of OpenLineage events: executions, each as the events of its life.

use anyhow::Result;
use heirloom::interchange::openlineage::events;
use heirloom::store::export::{Edges, Export};

use super::{Sink, each};

/// Writes them.
pub async fn write(export: &Export, sink: &mut Sink) -> Result<()> {
    each(export.executions(Edges::All), |execution| {
        events(&execution).iter().try_for_each(|event| sink.line(event))
    })
    .await
}
