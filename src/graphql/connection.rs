//! Lists by the Relay specification: the arguments of a page, cursors, edges and connections. The only place for each.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use async_graphql::{Context, Object, OutputType, SimpleObject, TypeName};
use data_encoding::BASE64URL_NOPAD;
use futures_util::future::try_join;

use super::error::ApiError;
use super::loaders::Batch;
use super::loaders::pages::Rows;
use super::prepared::pages::{EdgeList, NodeList};
use super::resources::Resources;
use super::view::View;
use crate::config::Limits;
use crate::lineage::node as graph;
use crate::store::page::{End, Key, KeyKind, KeyPart, Page};

/// What a page costs before its size is known: the default of `limits.page_default`.
const PAGE_ESTIMATE: usize = 50;
/// The most that anything is estimated at, so that sums of estimates do not overflow.
const COST_MAXIMUM: usize = 1 << 40;

/// The estimated cost of a list: its page's size times the cost of one of its nodes.
pub fn page_cost(first: Option<i32>, last: Option<i32>, child: usize) -> usize {
    let size = first
        .or(last)
        .map_or(PAGE_ESTIMATE, |size| usize::try_from(size).unwrap_or_default());
    size.max(1).saturating_mul(child.saturating_add(1)).min(COST_MAXIMUM)
}

/// The arguments of a page, as a client gave them.
#[derive(Clone, Debug, Default)]
pub struct PageArgs {
    /// The first so many.
    pub first: Option<i32>,
    /// Only what comes after this cursor.
    pub after: Option<String>,
    /// The last so many.
    pub last: Option<i32>,
    /// Only what comes before this cursor.
    pub before: Option<String>,
}

/// A list in one order: what its cursors are marked with, and of which parts their keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The kind of list, and its order.
    pub tag: &'static str,
    /// The parts of a key.
    pub shape: &'static [KeyKind],
}

/// A page to read.
#[derive(Clone, Debug)]
pub struct Opened {
    /// From where, how many.
    pub page: Page,
    /// In which view: where there are cursors, that of the page that they came from.
    pub view: View,
    order: Order,
    /// The lists that the cursors are of, each with its argument.
    lists: Vec<(&'static str, u32)>,
}

impl PageArgs {
    /// Checks the arguments for a list that is seen in a view.
    pub async fn open(self, resources: &Resources, view: View, order: Order) -> Result<Opened, ApiError> {
        let (page, revision, lists) = self.check(order, resources.limits())?;
        Ok(Opened {
            page,
            view: view.of_cursor(resources, revision).await?,
            order,
            lists,
        })
    }

