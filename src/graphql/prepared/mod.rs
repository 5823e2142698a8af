//! Long lists, written from the graph in memory where a selection asks for nothing but plain fields.
//!
//! [`selection`] reads what is selected, [`plain`] knows the plain fields of nodes, and a list that can be written is a [`PreparedList`].

pub mod pages;
pub mod plain;
pub mod selection;

use std::ops::Range;

use async_graphql::parser::types::Field;
use async_graphql::resolver_utils::resolve_list;
use async_graphql::{ContextSelectionSet, OutputType, Positioned, ServerResult, Value};

use self::selection::Selected;
use super::budget::{Item, draw};
use super::context::RequestContext;
use super::error::ApiError;
use super::resources::Resources;
use super::scalars::Json;
use crate::lineage::graph::Snapshot;

/// Rows that are written before others get their turn.
const PORTION: usize = 4_096;

/// A list that can be written from the graph.
pub trait PreparedList: Send + Sync {
    /// What it is a list of.
    type Item<'a>: OutputType + 'a
    where
        Self: 'a;
    /// What is selected of its items.
    type Fields: Send + Sync;

    /// The revision that it is as of.
    fn revision(&self) -> i64;
    /// How many items there are.
    fn count(&self) -> usize;
    /// The selection; none when it asks for what is not plain.
    fn fields(&self, selected: &Selected<'_>) -> Option<Self::Fields>;
    /// Writes some of its items, with commas between.
    fn write(&self, json: &mut Vec<u8>, graph: Snapshot<'_>, fields: &Self::Fields, items: Range<usize>);
    /// The items as the library resolves them.
    fn items<'a>(
        &'a self,
        resources: &'a Resources,
    ) -> impl Future<Output = Result<Vec<Self::Item<'a>>, ApiError>> + Send;
}

/// The list as a part of the answer.
pub async fn resolve<R: PreparedList>(
    rows: &R,
    ctx: &ContextSelectionSet<'_>,
    field: &Positioned<Field>,
) -> ServerResult<Value> {
    let failed = |error: ApiError| ctx.set_error_path(error.at(ctx.item.pos).into_server_error());
    let resources = ctx.data_opt::<Resources>();
    let resources = resources.ok_or_else(|| failed(ApiError::internal("the request has no resources")))?;
    let prepares = ctx
        .data_opt::<RequestContext>()
        .is_none_or(|request| request.prepares_rows);
    if prepares
        && let Some(fields) = rows.fields(&Selected::of(ctx))
        && resources.graph_is_ready(rows.count()).await.map_err(failed)?
    {
        return write(rows, ctx, field, resources, &fields).await;
    }
    let items = rows.items(resources).await.map_err(failed)?;
    let length = items.len();
    resolve_list(ctx, field, items.into_iter().map(Item), Some(length)).await
}

async fn write<R: PreparedList>(
    rows: &R,
    ctx: &ContextSelectionSet<'_>,
    field: &Positioned<Field>,
    resources: &Resources,
    fields: &R::Fields,
) -> ServerResult<Value> {
    let mut json = vec![b'['];
    let mut begin = 0;
    while begin < rows.count() {
        if begin > 0 {
            json.push(b',');
            tokio::task::yield_now().await;
        }
        let (end, before) = (rows.count().min(begin + PORTION), json.len());
        rows.write(
            &mut json,
            resources.lineage().graph().at(rows.revision()),
            fields,
            begin..end,
        );
        draw(ctx, field, json.len() - before)?;
        begin = end;
    }
    json.push(b']');
    Ok(Json(String::from_utf8(json).unwrap_or_default()).into_value())
}

/// Makes a [`PreparedList`] the type of a field, in the place of a vector of its items.
macro_rules! list_type {
    ($list:ty, $item:ty $(, $($generics:tt)*)?) => {
        impl $($($generics)*)? async_graphql::OutputType for $list {
            fn type_name() -> std::borrow::Cow<'static, str> {
                Vec::<$item>::type_name()
            }

            fn qualified_type_name() -> String {
                Vec::<$item>::qualified_type_name()
            }

            fn create_type_info(registry: &mut async_graphql::registry::Registry) -> String {
                Vec::<$item>::create_type_info(registry)
            }

            async fn resolve(
                &self,
                ctx: &async_graphql::ContextSelectionSet<'_>,
                field: &async_graphql::Positioned<async_graphql::parser::types::Field>,
            ) -> async_graphql::ServerResult<async_graphql::Value> {
                $crate::graphql::prepared::resolve(self, ctx, field).await
            }
        }
    };
}
pub(super) use list_type;
