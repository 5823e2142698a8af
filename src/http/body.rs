//! Bodies of requests: read up to a limit, which counts bytes after decompression.
//!
//! A body that is compressed is unpacked as it arrives, a little at a time, and never beyond the limit: one that would grow to
//! gigabytes takes no more memory than one that is as large as the limit.

use std::{
    io::{self, Write},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH},
    },
};
use bytes::BytesMut;
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt;

use super::reply::Refusal;
use crate::graphql::error::ApiError;

/// The encodings that are read, as a client is told.
const ENCODINGS: HeaderValue = HeaderValue::from_static("gzip, identity");

/// How long the rest of a body that is refused is read and thrown away, so that the client gets to read the refusal.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// The most bytes that are set aside for a body on the word of its client alone.
const FIRST_ALLOCATION: usize = 256 * 1024;

/// Compressed bytes that are unpacked without a pause; gzip makes at most a thousand times as many of them.
const PORTION: usize = 4 * 1024;

/// How large a body may be, and the setting that says so.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit {
    /// The setting, such as `server.body_limit_bytes`.
    pub name: &'static str,
    /// Bytes.
    pub bytes: usize,
}

/// Reads a body, and unpacks it where `content-encoding` is gzip.
///
/// # Errors
/// 413 when it is larger than the limit, 415 when it is in another encoding, 400 when it breaks off or cannot be unpacked.
pub async fn read(headers: &HeaderMap, body: Body, limit: BodyLimit) -> Result<Bytes, Refusal> {
    let mut chunks = body.into_data_stream();
    match receive(headers, &mut chunks, limit).await {
        Ok(bytes) => Ok(bytes),
        Err(refusal) => {
            drain(chunks);
            Err(refusal)
        }
    }
}

async fn receive(headers: &HeaderMap, chunks: &mut BodyDataStream, limit: BodyLimit) -> Result<Bytes, Refusal> {
    let is_gzip = is_gzip(headers)?;
    let declared: Option<usize> = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    // Also where it is compressed: what is larger than the limit before does not become smaller.
    if let Some(length) = declared.filter(|&length| length > limit.bytes) {
        return Err(limit.exceeded(length));
    }
    let room = Bounded {
        bytes: BytesMut::with_capacity(declared.unwrap_or_default().min(FIRST_ALLOCATION)),
        limit: limit.bytes,
        is_full: false,
    };
    let bytes = if is_gzip {
        unpack(chunks, limit, room).await?
    } else {
        collect(chunks, limit, room).await?
    };
    Ok(bytes.freeze())
}

async fn collect(chunks: &mut BodyDataStream, limit: BodyLimit, mut room: Bounded) -> Result<BytesMut, Refusal> {
    while let Some(chunk) = chunks.next().await {
        room.write_all(&chunk.map_err(broke_off)?)
            .map_err(|_| limit.exceeded(limit.bytes + 1))?;
    }
    Ok(room.bytes)
}

async fn unpack(chunks: &mut BodyDataStream, limit: BodyLimit, room: Bounded) -> Result<BytesMut, Refusal> {
    let mut decoder = MultiGzDecoder::new(room);
    let mut received = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(broke_off)?;
        received += chunk.len();
        // A body may be made of members that are all empty, and grow without end without growing.
        if received > limit.bytes {
            return Err(limit.exceeded(received));
        }
        for portion in chunk.chunks(PORTION) {
            if let Err(error) = decoder.write_all(portion) {
                return Err(limit.not_unpacked(decoder.get_ref(), &error));
            }
            tokio::task::yield_now().await;
        }
    }
    if received == 0 {
        return Err(malformed("it is empty"));
    }
    if let Err(error) = decoder.try_finish() {
        return Err(limit.not_unpacked(decoder.get_ref(), &error));
    }
    decoder
        .finish()
        .map(|room| room.bytes)
        .map_err(|error| malformed(&error.to_string()))
}

impl BodyLimit {
    fn exceeded(self, actual: usize) -> Refusal {
        Refusal::of(
            StatusCode::PAYLOAD_TOO_LARGE,
            ApiError::limit_exceeded(self.name, "The body's bytes", self.bytes, actual),
        )
    }

    /// Why the decoder stopped: there is no room for what comes out, or what goes in is no gzip.
    fn not_unpacked(self, room: &Bounded, error: &io::Error) -> Refusal {
        if room.is_full {
            return self.exceeded(self.bytes + 1);
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => malformed("it breaks off"),
            _ => malformed(&error.to_string()),
        }
    }
}

fn broke_off(_: axum::Error) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "The body broke off: send all of it.")
}

fn malformed(why: &str) -> Refusal {
    Refusal::new(
        StatusCode::BAD_REQUEST,
        format!("The body cannot be unpacked, {why}: send gzip that is whole, or leave \"content-encoding\" out."),
    )
}

/// Whether a body is gzip. Encodings may be many, but of ours there is one.
fn is_gzip(headers: &HeaderMap) -> Result<bool, Refusal> {
    let mut encodings = headers
        .get_all(CONTENT_ENCODING)
        .into_iter()
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .map(|encoding| encoding.trim().to_ascii_lowercase())
        .filter(|encoding| !matches!(encoding.as_str(), "" | "identity"));
    match (encodings.next().as_deref(), encodings.next()) {
        (None, _) => Ok(false),
        (Some("gzip" | "x-gzip"), None) => Ok(true),
        _ => Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body is in an encoding that is not read here: send it with \"content-encoding: gzip\", or as it is.",
        )
        .with(ACCEPT_ENCODING, ENCODINGS)),
    }
}

/// Reads a body on and throws it away, beside the answer: most clients read no answer before they have sent everything.
fn drain(mut rest: BodyDataStream) {
    let to_its_end = async move { while let Some(Ok(_)) = rest.next().await {} };
    tokio::spawn(tokio::time::timeout(DRAIN_LIMIT, to_its_end));
}

/// Bytes up to a limit.
#[derive(Debug)]
struct Bounded {
    bytes: BytesMut,
    limit: usize,
    /// Whether something was refused.
    is_full: bool,
}

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > self.limit {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
