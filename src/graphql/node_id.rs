//! Global ids: opaque strings with the kind readable at the front, such as `version_bq`.
//!
//! The number behind it is written in base32 without leading zeros, so that every node has exactly one spelling.

use std::{fmt, str::FromStr};

use async_graphql::ID;
use entity::ids::{ArtifactId, ExecutionId, PartitionId, VersionId};

use super::error::ApiError;
use crate::lineage::node::{Kind, Node};

/// The digits of base32, as in RFC 4648, in lower case.
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The most digits that 63 bits have.
const LONGEST: usize = 13;

/// The id of any node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeId {
    /// An artifact: `artifact_…`.
    Artifact(ArtifactId),
    /// A partition: `partition_…`.
    Partition(PartitionId),
    /// A version: `version_…`.
    Version(VersionId),
    /// An execution: `execution_…`.
    Execution(ExecutionId),
}

impl NodeId {
    /// The kind, as it stands in front of the id.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Artifact(_) => "artifact",
            Self::Partition(_) => "partition",
            Self::Version(_) => "version",
            Self::Execution(_) => "execution",
        }
    }

    const fn number(self) -> i64 {
        match self {
            Self::Artifact(ArtifactId(number))
            | Self::Partition(PartitionId(number))
            | Self::Version(VersionId(number))
            | Self::Execution(ExecutionId(number)) => number,
        }
    }

    /// Appends it to a text.
    pub fn push_to(self, text: &mut Vec<u8>) {
        let mut digits = [0; LONGEST];
        text.extend_from_slice(self.kind().as_bytes());
        text.push(b'_');
        text.extend_from_slice(write_number(self.number(), &mut digits).as_bytes());
    }

    /// Reads the id given in `argument`.
    ///
    /// # Errors
    /// BAD_USER_INPUT when it is no id.
    pub fn read(argument: &str, id: &ID) -> Result<Self, ApiError> {
        id.parse().map_err(|Malformed| {
            let message = format!(
                "{:?} is no id: use one that the server has answered, such as \"version_bq\".",
                shortened(id)
            );
            ApiError::bad_user_input(argument, message)
        })
    }
}

impl From<Node> for NodeId {
    fn from(node: Node) -> Self {
        match node.kind() {
            Kind::Artifact => Self::Artifact(ArtifactId(node.id())),
            Kind::Partition => Self::Partition(PartitionId(node.id())),
            Kind::Version => Self::Version(VersionId(node.id())),
            Kind::Execution => Self::Execution(ExecutionId(node.id())),
        }
    }
}

impl NodeId {
    /// The node of the graph that it names; none when no node can have it.
    pub fn node(self) -> Option<Node> {
        match self {
            Self::Artifact(id) => Node::of_id(Kind::Artifact, id.0),
            Self::Partition(id) => Node::of_id(Kind::Partition, id.0),
            Self::Version(id) => Node::of_id(Kind::Version, id.0),
            Self::Execution(id) => Node::of_id(Kind::Execution, id.0),
        }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; LONGEST];
        f.write_str(self.kind())?;
        f.write_str("_")?;
        f.write_str(write_number(self.number(), &mut digits))
    }
}

/// A text that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl FromStr for NodeId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (kind, digits) = text.split_once('_').ok_or(Malformed)?;
        let number = read_number(digits).ok_or(Malformed)?;
        match kind {
            "artifact" => Ok(Self::Artifact(ArtifactId(number))),
            "partition" => Ok(Self::Partition(PartitionId(number))),
            "version" => Ok(Self::Version(VersionId(number))),
            "execution" => Ok(Self::Execution(ExecutionId(number))),
            _ => Err(Malformed),
        }
    }
}

/// Reads the id of an artifact given in `argument`.
///
/// # Errors
/// BAD_USER_INPUT when it is no id, or another kind's.
pub fn expect_artifact(argument: &str, id: &ID) -> Result<ArtifactId, ApiError> {
    match NodeId::read(argument, id)? {
        NodeId::Artifact(id) => Ok(id),
        other => Err(wrong_kind(argument, "an artifact", other)),
    }
}

/// Reads the id of a partition given in `argument`.
///
/// # Errors
/// BAD_USER_INPUT when it is no id, or another kind's.
pub fn expect_partition(argument: &str, id: &ID) -> Result<PartitionId, ApiError> {
    match NodeId::read(argument, id)? {
        NodeId::Partition(id) => Ok(id),
        other => Err(wrong_kind(argument, "a partition", other)),
    }
}

