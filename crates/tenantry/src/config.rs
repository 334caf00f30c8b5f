//! Settings: from flags, then `TENANTRY_*` variables, then `tenantry.toml`, then defaults.

mod database;
mod network;
mod realms;
mod tenants;
mod tokens;
mod traces;

pub use database::{DatabaseConfig, DatabaseSettings};
pub use network::{NetworkConfig, NetworkSettings};
use realms::RealmSettings;
pub use realms::RealmsConfig;
pub use tenants::{ServerSettings, TenantConfig, TenantSettings};
pub use tokens::TokenSettings;
#[cfg(not(feature = "otel"))]
pub(crate) use traces::ignored_variable;
pub use traces::{TraceConfig, TraceSettings};

use crate::{Failure, Result};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tenantry_backends::checkpoint_file::CHECKPOINT_FILE;
use tenantry_backends::redis::RedisMeters;
use tenantry_backends::tenant::dial::DialSettings;
use tenantry_core::limits;
use tenantry_core::plane::Policy;
use tenantry_core::secrets::plain::KeyPrefix;

/// The file that is read where it exists and no other is named.
const FILE: &str = "tenantry.toml";

/// Settings as the command line and the environment give them.
#[derive(clap::Args, Debug, Default)]
pub struct Settings {
    /// Settings file (default: tenantry.toml, where there is one)
    #[arg(long, global = true, env = "TENANTRY_CONFIG")]
    pub config: Option<PathBuf>,
    /// Directory of the store, its secrets and the operator's socket (default: ./tenantry-data)
    #[arg(long, global = true, env = "TENANTRY_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address to serve on; off loopback only with TLS or behind a proxy (default: 127.0.0.1:8080)
    #[arg(long, global = true, env = "TENANTRY_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Address to serve /metrics on; loopback only, `off` for none (default: 127.0.0.1:9090)
    #[arg(long, global = true, env = "TENANTRY_METRICS_LISTEN")]
    pub metrics_listen: Option<String>,
    /// The database that several nodes share
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// Redis or Valkey server in which all nodes count rate limits together, redis://… or rediss://…;
    /// without one each of several nodes holds its share (default: none)
    #[arg(long, global = true, env = "TENANTRY_REDIS", value_name = "URL", hide_env_values = true)]
    pub redis: Option<String>,
    /// Most bytes that the database file may grow to (default: none)
    #[arg(long, global = true, env = "TENANTRY_DATABASE_SIZE_MAX")]
    pub database_size_max: Option<u64>,
    /// File to which checkpoints of the audit trail are added; on another disk or machine they show
    /// what was taken from the store (default: audit-checkpoints.jsonl in the data directory)
    #[arg(long, global = true, env = "TENANTRY_AUDIT_SINK", value_name = "FILE")]
    pub audit_sink: Option<PathBuf>,
    /// What native keys begin with (default: tnt)
    #[arg(long, global = true, env = "TENANTRY_KEY_PREFIX")]
    pub key_prefix: Option<String>,
    /// Most keys of one account that live at once (default: 10)
    #[arg(long, global = true, env = "TENANTRY_KEYS_PER_ACCOUNT_MAX")]
    pub keys_per_account_max: Option<u32>,
    /// Most service accounts of one account (default: 100)
    #[arg(long, global = true, env = "TENANTRY_SERVICE_ACCOUNTS_MAX")]
    pub service_accounts_max: Option<u32>,
    /// Credentials held by the verify cache (default: 1000000)
    #[arg(long, global = true, env = "TENANTRY_CACHE_ENTRIES")]
    pub cache_entries: Option<usize>,
    /// Look-ups a second that find nothing, of bearers and of questions each (default: 2000)
    #[arg(long, global = true, env = "TENANTRY_MISSES_PER_SECOND_MAX")]
    pub misses_per_second_max: Option<u32>,
    /// What clients may take of the server
    #[command(flatten)]
    pub network: NetworkSettings,
    /// Of the verifications that were answered and of what caps and budgets refused, one in this many
    /// is logged (default: 100)
    #[arg(long, global = true, env = "TENANTRY_ACCESS_LOG_SAMPLE")]
    pub access_log_sample: Option<u64>,
    /// Traces of requests
    #[command(flatten)]
    pub traces: TraceSettings,
    /// Access tokens
    #[command(flatten)]
    pub tokens: TokenSettings,
    /// Tenant databases
    #[command(flatten)]
    pub tenants: TenantSettings,
    /// Least severe events that are logged: error, warn, info, debug or trace (default: info)
    #[arg(long, global = true, env = "TENANTRY_LOG_LEVEL")]
    pub log_level: Option<String>,
}

