//! The floors of `src/`: each module imports only from those below it, and each external crate is used where it belongs.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// What each floor may import of ours.
const FLOORS: [(&str, &[&str]); 13] = [
    ("cli", &["cli"]), // in the binary, which sees the library as `heirloom`
    (
        "server",
        &["config", "graphql", "http", "lineage", "service", "store", "domain"],
    ),
    ("demo", &["sample", "service", "store", "domain"]),
    ("http", &["http", "graphql", "service", "domain", "config"]),
    (
        "graphql",
        &["graphql", "lineage", "service", "store", "domain", "config"],
    ),
    ("lineage", &["lineage", "store", "domain"]),
    ("interchange", &["interchange", "store", "domain"]),
    ("service", &["service", "store", "domain"]),
    ("sample", &["sample", "domain"]),
    ("store", &["store", "domain"]),
    ("domain", &["domain"]),
    ("telemetry", &["config"]),
    ("config", &[]),
];

/// Where each external crate may be used: files, and directories with everything below them.
const CRATES: [(&str, &[&str]); 13] = [
    ("async_graphql", &["graphql/", "http/graphql.rs", "http/params.rs"]),
    ("axum", &["http/", "server.rs"]),
    ("hyper", &["http/"]),
    ("hyper_util", &["http/"]),
    ("tower_http", &["http/"]),
    ("sea_orm", &["store/"]),
    ("sqlx", &[]),
    ("rusqlite", &["store/"]),
    ("migration", &["store/"]),
    ("entity", &["store/", "service/", "lineage/", "graphql/", "cli/"]),
    ("clap", &["cli/", "main.rs"]),
    ("memchr", &["domain/json.rs"]),
    ("rayon", &["service/parallel.rs"]),
];

/// The one file that may name these, which collide with the standard library's and hide codes of errors.
const ERRORS_OF_THE_LIBRARY: (&str, [&str; 2]) = ("graphql/error.rs", ["Error", "Result"]);

/// What is wrong with one file.
fn complaints(file: &str, source: &str) -> Vec<String> {
    let code = without_comments(source);
    let floor = file.split(['/', '.']).next().unwrap_or_default();
    let mut complaints = Vec::new();
    match FLOORS.iter().find(|(name, _)| *name == floor) {
        Some((_, allowed)) => {
            let forbidden = names_after(&code, "crate")
                .into_iter()
                .filter(|name| is_module(name) && !allowed.contains(&name.as_str()));
            complaints
                .extend(forbidden.map(|name| format!("src/{file} imports crate::{name}, which lies above {floor}")));
        }
        None if ["lib", "main"].contains(&floor) => {}
        None => complaints.push(format!(
            "src/{file} is on no floor: say in floors.rs what {floor} may import"
        )),
    }
    for (name, places) in CRATES {
        let is_used = !names_after(&code, name).is_empty();
        let belongs = places
            .iter()
            .any(|place| file == *place || place.ends_with('/') && file.starts_with(place));
        if is_used && !belongs {
            complaints.push(format!("src/{file} uses {name}, which belongs in {places:?}"));
        }
    }
    for name in ["async_graphql", "sea_orm"] {
        if names_after(&code, name).contains("*") {
            complaints.push(format!(
                "src/{file} imports {name}::*: the two collide, so import names"
            ));
        }
    }
    let (home, words) = ERRORS_OF_THE_LIBRARY;
    let named = names_after(&code, "async_graphql");
    for word in words.into_iter().filter(|word| named.contains(*word) && file != home) {
        complaints.push(format!(
            "src/{file} uses async_graphql::{word}: an error must be an ApiError, which has a code"
        ));
    }
    let depth = file.matches('/').count() + usize::from(!file.ends_with("mod.rs"));
    let without_tests = code.split("#[cfg(test)]").next().unwrap_or_default();
    if without_tests.contains(&"super::".repeat(depth.max(1))) {
        complaints.push(format!("src/{file} leaves its floor by super::"));
    }
    complaints
}

