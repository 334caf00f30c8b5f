//! Every limit that the rules hold, by name and unit (security.md §9 of the design; the operator's
//! page `docs/operating/limits.md` lists them with the server's own).

use std::time::Duration;

/// Sub-accounts' concurrent calls where neither the account nor its root account says otherwise.
pub const CONCURRENT_CALLS_DEFAULT: u32 = 10;
/// Most concurrent calls that a limit may name.
pub const CONCURRENT_CALLS_MAX: u32 = 1_000_000;
/// Shortest life of a lease that is not renewed.
pub const LEASE_TTL_MIN: Duration = Duration::from_secs(5);
/// Longest life of a lease that is not renewed.
pub const LEASE_TTL_MAX: Duration = Duration::from_hours(1);
/// Concurrent calls of one root account's tree, whatever its limits say.
pub const LEASES_PER_ROOT_MAX: u32 = 10_000;
/// Longest request id of a lease, in characters.
pub const LEASE_REQUEST_ID_BYTES_MAX: usize = 128;
/// How long a lease that has ended is remembered, by the end that it was to have at the latest.
pub const LEASE_ENDED_KEPT: Duration = Duration::from_hours(1);
/// Leases that one sweep forgets.
pub const LEASE_SWEEP_MAX: u32 = 1_000;
/// How often leases are swept.
pub const LEASE_SWEEP_EVERY: Duration = Duration::from_secs(30);
/// When whoever found every slot taken may try again.
pub const LEASE_RETRY_AFTER: Duration = Duration::from_secs(1);
/// Longest call that a record tells of.
pub const CALL_DURATION_MAX: Duration = Duration::from_hours(24 * 32);
/// Highest single cost of a call, in cents.
pub const CALL_COST_CENTS_MAX: u32 = 1_000_000_000;
/// Providers of one kind in the record of a call.
pub const CALL_PROVIDERS_MAX: usize = 32;
/// Rates that hold for one key or account at once.
pub const RATES_MAX: usize = 4;
/// Highest limit of a rate.
pub const RATE_LIMIT_MAX: u32 = 1_000_000;
/// Most requests a second of a rate, in the long run: an interval is at least ten microseconds, and
/// rounding it up to whole ones costs a tenth at most.
pub const RATE_PER_SECOND_MAX: u32 = 100_000;
/// Longest window of a rate.
pub const RATE_WINDOW_MAX: Duration = Duration::from_hours(24 * 31);
/// Most that one request counts.
pub const COST_MAX: u32 = 1_000_000;
/// Windows of rates that a node remembers; a window that was not spent from for its own length is
/// forgotten. Beyond that nobody new who has a rate is let in.
pub const RATE_METERS_MAX: usize = 1_048_576;
/// How often shared rate limits that do not answer are tried.
pub const SHARED_METERS_RETRY_EVERY: Duration = Duration::from_secs(1);
/// Most uses that a key may be given.
pub const USES_MAX: u64 = 1_000_000_000_000;
/// Shortest time after which uses come back.
pub const USES_REFILL_MIN: Duration = Duration::from_mins(1);
/// Longest time after which uses come back.
pub const USES_REFILL_MAX: Duration = Duration::from_hours(24 * 366);
/// Most uses that a node draws at once, unless one request needs more: what a node that dies loses.
pub const USES_BLOCK_MAX: u64 = 256;
/// Of the uses that are left, a node draws one of so many parts.
pub const USES_PARTS: u64 = 16;
/// Lines of keys whose uses a node holds blocks of; for others it draws what each request needs.
pub const USES_BLOCKS_MAX: usize = 262_144;
/// How soon the store is asked again for uses of which it had none.
pub const USES_ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// For how long a block is not spent from before what is left of it is given back.
pub const USES_IDLE_AFTER: Duration = Duration::from_mins(1);
/// Blocks that are given back in one transaction.
pub const USES_RETURN_BATCH: usize = 500;
/// Most service accounts of one account, an organization or a sub-account, unless configured.
pub const SERVICE_ACCOUNTS_MAX: u32 = 100;
/// Most keys of one account that live at once, unless configured.
pub const KEYS_MAX: u32 = 10;
/// Longest grace of a rotated credential.
pub const ROTATION_GRACE_MAX: Duration = Duration::from_hours(30 * 24);
/// Credentials of one line that are looked at when it is rotated or ended; two at most may verify.
pub const LINEAGE_LIVE_MAX: u32 = 16;
/// Secrets of one service account that live at once.
pub const CLIENT_SECRETS_MAX: usize = 2;
/// Living secrets of one service account that are looked at: more than there can be.
pub const SECRETS_SEEN_MAX: u32 = 16;
/// Most permissions of one credential or service account.
pub const PERMISSIONS_MAX: usize = 64;
/// Longest segment of a permission, in bytes.
pub const PERMISSION_SEGMENT_BYTES_MAX: usize = 64;
/// Longest name, in Unicode scalar values after NFC.
pub const NAME_CHARS_MAX: usize = 100;
/// Longest profile attribute, in Unicode scalar values.
pub const PROFILE_CHARS_MAX: usize = 200;
/// Largest metadata object, in bytes of compact JSON.
pub const METADATA_BYTES_MAX: usize = 16 * 1024;
/// Most networks in a credential's allow-list.
pub const ALLOWED_IPS_MAX: usize = 64;
/// Deepest nesting of a JSON document from outside.
pub const JSON_DEPTH_MAX: usize = 16;
/// Most values (members and elements counted) of a JSON document from outside.
pub const JSON_NODES_MAX: usize = 256;
/// Longest credential that is looked at, in bytes.
pub const CREDENTIAL_BYTES_MAX: usize = 128;
/// Longest JWT that is looked at, in bytes.
pub const JWT_BYTES_MAX: usize = 8 * 1024;
/// Longest access token of this plane that is looked at, in bytes: one with the most permissions.
pub const ACCESS_TOKEN_BYTES_MAX: usize = 16 * 1024;
/// How long an access token lives.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_mins(10);
/// Access tokens held by the verify cache.
pub const ACCESS_TOKEN_CACHE_ENTRIES: usize = 100_000;
/// Clients held by the verify cache.
pub const CLIENT_CACHE_ENTRIES: usize = 100_000;
/// How long whoever reads the published keys may keep them.
pub const JWKS_MAX_AGE: Duration = Duration::from_mins(5);
/// How much longer than that a key is published before it signs.
pub const SIGNING_KEY_MARGIN: Duration = Duration::from_mins(5);
/// Age at which a signing key gets a successor, unless configured.
pub const SIGNING_KEY_AGE: Duration = Duration::from_hours(24 * 90);
/// Least such age.
pub const SIGNING_KEY_AGE_MIN: Duration = Duration::from_hours(24);
/// Signing keys that are looked at, the newest ones.
pub const SIGNING_KEYS_MAX: u32 = 16;
/// How often a node reads the signing keys.
pub const SIGNING_KEYS_RELOAD_EVERY: Duration = Duration::from_mins(1);
/// How long it waits before it tries again where it could not.
pub const SIGNING_KEYS_RETRY_AFTER: Duration = Duration::from_secs(1);
/// Most keys that a client may prove itself with.
pub const CLIENT_KEYS_MAX: usize = 4;
/// Longest `kid` of such a key, in bytes.
pub const KID_BYTES_MAX: usize = 128;
/// Longest member of such a key, in base64url characters: a modulus of 4,096 bits.
pub const JWK_MEMBER_BYTES_MAX: usize = 683;
/// How long after it was issued an assertion can be used. With a clock that is ahead by
/// [`JWT_LEEWAY`], five minutes.
pub const ASSERTION_AGE_MAX: Duration = Duration::from_secs(270);
/// Longest `jti` of an assertion, in bytes.
pub const ASSERTION_ID_BYTES_MAX: usize = 256;
/// Most resources that one token may be for.
pub const RESOURCES_MAX: usize = 5;
/// Longest URI of such a resource, in bytes.
pub const RESOURCE_BYTES_MAX: usize = 256;
/// Revoked tokens, and assertions that were used, that one sweep forgets.
pub const TOKEN_SWEEP_MAX: u32 = 1_000;
/// How often they are swept, and the signing keys looked after.
pub const TOKEN_SWEEP_EVERY: Duration = Duration::from_mins(1);
/// How far a realm's clock may be off.
pub const JWT_LEEWAY: Duration = Duration::from_secs(30);
/// Longest life of an admin JWT, `exp - iat`.
pub const JWT_LIFETIME_MAX: Duration = Duration::from_hours(24);
/// Most realms of one organization's own.
pub const REALMS_MAX: u32 = 10;
/// Longest issuer, audience or URL of a realm, in bytes.
pub const ISSUER_BYTES_MAX: usize = 512;
/// Most names on the way to a claim.
pub const CLAIM_NAMES_MAX: usize = 8;
/// Longest name of a claim, in bytes.
pub const CLAIM_NAME_BYTES_MAX: usize = 128;
/// Realms of organizations whose keys a node remembers.
pub const REALM_CACHE_ENTRIES: usize = 1024;
/// Most keys of a realm's set.
pub const KEY_SET_KEYS_MAX: usize = 64;
/// Most values in such a set, or in the document that names it.
pub const KEY_SET_NODES_MAX: usize = 4096;
/// Most bytes of either.
pub const KEY_SET_BYTES_MAX: usize = 256 * 1024;
/// How long fetching one may take, from the name's look-up to the last byte.
pub const KEY_SET_DEADLINE: Duration = Duration::from_secs(3);
/// How long a set is used without being asked for again.
pub const KEY_SET_FRESH: Duration = Duration::from_mins(5);
/// How often a set is asked for at most.
pub const KEY_SET_ASK_EVERY: Duration = Duration::from_mins(1);
/// How long a set is used that cannot be had again.
pub const KEY_SET_STALE_MAX: Duration = Duration::from_hours(1);
/// How long an unknown credential is remembered as unknown.
pub const NOT_FOUND_TTL: Duration = Duration::from_secs(1);
/// Unknown credentials remembered at once.
pub const NOT_FOUND_ENTRIES_MAX: usize = 65_536;
/// Credentials held by the verify cache unless configured.
pub const VERIFY_CACHE_ENTRIES: usize = 1_000_000;
/// Credentials whose last use is remembered between two flushes.
pub const LAST_USED_ENTRIES_MAX: usize = 1_000_000;
/// Last-used times written in one transaction.
pub const LAST_USED_BATCH: usize = 500;
/// Last-used times written in one flush; the rest waits for the next.
pub const LAST_USED_FLUSH_MAX: usize = 50_000;
/// How often last-used times are written.
pub const LAST_USED_FLUSH_EVERY: Duration = Duration::from_secs(15);
/// Counts of verifications, each of one credential, code and hour, that are kept between two flushes.
pub const USAGE_ENTRIES_MAX: usize = 1_000_000;
/// Counts that are taken for one flush; the rest waits for the next.
pub const USAGE_FLUSH_MAX: usize = 50_000;
/// Counts in one batch.
pub const USAGE_BATCH: usize = 500;
/// How long a node's last batch is remembered.
pub const USAGE_FLUSHES_KEPT: Duration = Duration::from_hours(24);
/// Records of calls that are added to the sums in one transaction.
pub const USAGE_ROLL_MAX: u32 = 500;
/// Amounts that they may come to, unless one alone does.
pub const USAGE_ROLL_ROWS_MAX: usize = 5_000;
/// Such transactions at a time.
pub const USAGE_ROLLS_MAX: u32 = 100;
/// How long records of calls, and sums by hour, are kept.
pub const USAGE_HOURS_KEPT: Duration = Duration::from_hours(24 * 93);
/// How long sums by day are kept.
pub const USAGE_DAYS_KEPT: Duration = Duration::from_hours(24 * 800);
/// Rows of each kind that one sweep of usage forgets.
pub const USAGE_SWEEP_MAX: u32 = 1_000;
/// How often usage is swept.
pub const USAGE_SWEEP_EVERY: Duration = Duration::from_mins(10);
/// Statuses, and providers of one kind, that are told of one group of sums; the rest are one sum.
pub const USAGE_NAMES_MAX: u32 = 100;
/// How often a store that refuses changes is tried, until it takes one.
pub const WRITE_PROBE_EVERY: Duration = Duration::from_secs(1);
/// Sub-accounts in one bulk create.
pub const BULK_ACCOUNTS_MAX: usize = 1_000;
/// Most values of a JSON document on a bulk route.
pub const BULK_JSON_NODES_MAX: usize = 20_000;
/// Entries in one page of a list.
pub const LIST_PAGE_MAX: u32 = 100;
/// Sub-accounts in one numbered page of the sub-accounts dialect.
pub const SUB_ACCOUNTS_PAGE_MAX: u32 = 1_000;
/// Highest number of such a page.
pub const SUB_ACCOUNTS_PAGES_MAX: u32 = 1_000_000;
/// Longest period that one question about usage covers.
pub const USAGE_PERIOD_MAX: Duration = Duration::from_hours(24 * 32);
/// The same, of whole days that are not asked for hour by hour.
pub const USAGE_DAYS_PERIOD_MAX: Duration = Duration::from_hours(24 * 400);
/// Service accounts in one numbered page of the service-accounts dialect, unless asked for.
pub const SERVICE_ACCOUNTS_PAGE_DEFAULT: u32 = 20;
/// Highest number of such a page.
pub const SERVICE_ACCOUNTS_PAGES_MAX: u32 = 1_000_000;
/// Longest cursor that is looked at, in characters.
pub const CURSOR_BYTES_MAX: usize = 64;
/// Attempts at a change that another change overtook, or at a name or id that was taken.
pub const RETRIES_MAX: u32 = 8;
/// Longest password of a customer's database, in bytes.
pub const DATABASE_PASSWORD_BYTES_MAX: usize = 1024;
/// Longest host name of a customer's database, in bytes (RFC 1035 §2.3.4).
pub const DATABASE_HOST_BYTES_MAX: usize = 253;
/// Wrong credentials of one client address (IPv6: one /64) a second, in the long run.
pub const MISSES_PER_ADDRESS_PER_SECOND: u32 = 20;
/// Unknown keys a second that one caller of the verify call may ask about, in the long run, where
/// it does not name the end client's address.
pub const MISSES_PER_CALLER_PER_SECOND: u32 = 500;
/// Look-ups a second that find nothing, of all bearers together and of all questions together,
/// unless configured.
pub const MISSES_PER_SECOND_MAX: u32 = 2_000;
/// Seconds' worth of misses that may come at once.
pub const MISS_BURST_SECONDS: f64 = 10.0;
/// Sources of wrong credentials that are told apart at once.
pub const MISS_SOURCES_MAX: usize = 65_536;
/// Credentials remembered as good for a look-up although their address's budget is spent.
pub const FAMILIAR_ENTRIES_MAX: usize = 65_536;
/// Shortest `Idempotency-Key`, in characters.
pub const IDEMPOTENCY_KEY_BYTES_MIN: usize = 16;
/// Longest `Idempotency-Key`, in characters.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// How long a request with an `Idempotency-Key` is remembered.
pub const IDEMPOTENCY_TTL: Duration = Duration::from_hours(24);
/// How long its reply is kept where that shows a secret.
pub const IDEMPOTENCY_SECRET_TTL: Duration = Duration::from_mins(10);
/// How long the repetition of a request that is under way waits for it.
pub const IDEMPOTENCY_WAIT_MAX: Duration = Duration::from_secs(5);
/// Requests under way at which ended ones are forgotten.
pub const IDEMPOTENCY_TURNS_SWEPT_AT: usize = 4_096;
/// Kept replies that one sweep erases or forgets.
pub const IDEMPOTENCY_SWEEP_MAX: u32 = 1_000;
/// How often kept replies are swept.
pub const IDEMPOTENCY_SWEEP_EVERY: Duration = Duration::from_secs(30);
/// Shortest key of another system that is looked at, in characters.
pub const FOREIGN_KEY_BYTES_MIN: usize = 16;
/// Foreign hashes in one import.
pub const IMPORT_KEYS_MAX: usize = 1_000;
/// Most values of a JSON document on the import route.
pub const IMPORT_JSON_NODES_MAX: usize = 20_000;
/// Longest text of a slow hash, in bytes.
pub const FOREIGN_HASH_BYTES_MAX: usize = 256;
/// Longest HMAC key of another system, in bytes.
pub const FOREIGN_HMAC_KEY_BYTES_MAX: usize = 128;
/// HMAC keys of other systems in one plane: each costs every foreign key a look-up.
pub const FOREIGN_HMAC_KEYS_MAX: usize = 8;
/// Shortest beginning by which a slow hash is found, in characters.
pub const FOREIGN_LOOK_UP_BYTES_MIN: usize = 6;
/// Longest beginning by which a slow hash is found, in characters.
pub const FOREIGN_LOOK_UP_BYTES_MAX: usize = 64;
/// Beginnings of a presented key that are looked up.
pub const FOREIGN_LOOK_UPS_MAX: usize = 4;
/// Highest cost of a bcrypt hash, as its exponent.
pub const FOREIGN_BCRYPT_COST_MAX: u32 = 14;
/// Most memory of a scrypt hash, in bytes.
pub const FOREIGN_SCRYPT_BYTES_MAX: u32 = 128 * 1024 * 1024;
/// Most work of an argon2id hash: memory in KiB times passes.
pub const FOREIGN_ARGON2_WORK_KIB_MAX: u32 = 256 * 1024;
/// Slow hashes that are checked at the same time.
pub const FOREIGN_CHECKS_MAX: usize = 2;
/// Slow hashes that wait to be checked.
pub const FOREIGN_CHECKS_WAITING_MAX: usize = 64;
/// How long what kinds of hashes were imported is believed.
pub const FOREIGN_KINDS_TTL: Duration = Duration::from_secs(1);
/// How old what a node answers from its cache may be, unless configured: the bound within which a
/// revocation holds everywhere.
pub const MAX_STALENESS: Duration = Duration::from_secs(5);

