//! `Idempotency-Key`: a request that was sent again has the same outcome, to the byte.
//!
//! What an operation answers is encoded before its commit and stored in it, sealed under a key that
//! is derived from the pepper and from the header together: neither a stolen store nor a stolen
//! pepper opens it without the header. A reply that shows a secret is kept for ten minutes, any
//! other for a day; where its time has passed a tombstone stays until the day is over, so that the
//! request is not carried out a second time.

use crate::Plane;
use crate::actor::{Actor, Context, KeyActor, Scope};
use crate::commit::{Commit, Replay};
use crate::error::{Conflict, Error, Result};
use crate::limits;
use crate::secrets::MacWriter;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use zeroize::Zeroizing;

/// The value of an `Idempotency-Key` header. Itself a secret: it opens the reply.
pub struct IdempotencyKey(Zeroizing<Box<str>>);

impl IdempotencyKey {
    /// Reads 16 to 255 visible ASCII characters.
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let length = limits::IDEMPOTENCY_KEY_BYTES_MIN..=limits::IDEMPOTENCY_KEY_BYTES_MAX;
        if length.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(Zeroizing::new(text.into())))
        } else {
            Err(Error::Malformed("Idempotency-Key must be 16 to 255 visible ASCII characters"))
        }
    }
}

/// A request that may be a repetition.
pub struct Request<'a> {
    /// Its header.
    pub key: &'a IdempotencyKey,
    /// Method and concrete path.
    pub call: &'a str,
    /// Its body, as it came.
    pub body: &'a [u8],
}

/// What is known of a request that may be a repetition.
pub enum Begun {
    /// It is the first: carry it out, and keep the reply with this.
    First(Ticket),
    /// It was carried out before, and this was the reply.
    Repeated(Zeroizing<Vec<u8>>),
}

/// The right to carry a request out, held by one repetition of it at a time.
pub struct Ticket {
    scope: Box<str>,
    key_hash: [u8; 32],
    body_fingerprint: [u8; 32],
    key: Zeroizing<Box<str>>,
    _turn: tokio::sync::OwnedMutexGuard<()>,
}

/// How long a reply is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It shows a secret: [`limits::IDEMPOTENCY_SECRET_TTL`].
    Secret,
    /// It shows none: [`limits::IDEMPOTENCY_TTL`].
    Plain,
}

/// Writes the reply to an outcome. Pure: what is stored before the commit is what is sent after it.
pub type Encode<'a, T> = &'a (dyn Fn(&T) -> Result<Zeroizing<Vec<u8>>> + Sync);

/// Whether an operation's reply is kept for a repetition of its request.
pub struct Once<'a, T>(Option<(&'a Ticket, Encode<'a, T>)>);

impl<T> Clone for Once<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Once<'_, T> {}

impl<'a, T> Once<'a, T> {
    /// It is not.
    #[must_use]
    pub const fn unkept() -> Self {
        Self(None)
    }

    /// It is.
    #[must_use]
    pub const fn kept(ticket: &'a Ticket, encode: Encode<'a, T>) -> Self {
        Self(Some((ticket, encode)))
    }

    /// Whether it is.
    pub(crate) const fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Puts the reply to `outcome` into the commit that makes it true. `resource` is what a
    /// repetition is told of once the reply is no longer kept.
    pub(crate) fn keep(
        &self,
        plane: &Plane,
        commit: &mut Commit,
        resource: impl std::fmt::Display,
        keep: Keep,
        outcome: &T,
    ) -> Result<()> {
        let Some((ticket, encode)) = self.0 else {
            return Ok(());
        };
        let now = commit.audit.record().at;
        let expires_at = now.plus(limits::IDEMPOTENCY_TTL);
        let mut replay = Replay {
            scope: ticket.scope.clone(),
            key_hash: ticket.key_hash,
            body_fingerprint: ticket.body_fingerprint,
            reply: Vec::new(),
            reply_until: match keep {
                Keep::Secret => now.plus(limits::IDEMPOTENCY_SECRET_TTL),
                Keep::Plain => expires_at,
            },
            resource: resource.to_string().into(),
            expires_at,
        };
        let nonce = crate::rng::draw(&*plane.rng);
        let plain = encode(outcome)?;
        replay.reply =
            plane.secrets.seal_reply(&ticket.key, &associated(&replay), nonce, &plain)?;
        commit.replay = Some(replay);
        Ok(())
    }
}