/// Settings as `tenantry.toml` gives them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    data_dir: Option<PathBuf>,
    listen: Option<SocketAddr>,
    metrics_listen: Option<String>,
    redis: Option<String>,
    database_size_max: Option<u64>,
    audit_sink: Option<PathBuf>,
    key_prefix: Option<String>,
    keys_per_account_max: Option<u32>,
    service_accounts_max: Option<u32>,
    cache_entries: Option<usize>,
    access_log_sample: Option<u64>,
    misses_per_second_max: Option<u32>,
    public_url: Option<String>,
    signing_algorithm: Option<String>,
    signing_key_days: Option<u32>,
    otlp_endpoint: Option<String>,
    trace_sample: Option<f64>,
    log_level: Option<String>,
    #[serde(default)]
    backup: BackupRecipients,
    #[serde(default)]
    local_realm: LocalRealm,
    #[serde(default)]
    realms: Vec<RealmSettings>,
    #[serde(default, rename = "database_servers")]
    database_servers: Vec<ServerSettings>,
}

/// The built-in realm.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LocalRealm {
    /// Whether its `super_admin` may act for every organization.
    #[serde(default)]
    platform_wide: bool,
}

/// Settings in force.
#[derive(Debug)]
pub struct Config {
    /// Directory of the store, its secrets and the operator's socket.
    pub data_dir: PathBuf,
    /// Address to serve on.
    pub listen: SocketAddr,
    /// Where to serve metrics.
    pub metrics: MetricsListen,
    /// The database that several nodes share; none for the embedded store.
    pub database: Option<DatabaseConfig>,
    /// Where all nodes count rate limits together.
    pub meters: Option<Arc<RedisMeters>>,
    /// Most bytes that the database file may grow to.
    pub database_size_max: Option<u64>,
    /// File for checkpoints of the audit trail, where it is not in the data directory.
    pub audit_sink: Option<PathBuf>,
    /// The listener on the network.
    pub network: NetworkConfig,
    /// What the plane's rules take from the operator.
    pub policy: Policy,
    /// Whether the built-in realm's `super_admin` may act for every organization.
    pub local_realm_platform_wide: bool,
    /// Trusted issuers of admin JWTs beside it.
    pub realms: RealmsConfig,
    /// Of the verifications that were answered, one in this many is logged.
    pub access_log_sample: Option<u64>,
    /// Where traces of requests go, if anywhere.
    pub traces: Option<TraceConfig>,
    /// Least severe events that are logged.
    pub log_level: tracing::Level,
    /// What backups are sealed to, where the command does not say.
    pub backup_recipients: BackupRecipients,
    /// How the servers of tenant databases are dialled.
    pub dialling: DialSettings,
}

/// Recipients of backups, as somebody wrote them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BackupRecipients {
    /// Recipients.
    pub recipient: Vec<String>,
    /// A file of more.
    pub recipient_file: Option<PathBuf>,
}

/// Where to serve metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsListen {
    /// Nowhere.
    Off,
    /// At the usual address, unless another program has it.
    Usual(SocketAddr),
    /// At this address.
    At(SocketAddr),
}

impl MetricsListen {
    fn parse(text: Option<&str>) -> Result<Self> {
        match text {
            None => Ok(Self::Usual(SocketAddr::from(([127, 0, 0, 1], 9090)))),
            Some("off") => Ok(Self::Off),
            Some(text) => match text.parse::<SocketAddr>() {
                Ok(address) if address.ip().is_loopback() => Ok(Self::At(address)),
                _ => Err(Failure::Setting(format!(
                    "--metrics-listen {text}: a loopback address with a port, or `off`"
                ))),
            },
        }
    }
}

