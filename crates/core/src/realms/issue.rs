//! Tokens of the built-in `local` realm, made by the operator.

use super::{LOCAL, LOCAL_AUDIENCE, LOCAL_ISSUER};
use crate::Plane;
use crate::actor::Context;
use crate::audit::{Action, Target};
use crate::commit::Commit;
use crate::error::{Error, Problem, Result};
use crate::ids::{AccountId, EventId, MemberId};
use crate::limits;
use crate::text::Name;
use jsonwebtoken::{Algorithm, Header};
use serde_json::json;
use std::time::Duration;
use zeroize::Zeroizing;

/// A token to make.
#[derive(Debug)]
pub struct NewToken {
    /// The organization that it is bound to.
    pub tenant: AccountId,
    /// Its one role. Any word: what roles allow is decided where the token is used.
    pub role: Name,
    /// The member it stands for; the organization's first unless told otherwise.
    pub member: Option<MemberId>,
    /// How long it lives, in whole seconds, 1 second to 24 hours.
    pub lifetime: Duration,
}

/// A signed token. Prints nothing of itself.
pub struct IssuedToken(Zeroizing<String>);

impl IssuedToken {
    /// The compact JWS.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Plane {
    /// Makes an admin JWT of the built-in realm.
    ///
    /// # Errors
    /// [`crate::error::Denial::OperatorOnly`], no such organization, a lifetime out of range.
    pub async fn issue_local_token(&self, context: &Context, new: NewToken) -> Result<IssuedToken> {
        context.actor.require_operator()?;
        let seconds = i64::try_from(new.lifetime.as_secs()).unwrap_or(i64::MAX);
        let seconds_max = i64::try_from(limits::JWT_LIFETIME_MAX.as_secs()).unwrap_or(i64::MAX);
        if !(1..=seconds_max).contains(&seconds) {
            return Err(Error::invalid("ttl", Problem::OutOfRange(1, seconds_max)));
        }
        let tenant = self.organization(new.tenant).await?;

        let member = new.member.unwrap_or(tenant.created_by);
        let known = self.store.find_member(tenant.id, LOCAL, &member.to_uuid()).await?;
        let now = self.clock.now();
        let audit = self
            .audit_event(context, tenant.id, now, Action::TokenIssued, Target::Member(member))
            .with("lifetime_seconds", seconds);
        self.store.insert_audit_event(Commit::audited(self.seal(audit))).await?;

        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.realms.local_kid.to_string());
        let mut claims = json!({
            "iss": LOCAL_ISSUER,
            "aud": LOCAL_AUDIENCE,
            "sub": member.to_uuid(),
            "tenant_id": tenant.id.to_uuid(),
            "roles": [new.role.as_str()],
            "iat": now.seconds(),
            "exp": now.seconds() + seconds,
            "jti": EventId::generate(&*self.rng, now).to_uuid(),
        });
        if let Some(member) = known {
            if let Some(name) = member.name {
                claims["name"] = name.as_str().into();
            }
            if let Some(email) = member.email {
                claims["email"] = email.as_str().into();
            }
        }
        jsonwebtoken::encode(&header, &claims, &self.realms.local_key)
            .map(|token| IssuedToken(Zeroizing::new(token)))
            .map_err(Error::internal)
    }
}
