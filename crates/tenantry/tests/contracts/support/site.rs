//! A running server with one organization, and curl to talk to it.

use super::curl::{Curl, Reply};
use super::installation::{Installation, Server};
use super::json::Tree;

/// Names in the contracts' examples that an installation chooses for itself: chosen as there.
const INITIALIZE: [&str; 7] = [
    "init",
    "--organization",
    "Acme Corporation",
    "--name",
    "Deepak purohit",
    "--email",
    "deepak.purohit@rezolve.ai",
];

/// The hosts that the contracts' lines name.
const HOSTS: [&str; 3] = ["https://api.bolna.ai", "https://platform.tagbase.io", "{{base_url}}"];

/// A running server with one organization, and curl.
pub(crate) struct Site {
    // Dropped in this order: the server ends before its directory goes.
    pub(crate) server: Server,
    pub(crate) installation: Installation,
    /// What `init` printed.
    pub(crate) organization: Tree,
    curl: Curl,
}

impl Site {
    /// None where there is no curl: the test is left out.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        let curl = Curl::find()?;
        let installation = Installation::new();
        let organization = installation.json(&INITIALIZE);
        let server = installation.serve(options);
        Some(Self { server, installation, organization, curl })
    }

    /// Ends the server and starts it again.
    pub(crate) fn restart(&mut self) {
        // The directory belongs to one server at a time.
        let ended = self.server.end();
        assert!(ended.status.success(), "{ended:?}");
        self.server = self.installation.serve(&[]);
    }

    /// The organization's master key.
    pub(crate) fn master_key(&self) -> &str {
        self.organization.text("api_key")
    }

    /// The organization, as a UUID.
    pub(crate) fn tenant(&self) -> &str {
        self.organization.text("organization_id")
    }

    /// The organization, as `acc_…`.
    pub(crate) fn root_account(&self) -> &str {
        self.organization.text("account_id")
    }

    /// An admin JWT, from the command line beside the running server.
    pub(crate) fn token(&self, role: &str) -> String {
        let arguments = ["token", "--tenant", self.tenant(), "--role", role];
        self.installation.print(&arguments).trim_end().to_owned()
    }

    /// Another organization's master key.
    pub(crate) fn strangers_key(&self) -> String {
        let arguments = ["organizations", "create", "--organization", "Strangers"];
        let member = ["--name", "Stranger", "--email", "stranger@example.com"];
        let created = self.installation.json(&[&arguments[..], &member].concat());
        created.text("api_key").to_owned()
    }

    /// A platform key.
    pub(crate) fn platform_key(&self) -> String {
        self.installation.json(&["keys", "create", "--platform"]).text("secret").to_owned()
    }

    /// Runs a contract's line with this server for its host and `credential` and the tenant for
    /// its placeholders. Nothing else of it is changed.
    pub(crate) fn run(&self, line: &str, credential: &str) -> Reply {
        let host = |line: String, host: &&str| line.replace(*host, &self.server.base);
        let line = HOSTS.iter().fold(line.to_owned(), host);
        let line = line
            .replace("<token>", credential)
            .replace("{{access_token}}", credential)
            .replace("{{tenant_id}}", self.tenant());
        self.curl.run(&line, &[("TAGBASE_API_KEY", credential)])
    }

    /// A call of the native API.
    pub(crate) fn native(&self, method: &str, path: &str, key: &str, body: &str) -> Reply {
        let base = &self.server.base;
        let content = match body {
            "" => String::new(),
            body => format!("-H 'Content-Type: application/json' -d '{body}'"),
        };
        let line =
            format!("curl -X {method} '{base}{path}' -H 'Authorization: Bearer {key}' {content}");
        self.curl.run(&line, &[])
    }

    /// What `POST /v1/keys/verify` says about an API key.
    pub(crate) fn verify(&self, asker: &str, key: &str) -> Tree {
        self.verdict(asker, &format!(r#"{{"key":"{key}"}}"#))
    }

    /// What `POST /v1/keys/verify` says about a client id and secret.
    pub(crate) fn verify_client(&self, asker: &str, id: &str, secret: &str) -> Tree {
        self.verdict(asker, &format!(r#"{{"client_id":"{id}","client_secret":"{secret}"}}"#))
    }

    fn verdict(&self, asker: &str, question: &str) -> Tree {
        self.native("POST", "/v1/keys/verify", asker, question).expect(200, "application/json")
    }
}
