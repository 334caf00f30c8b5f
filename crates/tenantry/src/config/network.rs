//! Settings of the listener on the network: what clients may take of it.

use crate::{Failure, Result};
use clap::Args as _;
use ipnet::IpNet;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tenantry_http::server::{Limits, Proxies};

/// Longest time that a client may be given, in seconds.
const SECONDS_MAX: u64 = 3600;

/// Between saying that the server stops and refusing connections, where somebody in front may look.
/// With [`DRAIN_DEADLINE`](tenantry_http::server::DRAIN_DEADLINE) below the 30 seconds that many
/// supervisors give before they kill.
const DRAIN_DELAY: Duration = Duration::from_secs(3);

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
    /// Seconds between saying `stopping` at /readyz and refusing new connections (default: 3, and 0
    /// where only loopback is served and no proxy is trusted)
    #[arg(long, global = true, env = "TENANTRY_DRAIN_DELAY")]
    pub drain_delay: Option<u64>,
    /// PEM file of the certificate chain; read again when it changes
    #[arg(long, global = true, env = "TENANTRY_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file of the certificate's private key, which not everybody may read
    #[arg(long, global = true, env = "TENANTRY_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Network whose X-Forwarded-For is believed; may be repeated (separated by commas in the variable)
    #[arg(
        long,
        global = true,
        env = "TENANTRY_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub trusted_proxy: Option<Vec<String>>,
    /// Serve in clear off loopback, to the trusted proxies alone, which end TLS
    #[arg(long, global = true, env = "TENANTRY_PLAINTEXT_BEHIND_PROXY", num_args = 0..=1,
        require_equals = true, default_missing_value = "true")]
    pub plaintext_behind_proxy: Option<bool>,
}

/// Settings in force.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// What clients may take of the server, before the process's own limits are looked at.
    pub limits: Limits,
    /// Files of the certificate and its key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Proxies in front.
    pub proxies: Proxies,
    /// How long the server goes on after it has said that it stops.
    pub drain_delay: Duration,
}

impl NetworkSettings {
    /// The settings' names in `tenantry.toml`.
    pub(super) fn names() -> Vec<String> {
        let command = Self::augment_args(clap::Command::new(""));
        let names = command.get_arguments().filter_map(clap::Arg::get_long);
        names.map(str::to_owned).collect()
    }

    /// The settings in force, flags before the file, for a server that listens at `listen`.
    pub(super) fn or(&self, file: &Self, listen: SocketAddr) -> Result<NetworkConfig> {
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
        let cert = self.tls_cert.as_ref().or(file.tls_cert.as_ref());
        let tls = match (cert, self.tls_key.as_ref().or(file.tls_key.as_ref())) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) => return Err(setting("--tls-cert needs --tls-key")),
            (None, Some(_)) => return Err(setting("--tls-key needs --tls-cert")),
        };
        let trusted = self.trusted_proxy.as_ref().or(file.trusted_proxy.as_ref());
        let trusted = trusted.into_iter().flatten().map(|text| network(text));
        let trusted = trusted.collect::<Result<Vec<_>>>()?;
        let plaintext = self.plaintext_behind_proxy.or(file.plaintext_behind_proxy);
        let required = plaintext.unwrap_or(false);
        if required && trusted.is_empty() {
            return Err(setting(
                "--plaintext-behind-proxy: name the proxy's network with --trusted-proxy; nobody \
                 else is served in clear",
            ));
        }
        if required && tls.is_some() {
            return Err(setting("--plaintext-behind-proxy and --tls-cert exclude each other"));
        }
        let alone = listen.ip().is_loopback() && trusted.is_empty();
        let drain_delay = match self.drain_delay.or(file.drain_delay) {
            None if alone => Duration::ZERO,
            None => DRAIN_DELAY,
            Some(seconds @ 0..=SECONDS_MAX) => Duration::from_secs(seconds),
            Some(_) => return Err(setting("--drain-delay: 0 to 3600 seconds")),
        };
        Ok(NetworkConfig { limits, tls, proxies: Proxies { trusted, required }, drain_delay })
    }
}

impl NetworkConfig {
    /// Refuses to carry credentials in clear over a network.
    pub(super) fn check_listen(&self, listen: SocketAddr) -> Result<()> {
        if listen.ip().is_loopback() || self.tls.is_some() || self.proxies.required {
            return Ok(());
        }
        Err(Failure::Setting(format!(
            "--listen {listen}: only loopback addresses are served in clear, since requests carry \
             credentials; set --tls-cert and --tls-key, or, behind a proxy that ends TLS, \
             --plaintext-behind-proxy and --trusted-proxy"
        )))
    }
}

fn setting(problem: &str) -> Failure {
    Failure::Setting(problem.to_owned())
}

/// A network, or one address of it. One that holds everybody is refused.
fn network(text: &str) -> Result<IpNet> {
    let network = text.parse::<IpNet>().ok();
    let network = network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    match network {
        Some(network) if network.prefix_len() > 0 => Ok(network.trunc()),
        Some(_) => Err(setting("--trusted-proxy: a network of prefix length 0 is everybody")),
        None => Err(setting("--trusted-proxy: a network such as 10.0.0.0/8, or an address")),
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
