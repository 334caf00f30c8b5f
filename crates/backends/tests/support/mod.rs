//! Records for tests: drawn from a seed, sealed with secrets of their own.

use std::net::IpAddr;
use tenantry_core::accounts::{
    Account, AccountLimits, AccountStatus, ConcurrentCalls, Entitlements, Profile,
};
use tenantry_core::audit::{Action, AuditEvent};
use tenantry_core::clock::Timestamp;
use tenantry_core::commit::{Commit, Replay};
use tenantry_core::credentials::{Credential, CredentialStatus, KeyLimits, Owner, Superseded};
use tenantry_core::ids::{AccountId, CredentialId, EventId, MemberId, ServiceAccountId};
use tenantry_core::members::Member;
use tenantry_core::permissions::PermissionSet;
use tenantry_core::rates::Rates;
use tenantry_core::rng::{self, SeededRng};
use tenantry_core::secrets::plain::{self, KeyPrefix};
use tenantry_core::secrets::{KeyFormat, PlainSecret, Protected, Sealed, Secrets, SecretsMaterial};
use tenantry_core::service_accounts::{ServiceAccount, ServiceAccountStatus};
use tenantry_core::store::Store;
use tenantry_core::text::{Line, Metadata, Name};

/// The instant at which tests happen.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// Draws records.
pub(crate) struct Draw {
    pub(crate) rng: SeededRng,
    pub(crate) secrets: Secrets,
}

/// An organization in a store.
pub(crate) struct Organization {
    pub(crate) account: Account,
    pub(crate) member: Member,
    pub(crate) key: Credential,
}

impl Draw {
    pub(crate) fn new() -> Self {
        Self::seeded(7)
    }

    pub(crate) fn seeded(seed: u64) -> Self {
        let rng = SeededRng::new(seed);
        let material = SecretsMaterial::generate(&rng).expect("secrets");
        Self { rng, secrets: Secrets::new(&material) }
    }

    pub(crate) fn seal<T: Protected>(&self, record: T) -> Sealed<T> {
        Sealed::new(record, &self.secrets)
    }

