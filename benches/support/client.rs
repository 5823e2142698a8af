//! One caller over one connection that stays open.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::server::{Cpu, Server};

pub struct Measure {
    /// CPU time a request.
    pub cpu: Cpu,
    /// Seconds that half of the requests took at most.
    pub p50: f64,
    /// Seconds that 99 of 100 took at most.
    pub p99: f64,
}

/// Sends requests in turn, after a warm-up, for some time.
pub fn measure(server: &Server, requests: &[Vec<u8>], time: Duration) -> Measure {
    let mut connection = Connection::open(&server.address);
    let mut next = requests.iter().cycle();
    let begin = Instant::now();
    for _ in 0..20.max(requests.len()) {
        connection.exchange(next.next().unwrap());
        if begin.elapsed() > time {
            break;
        }
    }
    let (before, begin, mut latencies) = (server.cpu(), Instant::now(), Vec::new());
    while begin.elapsed() < time {
        let sent = Instant::now();
        connection.exchange(next.next().unwrap());
        latencies.push(sent.elapsed().as_secs_f64());
    }
    let cpu = server.cpu().since(before).each(latencies.len() as f64);
    latencies.sort_by(f64::total_cmp);
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    Measure {
        cpu,
        p50: at(0.5),
        p99: at(0.99),
    }
}

/// A request of a document.
pub fn request(address: &str, document: &str, variables: &serde_json::Value) -> Vec<u8> {
    let body = serde_json::json!({ "query": document, "variables": variables }).to_string();
    post(address, "/graphql", &body)
}

/// A request with a body of JSON.
pub fn post(address: &str, path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\naccept: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The status of a GET, if somebody answers.
pub fn get(address: &str, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    line.split(' ').nth(1)?.parse().ok()
}

pub struct Connection(BufReader<TcpStream>);

impl Connection {
    pub fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::with_capacity(1 << 16, stream))
    }

    /// Sends a request and reads the body of its answer.
    pub fn exchange(&mut self, request: &[u8]) -> Vec<u8> {
        self.0.get_mut().write_all(request).unwrap();
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            chunked |= line.eq_ignore_ascii_case("transfer-encoding: chunked");
        }
        let mut body = Vec::new();
        loop {
            if chunked {
                length = usize::from_str_radix(&self.line(), 16).unwrap();
            }
            let from = body.len();
            body.resize(from + length, 0);
            self.0.read_exact(&mut body[from..]).unwrap();
            if chunked {
                self.line();
            }
            if !chunked || length == 0 {
                return body;
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}
