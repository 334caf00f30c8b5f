//! Stores with many keys, made fast: the plane makes one of each record, core seals the others, and
//! SQLite takes them without a log, in the order of every index.

mod bulk;
mod draw;

use crate::{Outcome, clock};
use std::fs;
use std::path::{Path, PathBuf};
use tenantry::config::{Config, Settings};
use tenantry::wiring::{self, Missing};
use tenantry_core::accounts::{AccountLimits, NewPlacement};
use tenantry_core::accounts::{CreatedAccount, FirstKey, NewAccount, NewOrganization, Profile};
use tenantry_core::actor::{Actor, Context, OperatorActor};
use tenantry_core::ids::{AccountId, MemberId};
use tenantry_core::keys::{NewKey, NewKeyLimits};
use tenantry_core::permissions::PermissionSet;
use tenantry_core::rates::{Rate, Rates};
use tenantry_core::replay::Once;
use tenantry_core::secrets::{KeyFormat, Secrets};
use tenantry_core::text::{Line, Metadata, Name};

/// Raised when stores are made in another way, so that old ones are not taken for new.
const FORM: u32 = 1;
/// Keys per organization, until there are as many organizations as are made at most.
const KEYS_PER_ORGANIZATION: u64 = 1000;
const ORGANIZATIONS_MAX: u64 = 10_000;

/// A store that is ready to be served.
pub(crate) struct Store {
    pub(crate) folder: PathBuf,
    pub(crate) keys: u64,
    keys_per_account: u64,
}

impl Store {
    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The file of keys, in no order.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.join("keys")
    }

    /// The platform key that may ask about all of them.
    pub(crate) fn caller(&self) -> Outcome<String> {
        Ok(fs::read_to_string(self.folder.join("caller"))?.trim().to_owned())
    }

    /// The first organization's master key.
    pub(crate) fn master(&self) -> Outcome<String> {
        Ok(fs::read_to_string(self.folder.join("master"))?.trim().to_owned())
    }
}

/// What the plane itself made, and from which the rest is copied.
struct Template {
    organizations: Vec<(AccountId, MemberId)>,
    created: CreatedAccount,
    secrets: Secrets,
}

/// The store with that many keys under `stores`, each of an account of its own; made where there is
/// none of this schema.
pub(crate) fn store(stores: &Path, keys: u64) -> Outcome<Store> {
    made(stores, Store { folder: stores.join(keys.to_string()), keys, keys_per_account: 1 })
}

/// The same with so many keys of each account.
pub(crate) fn shared(stores: &Path, keys: u64, keys_per_account: u64) -> Outcome<Store> {
    let folder = stores.join(format!("{keys}-by-{keys_per_account}"));
    made(stores, Store { folder, keys, keys_per_account })
}

/// A store of so many organizations without further accounts, made anew: their ids, and a further key of
/// each without and with a rate that nobody reaches.
pub(crate) fn organizations(stores: &Path, count: u64) -> Outcome<(Store, Organizations)> {
    let keys = count * KEYS_PER_ORGANIZATION;
    let store =
        Store { folder: stores.join(format!("organizations-{count}")), keys, keys_per_account: 1 };
    if store.folder.exists() {
        fs::remove_dir_all(&store.folder)?;
    }
    fs::create_dir_all(&store.folder)?;
    let template = begin(&store)?;
    let local = wiring::open(&config(&store.data())?, Missing::Refuse)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ample = Rate::new(1_000_000, 10).map_err(|problem| problem.to_string())?;
    let rates = Rates::new([ample]).map_err(|problem| problem.to_string())?;
    let mut made = Organizations::default();
    runtime.block_on(async {
        for (id, _) in &template.organizations {
            made.ids.push(id.to_string());
            for (rates, keys) in [(Rates::default(), &mut made.free), (rates, &mut made.limited)] {
                let new = NewKey {
                    format: Some(KeyFormat::SubAccount),
                    name: None,
                    permissions: PermissionSet::sub_account(),
                    expires_at: None,
                    allowed_ips: Vec::new(),
                    metadata: Metadata::empty(),
                    limits: NewKeyLimits { rates, uses: None },
                };
                let context = self::operator(Some(*id));
                let made = local.plane.create_key(&context, *id, new, Once::unkept()).await?;
                keys.push(made.secret.reveal().to_owned());
            }
        }
        Outcome::Ok(())
    })?;
    Ok((store, made))
}

/// What was made of organizations.
#[derive(Default)]
pub(crate) struct Organizations {
    pub(crate) ids: Vec<String>,
    pub(crate) free: Vec<String>,
    pub(crate) limited: Vec<String>,
}

/// A store that is made again, since it is written to.
pub(crate) fn anew(stores: &Path, keys: u64) -> Outcome<Store> {
    let folder = stores.join(keys.to_string());
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    store(stores, keys)
}

