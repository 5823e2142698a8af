//! Where an export goes: standard output, or a file that is there whole or not at all.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Stdout, Write, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

/// An open output.
#[derive(Debug)]
pub struct Output {
    sink: Sink,
    /// Where the file is to be, and where it is until it is whole.
    file: Option<(PathBuf, PathBuf)>,
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
        let mut partial = OsString::from(path);
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).with_context(|| format!("cannot write {}", partial.display()))?;
        let file = BufWriter::with_capacity(1 << 16, file);
        let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
        let sink = if is_gzip {
            Sink::Gzip(GzEncoder::new(file, Compression::default()))
        } else {
            Sink::Plain(file)
        };
        Ok(Self {
            sink,
            file: Some((path.to_path_buf(), partial)),
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
        let file = match self.sink {
            Sink::Stdout(mut out) => return Ok(out.flush()?),
            Sink::Plain(out) => out.into_inner().map_err(std::io::IntoInnerError::into_error)?,
            Sink::Gzip(out) => out
                .finish()?
                .into_inner()
                .map_err(std::io::IntoInnerError::into_error)?,
        };
        file.sync_all()?;
        let Some((path, partial)) = self.file else {
            return Ok(());
        };
        std::fs::rename(&partial, &path).with_context(|| format!("cannot write {}", path.display()))
    }
}
