//! Shell lines with curl in them, run by a real shell and a real curl.

use super::installation::without_settings;
use super::json::Tree;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use tempfile::TempDir;

/// Names the curl to use.
const PROGRAM: &str = "TENANTRY_TEST_CURL";

/// What lets a contract's line run as it stands: the head of the reply is shown before its body,
/// no proxy comes in between, and nothing waits for ever.
const SETTINGS: &str = "silent\nshow-error\ninclude\nnoproxy = \"*\"\nmax-time = 60\n";

/// A curl that a shell finds under its own name.
pub(crate) struct Curl {
    home: TempDir,
}

impl Curl {
    /// The curl that the environment names. Without one the test is left out, save in CI.
    #[expect(clippy::print_stdout, reason = "whoever runs the tests is told what was left out")]
    pub(crate) fn find() -> Option<Self> {
        let Some(program) = env::var_os(PROGRAM) else {
            let needed = env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!needed, "{PROGRAM} is not set, and with CI=true no test is left out");
            println!("left out: {PROGRAM} does not say where curl is");
            return None;
        };
        let home = tempfile::tempdir().expect("a directory");
        symlink(program, home.path().join("curl")).expect("a link to curl");
        fs::write(home.path().join(".curlrc"), SETTINGS).expect("curl's settings");
        Some(Self { home })
    }

    /// Runs a line as it is, with variables in its environment, and reads the one reply.
    pub(crate) fn run(&self, line: &str, variables: &[(&str, &str)]) -> Reply {
        let mut path = OsString::from(self.home.path());
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        without_settings(&mut shell);
        shell.args(["-c", line]).env("PATH", path).env("CURL_HOME", self.home.path());
        let output = shell.envs(variables.iter().copied()).output().expect("a shell");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} of: {line}\n{errors}", output.status);
        Reply::parse(&String::from_utf8(output.stdout).expect("UTF-8"))
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.and_then(|status| status.parse().ok()).expect("a status");
        let headers = lines
            .map(|line| line.split_once(':').expect("a header"))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Self { status, headers, body: body.to_owned() }
    }

    /// A header's value; nothing where there is no such header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(found, _)| found == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice in {self:?}");
        value
    }

    /// The body, of a reply that must have this status and media type.
    pub(crate) fn expect(&self, status: u16, media: &str) -> Tree {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some(media), "{self:?}");
        assert!(self.header("x-request-id").is_some(), "{self:?}");
        let challenged = self.header("www-authenticate").is_some_and(|v| v.starts_with("Bearer"));
        assert_eq!(challenged, status == 401, "{self:?}");
        Tree::parse(&self.body)
    }
}
