//! Files that commands write: none of them is the store, or anything else that is wanted still.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::cli::{Place, Said, lines};

/// A store with a version, and as many lines.
fn filled() -> Place {
    let place = Place::new();
    let said = place.run(&["import", "-"], one_version().as_bytes());
    assert_eq!(said.code, 0, "{said:?}");
    place
}

fn one_version() -> String {
    let version = json!({ "artifact": { "project": "p", "domain": "d", "name": "a" }, "version": "1" });
    lines(&[json!({ "version": version })])
}

fn refused(said: &Said, complaint: &str) {
    assert_eq!((said.code, said.err.lines().count()), (2, 1), "{said:?}");
    assert!(said.err.contains(complaint), "{complaint}: {said:?}");
}

/// What each command that writes a file says when it is to write this one.
fn written_by_all(place: &Place, file: &Path) -> Vec<Said> {
    let file = file.to_str().unwrap();
    let commands = [
        vec!["export", "--output", file],
        vec!["export", "--format", "prov-json", "--output", file],
        vec!["lineage", "flyte://av0.1/p/d/a", "--output", file],
        vec!["backup", "--force", file],
        vec!["import", "--rejects", file, "-"],
    ];
    commands.iter().map(|command| place.run(command, b"")).collect()
}

#[cfg(unix)]
#[test]
fn no_command_writes_over_the_store_by_whatever_name() {
    let place = filled();
    let store = place.path("heirloom.sqlite");
    let before = fs::read(&store).unwrap();
    fs::hard_link(&store, place.path("hard")).unwrap();
    std::os::unix::fs::symlink("heirloom.sqlite", place.path("soft")).unwrap();
    std::os::unix::fs::symlink(".", place.path("here")).unwrap();
    let spared = [
        ("heirloom.sqlite", "is the store itself: name another file"),
        ("here/heirloom.sqlite", "is the store itself"),
        ("hard", "is the store itself"),
        ("soft", "is the store itself"),
        ("heirloom.sqlite-wal", "belongs to the store, as its -wal"),
        ("here/heirloom.sqlite-shm", "belongs to the store, as its -shm"),
    ];
    for (name, complaint) in spared {
        for said in written_by_all(&place, &place.path(name)) {
            refused(&said, complaint);
        }
    }
    assert!(fs::read(&store).unwrap() == before, "the store is as it was");
    assert_eq!(place.export().lines().count(), 1);
}

#[test]
fn no_command_writes_its_partial_file_over_the_store() {
    let mut place = filled();
    let store = place.path("copy.partial");
    fs::rename(place.path("heirloom.sqlite"), &store).unwrap();
    place.url = format!("sqlite:{}", store.display());
    for said in written_by_all(&place, &place.path("copy")) {
        refused(&said, "copy.partial is the store itself");
    }
    assert_eq!(place.export().lines().count(), 1);
}

#[test]
fn a_store_in_use_is_spared_under_all_its_names() {
    let place = filled();
    let names: Vec<PathBuf> = ["", "-wal", "-shm"]
        .iter()
        .map(|ending| place.path(&format!("heirloom.sqlite{ending}")))
        .collect();
    let url = place.url.clone();
    let server = crate::support::process::Server::start(&["serve", "--database", &url]);
    for name in &names {
        for said in written_by_all(&place, name) {
            refused(&said, "name another file");
        }
    }
    drop(server);
    assert_eq!(place.export().lines().count(), 1);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_replaced_by_one() {
    let place = filled();
    let directory = place.path("directory");
    fs::create_dir(&directory).unwrap();
    for said in written_by_all(&place, &directory) {
        refused(&said, "directory is no regular file: name another");
    }
    // By a link, so that no mistake replaces the device of this machine.
    let link = place.path("link");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    let pipe = place.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for target in [&link, &pipe] {
        let said = place.run(&["backup", "--force", target.to_str().unwrap()], b"");
        refused(&said, "is no regular file: name another");
    }
    // What takes whatever is written takes an export too.
    assert_eq!(place.run(&["export", "--output", link.to_str().unwrap()], b"").code, 0);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let read = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    assert_eq!(place.run(&["export", "--output", pipe.to_str().unwrap()], b"").code, 0);
    assert_eq!(read.join().unwrap(), place.export());
}

#[test]
fn rejects_are_written_over_nothing_that_is_read() {
    let place = filled();
    let good = place.write("good.jsonl", one_version());
    let other = place.write("other.jsonl.partial", one_version());
    let import = |rejects: &Path| {
        let rejects = rejects.to_str().unwrap();
        place.run(
            &[
                "import",
                "--rejects",
                rejects,
                good.to_str().unwrap(),
                other.to_str().unwrap(),
            ],
            b"",
        )
    };
    for (rejects, read) in [(&good, &good), (&other, &other), (&place.path("other.jsonl"), &other)] {
        let complaint = format!(
            "{} is one of the files to import: name another for the rejects",
            read.display()
        );
        refused(&import(rejects), &complaint);
    }
    for file in [&good, &other] {
        assert_eq!(fs::read_to_string(file).unwrap(), one_version());
    }
}

#[test]
fn rejects_are_there_whole_or_not_at_all() {
    let place = filled();
    let rejects = place.write("rejects.jsonl", "of the import before\n");
    let file = rejects.to_str().unwrap();
    let said = place.run(&["import", "--rejects", file, "/nowhere/records.jsonl"], b"");
    refused(&said, "cannot read /nowhere/records.jsonl");
    assert_eq!(fs::read_to_string(&rejects).unwrap(), "of the import before\n");
    assert_eq!(place.run(&["import", "--rejects", file, "-"], b"{}\n{}\n").code, 1);
    assert_eq!(fs::read_to_string(&rejects).unwrap().lines().count(), 2);
    assert_eq!(
        place
            .run(&["import", "--rejects", file, "-"], one_version().as_bytes())
            .code,
        0
    );
    assert_eq!(fs::read_to_string(&rejects).unwrap(), "", "none was rejected");
    assert!(!place.path("rejects.jsonl.partial").exists());
}
