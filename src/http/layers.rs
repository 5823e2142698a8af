//! What surrounds every request: its id, its deadline, and an answer even when the program fails.

use std::{any, panic::AssertUnwindSafe, time::Duration};

use axum::{
    Router,
    body::HttpBody,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use futures_util::FutureExt;
use tokio::{
    runtime::Handle,
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
};
use tower_http::{
    CompressionLevel,
    compression::{CompressionLayer, predicate::SizeAbove},
    cors::{AllowOrigin, Any, CorsLayer},
};
use tracing::Instrument;

use super::{
    idempotency::IDEMPOTENCY_KEY,
    reply::{IDEMPOTENCY_REPLAYED, Refusal},
};
use crate::{
    config::Server,
    graphql::{context::RequestId, error::ApiError},
    service::parallel::LARGE,
};

/// The header that carries a request's id in and out.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long a browser may remember what CORS allows.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(3600);

/// Surrounds all routes of a router with everything in this module.
pub fn surround(router: Router, server: &Server) -> Router {
    let compression = CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(server.compression_minimum_bytes));
    let compressed = router.layer(compression);
    let shared = match cors(&server.cors_allowed_origins) {
        Some(cors) => compressed.layer(cors),
        None => compressed,
    };
    shared.layer(from_fn_with_state(server.request_timeout_ms, envelope))
}

/// Gives a request its id and its deadline, and answers for it when it misses the deadline or panics.
async fn envelope(State(limit_ms): State<u64>, mut request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| RequestId::given(value.to_str().ok()?))
        .unwrap_or_else(RequestId::random);
    request.extensions_mut().insert(id.clone());
    let path = request.uri().path().to_owned();
    let span = tracing::debug_span!("request", request_id = id.as_str(), path);

    let is_large = is_large(&request);
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span);
    let answer = if is_large {
        apart(answer).left_future()
    } else {
        answer.right_future()
    };
    let mut response = match tokio::time::timeout(Duration::from_millis(limit_ms), answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => Refusal::from(ApiError::internal(said(panic.as_ref()))).at(&path, &id),
        Err(_elapsed) => Refusal::from(ApiError::deadline_exceeded(limit_ms)).at(&path, &id),
    };
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Whether a request has so much to read that others would notice. One that does not say how much may have any amount, and one that
/// is packed may be a thousand times as large.
fn is_large(request: &Request) -> bool {
    let length = request.body().size_hint().exact();
    request.headers().contains_key(header::CONTENT_ENCODING) || length.is_none_or(|bytes| bytes >= LARGE as u64)
}

/// What an answer is when the program fails.
type Panic = Box<dyn any::Any + Send>;

/// Lets a request be answered on a thread of its own: to read a thousand records takes the time of a hundred small requests,
/// which would wait for it. It ends when nobody waits for it any more.
async fn apart(answer: impl Future<Output = Result<Response, Panic>> + Send + 'static) -> Result<Response, Panic> {
    let (_waiting, gone) = oneshot::channel::<()>();
    let answered = on_its_own(async move {
        tokio::select! {
            answer = answer => Some(answer),
            _ = gone => None,
        }
    });
    match answered.await {
        Ok(Some(answer)) => answer,
        Ok(None) => Err(Box::new("nobody waited for the answer")),
        Err(error) => Err(Box::new(error.to_string())),
    }
}

/// Does work on a thread of its own, to its end.
pub fn on_its_own<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    let runtime = Handle::current();
    spawn_blocking(move || runtime.block_on(work))
}

/// What a panic said.
fn said(panic: &(dyn any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panic: {}", text.unwrap_or("without a message"))
}

/// Lets pages of these origins read answers; `None` when there are none.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::from(Any)
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([
                header::CONTENT_TYPE,
                header::CONTENT_ENCODING,
                header::ACCEPT,
                header::AUTHORIZATION,
                IDEMPOTENCY_KEY,
                REQUEST_ID,
            ])
            .expose_headers([REQUEST_ID, header::RETRY_AFTER, IDEMPOTENCY_REPLAYED])
            .max_age(PREFLIGHT_MAX_AGE),
    )
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, extract::Request, http::header::CONTENT_ENCODING};
    use futures_util::stream;

    use super::is_large;
    use crate::service::parallel::LARGE;

    #[test]
    fn what_may_be_large_is_taken_for_large() {
        let of = |body: Body| is_large(&Request::new(body));
        assert!(!of(Body::empty()));
        assert!(!of(Body::from(vec![b' '; LARGE - 1])));
        assert!(of(Body::from(vec![b' '; LARGE])));
        let untold = stream::iter([Ok::<_, std::io::Error>("{}")]);
        assert!(of(Body::from_stream(untold)));
        let packed = Request::post("/").header(CONTENT_ENCODING, "gzip");
        assert!(is_large(&packed.body(Body::from("x")).unwrap()));
    }
}
