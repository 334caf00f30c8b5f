//! What the command line says of accounts, keys and service accounts: the native API from a
//! terminal.

use super::{Printing, Remote, parse_seconds};
use clap::{ArgGroup, Args, Subcommand};
use std::path::PathBuf;

/// Whose things they are, which server has them, and how they are printed.
#[derive(Args)]
pub(crate) struct At {
    /// The organization to act for; may be left out where there is one, and with --url
    #[arg(long)]
    pub(crate) organization: Option<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// How much of a list is wanted.
#[derive(Args)]
pub(crate) struct Paging {
    /// Most entries to print
    #[arg(long, default_value_t = 1_000)]
    pub(crate) limit: usize,
}

/// Whether to wait for every node.
#[derive(Args)]
pub(crate) struct Wait {
    /// Come back only when the change holds on every node
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Subcommand)]
pub(crate) enum Accounts {
    /// Creates a sub-account and prints its first key, once
    Create(NewAccount),
    /// Lists the organization's own account and its sub-accounts
    List {
        #[command(flatten)]
        paging: Paging,
        #[command(flatten)]
        at: At,
    },
    /// Shows an account
    Show {
        /// `acc_…` or a UUID
        id: String,
        #[command(flatten)]
        at: At,
    },
    /// Changes an account's name or metadata
    #[command(group = ArgGroup::new("change").required(true).multiple(true))]
    Update {
        /// `acc_…` or a UUID
        id: String,
        /// A new name
        #[arg(long, group = "change")]
        name: Option<String>,
        /// A new JSON object of your own
        #[arg(long, group = "change")]
        metadata: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// Suspends a sub-account: its credentials are refused from then on
    Suspend {
        /// `acc_…` or a UUID
        id: String,
        #[command(flatten)]
        wait: Wait,
        #[command(flatten)]
        at: At,
    },
    /// Lets a suspended sub-account go on
    Resume {
        /// `acc_…` or a UUID
        id: String,
        #[command(flatten)]
        wait: Wait,
        #[command(flatten)]
        at: At,
    },
    /// Shows what an account is limited to, and what is in use
    Limits {
        /// `acc_…` or a UUID
        id: String,
        #[command(flatten)]
        at: At,
    },
    /// Sets all limits of an account: what is not named follows its default
    SetLimits {
        /// `acc_…` or a UUID
        id: String,
        /// Concurrent calls, 1 to 1,000,000
        #[arg(long)]
        concurrency: Option<i64>,
        /// Of an organization: concurrent calls of each sub-account for which none are set
        #[arg(long)]
        sub_account_concurrency: Option<i64>,
        /// So many verifications in so many seconds, as 100/60; may be repeated
        #[arg(long, value_name = "LIMIT/SECONDS", value_parser = parse_rate)]
        rate: Vec<(i64, i64)>,
        #[command(flatten)]
        at: At,
    },
    /// Closes a sub-account for good
    Close {
        /// `acc_…` or a UUID
        id: String,
        #[command(flatten)]
        wait: Wait,
        #[command(flatten)]
        at: At,
    },
}

#[derive(Args)]
pub(crate) struct NewAccount {
    /// Its name
    #[arg(long)]
    pub(crate) name: String,
    /// Concurrent calls, 1 to 1,000,000
    #[arg(long)]
    pub(crate) concurrency: Option<u32>,
    /// A JSON object of your own
    #[arg(long)]
    pub(crate) metadata: Option<String>,
    /// A permission of its first key; may be repeated; `*:*` unless given
    #[arg(long)]
    pub(crate) permission: Vec<String>,
    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Subcommand)]
