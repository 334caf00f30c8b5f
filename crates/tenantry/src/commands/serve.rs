//! `serve`

mod databases;
mod seal;
mod shared;
mod tokens;
mod usage;

use crate::config::{Config, MetricsListen};
use crate::secrets_file::write_private;
use crate::traces::{self, Traces};
use crate::wiring::{self, Missing};
use crate::{Failure, Result, descriptors, metrics, output};
use std::fs;
use std::io::{ErrorKind, IsTerminal as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tenantry_backends::postgres::PostgresStore;
use tenantry_backends::sqlite::lock::DataDirLock;
use tenantry_backends::sqlite::{OpenError, RESTORE_HINT};
use tenantry_core::Plane;
use tenantry_core::accounts::{CreatedOrganization, NewOrganization};
use tenantry_core::actor::{Actor, Context, OperatorActor};
use tenantry_core::limits;
use tenantry_core::replay::Once;
use tenantry_core::text::{Line, Name};
use tenantry_http::{App, Options, server};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Serves until SIGTERM or SIGINT, then says that it is not ready, goes on for the drain delay, and
/// lets requests that are under way end. A second signal ends all of that at once.
pub(crate) async fn serve(config: &Config) -> Result<()> {
    // First, so that a refused start leaves nothing behind.
    let tls = match &config.network.tls {
        None => None,
        Some((certificate, key)) => {
            let tls = server::Tls::load(certificate, key);
            Some(tls.map_err(|problem| Failure::Setting(problem.to_string()))?)
        }
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let traces = traces::start(config.traces.as_ref(), scheme)?;
    let Opened { plane, store, unclean, lock } = open(config).await?;
    let hints = store.shared();
    let recorder = traces.as_ref().map(Traces::recorder);
    let mut options = Options { recorder, ..Options::default() };
    if let Some(sample) = config.access_log_sample {
        options.access_log_sample = sample;
    }
    let app = App::new(plane.clone(), options);
    let limits = config.network.limits.clone().within(descriptors::raise());
    tracing::info!(
        connections_max = limits.connections_max,
        connections_per_address_max = limits.connections_per_address_max,
        "limits"
    );
    let served = server::Network { limits, tls, proxies: config.network.proxies.clone() };
    let network = TcpListener::bind(config.listen)
        .await
        .map_err(|error| Failure::Io(format!("listen on {}", config.listen), error))?;
    let address = network
        .local_addr()
        .map_err(|error| Failure::Io("read the address that is listened on".to_owned(), error))?;
    let metrics = bind_metrics(config.metrics).await?;
    let operator = bind_operator_socket(&config.operator_socket())?;
    // Before anybody is told where the server is: whoever reads it may stop it right then.
    let mut terminate = listen_for(SignalKind::terminate())?;
    let mut interrupt = listen_for(SignalKind::interrupt())?;
    greet(config, &plane, &format!("{scheme}://{address}")).await?;
    if let Some(check) = unclean {
        check_in_background(check);
    }

    let (stop, stopped) = watch::channel(false);
    let wait = |mut stopped: watch::Receiver<bool>| async move {
        // The sender lives until both servers have ended.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let readiness = app.readiness();
    let owner = rustix::process::geteuid().as_raw();
    if let Some(listener) = metrics {
        let render = metrics::renderer(app.clone(), store, traces.clone());
        tokio::spawn(server::serve_metrics(listener, render, wait(stopped.clone())));
    }
    let network =
        tokio::spawn(server::serve_network(app.clone(), network, served, wait(stopped.clone())));
    let operator = tokio::spawn(server::serve_operator(app, operator, owner, wait(stopped)));

    let mut chores = chores(&plane);
    if let Some(meters) = &config.meters {
        chores.spawn(shared::check_meters(meters.clone()));
    }
    let (end, ended) = watch::channel(false);
    let sealing = wiring::sealer(config);
    let sealing = tokio::spawn(seal::run(plane.clone(), sealing, wait(ended.clone())));
    // For as long as anybody is answered, and a moment longer.
    let hinting =
        hints.map(|store| tokio::spawn(carry_hints(store, plane.clone(), wait(ended.clone()))));
    let follower = plane.clone();
    let following = tokio::spawn(async move { follower.keep_following(wait(ended)).await });
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    readiness.set_draining();
    let drained = async {
        // Whoever distributes requests has not looked yet: a listener that is gone would be refused
        // connections to them.
        let delay = config.network.drain_delay;
        if !delay.is_zero() {
            tracing::info!(seconds = delay.as_secs(), "stopping: not ready, and still serving");
            tokio::time::sleep(delay).await;
        }
        tracing::info!("stopping: requests that are under way may end");
        let _ = stop.send(true);
        let _ = network.await;
        let _ = operator.await;
    };
    tokio::select! {
        () = drained => {}
        _ = terminate.recv() => tracing::warn!("stopping at once"),
        _ = interrupt.recv() => tracing::warn!("stopping at once"),
    }
    chores.abort_all();
    usage::write(&plane).await;
    shared::give_all_uses_back(&plane).await;
    // After the last change.
    let _ = end.send(true);
    let _ = sealing.await;
    let _ = following.await;
    if let Some(hinting) = hinting {
        let _ = hinting.await;
    }
    let _ = fs::remove_file(config.operator_socket());
    if let Some(traces) = traces {
        traces.stop().await;
    }
    drop(lock);
    tracing::info!("stopped");
    Ok(())
}

/// A plane, and what serving it takes.
struct Opened {
    plane: Arc<Plane>,
    store: metrics::Store,
    /// A look over the embedded store, after a stop that was not clean.
    unclean: Option<Check>,
    /// Keeps other processes out of the data directory, where no store of its own does.
    lock: Option<DataDirLock>,
}

type Check = Box<dyn FnOnce() -> std::result::Result<Vec<String>, OpenError> + Send>;

async fn open(config: &Config) -> Result<Opened> {
    if let Some(database) = &config.database {
        let lock = Some(wiring::lock_directory(config)?);
        let shared = wiring::open_shared(config, database, Missing::Create).await?;
        wiring::require_same_bound(&shared.plane).await?;
        let store = metrics::Store::Shared(shared.store);
        return Ok(Opened { plane: shared.plane, store, unclean: None, lock });
    }
    let local = wiring::open(config, Missing::Create)?;
    let unclean = local.store.after_unclean_stop();
    let unclean = unclean.then(|| Box::new(local.store.quick_check()) as Check);
    let store = metrics::Store::Embedded(local.store);
    Ok(Opened { plane: local.plane, store, unclean, lock: None })
}

async fn bind_metrics(listen: MetricsListen) -> Result<Option<TcpListener>> {
    let address = match listen {
        MetricsListen::Off => return Ok(None),
        MetricsListen::Usual(address) | MetricsListen::At(address) => address,
    };
    match TcpListener::bind(address).await {
        Ok(listener) => {
            let address = listener.local_addr().unwrap_or(address);
            tracing::info!(%address, "metrics are served");
            Ok(Some(listener))
        }
        // The usual port is Prometheus' own: a machine that has it is no reason not to serve.
        Err(error) if listen == MetricsListen::Usual(address) => {
            tracing::warn!(%address, %error, "metrics are not served: choose --metrics-listen");
            Ok(None)
        }
        Err(error) => Err(Failure::Io(format!("listen on {address} for metrics"), error)),
    }
}

/// Looks the whole database over while it serves: what a crash may have left is found before a
/// request stumbles over it.
fn check_in_background(check: Check) {
    tracing::warn!("the last stop was not clean; checking the database");
    // On a thread of its own, which nothing waits for: a stop must not.
    std::thread::spawn(move || match check() {
        Ok(findings) if findings.is_empty() => tracing::info!("the database is sound"),
        Ok(findings) => tracing::error!(
            alarm = "database_corrupt",
            first = findings[0],
            "the database is damaged and no more used: {RESTORE_HINT}"
        ),
        Err(error) => tracing::error!(%error, "the database could not be checked"),
    });
}

/// Tells the other nodes of changes, and hears of theirs.
async fn carry_hints(
    store: Arc<PostgresStore>,
    plane: Arc<Plane>,
    stop: impl Future<Output = ()> + Send,
) {
    store.carry_hints(|| plane.hint(), stop).await;
}

/// What is done now and then, for as long as the server runs.
fn chores(plane: &Arc<Plane>) -> JoinSet<()> {
    let mut chores = JoinSet::new();
    chores.spawn(usage::keep(plane.clone()));
    chores.spawn(usage::sweep(plane.clone()));
    chores.spawn(probe_writes(plane.clone()));
    chores.spawn(sweep(plane.clone()));
    chores.spawn(tokens::keep(plane.clone()));
    chores.spawn(databases::keep(plane.clone()));
    chores.spawn(sweep_leases(plane.clone()));
    chores.spawn(shared::give_uses_back(plane.clone()));
    chores
}

/// Tries a store that refuses changes now and then, for as long as the server runs.
async fn probe_writes(plane: Arc<Plane>) {
    let mut every = tokio::time::interval(limits::WRITE_PROBE_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if let Err(error) = plane.probe_writes().await {
            tracing::debug!(%error, "changes are still refused");
        }
    }
}

/// Erases kept replies whose time has passed, nodes that are gone, and rows of the change log that
/// no node needs, for as long as the server runs.
async fn sweep(plane: Arc<Plane>) {
    let mut every = tokio::time::interval(limits::IDEMPOTENCY_SWEEP_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        // In parts, so that no writer waits long.
        loop {
            match plane.sweep_replays().await {
                Ok(rows) if rows >= limits::IDEMPOTENCY_SWEEP_MAX.into() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "kept replies were not swept");
                    break;
                }
            }
        }
        loop {
            match plane.sweep_cluster().await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "the change log was not pruned");
                    break;
                }
            }
        }
    }
}

