//! The program: reads the command line and does what it says.

mod cli;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command_line = cli::CommandLine::parse();
    if command_line.gives_way() {
        // Before the first of its threads is there.
        cli::priority::give_way();
    }
    let runtime = match Builder::new_multi_thread()
        .worker_threads(workers())
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return cli::complain(&error.into()),
    };
    match runtime.block_on(cli::run(command_line)) {
        Ok(code) => code,
        Err(error) => cli::complain(&error),
    }
}

/// Half of the processors: the other half belongs to the database, whose statements run on the driver's own threads (SQLite) or
/// in a process beside (PostgreSQL), and to what is large, which has threads of its own. With a worker for each processor, a third of a
/// small request's time goes into waking them.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(2))
}
