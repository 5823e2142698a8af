//! Where an export goes: standard output, or a file that is there whole or not at all.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Stdout, Write, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use heirloom::store::file::beside;

use super::database;

/// Prints a line. A reader that has gone away has read what it wanted; the work goes on for the sake of its exit code.
pub fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(stdout(), "{line}");
}

/// A file in the making: it has another name until it is whole and on disk.
#[derive(Debug)]
pub struct Partial {
    /// Where it is to be.
    target: PathBuf,
    /// Where it is.
    path: PathBuf,
}

impl Partial {
    /// Of the file that is to be, by a command that works on this database: neither of the two names is the store's. What
    /// has the name may be a file, and nothing else: it will be replaced.
    pub fn of(target: &Path, database: &str) -> Result<Self> {
        let path = partial_name(target);
        [target, &path]
            .iter()
            .try_for_each(|path| database::spare(database, path))?;
        if target.metadata().is_ok_and(|there| !there.is_file()) {
            bail!("{} is no regular file: name another", target.display());
        }
        let target = target.to_path_buf();
        Ok(Self { target, path })
    }

    /// Where it is until then.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs it to disk and gives it its name, in place of what had it.
    pub fn finish(self) -> Result<()> {
        let Self { target, path } = &self;
        let cannot = || format!("cannot write {}", target.display());
        File::open(path).and_then(|file| file.sync_all()).with_context(cannot)?;
        std::fs::rename(path, target).with_context(cannot)?;
        // The name is in the directory, which is synced by itself.
        let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = File::open(directory.unwrap_or(Path::new("."))).with_context(cannot)?;
        directory.sync_all().with_context(cannot)
    }
}

/// What a file is called until it is whole.
pub fn partial_name(target: &Path) -> PathBuf {
    beside(target, ".partial")
}

/// An open output.
#[derive(Debug)]
pub struct Output {
    sink: Sink,
    file: Option<Partial>,
}

#[derive(Debug)]
enum Sink {
    Stdout(BufWriter<Stdout>),
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
}

impl Output {
    /// Opens a file, compressed when its name ends with `.gz`, or standard output. The file is none of the database's.
    pub fn open(path: Option<&Path>, database: &str) -> Result<Self> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Self {
                sink: Sink::Stdout(BufWriter::with_capacity(1 << 16, stdout())),
                file: None,
            });
        };
        let cannot = |path: &Path| format!("cannot write {}", path.display());
        let (file, partial) = if is_stream(path) {
            let opened = OpenOptions::new().write(true).open(path);
            (opened.with_context(|| cannot(path))?, None)
        } else {
            let partial = Partial::of(path, database)?;
            let created = File::create(partial.path());
            (created.with_context(|| cannot(partial.path()))?, Some(partial))
        };
        let file = BufWriter::with_capacity(1 << 16, file);
        let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
        let sink = if is_gzip {
            Sink::Gzip(GzEncoder::new(file, Compression::default()))
        } else {
            Sink::Plain(file)
        };
        Ok(Self { sink, file: partial })
    }

    /// Where to write.
    pub fn writer(&mut self) -> &mut dyn Write {
        match &mut self.sink {
            Sink::Stdout(out) => out,
            Sink::Plain(out) => out,
            Sink::Gzip(out) => out,
        }
    }

    /// Ends it: a file takes its name only now, when it is whole and on disk.
    pub fn finish(self) -> Result<()> {
        match self.sink {
            Sink::Stdout(mut out) => out.flush()?,
            Sink::Plain(mut out) => out.flush()?,
            Sink::Gzip(out) => out.finish()?.flush()?,
        }
        self.file.map_or(Ok(()), Partial::finish)
    }
}

/// Whether a path leads to a terminal, a pipe or the like, which takes what is written and is not replaced.
#[cfg(unix)]
fn is_stream(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let kind = path.metadata().map(|there| there.file_type());
    kind.is_ok_and(|kind| kind.is_char_device() || kind.is_fifo())
}

/// Whether a path leads to a terminal, a pipe or the like, which takes what is written and is not replaced.
#[cfg(not(unix))]
fn is_stream(_path: &Path) -> bool {
    false
}
