//! Files, plain or gzip, read and parsed on a thread of their own.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, stdin};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use heirloom::domain::record::Record;
use heirloom::interchange::wfformat::{Instance, NoInstance};
use heirloom::service::queue::PART;
use heirloom::service::{Rejection, RejectionCode};
use tokio::sync::mpsc;

use super::documents::Documents;
use super::lines::{Line, next_line};
use super::{Format, is_stdin, parse};

/// Records handed to the write queue together; fewer where they are big.
const RECORDS: usize = 1_000;
/// The longest line or event.
pub const LONGEST: usize = 64 << 20;
/// A byte order mark, in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// Batches read ahead.
const AHEAD: usize = 4;

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which file it is of those given, from 0.
    number: usize,
    /// Where in the file.
    position: Position,
    /// The file, as named on the command line.
    pub file: Arc<str>,
}

/// Where in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Position {
    /// The line, from 1.
    Line(u64),
    /// The how manieth record of a document, and its JSON path.
    Path(usize, String),
}

impl Place {
    /// The line, where the file has lines.
    pub fn line(&self) -> Option<u64> {
        match self.position {
            Position::Line(line) => Some(line),
            Position::Path(..) => None,
        }
    }

    /// The JSON path, where the file is one document.
    pub fn path(&self) -> Option<&str> {
        match &self.position {
            Position::Line(_) => None,
            Position::Path(_, path) => Some(path),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.position {
            Position::Line(line) => write!(f, "{}:{line}", self.file),
            Position::Path(_, path) => write!(f, "{}:{path}", self.file),
        }
    }
}

/// Some records, and what could not be read between them.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records.
    pub records: Vec<Record>,
    /// Where each stands.
    pub places: Vec<Place>,
    /// What is no record.
    pub unreadable: Vec<(Place, Rejection)>,
    /// How far the files were read by its end: bytes, as they lie in them.
    pub read: u64,
    bytes: usize,
}

/// Reads files one after the other.
pub fn batches(files: Vec<PathBuf>, format: Format) -> mpsc::Receiver<Batch> {
    let (sender, batches) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        let mut reading = Reading {
            batch: Batch::default(),
            sender,
            is_wanted: true,
            read: Arc::default(),
            number: 0,
            file: "".into(),
        };
        for (number, path) in files.iter().enumerate() {
            reading.number = number;
            reading.file(path, format);
        }
        reading.send();
    });
    batches
}

struct Reading {
    batch: Batch,
    sender: mpsc::Sender<Batch>,
    /// Whether somebody still receives batches.
    is_wanted: bool,
    /// Bytes of all files that were read so far.
    read: Arc<AtomicU64>,
    /// Which file is being read.
    number: usize,
    /// Its name.
    file: Arc<str>,
}

impl Reading {
    fn file(&mut self, path: &Path, format: Format) {
        self.file = if is_stdin(path) {
            "-".into()
        } else {
            path.display().to_string().into()
        };
        let mut last = Position::Line(1);
        let result = open(path, &self.read).and_then(|source| match format {
            Format::Records => self.lines(source, &mut last),
            Format::Openlineage => self.events(source, &mut last),
            Format::Wfformat => {
                self.instance(path, without_mark(source)?);
                Ok(())
            }
        });
        if let Err(error) = result {
            self.refuse(last, format!("The file cannot be read further: {error}."));
        }
    }

