//! Requests, written out once: per request only the key or the name is put in.

use crate::keys::{Draw, KEY_BYTES, Keys};
use std::ops::Range;

/// Sub-accounts in one bulk request: the most that the route takes.
pub(crate) const BULK_ACCOUNTS: usize = 1000;
/// Digits of the number in a name.
const NUMBER_DIGITS: usize = 12;

/// What is sent, and what must come back.
pub(crate) struct Requests<'a> {
    text: Vec<u8>,
    /// The places of the number, or of the key, in the text.
    holes: Vec<Range<usize>>,
    fill: Fill<'a>,
    pub(crate) expected: Expected,
    /// What one request counts as.
    pub(crate) units: u64,
    /// What comes after each reply on its connection, before the next request.
    pub(crate) follow: Option<Follow>,
}

/// A request that names the id of the reply before it.
pub(crate) struct Follow {
    text: Vec<u8>,
    hole: Range<usize>,
    pub(crate) expected: Expected,
}

impl Follow {
    /// Writes the request for the id that this reply begins with.
    pub(crate) fn write(&self, reply: &[u8], out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.text);
        let id = reply.get(ID_AT..ID_AT + LEASE_ID_BYTES).unwrap_or(&[b'-'; LEASE_ID_BYTES]);
        out[self.hole.clone()].copy_from_slice(id);
    }
}

/// Where the id stands in a body that begins with `{"id":"`, and how long a lease's is.
const ID_AT: usize = 7;
const LEASE_ID_BYTES: usize = 26;

enum Fill<'a> {
    Key(&'a Keys, Draw),
    Token(&'a [String], Draw),
    Number(u64),
    Nothing,
}

/// What a reply must be.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    /// What each body begins with.
    pub(crate) begins: &'static [u8],
    /// What a sampled body holds, and how often.
    pub(crate) holds: &'static [u8],
    pub(crate) times: u64,
}

