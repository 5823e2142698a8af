//! Pages put together are the unlimited answer of the revision at which the first was drawn, whatever is written meanwhile.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    ask::{FIELDS, ask, read},
    properties::{Inquiry, both_projects, for_all, inquiries},
    reference::{self, Answer, Question, difference},
    world::{Fact, Plan, World, plans},
};
use crate::{
    on_both_databases,
    support::{TestApp, TestDb},
};

/// The first steps of a plan, and those that are recorded while pages are drawn: nothing of states, which are known now
/// whatever the revision.
fn split(mut plan: Plan, first: usize) -> (Plan, Vec<Vec<Fact>>) {
    let at = first.clamp(1, plan.steps.len());
    let mut later = plan.steps.split_off(at);
    for step in &mut later {
        step.retain(|fact| !fact.is_of_a_state());
    }
    later.retain(|step| !step.is_empty());
    (plan, later)
}

/// Without declarations where the question names partition keys: one could refuse it before the first page.
fn harmless(mut step: Vec<Fact>, question: &Question) -> Vec<Fact> {
    let names_keys = question
        .filter
        .as_ref()
        .is_some_and(|filter| filter.artifacts.is_some() && filter.partition.is_some());
    step.retain(|fact| !names_keys || !matches!(fact, Fact::Declared(_)));
    step
}

/// All pages of an answer, and the size of each. While one is drawn, something is written.
async fn draw(
    app: &TestApp,
    world: &mut World,
    question: &Question,
    sizes: &[usize],
    later: Vec<Vec<Fact>>,
) -> Vec<(usize, Answer)> {
    let (mut pages, mut cursor, mut later) = (vec![], Value::Null, later.into_iter());
    for size in sizes.iter().copied().cycle() {
        let mut options = question.options(world);
        options["limit"] = json!(size);
        options["after"] = cursor;
        let ids = question.ids(world);
        let page = ask(app, &ids, options, FIELDS);
        let reply = match later.next() {
            None => page.await,
            Some(step) => {
                let (reply, recorded) = tokio::join!(page, world.record(app, &step));
                world.learn(&step, recorded);
                reply
            }
        };
        let lineage = &reply.ok()["lineage"];
        cursor = lineage["endCursor"].clone();
        pages.push((size, read(lineage)));
        if cursor.is_null() {
            return pages;
        }
        assert!(pages.len() < 1_000, "the pages do not end");
    }
    pages
}

/// The pages are those of the reference.
async fn compare(
    app: &TestApp,
    plan: Plan,
    domain: String,
    inquiry: &Inquiry,
    sizes: &[usize],
    steps: usize,
) -> Result<(), TestCaseError> {
    let (plan, later) = split(plan, steps);
    let mut world = World::recorded(app, plan, domain).await;
    let question = inquiry.about(&world);
    if !question.errors(&world).is_empty() {
        return Ok(());
    }
    let later = later
        .into_iter()
        .map(|step| harmless(step, &question))
        .filter(|step| !step.is_empty())
        .collect();
    let pages = draw(app, &mut world, &question, sizes, later).await;
    world.look(app).await;
    let revision = pages[0].1.revision;
    let whole = reference::unlimited(&world, &question, revision);
    let mut from = 0;
    for (size, found) in &pages {
        let expected = whole.page(from, *size);
        prop_assert!(
            *found == expected,
            "{} from {from}, by {size}\n{question:?}\n{:?}",
            difference(found, &expected),
            world.known
        );
        from += size;
    }
    prop_assert!(from >= whole.nodes.len());
    Ok(())
}

on_both_databases! {
    async fn pages_put_together_are_the_whole_whatever_is_written_meanwhile(db: TestDb) {
        let app = TestApp::new(db).await;
        both_projects(&app).await;
        let strategy = (plans(90), inquiries(), prop::collection::vec(1..6_usize, 1..5), 1..5_usize);
        for_all(120, &strategy, async |(plan, inquiry, sizes, steps), domain| compare(&app, plan, domain, &inquiry, &sizes, steps).await);
    }
}
