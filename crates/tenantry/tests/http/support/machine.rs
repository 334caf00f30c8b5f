//! Service accounts for tests.

use super::{Client, Organization, Reply, TestApp};
use serde_json::{Value, json};
use tenantry_core::ids::ServiceAccountId;

/// A service account and its first secret.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) id: String,
    pub(crate) client_id: String,
    pub(crate) secret_id: String,
    pub(crate) secret: String,
}

impl Machine {
    /// From the reply to its creation by the native API.
    pub(crate) fn of(reply: &Reply) -> Self {
        assert_eq!(reply.status, 201, "{}", reply.text);
        let text = |pointer| reply.text_at(pointer).to_owned();
        Self {
            id: text("/service_account/id"),
            client_id: text("/service_account/client_id"),
            secret_id: text("/secret/id"),
            secret: text("/secret/secret"),
        }
    }

    /// Its path in the native API.
    pub(crate) fn path(&self) -> String {
        format!("/v1/service-accounts/{}", self.id)
    }

    /// Its path in the service-accounts dialect.
    pub(crate) fn dialect_path(&self) -> String {
        let id = ServiceAccountId::parse_native(&self.id).expect("an id");
        format!("/api/v1/admin/service-account/{}", id.to_dialect())
    }
}

impl TestApp {
    /// A new service account of an account of the organization.
    pub(crate) async fn machine(&self, account: &str) -> Machine {
        self.machine_of(&self.organization, account).await
    }

    /// A new service account of an account of `organization`.
    pub(crate) async fn machine_of(&self, organization: &Organization, account: &str) -> Machine {
        let path = format!("/v1/accounts/{account}/service-accounts");
        Machine::of(&self.bearer(&organization.key).post_bytes(&path, "").await)
    }

    /// An administrator of the organization.
    pub(crate) async fn admin(&self) -> Client<'_> {
        self.admin_of(&self.organization).await
    }

    /// An administrator of `organization`.
    pub(crate) async fn admin_of(&self, organization: &Organization) -> Client<'_> {
        let token = self.token(&organization.uuid, "tenant_admin").await;
        self.bearer(&token).header("x-tenantid", &organization.uuid)
    }

    /// What the organization is told about a client secret.
    pub(crate) async fn client_code(&self, client_id: &str, secret: &str) -> String {
        self.client_verdict(client_id, secret).await["code"].as_str().expect("a code").to_owned()
    }

    /// The whole verdict.
    pub(crate) async fn client_verdict(&self, client_id: &str, secret: &str) -> Value {
        let question = json!({ "client_id": client_id, "client_secret": secret });
        let reply = self.owner().post("/v1/keys/verify", question).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json
    }
}