impl<'a> Requests<'a> {
    /// Verifications of drawn keys.
    pub(crate) fn verify(bearer: &str, keys: &'a Keys, draw: Draw) -> Self {
        let mark = mark('k', KEY_BYTES);
        let text = post("/v1/keys/verify", bearer, &format!(r#"{{"key":"{mark}"}}"#));
        let expected = Expected {
            status: 200,
            begins: br#"{"valid":true,"code":"VALID","#,
            holds: br#""permissions":["*:*"]"#,
            times: 1,
        };
        Self {
            holes: find_all(&text, &mark),
            text,
            fill: Fill::Key(keys, draw),
            expected,
            units: 1,
            follow: None,
        }
    }

    /// Creates of sub-accounts with a key each.
    pub(crate) fn create(bearer: &str) -> Self {
        let mark = mark('n', NUMBER_DIGITS);
        let text = post("/v1/accounts", bearer, &format!(r#"{{"name":"bench {mark}"}}"#));
        Self::creating(text, &mark, 201, br#"{"account":{"#, 1)
    }

    /// Creates of many sub-accounts in one request.
    pub(crate) fn bulk(bearer: &str) -> Self {
        let mark = mark('n', NUMBER_DIGITS);
        let many = vec![format!(r#"{{"name":"bench {mark}"}}"#); BULK_ACCOUNTS].join(",");
        let text = post("/v1/accounts/bulk", bearer, &format!(r#"{{"accounts":[{many}]}}"#));
        let begins = br#"{"results":[{"status":201,"#;
        Self::creating(text, &mark, 200, begins, BULK_ACCOUNTS as u64)
    }

    fn creating(text: Vec<u8>, mark: &str, status: u16, begins: &'static [u8], units: u64) -> Self {
        let expected = Expected { status, begins, holds: br#""secret":"tnt_"#, times: units };
        let holes = find_all(&text, mark);
        Self { holes, text, fill: Fill::Number(0), expected, units, follow: None }
    }

    /// A verification that looks nothing up, for the control.
    pub(crate) fn hello() -> Self {
        let expected = Expected {
            status: 200,
            begins: br#"{"valid":true,"code":"VALID","#,
            holds: br#""permissions":["*:*"]"#,
            times: 1,
        };
        let body = format!(r#"{{"key":"{}"}}"#, mark('k', KEY_BYTES));
        Self::same(post("/v1/keys/verify", &mark('k', KEY_BYTES), &body), expected)
    }

    /// Tokens for a client's secret, from `path`.
    pub(crate) fn token(path: &str, basic: &str) -> Self {
        let expected = Expected {
            status: 200,
            begins: br#"{"access_token":"eyJ"#,
            holds: br#""token_type":"Bearer""#,
            times: 1,
        };
        Self::same(
            post_form(path, &format!("Basic {basic}"), "grant_type=client_credentials"),
            expected,
        )
    }

    /// Introspections of drawn tokens, all of one length.
    pub(crate) fn introspect(bearer: &str, tokens: &'a [String], draw: Draw) -> Self {
        let mark = mark('~', tokens.first().map_or(0, String::len));
        let text =
            post_form("/oauth2/introspect", &format!("Bearer {bearer}"), &format!("token={mark}"));
        let expected = Expected {
            status: 200,
            begins: br#"{"active":true,"#,
            holds: br#""kind":"access_token""#,
            times: 1,
        };
        let holes = find_all(&text, &mark);
        Self { text, holes, fill: Fill::Token(tokens, draw), expected, units: 1, follow: None }
    }

    /// Leases for these accounts' calls, each given back before the next.
    pub(crate) fn pairs(bearer: &str, accounts: &'a [String], draw: Draw) -> Self {
        let mark = mark('~', accounts.first().map_or(0, String::len));
        let body = format!(r#"{{"account_id":"{mark}","ttl_seconds":60}}"#);
        let text = post("/v1/leases", bearer, &body);
        let lease = self::mark('~', LEASE_ID_BYTES);
        let release = post(&format!("/v1/leases/{lease}/release"), bearer, "{}");
        let hole = find_all(&release, &lease).remove(0);
        let begins = br#"{"id":"lea_"#;
        let expected = |status, holds| Expected { status, begins, holds, times: 1 };
        let follow = Follow { text: release, hole, expected: expected(200, b"released_at") };
        Self {
            holes: find_all(&text, &mark),
            text,
            fill: Fill::Token(accounts, draw),
            expected: expected(201, b"fencing_token"),
            units: 1,
            follow: Some(follow),
        }
    }

    /// Verifications of drawn keys, all of one length.
    pub(crate) fn verify_of(bearer: &str, keys: &'a [String], draw: Draw) -> Self {
        let mark = mark('~', keys.first().map_or(0, String::len));
        let text = post("/v1/keys/verify", bearer, &format!(r#"{{"key":"{mark}"}}"#));
        let expected = Expected {
            status: 200,
            begins: br#"{"valid":true,"code":"VALID","#,
            holds: br#""permissions":["*:*"]"#,
            times: 1,
        };
        let holes = find_all(&text, &mark);
        let fill = Fill::Token(keys, draw);
        Self { text, holes, fill, expected, units: 1, follow: None }
    }

    /// Drawn accounts.
    pub(crate) fn account(bearer: &str, ids: &'a [String], draw: Draw) -> Self {
        let mark = mark('~', ids.first().map_or(0, String::len));
        let text = format!(
            "GET /v1/accounts/{mark} HTTP/1.1\r\nHost: localhost\r\n\
             Authorization: Bearer {bearer}\r\n\r\n"
        )
        .into_bytes();
        let expected = Expected {
            status: 200,
            begins: br#"{"id":"acc_"#,
            holds: br#""status":"active""#,
            times: 1,
        };
        let holes = find_all(&text, &mark);
        Self { text, holes, fill: Fill::Token(ids, draw), expected, units: 1, follow: None }
    }

    fn same(text: Vec<u8>, expected: Expected) -> Self {
        Self { text, holes: Vec::new(), fill: Fill::Nothing, expected, units: 1, follow: None }
    }

    /// Where drawing goes on.
    pub(crate) fn into_draw(self) -> Option<Draw> {
        match self.fill {
            Fill::Key(_, draw) | Fill::Token(_, draw) => Some(draw),
            Fill::Number(_) | Fill::Nothing => None,
        }
    }

    /// Writes the next request into `out`, which is emptied before.
    pub(crate) fn write_next(&mut self, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.text);
        for hole in &self.holes {
            match &mut self.fill {
                Fill::Key(keys, draw) => out[hole.clone()].copy_from_slice(keys.get(draw.next())),
                Fill::Token(tokens, draw) => {
                    let index = usize::try_from(draw.next()).unwrap_or(0);
                    out[hole.clone()].copy_from_slice(tokens[index].as_bytes());
                }
                Fill::Nothing => {}
                Fill::Number(number) => {
                    *number += 1;
                    let mut rest = *number;
                    for digit in out[hole.clone()].iter_mut().rev() {
                        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
                        rest /= 10;
                    }
                }
            }
        }
    }
}

/// A text that stands for what is put in, and occurs nowhere else.
fn mark(letter: char, length: usize) -> String {
    std::iter::repeat_n(letter, length).collect()
}

fn post(path: &str, bearer: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    // `localhost` and no port: every target gets the same bytes.
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn post_form(path: &str, authorization: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn find_all(text: &[u8], mark: &str) -> Vec<Range<usize>> {
    let windows = text.windows(mark.len()).enumerate();
    let found = windows.filter(|(_, window)| *window == mark.as_bytes());
    found.map(|(at, _)| at..at + mark.len()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(requests: &mut Requests<'_>) -> String {
        let mut out = Vec::new();
        requests.write_next(&mut out);
        String::from_utf8(out).expect("text")
    }

    fn content_length_is_right(text: &str) -> bool {
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        head.ends_with(&format!("Content-Length: {}", body.len()))
    }

    #[test]
    fn each_create_has_a_name_of_its_own() {
        let mut requests = Requests::create("tnt_x");
        let (first, second) = (text(&mut requests), text(&mut requests));
        assert!(first.ends_with(r#"{"name":"bench 000000000001"}"#), "{first}");
        assert!(second.ends_with(r#"{"name":"bench 000000000002"}"#), "{second}");
        assert!(content_length_is_right(&first));
    }

    #[test]
    fn each_introspection_has_the_next_token() {
        let tokens = ["aaa.bbb".to_owned(), "ccc.ddd".to_owned()];
        let mut requests = Requests::introspect("tnt_x", &tokens, Draw::walk(0, 2));
        for token in &tokens {
            let text = text(&mut requests);
            assert!(content_length_is_right(&text));
            assert!(text.ends_with(&format!("\r\n\r\ntoken={token}")), "{text}");
        }
    }

    #[test]
    fn a_bulk_request_names_every_account_once() {
        let text = text(&mut Requests::bulk("tnt_x"));
        assert!(content_length_is_right(&text));
        assert_eq!(text.matches("bench 0").count(), BULK_ACCOUNTS);
        assert!(text.contains("bench 000000000001\"") && text.contains("bench 000000001000\""));
        assert!(!text.contains("nnnn"));
    }
}
