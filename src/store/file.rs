//! The file that a store of SQLite is in: which one a URL names, and whether a path leads to it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::StoreError;

/// What SQLite keeps beside a database that is in use, or was not closed.
pub const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// How long to wait for a lock before a file is read.
const PATIENCE: Duration = Duration::from_secs(5);

/// The path in a `sqlite:` URL; none when it names no file.
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
    let path = rest.split('?').next().unwrap_or(rest);
    let is_file = !path.is_empty() && path != ":memory:" && !rest.contains("mode=memory");
    is_file.then(|| PathBuf::from(percent_decode_str(path).decode_utf8_lossy().into_owned()))
}

/// The path of a file beside another, whose name goes on after the other's.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

/// What SQLite keeps beside a database, in the order of [`COMPANIONS`]: beside the file itself, not beside a link to it.
pub fn companions(file: &Path) -> [PathBuf; 3] {
    let real = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    COMPANIONS.map(|ending| beside(&real, ending))
}

/// How a file of SQLite is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To write, with a write-ahead log, which the file keeps.
    Write,
    /// To read what can be written: nothing of the file changes but what belongs to SQLite's locks.
    Read,
    /// To read what others write, with their log.
    ReadOnly,
    /// To read what nobody can be writing: without a lock or a log, which could not be made there.
    Immutable,
}

/// The bytes at the beginning of a file that say how it is written, and what they are where it is with a write-ahead log.
const WRITTEN: (std::ops::Range<usize>, [u8; 2]) = (18..20, [2, 2]);

impl Access {
    /// How a file can be read, whatever may be written there.
    pub(super) fn to_read(file: &Path) -> Result<Self, StoreError> {
        let is_writable = OpenOptions::new().read(true).write(true).open(file).is_ok();
        if is_writable && Self::Read.works(file) {
            return Ok(Self::Read);
        }
        let [wal, shm, _] = companions(file);
        // Where there is no log, SQLite would make one, if it can: a file that the owner cannot write to, most likely.
        let makes_log = !wal.exists() && !shm.exists() && has_log(file);
        if !makes_log && Self::ReadOnly.works(file) {
            return Ok(Self::ReadOnly);
        }
        if wal.metadata().is_ok_and(|log| log.len() > 0) {
            return Err(StoreError::Configuration(format!(
                "{} holds what is not in the database file yet, and cannot be read where nothing can be written: copy both to \
                 where it can",
                wal.display()
            )));
        }
        Ok(Self::Immutable)
    }

    /// Whether SQLite can read a file so. That it is no database is no matter of access.
    fn works(self, file: &Path) -> bool {
        let read = self.open(file).and_then(|connection| {
            connection.busy_timeout(PATIENCE)?;
            connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))
        });
        let code = read.err().and_then(|error| error.sqlite_error_code());
        !matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
    }

    /// A connection of its own.
    pub(super) fn open(self, file: &Path) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match self {
            Self::Write | Self::Read => Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_READ_WRITE),
            Self::ReadOnly => Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_READ_ONLY),
            Self::Immutable => {
                let path = percent_encode(file.as_os_str().as_encoded_bytes(), NON_ALPHANUMERIC);
                let flags = flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
                Connection::open_with_flags(format!("file:{path}?immutable=1"), flags)
            }
        }
    }
}

/// Whether a file says that it is written with a write-ahead log.
fn has_log(file: &Path) -> bool {
    let (place, log) = WRITTEN;
    let mut head = [0; 20];
    let read = File::open(file).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head[place] == log
}

/// What tells a file from every other, whatever names lead to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// Of the file that a path leads to; none when there is none, or where the system has no such thing.
    #[cfg(unix)]
    pub fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    /// Of the file that a path leads to; none when there is none, or where the system has no such thing.
    #[cfg(not(unix))]
    pub fn of(_path: &Path) -> Option<Self> {
        None
    }
}

/// The file that a store was opened on. SQLite writes on to one that was deleted or replaced, and all of that is lost when it is closed.
#[derive(Debug)]
pub(super) struct OpenedFile {
    path: PathBuf,
    id: FileId,
    is_told: AtomicBool,
}

impl OpenedFile {
    /// The file of a database that has just been opened; none when it is no file, or where files cannot be told apart.
    pub fn of(url: &str) -> Option<Self> {
        let path = sqlite_file(url)?;
        Some(Self {
            id: FileId::of(&path)?,
            path,
            is_told: AtomicBool::new(false),
        })
    }

    /// Makes sure that the path still leads to the file, and says so in the log where it does not, once.
    pub fn check(&self) -> Result<(), StoreError> {
        let found = FileId::of(&self.path);
        if found == Some(self.id) {
            self.is_told.store(false, Ordering::Relaxed);
            return Ok(());
        }
        let path = self.path.display();
        let what = match found {
            Some(_) => format!("another file has taken the place of the database file {path}"),
            None => format!("the database file {path} has gone"),
        };
        if !self.is_told.swap(true, Ordering::Relaxed) {
            tracing::error!("{what}: nothing is written until it is put back, or the process is started again");
        }
        Err(StoreError::Replaced(what))
    }
}

/// Whether two paths lead to one file, or would, where it is not there yet.
pub fn is_same(one: &Path, other: &Path) -> bool {
    let are_one_file = FileId::of(one).is_some_and(|id| FileId::of(other) == Some(id));
    are_one_file || resolved(one).is_some_and(|place| resolved(other) == Some(place))
}

/// A path without links on its way. Its last part need not be there.
fn resolved(path: &Path) -> Option<PathBuf> {
    if let Ok(whole) = fs::canonicalize(path) {
        return Some(whole);
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = fs::canonicalize(directory.unwrap_or(Path::new("."))).ok()?;
    Some(directory.join(path.file_name()?))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{is_same, sqlite_file};

    #[test]
    fn files_of_sqlite() {
        let path = |url| sqlite_file(url).map(|path| path.display().to_string());
        assert_eq!(path("sqlite:a%20b.sqlite?mode=rwc").as_deref(), Some("a b.sqlite"));
        assert_eq!(path("sqlite:///tmp/x").as_deref(), Some("/tmp/x"));
        for none in ["sqlite::memory:", "sqlite:", "sqlite://?mode=rwc", "postgres://host/db"] {
            assert_eq!(path(none), None, "{none}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_known_by_whatever_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("one"), "").unwrap();
        fs::write(path("other"), "").unwrap();
        fs::hard_link(path("one"), path("hard")).unwrap();
        std::os::unix::fs::symlink("one", path("soft")).unwrap();
        std::os::unix::fs::symlink(".", path("here")).unwrap();
        for same in ["one", "hard", "soft", "here/one", "here/here/soft"] {
            assert!(is_same(&path("one"), &path(same)), "{same}");
        }
        assert!(is_same(&path("none"), &path("here/none")));
        assert!(!is_same(&path("one"), &path("other")) && !is_same(&path("none"), &path("nobody")));
        assert!(!is_same(Path::new(""), Path::new("/")));
    }
}