    /// A record a line. `next` is the line to read next.
    fn lines(&mut self, mut source: Box<dyn BufRead>, next: &mut Position) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut number = 1;
        while self.is_wanted
            && let Some(line) = next_line(&mut source, LONGEST, &mut bytes)?
        {
            match line {
                Line::Whole => self.line(number, &bytes),
                Line::TooLong => self.refuse(
                    Position::Line(number),
                    format!("The line has more than {} MiB: split the record.", LONGEST >> 20),
                ),
            }
            number += 1;
            *next = Position::Line(number);
        }
        Ok(())
    }

    fn line(&mut self, number: u64, bytes: &[u8]) {
        let mut text = bytes.trim_ascii();
        if number == 1 {
            text = text.strip_prefix(MARK).unwrap_or(text).trim_ascii();
        }
        if !text.is_empty() {
            let record = parse::record(text);
            let size = match &record {
                Ok(Record::Event(event)) => event.size(),
                _ => text.len(),
            };
            self.take(Position::Line(number), size, record);
        }
    }

    /// Events one after the other, with anything between them. `last` is the line of the one that was read last.
    fn events(&mut self, source: Box<dyn BufRead>, last: &mut Position) -> io::Result<()> {
        let mut documents = Documents::of(source, LONGEST);
        while self.is_wanted
            && let Some(document) = documents.next()?
        {
            *last = Position::Line(document.line);
            match document.text.and_then(parse::event) {
                Ok(event) => self.take(last.clone(), event.size(), Ok(Record::Event(event))),
                Err(message) => self.refuse(last.clone(), message),
            }
        }
        Ok(())
    }

    /// One document, which is named by its file.
    fn instance(&mut self, path: &Path, source: impl BufRead) {
        let instance = match Instance::read(source) {
            Ok(instance) => instance,
            Err(NoInstance { path, message }) => return self.refuse(Position::Path(0, path), message),
        };
        let run = if is_stdin(path) {
            instance.name().unwrap_or("-").to_owned()
        } else {
            run_name(path)
        };
        for (number, (at, record)) in instance.records(&run).enumerate() {
            if !self.is_wanted {
                break;
            }
            self.take(Position::Path(number, at.to_string()), 0, Ok(record));
        }
    }

    fn place(&self, position: Position) -> Place {
        Place {
            number: self.number,
            position,
            file: Arc::clone(&self.file),
        }
    }

    fn take(&mut self, position: Position, bytes: usize, record: Result<Record, String>) {
        self.batch.bytes += bytes;
        match record {
            Ok(record) => {
                let place = self.place(position);
                self.batch.records.push(record);
                self.batch.places.push(place);
                self.send_if_full();
            }
            Err(message) => self.refuse(position, message),
        }
    }

    fn refuse(&mut self, position: Position, message: String) {
        let rejection = Rejection::new(RejectionCode::BadUserInput, "", message);
        let place = self.place(position);
        self.batch.unreadable.push((place, rejection));
        self.send_if_full();
    }

    fn send_if_full(&mut self) {
        if self.batch.records.len() + self.batch.unreadable.len() >= RECORDS || self.batch.bytes >= PART {
            self.send();
        }
    }

    fn send(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        batch.read = self.read.load(Ordering::Relaxed);
        self.is_wanted = self.sender.blocking_send(batch).is_ok();
    }
}

/// What the run of an instance is called: its file's name.
fn run_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.strip_suffix(".json").unwrap_or(name).to_owned()
}

/// Opens a file or standard input, and unpacks what begins like gzip.
fn open(path: &Path, read: &Arc<AtomicU64>) -> io::Result<Box<dyn BufRead>> {
    let raw: Box<dyn Read> = if is_stdin(path) {
        Box::new(stdin())
    } else {
        Box::new(File::open(path)?)
    };
    let mut counted = Counted {
        raw,
        read: Arc::clone(read),
    };
    let mut start = Vec::new();
    counted.by_ref().take(2).read_to_end(&mut start)?;
    let is_gzip = start == [0x1f, 0x8b];
    let whole = BufReader::with_capacity(1 << 16, Cursor::new(start).chain(counted));
    Ok(if is_gzip {
        Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(whole)))
    } else {
        Box::new(whole)
    })
}

/// What is read behind a byte order mark, if there is one.
fn without_mark(mut source: impl BufRead) -> io::Result<impl BufRead> {
    let mut start = Vec::new();
    source.by_ref().take(3).read_to_end(&mut start)?;
    if start == MARK {
        start.clear();
    }
    Ok(Cursor::new(start).chain(source))
}

struct Counted {
    raw: Box<dyn Read>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.raw.read(buffer)?;
        self.read
            .fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Format, batches, run_name};

    #[test]
    fn a_batch_says_how_far_the_files_were_read_by_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("records.jsonl");
        let alias = r#"{"alias":{"artifact":{"project":"p","domain":"d","name":"n"},"version":"1","alias":"a"}}"#;
        std::fs::write(&file, format!("{alias}\n").repeat(10_000)).unwrap();
        let all = file.metadata().unwrap().len();
        let mut batches = batches(vec![file], Format::Records);
        let read: Vec<u64> = std::iter::from_fn(|| batches.blocking_recv())
            .map(|batch| batch.read)
            .collect();
        assert!(read.is_sorted() && read[0] < all / 5, "{read:?} of {all}");
        assert_eq!(read.last(), Some(&all));
    }

    #[test]
    fn a_run_is_called_as_its_file() {
        for path in ["/a/b.c/montage-001.json", "montage-001.json.gz", "montage-001"] {
            assert_eq!(run_name(Path::new(path)), "montage-001");
        }
    }
}
