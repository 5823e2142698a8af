//! Whether the process is alive, and whether it can answer.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::future::BoxFuture;
use serde_json::json;

/// Asks whether the database answers and its migrations are current; if not, one sentence says why.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// `/healthz`: the process is alive. `/readyz`: it can answer, else 503 and the reason.
pub fn routes<S>(readiness: Readiness) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route(
            "/healthz",
            get(async || status(StatusCode::OK, &json!({"status": "alive"}))),
        )
        .route("/readyz", get(ready))
        .with_state(readiness)
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    match readiness().await {
        Ok(()) => status(StatusCode::OK, &json!({"status": "ready"})),
        Err(reason) => {
            tracing::warn!(reason, "the server is not ready");
            status(
                StatusCode::SERVICE_UNAVAILABLE,
                &json!({"status": "not ready", "reason": reason}),
            )
        }
    }
}

fn status(code: StatusCode, body: &serde_json::Value) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (code, headers, body.to_string()).into_response()
}
