//! GraphQL over HTTP: status codes, media types, limits, and an answer in GraphQL's shape whatever happens.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use futures_util::stream;
use heirloom::{
    config::Config,
    http::connections::Patience,
    server::{Ended, Shutdown, serve},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::toy::{Reply, Toy};

const NEW: &str = "application/graphql-response+json";
const OLD: &str = "application/json";

async fn post_accepting(toy: &Toy, accept: &str, body: &str) -> Reply {
    let request = Request::post("/graphql")
        .header(header::CONTENT_TYPE, OLD)
        .header(header::ACCEPT, accept);
    toy.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn get(toy: &Toy, query_string: &str) -> Reply {
    let request = Request::get(format!("/graphql?{query_string}")).header(header::ACCEPT, NEW);
    toy.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_status_depends_on_what_the_client_accepts() {
    let toy = Toy::new();
    let cases = [
        (r#"{"query":"{nullable}"}"#, 200, 200),
        (r#"{"query":"{maybe{required}}"}"#, 200, 200),
        (r#"{"query":"{thing{required}}"}"#, 200, 200),
        (r#"{"query":"{nope}"}"#, 400, 200),
        (r#"{"query":"{"}"#, 400, 200),
        (r#"{"query":"query($n:Int!){nullable(n:$n)}"}"#, 400, 200),
        (r#"{"query":"{a:nullable}","operationName":"x"}"#, 400, 200),
        (r#"{"query":7}"#, 400, 400),
        (r#"{"variables":{}}"#, 400, 400),
        (r#"{"query":"{nullable}","variables":"x"}"#, 400, 400),
        ("nonsense", 400, 400),
    ];
    for (body, new, old) in cases {
        for (accept, status, content_type) in [
            (NEW, new, NEW),
            (OLD, old, OLD),
            ("*/*", old, OLD),
            ("application/*;q=0.5", old, OLD),
        ] {
            let reply = post_accepting(&toy, accept, body).await;
            assert_eq!(reply.status.as_u16(), status, "{body} as {accept}: {}", reply.text());
            if new != old || status == 200 {
                assert_eq!(
                    reply.header(header::CONTENT_TYPE),
                    format!("{content_type}; charset=utf-8")
                );
            }
        }
    }
    let request = Request::post("/graphql").header(header::CONTENT_TYPE, OLD);
    let reply = toy
        .send(request.body(Body::from(r#"{"query":"{nullable}"}"#)).unwrap())
        .await;
    assert_eq!(reply.header(header::CONTENT_TYPE), "application/json; charset=utf-8");
}

#[tokio::test]
async fn a_media_type_that_is_not_written_is_not_acceptable() {
    let toy = Toy::new();
    for accept in [
        "text/html",
        "application/xml",
        "application/json;q=0",
        "text/event-stream",
    ] {
        post_accepting(&toy, accept, r#"{"query":"{nullable}"}"#)
            .await
            .refused(406, "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn only_json_is_taken_so_that_no_form_of_another_site_can_write() {
    let toy = Toy::new();
    let body = r#"{"query":"mutation{write}"}"#;
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json; charset=utf-16",
    ] {
        let request = Request::post("/graphql").header(header::CONTENT_TYPE, content_type);
        toy.send(request.body(Body::from(body)).unwrap())
            .await
            .refused(415, "BAD_USER_INPUT");
    }
    toy.send(Request::post("/graphql").body(Body::from(body)).unwrap())
        .await
        .refused(415, "BAD_USER_INPUT");
    assert_eq!(toy.writes(), 0);
    assert_eq!(post_accepting(&toy, NEW, body).await.status, 200);
    assert_eq!(toy.writes(), 1);
}

#[tokio::test]
async fn get_runs_queries_and_never_a_mutation() {
    let toy = Toy::new();
    let reply = get(
        &toy,
        "query=query(%24n:Int)%7Bnullable(n:%24n)%7D&variables=%7B%22n%22:4%7D",
    )
    .await;
    assert_eq!(reply.json, json!({"data": {"nullable": 4}}));
    let two = "query=query+A%7Bnullable%7Dmutation+B%7Bwrite%7D&operationName=";
    assert_eq!(get(&toy, &format!("{two}A")).await.status, 200);
    for query_string in ["query=mutation%7Bwrite%7D".to_owned(), format!("{two}B")] {
        let reply = get(&toy, &query_string).await;
        reply.refused(405, "BAD_USER_INPUT");
        assert_eq!(reply.header(header::ALLOW), "POST");
    }
    assert_eq!(toy.writes(), 0);
    for wrong in [
        "",
        "variables=%7B%7D",
        "query=%7Bnullable%7D&variables=1",
        "query=%FF",
        "query=%7Bnullable%7D&query=%7Bnullable%7D",
    ] {
        get(&toy, wrong).await.refused(400, "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn other_methods_are_told_which_there_are() {
    let toy = Toy::new();
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let request = Request::builder()
            .method(method)
            .uri("/graphql")
            .body(Body::empty())
            .unwrap();
        let reply = toy.send(request).await;
        reply.refused(405, "BAD_USER_INPUT");
        assert_eq!(reply.header(header::ALLOW), "GET, POST");
    }
}

#[tokio::test]
async fn a_batch_is_refused() {
    let toy = Toy::new();
    let reply = toy
        .post(r#"[{"query":"{nullable}"},{"query":"mutation{write}"}]"#)
        .await;
    reply.refused(400, "BAD_USER_INPUT");
    assert!(reply.message().contains("batches"), "{}", reply.message());
    assert_eq!(toy.writes(), 0);
}

#[tokio::test]
async fn a_body_that_is_no_text_is_refused() {
    let toy = Toy::new();
    assert!(
        toy.post(&b"{\"query\":\"{nullable}\xff\"}"[..])
            .await
            .refused(400, "BAD_USER_INPUT")
            .message()
            .contains("UTF-8")
    );
    assert!(
        toy.post("{\"query\":")
            .await
            .refused(400, "BAD_USER_INPUT")
            .message()
            .contains("JSON")
    );
    toy.post("").await.refused(400, "BAD_USER_INPUT");
}

#[tokio::test]
async fn a_body_of_100_mb_is_refused_with_the_number() {
    let toy = Toy::new();
    let mb = vec![b' '; 1024 * 1024];
    let declared = Request::post("/graphql")
        .header(header::CONTENT_TYPE, OLD)
        .header(header::CONTENT_LENGTH, 100 * 1024 * 1024)
        .body(Body::from(vec![b' '; 100 * 1024 * 1024]))
        .unwrap();
    let reply = toy.send(declared).await;
    reply.refused(413, "LIMIT_EXCEEDED");
    assert_eq!(reply.json["errors"][0]["extensions"]["limit"], 32 * 1024 * 1024);
    assert_eq!(reply.json["errors"][0]["extensions"]["actual"], 100 * 1024 * 1024);

    let chunks = stream::iter((0..100).map(move |_| Ok::<_, std::io::Error>(mb.clone())));
    let undeclared = Request::post("/graphql")
        .header(header::CONTENT_TYPE, OLD)
        .body(Body::from_stream(chunks))
        .unwrap();
    let reply = toy.send(undeclared).await;
    reply.refused(413, "LIMIT_EXCEEDED");
    assert_eq!(reply.json["errors"][0]["extensions"]["limit"], 32 * 1024 * 1024);
}

#[tokio::test]
async fn a_body_within_the_limit_is_taken() {
    let mut config = Config::default();
    config.server.body_limit_bytes = 22;
    let toy = Toy::with(&config);
    assert_eq!(toy.post(r#"{"query":"{nullable}"}"#).await.status, 200);
    toy.post(r#"{"query":"{nullable }"}"#)
        .await
        .refused(413, "LIMIT_EXCEEDED");
}

/// The limit and the actual number that a refusal names.
#[track_caller]
fn numbers(reply: &Reply) -> (u64, u64) {
    reply.refused(400, "LIMIT_EXCEEDED");
    let extensions = &reply.json["errors"][0]["extensions"];
    let (limit, actual) = (
        extensions["limit"].as_u64().unwrap(),
        extensions["actual"].as_u64().unwrap(),
    );
    assert!(reply.message().contains(&actual.to_string()), "{}", reply.message());
    (limit, actual)
}

#[tokio::test]
async fn too_much_is_refused_with_the_numbers() {
    let toy = Toy::with(&Config {
        limits: heirloom::config::Limits {
            tokens: 1_000_000,
            ..Default::default()
        },
        ..Config::default()
    });
    let aliases = |n: usize| {
        format!(
            "{{thing{{{}}}}}",
            (0..n).map(|i| format!("a{i}:fast ")).collect::<String>()
        )
    };
    assert_eq!(toy.query(&aliases(200)).await.status, 200);
    assert_eq!(numbers(&toy.query(&aliases(10_000)).await), (5_000, 10_001));
    assert_eq!(numbers(&toy.query(&aliases(201)).await), (200, 201));

    let directives = |n: usize| format!("{{nullable {}}}", "@skip(if:false)".repeat(n));
    assert_eq!(numbers(&toy.query(&directives(3_000)).await), (200, 3_000));

    let deep = |n: usize| format!("{{thing{}fast{}}}", "{child".repeat(n) + "{", "}".repeat(n + 1));
    assert_eq!(toy.query(&deep(23)).await.status, 200);
    assert_eq!(numbers(&toy.query(&deep(24)).await), (25, 26));
    assert_eq!(numbers(&toy.query(&deep(10_000)).await), (25, 10_002));

    let fragments: String = (0..40)
        .map(|n| format!("fragment F{n} on Thing {{ ...F{0} ...F{0} }} ", n + 1))
        .collect();
    let bomb = format!("{{thing{{...F0}}}} {fragments} fragment F40 on Thing {{fast}}");
    assert_eq!(numbers(&toy.query(&bomb).await).0, 5_000);

    let list = |n: usize| format!("{{json(value:{}{})}}", "[".repeat(n), "]".repeat(n));
    assert_eq!(toy.query(&list(64)).await.status, 200);
    assert_eq!(numbers(&toy.query(&list(10_000)).await), (64, 10_000));
    let object = format!("{{json(value:{}1{})}}", "{a:".repeat(10_000), "}".repeat(10_000));
    assert_eq!(numbers(&toy.query(&object).await), (64, 10_000));

    let variables = |n: usize| {
        format!(
            r#"{{"query":"query($v:JSON!){{json(value:$v)}}","variables":{{"v":{}{}}}}}"#,
            "[".repeat(n),
            "]".repeat(n)
        )
    };
    assert_eq!(toy.post(variables(120)).await.status, 200);
    assert_eq!(numbers(&toy.post(variables(10_000)).await), (127, 10_002));

    assert_eq!(toy.query("{rows(first:100000){id}}").await.status, 200);
    assert_eq!(
        numbers(&toy.query("{rows(first:500000){id}}").await),
        (500_000, 500_001)
    );
    let query = "query($n:Int!){rows(first:$n){id}}";
    assert_eq!(
        numbers(&toy.run(query, json!({"n": 500_000})).await),
        (500_000, 500_001)
    );

    let roots: String = (0..51).map(|n| format!("a{n}:nullable ")).collect();
    assert_eq!(numbers(&toy.query(&format!("{{{roots}}}")).await), (50, 51));
}

#[tokio::test]
async fn too_many_tokens_are_refused_before_they_are_parsed() {
    let toy = Toy::new();
    let reply = toy.query(&format!("{{{}}}", "nullable ".repeat(1_000_000))).await;
    assert_eq!(numbers(&reply), (20_000, 1_000_002));
}

#[tokio::test]
async fn what_graphiql_asks_first_is_within_the_limits() {
    let types = format!("{}{{kind name}}{}", "{kind name ofType".repeat(9), "}".repeat(9));
    let query = format!(
        "{{__schema{{description queryType{{name kind}} types{{...T}} directives{{name args(includeDeprecated:true){{...I}}}}}}}}
        fragment T on __Type {{
            kind name enumValues(includeDeprecated:true){{name}}
            fields(includeDeprecated:true){{name args(includeDeprecated:true){{...I}} type {types}}}
        }}
        fragment I on __InputValue {{name description type {types} defaultValue}}"
    );
    let reply = Toy::new().query(&query).await;
    assert_eq!(
        reply.json["data"]["__schema"]["queryType"]["name"],
        "Query",
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_told_so() {
    let mut config = Config::default();
    config.server.request_timeout_ms = 100;
    let toy = Toy::with(&config);
    assert_eq!(toy.query("{wait(ms:1)}").await.status, 200);
    let reply = toy.query("{wait(ms:5000)}").await;
    reply.refused(504, "DEADLINE_EXCEEDED");
    assert_eq!(reply.json["errors"][0]["extensions"]["retryable"], true);
    assert!(!reply.header("x-request-id").is_empty());

    let never = Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let request = Request::post("/graphql")
        .header(header::CONTENT_TYPE, OLD)
        .body(never)
        .unwrap();
    toy.send(request).await.refused(504, "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn a_panic_is_answered_and_the_server_lives() {
    let toy = Toy::new();
    let reply = toy.query("{panic}").await;
    reply.refused(500, "INTERNAL");
    assert!(!reply.text().contains("hunter2"));
    assert_eq!(
        reply.json["errors"][0]["extensions"]["requestId"],
        reply.header("x-request-id")
    );
    assert_eq!(toy.query("{nullable}").await.status, 200);
}

#[tokio::test]
async fn a_request_id_is_made_or_taken() {
    let toy = Toy::new();
    let ask = async |id: Option<&str>| {
        let mut request = Request::get("/graphql?query=%7BrequestId%7D");
        if let Some(id) = id {
            request = request.header("x-request-id", id);
        }
        let reply = toy.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(reply.json["data"]["requestId"], reply.header("x-request-id"));
        reply.header("x-request-id").to_owned()
    };
    assert_eq!(ask(Some("trace-1/a")).await, "trace-1/a");
    assert_eq!(ask(None).await.len(), 32);
    assert_ne!(ask(None).await, ask(None).await);
    assert_eq!(ask(Some("a b")).await.len(), 32);
    assert_eq!(ask(Some(&"x".repeat(500))).await.len(), 32);
}

#[tokio::test]
async fn pages_of_configured_origins_may_read() {
    let mut config = Config::default();
    config.server.cors_allowed_origins = vec!["https://a.example".to_owned()];
    let toy = Toy::with(&config);
    let preflight = async |origin: &str| {
        let request = Request::options("/graphql")
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type");
        toy.send(request.body(Body::empty()).unwrap()).await
    };
    let reply = preflight("https://a.example").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "https://a.example");
    assert!(
        reply
            .header(header::ACCESS_CONTROL_ALLOW_HEADERS)
            .contains("content-type")
    );
    assert_eq!(
        preflight("https://b.example")
            .await
            .header(header::ACCESS_CONTROL_ALLOW_ORIGIN),
        ""
    );

    let request = Request::get("/graphql?query=%7Bnullable%7D").header(header::ORIGIN, "https://a.example");
    let reply = toy.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(reply.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "https://a.example");

    let closed = Toy::new();
    let request = Request::get("/graphql?query=%7Bnullable%7D").header(header::ORIGIN, "https://a.example");
    assert_eq!(
        closed
            .send(request.body(Body::empty()).unwrap())
            .await
            .header(header::ACCESS_CONTROL_ALLOW_ORIGIN),
        ""
    );
}

#[tokio::test]
async fn big_answers_are_compressed_for_who_accepts_it() {
    let toy = Toy::new();
    let ask = async |length: usize, encoding: &str| {
        let request = Request::get(format!("/graphql?query=%7Btext(length:{length})%7D"))
            .header(header::ACCEPT_ENCODING, encoding);
        toy.send(request.body(Body::empty()).unwrap()).await
    };
    let reply = ask(12_000, "gzip").await;
    assert_eq!(reply.header(header::CONTENT_ENCODING), "gzip");
    assert!(reply.bytes.len() < 1_000);
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&reply.bytes[..]), &mut text).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap()["data"]["text"]
            .as_str()
            .unwrap()
            .len(),
        12_000
    );
    assert_eq!(ask(12_000, "identity").await.header(header::CONTENT_ENCODING), "");
    assert_eq!(ask(12, "gzip").await.header(header::CONTENT_ENCODING), "");
}

#[tokio::test]
async fn health_says_alive_and_readiness_says_why_not() {
    let toy = Toy::new();
    let reply = toy.send(Request::get("/healthz").body(Body::empty()).unwrap()).await;
    assert_eq!((reply.status.as_u16(), &reply.json), (200, &json!({"status": "alive"})));
    let reply = toy.send(Request::get("/readyz").body(Body::empty()).unwrap()).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.json),
        (
            503,
            &json!({"status": "not ready", "reason": "the migration m2 is pending"})
        )
    );
}

/// A server on a free port, and the task that it runs in.
async fn started(grace_ms: u64) -> (String, tokio::sync::mpsc::Sender<()>, tokio::task::JoinHandle<Ended>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    let (stop, shutdown) = Shutdown::by_hand();
    let grace = Duration::from_millis(grace_ms);
    let patience = Patience::of(&Config::default().server);
    let serving = async move { serve(listener, Toy::new().router, patience, grace, shutdown).await };
    (url, stop, tokio::spawn(serving))
}

/// Asks for an answer that takes as long, and lets the request arrive.
async fn asking(url: &str, ms: u64) -> tokio::task::JoinHandle<reqwest::Result<reqwest::Response>> {
    let asked = tokio::spawn(reqwest::get(format!("{url}?query=%7Bwait(ms:{ms})%7D")));
    tokio::time::sleep(Duration::from_millis(200)).await;
    asked
}

#[tokio::test]
async fn a_server_that_is_asked_to_stop_answers_what_is_under_way() {
    let (url, stop, server) = started(5_000).await;
    let asked = asking(&url, 600).await;
    stop.send(()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(reqwest::get(&url).await.is_err());
    assert_eq!(asked.await.unwrap().unwrap().status(), 200);
    assert_eq!(server.await.unwrap(), Ended::Gracefully);
}

#[tokio::test]
async fn a_server_does_not_wait_longer_than_its_grace() {
    let (url, stop, server) = started(100).await;
    let _asked = asking(&url, 20_000).await;
    stop.send(()).await.unwrap();
    assert_eq!(server.await.unwrap(), Ended::GraceOver);
}

#[tokio::test]
async fn a_server_that_is_asked_twice_stops_at_once() {
    let (url, stop, server) = started(20_000).await;
    let _asked = asking(&url, 20_000).await;
    stop.send(()).await.unwrap();
    stop.send(()).await.unwrap();
    assert_eq!(server.await.unwrap(), Ended::AtOnce);
}

#[tokio::test]
async fn a_refused_upload_still_gets_to_read_why() {
    let (url, _stop, _server) = started(0).await;
    let client = reqwest::Client::new();
    let upload = client
        .post(&url)
        .header("content-type", "application/json")
        .body(vec![b' '; 100 * 1024 * 1024]);
    let reply = upload.send().await.unwrap();
    assert_eq!(reply.status(), 413);
    let json: Value = reply.json().await.unwrap();
    assert_eq!(json["errors"][0]["extensions"]["code"], "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn a_path_with_nothing_at_it_says_what_there_is() {
    let reply = Toy::new()
        .send(Request::get("/graphq").body(Body::empty()).unwrap())
        .await;
    reply.refused(404, "NOT_FOUND");
}
