//! The life of connections: how long one may take to begin a request, how long it may be idle or leave an answer untaken, and how it ends
//! when the server does.
//!
//! A request has its deadline (`layers`), but only from the end of its head on. Until then, and between requests, a connection costs a file
//! descriptor and tells nothing, so it is watched here: what the client sends and what it is sent pass through `Watched`, and requests are
//! counted from their head to the last byte of their answer.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::{Request, Response};
use futures_util::future::poll_fn;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tower::Service;

use crate::config::Server;

/// After a connection could not be taken, the next one is tried so much later: what is missing, such as file descriptors, comes back only when
/// others end.
const PAUSE: Duration = Duration::from_millis(50);

/// How often it is logged that connections cannot be taken.
const LOG_PAUSE: Duration = Duration::from_secs(5);

/// So much of an answer the operating system takes before the client has taken what came before; half of that is what it must take to be
/// seen to take something. Without a bound that may be megabytes, which on a slow line take minutes.
const UNSENT: u32 = 64 * 1024;

/// How long a client of HTTP/2 may take nothing of its answers once it was told that the connection ends. What its window does not let
/// through yet waits where it cannot be seen.
const FAREWELL: Duration = Duration::from_secs(5);

/// What every connection of HTTP/2 begins with; no method of HTTP/1.1 does.
const HTTP2: &[u8] = b"PRI ";

/// How long connections may go without a request.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the first byte of a head to its last; on a new connection from its opening.
    pub head: Duration,
    /// Between an answer and the first byte of the next request, and while an answer waits to be taken.
    pub idle: Duration,
}

impl Patience {
    /// As it is configured.
    pub fn of(server: &Server) -> Self {
        Self {
            head: Duration::from_millis(server.head_timeout_ms),
            idle: Duration::from_millis(server.idle_timeout_ms),
        }
    }

    /// When to look at a connection again that is to be closed at `due`. What happens meanwhile can bring that forward, but not to before then;
    /// so nobody has to be told of it, and a connection that is in use costs a look now and then.
    fn look_again(self, now: Instant, due: Option<Instant>) -> Instant {
        let soon = now + self.head.min(self.idle);
        due.map_or(soon, |due| due.min(soon))
    }
}

/// Connections that are open.
pub struct Connections {
    /// Whether they are to end; every one holds a receiver.
    stop: watch::Sender<bool>,
}

impl Connections {
    /// None yet.
    pub fn new() -> Self {
        Self {
            stop: watch::Sender::new(false),
        }
    }

    /// Takes connections from a listener, and has their requests answered, without end.
    pub async fn take(&self, listener: &TcpListener, router: Router, patience: Patience) -> Infallible {
        // Once for all connections, and not once for each.
        let router = router.with_state(());
        let mut logged: Option<Instant> = None;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(answer(stream, router.clone(), patience, self.stop.subscribe()));
                }
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    if logged.is_none_or(|before| before.elapsed() >= LOG_PAUSE) {
                        tracing::error!(%error, "connections cannot be taken at the moment; trying again");
                        logged = Some(Instant::now());
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Closes those that have no request under way, and the others as soon as it is answered; waits until none is left.
    pub async fn end(self) {
        self.stop.send_replace(true);
        self.stop.closed().await;
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self::new()
    }
}

/// The client has gone before its connection was taken.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

/// Answers the requests of one connection.
async fn answer(stream: TcpStream, router: Router, patience: Patience, mut stop: watch::Receiver<bool>) {
    // An answer in small parts must not wait for the acknowledgement of the part before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps Nagle's algorithm");
    }
    bound_unsent(&stream);
    let traffic = Traffic::begin();
    let service = service_fn({
        let traffic = traffic.clone();
        move |request| counted(router.clone(), request, &traffic)
    });
    let io = TokioIo::new(Watched {
        stream,
        traffic: traffic.clone(),
    });
    let builder = Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut timer = pin!(sleep_until(patience.look_again(Instant::now(), None)));
    let mut given_up = pin!(traffic.given_up(patience));
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke off");
                }
                return;
            }
            () = given_up.as_mut() => return,
            // The sender waits for us, and so is there.
            _ = stop.wait_for(|stop| *stop) => break,
            () = timer.as_mut() => {
                let (now, due) = (Instant::now(), traffic.due(patience));
                if due.is_some_and(|due| due <= now) {
                    tracing::debug!("a connection had no request for too long");
                    break;
                }
                timer.as_mut().reset(patience.look_again(now, due));
            }
        }
    }
    // A request that has arrived meanwhile is still answered.
    connection.as_mut().graceful_shutdown();
    let mut farewell = pin!(traffic.farewell());
    let ended = poll_fn(|context| match connection.as_mut().poll(context) {
        // Only after a look at the connection, which may have had a request to read.
        Poll::Pending if traffic.is_quiet() => farewell.as_mut().poll(context),
        Poll::Pending => Poll::Pending,
        Poll::Ready(_) => Poll::Ready(()),
    });
    tokio::select! {
        biased;
        () = ended => {}
        () = given_up => {}
    }
}

