//! How many bytes an answer may have, and how it is kept to that while it is made.
//!
//! The cost of an operation counts fields, and one field may be megabytes, once for each of a thousand nodes. So whatever can make an
//! answer large draws on a budget as soon as it is there: a long text or JSON where it is resolved, an item of a list when all of it is
//! resolved, prepared rows as they are written. What is drawn is never more than the answer would have; that it has no more than the limit
//! to the byte is seen to when it is written.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::resolve_list;
use async_graphql::{ContextSelectionSet, OutputType, Positioned, ServerResult, Value};

use super::context::RequestContext;
use super::error::ApiError;
use super::scalars::{self, Json};
use crate::store::Room;

/// Up to so many bytes a text is counted with the item of a list that it belongs to. Where it belongs to none, there are no more of them
/// than a document has fields. It is as much as a name can have.
const SHORT: usize = 4_096;

/// The bytes that one answer may have. Clones draw on the same.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    drawn: AtomicUsize,
    room: Arc<Room>,
}

impl Budget {
    /// So many bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner {
            limit,
            drawn: AtomicUsize::new(0),
            room: Arc::new(Room::new(limit)),
        }))
    }

    /// The bytes that the answer may have.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// What has been drawn so far.
    pub fn drawn(&self) -> usize {
        self.0.drawn.load(Ordering::Relaxed)
    }

    /// The room for what is read for the answer: what is read of long texts will be in it.
    pub fn room(&self) -> &Arc<Room> {
        &self.0.room
    }

    /// Draws bytes that the answer will have.
    ///
    /// # Errors
    /// LIMIT_EXCEEDED, when it would have more than it may.
    pub fn draw(&self, bytes: usize) -> Result<(), ApiError> {
        let drawn = self.0.drawn.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if drawn <= self.0.limit {
            return Ok(());
        }
        Err(ApiError::answer_too_large(self.0.limit, drawn))
    }

    /// What the whole answer is, once more was drawn or read for it than it may have.
    pub fn exceeded(&self) -> Option<ApiError> {
        let drawn = Some(self.drawn()).filter(|drawn| *drawn > self.0.limit);
        let actual = drawn.or_else(|| self.0.room.exceeded())?;
        Some(ApiError::answer_too_large(self.0.limit, actual))
    }

    /// Runs what makes the answer, until the answer would have more than it may.
    ///
    /// # Errors
    /// LIMIT_EXCEEDED, as soon as that is so.
    pub async fn watch<F: Future>(&self, work: F) -> Result<F::Output, ApiError> {
        let mut work = pin!(work);
        poll_fn(|context| {
            let polled = work.as_mut().poll(context);
            match self.exceeded() {
                Some(error) => Poll::Ready(Err(error)),
                None => polled.map(Ok),
            }
        })
        .await
    }
}

/// Draws bytes for what `ctx` resolves.
pub fn draw(ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>, bytes: usize) -> ServerResult<()> {
    let Some(request) = ctx.data_opt::<RequestContext>() else {
        return Ok(());
    };
    let drawn = request.budget.draw(bytes);
    drawn.map_err(|error| ctx.set_error_path(error.at(field.pos).into_server_error()))
}

/// The bytes of what is resolved, without the parts that have been drawn already: long texts, JSON, and lists of objects.
fn bytes_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Boolean(_) => 4,
        Value::Number(_) => 1,
        Value::String(text) if text.len() > SHORT => 0,
        Value::String(text) => text.len() + 2,
        Value::Enum(name) => name.len() + 2,
        Value::Binary(bytes) => bytes.len(),
        Value::List(items) if items.iter().any(|item| matches!(item, Value::Object(_))) => 0,
        Value::List(items) => 2 + items.iter().map(bytes_of).sum::<usize>(),
        Value::Object(members) if scalars::written(members).is_some() => 0,
        Value::Object(members) => {
            // A key has two quotation marks, a colon and a comma or a brace.
            let member = |(key, value): (&async_graphql::Name, &Value)| key.len() + 4 + bytes_of(value);
            1 + members.iter().map(member).sum::<usize>()
        }
    }
}

/// Implements the type of a field as another one that is only made differently.
macro_rules! as_type {
    ($like:ty) => {
        fn type_name() -> Cow<'static, str> {
            <$like as OutputType>::type_name()
        }

        fn qualified_type_name() -> String {
            <$like as OutputType>::qualified_type_name()
        }

        fn create_type_info(registry: &mut Registry) -> String {
            <$like as OutputType>::create_type_info(registry)
        }
    };
}

/// A text that may be long: every `String` of the schema that has no limit, or one above that of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<T>(pub T);

impl<T: AsRef<str> + Send + Sync> OutputType for Text<T> {
    as_type!(String);

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let text = self.0.as_ref();
        if text.len() > SHORT {
            draw(ctx, field, text.len())?;
        }
        Ok(Value::String(text.to_owned()))
    }
}

/// JSON that is stored as a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredJson<T>(pub T);

impl<T: AsRef<str> + Send + Sync> OutputType for StoredJson<T> {
    as_type!(Json);

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let text = self.0.as_ref();
        draw(ctx, field, text.len())?;
        Ok(Json(text.to_owned()).into_value())
    }
}

/// An item of a list of objects.
pub struct Item<T>(pub T);

impl<T: OutputType> OutputType for Item<T> {
    as_type!(T);

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let value = self.0.resolve(ctx, field).await?;
        draw(ctx, field, bytes_of(&value) + 1)?;
        Ok(value)
    }
}

/// A list of objects.
pub struct List<T>(pub Vec<T>);

impl<T: OutputType> OutputType for List<T> {
    as_type!(Vec<T>);

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        resolve_list(ctx, field, self.0.iter().map(Item), Some(self.0.len())).await
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(items: Vec<T>) -> Self {
        Self(items)
    }
}

impl<T> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Value, bytes_of};

    #[test]
    fn what_is_drawn_is_what_an_item_will_have_and_never_more() {
        for json in [
            r#"{"id":"version_b","state":"AVAILABLE","latest":true}"#,
            r#"{"id":"a"}"#,
            r#"{"aliases":["a","bc"],"keys":[],"none":null}"#,
            r#"{"artifact":{"name":"orders","values":[{"key":"a"}]},"count":12}"#,
        ] {
            let value: Value = serde_json::from_str(json).unwrap();
            let bytes = bytes_of(&value);
            assert!(bytes <= json.len() && bytes + 20 > json.len(), "{json}: {bytes}");
        }
    }

    #[tokio::test]
    async fn work_ends_with_the_first_byte_too_many() {
        let budget = Budget::new(10);
        assert_eq!(budget.watch(async { budget.draw(10).is_ok() }).await.ok(), Some(true));
        let endless = async {
            let _ = budget.draw(1);
            std::future::pending::<()>().await;
        };
        assert!(budget.watch(endless).await.is_err());
    }
}
