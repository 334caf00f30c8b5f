//! What a caller may say about a database of a sub-account's own.

use crate::error::{Problem, Violation};
use crate::limits;
use std::net::IpAddr;
use zeroize::Zeroizing;

/// A customer's database, checked for form. Nothing was dialled.
pub struct NewDatabase {
    /// A host name or IP address.
    pub host: DatabaseHost,
    /// The TCP port.
    pub port: DatabasePort,
    /// The database to make or take over.
    pub name: DatabaseIdentifier,
    /// The root user.
    pub user: DatabaseIdentifier,
    /// The root user's password.
    pub password: DatabasePassword,
}

impl std::fmt::Debug for NewDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewDatabase")
    }
}

/// The parts of a database as a caller sent them.
#[derive(Default)]
pub struct DatabaseParts<'a> {
    /// `db_host`
    pub host: Option<&'a str>,
    /// `db_port`, already a number or its digits.
    pub port: Option<DatabasePort>,
    /// `db_name`
    pub name: Option<&'a str>,
    /// `db_user`
    pub user: Option<&'a str>,
    /// `db_password`
    pub password: Option<&'a str>,
}

impl NewDatabase {
    /// Checks the parts, all of them, so that a caller learns of every fault at once. Fields are
    /// named `database.host` and so on.
    ///
    /// # Errors
    /// Every rule that is broken.
    pub fn parse(parts: &DatabaseParts<'_>) -> Result<Self, Vec<Violation>> {
        let mut violations = Vec::new();
        let host = take(&mut violations, "database.host", parts.host, DatabaseHost::parse);
        let name = take(&mut violations, "database.name", parts.name, |text| {
            DatabaseIdentifier::parse(text).and_then(DatabaseIdentifier::not_reserved)
        });
        let user = take(&mut violations, "database.user", parts.user, DatabaseIdentifier::parse);
        let password =
            take(&mut violations, "database.password", parts.password, DatabasePassword::parse);
        match (host, name, user, password) {
            (Some(host), Some(name), Some(user), Some(password)) if violations.is_empty() => {
                let port = parts.port.unwrap_or(DatabasePort::DEFAULT);
                Ok(Self { host, port, name, user, password })
            }
            _ => Err(violations),
        }
    }
}

fn take<'a, T>(
    violations: &mut Vec<Violation>,
    field: &'static str,
    value: Option<&'a str>,
    parse: impl FnOnce(&'a str) -> Result<T, Problem>,
) -> Option<T> {
    match value.ok_or(Problem::Missing).and_then(parse) {
        Ok(value) => Some(value),
        Err(problem) => {
            violations.push(Violation { field: field.into(), problem });
            None
        }
    }
}

/// A host name of letters, digits and hyphens (RFC 1123 §2.1), or an IP address. No lists, no
/// sockets, no URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseHost(Box<str>);

impl DatabaseHost {
    /// From a text. Names are kept in small letters, since they are the same in any (RFC 4343).
    ///
    /// # Errors
    /// [`Problem::TooLarge`], [`Problem::Malformed`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.len() > limits::DATABASE_HOST_BYTES_MAX {
            return Err(Problem::TooLarge(limits::DATABASE_HOST_BYTES_MAX));
        }
        let is_name = text.split('.').all(is_label)
            // A name whose last label is a number is an IPv4 address in disguise (`127.1`,
            // `0x7f.1`, `2130706433`): resolvers disagree about it, so it is neither.
            && !text.rsplit('.').next().is_some_and(looks_numeric);
        if is_name {
            return Ok(Self(text.to_ascii_lowercase().into()));
        }
        match text.parse::<IpAddr>() {
            Ok(address) => Ok(Self(address.to_canonical().to_string().into())),
            Err(_) => Err(Problem::Malformed),
        }
    }

    /// The address, where it is one and no name.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn looks_numeric(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    label.bytes().all(|b| b.is_ascii_digit())
        || hex.is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A TCP port, 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabasePort(u16);

impl DatabasePort {
    /// PostgreSQL's own.
    pub const DEFAULT: Self = Self(5432);

    /// From a number.
    ///
    /// # Errors
    /// [`Problem::OutOfRange`].
    pub fn from_number(number: i64) -> Result<Self, Problem> {
        match u16::try_from(number) {
            Ok(port) if port != 0 => Ok(Self(port)),
            _ => Err(Problem::OutOfRange(1, 65535)),
        }
    }