/// Reads the id of a version given in `argument`.
///
/// # Errors
/// BAD_USER_INPUT when it is no id, or another kind's.
pub fn expect_version(argument: &str, id: &ID) -> Result<VersionId, ApiError> {
    match NodeId::read(argument, id)? {
        NodeId::Version(id) => Ok(id),
        other => Err(wrong_kind(argument, "a version", other)),
    }
}

/// Reads the id of an execution given in `argument`.
///
/// # Errors
/// BAD_USER_INPUT when it is no id, or another kind's.
pub fn expect_execution(argument: &str, id: &ID) -> Result<ExecutionId, ApiError> {
    match NodeId::read(argument, id)? {
        NodeId::Execution(id) => Ok(id),
        other => Err(wrong_kind(argument, "an execution", other)),
    }
}

fn wrong_kind(argument: &str, wanted: &str, given: NodeId) -> ApiError {
    let article = if matches!(given, NodeId::Artifact(_) | NodeId::Execution(_)) {
        "an"
    } else {
        "a"
    };
    let message = format!(
        "\"{given}\" is the id of {article} {}, but {argument} wants {wanted}'s.",
        given.kind()
    );
    ApiError::bad_user_input(argument, message)
}

/// The beginning of a text that a caller sent: an answer does not echo without bound.
fn shortened(text: &str) -> &str {
    text.char_indices().nth(60).map_or(text, |(end, _)| &text[..end])
}

fn write_number(number: i64, digits: &mut [u8; LONGEST]) -> &str {
    let mut rest = number.unsigned_abs();
    let mut start = LONGEST;
    loop {
        start -= 1;
        digits[start] = DIGITS[(rest % 32) as usize];
        rest /= 32;
        if rest == 0 {
            break;
        }
    }
    // Digits are ASCII, so this never falls back.
    std::str::from_utf8(&digits[start..]).unwrap_or_default()
}

fn read_number(text: &str) -> Option<i64> {
    let leading_zero = text.len() > 1 && text.starts_with('a');
    if text.is_empty() || text.len() > LONGEST || leading_zero {
        return None;
    }
    text.bytes().try_fold(0_i64, |number, digit| {
        let value = match digit {
            b'a'..=b'z' => digit - b'a',
            b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        number.checked_mul(32)?.checked_add(i64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: [i64; 8] = [0, 1, 31, 32, 1_000, 4_294_967_296, i64::MAX - 1, i64::MAX];

    fn every_kind(number: i64) -> [NodeId; 4] {
        [
            NodeId::Artifact(ArtifactId(number)),
            NodeId::Partition(PartitionId(number)),
            NodeId::Version(VersionId(number)),
            NodeId::Execution(ExecutionId(number)),
        ]
    }

    #[test]
    fn every_id_makes_the_round_trip() {
        for id in NUMBERS.into_iter().flat_map(every_kind) {
            assert_eq!(id.to_string().parse(), Ok(id));
            let mut pushed = Vec::new();
            id.push_to(&mut pushed);
            assert_eq!(pushed, id.to_string().into_bytes());
        }
    }

    proptest::proptest! {
        #[test]
        fn any_number_makes_the_round_trip(number in 0..=i64::MAX) {
            let id = NodeId::Version(VersionId(number));
            assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn whatever_is_read_is_spelled_the_same(text in "version_[a-z2-7]{1,13}") {
            if let Ok(id) = text.parse::<NodeId>() {
                assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn there_is_one_spelling_and_no_other() {
        assert_eq!(NodeId::Version(VersionId(48)).to_string(), "version_bq");
        for wrong in [
            "",
            "version",
            "version_",
            "version_abq",
            "version_BQ",
            "Version_bq",
            "version_b1",
            "version_bq=",
            "run_bq",
            "version_777777777777777",
            " version_bq",
            "version_bq\n",
        ] {
            assert_eq!(wrong.parse::<NodeId>(), Err(Malformed), "{wrong}");
        }
    }

    #[test]
    fn the_error_says_the_wanted_and_the_given_kind() {
        let given = ID::from(NodeId::Execution(ExecutionId(7)));
        let error = expect_version("input.version", &given).unwrap_err();
        assert_eq!(
            error.message(),
            "\"execution_h\" is the id of an execution, but input.version wants a version's."
        );
        assert_eq!(error.argument(), Some("input.version"));
        assert_eq!(expect_execution("id", &given).unwrap(), ExecutionId(7));
        assert!(expect_artifact("id", &given).is_err());
        assert!(expect_partition("id", &given).is_err());
        let nonsense = ID(format!("version_{}", "x".repeat(10_000)));
        assert!(expect_version("id", &nonsense).unwrap_err().message().len() < 200);
    }
}
