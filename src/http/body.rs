//! Bodies of requests: read up to a limit, which counts bytes after decompression.
//!
//! A body that is compressed is unpacked as it arrives, a little at a time, and never beyond the limit: one that would grow to
//! gigabytes takes no more memory than one that is as large as the limit. The bodies of all requests together have a limit too.

use std::{
    io::{self, Write},
    ops::Deref,
    sync::Arc,
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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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

/// Room for the bodies of all requests under way. Clones are the same room.
#[derive(Clone, Debug)]
pub struct BodyRoom(Arc<Semaphore>);

impl BodyRoom {
    /// Room for so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }
}

/// How large a body may be, the setting that says so, and where it finds room.
#[derive(Clone, Debug)]
pub struct BodyLimit {
    /// The setting, such as `server.body_limit_bytes`.
    pub name: &'static str,
    /// Bytes.
    pub bytes: usize,
    /// What all bodies share.
    pub room: BodyRoom,
}

/// A body that was read.
#[derive(Debug)]
pub struct Received {
    bytes: Bytes,
    share: Share,
}

/// A body's share of the room, given back when it is dropped.
#[derive(Debug, Default)]
pub struct Share(Option<OwnedSemaphorePermit>);

impl Received {
    /// Lets go of the bytes, but keeps their room: for as long as what was made of them is there.
    pub fn into_share(self) -> Share {
        self.share
    }
}

impl Deref for Received {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a body, and unpacks it where `content-encoding` is gzip.
///
/// # Errors
/// 413 when it is larger than the limit, 415 when it is in another encoding, 400 when it breaks off or cannot be unpacked, 503 when
/// there is no room for it beside the others.
pub async fn read(headers: &HeaderMap, body: Body, limit: &BodyLimit) -> Result<Received, Refusal> {
    let mut chunks = body.into_data_stream();
    match receive(headers, &mut chunks, limit).await {
        Ok(Growing { bytes, share, .. }) => Ok(Received {
            bytes: bytes.freeze(),
            share,
        }),
        Err(refusal) => {
            drain(chunks);
            Err(refusal)
        }
    }
}

async fn receive<'a>(
    headers: &HeaderMap,
    chunks: &mut BodyDataStream,
    limit: &'a BodyLimit,
) -> Result<Growing<'a>, Refusal> {
    let is_gzip = is_gzip(headers)?;
    let declared: Option<usize> = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    // Also where it is compressed: what is larger than the limit before does not become smaller.
    if let Some(length) = declared.filter(|&length| length > limit.bytes) {
        return Err(limit.exceeded(length));
    }
    let body = Growing {
        bytes: BytesMut::with_capacity(declared.unwrap_or_default().min(FIRST_ALLOCATION)),
        share: Share::default(),
        limit,
        stopped: None,
    };
    if is_gzip {
        unpack(chunks, body).await
    } else {
        collect(chunks, body).await
    }
}

async fn collect<'a>(chunks: &mut BodyDataStream, mut body: Growing<'a>) -> Result<Growing<'a>, Refusal> {
    while let Some(chunk) = chunks.next().await {
        if let Err(error) = body.write_all(&chunk.map_err(broke_off)?) {
            return Err(body.refusal(&error));
        }
    }
    Ok(body)
}

async fn unpack<'a>(chunks: &mut BodyDataStream, body: Growing<'a>) -> Result<Growing<'a>, Refusal> {
    let limit = body.limit;
    let mut decoder = MultiGzDecoder::new(body);
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
                return Err(decoder.get_ref().refusal(&error));
            }
            tokio::task::yield_now().await;
        }
    }
    if received == 0 {
        return Err(malformed("it is empty"));
    }
    if let Err(error) = decoder.try_finish() {
        return Err(decoder.get_ref().refusal(&error));
    }
    decoder.finish().map_err(|error| malformed(&error.to_string()))
}

impl BodyLimit {
    fn exceeded(&self, actual: usize) -> Refusal {
        let advice = "send less at a time";
        let error = ApiError::too_large(self.name, "The body", self.bytes, actual, advice);
        Refusal::of(StatusCode::PAYLOAD_TOO_LARGE, error)
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

/// A body under way: bytes up to a limit, each of which has its room.
#[derive(Debug)]
struct Growing<'a> {
    bytes: BytesMut,
    share: Share,
    limit: &'a BodyLimit,
    stopped: Option<Stopped>,
}

/// Why a body may not grow.
#[derive(Clone, Copy, Debug)]
enum Stopped {
    Limit,
    Room,
}

impl Growing<'_> {
    fn make_room(&mut self, more: usize) -> Result<(), Stopped> {
        if self.bytes.len() + more > self.limit.bytes {
            return Err(Stopped::Limit);
        }
        let permits = u32::try_from(more).map_err(|_| Stopped::Limit)?;
        let room = Arc::clone(&self.limit.room.0);
        let share = room.try_acquire_many_owned(permits).map_err(|_| Stopped::Room)?;
        match &mut self.share.0 {
            Some(before) => before.merge(share),
            none => *none = Some(share),
        }
        Ok(())
    }

    /// Why writing into it failed: it may not grow, or what was to be unpacked is no gzip.
    fn refusal(&self, error: &io::Error) -> Refusal {
        match self.stopped {
            Some(Stopped::Limit) => self.limit.exceeded(self.limit.bytes + 1),
            Some(Stopped::Room) => ApiError::overloaded().into(),
            None if error.kind() == io::ErrorKind::UnexpectedEof => malformed("it breaks off"),
            None => malformed(&error.to_string()),
        }
    }
}

impl Write for Growing<'_> {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if let Err(stopped) = self.make_room(more.len()) {
            self.stopped = Some(stopped);
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
