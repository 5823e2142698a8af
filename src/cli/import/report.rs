//! What became of the records of an import: counts, and the rejected ones with their places.

use std::fmt;
use std::time::Instant;

use anyhow::Result;
use heirloom::service::{Answer, Rejection, Verdict};
use serde::Serialize;

use super::super::output::Output;
use super::super::progress::{Done, Progress};
use super::read::{Batch, Place};

/// Rejected records that are printed without `--verbose`.
const PRINTED: u64 = 20;

/// A report in the making.
pub struct Report {
    summary: Summary,
    started: Instant,
    is_verbose: bool,
    rejects: Option<Output>,
    progress: Progress,
}

/// How many records were what.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    applied: u64,
    unchanged: u64,
    /// Records that were not recorded, and lines that are none.
    pub rejected: u64,
    revision: Option<i64>,
    seconds: f64,
}

impl Report {
    /// A report on nothing so far.
    pub fn new(is_verbose: bool, rejects: Option<Output>, progress: Progress) -> Self {
        Self {
            summary: Summary::default(),
            started: Instant::now(),
            is_verbose,
            rejects,
            progress,
        }
    }

    /// Adds what became of a batch.
    pub fn add(&mut self, batch: Batch, answer: Answer) -> Result<()> {
        self.summary.revision = Some(answer.revision);
        let mut rejected = batch.unreadable;
        for (place, verdict) in batch.places.into_iter().zip(answer.verdicts) {
            match verdict {
                Verdict::Applied(_) => self.summary.applied += 1,
                Verdict::Unchanged(_) => self.summary.unchanged += 1,
                Verdict::Rejected(rejection) => rejected.push((place, rejection)),
            }
        }
        rejected.sort_by(|(one, _), (other, _)| one.cmp(other));
        rejected
            .iter()
            .try_for_each(|(place, rejection)| self.reject(place, rejection))?;
        self.progress.tell(Done {
            records: self.summary.all(),
            rejected: self.summary.rejected,
            // By the end of this batch; later ones have been read too, but are not written yet.
            bytes: batch.read,
        });
        Ok(())
    }

    fn reject(&mut self, place: &Place, rejection: &Rejection) -> Result<()> {
        let Rejection {
            code,
            message,
            argument,
        } = rejection;
        let code = code.as_str();
        self.summary.rejected += 1;
        if let Some(rejects) = &mut self.rejects {
            let reject = Reject {
                file: &place.file,
                line: place.line(),
                path: place.path(),
                code,
                argument,
                message,
            };
            writeln!(rejects.writer(), "{}", serde_json::to_string(&reject)?)?;
        }
        if self.is_verbose || self.summary.rejected <= PRINTED {
            let at = if argument.is_empty() {
                String::new()
            } else {
                format!(" ({argument})")
            };
            self.progress.suspend(|| eprintln!("{place}: {code}{at}: {message}"));
        }
        Ok(())
    }

    /// How many records the store has so far, be it from this import or from before.
    pub fn recorded(&self) -> u64 {
        self.summary.recorded()
    }

    /// The end of it.
    pub fn finish(mut self) -> Result<Summary> {
        self.progress.finish();
        let hidden = self.summary.rejected.saturating_sub(PRINTED);
        if hidden > 0 && !self.is_verbose {
            eprintln!("… and {hidden} more: --verbose prints them all, --rejects FILE writes them to a file");
        }
        if let Some(rejects) = self.rejects {
            rejects.finish()?;
        }
        self.summary.seconds = self.started.elapsed().as_secs_f64();
        Ok(self.summary)
    }
}

/// A line of the file of rejects.
#[derive(Serialize)]
struct Reject<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    code: &'a str,
    argument: &'a str,
    message: &'a str,
}

impl Summary {
    fn all(&self) -> u64 {
        self.recorded() + self.rejected
    }

    /// How many records the store has, be it from this import or from before.
    pub fn recorded(&self) -> u64 {
        self.applied + self.unchanged
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            applied,
            unchanged,
            rejected,
            revision,
            seconds,
        } = self;
        let all = self.all();
        write!(
            f,
            "{all} records in {seconds:.1} s: {applied} applied, {unchanged} unchanged, {rejected} rejected"
        )?;
        revision.map_or(Ok(()), |revision| write!(f, "; the store is at revision {revision}"))
    }
}
