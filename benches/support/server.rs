//! The service as a process of its own.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{client, cpu, postgres};

pub struct Server {
    child: Child,
    pub address: String,
    /// PostgreSQL's first process, whose children do the work, and what they had done before.
    postmaster: Option<(u32, f64)>,
}

/// Seconds of CPU time.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    pub server: f64,
    /// Of PostgreSQL; SQLite is part of the server.
    pub database: f64,
}

impl Cpu {
    /// What was added since an earlier reading.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            server: self.server - earlier.server,
            database: self.database - earlier.database,
        }
    }

    /// For one of many requests.
    pub fn each(self, of: f64) -> Self {
        Self {
            server: self.server / of,
            database: self.database / of,
        }
    }

    pub fn total(self) -> f64 {
        self.server + self.database
    }
}

impl Server {
    /// Starts the service, and waits until it is ready.
    pub fn start(runtime: &tokio::runtime::Runtime, url: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let postmaster = url
            .starts_with("postgres")
            .then(|| runtime.block_on(postgres::postmaster(url)))
            .map(|pid| (pid, cpu::of_children(pid)));
        let child = Command::new(env!("CARGO_BIN_EXE_heirloom"))
            .args(["serve", "--database", url, "--listen", &address])
            .env("HEIRLOOM_TELEMETRY_FILTER", "warn")
            .env("HEIRLOOM_LIMITS_COMPLEXITY", "100000000")
            .env("HEIRLOOM_SERVER_REQUEST_TIMEOUT_MS", "300000")
            .env("HEIRLOOM_SERVER_SHUTDOWN_GRACE_MS", "300000")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            child,
            address,
            postmaster,
        };
        let begin = Instant::now();
        while client::get(&server.address, "/readyz").is_none_or(|status| status != 200) {
            assert!(begin.elapsed() < Duration::from_secs(300), "the server is not ready");
            std::thread::yield_now();
        }
        server
    }

    /// The CPU time that the server and its database have had since the server was started.
    pub fn cpu(&self) -> Cpu {
        Cpu {
            server: cpu::of_process(self.pid()),
            database: self
                .postmaster
                .map_or(0.0, |(pid, before)| cpu::of_children(pid) - before),
        }
    }

    /// Waits until it has nothing more to do by itself: after the start it reads the whole graph into memory.
    pub fn settle(&self, runtime: &tokio::runtime::Runtime) {
        let begin = Instant::now();
        loop {
            let before = self.cpu().server;
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(500)).await });
            if self.cpu().server - before < 0.02 {
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(300), "the server is still busy");
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn resident_megabytes(&self) -> f64 {
        cpu::megabytes(self.pid(), "VmRSS")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