/// A copy of the store with that many keys, to be written to.
pub(crate) fn copy(stores: &Path, keys: u64) -> Outcome<Store> {
    let original = store(stores, keys)?;
    let copy = Store { folder: stores.join(format!("{keys}-copy")), ..original };
    if copy.folder.exists() {
        fs::remove_dir_all(&copy.folder)?;
    }
    fs::create_dir_all(copy.data())?;
    let original = stores.join(keys.to_string());
    for entry in fs::read_dir(original.join("data"))? {
        let entry = entry?;
        // Sockets of a server that was killed are no files.
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), copy.data().join(entry.file_name()))?;
        }
    }
    fs::copy(original.join("master"), copy.folder.join("master"))?;
    Ok(copy)
}

fn made(stores: &Path, store: Store) -> Outcome<Store> {
    let keys = store.keys;
    let stamp_file = store.folder.join("stamp");
    let stamp = format!("form {FORM}, {keys} keys, schema {}\n", schema(stores)?);
    if fs::read_to_string(&stamp_file).is_ok_and(|found| found == stamp) && opens(&store) {
        return Ok(store);
    }
    let started = clock::now();
    println!("making a store with {keys} keys");
    if store.folder.exists() {
        fs::remove_dir_all(&store.folder)?;
    }
    fs::create_dir_all(&store.folder)?;
    let template = begin(&store)?;
    if keys > 0 {
        bulk::fill(&store, &template)?;
    }
    fs::write(stamp_file, stamp)?;
    println!("  made in {:.1} s", started.elapsed().as_secs_f64());
    Ok(store)
}

/// What the migrations of this version add up to.
fn schema(stores: &Path) -> Outcome<String> {
    let folder = stores.join("empty-for-its-schema");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    drop(wiring::open(&config(&folder)?, Missing::Create)?);
    let database = rusqlite::Connection::open(folder.join("tenantry.db"))?;
    let sql = "SELECT group_concat(lower(hex(checksum)), ' ') FROM schema_migrations";
    let schema = database.query_row(sql, [], |row| row.get(0))?;
    drop(database);
    fs::remove_dir_all(&folder)?;
    Ok(schema)
}

/// Whether keys of the store are accepted by this version's rules: a change of what is sealed or
/// tagged changes no schema.
fn opens(store: &Store) -> bool {
    let check = || -> Outcome {
        let local = wiring::open(&config(&store.data())?, Missing::Refuse)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let keys = crate::keys::Keys::read(&store.key_file())?;
        for index in [0, keys.count() - 1] {
            let key = std::str::from_utf8(keys.get(index))?;
            runtime.block_on(local.plane.authenticate_verifier(key, None))?;
        }
        Ok(())
    };
    store.keys == 0 || check().is_ok()
}

pub(crate) fn config(data: &Path) -> Outcome<Config> {
    let settings = Settings { data_dir: Some(data.to_owned()), ..Settings::default() };
    Ok(Config::load(&settings)?)
}

/// Lets the plane make organizations, the key that asks, and one sub-account.
fn begin(store: &Store) -> Outcome<Template> {
    let config = config(&store.data())?;
    let local = wiring::open(&config, Missing::Create)?;
    let material = tenantry::secrets_file::read(&config.secrets_file())?.ok_or("no secrets")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let template = runtime.block_on(async {
        let operator = operator(None);
        let count = (store.keys / KEYS_PER_ORGANIZATION).clamp(1, ORGANIZATIONS_MAX);
        let mut organizations = Vec::new();
        for number in 0..count {
            let new = NewOrganization {
                name: Name::parse(&format!("Organization {number}"))?,
                member_name: Name::parse("Owner")?,
                member_email: Line::parse("owner@localhost")?,
            };
            let created = local.plane.create_organization(&operator, new, Once::unkept()).await?;
            if number == 0 {
                fs::write(store.folder.join("master"), created.secret.reveal())?;
            }
            organizations.push((created.account.id, created.member.id));
        }
        let caller = local.plane.create_platform_key(&operator, None, Once::unkept()).await?;
        fs::write(store.folder.join("caller"), caller.secret.reveal())?;
        let new = NewAccount {
            name: Name::parse("A sub-account")?,
            profile: Profile::default(),
            metadata: Metadata::empty(),
            limits: AccountLimits::default(),
            placement: NewPlacement::Shared,
            key: FirstKey::usual(KeyFormat::SubAccount),
            entitlement: None,
        };
        let context = self::operator(Some(organizations[0].0));
        let created = local.plane.create_account(&context, new, Once::unkept()).await?;
        Outcome::Ok(Template { organizations, created, secrets: Secrets::new(&material) })
    })?;
    Ok(template)
}

pub(crate) fn operator(organization: Option<AccountId>) -> Context {
    let actor = Actor::Operator(OperatorActor { organization });
    Context { actor, request_id: "bench".into(), address: None }
}