impl Config {
    /// Puts the sources together.
    ///
    /// # Errors
    /// [`Failure::Setting`] that names the setting and what would be right.
    pub fn load(settings: &Settings) -> Result<Self> {
        let FromFile { rest: file, network, database, tenants } =
            read_file(settings.config.as_deref())?;
        let text = |set: &Option<String>, file: Option<String>| set.clone().or(file);

        let listen = settings.listen.or(file.listen);
        let listen = listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)));
        let network = settings.network.or(&network, listen)?;
        network.check_listen(listen)?;
        let key_prefix = match text(&settings.key_prefix, file.key_prefix) {
            None => KeyPrefix::default(),
            Some(prefix) => KeyPrefix::parse(&prefix).ok_or_else(|| {
                Failure::Setting(
                    "--key-prefix: 2 to 12 lower-case letters or digits, a letter first; not `sa` or `key`"
                        .to_owned(),
                )
            })?,
        };
        let log_level = match text(&settings.log_level, file.log_level) {
            None => tracing::Level::INFO,
            Some(level) => level.parse().map_err(|_| {
                Failure::Setting("--log-level: one of error, warn, info, debug, trace".to_owned())
            })?,
        };
        let keys_max = settings.keys_per_account_max.or(file.keys_per_account_max);
        let service_accounts_max = settings.service_accounts_max.or(file.service_accounts_max);
        let cache_entries = settings.cache_entries.or(file.cache_entries);
        let traces = TraceSettings {
            otlp_endpoint: text(&settings.traces.otlp_endpoint, file.otlp_endpoint),
            trace_sample: settings.traces.trace_sample.or(file.trace_sample),
        };
        let tokens = TokenSettings {
            public_url: text(&settings.tokens.public_url, file.public_url),
            signing_algorithm: text(&settings.tokens.signing_algorithm, file.signing_algorithm),
            signing_key_days: settings.tokens.signing_key_days.or(file.signing_key_days),
        };
        let tokens = tokens.in_force(listen, network.tls.is_some())?;
        let redis = text(&settings.redis, file.redis);
        let database = settings.database.in_force(database)?;
        let mut own = vec![(listen.ip().to_string(), listen.port())];
        own.extend(database.iter().flat_map(DatabaseConfig::hosts));
        own.extend(redis.as_deref().and_then(redis_host));
        let tenants = settings.tenants.or(&tenants, file.database_servers, &own)?;
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let misses = settings.misses_per_second_max.or(file.misses_per_second_max);
        Ok(Self {
            data_dir: settings
                .data_dir
                .clone()
                .or(file.data_dir)
                .unwrap_or_else(|| PathBuf::from("tenantry-data")),
            listen,
            metrics: MetricsListen::parse(
                text(&settings.metrics_listen, file.metrics_listen).as_deref(),
            )?,
            network,
            database,
            meters: meters(redis.as_deref())?,
            database_size_max: settings.database_size_max.or(file.database_size_max),
            audit_sink: settings.audit_sink.clone().or(file.audit_sink),
            policy: Policy {
                key_prefix,
                keys_max: keys_max.unwrap_or(limits::KEYS_MAX),
                service_accounts_max: service_accounts_max.unwrap_or(limits::SERVICE_ACCOUNTS_MAX),
                realms_max: limits::REALMS_MAX,
                cache_entries: cache_entries.unwrap_or(limits::VERIFY_CACHE_ENTRIES),
                misses_per_second_max: misses.unwrap_or(limits::MISSES_PER_SECOND_MAX),
                issuer: tokens.issuer,
                signing_algorithm: tokens.signing_algorithm,
                signing_key_age: tokens.signing_key_age,
                databases: tenants.policy,
            },
            dialling: tenants.dialling,
            access_log_sample: settings.access_log_sample.or(file.access_log_sample),
            traces: traces.in_force(variable)?,
            local_realm_platform_wide: file.local_realm.platform_wide,
            realms: RealmsConfig::check(file.realms)?,
            log_level,
            backup_recipients: file.backup,
        })
    }

    /// The operator's socket.
    #[must_use]
    pub fn operator_socket(&self) -> PathBuf {
        self.data_dir.join("admin.sock")
    }

    /// The file to which checkpoints of the audit trail are added.
    #[must_use]
    pub fn checkpoint_file(&self) -> PathBuf {
        self.audit_sink.clone().unwrap_or_else(|| self.data_dir.join(CHECKPOINT_FILE))
    }

    /// Refuses `command` where the store is not the embedded one, and says what to do `instead`.
    ///
    /// # Errors
    /// [`Failure::Setting`]
    pub fn require_embedded(&self, command: &str, instead: &str) -> Result<()> {
        match self.database {
            None => Ok(()),
            Some(_) => Err(Failure::Setting(format!(
                "`{command}` is for the embedded store, and --database names PostgreSQL: {instead}"
            ))),
        }
    }

    /// The secrets of the plane on the embedded store.
    #[must_use]
    pub fn secrets_file(&self) -> PathBuf {
        self.data_dir.join("secrets.toml")
    }
}

