//! The service as a process of its own.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{client, cpu};

pub struct Server {
    child: Child,
    pub address: String,
    /// PostgreSQL's first process, whose children do the work.
    postmaster: Option<u32>,
}

impl Server {
    pub fn start(url: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let child = Command::new(env!("CARGO_BIN_EXE_heirloom"))
            .args(["serve", "--database", url, "--listen", &address])
            .env("HEIRLOOM_TELEMETRY_FILTER", "warn")
            .env("HEIRLOOM_LIMITS_COMPLEXITY", "100000000")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            child,
            address,
            postmaster: url.starts_with("postgres").then(postmaster),
        };
        let begin = Instant::now();
        while client::get(&server.address, "/readyz").is_none_or(|status| status != 200) {
            assert!(begin.elapsed() < Duration::from_secs(30), "the server is not ready");
            std::thread::yield_now();
        }
        server
    }

    /// Seconds of CPU time of the server and its database.
    pub fn cpu(&self) -> f64 {
        cpu::of_process(self.child.id()) + self.postmaster.map_or(0.0, cpu::of_children)
    }

    pub fn resident_megabytes(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process whose children are PostgreSQL's backends: found by name, so run one server at a time.
fn postmaster() -> u32 {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_postgres =
        |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|c| c.trim() == "postgres");
    let roots = pids.filter(|&pid| is_postgres(pid) && !cpu::parent_of(pid).is_some_and(is_postgres));
    roots.min().expect("a PostgreSQL server runs on this machine")
}
