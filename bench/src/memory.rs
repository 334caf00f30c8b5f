//! How much memory a server takes, and each key that it remembers.

use crate::prepare::Store;
use crate::report::Figure;
use crate::site::Served;
use crate::{Outcome, process};
use std::path::Path;

const MEGABYTE: f64 = 1024.0 * 1024.0;

/// Resident memory of a server that has the store and was asked nothing, and after it was asked
/// about every key.
#[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
pub(crate) fn idle(binary: &Path, store: &Store, more: &[String]) -> Outcome<Vec<Figure>> {
    let served = Served::start(binary, store, store.keys * 2, more)?;
    served.server.settle()?;
    let fresh = process::memory(served.server.pid())?.resident as f64 / MEGABYTE;
    served.ask_once(0, store.keys)?;
    let used = process::memory(served.server.pid())?.resident as f64 / MEGABYTE;
    served.server.stop()?;
    let keys = store.keys;
    Ok(vec![
        Figure::one(format!("memory, idle, {keys} keys stored"), "MB", fresh),
        Figure::one(format!("memory, idle, {keys} keys stored and all cached"), "MB", used),
    ])
}

/// Growth of a server's own memory per key, while `remembered` of them enter its cache.
#[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
pub(crate) fn per_key(
    binary: &Path,
    store: &Store,
    remembered: u64,
    name: &str,
    more: &[String],
) -> Outcome<Figure> {
    // What a server allocates once, however many keys it is asked about, is there by then.
    let warm = remembered / 4;
    let served = Served::start(binary, store, remembered * 2, more)?;
    served.ask_once(0, warm)?;
    let before = process::memory(served.server.pid())?.anonymous;
    served.ask_once(warm, warm + remembered)?;
    let after = process::memory(served.server.pid())?.anonymous;
    served.server.stop()?;
    let grown = after.saturating_sub(before) as f64 / remembered as f64;
    Ok(Figure::one(name.to_owned(), "bytes", grown))
}
