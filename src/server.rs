//! Puts the program together: the router over an engine, and the life of the listening process.

use std::{io, sync::Arc, time::Duration};

use axum::{Router, http::Uri};
use tokio::{net::TcpListener, sync::mpsc, time::sleep};

use crate::{
    config::Config,
    graphql::{context::RequestId, engine::Engine, error::ApiError, resources::Resources, schema_builder},
    http::{
        body::{BodyLimit, BodyRoom},
        connections::{Connections, Patience},
        graphiql, graphql,
        health::{self, Readiness},
        layers, lineage,
        reply::Refusal,
    },
    lineage::Lineage,
    service::{Writer, WriterOptions, idempotency::Answers},
    store::{SchemaState, Store},
};

/// The write queue as it is configured.
pub fn writer_options(config: &Config) -> WriterOptions {
    WriterOptions {
        submissions: config.limits.write_queue_submissions,
        bytes: config.limits.write_queue_bytes,
        ..WriterOptions::default()
    }
}

/// Everything that requests share.
#[derive(Clone)]
pub struct AppState {
    /// The configuration.
    pub config: Arc<Config>,
    /// The schema, ready to answer.
    pub engine: Arc<Engine>,
    /// The answers kept for requests with an `Idempotency-Key`; none: the header is not heeded.
    pub answers: Option<Answers>,
    /// Whether the database answers.
    pub readiness: Readiness,
    /// The write queue that events go to; without one there are no routes for them.
    pub events: Option<Writer>,
}

impl AppState {
    /// The state of a server over a store, whose writes go through a queue, and whose graph is in memory.
    pub fn new(config: Config, store: &Store, writer: &Writer, lineage: &Lineage) -> Self {
        let (reader, queue) = (store.clone(), writer.clone());
        let graph = lineage.clone();
        let engine = Engine::new(schema_builder, &config).attaching(move |request, context| {
            let resources = Resources::new(&reader, queue.clone(), graph.clone(), &context);
            request.data(resources).data(context)
        });
        let hours = config.limits.idempotency_hours;
        let answers = Answers::start(store.clone(), writer.clock().clone(), hours);
        let store = store.clone();
        Self {
            answers: Some(answers),
            config: Arc::new(config),
            engine: Arc::new(engine),
            readiness: Arc::new(move || {
                let store = store.clone();
                Box::pin(async move { readiness(&store).await })
            }),
            events: Some(writer.clone()),
        }
    }
}

/// Whether the database answers and has the schema that this program wants.
async fn readiness(store: &Store) -> Result<(), String> {
    if store.check_file().is_err() {
        let advice = "The database file has gone, or another has its name: put it back, or start the server again.";
        return Err(advice.to_owned());
    }
    match store.schema_state().await {
        Ok(SchemaState::Current) => Ok(()),
        Ok(SchemaState::Pending(steps)) => Err(format!("The migration {} is pending.", steps.join(", "))),
        Ok(SchemaState::Newer(steps)) => Err(format!(
            "A newer Heirloom has migrated the database: {}.",
            steps.join(", ")
        )),
        Ok(SchemaState::Foreign(table)) => Err(format!("The database is none of Heirloom: it has the table {table}.")),
        Err(error) => {
            tracing::error!(%error, "the database does not answer");
            Err("The database does not answer.".to_owned())
        }
    }
}

/// All routes: `/graphql`, events at `/api/v1/lineage`, GraphiQL at `/`, `/healthz` and `/readyz`.
pub fn router(state: AppState) -> Router {
    let server = &state.config.server;
    let limits = &state.config.limits;
    let room = BodyRoom::new(server.body_room_bytes);
    let body = |name, bytes| BodyLimit {
        name,
        bytes,
        room: room.clone(),
    };
    let operations = body("server.body_limit_bytes", server.body_limit_bytes);
    let events = state.events.map(|writer| {
        let bodies = body("limits.event_body_bytes", limits.event_body_bytes);
        lineage::routes(writer, state.answers.clone(), bodies, limits)
    });
    let routes = Router::new()
        .merge(graphql::routes(Arc::clone(&state.engine), state.answers, operations))
        .merge(events.unwrap_or_default())
        .merge(graphiql::routes())
        .merge(health::routes(state.readiness))
        .fallback(nothing_here);
    layers::surround(routes, server)
}

async fn nothing_here(axum::Extension(id): axum::Extension<RequestId>, uri: Uri) -> axum::response::Response {
    let error = ApiError::not_found("There is nothing at this path: GraphQL is at /graphql, GraphiQL at /.");
    Refusal::from(error).at(uri.path(), &id)
}

/// The wishes that the process should end: the first ends it gracefully, the second at once.
pub struct Shutdown(mpsc::Receiver<()>);

impl Shutdown {
    /// Wishes sent by hand.
    pub fn by_hand() -> (mpsc::Sender<()>, Self) {
        let (sender, receiver) = mpsc::channel(2);
        (sender, Self(receiver))
    }

    /// SIGINT (Ctrl-C) and SIGTERM.
    ///
    /// # Errors
    /// When the operating system does not let us listen for them.
    pub fn by_signal() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (sender, wishes) = Self::by_hand();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if sender.send(()).await.is_err() {
                    return;
                }
            }
        });
        Ok(wishes)
    }

    /// Waits for the next wish; without end, when nobody is left to wish.
    async fn wished(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// How the server came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every request under way was answered.
    Gracefully,
    /// The grace was over, and some requests were not answered.
    GraceOver,
    /// A second wish came while requests were under way.
    AtOnce,
}

/// Answers requests until the shutdown is wished for, then no new ones, and those under way for `grace` at most.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    patience: Patience,
    grace: Duration,
    mut shutdown: Shutdown,
) -> Ended {
    let connections = Connections::new();
    tokio::select! {
        never = connections.take(&listener, router, patience) => match never {},
        () = shutdown.wished() => {}
    }
    drop(listener);
    tracing::info!(
        grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX),
        "stopping: no new requests, those under way may end"
    );
    tokio::select! {
        () = connections.end() => Ended::Gracefully,
        () = sleep(grace) => Ended::GraceOver,
        () = shutdown.wished() => Ended::AtOnce,
    }
}
