//! What the command line says of the audit trail.

use super::{At, Printing, Remote};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(crate) enum Audit {
    /// Lists events, oldest first
    List(AuditList),
    /// Finds what was altered, dropped, reordered or cut off, and older rows that were put back
    Verify(AuditVerify),
    /// Prints the public key (Ed25519, PEM) that checkpoints are checked with
    Key,
}

#[derive(Args)]
pub(crate) struct AuditList {
    /// Only of this actor: a key's id, `REALM/SUBJECT` of a member, or `local` for the operator
    #[arg(long)]
    pub(crate) actor: Option<String>,
    /// Only this action, such as `key.revoked`
    #[arg(long)]
    pub(crate) action: Option<String>,
    /// Only what was done to the thing with this id
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// Not before this time (RFC 3339)
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// Before this time (RFC 3339)
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// Most events
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
    /// The operator's own trail instead of an organization's
    #[arg(long, conflicts_with_all = ["organization", "url"])]
    pub(crate) plane: bool,
    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Args)]
pub(crate) struct AuditVerify {
    /// The copy of the checkpoints to compare with, where it is not where the server writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoints: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) remote: Remote,
    #[command(flatten)]
    pub(crate) printing: Printing,
}
