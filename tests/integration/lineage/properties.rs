//! Whatever the graph and whatever is asked of it: the service answers what the reference does.

use std::cell::{Cell, RefCell};

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::{
    ask::{FIELDS, ask, ask_paths, paths, read},
    reference::{
        self, Answer, AsOf, Direction, Filter, Level, PartitionFilter, Question, Span, TimeTest, ValueTest, difference,
    },
    world::{Node, PROJECTS, Seconds, Size, World, plans},
};
use crate::{
    on_both_databases,
    support::{TestApp, TestDb},
};

/// Holds a test against so many values of a strategy, or as many as `PROPTEST_CASES` says, for who wants to look longer. Each
/// has a domain of its own in one store.
pub fn for_all<S: Strategy>(
    cases: u32,
    strategy: &S,
    test: impl AsyncFn(S::Value, String) -> Result<(), TestCaseError>,
) {
    let asked = std::env::var("PROPTEST_CASES").ok();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: asked.and_then(|cases| cases.parse().ok()).unwrap_or(cases),
        max_shrink_iters: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let (handle, fresh) = (Handle::current(), Cell::new(0));
    tokio::task::block_in_place(|| {
        let outcome = runner.run(strategy, |value| {
            fresh.set(fresh.get() + 1);
            handle.block_on(test(value, format!("w{}", fresh.get())))
        });
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
    });
}

/// A question before it is known what there is: places in lists that are not made yet.
#[derive(Clone, Debug)]
pub struct Inquiry {
    roots: Vec<(&'static str, usize)>,
    /// Whether roots may be named that are not there as of the revision.
    blind: bool,
    direction: Direction,
    level: Level,
    depth: Option<usize>,
    limit: Option<usize>,
    fan_out: Option<usize>,
    filter: Option<Filter>,
    as_of: Option<(bool, usize)>,
}

fn direction() -> impl Strategy<Value = Direction> {
    prop::sample::select(vec![Direction::Upstream, Direction::Downstream, Direction::Both])
}

fn level() -> impl Strategy<Value = Level> {
    prop_oneof![
        3 => Just(Level::Full),
        2 => Just(Level::Version),
        2 => Just(Level::Execution),
        2 => Just(Level::Partition),
        1 => Just(Level::Artifact),
    ]
}

fn sometimes<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(0.35, strategy)
}

fn rarely<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(0.25, strategy)
}

/// Instants at and near the ends of the windows and the creation times that worlds have.
fn moments() -> impl Strategy<Value = Seconds> {
    let days = prop::sample::select(vec![0, 1, 15, 30]);
    (
        days,
        prop::sample::select(vec![0, 600, 5 * 3_600, 6 * 3_600, 18 * 3_600]),
    )
        .prop_map(|(day, rest)| day * 86_400 + rest)
}

