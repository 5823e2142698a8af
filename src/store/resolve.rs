//! temp
use super::{Scope, StoreError};
use crate::domain::filter::VersionKeyQuery;
pub enum SelectError {
    UnknownKey(String),
    Store(StoreError),
}
pub struct V {
    pub id: entity::VersionId,
}
pub struct Selection {
    pub version: Option<V>,
}
pub async fn version_select(
    _db: &impl sea_orm::ConnectionTrait,
    _s: &Scope,
    _q: &VersionKeyQuery,
) -> Result<Selection, SelectError> {
    Ok(Selection { version: None })
}