/// What the operator may set it to: time enough to read the change log more than once, and no more
/// than one would wait for a key to stop.
pub const MAX_STALENESS_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(3)..=Duration::from_mins(1);
/// How often a node reads the change log.
pub const CHANGE_POLL_EVERY: Duration = Duration::from_secs(1);
/// How soon it reads it again after a failure.
pub const CHANGE_POLL_RETRY: Duration = Duration::from_millis(250);
/// The shortest time between two readings, whatever hints come.
pub const CHANGE_POLL_PAUSE: Duration = Duration::from_millis(25);
/// Rows of one shard of the change log that are read at once.
pub const CHANGE_ROWS_MAX: u32 = 4_096;
/// Places of one shard ahead of the log that a node remembers rows to have been read at.
pub const CHANGE_CLAIMS_MAX: usize = 1_024;
/// How long rows of the change log are kept. A node that was away for longer starts over.
pub const CHANGE_LOG_TTL: Duration = Duration::from_hours(1);
/// Rows of one shard that are pruned at once.
pub const CHANGE_PRUNE_MAX: u32 = 1_000;
/// How far a node's time of day may be from the store's: the leeway that tokens have.
pub const CLOCK_SKEW_MAX: Duration = JWT_LEEWAY;
/// Nodes that are listed.
pub const NODES_MAX: u32 = 1_000;
/// How long a node is listed that is not seen any more.
pub const NODE_TTL: Duration = Duration::from_hours(1);
/// How long a request waits for its change to hold everywhere, where the bound is longer.
pub const EVERYWHERE_WAIT_MAX: Duration = Duration::from_secs(8);
/// How often it looks meanwhile.
pub const EVERYWHERE_LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often audit events are put into their chains.
pub const AUDIT_SEAL_EVERY: Duration = Duration::from_millis(500);
/// How often checkpoints of the chains that grew are made.
pub const AUDIT_CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
/// Audit events put into their chains in one transaction.
pub const AUDIT_SEAL_BATCH: u32 = 500;
/// Such transactions before checkpoints are looked to again.
pub const AUDIT_SEAL_BATCHES: u32 = 20;
/// Chains in one checkpoint; more make several.
pub const AUDIT_CHECKPOINT_HEADS: u32 = 1_000;
/// Checkpoints handed to the sink at once.
pub const AUDIT_SINK_BATCH: u32 = 100;
/// Audit events that one page of a filtered list looks at.
pub const AUDIT_LIST_SCAN_MAX: u32 = 5_000;
/// Audit events in one CSV document.
pub const AUDIT_CSV_EVENTS_MAX: u32 = 1_000;
/// Audit events that one request has verified.
pub const AUDIT_VERIFY_EVENTS_MAX: u32 = 5_000;
/// Of these, read at a time.
pub const AUDIT_VERIFY_BATCH: u32 = 500;
/// Longest filter of the audit list, in bytes.
pub const AUDIT_FILTER_BYTES_MAX: usize = 256;
/// Findings that are told one by one; the rest are counted.
pub const AUDIT_FINDINGS_MAX: usize = 20;