    /// The page, the revision of the answer that its cursors came from, and the lists that they are of.
    fn check(self, order: Order, limits: &Limits) -> Result<Checked, ApiError> {
        let (end, limit) = match (self.first, self.last) {
            (Some(_), Some(_)) => {
                let message = "first and last stand together, which asks for two pages at once: give one of them.";
                return Err(ApiError::bad_user_input("last", message));
            }
            (None, Some(last)) => (End::Last, size("last", last, limits)?),
            (Some(first), None) => (End::First, size("first", first, limits)?),
            (None, None) => (End::First, u32::try_from(limits.page_default).unwrap_or(u32::MAX)),
        };
        let after = self
            .after
            .map(|cursor| read_cursor("after", &cursor, order))
            .transpose()?;
        let before = self
            .before
            .map(|cursor| read_cursor("before", &cursor, order))
            .transpose()?;
        if let (Some(one), Some(other)) = (&after, &before)
            && one.revision != other.revision
        {
            let message = "after and before are cursors of answers at different revisions: take both from one answer.";
            return Err(ApiError::bad_cursor("before", message));
        }
        let revision = after.as_ref().or(before.as_ref()).map(|cursor| cursor.revision);
        let lists = [("after", &after), ("before", &before)]
            .into_iter()
            .filter_map(|(argument, cursor)| Some((argument, cursor.as_ref()?.list)))
            .collect();
        let page = Page {
            end,
            limit,
            after: after.map(|cursor| cursor.key),
            before: before.map(|cursor| cursor.key),
        };
        Ok((page, revision, lists))
    }
}

/// A page, the revision of its cursors, and the lists that they are of.
type Checked = (Page, Option<i64>, Vec<(&'static str, u32)>);

/// The size of something that `argument` asks for.
pub fn size(argument: &str, asked: i32, limits: &Limits) -> Result<u32, ApiError> {
    let Ok(asked) = u32::try_from(asked) else {
        return Err(ApiError::bad_user_input(
            argument,
            format!("{argument} is {asked}, but must be at least 0."),
        ));
    };
    if asked as usize > limits.page_maximum {
        let what = format!("The items that {argument} asks for");
        return Err(
            ApiError::limit_exceeded("limits.page_maximum", &what, limits.page_maximum, asked as usize).about(argument),
        );
    }
    Ok(asked)
}

/// What a cursor says: where in which order of which list a row stands, and in which state of the store.
struct Cursor {
    revision: i64,
    key: Key,
    list: u32,
}

/// Which list it is: of what, with which filter. The same in every process of the same build.
fn identify(list: impl Hash) -> u32 {
    let mut hasher = DefaultHasher::new();
    list.hash(&mut hasher);
    // Half of the bits are enough to tell a mistake.
    (hasher.finish() >> 32) as u32
}

fn write_cursor(tag: &str, cursor: &Cursor) -> String {
    let json = serde_json::json!([tag, cursor.revision, cursor.key, cursor.list]);
    BASE64URL_NOPAD.encode(json.to_string().as_bytes())
}

fn other_list(argument: &str) -> ApiError {
    let message =
        format!("The cursor in {argument} is of another list or another order: use one of this list, in this order.");
    ApiError::bad_cursor(argument, message)
}

fn read_cursor(argument: &str, cursor: &str, order: Order) -> Result<Cursor, ApiError> {
    let malformed = || {
        ApiError::bad_cursor(
            argument,
            format!("The cursor in {argument} is none: use one that the server has answered."),
        )
    };
    let json = BASE64URL_NOPAD.decode(cursor.as_bytes()).map_err(|_| malformed())?;
    let (tag, revision, key, list): (String, i64, Key, u32) = serde_json::from_slice(&json).map_err(|_| malformed())?;
    let page = Page {
        end: End::First,
        limit: 0,
        after: Some(key.clone()),
        before: None,
    };
    if tag != order.tag {
        return Err(other_list(argument));
    }
    // No stored text has U+0000, and PostgreSQL refuses to compare with it.
    let is_forged = key
        .0
        .iter()
        .any(|part| matches!(part, KeyPart::Text(text) if text.contains('\0')));
    if revision < 0 || is_forged || !page.fits(order.shape) {
        return Err(malformed());
    }
    Ok(Cursor { revision, key, list })
}

/// Where a client is in a list.
#[derive(SimpleObject, Clone, Debug)]
pub struct PageInfo {
    /// Whether more comes after this page.
    pub has_next_page: bool,
    /// Whether more comes before this page.
    pub has_previous_page: bool,
    /// The cursor of the first item, to be given as `before`; null for an empty page.
    pub start_cursor: Option<String>,
    /// The cursor of the last item, to be given as `after`; null for an empty page.
    pub end_cursor: Option<String>,
}

/// How the cursors of one page are made.
pub struct Cursors<R> {
    tag: &'static str,
    list: u32,
    revision: i64,
    key: Box<dyn Fn(&R) -> Key + Send + Sync>,
}

/// A row of a page, as an edge shows it.
pub struct Item<R> {
    /// The row.
    pub row: Arc<R>,
    cursors: Arc<Cursors<R>>,
}

impl<R> Clone for Item<R> {
    fn clone(&self) -> Self {
        Self {
            row: Arc::clone(&self.row),
            cursors: Arc::clone(&self.cursors),
        }
    }
}

impl<R> Item<R> {
    /// Its cursor.
    pub fn cursor(&self) -> String {
        let Cursors {
            tag,
            list,
            revision,
            key,
        } = &*self.cursors;
        let cursor = Cursor {
            revision: *revision,
            key: key(&self.row),
            list: *list,
        };
        write_cursor(tag, &cursor)
    }
}

/// An edge of some list.
pub trait Edge: OutputType + 'static {
    /// Its row.
    type Row: Send + Sync + 'static;
    /// What stands at its end.
    type Node: OutputType;
    /// The name of its connection's type.
    const CONNECTION: &'static str;

    /// The row and its cursor.
    fn item(&self) -> &Item<Self::Row>;
    /// What stands at its end; none when the query does not want it.
    fn end(&self) -> Option<&Self::Node>;

    /// The node of the graph that stands at its end, and the revision in which it is seen; none for what is no node.
    fn graph_end(&self) -> Option<(graph::Node, i64)> {
        None
    }

    /// What an execution calls it, and the revision that recorded it; none for what is no edge of lineage.
    fn link(&self) -> Option<(&str, i64)> {
        None
    }
}

/// A page of a list, by the Relay specification.
pub struct Connection<E> {
    edges: Arc<[E]>,
    has_next: bool,
    has_previous: bool,
    total: i64,
}

/// A page of a list, by the Relay specification, and how long the list is.
#[Object(name_type)]
impl<E: Edge> Connection<E> {
    /// The items of this page with their cursors, in the order of the list.
    async fn edges(&self) -> EdgeList<E> {
        EdgeList(Arc::clone(&self.edges))
    }

    /// The items of this page without their cursors.
    async fn nodes(&self) -> NodeList<E> {
        NodeList(Arc::clone(&self.edges))
    }

    /// Where this page is in the list.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_next_page: self.has_next,
            has_previous_page: self.has_previous,
            start_cursor: self.edges.first().map(|edge| edge.item().cursor()),
            end_cursor: self.edges.last().map(|edge| edge.item().cursor()),
        }
    }

