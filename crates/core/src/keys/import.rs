//! Taking over the keys of another system by their hashes: nobody has to change a key.

use super::foreign::{ForeignHash, ForeignKind};
use crate::Plane;
use crate::accounts::{Account, AccountStatus};
use crate::actor::{Actor, Context};
use crate::audit::{Action, Target};
use crate::clock::Timestamp;
use crate::commit::Commit;
use crate::credentials::{Credential, CredentialStatus, KeyLimits, Owner};
use crate::error::{Conflict, Error, Kind, Problem, Result};
use crate::ids::{AccountId, CredentialId, MemberId};
use crate::limits;
use crate::permissions::{PermissionSet, Right};
use crate::replay::{Keep, Once};
use crate::secrets::foreign::{FastHash, FastKind, LookUp, SlowHash};
use crate::secrets::{KeyFormat, Sealed, Start, Tag};
use crate::text::{Metadata, Name};
use ipnet::IpNet;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

/// A key to take over.
#[derive(Debug)]
pub struct NewImport {
    /// The account that it is to belong to; the caller's own unless given.
    pub account: Option<AccountId>,
    /// Its name.
    pub name: Option<Name>,
    /// What it may do; `*:*` unless given.
    pub permissions: PermissionSet,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Where it may come from; empty means anywhere.
    pub allowed_ips: Vec<IpNet>,
    /// The caller's own object.
    pub metadata: Metadata,
    /// Its first characters, at most seven, for telling keys apart in lists.
    pub start: Option<Box<str>>,
    /// Its hash.
    pub hash: ImportedHash,
}

/// The hash of a key to take over.
#[derive(Debug)]
pub enum ImportedHash {
    /// One that finds the key.
    Fast(FastHash),
    /// One that does not, and the key's beginning.
    Slow(SlowHash, LookUp),
}

/// Rows of one key that was taken over.
pub type ImportedRows = (Sealed<Credential>, Option<Sealed<ForeignHash>>, Commit);

impl Plane {
    /// Takes over up to [`limits::IMPORT_KEYS_MAX`] keys in one transaction. What a rule refuses,
    /// and what was imported before, is left out and keeps its place among the answers.
    ///
    /// # Errors
    /// What refuses the caller, too many keys, and what the store says.
    pub async fn import_keys(
        &self,
        context: &Context,
        new: Vec<NewImport>,
        once: Once<'_, Vec<Result<Credential>>>,
    ) -> Result<Vec<Result<Credential>>> {
        if new.len() > limits::IMPORT_KEYS_MAX {
            return Err(Error::invalid("keys", Problem::TooMany(limits::IMPORT_KEYS_MAX)));
        }
        context.actor.require(Right::KeysWrite)?;
        let root = context.actor.organization()?;
        let mut accounts = HashMap::new();
        let mut drafts = Drafts::default();
        for new in new {
            let draft = self.draft_import(context, root, new, &mut accounts, &mut drafts).await;
            drafts.answers.push(draft);
        }
        let Drafts { mut rows, kinds, answers, .. } = drafts;
        if let Some((_, _, commit)) = rows.first_mut() {
            once.keep(self, commit, root, Keep::Plain, &answers)?;
            self.store.insert_foreign_keys(rows, kinds).await?;
            self.foreign.forget();
        }
        Ok(answers)
    }

    async fn draft_import(
        &self,
        context: &Context,
        root: AccountId,
        new: NewImport,
        accounts: &mut HashMap<AccountId, Option<Account>>,
        drafts: &mut Drafts,
    ) -> Result<Credential> {
        let owner = new.account.or_else(|| context.actor.account()).unwrap_or(root);
        let account = self.import_account(context, root, owner, accounts).await?;
        context.actor.require_grant(&new.permissions)?;
        context.actor.require_end(new.expires_at)?;
        context.actor.require_unlimited()?;
        let now = self.clock.now();
        if new.expires_at.is_some_and(|expiry| expiry <= now) {
            return Err(Error::invalid("expires_at", Problem::NotInFuture));
        }
        let (tag, look_up) = match &new.hash {
            ImportedHash::Fast(hash) => (hash.tag(&self.secrets), None),
            ImportedHash::Slow(_, look_up) => {
                // Opens nothing; the first use that fits puts the key's own in its place.
                let waiting = self.secrets.foreign_tag(b"foreign waiting", &[&random(self)]);
                (waiting, Some(look_up.tag(&self.secrets)))
            }
        };
        self.require_new(drafts, look_up.unwrap_or(tag), look_up.is_some()).await?;
        let kind = self.foreign_kind(&new.hash, drafts).await?;

        let member = import_member(context, account);
        let id = CredentialId::generate(&*self.rng, now);
        let credential = Credential {
            id,
            owner: Owner::Account { account: account.id, root, member },
            format: KeyFormat::Imported,
            tag,
            pepper_id: self.secrets.pepper_id(),
            start: Start::from_stored(new.start.as_deref().unwrap_or_default()),
            name: new.name,
            permissions: new.permissions,
            allowed_ips: new.allowed_ips,
            metadata: new.metadata,
            status: CredentialStatus::Active,
            expires_at: new.expires_at,
            lineage: id,
            created_at: now,
            superseded: None,
            limits: KeyLimits::default(),
            last_used_at: None,
            version: 1,
        };
        let hash = match (new.hash, look_up) {
            (ImportedHash::Slow(hash, _), Some(look_up)) => {
                let hash = ForeignHash { look_up, credential: id, root, hash };
                Some(Sealed::new(hash, &self.secrets))
            }
            _ => None,
        };
        let audit = self
            .audit_event(context, root, now, Action::KeyImported, Target::Key(id))
            .with("account_id", account.id)
            .with("hash", kind.word);
        drafts.seen.insert(*look_up.unwrap_or(tag).as_bytes());
        if !drafts.kinds.contains(&kind) {
            drafts.kinds.push(kind);
        }
        let sealed = Sealed::new(credential.clone(), &self.secrets);
        drafts.rows.push((sealed, hash, Commit::audited(self.seal(audit))));
        Ok(credential)
    }

