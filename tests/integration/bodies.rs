//! Bodies of requests: compressed or not, whole or not, and never larger than the limit.

use std::io::Write;

use axum::{
    body::{Body, Bytes},
    http::{Request, header},
};
use flate2::{Compression, write::GzEncoder};
use futures_util::{StreamExt, stream};
use heirloom::config::Config;
use serde_json::json;

use crate::toy::{Reply, Toy};

const QUERY: &[u8] = br#"{"query":"{nullable(n:4)}"}"#;

/// A gzip member.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn send(toy: &Toy, encodings: &[&str], body: impl Into<Body>) -> Reply {
    let mut request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
    for encoding in encodings {
        request = request.header(header::CONTENT_ENCODING, *encoding);
    }
    toy.send(request.body(body.into()).unwrap()).await
}

fn limited(bytes: usize) -> Toy {
    let mut config = Config::default();
    config.server.body_limit_bytes = bytes;
    Toy::with(&config)
}

#[tokio::test]
async fn a_body_may_be_gzip() {
    let toy = Toy::new();
    let expected = json!({"data": {"nullable": 4}});
    for encodings in [
        &["gzip"][..],
        &["GZIP"],
        &["x-gzip"],
        &["gzip, identity"],
        &["identity", "gzip"],
    ] {
        let reply = send(&toy, encodings, gzip(QUERY)).await;
        assert_eq!((reply.status.as_u16(), &reply.json), (200, &expected), "{encodings:?}");
    }
    for encodings in [&["identity"][..], &[""]] {
        assert_eq!(
            send(&toy, encodings, QUERY.to_vec()).await.json,
            expected,
            "{encodings:?}"
        );
    }
    let (one, two) = QUERY.split_at(9);
    let members = [gzip(one), gzip(b""), gzip(two)].concat();
    assert_eq!(
        send(&toy, &["gzip"], members).await.json,
        expected,
        "members follow each other"
    );
    let bytes: Vec<Result<Bytes, std::io::Error>> = gzip(QUERY)
        .into_iter()
        .map(|byte| Ok(Bytes::from(vec![byte])))
        .collect();
    let trickle = Body::from_stream(stream::iter(bytes));
    assert_eq!(send(&toy, &["gzip"], trickle).await.json, expected, "a byte at a time");
}

#[tokio::test]
async fn another_encoding_is_told_which_there_are() {
    let toy = Toy::new();
    for encodings in [
        &["br"][..],
        &["deflate"],
        &["zstd"],
        &["gzip, gzip"],
        &["gzip", "br"],
        &["nonsense"],
        &["*"],
    ] {
        let reply = send(&toy, encodings, QUERY.to_vec()).await;
        reply.refused(415, "BAD_USER_INPUT");
        assert_eq!(reply.header(header::ACCEPT_ENCODING), "gzip, identity", "{encodings:?}");
        assert!(reply.text().contains("gzip"), "{}", reply.text());
    }
}

#[tokio::test]
async fn gzip_that_is_damaged_is_refused_in_a_sentence() {
    let toy = Toy::new();
    let whole = gzip(QUERY);
    for length in 0..whole.len() {
        let reply = send(&toy, &["gzip"], whole[..length].to_vec()).await;
        reply.refused(400, "BAD_USER_INPUT");
        assert!(
            reply.text().contains("cannot be unpacked"),
            "{length}: {}",
            reply.text()
        );
    }
    for at in (0..whole.len()).filter(|at| !(3..10).contains(at)) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        let reply = send(&toy, &["gzip"], damaged).await;
        assert_eq!(reply.status, 400, "byte {at}: {}", reply.text());
    }
    for wrong in [QUERY.to_vec(), [whole.clone(), b"more".to_vec()].concat()] {
        send(&toy, &["gzip"], wrong).await.refused(400, "BAD_USER_INPUT");
    }
    assert_eq!(send(&toy, &["gzip"], whole).await.status, 200);
}

#[tokio::test]
async fn what_would_grow_beyond_the_limit_is_refused_before_it_does() {
    let toy = limited(100_000);
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 100_000);
    let reply = send(&toy, &["gzip"], bomb).await;
    reply.refused(413, "LIMIT_EXCEEDED");
    assert!(reply.text().contains("server.body_limit_bytes"), "{}", reply.text());
    let empty: Vec<u8> = gzip(b"").repeat(10_000);
    send(&toy, &["gzip"], empty.clone())
        .await
        .refused(413, "LIMIT_EXCEEDED");
    let chunks: Vec<Result<Bytes, std::io::Error>> =
        empty.chunks(1_000).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
    send(&toy, &["gzip"], Body::from_stream(stream::iter(chunks)))
        .await
        .refused(413, "LIMIT_EXCEEDED");
    let padded = |length: usize| gzip(&[QUERY, &vec![b' '; length - QUERY.len()]].concat());
    assert_eq!(
        send(&toy, &["gzip"], padded(100_000)).await.status,
        200,
        "exactly as large as allowed"
    );
    send(&toy, &["gzip"], padded(100_001))
        .await
        .refused(413, "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn all_bodies_together_have_a_limit_too() {
    let mut config = Config::default();
    config.server.body_limit_bytes = 1_000;
    config.server.body_room_bytes = 1_500;
    let toy = std::sync::Arc::new(Toy::with(&config));
    let padded = [QUERY, &vec![b' '; 900 - QUERY.len()]].concat();
    let (arrived, arrival) = tokio::sync::oneshot::channel();
    let (go_on, gone_on) = tokio::sync::oneshot::channel::<()>();
    // Its bytes are there, but its end is not.
    let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from(padded.clone()))]);
    let last = stream::once(async move {
        arrived.send(()).unwrap();
        gone_on.await.unwrap();
        Ok(Bytes::new())
    });
    let slow = tokio::spawn({
        let toy = std::sync::Arc::clone(&toy);
        async move { send(&toy, &[], Body::from_stream(first.chain(last))).await }
    });
    arrival.await.unwrap();
    for (encodings, body) in [(&[][..], padded.clone()), (&["gzip"], gzip(&padded))] {
        let reply = send(&toy, encodings, body).await;
        reply.refused(503, "UNAVAILABLE");
        assert!(!reply.header(header::RETRY_AFTER).is_empty());
        assert!(reply.text().contains("try again"), "{}", reply.text());
    }
    assert_eq!(
        send(&toy, &[], QUERY.to_vec()).await.status,
        200,
        "a small one finds room"
    );
    go_on.send(()).unwrap();
    assert_eq!(slow.await.unwrap().status, 200);
    assert_eq!(send(&toy, &[], padded).await.status, 200, "room is given back");
}

#[test]
fn room_for_less_than_one_body_is_no_configuration() {
    let environment = [("HEIRLOOM_SERVER_BODY_ROOM_BYTES".to_owned(), "1000".to_owned())];
    let error = Config::load(None, environment, &[]).unwrap_err().to_string();
    assert!(
        error.contains("server.body_room_bytes is 1000, but must be at least 67108864"),
        "{error}"
    );
}
