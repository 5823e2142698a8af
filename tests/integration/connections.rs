//! Connections: how long one may go without a request, and what becomes of it when the server ends.

use std::process::Command;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use heirloom::http::connections::Patience;
use heirloom::server::{Ended, Shutdown, serve};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::support::process::{Server, heirloom};
use crate::toy::Toy;

/// What is over soon.
const SHORT: Duration = Duration::from_millis(300);
/// What is not over while a test runs.
const LONG: Duration = Duration::from_secs(600);
/// How long a test waits for what is to happen soon.
const PATIENCE: Duration = Duration::from_secs(20);

const WHOLE: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

/// A server of the toy schema on a free port.
struct Running {
    address: std::net::SocketAddr,
    stop: mpsc::Sender<()>,
    server: JoinHandle<Ended>,
}

async fn running(head: Duration, idle: Duration) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, shutdown) = Shutdown::by_hand();
    let serving = async move { serve(listener, Toy::new().router, Patience { head, idle }, LONG, shutdown).await };
    Running {
        address,
        stop,
        server: tokio::spawn(serving),
    }
}

impl Running {
    /// A new connection on which this is sent.
    async fn sending(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// A new connection that has had an answer.
    async fn answered(&self) -> TcpStream {
        let mut stream = self.sending(WHOLE).await;
        assert!(answer(&mut stream).await.contains("alive"));
        stream
    }
}

/// What comes next on a connection.
async fn answer(stream: &mut TcpStream) -> String {
    let mut buffer = vec![0; 65_536];
    let length = timeout(PATIENCE, stream.read(&mut buffer))
        .await
        .expect("no answer came")
        .unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// All that comes until the server closes the connection, and how long that took.
async fn until_closed(stream: &mut TcpStream) -> (Vec<u8>, Duration) {
    let begun = Instant::now();
    let mut all = Vec::new();
    // A connection that is closed before all was read of it is reset.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut all))
        .await
        .expect("the connection stays open");
    (all, begun.elapsed())
}

#[tokio::test]
async fn a_connection_on_which_no_head_comes_to_its_end_is_closed() {
    let server = running(SHORT, LONG).await;
    for begun in [
        "",
        "G",
        "GET /he",
        "GET /healthz HTTP/1.1\r\nhost: x\r\n",
        "PRI",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = server.sending(begun).await;
        let (_, elapsed) = until_closed(&mut stream).await;
        assert!(elapsed >= SHORT / 2, "{begun:?} is closed after {elapsed:?}");
    }
    server.answered().await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_has_no_more_time() {
    let server = running(SHORT, LONG).await;
    let mut stream = server.sending("GET /").await;
    let begun = Instant::now();
    while stream.write_all(b"x").await.is_ok() {
        assert!(begun.elapsed() < PATIENCE, "the connection stays open");
        sleep(SHORT / 10).await;
    }
}

#[tokio::test]
async fn the_head_of_a_second_request_has_no_more_time_than_the_first() {
    let server = running(SHORT, LONG).await;
    let mut stream = server.answered().await;
    sleep(SHORT * 2).await;
    stream.write_all(b"GET /he").await.unwrap();
    let (_, elapsed) = until_closed(&mut stream).await;
    assert!(elapsed >= SHORT / 2, "closed after {elapsed:?}");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = running(LONG, SHORT).await;
    let mut stream = server.answered().await;
    let (_, elapsed) = until_closed(&mut stream).await;
    assert!(elapsed >= SHORT / 2, "closed after {elapsed:?}");
}

#[tokio::test]
async fn a_connection_that_is_used_stays_open() {
    let server = running(SHORT, SHORT).await;
    let mut stream = server.answered().await;
    for _ in 0..5 {
        sleep(SHORT / 3).await;
        stream.write_all(WHOLE.as_bytes()).await.unwrap();
        assert!(answer(&mut stream).await.contains("alive"));
    }
    let slow = "GET /graphql?query=%7Bwait(ms:1000)%7D HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(slow.as_bytes()).await.unwrap();
    assert!(answer(&mut stream).await.contains("1000"), "an answer may take longer");
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 22\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    sleep(SHORT * 2).await;
    stream.write_all(br#"{"query":"{nullable}"}"#).await.unwrap();
    assert!(answer(&mut stream).await.contains("-1"), "a body may take longer");
}

/// A client of HTTP/2 without TLS.
async fn http2(
    server: &Running,
) -> (
    hyper::client::conn::http2::SendRequest<Body>,
    JoinHandle<hyper::Result<()>>,
) {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    (client, tokio::spawn(connection))
}

async fn ends_gracefully(server: JoinHandle<Ended>) {
    let ended = timeout(PATIENCE, server).await.unwrap().unwrap();
    assert_eq!(ended, Ended::Gracefully);
}

fn asking(address: std::net::SocketAddr, ms: u64) -> Request<Body> {
    asking_for(address, &format!("wait(ms:{ms})"))
}

fn asking_for(address: std::net::SocketAddr, field: &str) -> Request<Body> {
    let uri = format!("http://{address}/graphql?query=%7B{field}%7D");
    Request::get(uri).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn http_2_is_spoken_too_and_its_connections_are_closed_when_they_are_idle() {
    let server = running(SHORT, SHORT).await;
    let (mut client, connection) = http2(&server).await;
    for ms in [1, 1_000, 1] {
        let mut other = client.clone();
        let (one, two) = tokio::join!(
            client.send_request(asking(server.address, ms)),
            other.send_request(asking(server.address, ms))
        );
        for response in [one.unwrap(), two.unwrap()] {
            assert_eq!(response.status(), 200);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(String::from_utf8_lossy(&body).contains(&ms.to_string()));
        }
        sleep(SHORT / 3).await;
    }
    timeout(PATIENCE, connection)
        .await
        .expect("the connection stays open")
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_server_that_stops_closes_connections_without_a_request_at_once() {
    let server = running(LONG, LONG).await;
    let mut open = vec![server.answered().await];
    for begun in [
        "",
        "G",
        "GET /he",
        "GET /healthz HTTP/1.1\r\nhost: x\r\n",
        "PRI",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        open.push(server.sending(begun).await);
    }
    let mut half = server.answered().await;
    half.write_all(b"GET /he").await.unwrap();
    open.push(half);
    let (_client, connection) = http2(&server).await;
    sleep(Duration::from_millis(100)).await;
    server.stop.send(()).await.unwrap();
    let ended = timeout(PATIENCE, server.server)
        .await
        .expect("the server waits for them")
        .unwrap();
    assert_eq!(ended, Ended::Gracefully);
    for mut stream in open {
        until_closed(&mut stream).await;
    }
    let _ = timeout(PATIENCE, connection).await.expect("the connection stays open");
}

#[tokio::test]
async fn a_server_that_stops_sends_the_answers_that_are_under_way_to_their_last_byte() {
    let server = running(LONG, LONG).await;
    let (mut client, _connection) = http2(&server).await;
    let slow = tokio::spawn(client.send_request(asking(server.address, 500)));
    let mut waiting = server
        .sending("GET /graphql?query=%7Bwait(ms:500)%7D HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    // More than the buffers between hold; it is read only after the server was asked to stop.
    let length = 24_000_000;
    let large = format!("GET /graphql?query=%7Btext(length:{length})%7D HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut large = server.sending(&large).await;
    sleep(Duration::from_millis(300)).await;
    server.stop.send(()).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "no new connection is taken"
    );
    let (all, _) = until_closed(&mut large).await;
    assert!(all.len() > length && all.ends_with(b"}}"), "{} bytes came", all.len());
    assert!(String::from_utf8_lossy(&until_closed(&mut waiting).await.0).contains("500"));
    let response = slow.await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&response.into_body().collect().await.unwrap().to_bytes()).contains("500"));
    ends_gracefully(server.server).await;
}

#[tokio::test]
async fn a_server_that_stops_sends_what_a_window_of_http_2_has_held_back() {
    let server = running(LONG, LONG).await;
    let (mut client, _connection) = http2(&server).await;
    // More than a window of the client lets through before it reads.
    let length = 24_000_000;
    let request = asking_for(server.address, &format!("text(length:{length})"));
    let response = client.send_request(request).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    server.stop.send(()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let all = timeout(PATIENCE, response.into_body().collect()).await.unwrap();
    let all = all.expect("the answer is cut off").to_bytes();
    assert!(all.len() > length && all.ends_with(b"}}"), "{} bytes came", all.len());
    ends_gracefully(server.server).await;
}

#[tokio::test]
async fn a_client_that_takes_its_answer_slowly_has_all_of_it() {
    let server = running(LONG, SHORT).await;
    // The buffers between are small, and some of it comes within the time: but not much.
    let length = 2_000_000;
    let large =
        format!("GET /graphql?query=%7Btext(length:{length})%7D HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut slow = socket.connect(server.address).await.unwrap();
    slow.write_all(large.as_bytes()).await.unwrap();
    let (mut came, mut buffer, begun) = (0, vec![0; 40_000], Instant::now());
    loop {
        sleep(SHORT / 10).await;
        let some = timeout(PATIENCE, slow.read(&mut buffer)).await.unwrap();
        let some = some.unwrap_or_else(|error| panic!("cut off after {came} bytes: {error}"));
        if some == 0 {
            break;
        }
        came += some;
    }
    assert!(came > length, "cut off after {came} bytes");
    assert!(
        begun.elapsed() > SHORT * 3,
        "it was all there at once, and nothing was tested"
    );
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_not_waited_for() {
    let server = running(LONG, SHORT).await;
    // More than the buffers between hold.
    let length = 24_000_000;
    let large = format!("GET /graphql?query=%7Btext(length:{length})%7D HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut idle = server.sending(&large).await;
    // A window that lets nothing through.
    let stream = TcpStream::connect(server.address).await.unwrap();
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let shut = builder.initial_stream_window_size(0);
    let (mut client, connection) = shut.handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = asking_for(server.address, &format!("text(length:{length})"));
    let untaken = client.send_request(request).await.unwrap();
    // One that takes its time, but takes something now and then, has all of it.
    let mut slow = server.sending(&large).await;
    let mut came = 0;
    let mut buffer = vec![0; 3_000_000];
    let begun = Instant::now();
    while came < length {
        sleep(SHORT / 4).await;
        let some = timeout(PATIENCE, slow.read(&mut buffer)).await.unwrap().unwrap();
        assert!(some > 0, "the connection was closed after {came} bytes");
        came += some;
    }
    assert!(
        begun.elapsed() > SHORT * 2,
        "it was all there at once, and nothing was tested"
    );
    let (all, _) = until_closed(&mut idle).await;
    assert!(all.len() < length, "all of it came");
    let _ = timeout(PATIENCE, connection).await.expect("the connection stays open");
    drop(untaken);
    // A request that takes longer than that is waited for.
    let mut waiting = server
        .sending("GET /graphql?query=%7Bwait(ms:900)%7D HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    assert!(answer(&mut waiting).await.contains("900"));
}

#[tokio::test]
async fn connections_that_say_nothing_lock_nobody_out_for_long() {
    let directory = tempfile::tempdir().unwrap();
    let program = heirloom(&["serve"]);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args(program.get_args())
        .env(
            "HEIRLOOM_DATABASE_URL",
            format!("sqlite:{}", directory.path().join("store.sqlite").display()),
        )
        .env("HEIRLOOM_SERVER_HEAD_TIMEOUT_MS", "1500");
    let server = Server::started(limited);
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(&address).await.unwrap());
    }
    let begun = Instant::now();
    let answer = timeout(PATIENCE, reqwest::get(format!("{}/healthz", server.url))).await;
    assert_eq!(answer.expect("nobody answers").unwrap().status(), 200);
    assert!(
        begun.elapsed() > Duration::from_millis(200),
        "there were descriptors left, and nothing was tested"
    );
    let log = server.log();
    let lines = log.matches("connections cannot be taken").count();
    assert!((1..=3).contains(&lines), "{lines} lines in {log}");
    drop(silent);
}
