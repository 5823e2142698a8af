//! The program: reads the command line and does what it says.

mod cli;

use std::process::ExitCode;

use clap::Parser;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command_line = cli::CommandLine::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cli::complain(&error.into()),
    };
    match runtime.block_on(cli::run(command_line)) {
        Ok(code) => code,
        Err(error) => cli::complain(&error),
    }
}