/// Forgets leases that ended long ago, for as long as the server runs.
async fn sweep_leases(plane: Arc<Plane>) {
    let mut every = tokio::time::interval(limits::LEASE_SWEEP_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        // In parts, so that no writer waits long.
        loop {
            match plane.sweep_leases().await {
                Ok(rows) if rows >= limits::LEASE_SWEEP_MAX.into() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "leases were not swept");
                    break;
                }
            }
        }
    }
}

fn listen_for(kind: SignalKind) -> Result<tokio::signal::unix::Signal> {
    signal(kind).map_err(|error| Failure::Io("listen for signals".to_owned(), error))
}

/// A name that a killed server left behind is taken over: the lock on the directory, which is
/// held, says that no server uses it.
fn bind_operator_socket(path: &Path) -> Result<UnixListener> {
    let io = |error| Failure::Io(format!("listen on {}", path.display()), error);
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(io)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(io)?;
    Ok(listener)
}

/// Says where the server is, and on the first start what to try.
async fn greet(config: &Config, plane: &Plane, base: &str) -> Result<()> {
    let context = Context {
        actor: Actor::Operator(OperatorActor { organization: None }),
        request_id: "serve".into(),
        address: None,
    };
    if plane.is_initialized().await? {
        output::line(&format!("Tenantry is serving {base}"));
        return Ok(());
    }
    if config.database.is_some() {
        // Of several nodes that start at once, each would make one.
        tracing::warn!("there is no organization yet: run `tenantry init` with the same settings");
        output::line(&format!("Tenantry is serving {base}"));
        return Ok(());
    }
    let keeper = Keeper::choose(config)?;
    let created = plane.initialize(&context, first_organization()?, Once::unkept()).await?;
    introduce(config, base, &created, keeper)
}

