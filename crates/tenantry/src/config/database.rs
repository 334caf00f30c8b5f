//! Settings of the database that several nodes share.

use crate::{Failure, Result};
use clap::Args as _;
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tenantry_backends::postgres::{CONNECTIONS_MAX, PostgresOptions};
use tenantry_core::clock::Timestamp;
use tenantry_core::cluster::Membership;
use tenantry_core::leads::NodeId;
use tenantry_core::limits;
use tenantry_core::rng::{self, Rng};

/// Most bytes of a node's name.
const NODE_NAME_BYTES_MAX: usize = 64;

/// Settings as the command line, the environment or `tenantry.toml` gives them.
#[derive(clap::Args, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DatabaseSettings {
    /// PostgreSQL that several nodes share, `postgres://user@host:port/name`, instead of the embedded
    /// store; off this machine its certificate is verified in full. A password belongs into the
    /// variable or tenantry.toml and not into a command line (default: the embedded store)
    #[arg(
        long,
        global = true,
        env = "TENANTRY_DATABASE",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database: Option<String>,
    /// The same database past a pooler, for migrations (default: what --database says)
    #[arg(
        long,
        global = true,
        env = "TENANTRY_DATABASE_DIRECT",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database_direct: Option<String>,
    /// PEM file of the CAs that the database's certificate may be from (default: those that this
    /// machine trusts)
    #[arg(long, global = true, env = "TENANTRY_DATABASE_CA_CERT", value_name = "FILE")]
    pub database_ca_cert: Option<PathBuf>,
    /// Most connections of this node to the database (default: 16)
    #[arg(long, global = true, env = "TENANTRY_DATABASE_CONNECTIONS_MAX")]
    pub database_connections_max: Option<u16>,
    /// How many seconds after a change is acknowledged another node may answer as if it had not
    /// happened; the same on every node. Only with --database (default: 5)
    #[arg(long, global = true, env = "TENANTRY_MAX_STALENESS", value_name = "SECONDS")]
    pub max_staleness: Option<u64>,
    /// What this node is called in `tenantry nodes`. Only with --database (default: the machine's name)
    #[arg(long, global = true, env = "TENANTRY_NODE_NAME", value_name = "NAME")]
    pub node_name: Option<String>,
    /// File of the secrets that all nodes on one database share, made by `tenantry secrets generate`;
    /// without it the variable `TENANTRY_SECRETS` holds what would stand in it. Only with --database
    #[arg(long, global = true, env = "TENANTRY_SECRETS_FILE", value_name = "FILE")]
    pub secrets_file: Option<PathBuf>,
}

impl fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its addresses may hold passwords.
        f.debug_struct("DatabaseSettings").finish_non_exhaustive()
    }
}

/// The database that several nodes share, and their secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    url: String,
    direct_url: Option<String>,
    ca_cert: Option<PathBuf>,
    connections_max: usize,
    max_staleness: Duration,
    node_name: Box<str>,
    /// File of the nodes' secrets, where the environment does not hold them.
    pub secrets_file: Option<PathBuf>,
}

impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its addresses may hold passwords.
        f.debug_struct("DatabaseConfig").finish_non_exhaustive()
    }
}

impl DatabaseConfig {
    /// How the store is opened at `now`.
    #[must_use]
    pub fn options(&self, now: Timestamp) -> PostgresOptions {
        PostgresOptions {
            direct_url: self.direct_url.clone(),
            authorities: self.ca_cert.clone(),
            connections_max: self.connections_max,
            ..PostgresOptions::new(self.url.clone(), now)
        }
    }

    /// The hosts of the database with their ports.
    pub(super) fn hosts(&self) -> Vec<(String, u16)> {
        tenantry_backends::postgres::hosts(&self.url)
    }

    /// What makes this process one of the plane's nodes.
    #[must_use]
    pub fn membership(&self, rng: &dyn Rng) -> Membership {
        Membership {
            node: NodeId::from_bytes(rng::draw(rng)),
            name: self.node_name.clone(),
            max_staleness: self.max_staleness,
        }
    }
}

impl DatabaseSettings {
    /// The settings' names in `tenantry.toml`.
    pub(super) fn names() -> Vec<String> {
        let command = Self::augment_args(clap::Command::new(""));
        let names = command.get_arguments().filter_map(clap::Arg::get_long);
        names.map(str::to_owned).collect()
    }