    /// How many items the list has, on all pages together; counted only when asked for.
    async fn total_count(&self) -> i32 {
        int(self.total)
    }
}

impl<E: Edge> TypeName for Connection<E> {
    fn type_name() -> Cow<'static, str> {
        E::CONNECTION.into()
    }
}

/// A count as GraphQL's `Int`.
pub fn int(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// What a query wants of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Any of `edges`, `nodes` and `pageInfo`.
    pub page: bool,
    /// `totalCount`.
    pub total: bool,
    /// What stands at the ends of edges.
    pub nodes: bool,
}

impl Wanted {
    /// Reads the selection of the connection that `ctx` resolves.
    pub fn of(ctx: &Context<'_>) -> Self {
        let mut wanted = Self {
            page: false,
            total: false,
            nodes: false,
        };
        for field in ctx.field().selection_set() {
            match field.name() {
                "totalCount" => wanted.total = true,
                "nodes" => (wanted.page, wanted.nodes) = (true, true),
                "edges" => {
                    wanted.page = true;
                    wanted.nodes |= field.selection_set().any(|inner| inner.name() == "node");
                }
                _ => wanted.page = true,
            }
        }
        wanted
    }
}

/// A page that was read: its rows with their cursors, and the view that they were read in.
pub struct Read<R> {
    /// The rows.
    pub items: Vec<Item<R>>,
    /// In which view.
    pub view: View,
    /// Whether a query wants what stands at the ends of edges.
    pub wants_nodes: bool,
    has_next: bool,
    has_previous: bool,
    total: i64,
}

impl<R> Read<R> {
    /// What is left of a list by a filter that nothing passes.
    pub fn nothing(view: View) -> Self {
        Self {
            items: Vec::new(),
            view,
            wants_nodes: false,
            has_next: false,
            has_previous: false,
            total: 0,
        }
    }

    /// The connection, with an edge for each row.
    pub fn connect<E>(self, edge: impl FnMut(Item<R>) -> E) -> Connection<E> {
        let Self {
            items,
            has_next,
            has_previous,
            total,
            ..
        } = self;
        Connection {
            edges: items.into_iter().map(edge).collect(),
            has_next,
            has_previous,
            total,
        }
    }
}

