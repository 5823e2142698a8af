//! `heirloom check`: whether a store is as it should be, and what is wrong with it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use heirloom::config::Config;
use heirloom::service::check::{Finding, Told, check};
use heirloom::store::Store;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::database;
use super::output::say;

/// What to say of it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print everything that is wrong, not only the first of it.
    #[arg(long, short)]
    verbose: bool,
}

/// What is printed without `--verbose`.
const PRINTED: u64 = 20;

/// Checks. It brings nothing up to date, so that what is wrong stays as it was found.
pub async fn run(config: &Config, arguments: &Arguments) -> Result<ExitCode> {
    let store = database::open_existing(config).await?;
    database::closing(&store, tell(&store, arguments)).await
}

async fn tell(store: &Store, arguments: &Arguments) -> Result<ExitCode> {
    let mut report = Report {
        progress: progress(),
        is_verbose: arguments.verbose,
        rows: 0,
        found: 0,
    };
    let checked = check(store, |told| report.hear(told)).await;
    report.progress.finish_and_clear();
    report.finish();
    let revision = checked?;
    say(format_args!(
        "{} rows as of revision {revision}: {}",
        HumanCount(report.rows),
        match report.found {
            0 => "all is as it should be".to_owned(),
            1 => "1 thing is wrong".to_owned(),
            many => format!("{} things are wrong", HumanCount(many)),
        }
    ));
    Ok(if report.found == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

struct Report {
    progress: ProgressBar,
    is_verbose: bool,
    rows: u64,
    found: u64,
}

impl Report {
    fn hear(&mut self, told: Told) {
        match told {
            Told::Begun(what) => self.progress.set_message(what),
            Told::Rows(rows) => {
                self.rows += u64::try_from(rows).unwrap_or(0);
                self.progress.set_position(self.rows);
            }
            Told::Found(finding) => self.print(&finding),
        }
    }

    fn print(&mut self, Finding { check, row, right }: &Finding) {
        self.found += 1;
        if self.is_verbose || self.found <= PRINTED {
            self.progress.suspend(|| say(format_args!("{check}: {row}: {right}")));
        }
    }

    fn finish(&self) {
        let hidden = self.found.saturating_sub(PRINTED);
        if hidden > 0 && !self.is_verbose {
            say(format_args!("… and {hidden} more: --verbose prints them all"));
        }
    }
}

fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {human_pos} rows; {msg}");
    let bar = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
