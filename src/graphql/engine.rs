//! Runs documents against the schema: parse, limits, validation, variables, execution, and a code on every error.
//!
//! The library offers extensions for most of this. None is registered with the schema that executes, because then each
//! field of an answer passes through each extension, at half the cost of the field again (docs/decisions/0002). Instead
//! there are two schemas of the same types: the *checker* validates a document when it is first seen and never
//! executes; the *executor* trusts it.

use std::{any::Any, collections::BTreeMap, io, sync::Arc};

use async_graphql::{
    ID, InputType, ObjectType, Request, Schema, SchemaBuilder, ServerError, SubscriptionType, ValidationMode,
    ValidationResult, Value, Variables,
    async_trait::async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
    parser::{
        self, parse_query,
        types::{BaseType, DocumentOperations, OperationDefinition, OperationType},
    },
    registry::Registry,
};
use futures_util::future::BoxFuture;
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeStruct},
};

use super::{
    budget::Budget,
    context::{RequestContext, RequestId},
    documents::{Document, Documents},
    error::{ApiError, ErrorCode, code_of, finish},
    limits, scalars, variables,
};
use crate::config::{Config, Limits};

/// The library's own guard, behind ours, which counts the same and answers with a code.
const RECURSION_MAXIMUM: usize = 100;

/// The fields whose lists are written from prepared rows.
const PREPARED_LISTS: &[&str] = &["roots", "nodes", "edges"];

/// What the library says when an operation costs more than the executor allows; it says no numbers.
const TOO_COMPLEX: &str = "Query is too complex.";

/// A schema, whatever its root types are.
trait AnySchema: Send + Sync {
    fn execute(&self, request: Request) -> BoxFuture<'_, async_graphql::Response>;
}

impl<Q, M, S> AnySchema for Schema<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    fn execute(&self, request: Request) -> BoxFuture<'_, async_graphql::Response> {
        Box::pin(Self::execute(self, request))
    }
}

/// Puts what resolvers need into a request.
type Attach = Box<dyn Fn(Request, RequestContext) -> Request + Send + Sync>;

/// The schema, ready to answer.
pub struct Engine {
    executor: Box<dyn AnySchema>,
    checker: Box<dyn AnySchema>,
    registry: Registry,
    documents: Documents,
    limits: Arc<Limits>,
    attach: Attach,
}

/// One operation to run, as a client asks for it.
#[derive(Debug, Default)]
pub struct Operation {
    /// The document.
    pub query: String,
    /// Which operation of the document, if it has many.
    pub operation_name: Option<String>,
    /// The values of its variables.
    pub variables: Variables,
}

/// An operation that is parsed, within the limits, and fits the schema.
pub struct Prepared {
    document: Arc<Document>,
    operation_name: Option<String>,
    kind: OperationType,
    variables: Variables,
    /// Those variables that the cost of an operation can depend on.
    plain: Variables,
}

impl Prepared {
    /// Whether it is a query, a mutation or a subscription.
    pub fn kind(&self) -> OperationType {
        self.kind
    }

    /// The name of the operation, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.operation_name.as_deref()
    }

    fn request(&self, variables: Variables) -> Request {
        let mut request = Request::new(String::new()).variables(variables);
        request.set_parsed_query(self.document.parsed.clone());
        request.operation_name = match self.document.parsed.operations {
            DocumentOperations::Single(_) => None,
            DocumentOperations::Multiple(_) => self.operation_name.clone(),
        };
        request
    }
}

/// What a request is answered: data, errors, or both.
#[derive(Debug)]
pub struct Answer {
    /// What went wrong, each with a code.
    pub errors: Vec<ServerError>,
    /// The data; `None` when nothing was executed, so that the answer has no such key.
    pub data: Option<Value>,
    extensions: BTreeMap<String, Value>,
    request_id: RequestId,
    /// How many bytes it may have, and how many it will have at least.
    budget: Option<Budget>,
}

impl Answer {
    /// The answer to a request that was not executed.
    pub fn refused(errors: Vec<ApiError>, request_id: &RequestId) -> Self {
        let mut errors: Vec<_> = errors.into_iter().map(ApiError::into_server_error).collect();
        for error in &mut errors {
            finish(error, request_id.as_str());
        }
        Self {
            errors,
            data: None,
            extensions: BTreeMap::new(),
            request_id: request_id.clone(),
            budget: None,
        }
    }

    /// The answer to a request that was executed, in the place of one that would have more bytes than it may.
    fn too_large(error: ApiError, request_id: &RequestId) -> Self {
        Self {
            data: Some(Value::Null),
            ..Self::refused(vec![error], request_id)
        }
    }

