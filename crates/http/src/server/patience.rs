//! How long a connection's client may take: a stream that fails when it takes longer.
//!
//! hyper's own `header_read_timeout` starts when it begins to wait for a head, not when the head
//! begins, so on a connection that is kept alive it cannot tell an idle client from a slow one; and
//! it starts after the version was recognised, so that a client that sends nothing is never timed.
//! hyper has no limit on writing. Here all three are told apart by what is read and written.

use super::limits::Limits;
use hyper::rt::Timer;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// What a connection's requests do, as its service sees it.
pub(super) struct Activity {
    start: Instant,
    under_way: AtomicUsize,
    begun: AtomicU64,
    /// True where requests share the connection, so that bytes do not tell that a head has begun.
    multiplexed: AtomicBool,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            under_way: AtomicUsize::new(0),
            begun: AtomicU64::new(0),
            multiplexed: AtomicBool::new(false),
        }
    }

    /// A request begins. Each must be told to [`Self::end`].
    pub(super) fn begin(&self, multiplexed: bool) {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        self.begun.fetch_add(1, Ordering::AcqRel);
        self.multiplexed.store(multiplexed, Ordering::Release);
    }

    pub(super) fn end(&self) {
        self.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// hyper's timer for HTTP/1, which never fires. [`Patient`] knows each deadline that hyper would
/// set, and sets one that is overtaken no more than once.
pub(super) struct NoTimer(std::time::Instant);

/// What never comes to an end; it is nothing, so that no memory is allocated for it.
struct Never;

impl NoTimer {
    pub(super) fn new() -> Self {
        Self(Instant::now().into_std())
    }
}

impl Timer for NoTimer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Never)
    }

    fn sleep_until(&self, _: std::time::Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Never)
    }

    /// Nothing comes of it, so no clock is read.
    fn now(&self) -> std::time::Instant {
        self.0
    }
}

impl Future for Never {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl hyper::rt::Sleep for Never {}

/// A timer that is set again only where it would fire too late, since most deadlines are
/// overtaken by a later one before they matter.
#[derive(Default)]
struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whom it wakes; none where it has to be set.
    armed: Option<Waker>,
}

impl Alarm {
    /// True once `deadline` has passed; else wakes the task when it does, or before.
    fn has_passed(&mut self, deadline: Instant, cx: &mut Context<'_>) -> bool {
        loop {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            let early = sleep.deadline() <= deadline && !sleep.is_elapsed();
            if early && self.armed.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                return false;
            }
            if self.armed.is_none() || sleep.deadline() > deadline {
                sleep.as_mut().reset(deadline);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                self.armed = Some(cx.waker().clone());
                return false;
            }
            self.armed = None;
            if Instant::now() >= deadline {
                return true;
            }
        }
    }
}

/// What is waited for between requests, and since when.
struct Awaited {
    /// Requests that have begun before.
    begun: u64,
    /// The rest of a head; else the beginning of one.
    head: bool,
    since: Instant,
}

/// A stream whose client is waited for so long and no longer.
pub(super) struct Patient<S> {
    inner: S,
    activity: Arc<Activity>,
    head_deadline: Duration,
    idle_deadline: Duration,
    write_deadline: Duration,
    /// How many requests had begun before the head of which some bytes came.
    head_after: Option<u64>,
    awaited: Option<Awaited>,
    /// Since when something written is not taken.
    stalled: Option<Instant>,
    reading: Alarm,
    writing: Alarm,
}

impl<S> Patient<S> {
    pub(super) fn new(inner: S, activity: Arc<Activity>, limits: &Limits) -> Self {
        Self {
            inner,
            activity,
            head_deadline: limits.head_deadline,
            idle_deadline: limits.idle_deadline,
            write_deadline: limits.write_deadline,
            head_after: None,
            awaited: None,
            stalled: None,
            reading: Alarm::default(),
            writing: Alarm::default(),
        }
    }

    fn is_busy(&self) -> bool {
        self.activity.under_way.load(Ordering::Acquire) > 0
    }

    /// Until when the client must have sent something, where nothing came just now. None while a
    /// request is under way: its body has its own deadline.
    fn read_deadline(&mut self) -> Option<Instant> {
        if self.is_busy() {
            self.awaited = None;
            return None;
        }
        let begun = self.activity.begun.load(Ordering::Acquire);
        if begun == 0 {
            return Some(self.activity.start + self.head_deadline);
        }
        let head = self.head_after == Some(begun);
        let since = match &self.awaited {
            Some(awaited) if awaited.begun == begun && awaited.head == head => awaited.since,
            _ => {
                // hyper asks for more as soon as a reply is out, or a head is there in part.
                let since = Instant::now();
                self.awaited = Some(Awaited { begun, head, since });
                since
            }
        };
        Some(since + if head { self.head_deadline } else { self.idle_deadline })
    }

    fn note_read(&mut self) {
        if !self.activity.multiplexed.load(Ordering::Acquire) && !self.is_busy() {
            self.head_after = Some(self.activity.begun.load(Ordering::Acquire));
        }
    }

    /// What comes of an attempt to write that was left pending.
    fn stall(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let since = *self.stalled.get_or_insert_with(Instant::now);
        if self.writing.has_passed(since + self.write_deadline, cx) {
            Poll::Ready(timed_out("the client does not read"))
        } else {
            Poll::Pending
        }
    }
}

fn timed_out(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.inner).poll_read(cx, buffer);
        if outcome.is_ready() {
            if buffer.filled().len() > before {
                this.note_read();
            }
            return outcome;
        }
        match this.read_deadline() {
            Some(deadline) if this.reading.has_passed(deadline, cx) => {
                Poll::Ready(Err(timed_out("the client is too slow")))
            }
            _ => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.inner).poll_write(cx, bytes) {
            Poll::Pending => self.stall(cx).map(Err),
            ready @ Poll::Ready(_) => ready,
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.inner).poll_write_vectored(cx, slices) {
            Poll::Pending => self.stall(cx).map(Err),
            ready @ Poll::Ready(_) => ready,
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_flush(cx) {
            Poll::Pending => self.stall(cx).map(Err),
            ready @ Poll::Ready(_) => {
                // Only now everything is taken: a client that reads a byte now and then is as slow
                // as one that reads nothing.
                self.stalled = None;
                ready
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_shutdown(cx) {
            Poll::Pending => self.stall(cx).map(Err),
            ready @ Poll::Ready(_) => ready,
        }
    }
}