/// Bounds how much the operating system takes before the client does, where it can.
fn bound_unsent(stream: &TcpStream) {
    #[cfg(any(target_os = "android", target_os = "linux"))]
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT) {
        tracing::debug!(%error, "a connection buffers as much as the system likes");
    }
    #[cfg(not(any(target_os = "android", target_os = "linux")))]
    let _ = (stream, UNSENT);
}

/// Answers a request, which is under way until its answer is no longer needed.
fn counted(
    mut router: Router,
    request: Request<Incoming>,
    traffic: &Traffic,
) -> impl Future<Output = Result<Response<Answer>, Infallible>> + use<> {
    let under_way = traffic.under_way();
    let answered = router.call(request);
    async move {
        let answered = answered.await?;
        let under_way = under_way.answered();
        Ok(answered.map(|body| Answer { body, under_way }))
    }
}

/// The body of an answer.
struct Answer {
    body: Body,
    under_way: UnderWay,
}

impl HttpBody for Answer {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_ready() {
            self.under_way.traffic.has_moved();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What passes through a connection.
#[derive(Clone)]
struct Traffic(Arc<Mutex<State>>);

struct State {
    /// Requests whose head has come, and whose answer has not gone.
    under_way: usize,
    /// Those of them whose answer is ready.
    answered: usize,
    /// Whether something may be waiting to be sent.
    is_sending: bool,
    /// When something of an answer was last ready, or taken by the client.
    moved: Instant,
    /// Since when there is no request under way.
    quiet: Instant,
    /// When the first byte of the head came that is not complete; on a new connection, its opening.
    head: Option<Instant>,
    /// Several requests share a connection of HTTP/2, and what comes on it need not be the head of one.
    is_http2: bool,
    is_new: bool,
}

impl Traffic {
    fn begin() -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(State {
            under_way: 0,
            answered: 0,
            is_sending: false,
            moved: now,
            quiet: now,
            head: Some(now),
            is_http2: false,
            is_new: true,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no request is under way, and all answers have gone.
    fn is_quiet(&self) -> bool {
        let state = self.state();
        state.under_way == 0 && !state.is_sending
    }

    /// When the connection is to be closed, if nothing happens before; none while a request is under way.
    fn due(&self, patience: Patience) -> Option<Instant> {
        let state = self.state();
        if state.under_way > 0 || state.is_sending {
            return None;
        }
        Some(match state.head {
            Some(begun) => begun + patience.head,
            None => state.quiet + patience.idle,
        })
    }

    /// Waits until the client has taken nothing of an answer for so long that it is not waited for any more.
    async fn given_up(&self, patience: Patience) {
        loop {
            let now = Instant::now();
            let until = self.untaken_since().unwrap_or(now) + patience.idle;
            if until <= now {
                tracing::debug!("a client has not taken its answer for too long");
                return;
            }
            sleep_until(until).await;
        }
    }

    /// Waits, where no request is under way, until nothing more can be on its way to the client: at once on HTTP/1.1.
    async fn farewell(&self) {
        loop {
            let (is_http2, until) = {
                let state = self.state();
                (state.is_http2, state.moved + FAREWELL)
            };
            if !is_http2 || until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }

    /// Since when a client has taken nothing of what is ready for it; none where nothing is.
    fn untaken_since(&self) -> Option<Instant> {
        let state = self.state();
        let is_ready = state.answered > 0 || (state.is_sending && state.under_way == 0);
        is_ready.then_some(state.moved)
    }

    fn has_moved(&self) {
        self.state().moved = Instant::now();
    }

    fn under_way(&self) -> UnderWay {
        let mut state = self.state();
        state.under_way += 1;
        state.head = None;
        UnderWay {
            traffic: self.clone(),
            is_answered: false,
        }
    }

    fn has_read(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut state = self.state();
        if state.is_new {
            state.is_new = false;
            state.is_http2 = HTTP2.starts_with(&bytes[..bytes.len().min(HTTP2.len())]);
        } else if state.under_way == 0 && !state.is_http2 && state.head.is_none() {
            state.head = Some(Instant::now());
        }
    }

    /// Something was to be written, and the client has taken some of it or not.
    fn sends(&self, is_taken: bool) {
        let mut state = self.state();
        state.is_sending = true;
        if is_taken {
            state.moved = Instant::now();
        }
    }

    fn has_sent(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.is_sending) && state.under_way == 0 {
            state.quiet = Instant::now();
        }
    }
}

/// A request that is under way.
struct UnderWay {
    traffic: Traffic,
    /// Whether its answer is ready.
    is_answered: bool,
}

impl UnderWay {
    fn answered(mut self) -> Self {
        self.is_answered = true;
        let mut state = self.traffic.state();
        state.answered += 1;
        state.moved = Instant::now();
        drop(state);
        self
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.traffic.state();
        state.under_way -= 1;
        state.answered -= usize::from(self.is_answered);
        state.is_sending = true;
        state.quiet = Instant::now();
        state.moved = state.quiet;
    }
}

/// A connection whose traffic is noted.
struct Watched {
    stream: TcpStream,
    traffic: Traffic,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.traffic.has_read(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.traffic.sends(written.is_ready());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.traffic.sends(written.is_ready());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.traffic.has_sent();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