    /// Writes it as JSON. One that has more bytes than it may becomes one that says so.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self) -> serde_json::Result<Vec<u8>> {
        let Some(budget) = self.budget.take() else {
            return serde_json::to_vec(self);
        };
        let mut json = Bounded::new(&budget);
        let written = serde_json::to_writer(&mut json, self);
        match json.finish() {
            Ok(json) => written.map(|()| json),
            Err(error) => {
                *self = Self::too_large(error, &self.request_id);
                serde_json::to_vec(self)
            }
        }
    }

    /// Whether there is nothing but UNAVAILABLE: the same request may work in a while.
    pub fn is_unavailable(&self) -> bool {
        let is_empty = self.data.as_ref().is_none_or(|data| *data == Value::Null);
        let codes: Vec<_> = self.codes().collect();
        is_empty && !codes.is_empty() && codes.iter().all(|code| *code == ErrorCode::Unavailable)
    }

    /// The codes of the errors, in their order.
    pub fn codes(&self) -> impl Iterator<Item = ErrorCode> {
        self.errors.iter().filter_map(code_of)
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.errors.is_empty() {
            map.serialize_entry("errors", &self.errors)?;
        }
        if let Some(data) = &self.data {
            map.serialize_entry("data", &Written(data))?;
        }
        if !self.extensions.is_empty() {
            map.serialize_entry("extensions", &self.extensions)?;
        }
        map.end()
    }
}

/// Takes what is written as far as an answer may go.
struct Bounded {
    json: Vec<u8>,
    limit: usize,
    /// All that was to be written, once that is more than the limit.
    wanted: Option<usize>,
}

/// Beside what was drawn, an answer has about so many bytes.
const FRAME: usize = 128;

impl Bounded {
    fn new(budget: &Budget) -> Self {
        let limit = budget.limit();
        Self {
            // A large answer is not copied while it grows.
            json: Vec::with_capacity(budget.drawn().min(limit).saturating_add(FRAME)),
            limit,
            wanted: None,
        }
    }

    fn finish(self) -> Result<Vec<u8>, ApiError> {
        match self.wanted {
            None => Ok(self.json),
            Some(wanted) => Err(ApiError::answer_too_large(self.limit, wanted)),
        }
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    // Called for every quotation mark: what the trait does by itself takes longer than the copy.
    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = self.json.len() + bytes.len();
        if length > self.limit {
            self.wanted = Some(length);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.json.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A part of an answer. What is written already goes out as it is; the library would read it once more to see that it is JSON.
struct Written<'a>(&'a Value);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(members) => {
                if let Some(text) = scalars::written(members) {
                    // What `serde_json` takes for JSON that is written already, as its own `RawValue` hands it over.
                    let mut raw = serializer.serialize_struct(scalars::RAW_VALUE_TOKEN, 1)?;
                    raw.serialize_field(scalars::RAW_VALUE_TOKEN, text)?;
                    return raw.end();
                }
                serializer.collect_map(members.iter().map(|(key, value)| (key, Written(value))))
            }
            Value::List(items) => serializer.collect_seq(items.iter().map(Written)),
            other => other.serialize(serializer),
        }
    }
}

impl Engine {
    /// An engine for the schema that `build` begins; it is called twice, and must add no extension.
    pub fn new<Q, M, S>(build: impl Fn() -> SchemaBuilder<Q, M, S>, config: &Config) -> Self
    where
        Q: ObjectType + 'static,
        M: ObjectType + 'static,
        S: SubscriptionType + 'static,
    {
        let limited = || build().limit_recursive_depth(RECURSION_MAXIMUM);
        Self {
            executor: Box::new(
                limited()
                    .validation_mode(ValidationMode::Fast)
                    .limit_complexity(config.limits.complexity)
                    .finish(),
            ),
            checker: Box::new(limited().extension(Stop).finish()),
            registry: registry::<Q, M, S>(),
            documents: Documents::new(config.server.document_cache_entries, config.server.document_cache_bytes),
            limits: Arc::new(config.limits.clone()),
            attach: Box::new(Request::data),
        }
    }

    /// Replaces what is put into each request for the resolvers; without it, that is the [`RequestContext`] alone.
    #[must_use]
    pub fn attaching(mut self, attach: impl Fn(Request, RequestContext) -> Request + Send + Sync + 'static) -> Self {
        self.attach = Box::new(attach);
        self
    }

    /// The limits that requests are held to.
    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// Parses and validates an operation, and checks its variables.
    ///
    /// # Errors
    /// All that is wrong with it; then nothing of it may be executed.
    pub async fn prepare(&self, operation: Operation) -> Result<Prepared, Vec<ApiError>> {
        let Operation {
            query,
            operation_name,
            variables,
        } = operation;
        let operation_name = operation_name.filter(|name| !name.is_empty());
        let document = self.document(&query).map_err(|error| vec![error])?;
        let (name, definition) =
            select(&document.parsed.operations, operation_name.as_deref()).map_err(|error| vec![error])?;
        variables::check(&self.registry, definition, &variables)?;
        let variables = with_nulls(definition, variables);
        let prepared = Prepared {
            kind: definition.ty,
            operation_name: name.map(str::to_owned),
            plain: plain(&variables),
            document: Arc::clone(&document),
            variables,
        };
        if !document.is_valid() {
            self.validate(prepared.request(prepared.plain.clone())).await?;
            document.set_valid();
            self.documents.insert(&query, document);
        }
        Ok(prepared)
    }

