//! Where an export goes: standard output, or a file that is there whole or not at all.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Stdout, Write, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

/// A file in the making: it has another name until it is whole and on disk.
#[derive(Debug)]
pub struct Partial {
    /// Where it is to be.
    target: PathBuf,
    /// Where it is.
    path: PathBuf,
}

impl Partial {
    /// Of the file that is to be.
    pub fn of(path: &Path) -> Self {
        Self {
            target: path.to_path_buf(),
            path: beside(path, ".partial"),
        }
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

/// The path of a file beside another, whose name goes on after the other's.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
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
    /// Opens a file, compressed when its name ends with `.gz`, or standard output.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Self {
                sink: Sink::Stdout(BufWriter::with_capacity(1 << 16, stdout())),
                file: None,
            });
        };
        let partial = Partial::of(path);
        let file =
            File::create(partial.path()).with_context(|| format!("cannot write {}", partial.path().display()))?;
        let file = BufWriter::with_capacity(1 << 16, file);
        let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
        let sink = if is_gzip {
            Sink::Gzip(GzEncoder::new(file, Compression::default()))
        } else {
            Sink::Plain(file)
        };
        Ok(Self {
            sink,
            file: Some(partial),
        })
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
