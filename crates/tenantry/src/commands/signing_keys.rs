//! `signing-keys`

use crate::Result;
use crate::cli::{Printing, SigningKeys};
use crate::config::Config;
use crate::output;
use crate::transport::Transport;
use crate::wiring::Missing;
use serde_json::json;
use tenantry_api::operator as api;

/// Makes the next key, or lists those that are published.
pub(crate) async fn run(config: &Config, command: SigningKeys) -> Result<()> {
    let transport = Transport::local(config, Missing::Refuse).await?;
    let path = "/operator/signing-keys";
    match command {
        SigningKeys::Rotate { printing } => {
            let keys: api::SigningKeys = transport.post(path, None, &json!({})).await?;
            print(&keys, &printing)
        }
        SigningKeys::List { printing } => {
            let keys: api::SigningKeys = transport.get(path).await?;
            print(&keys, &printing)
        }
    }
}

fn print(keys: &api::SigningKeys, printing: &Printing) -> Result<()> {
    if printing.json {
        return output::json(keys);
    }
    let rows = keys.data.iter().map(|key| {
        vec![
            key.kid.clone(),
            key.algorithm.clone(),
            key.state.clone(),
            key.signs_from.clone(),
            key.signs_until.clone().unwrap_or_default(),
        ]
    });
    output::table(&["kid", "algorithm", "state", "signs from", "signs until"], rows);
    Ok(())
}
