//! `secrets.toml`: what only the operator has. Made once, readable by its owner alone; only a step of
//! a rotation writes it anew, and keeps what it was.

use crate::{Failure, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use tenantry_core::rng::Rng;
use tenantry_core::secrets::{KeyEncryptionKey, SecretsMaterial};
use zeroize::Zeroizing;

/// Where the secrets that several nodes share are, unless a file is named.
pub const VARIABLE: &str = "TENANTRY_SECRETS";

const HEAD: &str = "\
# Tenantry's secrets. Keep a copy apart from the database: whoever has both can make credentials,
# and without this file every key, token and sealed value is lost.
";

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    pepper: Secret,
    key_encryption_key: Secret,
    local_realm: LocalRealm,
    /// Only while the one above is rotated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    further_key_encryption_keys: Vec<Secret>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    id: u16,
    value: Zeroizing<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LocalRealm {
    /// PKCS #8 DER, base64.
    private_key: Zeroizing<String>,
}

/// Reads the secrets. `None` where there is no file.
///
/// # Errors
/// A file that others can read, or that does not hold the secrets whole.
pub fn read(path: &Path) -> Result<Option<SecretsMaterial>> {
    let io = |error| Failure::Io(format!("read {}", path.display()), error);
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Failure::Setting(format!(
            "{} can be read by others (mode {mode:o}): its secrets must be taken as known. If they \
             are not, set `chmod 600` and start again",
            path.display()
        )));
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(io)?);
    parse(&text, &path.display().to_string()).map(Some)
}

/// Reads the secrets from `text`, which comes from `place`.
///
/// # Errors
/// A text that does not hold the secrets whole.
pub fn parse(text: &str, place: &str) -> Result<SecretsMaterial> {
    // What the parser says may quote the text, so it is not repeated.
    let bad = |what: &str| Failure::Setting(format!("{place}: {what}"));
    let document: Document = toml::from_str(text)
        .map_err(|_| bad("is not what `serve`, `init` or `secrets generate` wrote"))?;
    let key_encryption_key = key_encryption_key_of(&document.key_encryption_key)
        .ok_or_else(|| bad("key_encryption_key must be 32 random bytes in base64"))?;
    let further_key_encryption_keys = document
        .further_key_encryption_keys
        .iter()
        .map(key_encryption_key_of)
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| bad("further_key_encryption_keys must be 32 random bytes each in base64"))?;
    let mut numbers = std::iter::once(&key_encryption_key).chain(&further_key_encryption_keys);
    let mut seen = HashSet::new();
    if !numbers.all(|key| seen.insert(key.id)) {
        return Err(bad("each key-encryption key has a number of its own"));
    }
    Ok(SecretsMaterial {
        pepper_id: document.pepper.id,
        pepper: key(&document.pepper.value)
            .ok_or_else(|| bad("pepper must be 32 random bytes in base64"))?,
        key_encryption_key,
        further_key_encryption_keys,
        local_realm_key: STANDARD
            .decode(&*document.local_realm.private_key)
            .map(Zeroizing::new)
            .map_err(|_| bad("local_realm.private_key must be base64"))?,
    })
}

fn key_encryption_key_of(secret: &Secret) -> Option<KeyEncryptionKey> {
    key(&secret.value).map(|value| KeyEncryptionKey { id: secret.id, value })
}

/// 32 bytes that were drawn and not made up: a key of one repeated byte is refused.
fn key(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    let key: [u8; 32] = bytes[..].try_into().ok()?;
    let varied = key.iter().any(|byte| *byte != key[0]);
    varied.then(|| Zeroizing::new(key))
}

/// Draws secrets and writes them to a new file, durably before anything depends on them.
///
/// # Errors
/// A file that exists already, or cannot be written.
pub fn create(path: &Path, rng: &dyn Rng) -> Result<SecretsMaterial> {
    let material = SecretsMaterial::generate(rng)?;
    write_private(path, print(&material)?.as_bytes())
        .map_err(|error| Failure::Io(format!("write {}", path.display()), error))?;
    Ok(material)
}

/// Secrets as the file holds them.
///
/// # Errors
/// None that is known.
pub fn print(material: &SecretsMaterial) -> Result<Zeroizing<String>> {
    let secret = |id, bytes: &[u8]| Secret { id, value: Zeroizing::new(STANDARD.encode(bytes)) };
    let sealing = |key: &KeyEncryptionKey| secret(key.id, &key.value[..]);
    let document = Document {
        pepper: secret(material.pepper_id, &material.pepper[..]),
        key_encryption_key: sealing(&material.key_encryption_key),
        further_key_encryption_keys: material
            .further_key_encryption_keys
            .iter()
            .map(sealing)
            .collect(),
        local_realm: LocalRealm {
            private_key: Zeroizing::new(STANDARD.encode(&material.local_realm_key[..])),
        },
    };
    let text = Zeroizing::new(
        toml::to_string(&document).map_err(|error| Failure::Setting(error.to_string()))?,
    );
    Ok(Zeroizing::new(format!("{HEAD}\n{}", &*text)))
}

/// Writes a new file that its owner alone can read. Appears whole or not at all, and lasts.
///
/// # Errors
/// What the file system says; [`ErrorKind::AlreadyExists`] where there is such a file.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let (partial, file) = begin(path)?;
    write_out(file, bytes)?;
    // A link, unlike a rename, does not replace what is there.
    let linked = fs::hard_link(&partial, path);
    fs::remove_file(&partial)?;
    linked?;
    sync_directory(path)
}

