//! The command line.

mod audit;
mod databases;
mod resources;
mod usage;

pub(crate) use audit::{Audit, AuditList, AuditVerify};
pub(crate) use databases::{Databases, MigrateDatabases};
pub(crate) use resources::{Accounts, At, Keys, NewAccount, NewKey, ServiceAccounts, Wait};
pub(crate) use usage::Usage;

use crate::config::Settings;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Accounts, API keys and service accounts for a multi-tenant API product.
#[derive(Parser)]
#[command(name = "tenantry", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Runs the server; on an empty data directory it first creates the organization
    Serve,
    /// Creates the plane's first organization and prints its master key, once
    Init(Init),
    /// Further organizations: the root accounts of one plane
    #[command(subcommand)]
    Organizations(Organizations),
    /// Prints an admin JWT of the built-in `local` realm
    Token(Token),
    /// The keys that sign access tokens
    #[command(subcommand)]
    SigningKeys(SigningKeys),
    /// Sub-accounts
    #[command(subcommand)]
    Accounts(Accounts),
    /// API keys and platform keys
    #[command(subcommand)]
    Keys(Keys),
    /// Service accounts: machine identities with client id and secrets
    #[command(subcommand)]
    ServiceAccounts(ServiceAccounts),
    /// Databases of sub-accounts' own
    #[command(subcommand)]
    Databases(Databases),
    /// What accounts took, in verifications and in calls
    Usage(Usage),
    /// The audit trail: who did what, and whether somebody changed the record of it
    #[command(subcommand)]
    Audit(Audit),
    /// Writes database and secrets, sealed to recipients or under a passphrase, to one file; a server
    /// may serve on
    Backup(Backup),
    /// Key pairs for backups: a recipient seals them, its identity opens them
    #[command(subcommand)]
    BackupKey(BackupKey),
    /// Puts a backup into a data directory that is empty or does not exist yet
    Restore(Restore),
    /// The secrets that all nodes on one database share
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// The nodes of a cluster, and how far each has read the change log
    Nodes(Nodes),
    /// Looks the data directory over, beside a running server or without one
    Doctor(Doctor),
}

#[derive(Args)]
pub(crate) struct Backup {
    /// The file to write; it must not exist
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) to: SealedTo,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

#[derive(Subcommand)]
pub(crate) enum BackupKey {
    /// Writes a new identity to a file and prints its recipient
    Create {
        /// The file to write; it must not exist
        file: PathBuf,
        #[command(flatten)]
        printing: Printing,
    },
    /// Prints the recipient of an identity
    Recipient {
        /// The file that `create` wrote
        file: PathBuf,
        #[command(flatten)]
        printing: Printing,
    },
}

