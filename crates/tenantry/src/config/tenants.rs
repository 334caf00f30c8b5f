//! Settings of tenant databases: which servers may be dialled, which are the operator's own, and the
//! product's schema.

use crate::{Failure, Result};
use clap::Args as _;
use ipnet::IpNet;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use tenantry_backends::tenant::dial::DialSettings;
use tenantry_backends::tenant::read_migrations;
use tenantry_backends::tenant::servers::canonical;
use tenantry_core::database::{
    DatabaseHost, DatabaseIdentifier, DatabasePassword, DatabasePolicy, DatabasePort, ManagedServer,
};
use tenantry_core::dialling::DialRules;
use tenantry_core::error::Problem;
use tenantry_core::limits;
use zeroize::Zeroizing;

/// Settings as the command line, the environment or `tenantry.toml` gives them.
#[derive(clap::Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TenantSettings {
    /// Network, or address, that is not public and in which customers may name databases' servers all
    /// the same; may be repeated (default: none)
    #[arg(
        long,
        global = true,
        env = "TENANTRY_ALLOW_DATABASE_CIDR",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub allow_database_cidr: Option<Vec<String>>,
    /// Network in which sessions with tenant databases are not encrypted; may be repeated (default: none,
    /// and every certificate is verified in full)
    #[arg(
        long,
        global = true,
        env = "TENANTRY_PLAINTEXT_DATABASE_CIDR",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub plaintext_database_cidr: Option<Vec<String>>,
    /// PEM file of the CAs that tenant databases' certificates may be from (default: those that this
    /// machine trusts)
    #[arg(long, global = true, env = "TENANTRY_TENANT_DATABASE_CA_CERT", value_name = "FILE")]
    pub tenant_database_ca_cert: Option<PathBuf>,
    /// Directory of the product's schema, files `<number>_<name>.sql`, which every tenant database gets
    #[arg(long, global = true, env = "TENANTRY_TENANT_MIGRATIONS", value_name = "DIR")]
    pub tenant_migrations: Option<PathBuf>,
    /// How often in a minute servers that one organization names are dialled (default: 10)
    #[arg(long, global = true, env = "TENANTRY_DATABASE_DIALS_PER_MINUTE")]
    pub database_dials_per_minute: Option<u32>,
}

/// A server of the operator's in `tenantry.toml`, `[[database_servers]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServerSettings {
    name: String,
    host: String,
    port: Option<i64>,
    user: String,
    /// File whose first line is the user's password.
    password_file: Option<PathBuf>,
    /// Variable that holds it.
    password_env: Option<String>,
}

/// Settings in force.
#[derive(Clone, Debug)]
pub struct TenantConfig {
    /// How servers are dialled.
    pub dialling: DialSettings,
    /// What the rules take from the operator.
    pub policy: DatabasePolicy,
}

impl TenantSettings {
    /// The settings' names in `tenantry.toml`.
    pub(super) fn names() -> Vec<String> {
        let command = Self::augment_args(clap::Command::new(""));
        let names = command.get_arguments().filter_map(clap::Arg::get_long);
        names.map(str::to_owned).collect()
    }

    /// The settings in force, flags before the file, beside the servers of the file. `own` are the
    /// plane's own addresses, which nobody has dialled.
    pub(super) fn or(
        &self,
        file: &Self,
        servers: Vec<ServerSettings>,
        own: &[(String, u16)],
    ) -> Result<TenantConfig> {
        let networks = |name: &str, set: &Option<Vec<String>>, file: &Option<Vec<String>>| {
            let set = set.as_ref().or(file.as_ref()).into_iter().flatten();
            set.map(|text| network(name, text)).collect::<Result<Vec<_>>>()
        };
        let allowed = networks(
            "--allow-database-cidr",
            &self.allow_database_cidr,
            &file.allow_database_cidr,
        )?;
        let plaintext = networks(
            "--plaintext-database-cidr",
            &self.plaintext_database_cidr,
            &file.plaintext_database_cidr,
        )?;
        let ca = &self.tenant_database_ca_cert;
        let directory = self.tenant_migrations.as_ref().or(file.tenant_migrations.as_ref());
        let migrations = directory
            .map(|directory| {
                read_migrations(directory)
                    .map_err(|why| Failure::Setting(format!("--tenant-migrations: {why}")))
            })
            .transpose()?;
        let dials = self.database_dials_per_minute.or(file.database_dials_per_minute);
        let servers = servers.into_iter().map(ServerSettings::check).collect::<Result<Vec<_>>>()?;
        let mut names: Vec<&str> = servers.iter().map(|server| &*server.name).collect();
        names.sort_unstable();
        if names.array_windows().any(|[one, two]| one == two) {
            return Err(Failure::Setting("database_servers: two have the same name".to_owned()));
        }
        let own = own.iter().flat_map(|(host, port)| addresses(host, *port));
        Ok(TenantConfig {
            dialling: DialSettings {
                rules: DialRules { allowed },
                own: canonical(own),
                plaintext,
                authorities: ca.clone().or_else(|| file.tenant_database_ca_cert.clone()),
                ..DialSettings::default()
            },
            policy: DatabasePolicy {
                servers,
                migrations: migrations.unwrap_or_default(),
                dials_per_minute: dials.unwrap_or(limits::DATABASE_DIALS_PER_MINUTE),
                ..DatabasePolicy::default()
            },
        })
    }
}