    /// The account that a key is to belong to, read once in a call.
    async fn import_account<'a>(
        &self,
        context: &Context,
        root: AccountId,
        id: AccountId,
        accounts: &'a mut HashMap<AccountId, Option<Account>>,
    ) -> Result<&'a Account> {
        let account = match accounts.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unread) => {
                let found = self.store.find_account(root, id).await?;
                unread.insert(found.map(|row| row.open(&self.secrets)).transpose()?)
            }
        };
        let account = account.as_ref();
        let visible = account.filter(|row| context.actor.reaches(root, Some(row.id)));
        let account = visible.ok_or(Error::NotFound(Kind::Account))?;
        if account.status == AccountStatus::Closed {
            return Err(Error::Conflict(Conflict::Closed));
        }
        Ok(account)
    }

    /// Refuses a key that is there, or stands twice in one call.
    async fn require_new(&self, drafts: &Drafts, tag: Tag, slow: bool) -> Result<()> {
        let taken = drafts.seen.contains(tag.as_bytes())
            || if slow {
                self.store.find_foreign_hash(&tag).await?.is_some()
            } else {
                self.store.find_credential_by_tag(&tag).await?.is_some()
            };
        if taken { Err(Error::Conflict(Conflict::Taken)) } else { Ok(()) }
    }

    /// What the plane must know to recognise such a hash.
    async fn foreign_kind(&self, hash: &ImportedHash, drafts: &mut Drafts) -> Result<ForeignKind> {
        let word = match hash {
            ImportedHash::Fast(FastHash::Sha256(_) | FastHash::Used(_)) => "sha256",
            ImportedHash::Fast(FastHash::Sha512(_)) => "sha512",
            ImportedHash::Fast(FastHash::HmacSha256(..)) => "hmac-sha256",
            ImportedHash::Slow(..) => "slow",
        };
        let ImportedHash::Fast(FastHash::HmacSha256(_, key)) = hash else {
            return Ok(ForeignKind { word, key_id: [0; 16], sealed_key: Vec::new() });
        };
        let id = self.secrets.foreign_tag(b"foreign hmac key", &[key.as_bytes()]);
        let key_id: [u8; 16] = std::array::from_fn(|index| id.as_bytes()[index]);
        if let Some(known) = drafts.kinds.iter().find(|kind| kind.key_id == key_id) {
            return Ok(known.clone());
        }
        let stored = self.store.list_foreign_kinds().await?;
        if let Some(known) = stored.iter().find(|kind| kind.key_id == key_id) {
            return Ok(known.clone());
        }
        let keys = stored.iter().chain(&drafts.kinds).filter(|kind| kind.word == word).count();
        if keys >= limits::FOREIGN_HMAC_KEYS_MAX {
            let max = u32::try_from(limits::FOREIGN_HMAC_KEYS_MAX).unwrap_or(u32::MAX);
            return Err(Error::LimitReached { limit: "foreign_hmac_keys", max });
        }
        let nonce = crate::rng::draw(&*self.rng);
        let sealed_key = self.secrets.seal_value(&key_id, nonce, key.as_bytes())?;
        Ok(ForeignKind { word, key_id, sealed_key })
    }

    /// What a stored kind says of fast hashes; none for slow ones, and for a key that does not
    /// open, which has raised its alarm.
    pub(crate) fn fast_kind(&self, kind: &ForeignKind) -> Option<FastKind> {
        match kind.word {
            "sha256" => Some(FastKind::Sha256),
            "sha512" => Some(FastKind::Sha512),
            "hmac-sha256" => {
                let key = self.secrets.open_value(&kind.key_id, &kind.sealed_key);
                if key.is_none() {
                    tracing::error!(
                        alarm = "row_integrity",
                        table = "foreign_kinds",
                        "a stored HMAC key does not open; it is not used"
                    );
                }
                key.map(|key| {
                    FastKind::HmacSha256(crate::secrets::foreign::HmacKey::from_bytes(&key))
                })
            }
            _ => None,
        }
    }
}

#[derive(Default)]
struct Drafts {
    rows: Vec<ImportedRows>,
    kinds: Vec<ForeignKind>,
    seen: HashSet<[u8; 32]>,
    answers: Vec<Result<Credential>>,
}

fn random(plane: &Plane) -> [u8; 32] {
    crate::rng::draw(&*plane.rng)
}

/// A key that is imported belongs to whoever imports it, as one that is made.
fn import_member(context: &Context, account: &Account) -> MemberId {
    match &context.actor {
        Actor::Key(key) => key.member.unwrap_or(account.created_by),
        Actor::Machine(machine) => machine.member,
        Actor::Member(_) | Actor::Operator(_) => account.created_by,
    }
}