/// What a kept reply is bound to: moved to another row, or made to last longer, it does not open.
fn associated(replay: &Replay) -> Vec<u8> {
    let mut writer = MacWriter::new();
    writer.text(&replay.scope);
    writer.bytes(&replay.key_hash);
    writer.bytes(&replay.body_fingerprint);
    writer.number(replay.reply_until.micros());
    writer.text(&replay.resource);
    writer.number(replay.expires_at.micros());
    writer.written().to_vec()
}

/// Requests under way that may be repeated, so that a repetition waits for the first.
#[derive(Default)]
pub(crate) struct UnderWay(Mutex<HashMap<[u8; 32], Weak<tokio::sync::Mutex<()>>>>);

impl UnderWay {
    fn enter(&self, key: [u8; 32]) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        // As many as there are requests under way, which the server bounds, and as many again.
        if turns.len() >= limits::IDEMPOTENCY_TURNS_SWEPT_AT {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::default();
        turns.insert(key, Arc::downgrade(&turn));
        turn
    }
}

impl Plane {
    /// Finds out whether a request was carried out before; the repetition of one that is under
    /// way waits for it.
    ///
    /// # Errors
    /// [`Conflict::IdempotencyKeyReused`] for the same key with another body,
    /// [`Conflict::IdempotencyKeyInUse`] where the first has not ended in time,
    /// [`Error::SecretAlreadyDelivered`] where its reply is no longer kept.
    pub async fn begin_once(&self, context: &Context, request: &Request<'_>) -> Result<Begun> {
        let scope: Box<str> = format!("{} {}", who(&context.actor), request.call).into();
        let key_hash = self.secrets.idempotency_mac(b"key", request.key.0.as_bytes());
        let body_fingerprint = self.secrets.idempotency_mac(b"body", request.body);
        let turn = {
            let mut writer = MacWriter::new();
            writer.text(&scope);
            writer.bytes(&key_hash);
            self.under_way.enter(self.secrets.idempotency_mac(b"turn", writer.written()))
        };
        let turn = tokio::time::timeout(limits::IDEMPOTENCY_WAIT_MAX, turn.lock_owned())
            .await
            .map_err(|_| Error::Conflict(Conflict::IdempotencyKeyInUse))?;
        let found = self.store.find_replay(&scope, &key_hash).await?;
        let now = self.clock.now();
        let Some(kept) = found.filter(|kept| now < kept.expires_at) else {
            let key = request.key.0.clone();
            return Ok(Begun::First(Ticket {
                scope,
                key_hash,
                body_fingerprint,
                key,
                _turn: turn,
            }));
        };
        if kept.body_fingerprint != body_fingerprint {
            return Err(Error::Conflict(Conflict::IdempotencyKeyReused));
        }
        if now >= kept.reply_until || kept.reply.is_empty() {
            return Err(Error::SecretAlreadyDelivered { resource: kept.resource });
        }
        let opened = self.secrets.open_reply(&request.key.0, &associated(&kept), &kept.reply);
        opened.map(Begun::Repeated).ok_or_else(|| {
            tracing::error!(
                alarm = "row_integrity",
                table = "idempotency",
                "a kept reply is not what was written; it is not sent"
            );
            Error::Integrity {
                table: "idempotency",
                id: scope.into(),
                problem: "the reply does not open",
            }
        })
    }

    /// Erases replies whose time has passed, and forgets requests after a day. Answers how many
    /// rows there were.
    ///
    /// # Errors
    /// What the store says.
    pub async fn sweep_replays(&self) -> Result<u64> {
        self.store.sweep_replays(self.clock.now(), limits::IDEMPOTENCY_SWEEP_MAX).await
    }
}

/// Whose request it is: another credential of the same tenant does not see its reply, a rotated
/// one does.
fn who(actor: &Actor) -> String {
    match actor {
        Actor::Key(KeyActor { lineage, scope: Scope::Plane, .. }) => format!("platform/{lineage}"),
        Actor::Key(KeyActor { lineage, scope: Scope::Account { root, .. }, .. }) => {
            format!("{root}/{lineage}")
        }
        Actor::Machine(machine) => format!("{}/{}", machine.root, machine.id),
        Actor::Member(member) => {
            // Lengths, since neither part excludes the character between them.
            let (realm, subject) = (&member.realm, &member.subject);
            let (a, b) = (realm.len(), subject.len());
            format!("{}/{a}:{realm}/{b}:{subject}", member.tenant)
        }
        Actor::Operator(operator) => match operator.organization {
            Some(organization) => format!("operator/{organization}"),
            None => "operator".to_owned(),
        },
    }
}
