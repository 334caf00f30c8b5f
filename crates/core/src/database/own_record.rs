//! A sub-account's own record, which lives in its database and only there: profile and metadata.

use super::record::{DatabaseState, TenantDatabase};
use super::servers::{Names, Refused};
use crate::Plane;
use crate::accounts::{Account, Profile};
use crate::error::{Error, Problem, Result};
use crate::ids::AccountId;
use crate::json::{self, Json};
use crate::text::{Line, Metadata, Name};

/// What a sub-account's database has of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnRecord {
    /// Its name, which the plane's store has too.
    pub name: Name,
    /// Its profile.
    pub profile: Profile,
    /// The caller's own object.
    pub metadata: Metadata,
}

impl OwnRecord {
    /// The record of an account as its maker sees it.
    #[must_use]
    pub fn of(account: &Account) -> Self {
        Self {
            name: account.name.clone(),
            profile: account.profile.clone(),
            metadata: account.metadata.clone(),
        }
    }

    /// What the plane's own store has of such an account: none of this but the name.
    #[must_use]
    pub fn without(mut account: Account) -> Account {
        account.profile = Profile::default();
        account.metadata = Metadata::empty();
        account
    }

    /// The account as its maker sees it.
    #[must_use]
    pub fn with(self, mut account: Account) -> Account {
        account.profile = self.profile;
        account.metadata = self.metadata;
        account
    }

    /// The profile as a JSON object, of the attributes that are there.
    #[must_use]
    pub fn profile_text(&self) -> String {
        let text = |text: &str| Json::String(text.to_owned());
        let there = self.profile.iter().filter_map(|(name, value)| Some((name, value?)));
        Json::Object(there.map(|(name, value)| (name.to_owned(), text(value))).collect()).to_text()
    }

    /// A record from the parts in which it is stored.
    ///
    /// # Errors
    /// The part that is none: whoever owns the database may have written it.
    pub fn from_parts(name: &str, profile: &str, metadata: &str) -> Result<Self, &'static str> {
        let parsed = json::parse(profile.as_bytes()).map_err(|_| "profile")?;
        if !matches!(parsed, Json::Object(_)) {
            return Err("profile");
        }
        let mut profile = Profile::default();
        for (index, field) in Profile::FIELDS.iter().enumerate() {
            let value = match parsed.get(field) {
                None | Some(Json::Null) => None,
                Some(Json::String(text)) => {
                    Some(Line::parse_paragraph(text).map_err(|_| "profile")?)
                }
                Some(_) => return Err("profile"),
            };
            profile.set(index, value);
        }
        Ok(Self {
            name: Name::parse(name).map_err(|_| "name")?,
            profile,
            metadata: Metadata::from_stored(metadata).map_err(|_: Problem| "metadata")?,
        })
    }

    /// The record in one text, for the time until its database is there.
    pub(super) fn to_text(&self) -> String {
        let parts = [self.name.as_str(), &self.profile_text(), self.metadata.as_str()];
        Json::Array(parts.map(|part| Json::String(part.to_owned())).to_vec()).to_text()
    }

    /// Reads that text.
    pub(super) fn from_text(text: &[u8]) -> Result<Self> {
        let broken = || Error::internal("a record on its way cannot be read");
        let Ok(Json::Array(parts)) = json::parse(text) else { return Err(broken()) };
        let part = |index: usize| parts.get(index).and_then(Json::as_str).ok_or_else(broken);
        Self::from_parts(part(0)?, part(1)?, part(2)?).map_err(|_| broken())
    }
}

impl Plane {
    /// The account with what only its own database has of it; any other account as it is.
    pub(crate) async fn with_own_record(&self, account: Account) -> Result<Account> {
        let Some(database) = self.database_of(account.root(), account.id).await? else {
            return Ok(account);
        };
        Ok(self.own_record(&database).await?.with(account))
    }

    /// Reads the record of the account that `database` belongs to.
    pub(super) async fn own_record(&self, database: &TenantDatabase) -> Result<OwnRecord> {
        if database.state != DatabaseState::Active {
            return match &database.pending {
                Some(sealed) => {
                    let key = self.secrets.open_data_key(database.account, &database.key)?;
                    OwnRecord::from_text(&key.open(database.account, PENDING, sealed)?)
                }
                // Nothing is left of it.
                None => Err(unavailable(&Refused::Failed("it is not in use".into()), database)),
            };
        }
        let login = self.open_login(database)?;
        let names = Names::of(database);
        let servers = self.database_servers()?;
        let _turn = self.databases.enter(database.account).await?;
        let read = servers.read_record(login.access(database), &names).await;
        self.databases.note(database.account, &read);
        read.map_err(|refused| unavailable(&refused, database))
    }

    /// Changes the record of an account that has a database, and says what `change` said of it.
    pub(crate) async fn change_own_record<T: Send>(
        &self,
        (root, account): (AccountId, AccountId),
        change: impl Fn(&mut OwnRecord) -> T + Send,
    ) -> Result<Option<(OwnRecord, T)>> {
        let Some(database) = self.database_of(root, account).await? else { return Ok(None) };
        Self::require_active(&database)?;
        let before = self.own_record(&database).await?;
        let mut record = before.clone();
        let said = change(&mut record);
        if record == before {
            return Ok(Some((record, said)));
        }
        let login = self.open_login(&database)?;
        let names = Names::of(&database);
        let servers = self.database_servers()?;
        let _turn = self.databases.enter(account).await?;
        let written = servers.write_record(login.access(&database), &names, &record).await;
        self.databases.note(account, &written);
        match written {
            Ok(()) => Ok(Some((record, said))),
            Err(refused) => Err(unavailable(&refused, &database)),
        }
    }
}

/// The name that a record on its way is sealed under.
pub(super) const PENDING: &str = "pending";

/// That one account's database does not answer: everybody else's calls go on.
pub(super) fn unavailable(refused: &Refused, database: &TenantDatabase) -> Error {
    tracing::warn!(account = %database.account, why = refused.word(), cause = ?refused,
        "a tenant database does not answer");
    Error::TenantDatabaseUnavailable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_on_its_way_reads_back_and_one_that_somebody_broke_is_refused() {
        let mut profile = Profile::default();
        profile.set(2, Some(Line::parse("\"NL\" & more").expect("a line")));
        let record = OwnRecord {
            name: Name::parse("München").expect("a name"),
            profile,
            metadata: Metadata::from_stored(r#"{"a":[1.50,"\n"]}"#).expect("an object"),
        };
        let text = record.to_text();
        assert_eq!(OwnRecord::from_text(text.as_bytes()).expect("read"), record);
        assert!(OwnRecord::from_text(b"[]").is_err());
        for (name, profile, metadata, part) in [
            ("", "{}", "{}", "name"),
            ("a", "{\"city\":1}", "{}", "profile"),
            ("a", "[", "{}", "profile"),
            ("a", "[1]", "{}", "profile"),
            ("a", "{}", "[]", "metadata"),
        ] {
            assert_eq!(OwnRecord::from_parts(name, profile, metadata), Err(part));
        }
    }
}
