//! Natural keys, the rules for names, and digests.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Invalid;

/// The most characters of a project, a domain, a partition key, a partition value, an alias and an edge's name.
pub const SHORT_NAME: usize = 255;
/// The most characters of an artifact's or execution's name and of a version.
pub const LONG_NAME: usize = 1_024;
/// The most partition keys of an artifact, its time partition not counted.
pub const PARTITION_KEYS: usize = 10;
/// What cannot be a partition key, because it would mean something else in a query or a URI.
pub const RESERVED_KEYS: [&str; 6] = ["time_partition", "project", "domain", "partitions", "tag", "version"];
/// The word that asks for the most recent version, and so can be neither a version nor an alias.
pub const LATEST: &str = "latest";

/// The key of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactKey {
    /// Its project.
    pub project: String,
    /// Its domain, such as `development` or `production`.
    pub domain: String,
    /// Its name; slashes, colons and dots are allowed.
    pub name: String,
}

/// The key of an execution.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionKey {
    /// Its project.
    pub project: String,
    /// Its domain.
    pub domain: String,
    /// Its name.
    pub name: String,
}

impl ArtifactKey {
    /// Checks the three names.
    pub fn validate(&self) -> Result<(), Invalid> {
        three_names(&self.project, &self.domain, &self.name)
    }

    /// What the key is found by.
    pub fn digest(&self) -> Digest {
        Digest::of(b"artifact", &[&self.project, &self.domain, &self.name])
    }

    /// What a version of this artifact is found by.
    pub fn version_digest(&self, version: &str) -> Digest {
        Digest::of(b"version", &[&self.project, &self.domain, &self.name, version]).near(version.as_bytes())
    }
}

impl ExecutionKey {
    /// Checks the three names.
    pub fn validate(&self) -> Result<(), Invalid> {
        three_names(&self.project, &self.domain, &self.name)
    }

    /// What the key is found by.
    pub fn digest(&self) -> Digest {
        Digest::of(b"execution", &[&self.project, &self.domain, &self.name]).near(self.name.as_bytes())
    }
}

fn three_names(project: &str, domain: &str, name: &str) -> Result<(), Invalid> {
    check_name("project", project, SHORT_NAME)?;
    check_name("domain", domain, SHORT_NAME)?;
    check_name("name", name, LONG_NAME)
}

/// A name: 1 to `most` characters, no control characters, no white space at its ends.
pub fn check_name(argument: &str, name: &str, most: usize) -> Result<(), Invalid> {
    let wrong = |what: String| Err(Invalid::new(argument, format!("{argument} {what}")));
    if name.is_empty() {
        return wrong(format!("is empty: give 1 to {most} characters."));
    }
    let length = name.chars().count();
    if length > most {
        return wrong(format!("has {length} characters: at most {most} are allowed."));
    }
    if name.chars().any(char::is_control) {
        return wrong("has a control character: leave it out.".to_owned());
    }
    if name.starts_with(char::is_whitespace) || name.ends_with(char::is_whitespace) {
        return wrong("begins or ends with white space: trim it.".to_owned());
    }
    Ok(())
}

/// A version string: a long name, but not the word `latest`.
pub fn check_version(version: &str) -> Result<(), Invalid> {
    check_name("version", version, LONG_NAME)?;
    not_latest("version", version)
}

/// An alias: a short name, but not the word `latest`.
pub fn check_alias(alias: &str) -> Result<(), Invalid> {
    check_name("alias", alias, SHORT_NAME)?;
    not_latest("alias", alias)
}

fn not_latest(argument: &str, name: &str) -> Result<(), Invalid> {
    if name == LATEST {
        return Err(Invalid::new(
            argument,
            format!("{argument} cannot be \"latest\": that word asks for the most recent version."),
        ));
    }
    Ok(())
}

/// A partition key: a short name that is not reserved.
pub fn check_partition_key(argument: &str, key: &str) -> Result<(), Invalid> {
    check_name(argument, key, SHORT_NAME)?;
    if RESERVED_KEYS.contains(&key) {
        return Err(Invalid::new(
            argument,
            format!("{key:?} is reserved and cannot be a partition key: choose another name."),
        ));
    }
    Ok(())
}

