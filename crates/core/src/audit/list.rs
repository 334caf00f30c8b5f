//! Reading the trail: an organization its own events, the operator also the plane's.

use super::StoredAuditEvent;
use crate::Plane;
use crate::actor::{Actor, Context};
use crate::clock::Timestamp;
use crate::error::{Denial, Error, Problem, Result};
use crate::ids::{AccountId, EventId};
use crate::limits;
use crate::page::{List, Listed, Page, PageRequest};
use crate::permissions::Right;

/// What narrows the list of events down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// The actor's id.
    pub actor: Option<Box<str>>,
    /// What was done.
    pub action: Option<Box<str>>,
    /// The target's id.
    pub target: Option<Box<str>>,
    /// Not before then.
    pub from: Option<Timestamp>,
    /// Before then.
    pub to: Option<Timestamp>,
}

impl EventFilter {
    fn check(&self) -> Result<()> {
        for (name, text) in
            [("actor", &self.actor), ("action", &self.action), ("target", &self.target)]
        {
            if text.as_ref().is_some_and(|text| text.len() > limits::AUDIT_FILTER_BYTES_MAX) {
                let problem = Problem::TooLarge(limits::AUDIT_FILTER_BYTES_MAX);
                return Err(Error::parameter(name, problem));
            }
        }
        Ok(())
    }

    /// True for an event that the filter leaves in.
    #[must_use]
    pub fn matches(&self, actor: &str, action: &str, target: &str, at: Timestamp) -> bool {
        let is =
            |wanted: &Option<Box<str>>, text: &str| wanted.as_deref().is_none_or(|w| w == text);
        is(&self.actor, actor)
            && is(&self.action, action)
            && is(&self.target, target)
            && self.from.is_none_or(|from| at >= from)
            && self.to.is_none_or(|to| at < to)
    }
}

/// Which events a store is to list.
#[derive(Clone, Debug)]
pub struct AskedEvents {
    /// What narrows them down.
    pub filter: EventFilter,
    /// The event after which they begin.
    pub after: Option<EventId>,
    /// Most events.
    pub limit: u32,
    /// Most events that are looked at for these: a filter that little passes ends early.
    pub scan_max: u32,
}

/// What a store found.
pub struct FoundEvents {
    /// The events, by id.
    pub events: Listed<StoredAuditEvent>,
    /// The event that was looked at last, where there may be more after it.
    pub more_after: Option<EventId>,
}

impl Plane {
    /// A page of the caller's trail, oldest first. One that a filter leaves little of may be short,
    /// or empty, and still have a next one. An event that was altered is left out: its alarm is
    /// raised, and [`Plane::verify_audit_chain`] names it.
    ///
    /// # Errors
    /// A missing permission, [`Denial::OrganizationsOwn`] for a sub-account's credential, a cursor of
    /// another list or of other filters.
    pub async fn list_audit_events(
        &self,
        context: &Context,
        filter: EventFilter,
        request: &PageRequest<'_>,
    ) -> Result<Page<StoredAuditEvent>> {
        let root = self.trail_of(context).await?;
        filter.check()?;
        let time = |at: Option<Timestamp>| at.map(|at| at.micros().to_be_bytes());
        let (from, to) = (time(filter.from), time(filter.to));
        let text = |text: &Option<Box<str>>| text.clone().map(String::from);
        let texts = [&filter.actor, &filter.action, &filter.target].map(text);
        let mut narrowed: Vec<&[u8]> = Vec::new();
        for part in texts
            .iter()
            .map(|text| text.as_deref().map(str::as_bytes))
            .chain([from.as_ref().map(|from| &from[..]), to.as_ref().map(|to| &to[..])])
        {
            // Absent and empty are different filters.
            narrowed.push(if part.is_some() { b"1" } else { b"0" });
            narrowed.push(part.unwrap_or_default());
        }
        let list = List { name: "audit_events", tenant: root, narrowed: &narrowed };
        let after = self.after(&list, request.cursor())?.map(EventId::from_bytes);
        let asked = AskedEvents {
            filter: filter.clone(),
            after,
            limit: request.limit(),
            scan_max: limits::AUDIT_LIST_SCAN_MAX,
        };
        let found = self.store.list_audit_events(root, &asked).await?;
        let mut items = Vec::with_capacity(found.events.len());
        for (_, event) in found.events {
            match event.and_then(|event| event.open(&self.secrets)) {
                Ok(event) => items.push(event),
                Err(Error::Integrity { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let next = found.more_after.map(|last| self.cursor(&list, *last.as_bytes()));
        Ok(Page { items, next })
    }

    /// Whose trail the caller reads. A sub-account's credential reads none: what was done to its
    /// account stands among everybody's events, found by looking through all of them, and what was
    /// done to its keys names the keys.
    pub(super) async fn trail_of(&self, context: &Context) -> Result<AccountId> {
        context.actor.require(Right::AuditRead)?;
        if context.actor.is_sub_account() {
            return Err(Error::Forbidden(Denial::OrganizationsOwn));
        }
        match &context.actor {
            Actor::Operator(operator) => match operator.organization {
                Some(named) => Ok(self.organization(named).await?.id),
                None => Ok(AccountId::PLANE),
            },
            actor => actor.organization(),
        }
    }
}
