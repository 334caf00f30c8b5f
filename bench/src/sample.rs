//! One scenario, run once.

use crate::load::{self, Until};
use crate::requests::Requests;
use crate::server::Server;
use crate::{Outcome, process};
use serde::{Deserialize, Serialize};

/// What one run of a scenario gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Units per second: requests, or accounts of bulk requests.
    pub(crate) rate: f64,
    /// Processor time of the server per unit, user and system, in microseconds.
    pub(crate) cpu_micros: Option<f64>,
    /// The same of the database's processes, where there is one.
    #[serde(default)]
    pub(crate) database_micros: Option<f64>,
    /// Latency of a request that half of them stay below, in microseconds.
    pub(crate) p50_micros: Option<f64>,
    /// The same for 99 of 100.
    pub(crate) p99_micros: Option<f64>,
    /// Replies that were not what they had to be.
    pub(crate) errors: u64,
}

impl Sample {
    /// Of a control that has a rate only.
    pub(crate) fn of_rate(rate: f64) -> Self {
        Self {
            rate,
            cpu_micros: None,
            database_micros: None,
            p50_micros: None,
            p99_micros: None,
            errors: 0,
        }
    }
}

/// Runs it on one server.
pub(crate) fn take(
    server: &Server,
    connections: usize,
    until: Until,
    requests: &mut Requests<'_>,
) -> Outcome<Sample> {
    take_of(&[server], connections, until, requests)
}

/// Runs it on servers that share the connections. What they still do for it afterwards is counted
/// too.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn take_of(
    servers: &[&Server],
    connections: usize,
    until: Until,
    requests: &mut Requests<'_>,
) -> Outcome<Sample> {
    let used =
        || servers.iter().map(|server| process::cpu_micros(server.pid())).sum::<Outcome<f64>>();
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    let before = used()?;
    let loaded = load::run(&addresses, connections, until, requests)?;
    servers.iter().try_for_each(|server| server.settle())?;
    let used = used()? - before;
    let units = requests.units as f64;
    Ok(Sample {
        rate: loaded.rate * units,
        cpu_micros: Some(used / (loaded.replies as f64 * units)),
        database_micros: None,
        p50_micros: Some(loaded.latency.value_at_quantile(0.5) as f64),
        p99_micros: Some(loaded.latency.value_at_quantile(0.99) as f64),
        errors: loaded.errors,
    })
}
