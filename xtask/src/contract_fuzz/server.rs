//! A server of one's own on a free port, asked by plain HTTP.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::TaskResult;
use crate::process::{read, run};

const START_LOOK_EVERY: Duration = Duration::from_millis(20);
/// A first start makes a store and the keys of a realm, in half a minute at most.
const START_LOOKS_MAX: u32 = 1_500;
const REPLY_DEADLINE: Duration = Duration::from_secs(10);

/// A running server; it ends with this value.
pub(super) struct Server {
    binary: PathBuf,
    data: PathBuf,
    log: PathBuf,
    process: Child,
    address: String,
    organization: String,
}

impl Server {
    /// Starts a server in `folder` with an organization of its own.
    pub(super) fn start(binary: &Path, folder: &Path) -> TaskResult<Self> {
        let (data, log) = (folder.join("data"), folder.join("server.log"));
        let file = File::create(&log)?;
        let process = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off"])
            // Many, so that more than the first few creates are carried out.
            .args(["--keys-per-account-max", "10000", "--service-accounts-max", "10000"])
            .arg("--data-dir")
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        let mut server = Self {
            binary: binary.to_path_buf(),
            data,
            log,
            process,
            address: String::new(),
            organization: String::new(),
        };
        for _ in 0..START_LOOKS_MAX {
            let said = fs::read_to_string(&server.log)?;
            let address = between(&said, "Tenantry is serving http://", "\n");
            let organization = between(&said, "The organization ", " was created");
            if let (Some(address), Some(organization)) = (address, organization) {
                (server.address, server.organization) =
                    (address.to_owned(), organization.to_owned());
                return Ok(server);
            }
            if let Some(status) = server.process.try_wait()? {
                return Err(format!("the server ended: {status}\n{said}").into());
            }
            thread::sleep(START_LOOK_EVERY);
        }
        Err("the server does not say where it serves".into())
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The organization's id as a UUID.
    pub(super) fn organization(&self) -> &str {
        &self.organization
    }

    pub(super) fn master_key(&self) -> TaskResult<String> {
        Ok(fs::read_to_string(self.data.join("master-key"))?.trim().to_owned())
    }

    /// A JWT of the organization's first member.
    pub(super) fn admin_token(&self) -> TaskResult<String> {
        let mut command = Command::new(&self.binary);
        command.arg("--data-dir").arg(&self.data);
        command.args(["token", "--role", "tenant_admin", "--tenant", &self.organization]);
        Ok(read(&mut command)?.trim().to_owned())
    }

    /// The id of a key, which is refused where the key is not good any more.
    pub(super) fn key_id(&self, key: &str) -> TaskResult<String> {
        let reply = self.ask("GET", "/v1/whoami", key, "")?;
        text_at(&reply, "key_id")
    }

    /// The key of a new sub-account.
    pub(super) fn sub_account_key(&self, master: &str) -> TaskResult<String> {
        let reply = self.ask("POST", "/sub-accounts/create", master, r#"{"name":"fuzzed"}"#)?;
        text_at(&reply, "api_key")
    }

    fn ask(&self, method: &str, path: &str, key: &str, body: &str) -> TaskResult<String> {
        let mut connection = TcpStream::connect(&self.address)?;
        connection.set_read_timeout(Some(REPLY_DEADLINE))?;
        write!(
            connection,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len(),
        )?;
        let mut reply = String::new();
        connection.read_to_string(&mut reply)?;
        if reply.starts_with("HTTP/1.1 200 ") {
            Ok(reply)
        } else {
            let status = reply.lines().next().unwrap_or_default();
            Err(format!("{method} {path}: {status}").into())
        }
    }

    /// Ends the server, which is to have met no defect: one that a request hides is in its log.
    pub(super) fn stop(mut self) -> TaskResult {
        run(Command::new("kill").arg(self.process.id().to_string()))?;
        let status = self.process.wait()?;
        let log = fs::read_to_string(&self.log)?;
        let error = log.lines().find(|line| line.contains(r#""level":"ERROR""#));
        match error {
            None if status.success() => Ok(()),
            None => Err(format!("the server ended: {status}").into()),
            Some(line) => Err(format!("the server met a defect: {line}").into()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Where `stop` was not reached; an ended process is no reason to say anything.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(found, _)| found)
}

/// A text member of a reply without a parser: what is looked for has nothing to be escaped.
fn text_at(reply: &str, member: &str) -> TaskResult<String> {
    let found = between(reply, &format!("\"{member}\":\""), "\"");
    found.map(str::to_owned).ok_or_else(|| format!("the reply has no {member}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_read_where_it_is_and_missed_where_it_is_not() {
        let reply = "HTTP/1.1 200 OK\r\n\r\n{\"a\":\"1\",\"key_id\":\"key_x\"}";
        assert_eq!(text_at(reply, "key_id").ok().as_deref(), Some("key_x"));
        assert!(text_at(reply, "id").is_err());
    }
}
