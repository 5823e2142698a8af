//! How far a long command is: a bar on a terminal; elsewhere, such as in the log of a job, a line every ten seconds.

use std::fmt;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

/// How often a line is written where there is no terminal.
const PACE: Duration = Duration::from_secs(10);

/// How much is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Records, or whatever is counted.
    pub records: u64,
    /// Records that were rejected.
    pub rejected: u64,
    /// The bytes that they take in the files, as they lie there.
    pub bytes: u64,
}

/// Somebody who is told.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// Whether lines are written, for want of a terminal.
    writes_lines: bool,
    /// What is counted.
    noun: &'static str,
    /// All bytes there are to read, where that is known.
    total: Option<u64>,
    started: Instant,
    said: Duration,
}

impl Progress {
    /// Of so many bytes, where that is known.
    pub fn of_bytes(total: Option<u64>) -> Self {
        let (bar, template) = match total {
            Some(total) => (ProgressBar::new(total), "{bar:30} {percent} % {eta} left: {msg}"),
            None => (ProgressBar::new_spinner(), "{spinner} {bytes} {bytes_per_sec}: {msg}"),
        };
        Self {
            total,
            ..Self::with(bar, template, "records")
        }
    }

    /// Of something whose end is not known.
    pub fn of(noun: &'static str) -> Self {
        Self::with(ProgressBar::new_spinner(), "{spinner} {msg}", noun)
    }

    /// Told to nobody.
    pub fn hidden() -> Self {
        Self {
            writes_lines: false,
            ..Self::with(ProgressBar::hidden(), "", "")
        }
    }

    fn with(bar: ProgressBar, template: &str, noun: &'static str) -> Self {
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            bar,
            writes_lines: !stderr().is_terminal(),
            noun,
            total: None,
            started: Instant::now(),
            said: Duration::ZERO,
        }
    }

    /// Tells how much is done.
    pub fn tell(&mut self, done: Done) {
        let elapsed = self.started.elapsed();
        if self.writes_lines {
            if let Some(line) = self.line(done, elapsed) {
                eprintln!("{line}");
            }
        } else {
            self.bar.set_position(done.bytes);
            self.bar.set_message(self.words(done, elapsed).to_string());
        }
    }

    /// A line, where one is due.
    fn line(&mut self, done: Done, elapsed: Duration) -> Option<String> {
        if elapsed < self.said + PACE {
            return None;
        }
        self.said = elapsed;
        Some(self.words(done, elapsed).to_string())
    }

    fn words(&self, done: Done, elapsed: Duration) -> Words {
        Words {
            noun: self.noun,
            done,
            rate: rate(done.records, elapsed),
            percent: self
                .total
                .filter(|_| self.writes_lines)
                .map(|total| percent(done.bytes, total)),
        }
    }

    /// Writes beside a bar.
    pub fn suspend(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }

    /// Ends it.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn rate(records: u64, elapsed: Duration) -> u64 {
    let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    records.saturating_mul(1_000) / milliseconds
}

fn percent(bytes: u64, total: u64) -> u64 {
    bytes.saturating_mul(100).checked_div(total).unwrap_or(100)
}

struct Words {
    noun: &'static str,
    done: Done,
    rate: u64,
    percent: Option<u64>,
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            noun,
            done,
            rate,
            percent,
        } = self;
        write!(f, "{} {noun}, {} a second", HumanCount(done.records), HumanCount(*rate))?;
        if done.rejected > 0 {
            write!(f, ", {} rejected", HumanCount(done.rejected))?;
        }
        percent.map_or(Ok(()), |percent| write!(f, ", {percent} % of the files"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Done, Progress};

    #[test]
    fn a_line_every_ten_seconds_and_not_more() {
        let mut progress = Progress {
            writes_lines: true,
            ..Progress::of_bytes(Some(400))
        };
        let done = Done {
            records: 12_000,
            rejected: 3,
            bytes: 100,
        };
        let mut at = |seconds| progress.line(done, Duration::from_secs(seconds));
        assert_eq!(at(9), None);
        let line = "12,000 records, 1,000 a second, 3 rejected, 25 % of the files";
        assert_eq!(at(12).as_deref(), Some(line));
        assert_eq!(at(21), None);
        assert!(at(22).is_some());
        drop(progress);
        assert_eq!(
            Progress::of("events").line(done, Duration::from_secs(10)).as_deref(),
            Some("12,000 events, 1,200 a second, 3 rejected")
        );
    }
}
