//! The one error type of the rules: a variant per thing that a caller can do about it.

/// Any failure's cause, kept for the log and never shown to a caller.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What an operation answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation was refused or could not be done. A verification's refusal is not here: that
/// is a [`crate::verify::Verdict`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody is known to ask: present another credential.
    #[error("not authenticated: {0}")]
    NotAuthenticated(Unauthenticated),
    /// More than one credential, or one where none belongs: send exactly one, in its header.
    #[error("ambiguous credentials")]
    AmbiguousCredentials,
    /// Known, but not allowed.
    #[error("forbidden: {0}")]
    Forbidden(Denial),
    /// Does not exist, or is not the caller's: the two are not told apart.
    #[error("{0} does not exist")]
    NotFound(Kind),
    /// The input breaks a rule. At least one violation.
    #[error("{}", Violation::join(.0))]
    Invalid(Vec<Violation>),
    /// A parameter of a question, such as a page's cursor, is none that can be asked with.
    #[error("parameter {0}")]
    Parameter(Violation),
    /// A request cannot be read at all.
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    /// Clashes with what is stored.
    #[error("conflict: {0}")]
    Conflict(Conflict),
    /// The request was carried out, and its reply, which showed a secret, is no longer kept.
    #[error("the request was carried out and made {resource}; its secret is not shown again")]
    SecretAlreadyDelivered {
        /// What it made.
        resource: Box<str>,
    },
    /// A cap on how many there may be is reached.
    #[error("limit {limit} of {max} is reached")]
    LimitReached {
        /// Which cap.
        limit: &'static str,
        /// Its value.
        max: u32,
    },
    /// A sub-account would be allowed more concurrent calls than the account above it has to give.
    #[error("{requested} concurrent calls are more than the {available} that can be given")]
    ConcurrencyExceeded {
        /// What was asked for.
        requested: u32,
        /// What is left to give.
        available: u32,
        /// The root account's own limit.
        account_limit: u32,
        /// What its other sub-accounts were given.
        given: u32,
    },
    /// Every concurrent call that there may be is in progress: wait for one to end.
    #[error("all {limit} concurrent calls are in progress")]
    CallsExceeded {
        /// How many there may be.
        limit: u32,
        /// How many there are; more where the limit was lowered.
        in_use: u32,
    },
    /// A window of time has as many requests as it may have: wait.
    #[error("the rate limit is reached")]
    RatesExceeded(Vec<crate::rates::Metered>),
    /// The uses that a key was given are spent.
    #[error("no uses are left")]
    UsesExceeded,
    /// A lease has expired or was given back: it holds nothing.
    #[error("the lease has ended")]
    LeaseEnded,
    /// Too many wrong credentials: wait, and present a good one.
    #[error("too many credentials that open nothing")]
    RateLimited {
        /// Whose budget for them is spent.
        budget: crate::verify::Budget,
        /// How long to wait.
        retry_after: std::time::Duration,
    },
    /// A database of the sub-account's own cannot be made as it was asked for. Nothing was made.
    #[error("{0}")]
    Database(DatabaseRefusal),
    /// The servers that one organization names are not dialled as often as that: wait.
    #[error("too many databases were asked for")]
    DialsExceeded {
        /// How long to wait.
        retry_after: std::time::Duration,
    },
    /// One account's own database does not answer; all others do.
    #[error("the account's database does not answer")]
    TenantDatabaseUnavailable,
    /// A file of the product's schema fails in a tenant database, which stays as it was before it.
    #[error("migration {version} fails with {code}")]
    MigrationFailed {
        /// The file's version.
        version: u64,
        /// The server's SQLSTATE.
        code: Box<str>,
    },
    /// The store has no room left: free some.
    #[error("the store is full")]
    StorageFull,
    /// A stored row is not what its writer sealed. Logged as an alarm; the row is not used.
    #[error("row {id} of {table} fails its integrity check: {problem}")]
    Integrity {
        /// The table.
        table: &'static str,
        /// The row's id, printed.
        id: String,
        /// Which rule it breaks.
        problem: &'static str,
    },
    /// Something that is needed does not answer: try again later.
    #[error("the store is unavailable")]
    Unavailable(#[source] BoxError),
    /// The store did not answer whether it made a change: ask again with the same `Idempotency-Key`,
    /// or look.
    #[error("the change took too long; whether it was made is not known")]
    OutcomeUnknown(#[source] BoxError),
    /// A defect.
    #[error("internal error")]
    Internal(#[source] BoxError),
}

impl Error {
    /// The refusal of one field.
    #[must_use]
    pub fn invalid(field: impl Into<std::borrow::Cow<'static, str>>, problem: Problem) -> Self {
        Self::Invalid(vec![Violation { field: field.into(), problem }])
    }

    /// The refusal of one parameter of a question.
    #[must_use]
    pub fn parameter(name: &'static str, problem: Problem) -> Self {
        Self::Parameter(Violation { field: name.into(), problem })
    }

    /// A failure of something outside the rules.
    pub fn unavailable(cause: impl Into<BoxError>) -> Self {
        Self::Unavailable(cause.into())
    }

    /// A change that was sent and not answered, with what came instead.
    pub fn outcome_unknown(cause: impl Into<BoxError>) -> Self {
        Self::OutcomeUnknown(cause.into())
    }

    /// A defect, with its cause.
    pub fn internal(cause: impl Into<BoxError>) -> Self {
        Self::Internal(cause.into())
    }
}

/// Why nobody is known to ask. Strangers see the first two told apart and nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// No credential was presented.
    #[error("no credential")]
    Missing,
    /// What was presented does not open anything, for whatever reason.
    #[error("invalid credential")]
    Invalid,
    /// An admin JWT lives longer than its realm allows.
    #[error("the token's lifetime is too long")]
    TokenTooLongLived,
}

/// Why a known caller is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The named permission is missing.
    #[error("permission {0} is missing")]
    Permission(crate::permissions::Right),
    /// Sub-accounts have no sub-accounts.
    #[error("sub-accounts do not nest")]
    SubAccountsDoNotNest,
    /// The organization has no such entitlement.
    #[error("the organization is not entitled to {0}")]
    NotEntitled(crate::accounts::Entitlement),
    /// A grant would exceed what the grantor has.
    #[error("nobody grants permissions that they lack")]
    GrantExceedsOwn,
    /// A key would end later than the key that makes or prolongs it.
    #[error("no key outlives the key that makes or prolongs it")]
    EndExceedsOwn,
    /// A key with limits of its own would make or free another one.
    #[error("a key that is limited makes and frees no others")]
    LimitsExceedOwn,
    /// The token's roles allow nothing here.
    #[error("the role tenant_admin or super_admin is required")]
    Role,
    /// The tenant is not the token's.
    #[error("the tenant is not the token's")]
    TenantMismatch,
    /// Only the operator, on the machine itself, does this.
    #[error("only the operator does this")]
    OperatorOnly,
    /// Status and limits of an account are for whoever is above it.
    #[error("nobody changes the status or the limits of their own account")]
    OwnAccount,
    /// Only the organization's own credentials do this, not its sub-accounts'.
    #[error("only the organization's own credentials do this")]
    OrganizationsOwn,
    /// The credential that is to be acted for does not verify.
    #[error("the credential is {}", .0.as_str())]
    CredentialRefused(crate::verify::Code),
    /// Asks for an organization, and the caller names none.
    #[error("no organization is named")]
    NoOrganization,
    /// The client sent an id, which only the server draws.
    #[error("ids are drawn by the server")]
    ClientGeneratedId,
}