pub(crate) enum Keys {
    /// Asks whether a key may do something now; reads the key from standard input unless given
    Verify {
        /// The key, or a client secret where --client-id is given
        #[arg(long, env = "TENANTRY_VERIFY_KEY", hide_env_values = true)]
        secret: Option<String>,
        /// The client id that the secret belongs to
        #[arg(long)]
        client_id: Option<String>,
        /// A permission that it must have; may be repeated
        #[arg(long)]
        permission: Vec<String>,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Creates a key of an account, or a platform key, and prints it, once
    #[command(group = ArgGroup::new("owner").required(true))]
    Create(Box<NewKey>),
    /// Lists an account's keys
    List {
        /// The account, `acc_…` or a UUID
        #[arg(long)]
        account: String,
        #[command(flatten)]
        paging: Paging,
        #[command(flatten)]
        at: At,
    },
    /// Shows a key, without its secret
    Show {
        /// `key_…`
        id: String,
        #[command(flatten)]
        at: At,
    },
    /// Changes what a key is called, may do, or where it may come from
    #[command(group = ArgGroup::new("change").required(true).multiple(true))]
    Update {
        /// `key_…`
        id: String,
        /// A new name
        #[arg(long, group = "change")]
        name: Option<String>,
        /// A permission, in the place of all that it has; may be repeated
        #[arg(long, group = "change")]
        permission: Vec<String>,
        /// When it ends, RFC 3339, or `never`
        #[arg(long, group = "change")]
        expires_at: Option<String>,
        /// A network that it may come from, in the place of all that it has; may be repeated
        #[arg(long, group = "change")]
        allowed_ip: Vec<String>,
        #[command(flatten)]
        at: At,
    },
    /// Ends a key for good
    Revoke {
        /// `key_…`
        id: String,
        /// End every key of its line of rotations
        #[arg(long)]
        lineage: bool,
        #[command(flatten)]
        wait: Wait,
        #[command(flatten)]
        at: At,
    },
    /// Switches a key off for now
    Disable {
        /// `key_…`
        id: String,
        #[command(flatten)]
        wait: Wait,
        #[command(flatten)]
        at: At,
    },
    /// Switches a key on again
    Enable {
        /// `key_…`
        id: String,
        #[command(flatten)]
        wait: Wait,
        #[command(flatten)]
        at: At,
    },
    /// Gives a key a new secret and prints it, once; the old one goes on for the grace
    Rotate {
        /// `key_…`
        id: String,
        /// How long the old secret goes on: a number with s, m, h or d; at most 30d
        #[arg(long, default_value = "1h", value_parser = parse_seconds)]
        grace: u64,
        #[command(flatten)]
        at: At,
    },
    /// Takes keys of another system over by their hashes
    Import {
        /// A file with one JSON object a line, as the import call takes them
        file: PathBuf,
        #[command(flatten)]
        at: At,
    },
}

#[derive(Args)]
pub(crate) struct NewKey {
    /// The account that it is to belong to, `acc_…` or a UUID
    #[arg(long, group = "owner")]
    pub(crate) account: Option<String>,
    /// A platform key instead, which verifies keys of every organization
    #[arg(long, group = "owner", conflicts_with_all = ["format", "permission", "expires_at", "allowed_ip", "rate", "uses"])]
    pub(crate) platform: bool,
    /// Its name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// How it is spelled; as the account's first key unless given
    #[arg(long, value_parser = ["native", "sub_account", "account"])]
    pub(crate) format: Option<String>,
    /// A permission; may be repeated; `*:*` unless given
    #[arg(long)]
    pub(crate) permission: Vec<String>,
    /// When it ends, RFC 3339
    #[arg(long)]
    pub(crate) expires_at: Option<String>,
    /// A network that it may come from; may be repeated
    #[arg(long)]
    pub(crate) allowed_ip: Vec<String>,
    /// So many verifications in so many seconds, as 100/60; may be repeated
    #[arg(long, value_name = "LIMIT/SECONDS", value_parser = parse_rate)]
    pub(crate) rate: Vec<(i64, i64)>,
    /// So many verifications in all
    #[arg(long, value_name = "NUMBER")]
    pub(crate) uses: Option<i64>,
    /// After how many seconds its uses come back; never unless given
    #[arg(long, value_name = "SECONDS", requires = "uses")]
    pub(crate) refill: Option<i64>,
    #[command(flatten)]
    pub(crate) at: At,
}

/// Reads `LIMIT/SECONDS`; the server knows which are within their ranges.
fn parse_rate(text: &str) -> Result<(i64, i64), String> {
    let numbers = text
        .split_once('/')
        .and_then(|(limit, seconds)| Some((limit.parse().ok()?, seconds.parse().ok()?)));
    numbers.ok_or_else(|| "two numbers with a slash between, as 100/60".to_owned())
}

#[derive(Subcommand)]
pub(crate) enum ServiceAccounts {
    /// Creates a service account and prints its first client secret, once
    Create {
        /// The account that it is to belong to, `acc_…` or a UUID
        #[arg(long)]
        account: String,
        /// Its name
        #[arg(long)]
        name: Option<String>,
        /// A permission; may be repeated; `api:read` and `api:write` unless given
        #[arg(long)]
        permission: Vec<String>,
        #[command(flatten)]
        at: At,
    },
    /// Lists an account's service accounts
    List {
        /// The account, `acc_…` or a UUID
        #[arg(long)]
        account: String,
        #[command(flatten)]
        paging: Paging,
        #[command(flatten)]
        at: At,
    },
    /// Shows a service account and the secrets that it has, without themselves
    Show {
        /// `svc_…`
        id: String,
        #[command(flatten)]
        at: At,
    },
    /// Changes what a service account is called or may do
    #[command(group = ArgGroup::new("change").required(true).multiple(true))]
    Update {
        /// `svc_…`
        id: String,
        /// A new name
        #[arg(long, group = "change")]
        name: Option<String>,
        /// A permission, in the place of all that it has; may be repeated
        #[arg(long, group = "change")]
        permission: Vec<String>,
        #[command(flatten)]
        at: At,
    },
    /// Switches a service account off for now
    Disable {
        /// `svc_…`
        id: String,
        #[command(flatten)]
        wait: Wait,
        #[command(flatten)]
        at: At,
    },
    /// Switches a service account on again
    Enable {
        /// `svc_…`
        id: String,
        #[command(flatten)]
        wait: Wait,
        #[command(flatten)]
        at: At,
    },
    /// Ends a service account for good
    Delete {
        /// `svc_…`
        id: String,
        #[command(flatten)]
        wait: Wait,
        #[command(flatten)]
        at: At,
    },
    /// Gives a service account a further client secret and prints it, once
    AddSecret {
        /// `svc_…`
        id: String,
        #[command(flatten)]
        at: At,
    },
    /// Ends one client secret for good
    RevokeSecret {
        /// `svc_…`
        id: String,
        /// `sec_…`
        secret: String,
        #[command(flatten)]
        wait: Wait,
        #[command(flatten)]
        at: At,
    },
}
