//! `token`

use crate::cli::Token;
use crate::config::Config;
use crate::transport::Transport;
use crate::wiring::Missing;
use crate::{Result, output};
use tenantry_api::operator as api;

/// Prints an admin JWT, alone on its line, so that `$(tenantry token …)` is the token.
pub(crate) async fn create(config: &Config, token: Token) -> Result<()> {
    let transport = Transport::local(config, Missing::Refuse).await?;
    let wanted = api::CreateToken {
        tenant: token.tenant,
        role: token.role,
        member: token.member,
        ttl_seconds: token.ttl,
    };
    let created: api::CreatedToken = transport.post("/operator/tokens", None, &wanted).await?;
    if token.printing.json {
        output::json(&created)?;
    } else {
        output::line(&created.token);
    }
    Ok(())
}