/// Writes other secrets in the place of those in the file, whole or not at all, and lasting; what it
/// held is kept beside it. Gives the path of that.
///
/// # Errors
/// What the file system says; the file is as it was then.
pub fn replace(path: &Path, material: &SecretsMaterial) -> Result<PathBuf> {
    let io = |error| Failure::Io(format!("write {}", path.display()), error);
    // What a link leads to is replaced, not the link.
    let path = &fs::canonicalize(path).map_err(io)?;
    let text = print(material)?;
    let mut before = path.clone().into_os_string();
    before.push(".before");
    let before = PathBuf::from(before);
    replace_private(path, &before, text.as_bytes()).map_err(io)?;
    Ok(before)
}

fn replace_private(path: &Path, before: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let owner = fs::metadata(path)?;
    let (partial, file) = begin(path)?;
    // Whoever rotates may be another than whoever serves, and must not lock them out.
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (owner.uid(), owner.gid()) {
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    write_out(file, bytes)?;
    remove_if_there(before)?;
    fs::hard_link(path, before)?;
    fs::rename(&partial, path)?;
    sync_directory(path)
}

/// Opens a new file beside `path`, in the place of what an interrupted write left.
fn begin(path: &Path) -> std::io::Result<(PathBuf, File)> {
    let partial = path.with_extension("partial");
    remove_if_there(&partial)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
    Ok((partial, file))
}

fn write_out(mut file: File, bytes: &[u8]) -> std::io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync_directory(path: &Path) -> std::io::Result<()> {
    File::open(path.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_core::rng::SeededRng;

    fn written() -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secrets.toml");
        create(&path, &SeededRng::new(1)).expect("created");
        (dir, path)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn what_is_written_reads_back() {
        let (_dir, path) = written();
        let material = read(&path).expect("readable").expect("there");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(material.pepper, SecretsMaterial::generate(&SeededRng::new(1)).unwrap().pepper);
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let (_dir, path) = written();
        let before = fs::read(&path).expect("there");
        assert!(create(&path, &SeededRng::new(2)).is_err());
        assert_eq!(fs::read(&path).expect("there"), before);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let (_dir, path) = written();
        for mode in [0o644, 0o640, 0o604] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            let error = read(&path).err().expect("refused").to_string();
            assert!(error.contains("can be read by others"), "{error}");
        }
    }

    #[test]
    fn an_empty_short_or_made_up_pepper_is_refused_without_showing_it() {
        let (_dir, path) = written();
        let text = fs::read_to_string(&path).expect("there");
        let value = text.split("value = \"").nth(1).and_then(|rest| rest.split('"').next());
        let value = value.expect("a pepper");
        for other in ["", "c2hvcnRwZXBwZXI=", &STANDARD.encode([7; 32]), "not base64 at all"] {
            fs::write(&path, text.replacen(value, other, 1)).expect("written");
            let error = read(&path).err().expect("refused").to_string();
            assert!(error.contains("pepper must be"), "{error}");
            assert!(other.is_empty() || !error.contains(other), "{error}");
        }
    }
    /// As versions wrote it that knew of one key-encryption key.
    #[test]
    fn a_file_without_further_keys_reads_and_is_written_as_ever() {
        let (_dir, path) = written();
        let text = fs::read_to_string(&path).expect("there");
        assert!(!text.contains("further"), "an older version would refuse it");
        let material = read(&path).expect("readable").expect("there");
        assert_eq!(material.key_encryption_key.id, 1);
        assert!(material.further_key_encryption_keys.is_empty());
    }

    #[test]
    fn a_file_is_replaced_whole_and_what_it_held_is_kept() {
        let (dir, path) = written();
        let before = fs::read(&path).expect("there");
        let mut material = read(&path).expect("readable").expect("there");
        material.add_key_encryption_key(&SeededRng::new(2)).expect("in turn");
        // What an interrupted one left is nobody's.
        fs::write(path.with_extension("partial"), "half").expect("written");
        for _ in 0..2 {
            // Through a link, which stays one.
            let link = dir.path().join("link.toml");
            remove_if_there(&link).expect("removed");
            std::os::unix::fs::symlink(&path, &link).expect("a link");
            let kept = replace(&link, &material).expect("replaced");
            assert_eq!(kept.file_name().expect("a name"), "secrets.toml.before");
            assert_eq!((mode(&path), mode(&kept)), (0o600, 0o600));
            assert!(link.is_symlink());
        }
        let read_back = read(&path).expect("readable").expect("there");
        assert!(read_back.check_values() == material.check_values());
        assert_eq!(read_back.further_key_encryption_keys[0].id, 2);

        material.promote_key_encryption_key().expect("in turn");
        let kept = replace(&path, &material).expect("replaced");
        assert_ne!(fs::read(kept).expect("there"), before, "it is that of the step before");
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .expect("listed")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        names.sort();
        assert_eq!(names, ["link.toml", "secrets.toml", "secrets.toml.before"]);
    }

    #[test]
    fn two_key_encryption_keys_of_one_number_are_refused() {
        let (_dir, path) = written();
        let mut material = read(&path).expect("readable").expect("there");
        material.add_key_encryption_key(&SeededRng::new(2)).expect("in turn");
        material.further_key_encryption_keys[0].id = 1;
        replace(&path, &material).expect("replaced");
        let error = read(&path).err().expect("refused").to_string();
        assert!(error.contains("a number of its own"), "{error}");
    }
}
