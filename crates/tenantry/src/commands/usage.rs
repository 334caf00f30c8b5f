//! `usage`

use super::native::Session;
use crate::cli::Usage;
use crate::config::Config;
use crate::{Result, output};
use serde_json::Value;

/// `usage`: what accounts took, group by group.
pub(crate) async fn run(config: &Config, asked: Usage) -> Result<()> {
    let Usage { from, to, account, group_by, limit, at } = asked;
    let session = Session::open(config, &at).await?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("group_by", &group_by);
    for (name, value) in [("from", from), ("to", to), ("account", account)] {
        if let Some(value) = value {
            query.append_pair(name, &value);
        }
    }
    let entries = session.list(&format!("/v1/usage?{}", query.finish()), limit).await?;
    if at.printing.json {
        return output::json(&entries);
    }
    // A day or an hour is named by its beginning.
    let group = match group_by.as_str() {
        "account" => "account_id",
        "key" => "key_id",
        word => word,
    };
    let columns = [group, "valid", "refused", "calls", "seconds", "cents"];
    output::table(&columns, entries.iter().map(|entry| row(entry, group)));
    Ok(())
}

fn row(entry: &Value, group: &str) -> Vec<String> {
    let verifications = entry["verifications"].as_object().into_iter().flatten();
    let (mut valid, mut refused) = (0_u64, 0_u64);
    for (code, number) in verifications {
        let number = number.as_u64().unwrap_or(0);
        if code == "VALID" {
            valid += number;
        } else {
            refused += number;
        }
    }
    let group = entry[group].as_str().unwrap_or_default().to_owned();
    let shown = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        value => value.to_string(),
    };
    let calls = &entry["calls"];
    let told = [&calls["count"], &calls["duration_seconds"], &calls["costs"]["total"]].map(shown);
    [group, valid.to_string(), refused.to_string()].into_iter().chain(told).collect()
}
