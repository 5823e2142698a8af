//! GraphiQL at `/`: the page that npm builds in `web/`, carried inside the binary.
//!
//! Nothing here loads from another host, and the content security policy sees to it. A binary that was
//! built without the page works all the same and says at `/` what is missing. This module must not know
//! the schema: the page learns it by introspection, as every client does.

use std::borrow::Cow;
use std::io::Read;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::read::GzDecoder;
use rust_embed::{EmbeddedFile, RustEmbed};

/// What the page may load: its own host only. Monaco makes workers from blobs and style elements at run time.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; script-src 'self'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'",
);

/// Names of assets carry a digest of their content, so that a name never changes its meaning.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The page itself names the assets of this very build: ask again each time.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// What is at `/` when the binary was built without the page.
const PAGE_MISSING: &str = include_str!("graphiql_missing.html");

/// The output of `npm run build`: `index.html`, `favicon.svg`, and `assets/`, most of them gzip only.
#[derive(RustEmbed)]
#[folder = "web/dist/"]
#[allow_missing = true]
struct Bundle;

/// The routes of the page: `/`, `/favicon.svg` and `/assets/…`; for any state, since they need none.
pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/", get(index))
        .route("/favicon.svg", get(favicon))
        .route("/assets/{*path}", get(asset))
}

async fn index(headers: HeaderMap) -> Response {
    let mut response = match Bundle::get("index.html") {
        Some(page) => serve("index.html", page, Form::Plain, &headers),
        None => ([(CONTENT_TYPE, "text/html; charset=utf-8")], PAGE_MISSING).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(CACHE_CONTROL, ASK_AGAIN);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

async fn favicon(headers: HeaderMap) -> Response {
    match Bundle::get("favicon.svg") {
        Some(icon) => serve("favicon.svg", icon, Form::Plain, &headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let name = format!("assets/{path}");
    let found = match Bundle::get(&format!("{name}.gz")) {
        Some(file) => Some((file, Form::Gzip)),
        None => Bundle::get(&name).map(|file| (file, Form::Plain)),
    };
    let Some((file, form)) = found else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = serve(&name, file, form, &headers);
    response.headers_mut().insert(CACHE_CONTROL, FOREVER);
    response
}

/// How a file of the bundle is kept.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Plain,
    Gzip,
}

/// Answers one file: 304 when the client has it, as it is kept when the client takes that, else unpacked.
fn serve(name: &str, file: EmbeddedFile, form: Form, request: &HeaderMap) -> Response {
    let tag = entity_tag(&file);
    let mut response = if request.get(IF_NONE_MATCH).is_some_and(|known| matches_tag(known, &tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if form == Form::Plain {
        with_type(name, body_of(file))
    } else if accepts_gzip(request) {
        let mut packed = with_type(name, body_of(file));
        packed
            .headers_mut()
            .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        packed
    } else {
        unpacked(name, &file)
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if form == Form::Gzip {
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    response
}

fn with_type(name: &str, body: Body) -> Response {
    ([(CONTENT_TYPE, content_type(name))], body).into_response()
}

fn body_of(file: EmbeddedFile) -> Body {
    Body::from(match file.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    })
}

fn unpacked(name: &str, file: &EmbeddedFile) -> Response {
    let mut bytes = Vec::new();
    match GzDecoder::new(&*file.data).read_to_end(&mut bytes) {
        Ok(_) => with_type(name, Body::from(bytes)),
        Err(error) => {
            tracing::error!(name, %error, "an asset of the bundle is damaged");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A weak tag, which stands for the packed and the unpacked form alike.
fn entity_tag(file: &EmbeddedFile) -> String {
    let digest = file.metadata.sha256_hash();
    format!("W/\"{}\"", data_encoding::HEXLOWER.encode(&digest[..16]))
}

/// Whether `If-None-Match` names the tag, by the weak comparison of RFC 9110.
fn matches_tag(known: &HeaderValue, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let known = known.to_str().unwrap_or_default();
    known.trim() == "*" || known.split(',').any(|one| opaque(one) == opaque(tag))
}

/// Whether `Accept-Encoding` allows gzip. A client that says nothing gets the plain form, which everybody reads.
fn accepts_gzip(request: &HeaderMap) -> bool {
    let mut any = false;
    for value in request.get_all(ACCEPT_ENCODING) {
        for coding in value.to_str().unwrap_or_default().split(',') {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let allowed = !matches!(weight.trim(), "q=0" | "q=0." | "q=0.0" | "q=0.00" | "q=0.000");
            match name.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => return allowed,
                "*" => any = allowed,
                _ => {}
            }
        }
    }
    any
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ttf") => "font/ttf",
        Some("woff2") => "font/woff2",
        Some("json" | "map") => "application/json",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    async fn get(path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Bytes) {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = routes::<()>()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
    }

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))])
    }

    #[tokio::test]
    async fn the_page_is_html_under_a_strict_policy_built_or_not() {
        let (status, headers, body) = get("/", &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(headers[CONTENT_SECURITY_POLICY], POLICY);
        assert_eq!(headers[CACHE_CONTROL], "no-cache");
        assert!(String::from_utf8_lossy(&body).contains("<title>Heirloom</title>"));
    }

    #[tokio::test]
    async fn every_file_of_the_bundle_is_served_packed_and_unpacked_alike() {
        for name in Bundle::iter().filter(|name| name.starts_with("assets/")) {
            let path = format!("/{}", name.trim_end_matches(".gz"));
            let (status, headers, packed) = get(&path, &[("accept-encoding", "br, gzip;q=0.8")]).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            assert_ne!(
                headers[CONTENT_TYPE], "application/octet-stream",
                "{path} has a type of its own"
            );
            assert_eq!(headers[CACHE_CONTROL], FOREVER);
            let (_, plain_headers, plain) = get(&path, &[]).await;
            assert_eq!(plain_headers.get(CONTENT_ENCODING), None);
            if headers.contains_key(CONTENT_ENCODING) {
                let mut bytes = Vec::new();
                GzDecoder::new(&*packed).read_to_end(&mut bytes).unwrap();
                assert_eq!(bytes, plain, "{path}");
                assert_eq!(headers[VARY], "accept-encoding");
            } else {
                assert_eq!(packed, plain, "{path}");
            }
            let tag = headers[ETAG].to_str().unwrap();
            let (status, _, body) = get(&path, &[("if-none-match", tag)]).await;
            assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_not_in_the_bundle_is_not_found() {
        for path in ["/assets/none.js", "/assets/%2e%2e/%2e%2e/package.json", "/assets/"] {
            assert_eq!(get(path, &[]).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn gzip_is_sent_only_to_those_who_take_it() {
        for (value, accepted) in [
            ("gzip", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("*;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(accepts_gzip(&headers("accept-encoding", value)), accepted, "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn tags_compare_weakly() {
        for (known, matching) in [
            ("W/\"a\"", true),
            ("\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"b\"", false),
        ] {
            assert_eq!(
                matches_tag(&HeaderValue::from_static(known), "W/\"a\""),
                matching,
                "{known}"
            );
        }
    }
}
