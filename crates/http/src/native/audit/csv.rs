//! Events as CSV (RFC 4180), safe to open in a spreadsheet.
//!
//! Every cell is quoted, so that there is one rule for what is written and nothing to decide about
//! commas and ends of lines. That takes no library; reading CSV would.

use super::reply;
use tenantry_core::audit::StoredAuditEvent;
use tenantry_core::error::Error;

pub(crate) const MEDIA: &str = "text/csv; charset=utf-8; header=present";

const HEAD: [&str; 10] = [
    "id",
    "at",
    "actor_kind",
    "actor_id",
    "action",
    "target_kind",
    "target_id",
    "facts",
    "request_id",
    "address",
];

/// Writes a document.
pub(super) fn write(events: &[StoredAuditEvent]) -> Result<String, Error> {
    let mut text = String::new();
    line(&mut text, HEAD);
    for event in events {
        let facts: Vec<String> =
            event.facts.iter().map(|(name, value)| format!("{name}={value}")).collect();
        line(
            &mut text,
            [
                &*event.id.to_string(),
                &reply::time(event.at)?,
                &event.actor.0,
                &event.actor.1,
                &event.action,
                &event.target.0,
                &event.target.1,
                &facts.join("; "),
                &event.request_id,
                event.address.as_deref().unwrap_or_default(),
            ],
        );
    }
    Ok(text)
}

fn line(text: &mut String, cells: [&str; HEAD.len()]) {
    for (index, content) in cells.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        cell(text, content);
    }
    text.push_str("\r\n");
}

/// A spreadsheet takes a cell that begins with one of these for a formula, whatever is quoted around
/// it: case 89. The apostrophe makes it a text there.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

fn cell(text: &mut String, content: &str) {
    text.push('"');
    if content.starts_with(FORMULA) {
        text.push('\'');
    }
    text.push_str(&content.replace('"', "\"\""));
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(content: &str) -> String {
        let mut text = String::new();
        cell(&mut text, content);
        text
    }

    #[test]
    fn case_89_no_cell_begins_a_formula() {
        for (content, expected) in [
            ("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("\n=1", "\"'\n=1\""),
            ("a=1", "\"a=1\""),
            ("", "\"\""),
            ("a,b\r\n\"c\"", "\"a,b\r\n\"\"c\"\"\""),
        ] {
            assert_eq!(written(content), expected);
        }
    }
}