    /// What is said here, else in `tenantry.toml`; none for the embedded store.
    pub(super) fn in_force(&self, file: Self) -> Result<Option<DatabaseConfig>> {
        let direct_url = self.database_direct.clone().or(file.database_direct);
        let ca_cert = self.database_ca_cert.clone().or(file.database_ca_cert);
        let connections_max = self.database_connections_max.or(file.database_connections_max);
        let secrets_file = self.secrets_file.clone().or(file.secrets_file);
        let max_staleness = self.max_staleness.or(file.max_staleness);
        let node_name = self.node_name.clone().or(file.node_name);
        let Some(url) = self.database.clone().or(file.database) else {
            let without = [
                ("--database-direct", direct_url.is_some()),
                ("--database-ca-cert", ca_cert.is_some()),
                ("--database-connections-max", connections_max.is_some()),
                ("--max-staleness", max_staleness.is_some()),
                ("--node-name", node_name.is_some()),
                ("--secrets-file", secrets_file.is_some()),
            ];
            return match without.iter().find(|(_, given)| *given) {
                Some((name, _)) => {
                    Err(Failure::Setting(format!("{name} means something only with --database")))
                }
                None => Ok(None),
            };
        };
        if connections_max == Some(0) {
            return Err(Failure::Setting("--database-connections-max: at least 1".to_owned()));
        }
        let connections_max = connections_max.map_or(CONNECTIONS_MAX, usize::from);
        let max_staleness = match max_staleness.map(Duration::from_secs) {
            None => limits::MAX_STALENESS,
            Some(set) if limits::MAX_STALENESS_RANGE.contains(&set) => set,
            Some(_) => {
                return Err(Failure::Setting("--max-staleness: 3 to 60 seconds".to_owned()));
            }
        };
        let node_name = node_name.unwrap_or_else(machine_name);
        if node_name.is_empty() || node_name.len() > NODE_NAME_BYTES_MAX {
            return Err(Failure::Setting("--node-name: 1 to 64 bytes".to_owned()));
        }
        Ok(Some(DatabaseConfig {
            url,
            direct_url,
            ca_cert,
            connections_max,
            max_staleness,
            node_name: node_name.into(),
            secrets_file,
        }))
    }
}

/// What this machine is called, as far as a name may be long.
fn machine_name() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    let name: String = name.chars().take(NODE_NAME_BYTES_MAX / 4).collect();
    if name.is_empty() { "node".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_core::rng::SystemRng;

    fn settings(text: &str) -> DatabaseSettings {
        toml::from_str(text).expect("settings")
    }

    #[test]
    fn flags_win_over_the_file_and_nothing_prints_a_password() {
        let flags = settings("database = \"postgres://u:canary@h/a\"");
        let file = settings(
            "database = \"postgres://h/b\"\ndatabase-direct = \"postgres://u:canary@h/c\"\n\
             database-connections-max = 3",
        );
        let config = flags.in_force(file).expect("good").expect("a database");
        assert_eq!(config.url, "postgres://u:canary@h/a");
        assert_eq!(config.direct_url.as_deref(), Some("postgres://u:canary@h/c"));
        assert_eq!(config.connections_max, 3);
        let options = config.options(Timestamp::from_seconds(0));
        for printed in [format!("{config:?}"), format!("{flags:?}"), format!("{options:?}")] {
            assert!(!printed.contains("canary"), "{printed}");
        }
    }

    #[test]
    fn what_means_something_only_with_a_database_is_refused_without_one() {
        let none = || DatabaseSettings::default();
        assert_eq!(none().in_force(none()).expect("good"), None);
        for text in [
            "database-direct = \"x\"",
            "database-ca-cert = \"x\"",
            "database-connections-max = 1",
            "max-staleness = 5",
            "node-name = \"a\"",
            "secrets-file = \"x\"",
        ] {
            let error = none().in_force(settings(text)).expect_err(text).to_string();
            assert!(error.contains("only with --database"), "{error}");
        }
        let zero = settings("database = \"postgres://h/a\"\ndatabase-connections-max = 0");
        assert!(zero.in_force(none()).is_err());
    }

    #[test]
    fn a_node_has_a_name_and_a_bound() {
        let of = |text: &str| {
            let text = format!("database = \"postgres://h/a\"\n{text}");
            let config = settings(&text).in_force(DatabaseSettings::default());
            config.map(|config| config.expect("a database").membership(&SystemRng))
        };
        let usual = of("").expect("good");
        assert_eq!(usual.max_staleness, Duration::from_secs(5));
        assert!(!usual.name.is_empty());
        assert_ne!(usual.node, of("").expect("good").node, "another one with each start");
        let told = of("max-staleness = 3\nnode-name = \"a\"").expect("good");
        assert_eq!((told.max_staleness, &*told.name), (Duration::from_secs(3), "a"));
        let long = format!("node-name = \"{}\"", "a".repeat(65));
        for text in ["max-staleness = 2", "max-staleness = 61", "node-name = \"\"", &long] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