    /// Executes an operation.
    pub async fn execute(&self, prepared: Prepared, context: RequestContext) -> Answer {
        let mut prepared = prepared;
        let mut context = context;
        context.prepares_rows &= !prepared.document.repeats_lists(PREPARED_LISTS);
        let variables = std::mem::take(&mut prepared.variables);
        let request_id = context.request_id.clone();
        let (reads, budget) = (context.reads.clone(), context.budget.clone());
        let request = (self.attach)(prepared.request(variables), context);
        let executing = self.executor.execute(request);
        let response = match prepared.kind {
            // What is being written is waited for, and the field that asks too much of it says so, as it would of any other error.
            OperationType::Mutation => Ok(reads.drive(executing).await),
            _ => reads.drive(budget.watch(executing)).await,
        };
        let response = match response {
            Ok(response) => response,
            Err(error) => return Answer::too_large(error, &request_id),
        };
        if is_request_error(&response) {
            let errors = self.request_errors(response.errors, &prepared).await;
            return Answer::refused(errors, &request_id);
        }
        let mut errors = response.errors;
        for error in &mut errors {
            finish(error, request_id.as_str());
        }
        Answer {
            errors,
            data: Some(response.data),
            extensions: response.extensions,
            request_id,
            budget: Some(budget),
        }
    }

    fn document(&self, query: &str) -> Result<Arc<Document>, ApiError> {
        if let Some(document) = self.documents.get(query) {
            return Ok(document);
        }
        limits::check_source(query, &self.limits)?;
        let parsed = parse_query(query).map_err(|error| parse_failure(&error))?;
        limits::check_document(&parsed, &self.limits)?;
        Ok(Arc::new(Document::new(parsed)))
    }

    /// Holds a document against the schema, and what it costs against the limit.
    async fn validate(&self, request: Request) -> Result<(), Vec<ApiError>> {
        let errors = self.checker.execute(request).await.errors;
        match errors.first().and_then(|error| error.source::<ValidationResult>()) {
            Some(measured) if measured.complexity > self.limits.complexity => {
                let actual = measured.complexity;
                let limit = self.limits.complexity;
                Err(vec![ApiError::limit_exceeded(
                    "limits.complexity",
                    "The estimated cost of the operation,",
                    limit,
                    actual,
                )])
            }
            Some(_) => Ok(()),
            None => Err(errors.into_iter().map(validation_failure).collect()),
        }
    }

    /// The executor refuses to start only for the cost, which depends on the variables; the checker knows the number.
    async fn request_errors(&self, errors: Vec<ServerError>, prepared: &Prepared) -> Vec<ApiError> {
        if errors.iter().any(|error| error.message == TOO_COMPLEX)
            && let Err(errors) = self.validate(prepared.request(prepared.plain.clone())).await
        {
            return errors;
        }
        errors.into_iter().map(validation_failure).collect()
    }
}

/// Ends a request after its validation, and hands the measures out as an error's source.
struct Stop;

impl ExtensionFactory for Stop {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for Stop {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let measured = next.run(ctx).await?;
        let mut stop = ServerError::new(String::new(), None);
        stop.source = Some(Arc::new(measured) as Arc<dyn Any + Send + Sync>);
        Err(vec![stop])
    }
}

/// The types of the schema, to check variables against; the library keeps its own to itself.
fn registry<Q: ObjectType, M: ObjectType, S: SubscriptionType>() -> Registry {
    let mut registry = Registry::default();
    for built_in in [
        <i32 as InputType>::create_type_info,
        <f64 as InputType>::create_type_info,
        <bool as InputType>::create_type_info,
        <String as InputType>::create_type_info,
        <ID as InputType>::create_type_info,
    ] {
        built_in(&mut registry);
    }
    Q::create_type_info(&mut registry);
    if !M::is_empty() {
        M::create_type_info(&mut registry);
    }
    if !S::is_empty() {
        S::create_type_info(&mut registry);
    }
    registry
}

