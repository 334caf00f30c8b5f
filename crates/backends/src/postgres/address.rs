//! Where the database is, and how it is reached: `postgres://user@host:port/name?sslmode=…`.
//!
//! Off this machine a session is encrypted and the server's certificate has to name the host that was
//! asked for, as with libpq's `verify-full`; there is nothing in between. `sslmode=disable` is the one
//! way out, and has to be written.

use super::errors::OpenError;
use std::net::IpAddr;
use std::str::FromStr as _;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, Host, SslMode, TargetSessionAttrs};

/// How long a connection's packets may be without an answer.
const SILENCE_MAX: Duration = Duration::from_secs(4);
/// How long an idle connection is silent before it is asked.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(10);
/// How long one address may take to accept a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// A database's address.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) config: Config,
    /// Whether sessions are encrypted.
    pub(super) encrypted: bool,
}

impl Address {
    /// Reads a URL. What it says about TLS is looked at here and nowhere else.
    pub(super) fn parse(url: &str) -> Result<Self, OpenError> {
        let bad = |problem: &str| OpenError::Address(problem.to_owned());
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(bad("it begins with postgres://"));
        }
        let (rest, mode) = take_sslmode(url).map_err(bad)?;
        // What the parser says quotes the URL, which may hold a password.
        let mut config = Config::from_str(&rest)
            .map_err(|_| bad("it is no postgres://user@host:port/name URL that can be read"))?;
        if config.get_hosts().is_empty() {
            return Err(bad("it names no host"));
        }
        if config.get_user().is_none() {
            return Err(bad("it names no user"));
        }
        // An address beside a host's name is where it really leads.
        let elsewhere = config.get_hostaddrs().iter().any(|address| !address.is_loopback());
        let local = config.get_hosts().iter().all(is_local) && !elsewhere;
        let encrypted = match mode.as_deref() {
            None => !local,
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            Some("prefer" | "allow") => {
                return Err(bad(
                    "sslmode=prefer and sslmode=allow can be talked out of TLS: leave sslmode out, \
                     or write verify-full or disable",
                ));
            }
            Some(_) => return Err(bad("sslmode is verify-full or disable")),
        };
        config
            .ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable })
            .connect_timeout(CONNECT_DEADLINE)
            .tcp_user_timeout(SILENCE_MAX)
            .keepalives(true)
            .keepalives_idle(KEEPALIVE_AFTER)
            .keepalives_interval(Duration::from_secs(2))
            .keepalives_retries(2)
            // A standby accepts connections and no changes: the next address is tried.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_application_name().is_none() {
            config.application_name("tenantry");
        }
        if encrypted {
            config.channel_binding(ChannelBinding::Prefer);
        }
        Ok(Self { config, encrypted })
    }
}

/// The hosts that a database's URL names, each with its port; those that are no sockets on this machine.
#[must_use]
pub fn hosts(url: &str) -> Vec<(String, u16)> {
    let Ok(Address { config, .. }) = Address::parse(url) else { return Vec::new() };
    let ports = config.get_ports();
    let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
    let named = config.get_hosts().iter().enumerate().filter_map(|(index, host)| match host {
        Host::Tcp(name) => Some((name.clone(), port(index))),
        Host::Unix(_) => None,
    });
    let addresses = config.get_hostaddrs().iter().enumerate();
    named.chain(addresses.map(|(index, address)| (address.to_string(), port(index)))).collect()
}

/// The URL without its `sslmode`, and that.
fn take_sslmode(url: &str) -> Result<(String, Option<String>), &'static str> {
    let Some((base, query)) = url.split_once('?') else {
        return Ok((url.to_owned(), None));
    };
    let mut mode = None;
    let mut kept = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "sslmode" if mode.is_some() => return Err("it has more than one sslmode"),
            "sslmode" => mode = Some(value.to_owned()),
            "sslrootcert" => return Err("name the authority's file with --database-ca-cert"),
            _ => kept.push(pair),
        }
    }
    let rest = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
    Ok((rest, mode))
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encrypted(url: &str) -> Result<bool, String> {
        Address::parse(url).map(|address| address.encrypted).map_err(|error| error.to_string())
    }

    #[test]
    fn off_this_machine_sessions_are_encrypted_unless_that_is_written() {
        assert_eq!(encrypted("postgres://u@db.example.com/t"), Ok(true));
        assert_eq!(encrypted("postgresql://u:p@192.0.2.1:5433/t?connect_timeout=3"), Ok(true));
        assert_eq!(encrypted("postgres://u@db/t?sslmode=require"), Ok(true));
        assert_eq!(encrypted("postgres://u@db/t?sslmode=disable"), Ok(false));
        // One of several is elsewhere.
        assert_eq!(encrypted("postgres://u@127.0.0.1,192.0.2.1/t"), Ok(true));
        assert_eq!(encrypted("postgres://u@localhost/t?hostaddr=192.0.2.1"), Ok(true));
        assert_eq!(encrypted("postgres://u@localhost/t?hostaddr=127.0.0.1"), Ok(false));
        for local in ["localhost", "127.0.0.1", "[::1]:5433", "%2Frun%2Fpostgresql"] {
            assert_eq!(encrypted(&format!("postgres://u@{local}/t")), Ok(false), "{local}");
            let url = format!("postgres://u@{local}/t?sslmode=verify-full&application_name=x");
            assert_eq!(encrypted(&url), Ok(true), "{local}");
        }
    }

    #[test]
    fn a_bad_address_is_refused_without_being_quoted() {
        let bad = [
            "mysql://u:canary@h/t",
            "postgres://u:canary@h:port/t",
            "postgres://canary",
            "postgres:///t?user=canary",
            "postgres://u:canary@h/t?sslmode=prefer",
            "postgres://u:canary@h/t?sslmode=canary",
            "postgres://u:canary@h/t?sslmode=disable&sslmode=require",
            "postgres://u:canary@h/t?sslrootcert=canary",
            "postgres://u:canary@h/t?unknown=canary",
        ];
        for url in bad {
            let error = encrypted(url).expect_err(url);
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