#[derive(Subcommand)]
pub(crate) enum SecretsCommand {
    /// Draws new secrets and writes them to a file, or prints them for what keeps secrets
    Generate {
        /// The file to write, for --secrets-file; it must not exist
        file: Option<PathBuf>,
    },
    /// First step of a rotation: draws the next key-encryption key, which seals nothing yet
    AddKeyEncryptionKey {
        /// The file that the nodes have their secrets from
        file: PathBuf,
    },
    /// Second step: the key that was added seals from now on, the one before only opens
    PromoteKeyEncryptionKey {
        /// The file that the nodes have their secrets from
        file: PathBuf,
    },
    /// Last step, once nothing is sealed under it: removes the key-encryption key of before
    RetireKeyEncryptionKey {
        /// The file that the nodes have their secrets from
        file: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct Restore {
    /// The file that `backup` wrote
    pub(crate) file: PathBuf,
    /// Only find out whether it could be restored, and change nothing
    #[arg(long)]
    pub(crate) check: bool,
    /// Restore although some rows are not what was written; those verify nowhere
    #[arg(long)]
    pub(crate) accept_wrong_rows: bool,
    /// Copy of the audit trail's checkpoints to compare with (default: where --audit-sink points)
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoints: Option<PathBuf>,
    /// Restore although the copy knows of events that the backup does not have
    #[arg(long)]
    pub(crate) accept_lost_events: bool,
    #[command(flatten)]
    pub(crate) with: OpenedWith,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

#[derive(Args)]
pub(crate) struct Nodes {
    #[command(flatten)]
    pub(crate) printing: Printing,
}

#[derive(Args)]
pub(crate) struct Doctor {
    /// Also compare every index with its table, which takes several times as long
    #[arg(long)]
    pub(crate) full: bool,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// What a backup is sealed to. Without any of these the variables `TENANTRY_BACKUP_RECIPIENT`,
/// `TENANTRY_BACKUP_RECIPIENT_FILE` or `TENANTRY_BACKUP_PASSPHRASE`, then `tenantry.toml`.
#[derive(Args)]
pub(crate) struct SealedTo {
    /// Seal to this recipient, whose identity alone opens the backup; may be repeated
    #[arg(long, value_name = "RECIPIENT", conflicts_with = "passphrase_file")]
    pub(crate) recipient: Vec<String>,
    /// File of recipients, one a line
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    pub(crate) recipient_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseFrom,
}

/// What a backup is opened with.
#[derive(Args)]
pub(crate) struct OpenedWith {
    /// File of the identity that opens a backup which is sealed to recipients
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    pub(crate) identity: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseFrom,
}

/// Where a backup's passphrase comes from. Never from an argument, which every user of the machine
/// can see.
#[derive(Args)]
pub(crate) struct PassphraseFrom {
    /// File whose first line is the passphrase; without it `TENANTRY_BACKUP_PASSPHRASE`, else it is
    /// asked for
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// How what is printed is printed.
#[derive(Args)]
pub(crate) struct Printing {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which server is asked: one by its URL, or the one of the data directory.
#[derive(Args)]
pub(crate) struct Remote {
    /// A server's URL, https:// unless it is on this machine; without it, the server or store of the
    /// data directory
    #[arg(long, env = "TENANTRY_URL")]
    pub(crate) url: Option<String>,
    /// The key to present there
    #[arg(long, env = "TENANTRY_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
    /// PEM file of the CAs that the server's certificate may be from; without it, those that this
    /// machine trusts
    #[arg(long, value_name = "FILE", env = "TENANTRY_CA_CERT")]
    pub(crate) ca_cert: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Init {
    #[command(flatten)]
    pub(crate) new: NewOrganization,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

#[derive(Args)]
pub(crate) struct NewOrganization {
    /// The organization's name
    #[arg(long)]
    pub(crate) organization: String,
    /// Its first member's name
    #[arg(long)]
    pub(crate) name: String,
    /// Its first member's e-mail address
    #[arg(long)]
    pub(crate) email: String,
}

#[derive(Subcommand)]
pub(crate) enum SigningKeys {
    /// Makes the next key: published at once, it signs once everybody has it, after ten minutes
    Rotate {
        #[command(flatten)]
        printing: Printing,
    },
    /// Lists the keys that are published
    List {
        #[command(flatten)]
        printing: Printing,
    },
}

#[derive(Subcommand)]
pub(crate) enum Organizations {
    /// Creates an organization and prints its master key, once
    Create(Init),
    /// Lists the organizations
    List {
        #[command(flatten)]
        printing: Printing,
    },
    /// Suspends an organization: every credential of its tree is refused from then on
    Suspend {
        /// Its id, as a UUID or `acc_…`
        id: String,
        /// Let it go on instead
        #[arg(long)]
        resume: bool,
        #[command(flatten)]
        printing: Printing,
    },
    /// Gives an organization an entitlement, or takes it away
    Entitle {
        /// Its id, as a UUID or `acc_…`
        id: String,
        /// The entitlement
        #[arg(value_parser = ["sub_accounts"])]
        entitlement: String,
        /// Take it away instead
        #[arg(long)]
        remove: bool,
        #[command(flatten)]
        printing: Printing,
    },
}

#[derive(Args)]
pub(crate) struct Token {
    /// The organization, as a UUID or `acc_…`
    #[arg(long)]
    pub(crate) tenant: String,
    /// The role; `tenant_admin` and `super_admin` mean something
    #[arg(long)]
    pub(crate) role: String,
    /// The member, a UUID; the organization's first unless given
    #[arg(long)]
    pub(crate) member: Option<String>,
    /// How long it lives: a number with s, m, h or d; at most 24h
    #[arg(long, default_value = "10m", value_parser = parse_seconds)]
    pub(crate) ttl: u64,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

fn parse_seconds(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("a number with s, m, h or d is wanted, as in 10m".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "a number is wanted, as in 10m".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_read_with_their_units() {
        assert_eq!(parse_seconds("90"), Ok(90));
        assert_eq!(parse_seconds("10m"), Ok(600));
        assert_eq!(parse_seconds("24h"), Ok(86_400));
        assert_eq!(parse_seconds("30d"), Ok(2_592_000));
        for text in ["", "m", "-1m", "1y", "99999999999999999999h", "18446744073709551615h"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }
}
