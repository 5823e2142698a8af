//! What lists are ordered by.

use async_graphql::InputObject;

use crate::graphql::connection::Order;
use crate::graphql::enums::{
    ArtifactOrderField, EventOrderField, ExecutionOrderField, OrderDirection, VersionOrderField,
};
use crate::store::artifact_list::{ArtifactOrder as StoredArtifactOrder, ArtifactOrderField as StoredArtifactField};
use crate::store::event::{EventOrder as StoredEventOrder, EventOrderField as StoredEventField};
use crate::store::execution_list::{
    ExecutionOrder as StoredExecutionOrder, ExecutionOrderField as StoredExecutionField,
};
use crate::store::page::OrderDirection as StoredDirection;
use crate::store::version_list::{VersionOrder as StoredVersionOrder, VersionOrderField as StoredVersionField};

/// The order of a list of artifacts.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct ArtifactOrder {
    /// By what.
    pub field: ArtifactOrderField,
    /// Which end comes first.
    pub direction: OrderDirection,
}

/// The order of a list of versions.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct VersionOrder {
    /// By what.
    pub field: VersionOrderField,
    /// Which end comes first.
    pub direction: OrderDirection,
}

/// The order of a list of executions.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct ExecutionOrder {
    /// By what.
    pub field: ExecutionOrderField,
    /// Which end comes first.
    pub direction: OrderDirection,
}

/// The order of a list of events.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct EventOrder {
    /// By what.
    pub field: EventOrderField,
    /// Which end comes first.
    pub direction: OrderDirection,
}

impl From<EventOrder> for StoredEventOrder {
    fn from(order: EventOrder) -> Self {
        Self {
            field: order.field.into(),
            direction: order.direction.into(),
        }
    }
}

/// How cursors of a list of events are made.
pub fn event_cursors(order: StoredEventOrder) -> Order {
    let tag = match order.field {
        StoredEventField::EventTime => tag(order.direction, "events:time", "events:-time"),
        StoredEventField::RecordedAt => tag(order.direction, "events:recorded", "events:-recorded"),
    };
    Order {
        tag,
        shape: order.field.shape(),
    }
}

const fn tag(direction: StoredDirection, ascending: &'static str, descending: &'static str) -> &'static str {
    match direction {
        StoredDirection::Ascending => ascending,
        StoredDirection::Descending => descending,
    }
}

/// How cursors of a list of artifacts are made.
pub fn artifact_cursors(order: StoredArtifactOrder) -> Order {
    let tag = match order.field {
        StoredArtifactField::Name => tag(order.direction, "artifacts:name", "artifacts:-name"),
        StoredArtifactField::CreatedAt => tag(order.direction, "artifacts:created", "artifacts:-created"),
        StoredArtifactField::UpdatedAt => tag(order.direction, "artifacts:updated", "artifacts:-updated"),
    };
    Order {
        tag,
        shape: order.field.shape(),
    }
}

/// How cursors of a list of versions are made.
pub fn version_cursors(order: StoredVersionOrder) -> Order {
    let tag = match order.field {
        StoredVersionField::CreatedAt => tag(order.direction, "versions:created", "versions:-created"),
        StoredVersionField::TimePartition => tag(order.direction, "versions:window", "versions:-window"),
        StoredVersionField::Version => tag(order.direction, "versions:version", "versions:-version"),
    };
    Order {
        tag,
        shape: order.field.shape(),
    }
}

/// How cursors of a list of executions are made.
pub fn execution_cursors(order: StoredExecutionOrder) -> Order {
    let tag = match order.field {
        StoredExecutionField::StartedAt => tag(order.direction, "executions:started", "executions:-started"),
        StoredExecutionField::RecordedAt => tag(order.direction, "executions:recorded", "executions:-recorded"),
    };
    Order {
        tag,
        shape: order.field.shape(),
    }
}

impl From<OrderDirection> for StoredDirection {
    fn from(direction: OrderDirection) -> Self {
        match direction {
            OrderDirection::Asc => Self::Ascending,
            OrderDirection::Desc => Self::Descending,
        }
    }
}

impl From<ArtifactOrder> for StoredArtifactOrder {
    fn from(order: ArtifactOrder) -> Self {
        let field = match order.field {
            ArtifactOrderField::Name => StoredArtifactField::Name,
            ArtifactOrderField::CreatedAt => StoredArtifactField::CreatedAt,
            ArtifactOrderField::UpdatedAt => StoredArtifactField::UpdatedAt,
        };
        Self {
            field,
            direction: order.direction.into(),
        }
    }
}

impl From<VersionOrder> for StoredVersionOrder {
    fn from(order: VersionOrder) -> Self {
        let field = match order.field {
            VersionOrderField::CreatedAt => StoredVersionField::CreatedAt,
            VersionOrderField::TimePartition => StoredVersionField::TimePartition,
            VersionOrderField::Version => StoredVersionField::Version,
        };
        Self {
            field,
            direction: order.direction.into(),
        }
    }
}

impl From<ExecutionOrder> for StoredExecutionOrder {
    fn from(order: ExecutionOrder) -> Self {
        let field = match order.field {
            ExecutionOrderField::StartedAt => StoredExecutionField::StartedAt,
            ExecutionOrderField::RecordedAt => StoredExecutionField::RecordedAt,
        };
        Self {
            field,
            direction: order.direction.into(),
        }
    }
}
