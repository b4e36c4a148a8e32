//! Connections, of which there are only so many at a time, and none for long: who opens them and says nothing must not keep the
//! server from opening files, nor others from being answered.
//!
//! A new connection never waits. When there is no place for it, one ends: of the client with the most connections, one that has said
//! nothing yet, the oldest first.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

/// How many there are at a time.
const CONNECTIONS_MAX: usize = 64;

/// How long one lasts at most.
const LASTS: Duration = Duration::from_secs(30);

/// How long one may say nothing at its beginning.
const SILENT: Duration = Duration::from_secs(5);

/// Accepts all, and ends others for them.
pub(super) struct Bounded {
    listener: TcpListener,
    guests: Guests,
}

impl Bounded {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            guests: Guests::default(),
        }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let connection = Connection {
            stream,
            end: Box::pin(sleep(LASTS)),
            silent: Some(Box::pin(sleep(SILENT))),
            number: self.guests.add(address.ip()),
            guests: self.guests.clone(),
        };
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// The connections that there are.
#[derive(Clone, Debug, Default)]
struct Guests(Arc<Mutex<Places>>);

#[derive(Debug, Default)]
struct Places {
    next: u64,
    /// By their numbers, the oldest first.
    taken: BTreeMap<u64, Guest>,
}

#[derive(Debug)]
struct Guest {
    client: IpAddr,
    /// It has said something.
    heard: bool,
    /// Its place is another one's now.
    ended: bool,
    /// What waits for it to say something.
    waker: Option<Waker>,
}

impl Guests {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new one.
    fn add(&self, client: IpAddr) -> u64 {
        let mut places = self.places();
        if places.taken.values().filter(|guest| !guest.ended).count() >= CONNECTIONS_MAX {
            places.end_one();
        }
        places.next += 1;
        let number = places.next;
        let guest = Guest {
            client,
            heard: false,
            ended: false,
            waker: None,
        };
        places.taken.insert(number, guest);
        number
    }

    /// Whether one may go on; it is woken when it may not any more.
    fn may_go_on(&self, number: u64, context: &Context<'_>) -> bool {
        let mut places = self.places();
        let Some(guest) = places.taken.get_mut(&number) else {
            return false;
        };
        guest.waker = Some(context.waker().clone());
        !guest.ended
    }

    fn heard(&self, number: u64) {
        if let Some(guest) = self.places().taken.get_mut(&number) {
            guest.heard = true;
        }
    }
}

impl Places {
    /// Ends the one that is missed least.
    fn end_one(&mut self) {
        let mut by_client: HashMap<IpAddr, usize> = HashMap::new();
        for guest in self.taken.values().filter(|guest| !guest.ended) {
            *by_client.entry(guest.client).or_default() += 1;
        }
        let most = by_client.values().copied().max();
        let of_most =
            |guest: &&mut Guest| !guest.ended && by_client.get(&guest.client).copied() == most;
        let guests = self.taken.values_mut().filter(of_most);
        // Of equals the first, which is the oldest.
        let victim = guests.min_by_key(|guest| guest.heard);
        if let Some(guest) = victim {
            guest.ended = true;
            if let Some(waker) = guest.waker.take() {
                waker.wake();
            }
        }
    }
}

/// A connection, which gives its place back when it is dropped.
pub(super) struct Connection {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    /// How long it may say nothing still, until it has said something.
    silent: Option<Pin<Box<Sleep>>>,
    number: u64,
    guests: Guests,
}

impl Connection {
    /// Whether its time is up.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let silent = self.silent.as_mut();
        self.end.as_mut().poll(context).is_ready()
            || silent.is_some_and(|silent| silent.as_mut().poll(context).is_ready())
            || !self.guests.may_go_on(self.number, context)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.guests.places().taken.remove(&self.number);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before && self.silent.take().is_some() {
            self.guests.heard(self.number);
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