    /// A root account with every optional attribute set.
    pub(crate) fn root_account(&self) -> Account {
        let mut profile = Profile::default();
        for index in 0..Profile::FIELDS.len() {
            profile.set(index, Line::parse(&format!("\"{index}\" é")).ok());
        }
        Account {
            id: AccountId::generate(&self.rng, NOW),
            parent: None,
            name: name("Société \"Générale\" 'x'; --"),
            profile,
            metadata: Metadata::from_stored(r#"{"z":[1,2.5,null],"a":{"ä":"\\u0000"}}"#)
                .expect("metadata"),
            status: AccountStatus::Active,
            entitlements: Entitlements::default(),
            limits: AccountLimits {
                concurrent_calls: ConcurrentCalls::new(1_000_000),
                sub_account_concurrent_calls: ConcurrentCalls::new(1),
                rates: Rates::from_stored("100/60 1000/3600").expect("rates"),
            },
            created_by: MemberId::generate(&self.rng, NOW),
            created_at: NOW,
            updated_at: NOW,
            version: 1,
        }
    }

    /// A sub-account with no optional attribute set.
    pub(crate) fn sub_account(&self, root: AccountId) -> Account {
        Account {
            id: AccountId::generate(&self.rng, NOW),
            parent: Some(root),
            name: name("a sub-account"),
            profile: Profile::default(),
            metadata: Metadata::empty(),
            entitlements: Entitlements::NONE,
            limits: AccountLimits::default(),
            ..self.root_account()
        }
    }

    pub(crate) fn member(&self, account: AccountId) -> Member {
        let id = MemberId::generate(&self.rng, NOW);
        Member {
            id,
            account,
            realm: "local".into(),
            subject: id.to_uuid().into(),
            name: Some(name("Ada")),
            email: Line::parse("ada@example.com").ok(),
        }
    }

    /// A key with every optional attribute set, but not rotated.
    pub(crate) fn key(&self, account: &Account) -> Credential {
        let owner = Owner::Account {
            account: account.id,
            root: account.root(),
            member: account.created_by,
        };
        Credential {
            name: Some(name("master")),
            permissions: PermissionSet::master(),
            allowed_ips: ["10.0.0.1/8", "::1/128"].map(|n| n.parse().expect("a network")).into(),
            metadata: Metadata::from_stored(r#"{"k":"v"}"#).expect("metadata"),
            limits: KeyLimits::from_stored("5/1 uses:1000/86400@7").expect("limits"),
            expires_at: Some(Timestamp::from_micros(NOW.micros() + 1)),
            lineage: CredentialId::generate(&self.rng, NOW),
            ..self.credential(owner, KeyFormat::Native)
        }
    }

    /// What a rotation of `key` at [`NOW`] writes, with a grace until `until`: the key that takes
    /// its place, and its own next version.
    pub(crate) fn rotated(&self, key: &Credential, until: Timestamp) -> (Credential, Credential) {
        let drawn = self.credential(key.owner, key.format);
        let next = Credential {
            id: drawn.id,
            tag: drawn.tag,
            start: drawn.start,
            created_at: drawn.created_at,
            version: 1,
            ..key.clone()
        };
        let superseded = Some(Superseded { by: next.id, until });
        let old = Credential { superseded, version: key.version + 1, ..key.clone() };
        (next, old)
    }

    /// A credential with no optional attribute set.
    pub(crate) fn credential(&self, owner: Owner, format: KeyFormat) -> Credential {
        let id = CredentialId::generate(&self.rng, NOW);
        let secret = PlainSecret::generate(&self.rng, format, id, &KeyPrefix::default());
        Credential {
            id,
            owner,
            format,
            tag: secret.tag(&self.secrets),
            pepper_id: u16::MAX,
            start: secret.start(),
            name: None,
            permissions: PermissionSet::default(),
            allowed_ips: Vec::new(),
            metadata: Metadata::empty(),
            status: CredentialStatus::Active,
            expires_at: None,
            lineage: id,
            superseded: None,
            created_at: NOW,
            version: 1,
            limits: KeyLimits::default(),
            last_used_at: None,
        }
    }

    pub(crate) fn service_account(
        &self,
        account: &Account,
        text: &str,
    ) -> (ServiceAccount, Credential) {
        let service_account = ServiceAccount {
            id: ServiceAccountId::generate(&self.rng, NOW),
            account: account.id,
            root: account.root(),
            name: name(text),
            client_id: plain::generate_client_id(&self.rng).into(),
            permissions: PermissionSet::service_account(),
            status: ServiceAccountStatus::Active,
            created_by: account.created_by,
            created_at: NOW,
            version: 1,
        };
        let owner = Owner::ServiceAccount {
            service_account: service_account.id,
            account: account.id,
            root: account.root(),
        };
        let secret = self.credential(owner, KeyFormat::ClientSecret);
        (service_account, secret)
    }

    pub(crate) fn event(&self, root: AccountId) -> AuditEvent {
        AuditEvent {
            id: EventId::generate(&self.rng, NOW),
            root,
            at: NOW,
            actor: ("operator", "local".to_owned()),
            action: Action::AccountCreated,
            target: ("account", root.to_string()),
            facts: vec![("key_start", "tnt_abc".to_owned()), ("a", "\"".to_owned())],
            request_id: "req_1".into(),
            address: Some(IpAddr::from([192, 0, 2, 1])),
        }
    }

    pub(crate) fn commit(&self, root: AccountId) -> Commit {
        Commit::audited(self.seal(self.event(root)))
    }

    pub(crate) fn replay(&self, scope: &str, expires_at: Timestamp) -> Replay {
        Replay {
            scope: scope.into(),
            key_hash: rng::draw(&self.rng),
            body_fingerprint: rng::draw(&self.rng),
            reply: b"a sealed reply".to_vec(),
            reply_until: expires_at,
            resource: "acc_1".into(),
            expires_at,
        }
    }

    /// Stores an organization.
    pub(crate) async fn organization(&self, store: &dyn Store) -> Organization {
        let mut account = self.root_account();
        let member = self.member(account.id);
        account.created_by = member.id;
        let key = self.key(&account);
        let (sealed, sealed_key) = (self.seal(account.clone()), self.seal(key.clone()));
        store
            .insert_organization(&sealed, &member, &sealed_key, self.commit(account.id))
            .await
            .expect("an organization");
        Organization { account, member, key }
    }

    /// Stores a sub-account with its key.
    pub(crate) async fn stored_sub_account(
        &self,
        store: &dyn Store,
        root: AccountId,
    ) -> (Account, Credential) {
        let account = self.sub_account(root);
        let owner = Owner::Account { account: account.id, root, member: account.created_by };
        let key = self.credential(owner, KeyFormat::SubAccount);
        let (sealed, sealed_key) = (self.seal(account.clone()), self.seal(key.clone()));
        store.insert_account(&sealed, &sealed_key, self.commit(root)).await.expect("an account");
        (account, key)
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}