fn first_organization() -> Result<NewOrganization> {
    let problem = |problem: tenantry_core::error::Problem| Failure::Setting(problem.to_string());
    Ok(NewOrganization {
        name: Name::parse("My organization").map_err(problem)?,
        member_name: Name::parse("Owner").map_err(problem)?,
        member_email: Line::parse("owner@localhost").map_err(problem)?,
    })
}

/// Where the master key goes.
enum Keeper {
    /// It is shown.
    Terminal,
    /// What is not a terminal may be a log that others read.
    File(PathBuf),
}

impl Keeper {
    /// Decided before the key exists: once it is drawn there must be a place for it.
    fn choose(config: &Config) -> Result<Self> {
        if std::io::stdout().is_terminal() {
            return Ok(Self::Terminal);
        }
        let path = absolute(&config.data_dir)?.join("master-key");
        if path.exists() {
            return Err(Failure::Setting(format!(
                "{} is where the new master key is to be written, and there is such a file: move it away",
                path.display()
            )));
        }
        Ok(Self::File(path))
    }
}

fn introduce(
    config: &Config,
    base: &str,
    created: &CreatedOrganization,
    keeper: Keeper,
) -> Result<()> {
    let secret = created.secret.reveal();
    let tenant = created.account.id.to_uuid();
    let (shown, bearer) = match keeper {
        Keeper::Terminal => (
            format!("Its master key, shown here and nowhere else:\n\n  {secret}"),
            secret.to_owned(),
        ),
        Keeper::File(path) => {
            write_private(&path, format!("{secret}\n").as_bytes())
                .map_err(|error| Failure::Io(format!("write {}", path.display()), error))?;
            let path = path.display();
            (
                format!("Its master key is in {path}, readable by you alone."),
                format!("$(cat '{path}')"),
            )
        }
    };
    let binary = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("tenantry"));
    let (binary, data_dir) = (binary.display(), absolute(&config.data_dir)?);
    let data_dir = data_dir.display();
    output::line(&format!(
        r#"Tenantry is serving {base}

The organization {tenant} was created. {shown}

Try the three contracts:

curl -X POST '{base}/sub-accounts/create' -H "Authorization: Bearer {bearer}" -H 'Content-Type: application/json' -d '{{"name":"alpha-007","allow_concurrent_calls":10}}'

curl -X POST '{base}/api/v1/accounts' -H "Authorization: Bearer {bearer}" -H 'Content-Type: application/vnd.api+json' -d '{{"data":{{"type":"accounts","attributes":{{"name":"Metropolitan Museum"}}}}}}'

curl -X POST '{base}/api/v1/admin/service-account/create' -H "Authorization: Bearer $('{binary}' --data-dir '{data_dir}' token --tenant {tenant} --role tenant_admin)" -H 'x-tenantid: {tenant}' -H 'Accept: application/json'
"#
    ));
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .map_err(|error| Failure::Io(format!("find {}", path.display()), error))
}
