//! Connections that read.
//!
//! A read runs on the task that asks for it. Every one is a look-up by an index or a list with a
//! limit over memory-mapped pages and takes some microseconds, less than handing it to another
//! thread and back would (`spawn_blocking`), and the verify path would pay that on every miss.
//! With as many connections as the runtime has threads, nobody waits for one. A thread comes back to
//! the same one: after a commit each has to map the file and read its first page again, and a request
//! that reads twice does that once.

use super::connection;
use super::errors::OpenError;
use rusqlite::Connection;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use tenantry_core::error::Result;

pub(super) struct Readers {
    connections: Box<[Mutex<Connection>]>,
}

impl Readers {
    pub(super) fn open(path: &Path, count: usize) -> Result<Self, OpenError> {
        let connections = (0..count.max(1))
            .map(|_| connection::open_reader(path).map(Mutex::new))
            .collect::<Result<_, _>>()?;
        Ok(Self { connections })
    }

    /// Runs `read` on a connection that nobody else uses.
    ///
    /// A statement by itself is a transaction, and sees everything that was acknowledged before it
    /// began. So every read is one statement, with joins where it needs several rows.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        read(&self.take())
    }

    /// This thread's connection if it is free, else another one that is, else this thread's once
    /// it is.
    ///
    /// One whose user panicked is as good as any: its statement was reset on the way out.
    fn take(&self) -> MutexGuard<'_, Connection> {
        let count = self.connections.len();
        let first = own_number() % count;
        for index in first..first + count {
            match self.connections[index % count].try_lock() {
                Ok(connection) => return connection,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.connections[first].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of this thread among those that read.
fn own_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    OWN.with(|own| *own)
}
