//! The request header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that is sent again with the same key
//! hears the first answer, byte for byte. Without the header nothing here costs anything.

use axum::{
    body::Bytes,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
        request::Parts,
    },
};
use sha2::{Digest, Sha256};
use tracing::Instrument;

use super::{
    layers::on_its_own,
    reply::{Refusal, Reply},
};
use crate::{
    graphql::error::{ApiError, ErrorCode},
    service::{
        idempotency::{Answers, Claim, Fingerprint, KeptAnswer, Seed, Turn},
        parallel::LARGE,
    },
};

/// The header that carries the key.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest key, in characters.
const KEY_MAXIMUM: usize = 255;

/// The largest body that is kept, in bytes. A request with a larger answer is executed again when it is repeated.
const KEPT_BODY_MAXIMUM: usize = 4 * 1024 * 1024;

/// The key of a request, and what the request is.
#[derive(Clone, Debug)]
pub struct Keyed {
    key: String,
    fingerprint: Fingerprint,
    is_large: bool,
}

impl Keyed {
    /// Reads the header of a request with a body (after decompression); `None` when it has none.
    ///
    /// # Errors
    /// 400 when it is there, but is no key.
    pub fn of(parts: &Parts, body: &[u8]) -> Result<Option<Self>, Refusal> {
        let Some(key) = key(&parts.headers)? else {
            return Ok(None);
        };
        let content_type = parts.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let mut hash = Sha256::new();
        for part in [
            parts.method.as_str().as_bytes(),
            parts.uri.path().as_bytes(),
            content_type,
            body,
        ] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let fingerprint = Fingerprint(hash.finalize().into());
        Ok(Some(Self {
            key,
            fingerprint,
            is_large: body.len() >= LARGE,
        }))
    }

    /// What is the same whenever the request is sent.
    pub fn seed(&self) -> Seed {
        Seed::of(&self.key, self.fingerprint)
    }
}

/// Answers a request: the first with its key is executed, a repetition hears what the first was answered.
///
/// An execution under a key goes on when its client goes away, so that the client finds the answer when it comes again.
///
/// # Errors
/// 409 while the same request is under way, 422 when the key is another request's, 503 when the database does not answer.
pub async fn once(
    answers: Option<&Answers>,
    keyed: Option<Keyed>,
    execution: impl Future<Output = Reply> + Send + 'static,
) -> Result<Reply, Refusal> {
    let (
        Some(answers),
        Some(Keyed {
            key,
            fingerprint,
            is_large,
        }),
    ) = (answers, keyed)
    else {
        return Ok(execution.await);
    };
    match answers.turn(&key, fingerprint).await.map_err(ApiError::from)? {
        Turn::First(claim) => {
            let work = async move { kept(&claim, execution.await).await }.in_current_span();
            // It goes on when nobody waits for it any more; beside small requests, where it is large: see `layers`.
            let working = match is_large {
                true => on_its_own(work),
                false => tokio::spawn(work),
            };
            match working.await {
                Ok(reply) => Ok(reply),
                Err(ended) => match ended.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(ended) => Err(ApiError::unavailable(ended).into()),
                },
            }
        }
        Turn::Repeated(kept) => repeated(kept),
        Turn::UnderWay => Err(under_way()),
        Turn::Taken => Err(Refusal::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "The Idempotency-Key was used for another request: choose a new key for each request, and repeat one as it was.",
        )),
    }
}

/// Keeps an answer that may stand, and says which is to be sent.
async fn kept(claim: &Claim, reply: Reply) -> Reply {
    let Some(answer) = to_keep(&reply) else {
        return reply;
    };
    match claim.keep(answer.clone()).await {
        // Another process was asked the same at the same time, and was faster.
        Ok(first) if first != answer => repeated(first).unwrap_or(reply),
        Ok(_) => reply,
        Err(error) => {
            tracing::warn!(%error, "an answer could not be kept; when the request is repeated, it is executed again");
            reply
        }
    }
}

fn to_keep(reply: &Reply) -> Option<KeptAnswer> {
    (reply.is_final && reply.body.len() <= KEPT_BODY_MAXIMUM).then(|| KeptAnswer {
        status: reply.status.as_u16(),
        content_type: reply.content_type.to_str().unwrap_or_default().to_owned(),
        body: reply.body.to_vec(),
    })
}

fn repeated(kept: KeptAnswer) -> Result<Reply, Refusal> {
    let status = StatusCode::from_u16(kept.status).map_err(ApiError::internal)?;
    let content_type = HeaderValue::from_str(&kept.content_type).map_err(ApiError::internal)?;
    let mut reply = Reply::new(status, content_type, Bytes::from(kept.body));
    reply.is_replayed = true;
    Ok(reply)
}

fn under_way() -> Refusal {
    let error = ApiError::new(
        ErrorCode::Conflict,
        "A request with this Idempotency-Key is under way: send it again in a second to hear its answer.",
    );
    Refusal::of(StatusCode::CONFLICT, error).with(RETRY_AFTER, HeaderValue::from_static("1"))
}

/// The key: a quoted string, as the draft has it, or what is there, as most clients send it.
fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).into_iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let key = text.and_then(|text| match text.strip_prefix('"') {
        Some(quoted) => unquoted(quoted),
        None => Some(text.to_owned()),
    });
    let is_key = |key: &String| (1..=KEY_MAXIMUM).contains(&key.len()) && key.bytes().all(|b| matches!(b, b' '..=b'~'));
    key.filter(is_key).map(Some).ok_or_else(|| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            format!(
                "The Idempotency-Key cannot be used: give one of 1 to {KEY_MAXIMUM} printable ASCII characters, such as a UUID."
            ),
        )
    })
}

/// What stands before the closing quote, which must be the end; a backslash stands before a quote or a backslash only.
fn unquoted(text: &str) -> Option<String> {
    let mut key = String::with_capacity(text.len());
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return characters.as_str().is_empty().then_some(key),
            '\\' => key.push(characters.next().filter(|c| matches!(c, '"' | '\\'))?),
            other => key.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<Option<String>, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        key(&headers)
    }

    #[test]
    fn a_key_is_quoted_or_bare() {
        assert_eq!(read(&[]).unwrap(), None);
        let longest = "x".repeat(255);
        for (given, expected) in [
            (
                "8e03978e-40d5-43e8-bc93-6894a57f9324",
                "8e03978e-40d5-43e8-bc93-6894a57f9324",
            ),
            ("\"8e03978e\"", "8e03978e"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            ("two words", "two words"),
            (&longest, &longest),
        ] {
            assert_eq!(read(&[given]).unwrap().as_deref(), Some(expected), "{given}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let too_long = "x".repeat(256);
        for given in ["", "\"\"", "\"open", "\"a\"b", r#""a\n""#, "a\tb", "ä", &too_long] {
            let refusal = read(&[given]).unwrap_err();
            assert_eq!(refusal.status, StatusCode::BAD_REQUEST, "{given:?}");
        }
        assert!(read(&["a", "b"]).is_err(), "two keys");
    }
}
