//! What the command line says of usage.

use super::At;
use clap::Args;

#[derive(Args)]
pub(crate) struct Usage {
    /// From the hour of this time (RFC 3339); the start of the month unless given
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// Up to this time (RFC 3339), in whole hours; the end of today unless given
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// This account alone, `acc_…` or a UUID
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// What to sum up by
    #[arg(long, default_value = "account", value_parser = ["account", "key", "hour", "day"])]
    pub(crate) group_by: String,
    /// Most groups to print
    #[arg(long, default_value_t = 1_000)]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) at: At,
}
