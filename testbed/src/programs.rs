//! Where other programs are.

use std::path::PathBuf;

/// Folders of Debian that are not on everybody's path.
const DEBIAN: [&str; 2] = ["/usr/sbin", "/sbin"];
/// Where Debian puts PostgreSQL, by version.
const POSTGRES: &str = "/usr/lib/postgresql";

/// A program on the path, or what the variable of a test runner names; none where the machine has none.
#[must_use]
pub fn find(program: &str, variable: &str) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(variable) {
        return Some(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(DEBIAN.map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// pgbouncer.
#[must_use]
pub fn find_pgbouncer() -> Option<PathBuf> {
    find("pgbouncer", "TENANTRY_TEST_PGBOUNCER")
}

/// `HAProxy`.
#[must_use]
pub fn find_haproxy() -> Option<PathBuf> {
    find("haproxy", "TENANTRY_TEST_HAPROXY")
}

/// Valkey, or Redis.
#[must_use]
pub fn find_valkey() -> Option<PathBuf> {
    let variable = "TENANTRY_TEST_VALKEY";
    find("valkey-server", variable).or_else(|| find("redis-server", variable))
}

/// The folder of the programs of a PostgreSQL from 16 on: what `TENANTRY_TEST_POSTGRES_NEXT` names.
#[must_use]
pub fn find_postgres_next() -> Option<PathBuf> {
    std::env::var_os("TENANTRY_TEST_POSTGRES_NEXT").map(PathBuf::from)
}

/// The folder of PostgreSQL's programs: what `TENANTRY_TEST_POSTGRES` names, a folder on the path, the
/// newest that Debian installed.
#[must_use]
pub fn find_postgres() -> Option<PathBuf> {
    let named = std::env::var_os("TENANTRY_TEST_POSTGRES").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<PathBuf> = std::fs::read_dir(POSTGRES)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    named
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain(versions.into_iter().rev())
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}
