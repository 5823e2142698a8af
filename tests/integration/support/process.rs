//! The real program, as a process of its own.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use serde_json::{Value, json};

/// How long a process may take to say where it listens, or to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a process may take to its end: less than a test may, so that the test says what it waited for.
const LIFETIME: Duration = Duration::from_secs(200);

/// The program with these arguments, with nothing of the environment's settings.
pub fn heirloom(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heirloom"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HEIRLOOM_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub fn run(arguments: &[&str]) -> Output {
    run_command(heirloom(arguments))
}

/// Runs a command to its end.
pub fn run_command(mut command: Command) -> Output {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let started = command.spawn();
    ended(started.unwrap_or_else(|error| panic!("{} does not start: {error}", command.get_program().display())))
}

/// Waits until a process has ended.
pub fn ended(child: Child) -> Output {
    watched(child.id(), || child.wait_with_output()).unwrap()
}

/// Waits for a process. One that does not end is killed, and the test fails and says what its threads were doing.
fn watched<T>(id: u32, wait: impl FnOnce() -> T) -> T {
    let (done, is_done) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let is_late = is_done.recv_timeout(LIFETIME) == Err(mpsc::RecvTimeoutError::Timeout);
        is_late.then(|| {
            let threads = threads_of(id);
            let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
            threads
        })
    });
    let waited = wait();
    drop(done);
    if let Some(threads) = watch.join().unwrap() {
        panic!("process {id} has not ended after {LIFETIME:?}: {threads}");
    }
    waited
}

/// What a process was started with, and what each of its threads waits for, where the system tells.
pub fn threads_of(id: u32) -> String {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default().replace('\0', " ");
    let mut text = read(&format!("/proc/{id}/cmdline"));
    for thread in fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten() {
        let of = |file: &str| read(&thread.path().join(file).to_string_lossy()).trim().to_owned();
        let (name, waits, call) = (of("comm"), of("wchan"), of("syscall"));
        write!(text, "\n{name}: {waits}, call {call}").unwrap();
    }
    text
}

/// A server that listens; killed when it is dropped.
pub struct Server {
    child: Child,
    /// Such as `http://127.0.0.1:8080`.
    pub url: String,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Starts `heirloom serve` or `heirloom demo` on a free port, and waits until it listens.
    pub fn start(arguments: &[&str]) -> Self {
        Self::started(heirloom(arguments))
    }

    /// The same, started by a command that becomes the program.
    pub fn started(mut command: Command) -> Self {
        command
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (found, listening) = mpsc::channel();
        let (lines, copy) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if let Some(at) = line.find("listening on http://") {
                    let url = line[at + "listening on ".len()..]
                        .split_whitespace()
                        .next()
                        .unwrap_or_default();
                    let url = url.trim_end_matches('/');
                    // Nobody waits for a second one.
                    let _ = found.send(url.to_owned());
                }
                copy.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        let url = listening.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let _ = child.kill();
            panic!("the server does not listen: {}", log.lock().unwrap())
        });
        Self { child, url, log }
    }

    /// Runs an operation.
    pub async fn query(&self, query: &str, variables: Value) -> Value {
        let body = json!({"query": query, "variables": variables});
        let sent = reqwest::Client::new()
            .post(format!("{}/graphql", self.url))
            .timeout(PATIENCE)
            .json(&body)
            .send()
            .await;
        sent.unwrap().json().await.unwrap()
    }

    /// Ingests records. Answers all that is said, with the number of those that were applied.
    pub async fn ingest(&self, records: &[Value]) -> Value {
        let ingest = "mutation($records: [RecordInput!]!) { ingest(records: $records) { applied } }";
        self.query(ingest, json!({"records": records})).await
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end as Ctrl-C does, and waits; whether it ended with success.
    pub fn stop(mut self) -> bool {
        let status = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
        watched(self.child.id(), || self.child.wait()).unwrap().success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a pipe holds, as a text.
pub fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut reader = bytes;
    reader.read_to_string(&mut text).unwrap();
    text
}