fn value_tests() -> impl Strategy<Value = (&'static str, ValueTest)> {
    let of = |key: &'static str, values: &'static [&'static str], prefix: &'static str| {
        let some = prop::collection::vec(prop::sample::select(values), 1..3);
        prop_oneof![
            prop::sample::select(values).prop_map(ValueTest::Eq),
            some.clone().prop_map(ValueTest::In),
            some.prop_map(ValueTest::NotIn),
            Just(ValueTest::StartsWith(prefix)),
        ]
        .prop_map(move |test| (key, test))
    };
    prop_oneof![
        of("region", &["EU", "US", "UK"], "U"),
        of("model", &["m1", "m2", "m3"], "m")
    ]
}

fn time_tests() -> impl Strategy<Value = TimeTest> {
    let span = prop_oneof![
        moments().prop_map(Span::At),
        prop::collection::vec(moments(), 1..4).prop_map(Span::In),
        moments().prop_map(Span::From),
        moments().prop_map(Span::To),
    ];
    let size = prop::sample::select(vec![None, Some(Size::Hour), Some(Size::Day), Some(Size::Month)]);
    (span, size).prop_map(|(span, size)| TimeTest { span, size })
}

/// Filters on partitions, each of which tests something.
fn partition_filters() -> impl Strategy<Value = PartitionFilter> {
    let tests = (
        prop::collection::vec(value_tests(), 0..3),
        prop::option::of(time_tests()),
        prop::bool::weighted(0.3),
    );
    tests.prop_map(|(values, time, strict)| PartitionFilter {
        strict: strict || values.is_empty() && time.is_none(),
        values,
        time,
    })
}

/// Makes sure of both projects: a filter on one that is not there is refused.
pub async fn both_projects(app: &TestApp) {
    let records = PROJECTS.map(
        |project| json!({"version": {"artifact": {"project": project, "domain": "d", "name": "n"}, "version": "v"}}),
    );
    app.ingest(&records).await;
}

fn filters() -> impl Strategy<Value = Filter> {
    let projects = prop::sample::select(vec![vec![PROJECTS[0]], vec![PROJECTS[1]], PROJECTS.to_vec()]);
    let states = prop::sample::subsequence(vec!["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "ABORTED"], 2..5);
    let created = (prop::option::of(0..5_i64), prop::option::of(0..5_i64)).prop_map(|(from, length)| {
        (
            from.map(|from| from * 21_600),
            length.map(|length| (from.unwrap_or(0) + 1 + length) * 21_600),
        )
    });
    (
        rarely(prop::collection::vec(0..8_usize, 1..3)),
        rarely(projects),
        rarely(states),
        rarely(partition_filters()),
        rarely(created),
        any::<bool>(),
    )
        .prop_map(|(artifacts, projects, states, partition, created, prune)| Filter {
            // An artifact that is in none of the projects would be a contradiction.
            projects: projects.filter(|projects: &Vec<&str>| artifacts.is_none() || projects.len() == PROJECTS.len()),
            artifacts,
            states,
            partition,
            created,
            prune,
        })
}

/// Questions of every kind.
pub fn inquiries() -> impl Strategy<Value = Inquiry> {
    let walk = (
        direction(),
        level(),
        sometimes(1..4_usize),
        rarely(1..16_usize),
        rarely(1..4_usize),
    );
    let roots = prop::collection::vec(places(), 1..3);
    (
        roots,
        prop::bool::weighted(0.05),
        walk,
        prop::option::weighted(0.5, filters()),
        sometimes((any::<bool>(), 0..5_usize)),
    )
        .prop_map(
            |(roots, blind, (direction, level, depth, limit, fan_out), filter, as_of)| Inquiry {
                roots,
                blind,
                direction,
                level,
                depth,
                limit,
                fan_out,
                filter,
                as_of,
            },
        )
}

impl Inquiry {
    /// The question in a world that has been recorded.
    pub fn about(&self, world: &World) -> Question {
        let revisions: Vec<i64> = world.moments.keys().copied().collect();
        let as_of = self
            .as_of
            .map(|(by_time, step)| match (by_time, revisions[step % revisions.len()]) {
                (true, revision) => AsOf::Time(revision),
                (false, revision) => AsOf::Revision(revision),
            });
        let revision = match as_of {
            Some(AsOf::Time(revision) | AsOf::Revision(revision)) if !self.blind => revision,
            _ => world.newest(),
        };
        let past = world.at(revision);
        let roots = self
            .roots
            .iter()
            .map(|(kind, place)| choose(&past.nodes(), kind, *place))
            .collect();
        let known: Vec<usize> = past.artifacts().into_iter().collect();
        let named = |artifacts: &Vec<usize>| {
            artifacts
                .iter()
                .map(|place| known[place % known.len()])
                .collect::<Vec<_>>()
        };
        let filter = self.filter.as_ref().filter(|_| !known.is_empty()).map(|filter| Filter {
            artifacts: filter.artifacts.as_ref().map(named),
            ..filter.clone()
        });
        Question {
            roots,
            direction: self.direction,
            level: self.level,
            depth: self.depth,
            limit: self.limit,
            fan_out: self.fan_out,
            filter,
            as_of,
        }
    }
}

/// A kind of node, and a place among such.
fn places() -> impl Strategy<Value = (&'static str, usize)> {
    let kind = prop_oneof![
        4 => Just("Version"),
        3 => Just("Execution"),
        2 => Just("Partition"),
        1 => Just("Artifact"),
    ];
    (kind, 0..20_usize)
}

/// A node of a kind, or of another where there is none of it.
fn choose(nodes: &[Node], kind: &str, place: usize) -> Node {
    let such: Vec<&Node> = nodes.iter().filter(|node| node.kind() == kind).collect();
    let all: Vec<&Node> = nodes.iter().collect();
    let from = if such.is_empty() { all } else { such };
    from[place % from.len()].clone()
}

/// A question that was answered, to be asked again.
struct Asked {
    roots: Vec<String>,
    options: Value,
    answer: Answer,
}

/// The service's answer is the reference's; none where both refuse the question.
async fn compare(app: &TestApp, world: &World, question: &Question) -> Result<Option<Asked>, TestCaseError> {
    let (roots, mut options) = (question.ids(world), question.options(world));
    let reply = ask(app, &roots, options.clone(), FIELDS).await;
    let story = || format!("{options}\n{question:?}\n{:?}", world.known);
    let errors = question.errors(world);
    if !errors.is_empty() {
        let is_right = errors.contains(&reply.code());
        prop_assert!(is_right, "{} for {errors:?}\n{}", reply.body, story());
        return Ok(None);
    }
    prop_assert!(reply.errors.is_empty(), "{}\n{}", reply.body, story());
    let (found, expected) = (read(&reply.data["lineage"]), reference::answer(world, question));
    prop_assert!(found == expected, "{}\n{}", difference(&found, &expected), story());
    options["asOf"] = json!({"revision": found.revision});
    Ok(Some(Asked {
        roots,
        options,
        answer: found,
    }))
}

on_both_databases! {
    async fn every_option_with_every_other_answers_as_the_reference_does(db: TestDb) {
        let app = TestApp::new(db.clone()).await;
        both_projects(&app).await;
        let asked = RefCell::new(vec![]);
        for_all(100, &(plans(120), prop::collection::vec(inquiries(), 9)), async |(plan, inquiries), domain| {
            let world = World::recorded(&app, plan, domain).await;
            for inquiry in &inquiries {
                let answered = compare(&app, &world, &inquiry.about(&world)).await?;
                asked.borrow_mut().extend(answered);
            }
            Ok(())
        });
        // That server has followed every write; one that begins now has read all at once.
        let app = TestApp::new(db).await;
        both_projects(&app).await;
        for Asked { roots, options, answer } in asked.take().iter().step_by(4) {
            let again = read(&ask(&app, roots, options.clone(), FIELDS).await.ok()["lineage"]);
            assert!(again == *answer, "{}\n{options}", difference(&again, answer));
        }
    }

    async fn paths_are_all_simple_paths_shortest_first(db: TestDb) {
        let app = TestApp::new(db).await;
        both_projects(&app).await;
        let ends = (places(), places(), 1..101_i64, sometimes(0..5_usize));
        for_all(60, &(plans(40), prop::collection::vec(ends, 8)), async |(plan, asked), domain| {
            let world = World::recorded(&app, plan, domain).await;
            let revisions: Vec<i64> = world.moments.keys().copied().collect();
            for (from, to, first, step) in asked {
                let as_of = step.map(|step| revisions[step % revisions.len()]);
                let revision = as_of.unwrap_or(world.newest());
                let nodes = world.at(revision).nodes();
                let (from, to) = (choose(&nodes, from.0, from.1), choose(&nodes, to.0, to.1));
                let mut expected = reference::paths(&world, &from, &to, revision);
                expected.truncate(usize::try_from(first).unwrap());
                let found = paths(&app, world.id(&from), world.id(&to), first, as_of).await;
                let story = || format!("{first} from {from:?} to {to:?} as of {as_of:?}: {:?}", world.known);
                prop_assert!(found == expected, "found {found:?}\nexpected {expected:?}\n{}", story());
                // Without a number, the shortest alone.
                let reply = ask_paths(&app, world.id(&from), world.id(&to), None, as_of).await;
                prop_assert_eq!(reply.ok()["lineagePaths"].as_array().unwrap().len(), expected.len().min(1));
            }
            Ok(())
        });
    }

    async fn inside_a_past_state_the_answer_is_that_of_as_of(db: TestDb) {
        let app = TestApp::new(db).await;
        both_projects(&app).await;
        for_all(30, &(plans(60), prop::collection::vec(inquiries(), 4)), async |(plan, inquiries), domain| {
            let world = World::recorded(&app, plan, domain).await;
            for inquiry in &inquiries {
                let question = inquiry.about(&world);
                if !question.errors(&world).is_empty() {
                    continue;
                }
                let mut options = question.options(&world);
                options["asOf"] = json!(null);
                let query = format!("query($asOf: AsOf!, $roots: [ID!]!, $options: LineageOptions) {{ at(asOf: $asOf) {{ lineage(roots: $roots, options: $options) {{ {FIELDS} }} }} }}");
                let as_of = json!({"revision": question.revision(&world)});
                let data = app.data(&query, json!({"asOf": as_of, "roots": question.ids(&world), "options": options})).await;
                let (found, expected) = (read(&data["at"]["lineage"]), reference::answer(&world, &question));
                prop_assert!(found == expected, "{}\n{question:?}\n{:?}", difference(&found, &expected), world.known);
            }
            Ok(())
        });
    }
}