/// Reads what a query wants of a list: the page, its length, or both at once.
pub async fn read<P, C, R>(
    ctx: &Context<'_>,
    Opened { view, order, lists, .. }: Opened,
    (pages, counts): (P, C),
    of: P::Of,
    key: impl Fn(&R) -> Key + Send + Sync + 'static,
) -> Result<Read<R>, ApiError>
where
    P: Batch<Value = Rows<R>>,
    C: Batch<Of = P::Of, Value = i64>,
{
    let resources = Resources::of(ctx)?;
    let wanted = Wanted::of(ctx);
    // What is counted is the list, whatever page of it is read.
    let list = identify((&counts, &of));
    if let Some((argument, _)) = lists.iter().find(|(_, theirs)| *theirs != list) {
        return Err(other_list(argument));
    }
    let of_total = of.clone();
    let page = async {
        Ok::<_, ApiError>(if wanted.page {
            Some(resources.load(pages, view.scope, of).await?)
        } else {
            None
        })
    };
    let total = async {
        Ok(if wanted.total {
            resources.load(counts, view.scope, of_total).await?
        } else {
            0
        })
    };
    let (rows, total) = try_join(page, total).await?;
    let cursors = Arc::new(Cursors {
        tag: order.tag,
        list,
        revision: view.scope.revision,
        key: Box::new(key),
    });
    let item = |row: &Arc<R>| Item {
        row: Arc::clone(row),
        cursors: Arc::clone(&cursors),
    };
    Ok(Read {
        items: rows.iter().flat_map(|slice| &slice.rows).map(item).collect(),
        view,
        wants_nodes: wanted.nodes,
        has_next: rows.as_ref().is_some_and(|slice| slice.has_next),
        has_previous: rows.as_ref().is_some_and(|slice| slice.has_previous),
        total,
    })
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Limits, Order, PageArgs, page_cost};
    use crate::store::page::{End, Key, KeyKind, KeyPart};

    fn write_cursor(tag: &str, revision: i64, key: &Key) -> String {
        let key = key.clone();
        super::write_cursor(tag, &Cursor { revision, key, list: 7 })
    }

    const ORDER: Order = Order {
        tag: "things:created",
        shape: &[KeyKind::Int, KeyKind::Int],
    };

    fn key() -> Key {
        Key(vec![KeyPart::Int(i64::MIN), KeyPart::Int(7)])
    }

    fn refusal(args: PageArgs) -> (&'static str, String) {
        let error = args.check(ORDER, &Limits::default()).unwrap_err();
        (error.code().as_str(), error.argument().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_cursor_makes_the_round_trip() {
        let after = Some(write_cursor(ORDER.tag, 42, &key()));
        let (page, revision, lists) = PageArgs {
            last: Some(0),
            after,
            ..PageArgs::default()
        }
        .check(ORDER, &Limits::default())
        .unwrap();
        assert_eq!(
            (page.end, page.limit, page.after, revision),
            (End::Last, 0, Some(key()), Some(42))
        );
        assert_eq!(lists, [("after", 7)]);
    }

    #[test]
    fn without_arguments_it_is_the_first_page() {
        let (page, revision, _) = PageArgs::default().check(ORDER, &Limits::default()).unwrap();
        assert_eq!(
            (page.end, page.limit as usize, revision),
            (End::First, Limits::default().page_default, None)
        );
    }

    #[test]
    fn sizes_in_pairs() {
        let first = |first| PageArgs {
            first: Some(first),
            ..PageArgs::default()
        };
        assert!(first(1_000).check(ORDER, &Limits::default()).is_ok());
        assert_eq!(refusal(first(1_001)), ("LIMIT_EXCEEDED", "first".to_owned()));
        assert!(first(0).check(ORDER, &Limits::default()).is_ok());
        assert_eq!(refusal(first(-1)), ("BAD_USER_INPUT", "first".to_owned()));
        assert_eq!(
            refusal(PageArgs {
                last: Some(1),
                ..first(1)
            }),
            ("BAD_USER_INPUT", "last".to_owned())
        );
    }

    #[test]
    fn cursors_of_other_lists_are_refused() {
        let after = |cursor: String| PageArgs {
            after: Some(cursor),
            ..PageArgs::default()
        };
        let long = Key(vec![KeyPart::Int(1), KeyPart::Int(2), KeyPart::Int(3)]);
        let wrong = [
            String::new(),
            "x".to_owned(),
            "%%%".to_owned(),
            data_encoding::BASE64URL_NOPAD.encode(b"[]"),
            write_cursor("things:-created", 1, &key()),
            write_cursor(ORDER.tag, -1, &key()),
            write_cursor(ORDER.tag, 1, &long),
        ];
        for cursor in wrong {
            assert_eq!(
                refusal(after(cursor.clone())),
                ("BAD_CURSOR", "after".to_owned()),
                "{cursor}"
            );
        }
        let two = PageArgs {
            before: Some(write_cursor(ORDER.tag, 2, &key())),
            ..after(write_cursor(ORDER.tag, 1, &key()))
        };
        assert_eq!(refusal(two), ("BAD_CURSOR", "before".to_owned()));
    }

    #[test]
    fn costs_multiply_and_do_not_overflow() {
        assert_eq!(page_cost(Some(10), None, 4), 50);
        assert_eq!(page_cost(None, Some(10), 4), 50);
        assert_eq!(page_cost(None, None, 4), 250);
        assert_eq!(page_cost(Some(0), None, 4), 5);
        assert_eq!(page_cost(Some(-5), None, 4), 5);
        assert!(page_cost(Some(i32::MAX), None, usize::MAX) < usize::MAX / 1_000);
    }
}
