//! The example queries of `docs/queries`: each runs on the demo's sample on both databases, has one answer, and costs no
//! more SQL statements than it says.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use heirloom::config::Config;
use heirloom::demo::record_sample;
use heirloom::domain::time::Timestamp;
use heirloom::sample::Options;
use serde_json::{Value, json};

use crate::on_both_databases;
use crate::support::{Reply, TestApp, TestDb};

/// How far a bound may lie above the statements that an example costs: more would let the next N + 1 through.
const SLACK: u64 = 2;

/// One file of `docs/queries`.
struct Example {
    /// Its file name without the ending.
    name: String,
    /// What its first line calls it.
    title: String,
    /// What it asks, the rest of its first line.
    question: String,
    variables: Value,
    /// The most SQL statements that it may cost.
    statements: u64,
    query: String,
}

impl Example {
    /// Reads a file: comment lines for the reader, lines `#> name: value` for us, then the operation. A value goes on in
    /// further `#>` lines that begin no other.
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let mut directives: Vec<(&str, String)> = Vec::new();
        for line in text.lines().filter_map(|line| line.strip_prefix("#>")) {
            match (line.trim().split_once(": "), directives.last_mut()) {
                (Some((name, value)), _) if name.chars().all(char::is_alphabetic) => {
                    directives.push((name, value.to_owned()));
                }
                (_, Some((_, value))) => value.push_str(line),
                (_, None) => panic!("{}: {line} continues nothing", path.display()),
            }
        }
        let directive = |wanted| {
            directives
                .iter()
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| value)
        };
        let head = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# ")?.split_once(": "));
        let (title, question) = head.unwrap_or_else(|| panic!("{}: no `# Title: question`", path.display()));
        let bound = directive("statements").and_then(|bound| bound.strip_prefix("<= ")?.parse().ok());
        Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            title: title.to_owned(),
            question: question.to_owned(),
            variables: directive("variables").map_or(json!({}), |json| serde_json::from_str(json).unwrap()),
            statements: bound.unwrap_or_else(|| panic!("{}: no `#> statements: <= N`", path.display())),
            query: text,
        }
    }

    /// What is wrong with an answer.
    fn complaints(&self, reply: &Reply) -> Vec<String> {
        let mut complaints = Vec::new();
        if !reply.errors.is_empty() {
            complaints.push(format!("{}: {}", self.name, reply.body));
        }
        let (cost, bound) = (reply.statements, self.statements);
        if cost > bound || cost + SLACK < bound {
            complaints.push(format!("{}: costs {cost} statements, and says <= {bound}", self.name));
        }
        let settings = || {
            let mut settings = insta::Settings::clone_current();
            settings.set_prepend_module_to_snapshot(false);
            settings.set_omit_expression(true);
            settings
        };
        let name = format!("query_{}", self.name.replace('-', "_"));
        let same = || settings().bind(|| insta::assert_json_snapshot!(name.as_str(), reply.data));
        if catch_unwind(AssertUnwindSafe(same)).is_err() {
            complaints.push(format!("{}: another answer than the snapshot", self.name));
        }
        complaints
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/queries")
}

/// All examples, in the order to read them in.
fn examples() -> Vec<Example> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|e| e == "graphql"))
        .collect();
    files.sort();
    files.iter().map(|path| Example::read(path)).collect()
}

on_both_databases! {
    // Those that write come last; what they answer does not depend on when the test runs.
    async fn every_example_has_the_answer_of_its_snapshot(db: TestDb) {
        let app = TestApp::new(db).await;
        let now = Timestamp::parse(&app.now()).unwrap();
        record_sample(&app.store, Options::default(), now, |_| {}).await.unwrap();
        let mut complaints = Vec::new();
        for example in examples() {
            let reply = app.query(&example.query, example.variables.clone()).await;
            complaints.extend(example.complaints(&reply));
        }
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }

    // Whatever an answer is made of, no byte is counted that it does not have.
    async fn every_answer_may_have_as_many_bytes_as_the_limit_and_not_one_more(db: TestDb) {
        let app = TestApp::new(db).await;
        let now = Timestamp::parse(&app.now()).unwrap();
        record_sample(&app.store, Options::default(), now, |_| {}).await.unwrap();
        app.lineage.follow_newest().await.unwrap();
        for example in examples().iter().filter(|example| example.query.contains("\nquery ")) {
            let whole = app.query(&example.query, example.variables.clone()).await.body;
            for (bytes, prepares) in [(whole.len(), true), (whole.len(), false), (whole.len() - 1, true), (whole.len() - 1, false)] {
                let mut config = Config::default();
                config.limits.answer_bytes = bytes;
                let router = app.answering(config, prepares);
                let reply = TestApp::query_on(&router, &example.query, example.variables.clone()).await;
                if bytes == whole.len() {
                    assert_eq!(reply.body, whole, "{}", example.name);
                } else {
                    reply.refused("LIMIT_EXCEEDED").says(&["limits.answer_bytes"]);
                }
            }
        }
    }
}

#[test]
fn examples_are_numbered_through_and_none_is_named_twice() {
    let examples = examples();
    assert!(examples.len() >= 20);
    let mut titles: Vec<&str> = examples.iter().map(|example| example.title.as_str()).collect();
    titles.sort_unstable();
    titles.dedup();
    assert_eq!(titles.len(), examples.len());
    for (index, example) in examples.iter().enumerate() {
        assert!(
            example.name.starts_with(&format!("{:02}-", index + 1)),
            "{}",
            example.name
        );
        assert!(
            example.question.ends_with('?'),
            "{}: {}",
            example.name,
            example.question
        );
        let operation: String = example.title.split(' ').map(capitalized).collect();
        let named = |kind| example.query.contains(&format!("\n{kind} {operation}"));
        assert!(
            named("query") || named("mutation"),
            "{}: no operation {operation}",
            example.name
        );
    }
}

fn capitalized(word: &str) -> String {
    word[..1].to_uppercase() + &word[1..]
}

/// Where the list in the README begins.
const LIST: &str = "| example | what it asks |\n| --- | --- |\n";

#[test]
fn the_readme_lists_every_example() {
    let path = folder().join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (head, _) = readme.split_once(LIST).expect("the list's head");
    let line = |Example {
                    name, title, question, ..
                }: &Example| {
        format!(
            "| [{title}]({name}.graphql) | {}{} |\n",
            question[..1].to_uppercase(),
            &question[1..]
        )
    };
    let right = format!("{head}{LIST}{}", examples().iter().map(line).collect::<String>());
    if std::env::var("INSTA_UPDATE").is_ok_and(|mode| mode == "always") {
        std::fs::write(&path, &right).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        right,
        "INSTA_UPDATE=always cargo nextest run corpus writes the list anew"
    );
}
