//! Typed ids: 64-bit integers given in order of recording, one type per kind of node, so that an execution's id
//! where a version's belongs does not compile.

use sea_orm::DeriveValueType;

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType)]
        pub struct $name(pub i64);
    };
}

typed_id!(
    /// An artifact: a named thing that gets versions.
    ArtifactId
);
typed_id!(
    /// One distinct combination of partition values of one artifact.
    PartitionId
);
typed_id!(
    /// One immutable materialisation of an artifact.
    VersionId
);
typed_id!(
    /// One run of a workflow or a task.
    ExecutionId
);
