//! The real program under the clients of others: the audits of the GraphQL-over-HTTP specification, and a person at GraphiQL.

use std::{path::Path, process::Command};

use crate::support::process::{Server, text};

/// Runs a script of `web/tests` against a server, and expects it to succeed.
async fn run(script: &str, arguments: Vec<String>) -> String {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    assert!(
        web.join("node_modules").is_dir(),
        "web/node_modules is not there: `make test` installs it, and so does `npm ci` in web/"
    );
    let mut node = Command::new("node");
    node.arg(Path::new("tests").join(script))
        .args(arguments)
        .current_dir(&web);
    let output = tokio::task::spawn_blocking(move || node.output())
        .await
        .unwrap()
        .expect("node must be on PATH: install Node.js");
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{script} failed:\n{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_audit_of_graphql_over_http_is_ok() {
    let server = Server::start(&["demo"]);
    let said = run("http-audit.mjs", vec![format!("{}/graphql", server.url)]).await;
    assert!(said.contains("61 of 61 audits ok"), "{said}");
    assert!(server.stop(), "the server ends well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_runs_a_query_in_graphiql() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/dist/index.html");
    assert!(
        page.is_file(),
        "the GraphiQL page is not built: `make test` builds it, and so does `make web`"
    );
    let server = Server::start(&["demo"]);
    let arguments = [
        server.url.as_str(),
        "--query",
        "query Mine { projects { name domains { artifactCount } } }",
        "--expect",
        "\"artifactCount\"",
        "--run-examples",
    ];
    run("graphiql.mjs", arguments.map(str::to_owned).to_vec()).await;
    assert!(server.stop(), "the server ends well");
}
