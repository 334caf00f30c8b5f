//! Dialling the servers that tenant databases are on.
//!
//! A name is resolved once, every address is looked at, and the one that was looked at is dialled, each
//! time anew. The session is encrypted and the certificate has to be for the host that was named, unless
//! the operator says otherwise of the network; the server has to prove by SCRAM that it knows the
//! password. Nothing that a server says is repeated anywhere.

use super::guard::Guarded;
use super::session::{Session, StatementError, word};
use crate::postgres::{OpenError, tls_connector};
use ipnet::IpNet;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;
use tenantry_core::database::Access;
use tenantry_core::dialling::{DialRules, NamedBy};
use tenantry_core::error::BoxError;
use tenantry_core::limits;
use tokio::net::TcpStream;
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How servers are dialled.
#[derive(Clone, Debug)]
pub struct DialSettings {
    /// Which addresses may be dialled for whom.
    pub rules: DialRules,
    /// Addresses that are never dialled for a customer, whatever the rules allow: the plane's own.
    pub own: Vec<SocketAddr>,
    /// Networks in which sessions are not encrypted.
    pub plaintext: Vec<IpNet>,
    /// PEM file of the CAs that certificates may be from; the machine's, unless given.
    pub authorities: Option<PathBuf>,
    /// How long a session may take to be there.
    pub connect_deadline: Duration,
    /// How long a statement may take.
    pub statement_deadline: Duration,
}

impl Default for DialSettings {
    fn default() -> Self {
        Self {
            rules: DialRules::default(),
            own: Vec::new(),
            plaintext: Vec::new(),
            authorities: None,
            connect_deadline: limits::DATABASE_CONNECT_DEADLINE,
            statement_deadline: limits::DATABASE_STATEMENT_DEADLINE,
        }
    }
}

/// Dials servers.
pub(super) struct Dialler {
    pub(super) settings: DialSettings,
    tls: Option<MakeRustlsConnect>,
}

/// Why there is no session.
#[derive(Debug)]
pub(super) enum DialError {
    /// An address of the host may not be dialled.
    NotAllowed,
    /// Nobody is there, or nobody who speaks as they should. For the log.
    Unreachable(BoxError),
    /// The server refuses the login, with this SQLSTATE.
    Refused(Box<str>),
}

impl Dialler {
    /// A dialler.
    pub(super) fn new(settings: DialSettings) -> Result<Self, OpenError> {
        let tls = match tls_connector(settings.authorities.as_deref()) {
            Ok(tls) => Some(tls),
            // Whoever trusts nobody reaches nobody but in the networks that are not encrypted.
            Err(OpenError::NoAuthorities) => None,
            Err(error) => return Err(error),
        };
        Ok(Self { settings, tls })
    }

    /// A session with one database of a server.
    pub(super) async fn connect(
        &self,
        at: Access<'_>,
        database: &str,
    ) -> Result<Session, DialError> {
        let deadline = self.settings.connect_deadline;
        match tokio::time::timeout(deadline, self.log_in(at, database)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(DialError::Unreachable("it took too long".into())),
        }
    }

    async fn log_in(&self, at: Access<'_>, database: &str) -> Result<Session, DialError> {
        let unreachable = |error: std::io::Error| DialError::Unreachable(error.into());
        let address = self.resolve(at).await?;
        let stream = TcpStream::connect(address).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let mut config = Config::new();
        config
            .user(at.user)
            .password(at.password)
            .dbname(database)
            .application_name("tenantry")
            .channel_binding(ChannelBinding::Prefer);
        let plain = self.settings.plaintext.iter().any(|network| network.contains(&address.ip()));
        let deadline = self.settings.statement_deadline;
        let session = if plain {
            config.ssl_mode(SslMode::Disable);
            let (client, connection) =
                config.connect_raw(Guarded::new(stream), NoTls).await.map_err(refused)?;
            Session::new(client, connection, deadline)
        } else {
            config.ssl_mode(SslMode::Require);
            let mut tls = self
                .tls
                .clone()
                .ok_or_else(|| DialError::Unreachable("no CA is trusted".into()))?;
            // The host as it was named.
            let tls = <MakeRustlsConnect as MakeTlsConnect<TcpStream>>::make_tls_connect(
                &mut tls, at.host,
            )
            .map_err(|error| DialError::Unreachable(error.into()))?;
            let (client, connection) =
                config.connect_raw(stream, Watched(tls)).await.map_err(refused)?;
            Session::new(client, connection, deadline)
        };
        // What the owner of a server set for its roles and databases does not hold here.
        let millis = deadline.as_millis();
        let settings = format!(
            "SET search_path = pg_catalog; SET client_encoding = 'UTF8';
             SET standard_conforming_strings = on; SET default_transaction_read_only = off;
             SET statement_timeout = {millis}; SET lock_timeout = {millis};
             SET idle_in_transaction_session_timeout = 60000"
        );
        match session.batch(&settings).await {
            Ok(()) => Ok(session),
            Err(StatementError::Failed(code)) => Err(DialError::Refused(code)),
            Err(error) => Err(DialError::Unreachable(format!("{error:?}").into())),
        }
    }

    /// The address to dial, of a host all of whose addresses may be dialled.
    async fn resolve(&self, at: Access<'_>) -> Result<SocketAddr, DialError> {
        let addresses: Vec<SocketAddr> = match at.host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, at.port)],
            Err(_) => tokio::net::lookup_host((at.host, at.port))
                .await
                .map_err(|error| DialError::Unreachable(error.into()))?
                .collect(),
        };
        let permitted = |address: &SocketAddr| {
            self.settings.rules.permit(address.ip(), at.named_by)
                && (at.named_by == NamedBy::Operator || !self.is_own(*address))
        };
        if !addresses.iter().all(permitted) {
            return Err(DialError::NotAllowed);
        }
        let address = addresses.first().copied();
        address.ok_or_else(|| DialError::Unreachable("the host has no address".into()))
    }

    fn is_own(&self, address: SocketAddr) -> bool {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        self.settings.own.contains(&address)
    }
}

fn refused(error: tokio_postgres::Error) -> DialError {
    match error.code() {
        Some(code) => DialError::Refused(word(code.code())),
        // Of what failed, not of what was sent.
        None => DialError::Unreachable(error.into()),
    }
}

/// TLS, with the guard inside.
struct Watched<T>(T);

impl<S, T> TlsConnect<S> for Watched<T>
where
    T: TlsConnect<S>,
    T::Future: Send + 'static,
{
    type Stream = Guarded<T::Stream>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, Self::Error>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let connect = self.0.connect(stream);
        Box::pin(async move { connect.await.map(Guarded::new) })
    }
}
