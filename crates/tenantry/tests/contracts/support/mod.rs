//! What the transcripts are made with.

pub(crate) mod curl;
pub(crate) mod example;
pub(crate) mod forms;
pub(crate) mod installation;
pub(crate) mod json;
pub(crate) mod site;

pub(crate) use curl::{Curl, Reply};
pub(crate) use example::assert_as_example;
pub(crate) use installation::{Installation, Outcome, Server};
pub(crate) use json::Tree;
pub(crate) use site::Site;

/// `text` with `from` replaced, which must be there: a request that was not changed proves nothing.
pub(crate) fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "`{from}` is not in: {text}");
    text.replace(from, to)
}
