//! `keys`

use crate::cli::{Keys, Remote};
use crate::config::Config;
use crate::transport::Transport;
use crate::wiring::Missing;
use crate::{Failure, Result, output};
use serde_json::{Value, json};
use tenantry_api::operator::CreatePlatformKey;
use zeroize::Zeroizing;

/// `keys …`
pub(crate) async fn run(config: &Config, command: Keys) -> Result<()> {
    match command {
        Keys::Verify { secret, client_id, permission, remote, printing } => {
            let secret = match secret {
                Some(secret) => Zeroizing::new(secret),
                None => read_secret()?,
            };
            let verdict =
                verify(config, &remote, &secret, client_id.as_deref(), &permission).await?;
            if printing.json {
                output::json(&verdict)?;
            } else {
                print_verdict(&verdict);
            }
            if verdict["valid"] == true {
                Ok(())
            } else {
                let code = verdict["code"].as_str().unwrap_or_default().to_owned();
                Err(Failure::Setting(format!("the key does not verify: {code}")))
            }
        }
        Keys::Create { platform: _, name, printing } => {
            let transport = Transport::local(config, Missing::Refuse).await?;
            let wanted = CreatePlatformKey { name };
            let created: Value = transport.post("/operator/platform-keys", None, &wanted).await?;
            if printing.json {
                output::json(&created)?;
            } else {
                let text = |name: &str| created[name].as_str().unwrap_or_default();
                output::fields(&[("key id", text("id")), ("platform key", text("secret"))]);
                output::line("\nThe key is shown here and nowhere else.");
            }
            Ok(())
        }
    }
}

async fn verify(
    config: &Config,
    remote: &Remote,
    secret: &str,
    client_id: Option<&str>,
    permissions: &[String],
) -> Result<Value> {
    let body = match client_id {
        Some(id) => json!({ "client_id": id, "client_secret": secret, "permissions": permissions }),
        None => json!({ "key": secret, "permissions": permissions }),
    };
    let transport = Transport::open(config, remote).await?;
    transport.post("/v1/keys/verify", None, &body).await
}

/// One line of standard input: a secret on the command line is seen by every user of the machine.
fn read_secret() -> Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|error| Failure::Io("read the key from standard input".to_owned(), error))?;
    Ok(Zeroizing::new(line.trim().to_owned()))
}

fn print_verdict(verdict: &Value) {
    let text = |name: &str| verdict[name].as_str().unwrap_or("-").to_owned();
    let permissions: Vec<&str> = verdict["permissions"]
        .as_array()
        .map(|all| all.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    output::fields(&[
        ("code", &text("code")),
        ("kind", &text("kind")),
        ("key", &text("key_id")),
        ("account", &text("account_id")),
        ("parent", &text("parent_id")),
        ("permissions", &permissions.join(" ")),
        ("expires", &text("expires_at")),
    ]);
}