fn select<'a>(
    operations: &'a DocumentOperations,
    name: Option<&'a str>,
) -> Result<(Option<&'a str>, &'a OperationDefinition), ApiError> {
    let unknown = |name: &str| {
        let message = format!("The document has no operation named {name:?}: give the name of one that it has.");
        ApiError::bad_user_input("operationName", message)
    };
    match (operations, name) {
        (DocumentOperations::Single(operation), None) => Ok((None, &operation.node)),
        (DocumentOperations::Single(_), Some(name)) => Err(unknown(name)),
        (DocumentOperations::Multiple(named), Some(name)) => named
            .get(name)
            .map(|operation| (Some(name), &operation.node))
            .ok_or_else(|| unknown(name)),
        (DocumentOperations::Multiple(named), None) => {
            let mut all = named.iter();
            match (all.next(), all.next()) {
                (Some((name, operation)), None) => Ok((Some(name.as_str()), &operation.node)),
                _ => Err(ApiError::bad_user_input(
                    "operationName",
                    "The document has many operations: say in operationName which of them to run.",
                )),
            }
        }
    }
}

/// The variables that the cost of an operation can depend on: plain ones, such as a page's size, lists of plain ones, such as the
/// ids of nodes, and objects, such as the options of a walk. Of an object that is not small only what stands beside its lists
/// counts. Lists of objects, such as records, may be megabytes, and are not copied.
fn plain(variables: &Variables) -> Variables {
    let mut plain = Variables::default();
    for (name, value) in variables.iter() {
        let copy = match value {
            Value::List(items)
                if items
                    .iter()
                    .any(|item| matches!(item, Value::Object(_) | Value::List(_))) =>
            {
                continue;
            }
            Value::Object(_) if !is_small(value, &mut { SMALL }) => without_lists(value),
            value => value.clone(),
        };
        plain.insert(name.clone(), copy);
    }
    plain
}

fn without_lists(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| (name.clone(), without_lists(value)))
                .collect(),
        ),
        Value::List(_) => Value::List(Vec::new()),
        value => value.clone(),
    }
}

/// Gives variables that a client has not sent, and may leave out, the value null. The library wants to know the value of every
/// variable in an argument that a field's cost depends on. In our arguments null is the same as nothing, but for JSON values.
fn with_nulls(definition: &OperationDefinition, mut variables: Variables) -> Variables {
    for variable in &definition.variable_definitions {
        let variable = &variable.node;
        let is_json = matches!(&variable.var_type.node.base, BaseType::Named(name) if name == "JSON");
        let may_be_left_out = variable.var_type.node.nullable && variable.default_value.is_none() && !is_json;
        if may_be_left_out && !variables.contains_key(&variable.name.node) {
            variables.insert(variable.name.node.clone(), Value::Null);
        }
    }
    variables
}

/// As many values as a small object has at most, and as many bytes as its texts have.
const SMALL: (usize, usize) = (200, 20_000);

fn is_small(value: &Value, left: &mut (usize, usize)) -> bool {
    if left.0 == 0 {
        return false;
    }
    left.0 -= 1;
    match value {
        Value::Object(members) => members.values().all(|value| is_small(value, left)),
        Value::List(items) => items.iter().all(|item| is_small(item, left)),
        Value::String(text) => {
            let fits = text.len() <= left.1;
            left.1 = left.1.saturating_sub(text.len());
            fits
        }
        _ => true,
    }
}

/// Nothing was executed: every error is about the request as a whole.
fn is_request_error(response: &async_graphql::Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

fn parse_failure(error: &parser::Error) -> ApiError {
    let message = match error {
        // The library draws the line with a caret under it; the position says the same without sending the source back.
        parser::Error::Syntax { message, .. } => {
            let reason = message.lines().rev().find_map(|line| line.trim().strip_prefix("= "));
            format!(
                "The document is no GraphQL: {}.",
                reason.unwrap_or("its syntax is wrong")
            )
        }
        other => format!("The document is no GraphQL: {other}."),
    };
    let failure = ApiError::new(ErrorCode::GraphqlParseFailed, message);
    match error.positions().next() {
        Some(position) => failure.at(position),
        None => failure,
    }
}

/// The library's complaint about a document, with a code, and with advice where a scalar of ours could not read a
/// value.
fn validation_failure(error: ServerError) -> ApiError {
    let failure = match scalar_of(&error.message).and_then(|scalar| Some((scalar, scalars::advice(scalar)?))) {
        Some((_, advice)) => ApiError::new(ErrorCode::BadUserInput, format!("{}: {advice}.", error.message)),
        None => ApiError::new(ErrorCode::GraphqlValidationFailed, sentence(error.message)),
    };
    match error.locations.first() {
        Some(position) => failure.at(*position),
        None => failure,
    }
}

/// The library's words, which do not always end with a full stop.
fn sentence(mut words: String) -> String {
    if !words.ends_with(['.', '?', '!']) {
        words.push('.');
    }
    words
}

/// The type that a complaint ends with: `…, expected type "DateTime"`.
fn scalar_of(message: &str) -> Option<&str> {
    message
        .strip_suffix('"')?
        .rsplit_once("expected type \"")
        .map(|(_, scalar)| scalar)
}
