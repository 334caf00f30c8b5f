//! The commands. Each translates its arguments into one or two calls of the API and prints what
//! comes back.

mod accounts;
mod audit;
mod backup;
mod backup_key;
mod databases;
mod doctor;
mod keys;
mod lost;
mod native;
mod nodes;
mod organizations;
mod restore;
mod secrets;
mod serve;
mod service_accounts;
mod signing_keys;
mod token;
mod usage;

use crate::cli::{Audit, Cli, Command};
use crate::config::Config;
use crate::{Result, logging};

/// Runs a command.
pub(crate) async fn run(cli: Cli) -> Result<()> {
    let config = Config::load(&cli.settings)?;
    match cli.command {
        Command::Serve => {
            logging::start(config.log_level);
            serve::serve(&config).await
        }
        // It tells every finding itself: the alarms of the rows that it reads would say it twice.
        Command::Doctor(doctor) => doctor::run(&config, &doctor),
        Command::Audit(command @ Audit::Verify(_)) => audit::run(&config, command).await,
        command => {
            // A command tells its outcome itself; of the rest only what is wrong is of interest.
            logging::start(config.log_level.min(tracing::Level::WARN));
            match command {
                Command::Init(init) => organizations::initialize(&config, init).await,
                Command::Organizations(command) => organizations::run(&config, command).await,
                Command::SigningKeys(command) => signing_keys::run(&config, command).await,
                Command::Token(token) => token::create(&config, token).await,
                Command::Accounts(command) => accounts::run(&config, command).await,
                Command::Keys(command) => keys::run(&config, command).await,
                Command::ServiceAccounts(command) => service_accounts::run(&config, command).await,
                Command::Databases(command) => databases::run(&config, command).await,
                Command::Usage(asked) => usage::run(&config, asked).await,
                Command::Audit(command) => audit::run(&config, command).await,
                Command::Nodes(nodes) => nodes::run(&config, &nodes).await,
                Command::Backup(backup) => backup::run(&config, &backup),
                Command::BackupKey(command) => backup_key::run(&command),
                Command::Secrets(command) => secrets::run(&command),
                Command::Restore(restore) => restore::run(&config, &restore).await,
                Command::Serve | Command::Doctor(_) => Ok(()),
            }
        }
    }
}
