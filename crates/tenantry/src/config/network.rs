//! Settings of the listener on the network: what clients may take of it.

use crate::{Failure, Result};
use clap::Args as _;
use serde::Deserialize;
use std::time::Duration;
use tenantry_http::server::Limits;

/// Longest time that a client may be given, in seconds.
const SECONDS_MAX: u64 = 3600;

/// Settings as the command line, the environment or `tenantry.toml` gives them. One struct, so
/// that the names are the same everywhere.
#[derive(clap::Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NetworkSettings {
    /// Connections at once; fewer where the process may not have as many files open (default: 16384)
    #[arg(long, global = true, env = "TENANTRY_CONNECTIONS_MAX")]
    pub connections_max: Option<usize>,
    /// Connections of one client address (IPv6: one /64) at once (default: 4096)
    #[arg(long, global = true, env = "TENANTRY_CONNECTIONS_PER_ADDRESS_MAX")]
    pub connections_per_address_max: Option<usize>,
    /// Requests under way at once; more are answered 503 (default: 8192)
    #[arg(long, global = true, env = "TENANTRY_REQUESTS_MAX")]
    pub requests_max: Option<usize>,
    /// Requests of one client address (IPv6: one /64) under way at once (default: 4096)
    #[arg(long, global = true, env = "TENANTRY_REQUESTS_PER_ADDRESS_MAX")]
    pub requests_per_address_max: Option<usize>,
    /// Seconds that a request's head may take (default: 5)
    #[arg(long, global = true, env = "TENANTRY_HEAD_TIMEOUT")]
    pub head_timeout: Option<u64>,
    /// Seconds that a request's body may take (default: 10)
    #[arg(long, global = true, env = "TENANTRY_BODY_TIMEOUT")]
    pub body_timeout: Option<u64>,
    /// Seconds that a client may leave replies unread (default: 10)
    #[arg(long, global = true, env = "TENANTRY_WRITE_TIMEOUT")]
    pub write_timeout: Option<u64>,
    /// Seconds that a connection may wait for its next request (default: 60)
    #[arg(long, global = true, env = "TENANTRY_IDLE_TIMEOUT")]
    pub idle_timeout: Option<u64>,
}

/// Settings in force.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// What clients may take of the server, before the process's own limits are looked at.
    pub limits: Limits,
}

impl NetworkSettings {
    /// The settings' names in `tenantry.toml`.
    pub(super) fn names() -> Vec<String> {
        let command = Self::augment_args(clap::Command::new(""));
        let names = command.get_arguments().filter_map(clap::Arg::get_long);
        names.map(str::to_owned).collect()
    }

    /// The settings in force, flags before the file.
    pub(super) fn or(&self, file: &Self) -> Result<NetworkConfig> {
        let default = Limits::default();
        let limits = Limits {
            head_deadline: seconds(
                "head-timeout",
                self.head_timeout.or(file.head_timeout),
                default.head_deadline,
            )?,
            body_deadline: seconds(
                "body-timeout",
                self.body_timeout.or(file.body_timeout),
                default.body_deadline,
            )?,
            write_deadline: seconds(
                "write-timeout",
                self.write_timeout.or(file.write_timeout),
                default.write_deadline,
            )?,
            idle_deadline: seconds(
                "idle-timeout",
                self.idle_timeout.or(file.idle_timeout),
                default.idle_deadline,
            )?,
            connections_max: at_least_one(
                "connections-max",
                self.connections_max.or(file.connections_max),
                default.connections_max,
            )?,
            connections_per_address_max: at_least_one(
                "connections-per-address-max",
                self.connections_per_address_max.or(file.connections_per_address_max),
                default.connections_per_address_max,
            )?,
            requests_max: at_least_one(
                "requests-max",
                self.requests_max.or(file.requests_max),
                default.requests_max,
            )?,
            requests_per_address_max: at_least_one(
                "requests-per-address-max",
                self.requests_per_address_max.or(file.requests_per_address_max),
                default.requests_per_address_max,
            )?,
        };
        Ok(NetworkConfig { limits })
    }
}

fn seconds(name: &str, set: Option<u64>, default: Duration) -> Result<Duration> {
    match set {
        None => Ok(default),
        Some(seconds @ 1..=SECONDS_MAX) => Ok(Duration::from_secs(seconds)),
        Some(_) => Err(Failure::Setting(format!("--{name}: 1 to {SECONDS_MAX} seconds"))),
    }
}

fn at_least_one(name: &str, set: Option<usize>, default: usize) -> Result<usize> {
    match set {
        Some(0) => Err(Failure::Setting(format!("--{name}: at least 1"))),
        set => Ok(set.unwrap_or(default)),
    }
}
