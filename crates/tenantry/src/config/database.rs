//! Settings of the database that several nodes share.

use crate::{Failure, Result};
use clap::Args as _;
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;
use tenantry_backends::postgres::{CONNECTIONS_MAX, PostgresOptions};
use tenantry_core::clock::Timestamp;

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
        let Some(url) = self.database.clone().or(file.database) else {
            let without = [
                ("--database-direct", direct_url.is_some()),
                ("--database-ca-cert", ca_cert.is_some()),
                ("--database-connections-max", connections_max.is_some()),
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
        Ok(Some(DatabaseConfig { url, direct_url, ca_cert, connections_max, secrets_file }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            "secrets-file = \"x\"",
        ] {
            let error = none().in_force(settings(text)).expect_err(text).to_string();
            assert!(error.contains("only with --database"), "{error}");
        }
        let zero = settings("database = \"postgres://h/a\"\ndatabase-connections-max = 0");
        assert!(zero.in_force(none()).is_err());
    }
}