/// Kinds of things that may not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Kind {
    /// An account.
    #[error("account")]
    Account,
    /// An API key.
    #[error("key")]
    Key,
    /// A member.
    #[error("member")]
    Member,
    /// A service account.
    #[error("service account")]
    ServiceAccount,
    /// A secret of a service account.
    #[error("client secret")]
    ClientSecret,
    /// A realm.
    #[error("realm")]
    Realm,
    /// A lease.
    #[error("lease")]
    Lease,
    /// A tenant database.
    #[error("database")]
    Database,
    /// A path that the server does not know.
    #[error("path")]
    Path,
}

/// How something clashes with what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Somebody else changed the record in between.
    #[error("the record has changed")]
    Changed,
    /// A unique value is taken.
    #[error("a unique value is taken")]
    Taken,
    /// The plane already has its first organization.
    #[error("already initialized")]
    AlreadyInitialized,
    /// A closed account stays closed.
    #[error("the account is closed")]
    Closed,
    /// The account, or the one above it, is suspended.
    #[error("the account is suspended")]
    Suspended,
    /// The sub-accounts were given more concurrent calls than the account would have.
    #[error("the sub-accounts were given more concurrent calls")]
    GivenAway,
    /// The account's database is still being made.
    #[error("the account is still being provisioned")]
    Provisioning,
    /// The organization is suspended or closed.
    #[error("the organization is not active")]
    NotActive,
    /// The database is reached with the customer's own credentials, which only the customer changes.
    #[error("the database's credentials are the customer's own")]
    DatabaseGiven,
    /// The login that was replaced goes on.
    #[error("the login that was replaced goes on")]
    Rotating,
    /// The same `Idempotency-Key` came with another body.
    #[error("the Idempotency-Key was used with another body")]
    IdempotencyKeyReused,
    /// The first request with this `Idempotency-Key` has not ended.
    #[error("a request with this Idempotency-Key is under way")]
    IdempotencyKeyInUse,
    /// Another node carried the same request out in the meantime: its reply is there.
    #[error("the request was carried out in the meantime")]
    Repeated,
    /// A revoked key stays revoked.
    #[error("the key is revoked")]
    KeyRevoked,
    /// A key that has ended stays ended.
    #[error("the key has expired")]
    KeyExpired,
    /// A key that was rotated is not rotated again: its successor is.
    #[error("the key was rotated already")]
    KeySuperseded,
    /// The next signing key is made already.
    #[error("the next signing key is published and does not sign yet")]
    KeyPending,
    /// The resource named in the request has another type.
    #[error("the resource type does not belong to this collection")]
    WrongType,
}

