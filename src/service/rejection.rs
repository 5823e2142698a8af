//! Verdicts: what became of a record.

use entity::{ArtifactId, ExecutionId, VersionId};

use crate::domain::Invalid;

/// What became of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It changed the store.
    Applied(Touched),
    /// The store already had all that it says.
    Unchanged(Touched),
    /// It was refused, and left no trace.
    Rejected(Rejection),
}

/// What a record was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The node: for an alias, the version at which it stands (or stood, when removed).
    pub node: NodeRef,
    /// Whether the record made it: the first declaration, content or report of it.
    pub created: bool,
    /// For an alias that was moved, the version at which it stood before.
    pub previous: Option<VersionId>,
}

impl Touched {
    /// A node that was there before.
    pub fn known(node: NodeRef) -> Self {
        Self {
            node,
            created: false,
            previous: None,
        }
    }
}

/// A node that a record was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeRef {
    /// An artifact.
    Artifact(ArtifactId),
    /// A version.
    Version(VersionId),
    /// An execution.
    Execution(ExecutionId),
}

/// Why a record was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Which kind of refusal.
    pub code: RejectionCode,
    /// One sentence: what was wrong, and what would be right.
    pub message: String,
    /// The argument, as a dotted path in the record, such as `version.partition`; may be empty.
    pub argument: String,
}

/// The kinds of refusal; each is a code of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectionCode {
    /// An argument cannot be used.
    BadUserInput,
    /// A filter names a key that the artifact does not have.
    UnknownPartitionKey,
    /// The record needs something that is not there.
    NotFound,
    /// The store has something else under the same key.
    Conflict,
    /// The state of the store does not allow it.
    FailedPrecondition,
}

impl RejectionCode {
    /// As in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::UnknownPartitionKey => "UNKNOWN_PARTITION_KEY",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
        }
    }
}

impl Rejection {
    /// A refusal that names an argument.
    pub fn new(code: RejectionCode, argument: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            argument: argument.into(),
        }
    }

    /// The same refusal of something that stands inside `outer`.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.argument = if self.argument.is_empty() {
            outer.to_owned()
        } else {
            format!("{outer}.{}", self.argument)
        };
        self
    }
}

impl From<Invalid> for Rejection {
    fn from(invalid: Invalid) -> Self {
        Self::new(RejectionCode::BadUserInput, invalid.argument, invalid.message)
    }
}
