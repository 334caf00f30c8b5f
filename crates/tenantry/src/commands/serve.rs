//! `serve`

use crate::config::Config;
use crate::secrets_file::write_private;
use crate::wiring::{self, Missing};
use crate::{Failure, Result, output};
use std::fs;
use std::io::{ErrorKind, IsTerminal as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tenantry_backends::sqlite::SqliteStore;
use tenantry_core::Plane;
use tenantry_core::accounts::{CreatedOrganization, NewOrganization};
use tenantry_core::actor::{Actor, Context, OperatorActor};
use tenantry_core::error::{Conflict, Error};
use tenantry_core::text::{Line, Name};
use tenantry_http::{App, server};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Serves until SIGTERM or SIGINT, then lets requests that are under way end. A second signal ends
/// them at once.
pub(crate) async fn serve(config: &Config) -> Result<()> {
    let local = wiring::open(config, Missing::Create)?;
    let app = App::new(local.plane.clone());
    let network = TcpListener::bind(config.listen)
        .await
        .map_err(|error| Failure::Io(format!("listen on {}", config.listen), error))?;
    let address = network
        .local_addr()
        .map_err(|error| Failure::Io("read the address that is listened on".to_owned(), error))?;
    let operator = bind_operator_socket(&config.operator_socket())?;
    // Before the address is told: whoever waits for it may stop the server right after.
    let mut terminate = listen_for(SignalKind::terminate())?;
    let mut interrupt = listen_for(SignalKind::interrupt())?;
    greet(config, &local.plane, address).await?;
    if local.store.after_unclean_stop() {
        check_in_background(local.store.clone());
    }

    let (stop, stopped) = watch::channel(false);
    let wait = |mut stopped: watch::Receiver<bool>| async move {
        // The sender lives until both servers have ended.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let readiness = app.readiness();
    let owner = rustix::process::geteuid().as_raw();
    let network = tokio::spawn(server::serve_network(app.clone(), network, wait(stopped.clone())));
    let operator = tokio::spawn(server::serve_operator(app, operator, owner, wait(stopped)));

    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    tracing::info!("stopping: requests that are under way may end");
    readiness.set_draining();
    let _ = stop.send(true);
    let drained = async {
        let _ = network.await;
        let _ = operator.await;
    };
    tokio::select! {
        () = drained => {}
        _ = terminate.recv() => tracing::warn!("stopping at once"),
        _ = interrupt.recv() => tracing::warn!("stopping at once"),
    }
    let _ = fs::remove_file(config.operator_socket());
    tracing::info!("stopped");
    Ok(())
}

/// Looks the whole database over while it serves: what a crash may have left is found before a
/// request stumbles over it.
fn check_in_background(store: Arc<SqliteStore>) {
    tracing::warn!("the last stop was not clean; checking the database");
    tokio::task::spawn_blocking(move || match store.quick_check() {
        Ok(findings) if findings.is_empty() => tracing::info!("the database is sound"),
        Ok(findings) => tracing::error!(
            alarm = "database_corrupt",
            first = findings[0],
            "the database is damaged: stop, and restore the last backup"
        ),
        Err(error) => tracing::error!(%error, "the database could not be checked"),
    });
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
async fn greet(config: &Config, plane: &Plane, address: SocketAddr) -> Result<()> {
    let context = Context {
        actor: Actor::Operator(OperatorActor { organization: None }),
        request_id: "serve".into(),
        address: None,
    };
    match plane.initialize(&context, first_organization()?).await {
        Ok(created) => introduce(config, address, &created),
        Err(Error::Conflict(Conflict::AlreadyInitialized)) => {
            output::line(&format!("Tenantry is serving http://{address}"));
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn first_organization() -> Result<NewOrganization> {
    let problem = |problem: tenantry_core::error::Problem| Failure::Setting(problem.to_string());
    Ok(NewOrganization {
        name: Name::parse("My organization").map_err(problem)?,
        member_name: Name::parse("Owner").map_err(problem)?,
        member_email: Line::parse("owner@localhost").map_err(problem)?,
    })
}

fn introduce(config: &Config, address: SocketAddr, created: &CreatedOrganization) -> Result<()> {
    let secret = created.secret.reveal();
    let tenant = created.account.id.to_uuid();
    let (shown, bearer) = if std::io::stdout().is_terminal() {
        (format!("Its master key, shown here and nowhere else:\n\n  {secret}"), secret.to_owned())
    } else {
        // What is not a terminal may be a log that others read.
        let path = absolute(&config.data_dir)?.join("master-key");
        write_private(&path, format!("{secret}\n").as_bytes())
            .map_err(|error| Failure::Io(format!("write {}", path.display()), error))?;
        let path = path.display();
        (format!("Its master key is in {path}, readable by you alone."), format!("$(cat '{path}')"))
    };
    let binary = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("tenantry"));
    let (binary, data_dir) = (binary.display(), absolute(&config.data_dir)?);
    let data_dir = data_dir.display();
    output::line(&format!(
        r#"Tenantry is serving http://{address}

The organization {tenant} was created. {shown}

Try the three contracts:

curl -X POST 'http://{address}/sub-accounts/create' -H "Authorization: Bearer {bearer}" -H 'Content-Type: application/json' -d '{{"name":"alpha-007","allow_concurrent_calls":10}}'

curl -X POST 'http://{address}/api/v1/accounts' -H "Authorization: Bearer {bearer}" -H 'Content-Type: application/vnd.api+json' -d '{{"data":{{"type":"accounts","attributes":{{"name":"Metropolitan Museum"}}}}}}'

curl -X POST 'http://{address}/api/v1/admin/service-account/create' -H "Authorization: Bearer $('{binary}' --data-dir '{data_dir}' token --tenant {tenant} --role tenant_admin)" -H 'x-tenantid: {tenant}' -H 'Accept: application/json'
"#
    ));
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .map_err(|error| Failure::Io(format!("find {}", path.display()), error))
}
