//! The form of a PROV document in JSON: one object with one member for each kind of statement, hence one pass through the
//! snapshot for each.

use std::collections::BTreeMap;

use anyhow::Result;
use heirloom::interchange::prov;
use heirloom::store::export::{Edges, Export};
use serde_json::Value;

use super::{Sink, each};

/// Writes it.
pub async fn write(export: &Export, sink: &mut Sink) -> Result<()> {
    sink.text("{\"prefix\":")?;
    sink.value(&BTreeMap::from(prov::PREFIXES))?;
    things(export, sink).await?;
    relations(export, sink).await?;
    sink.text("\n}\n")
}

async fn things(export: &Export, sink: &mut Sink) -> Result<()> {
    let mut member = Member::begin(sink, "entity")?;
    each(export.artifacts(), |artifact| member.named(prov::artifact(&artifact))).await?;
    each(export.versions(), |version| member.named(prov::version(&version))).await?;
    member.end()?;
    let mut member = Member::begin(sink, "activity")?;
    each(export.executions(Edges::None), |run| member.named(prov::activity(&run))).await?;
    member.end()?;
    let mut member = Member::begin(sink, "agent")?;
    each(export.principals(), |principal| member.named(prov::agent(&principal))).await?;
    member.end()
}

async fn relations(export: &Export, sink: &mut Sink) -> Result<()> {
    let mut member = Member::begin(sink, "used")?;
    each(export.executions(Edges::Inputs), |run| member.all(prov::used(&run))).await?;
    member.end()?;
    let mut member = Member::begin(sink, "wasGeneratedBy")?;
    each(export.executions(Edges::Outputs), |run| {
        member.all(prov::generated(&run))
    })
    .await?;
    member.end()?;
    let mut member = Member::begin(sink, "wasAssociatedWith")?;
    each(export.executions(Edges::None), |run| member.all(prov::associated(&run))).await?;
    member.end()?;
    let mut member = Member::begin(sink, "wasAttributedTo")?;
    each(export.executions(Edges::Outputs), |run| {
        member.all(prov::attributed(&run))
    })
    .await?;
    member.end()?;
    let mut member = Member::begin(sink, "specializationOf")?;
    each(export.versions(), |version| {
        member.all([prov::specialization(&version)])
    })
    .await?;
    member.end()?;
    let mut member = Member::begin(sink, "wasInvalidatedBy")?;
    each(export.versions(), |version| member.all(prov::invalidated(&version))).await?;
    member.end()
}

/// A member of the document under way.
struct Member<'a> {
    sink: &'a mut Sink,
    kind: &'static str,
    /// How many statements it has.
    count: u64,
}

impl<'a> Member<'a> {
    fn begin(sink: &'a mut Sink, kind: &'static str) -> Result<Self> {
        sink.text(&format!(",\n\"{kind}\":{{"))?;
        Ok(Self { sink, kind, count: 0 })
    }

    fn named(&mut self, (name, said): prov::Named) -> Result<()> {
        self.sink.text(if self.count == 0 { "\n" } else { ",\n" })?;
        self.sink.value(&name)?;
        self.sink.text(":")?;
        self.sink.value(&said)?;
        self.count += 1;
        self.sink.count();
        Ok(())
    }

    /// Statements that have no names of their own, under blank ones.
    fn all(&mut self, statements: impl IntoIterator<Item = Value>) -> Result<()> {
        for said in statements {
            let name = format!("_:{}{}", self.kind, self.count + 1);
            self.named((name, said))?;
        }
        Ok(())
    }

    fn end(self) -> Result<()> {
        self.sink.text("}")
    }
}