impl ServerSettings {
    fn check(self) -> Result<ManagedServer> {
        let name = self.name;
        let bad = |what: &str, problem: Problem| {
            Failure::Setting(format!("database_servers {name}: {what} {problem}"))
        };
        let port = self.port.map(DatabasePort::from_number).transpose();
        let password = match (&self.password_file, &self.password_env) {
            (Some(file), None) => {
                let text = std::fs::read_to_string(file)
                    .map(Zeroizing::new)
                    .map_err(|error| Failure::Io(format!("read {}", file.display()), error))?;
                Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())
            }
            (None, Some(variable)) => Zeroizing::new(std::env::var(variable).unwrap_or_default()),
            _ => {
                return Err(Failure::Setting(format!(
                    "database_servers {name}: one of password-file and password-env says where the \
                     password is"
                )));
            }
        };
        Ok(ManagedServer {
            host: DatabaseHost::parse(&self.host).map_err(|problem| bad("host", problem))?,
            port: port.map_err(|problem| bad("port", problem))?.unwrap_or(DatabasePort::DEFAULT),
            user: DatabaseIdentifier::parse(&self.user).map_err(|problem| bad("user", problem))?,
            password: DatabasePassword::parse(&password)
                .map_err(|problem| bad("the password", problem))?,
            name: name.clone().into(),
        })
    }
}

/// What a host is at now; nothing where that cannot be found out.
fn addresses(host: &str, port: u16) -> Vec<SocketAddr> {
    (host, port).to_socket_addrs().map(Iterator::collect).unwrap_or_default()
}

/// A network, or one address of it. One that holds everybody is refused.
fn network(name: &str, text: &str) -> Result<IpNet> {
    let network = text.parse::<IpNet>().ok();
    let network = network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    match network {
        Some(network) if network.prefix_len() > 0 => Ok(network.trunc()),
        Some(_) => {
            Err(Failure::Setting(format!("{name}: a network of prefix length 0 is everybody")))
        }
        None => {
            Err(Failure::Setting(format!("{name}: a network such as 10.0.0.0/8, or an address")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_force(text: &str, servers: &str) -> Result<TenantConfig> {
        #[derive(Deserialize)]
        struct Servers {
            #[serde(default)]
            database_servers: Vec<ServerSettings>,
        }
        let file: TenantSettings = toml::from_str(text).expect("settings");
        let servers: Servers = toml::from_str(servers).expect("servers");
        TenantSettings::default().or(&file, servers.database_servers, &[])
    }

    #[test]
    fn networks_are_read_and_everybody_is_none() {
        let config = in_force("allow-database-cidr = [\"10.1.2.3/8\", \"::1\"]", "").expect("good");
        let allowed: Vec<String> =
            config.dialling.rules.allowed.iter().map(ToString::to_string).collect();
        assert_eq!(allowed, ["10.0.0.0/8", "::1/128"]);
        for text in ["0.0.0.0/0", "::/0", "10", "host"] {
            let error = in_force(&format!("allow-database-cidr = [\"{text}\"]"), "");
            assert!(error.expect_err(text).to_string().starts_with("--allow-database-cidr"));
        }
    }

    #[test]
    fn a_server_of_the_operators_has_a_name_and_a_password_from_elsewhere() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("password");
        std::fs::write(&file, "canary\n").expect("written");
        let server = |name: &str, more: &str| {
            format!(
                "[[database_servers]]\nname = \"{name}\"\nhost = \"db\"\nuser = \"u\"\n{more}\n"
            )
        };
        let password = format!("password-file = {:?}", file.display().to_string());
        let config = in_force("", &server("a", &password)).expect("good");
        let found = config.policy.server("a").expect("there");
        assert_eq!((found.port.get(), found.password.reveal()), (5432, "canary"));
        assert!(!format!("{config:?}").contains("canary"));
        let twice = server("a", &password).repeat(2);
        for wrong in [server("a", ""), server("a", "port = 0\npassword-env = \"X\""), twice] {
            let error = in_force("", &wrong).expect_err("refused").to_string();
            assert!(error.starts_with("database_servers"), "{error}");
        }
    }
}