/// Free text: anything but U+0000, which PostgreSQL cannot keep.
pub fn check_text(argument: &str, text: Option<&str>) -> Result<(), Invalid> {
    match text {
        Some(text) if text.contains('\0') => Err(Invalid::new(
            argument,
            format!("{argument} has the character U+0000: leave it out."),
        )),
        _ => Ok(()),
    }
}

/// What stands for a natural key in a unique index, where the key itself may be too long for one: sixteen bytes of a hash, which alone
/// make it unique. In front of them may stand some bytes of what the key is ordered by, such as its name or its time. Hashes have no
/// order, so that in a large index each of many new ones is on a page of its own; what is recorded together mostly has names or
/// times that are near to each other, and so is on few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest {
    near: [u8; Self::NEAR],
    near_length: u8,
    hash: [u8; Self::HASH],
}

impl Digest {
    /// The most bytes in front of the hash.
    const NEAR: usize = 32;
    const HASH: usize = 16;

    /// The digest of a list of texts; each is preceded by its length, so that no two lists run together.
    pub fn of(kind: &[u8], parts: &[&str]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(kind);
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut hash = [0; Self::HASH];
        hash.copy_from_slice(&hasher.finalize()[..Self::HASH]);
        Self {
            near: [0; Self::NEAR],
            near_length: 0,
            hash,
        }
    }

    /// The same in an index beside those of keys with the same first bytes; what is longer than fits is cut.
    pub fn near(self, bytes: &[u8]) -> Self {
        let length = bytes.len().min(Self::NEAR);
        let mut near = [0; Self::NEAR];
        near[..length].copy_from_slice(&bytes[..length]);
        Self {
            near,
            near_length: length as u8,
            ..self
        }
    }

    /// The bytes in front of the hash.
    fn front(&self) -> &[u8] {
        &self.near[..usize::from(self.near_length)]
    }

    /// As stored.
    pub fn to_vec(self) -> Vec<u8> {
        [self.front(), &self.hash].concat()
    }

    /// As read back; none when the column holds something else.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let (near, hash) = bytes.split_last_chunk::<{ Self::HASH }>()?;
        let digest = Self {
            near: [0; Self::NEAR],
            near_length: 0,
            hash: *hash,
        };
        (near.len() <= Self::NEAR).then(|| digest.near(near))
    }

    /// As stored, in hexadecimal digits.
    pub fn to_hex(self) -> String {
        data_encoding::HEXLOWER.encode(self.front()) + &self.hash_hex()
    }

    /// The hash alone, in thirty-two hexadecimal digits.
    pub fn hash_hex(self) -> String {
        data_encoding::HEXLOWER.encode(&self.hash)
    }
}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, check_name, check_partition_key, check_version};

    #[test]
    fn names_are_checked_by_characters_not_bytes() {
        assert!(check_name("name", &"🦀".repeat(1_024), 1_024).is_ok());
        assert!(check_name("name", &"x".repeat(1_025), 1_024).is_err());
        assert!(check_name("name", "s3://bucket/a b", 1_024).is_ok());
        for wrong in ["", " a", "a\u{a0}", "a\tb", "a\u{85}b", "a\0"] {
            assert!(check_name("name", wrong, 255).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn reserved_words() {
        assert!(check_version("latest").is_err());
        assert!(check_version("Latest").is_ok());
        assert!(check_partition_key("key", "tag").is_err());
        assert!(check_partition_key("key", "region").is_ok());
    }

    #[test]
    fn digests_keep_parts_apart() {
        assert_ne!(Digest::of(b"k", &["ab", "c"]), Digest::of(b"k", &["a", "bc"]));
    }

    #[test]
    fn digests_are_read_back_as_stored() {
        let digest = Digest::of(b"k", &["a"]);
        for near in ["", "a", "run-17", &"ü".repeat(16), &"long".repeat(100)] {
            let near = digest.near(near.as_bytes());
            assert_eq!(Digest::from_slice(&near.to_vec()), Some(near));
            assert_eq!(near.to_hex(), data_encoding::HEXLOWER.encode(&near.to_vec()));
            assert!(near.to_vec().len() <= 48 && near.to_vec().ends_with(&digest.to_vec()));
        }
        for wrong in [15, 49] {
            assert_eq!(Digest::from_slice(&vec![7; wrong]), None);
        }
    }
}
