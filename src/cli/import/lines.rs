//! Lines of files, plain or gzip, read and parsed on a thread of their own.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, stdin};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use heirloom::domain::record::Record;
use heirloom::service::{Rejection, RejectionCode};
use tokio::sync::mpsc;

use super::{is_stdin, parse};

/// Records handed to the write queue together.
const RECORDS: usize = 1_000;
/// Fewer records where they are big.
const BYTES: usize = 8 << 20;
/// The longest line.
const LONGEST: usize = 64 << 20;
/// Batches read ahead.
const AHEAD: usize = 2;

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which file it is of those given, from 0.
    pub number: usize,
    /// The file, as named on the command line.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u64,
}

/// Some records, and what could not be read between them.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records.
    pub records: Vec<Record>,
    /// Where each stands.
    pub places: Vec<Place>,
    /// Lines that are no records.
    pub unreadable: Vec<(Place, Rejection)>,
    bytes: usize,
}

/// Reads files one after the other. `read` counts bytes as they lie in the files.
pub fn batches(files: Vec<PathBuf>, read: Arc<AtomicU64>) -> mpsc::Receiver<Batch> {
    let (sender, batches) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        let mut reading = Reading {
            batch: Batch::default(),
            sender,
            is_wanted: true,
        };
        for (number, path) in files.iter().enumerate() {
            reading.file(number, path, &read);
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
}

impl Reading {
    fn file(&mut self, number: usize, path: &Path, read: &Arc<AtomicU64>) {
        let name: Arc<str> = if is_stdin(path) {
            "-".into()
        } else {
            path.display().to_string().into()
        };
        let mut line = 0;
        let result = open(path, read).and_then(|mut source| {
            while self.is_wanted
                && let Some(found) = next_line(&mut source, LONGEST)?
            {
                line += 1;
                self.line(
                    Place {
                        number,
                        file: Arc::clone(&name),
                        line,
                    },
                    found,
                );
            }
            Ok(())
        });
        if let Err(error) = result {
            let place = Place {
                number,
                file: name,
                line: line + 1,
            };
            self.refuse(place, format!("The file cannot be read further: {error}."));
        }
    }

    fn line(&mut self, place: Place, line: Line) {
        match line {
            Line::TooLong => self.refuse(
                place,
                format!("The line has more than {} MiB: split the record.", LONGEST >> 20),
            ),
            Line::Bytes(bytes) => {
                let mut text = bytes.trim_ascii();
                if place.line == 1 {
                    text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii();
                }
                if text.is_empty() {
                    return;
                }
                self.batch.bytes += text.len();
                match parse::record(text) {
                    Ok(record) => {
                        self.batch.records.push(record);
                        self.batch.places.push(place);
                    }
                    Err(message) => self.refuse(place, message),
                }
            }
        }
        if self.batch.records.len() + self.batch.unreadable.len() >= RECORDS || self.batch.bytes >= BYTES {
            self.send();
        }
    }

    fn refuse(&mut self, place: Place, message: String) {
        self.batch
            .unreadable
            .push((place, Rejection::new(RejectionCode::BadUserInput, "", message)));
    }

    fn send(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.is_wanted = self.sender.blocking_send(batch).is_ok();
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Bytes(Vec<u8>),
    TooLong,
}

/// The next line; one that is too long is read to its end and thrown away.
fn next_line(source: &mut impl BufRead, longest: usize) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(longest).unwrap_or(u64::MAX) + 1;
    if source.by_ref().take(most).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    if bytes.len() <= longest || bytes.ends_with(b"\n") {
        return Ok(Some(Line::Bytes(bytes)));
    }
    source.skip_until(b'\n')?;
    Ok(Some(Line::TooLong))
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
    use super::{Line, next_line};

    #[test]
    fn a_long_line_is_one_line() {
        let mut source = &b"12345\n123456\n1234\r\n\n12345"[..];
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut source, 5).unwrap() {
            lines.push(line);
        }
        let bytes = |text: &str| Line::Bytes(text.as_bytes().to_vec());
        assert_eq!(
            lines,
            [
                bytes("12345\n"),
                Line::TooLong,
                bytes("1234\r\n"),
                bytes("\n"),
                bytes("12345")
            ]
        );
    }
}