fn meters(url: Option<&str>) -> Result<Option<Arc<RedisMeters>>> {
    let meters = url.map(RedisMeters::new).transpose();
    let meters = meters.map_err(|error| Failure::Setting(format!("--redis: {error}")))?;
    Ok(meters.map(Arc::new))
}

/// The host and port of a Redis server's URL.
fn redis_host(url: &str) -> Option<(String, u16)> {
    let uri: hyper::Uri = url.parse().ok()?;
    Some((uri.host()?.to_owned(), uri.port_u16().unwrap_or(6379)))
}

/// What `tenantry.toml` says.
#[derive(Default)]
struct FromFile {
    rest: File,
    network: NetworkSettings,
    database: DatabaseSettings,
    tenants: TenantSettings,
}

fn read_file(named: Option<&Path>) -> Result<FromFile> {
    let path = named.unwrap_or_else(|| Path::new(FILE));
    let bad = |error: toml::de::Error| {
        Failure::Setting(format!("{}: {}", path.display(), error.message()))
    };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let mut rest: toml::Table = toml::from_str(&text).map_err(bad)?;
            let mut take = |names: Vec<String>| -> toml::Table {
                names.into_iter().filter_map(|name| rest.remove_entry(&name)).collect()
            };
            let network = take(NetworkSettings::names()).try_into().map_err(bad)?;
            let database = take(DatabaseSettings::names()).try_into().map_err(bad)?;
            let tenants = take(TenantSettings::names()).try_into().map_err(bad)?;
            Ok(FromFile { rest: rest.try_into().map_err(bad)?, network, database, tenants })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
            Ok(FromFile::default())
        }
        Err(error) => Err(Failure::Io(format!("read {}", path.display()), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, settings: Settings) -> Result<Config> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("tenantry.toml");
        std::fs::write(&path, text).expect("written");
        Config::load(&Settings { config: Some(path), ..settings })
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let settings = Settings { service_accounts_max: Some(7), ..Settings::default() };
        let config = load(
            "service-accounts-max = 5\nkeys-per-account-max = 3\nkey-prefix = \"acme\"",
            settings,
        )
        .expect("good");
        assert_eq!((config.policy.service_accounts_max, config.policy.keys_max), (7, 3));
        assert_eq!(config.policy.key_prefix.as_str(), "acme");
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    }

    #[test]
    fn the_networks_settings_are_read_from_the_file_too() {
        let text = "requests-max = 7\nidle-timeout = 9\nkey-prefix = \"acme\"";
        let network = NetworkSettings { idle_timeout: Some(8), ..NetworkSettings::default() };
        let limits = load(text, Settings { network, ..Settings::default() });
        let limits = limits.expect("good").network.limits;
        assert_eq!((limits.requests_max, limits.idle_deadline.as_secs()), (7, 8));
        for text in ["head-timeout = 0", "head-timeout = 3601", "requests-max = 0"] {
            let error = load(text, Settings::default()).expect_err(text).to_string();
            assert!(error.starts_with(&format!("--{}", &text[..12])), "{error}");
        }
    }

    #[test]
    fn a_stop_waits_for_those_in_front_where_there_may_be_any() {
        let delay = |text: &str| load(text, Settings::default()).map(|c| c.network.drain_delay);
        let seconds = |text: &str| delay(text).expect("good").as_secs();
        assert_eq!(seconds(""), 0);
        assert_eq!(seconds("trusted-proxy = [\"127.0.0.1\"]"), 3);
        let tls = "listen = \"0.0.0.0:443\"\ntls-cert = \"c\"\ntls-key = \"k\"\n";
        assert_eq!(seconds(tls), 3);
        assert_eq!(seconds(&format!("{tls}drain-delay = 0")), 0);
        assert_eq!(seconds("drain-delay = 3600"), 3600);
        assert!(delay("drain-delay = 3601").expect_err("too long").to_string().contains("3600"));
    }

    #[test]
    fn a_server_for_shared_rates_is_named_by_its_url() {
        let meters = |text: &str| load(text, Settings::default()).map(|config| config.meters);
        assert!(meters("").expect("good").is_none());
        assert!(meters("redis = \"redis://u:secret@127.0.0.1/1\"").expect("good").is_some());
        let error = meters("redis = \"secret@127.0.0.1\"").expect_err("no URL").to_string();
        assert!(error.starts_with("--redis") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn unknown_settings_are_refused_by_name() {
        let error = load("lissten = \"x\"", Settings::default()).expect_err("unknown");
        assert!(error.to_string().contains("lissten"), "{error}");
    }

    fn listening(address: &str, network: NetworkSettings) -> Result<Config> {
        let listen = Some(address.parse().expect("an address"));
        load("", Settings { listen, network, ..Settings::default() })
    }

    #[test]
    fn metrics_are_served_on_loopback_or_not_at_all() {
        let listen = MetricsListen::parse;
        assert!(matches!(listen(None), Ok(MetricsListen::Usual(_))));
        assert!(matches!(listen(Some("off")), Ok(MetricsListen::Off)));
        assert!(matches!(listen(Some("127.0.0.1:0")), Ok(MetricsListen::At(_))));
        assert!(listen(Some("0.0.0.0:9090")).is_err());
        assert!(listen(Some("9090")).is_err());
    }

    #[test]
    fn case_101_without_tls_or_a_proxy_only_loopback_is_served() {
        for address in ["0.0.0.0:8080", "192.0.2.1:80", "[::]:8080"] {
            let error = listening(address, NetworkSettings::default()).expect_err(address);
            for word in ["loopback", "--tls-cert", "--plaintext-behind-proxy", "--trusted-proxy"] {
                assert!(error.to_string().contains(word), "{error}");
            }
        }
        assert!(listening("[::1]:0", NetworkSettings::default()).is_ok());
    }

    #[test]
    fn off_loopback_tls_or_named_proxies_are_needed() {
        let path = || Some(PathBuf::from("x.pem"));
        let tls = NetworkSettings { tls_cert: path(), tls_key: path(), ..Default::default() };
        assert!(listening("0.0.0.0:443", tls.clone()).is_ok());
        let half = NetworkSettings { tls_key: None, ..tls.clone() };
        let proxied = |networks: &[&str]| NetworkSettings {
            plaintext_behind_proxy: Some(true),
            trusted_proxy: Some(networks.iter().map(ToString::to_string).collect()),
            ..Default::default()
        };
        let config = listening("0.0.0.0:80", proxied(&["10.1.2.3/8", "192.0.2.1"]));
        let networks: Vec<String> =
            config.expect("good").network.proxies.trusted.iter().map(ToString::to_string).collect();
        assert_eq!(networks, ["10.0.0.0/8", "192.0.2.1/32"]);
        let both =
            NetworkSettings { tls_cert: path(), tls_key: path(), ..proxied(&["10.0.0.0/8"]) };
        for (settings, name) in [
            (half, "--tls-cert needs --tls-key"),
            (proxied(&[]), "--trusted-proxy"),
            (proxied(&["0.0.0.0/0"]), "everybody"),
            (proxied(&["example.com"]), "--trusted-proxy"),
            (both, "exclude"),
        ] {
            let error = listening("0.0.0.0:80", settings).expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