/// How long a caller waits for a database of a sub-account's own; what takes longer goes on without.
pub const DATABASE_INLINE: Duration = Duration::from_secs(5);
/// How long a server that somebody names may take to be looked at; every refusal of one that was not
/// reached takes as long.
pub const DATABASE_DIAL_BUDGET: Duration = Duration::from_secs(3);
/// How often in a minute a node dials servers that one root account names.
pub const DATABASE_DIALS_PER_MINUTE: u32 = 10;
/// How long one step of making a tenant database may take.
pub const DATABASE_STEP_DEADLINE: Duration = Duration::from_secs(25);
/// For how long whoever works on a tenant database has it for themselves: longer than a step.
pub const DATABASE_TURN: Duration = Duration::from_secs(40);
/// How soon a tenant database that did not answer is tried again; twice as late each time.
pub const DATABASE_RETRY_MIN: Duration = Duration::from_secs(1);
/// How late at most.
pub const DATABASE_RETRY_MAX: Duration = Duration::from_mins(10);
/// How late at most, where somebody asks for what is in it.
pub const DATABASE_BREAKER_MAX: Duration = Duration::from_secs(30);
/// For how long a tenant database is tried to be made.
pub const DATABASE_MADE_FOR: Duration = Duration::from_hours(24);
/// For how long what was made for one is tried to be taken away.
pub const DATABASE_CLEAN_FOR: Duration = Duration::from_hours(24 * 7);
/// How often a node looks for tenant databases about which something is to be done.
pub const DATABASES_DUE_EVERY: Duration = Duration::from_secs(1);
/// How many of them it takes at once.
pub const DATABASES_DUE_MAX: u32 = 16;
/// Sessions of a node with one tenant database.
pub const DATABASE_SESSIONS_EACH_MAX: usize = 5;
/// Sessions of a node with all tenant databases.
pub const DATABASE_SESSIONS_MAX: usize = 500;
/// How long a call waits for one of them.
pub const DATABASE_SESSION_WAIT_MAX: Duration = Duration::from_secs(2);
/// Accounts of which a node remembers how their databases answer, before it forgets some.
pub const DATABASE_DOORS_SWEPT_AT: usize = 65_536;
/// For how long one that nobody asked for is remembered.
pub const DATABASE_DOOR_KEPT: Duration = Duration::from_mins(5);
/// How long all files of the product's schema may take in one tenant database.
pub const DATABASE_MIGRATION_DEADLINE: Duration = Duration::from_mins(30);

// Nobody comes to a tenant database while a step is taken.
const _: () = assert!(DATABASE_TURN.as_secs() > DATABASE_STEP_DEADLINE.as_secs() + 10);
/// How long a session with a tenant database may take to be there.
pub const DATABASE_CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How long a statement in a tenant database may take.
pub const DATABASE_STATEMENT_DEADLINE: Duration = Duration::from_secs(10);
/// Longest message of a tenant database's server before the login, in bytes.
pub const DATABASE_LOGIN_MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Most that such a server may say before the login, in bytes.
pub const DATABASE_LOGIN_BYTES_MAX: u64 = 64 << 10;
/// Longest message of such a server after the login, in bytes.
pub const DATABASE_MESSAGE_BYTES_MAX: usize = 8 << 20;
/// Most that such a server may say in one session, in bytes.
pub const DATABASE_SESSION_BYTES_MAX: u64 = 32 << 20;
/// Largest file of the product's schema, in bytes.
pub const DATABASE_MIGRATION_BYTES_MAX: usize = 4 << 20;