impl From<Conflict> for Error {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

/// Why a database of a sub-account's own cannot be made. Never the server's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseRefusal {
    /// The host is none that may be dialled.
    #[error("the database's host is not allowed")]
    HostNotAllowed,
    /// Nobody answers there, or not as PostgreSQL does, or not to this user and password.
    #[error("the database cannot be reached, or does not take the user and the password")]
    Unreachable,
    /// There is a database of this name that is not empty, not the user's, or an account's.
    #[error("the database exists and cannot be taken over")]
    Exists,
    /// The user may not make what is needed.
    #[error("the database's user may not make databases")]
    Rights,
    /// The server does not do what it is asked.
    #[error("the database could not be made")]
    Failed,
    /// The operator offers no server for it.
    #[error("no server is there to make the database on")]
    NotOffered,
}

impl From<DatabaseRefusal> for Error {
    fn from(refusal: DatabaseRefusal) -> Self {
        Self::Database(refusal)
    }
}

/// One field and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field's name in the domain, with dots between levels. Surfaces map it to their own.
    pub field: std::borrow::Cow<'static, str>,
    /// The broken rule.
    pub problem: Problem,
}

impl Violation {
    fn join(violations: &[Self]) -> String {
        let texts: Vec<String> = violations.iter().map(ToString::to_string).collect();
        texts.join("; ")
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.field, self.problem)
    }
}

/// A broken rule. The texts follow the field's name and never hold the rejected value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A required field is absent.
    #[error("is required")]
    Missing,
    /// A value of another JSON type.
    #[error("must be {0}")]
    WrongType(&'static str),
    /// Nothing that could be seen.
    #[error("must not be blank")]
    Blank,
    /// Too many characters.
    #[error("must have at most {0} characters")]
    TooLong(usize),
    /// Too many bytes.
    #[error("must have at most {0} bytes")]
    TooLarge(usize),
    /// Too many elements.
    #[error("must have at most {0} entries")]
    TooMany(usize),
    /// Control, NUL or text-direction characters.
    #[error("must not contain control or text-direction characters")]
    ForbiddenCharacter,
    /// A number outside its range.
    #[error("must be between {0} and {1}")]
    OutOfRange(i64, i64),
    /// A field that only the server sets.
    #[error("is set by the server")]
    ServerSet,
    /// Not of the field's form.
    #[error("is not well-formed")]
    Malformed,
    /// Not of the permission's form, or a permission of Tenantry that does not exist.
    #[error("is not a known permission")]
    UnknownPermission,
    /// A time that has passed.
    #[error("must be in the future")]
    NotInFuture,
    /// An end that lies before its start.
    #[error("must not be before the start")]
    BeforeStart,
    /// An end that lies too far after its start.
    #[error("must be at most {0} days after the start")]
    TooLate(u64),
    /// A value that another entry has.
    #[error("is there twice")]
    Repeated,
    /// A permission that the client does not have.
    #[error("is more than the client may do")]
    NotGranted,
    /// A private or symmetric key.
    #[error("must be a public key: this one is private, and now known to others")]
    PrivateKey,
    /// Something that takes too long to be one of many.
    #[error("must be asked for in a request of its own")]
    NotInBulk,
    /// A name that is set apart.
    #[error("is reserved")]
    Reserved,
}