    /// From ASCII decimal digits without sign, space or leading zero.
    ///
    /// # Errors
    /// [`Problem::Malformed`] for another form, [`Problem::OutOfRange`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits || text.len() > 5 || text.starts_with('0') {
            return Err(Problem::Malformed);
        }
        Self::from_number(text.parse().map_err(|_| Problem::Malformed)?)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// A database's or role's name that needs no more than quoting: a letter or underscore, then up to
/// 62 letters, digits, `_`, `$` or `-`, so that PostgreSQL never cuts it (its limit is 63 bytes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseIdentifier(Box<str>);

impl DatabaseIdentifier {
    /// From a text.
    ///
    /// # Errors
    /// [`Problem::Malformed`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let mut bytes = text.bytes();
        let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        let rest = bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'-'));
        if first && rest && text.len() <= 63 {
            Ok(Self(text.into()))
        } else {
            Err(Problem::Malformed)
        }
    }

    /// Refuses the databases that every PostgreSQL server has, and its reserved prefix.
    fn not_reserved(self) -> Result<Self, Problem> {
        let lower = self.0.to_ascii_lowercase();
        if ["postgres", "template0", "template1"].contains(&lower.as_str())
            || lower.starts_with("pg_")
        {
            return Err(Problem::Reserved);
        }
        Ok(self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A role's password. Erased when dropped.
#[derive(Clone)]
pub struct DatabasePassword(Zeroizing<String>);

impl std::fmt::Debug for DatabasePassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DatabasePassword")
    }
}

impl DatabasePassword {
    /// From a text.
    ///
    /// # Errors
    /// [`Problem::Blank`], [`Problem::TooLarge`], [`Problem::ForbiddenCharacter`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.is_empty() {
            return Err(Problem::Blank);
        }
        if text.len() > limits::DATABASE_PASSWORD_BYTES_MAX {
            return Err(Problem::TooLarge(limits::DATABASE_PASSWORD_BYTES_MAX));
        }
        if text.contains('\0') {
            return Err(Problem::ForbiddenCharacter);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The plaintext.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_and_addresses_are_accepted() {
        for text in
            ["db", "prod-alpha-007-db-east-1.my-database.com", "10.0.0.1", "::1", "3com.net"]
        {
            assert!(DatabaseHost::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_a_driver_or_resolver_could_read_otherwise_is_refused() {
        for text in [
            "",
            "*",
            "/var/run/postgresql",
            "@abstract",
            "a,b",
            "h?host=x",
            "h user=x",
            "postgres://h/x",
            "h:5432",
            "h/../x",
            "127.1",
            "0x7f.1",
            "2130706433",
            "0",
            "h.",
            "[::1]",
            "fe80::1%eth0",
            "-h",
            "h-",
            "a..b",
            "dätenbank",
            "h\0",
            "10.0.0.256",
        ] {
            assert_eq!(DatabaseHost::parse(text), Err(Problem::Malformed), "{text}");
        }
        assert_eq!(DatabaseHost::parse(&"a.".repeat(150)), Err(Problem::TooLarge(253)));
    }

    #[test]
    fn ports_are_plain_decimal() {
        assert_eq!(DatabasePort::parse("5432"), Ok(DatabasePort(5432)));
        for text in ["", "+5432", "05432", " 5432", "5432abc", "５４３２", "1e3", "-1", "5432.0"]
        {
            assert_eq!(DatabasePort::parse(text), Err(Problem::Malformed), "{text}");
        }
        assert!(DatabasePort::parse("65536").is_err());
        assert!(DatabasePort::parse("0").is_err());
    }

    #[test]
    fn identifiers_need_no_more_than_quoting() {
        let longest = "a".repeat(63);
        for text in ["alpha-007_db", "_x", "A$1", &longest] {
            assert!(DatabaseIdentifier::parse(text).is_ok(), "{text}");
        }
        let too_long = "a".repeat(64);
        for text in [
            "",
            "7a",
            "x\"; DROP DATABASE postgres; --",
            "x options=-c",
            "a b",
            "é",
            "a\\b",
            "u\0o",
            &too_long,
        ] {
            assert_eq!(DatabaseIdentifier::parse(text), Err(Problem::Malformed), "{text}");
        }
        for text in ["postgres", "Template1", "pg_catalog"] {
            let parsed = DatabaseIdentifier::parse(text).expect("an identifier");
            assert_eq!(parsed.not_reserved(), Err(Problem::Reserved), "{text}");
        }
    }

    #[test]
    fn every_missing_part_is_named() {
        let violations = NewDatabase::parse(&DatabaseParts::default()).expect_err("nothing given");
        let fields: Vec<_> = violations.iter().map(|v| v.field.as_ref()).collect();
        assert_eq!(
            fields,
            ["database.host", "database.name", "database.user", "database.password"]
        );
    }
}
