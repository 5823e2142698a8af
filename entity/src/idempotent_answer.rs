//! Answers kept for requests with an `Idempotency-Key`: whoever repeats the request hears the first answer.

use sea_orm::entity::prelude::*;

/// One kept answer.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotent_answer")]
pub struct Model {
    /// The key, as the client chose it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// What the request was: a digest of its method, path, content type and body.
    pub fingerprint: Vec<u8>,
    /// The status of the answer.
    pub status: i32,
    /// Its content type.
    pub content_type: String,
    /// Its body, before compression.
    pub body: Vec<u8>,
    /// When it was kept.
    pub recorded_at: i64,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