/// Whether a name after `crate::` is one of the library's modules, and not a macro.
fn is_module(name: &str) -> bool {
    FLOORS.iter().any(|(floor, _)| *floor == name) || name == "*"
}

/// The code without line comments; a text with slashes in it loses its end, which has no imports.
fn without_comments(source: &str) -> String {
    source
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The names that stand after `root::`, also in the braces of a list.
fn names_after(code: &str, root: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = code;
    while let Some(at) = rest.find(root) {
        let before = rest[..at].chars().next_back();
        let is_word = !before.is_some_and(|c| c.is_alphanumeric() || "_:\"".contains(c));
        rest = &rest[at + root.len()..];
        if let Some(list) = rest.strip_prefix("::").filter(|_| is_word) {
            names.extend(list_of(list));
        }
    }
    names
}

/// `a::b` is `a`; `{a::b, c, d::{e}}` is `a`, `c` and `d`.
fn list_of(text: &str) -> Vec<String> {
    let word = |text: &str| {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '*')
            .collect::<String>()
    };
    let Some(inside) = text.strip_prefix('{') else {
        return vec![word(text)];
    };
    let (mut depth, mut item, mut items) = (1, String::new(), Vec::new());
    for c in inside.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => items.push(std::mem::take(&mut item)),
            c if depth == 1 => item.push(c),
            _ => {}
        }
        if depth == 0 {
            items.push(item);
            break;
        }
    }
    items
        .iter()
        .map(|item| word(item.trim()))
        .filter(|item| !item.is_empty())
        .collect()
}

fn sources(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn imports_go_downwards_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 50, "these are not all of the sources");
    let mut all = Vec::new();
    for path in files {
        let file = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        all.extend(complaints(&file, &fs::read_to_string(&path).unwrap()));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn the_crates_of_the_workspace_know_nothing_above_them() {
    for (directory, words) in [
        ("entity/src", &["migration", "heirloom"][..]),
        ("migration/src", &["entity", "heirloom"]),
    ] {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory), &mut files);
        assert!(files.len() > 1, "{directory}");
        for path in files {
            let code = without_comments(&fs::read_to_string(&path).unwrap());
            for word in words {
                assert!(names_after(&code, word).is_empty(), "{} uses {word}", path.display());
            }
        }
    }
}

#[test]
fn a_step_upwards_is_seen() {
    for (file, source) in [
        ("store/x.rs", "use crate::service::Writer;"),
        (
            "store/x.rs",
            "use crate::{\n    domain::time,\n    graphql::{error::ApiError},\n};",
        ),
        ("domain/x.rs", "fn f() { crate::store::open() }"),
        ("service/x.rs", "use sea_orm::Statement;"),
        ("http/x.rs", "use async_graphql::Request;"),
        ("graphql/x.rs", "use axum::Router;"),
        ("graphql/x.rs", "use async_graphql::{Context, Error};"),
        ("graphql/types/x.rs", "fn f() -> async_graphql::Result<()> {}"),
        ("graphql/x.rs", "use async_graphql::*;"),
        ("store/x.rs", "use sea_orm::{*};"),
        ("store/x.rs", "use super::super::service::Writer;"),
        ("domain/x.rs", "use entity::NEVER;"),
        ("newfloor/x.rs", ""),
    ] {
        assert!(!complaints(file, source).is_empty(), "{file}: {source}");
    }
    for (file, source) in [
        (
            "store/x.rs",
            "use crate::domain::time; // crate::service\nuse sea_orm::{Value, sea_query::{self, Expr}};",
        ),
        (
            "graphql/types/x.rs",
            "use async_graphql::{Context, ServerError};\nuse super::super::view::View;",
        ),
        (
            "http/x.rs",
            "use axum::{Router, http::StatusCode};\nuse crate::{config::Server, graphql::error::ApiError};",
        ),
    ] {
        assert_eq!(complaints(file, source), [] as [&str; 0], "{file}: {source}");
    }
}
