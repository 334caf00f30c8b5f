//! The product's schema in a directory: `0001_initial.sql`, `0002_orders.sql`.

use aws_lc_rs::digest::{SHA256, digest};
use std::path::Path;
use tenantry_core::database::{Migration, MigrationSet};
use tenantry_core::limits;

/// Reads the files `<number>_<name>.sql` of a directory. Others are not looked at.
///
/// # Errors
/// What is wrong, for the operator: a directory that cannot be read, two files of one number, a file
/// that is too large or no text, no file at all.
pub fn read_migrations(directory: &Path) -> Result<MigrationSet, String> {
    let told = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mut migrations: Vec<Migration> = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(told)? {
        let path = entry.map_err(told)?.path();
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(stem) = file.strip_suffix(".sql") else { continue };
        let wrong = |why: &str| format!("{}: {why}", path.display());
        let (number, name) =
            stem.split_once('_').ok_or_else(|| wrong("is not called <number>_<name>.sql"))?;
        let version = number
            .parse::<u64>()
            .ok()
            .filter(|version| *version > 0 && i64::try_from(*version).is_ok())
            .ok_or_else(|| wrong("does not begin with a number from 1 on"))?;
        let bytes = std::fs::read(&path).map_err(|error| wrong(&error.to_string()))?;
        if bytes.len() > limits::DATABASE_MIGRATION_BYTES_MAX {
            return Err(wrong("is larger than 4 MiB"));
        }
        let checksum = digest(&SHA256, &bytes).as_ref().try_into().map_err(|_| wrong("digest"))?;
        let sql = String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8"))?;
        if sql.contains('\0') {
            return Err(wrong("holds a NUL"));
        }
        migrations.push(Migration { version, name: name.into(), sql: sql.into(), checksum });
    }
    migrations.sort_by_key(|migration| migration.version);
    if let Some([one, _]) = migrations.array_windows().find(|[one, two]| one.version == two.version)
    {
        return Err(format!("{}: two files have number {}", directory.display(), one.version));
    }
    if migrations.is_empty() {
        return Err(format!("{}: holds no <number>_<name>.sql", directory.display()));
    }
    Ok(MigrationSet(migrations.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_by_number_and_wrong_ones_are_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &[u8]| {
            std::fs::write(directory.path().join(name), text).expect("written");
        };
        assert!(read_migrations(directory.path()).expect_err("none").contains("holds no"));
        write("0010_ten.sql", b"SELECT 10");
        write("2_two_of_them.sql", b"SELECT 2");
        write("README.md", b"not one");
        let set = read_migrations(directory.path()).expect("read");
        let found: Vec<_> = set.0.iter().map(|it| (it.version, &*it.name)).collect();
        assert_eq!(found, [(2, "two_of_them"), (10, "ten")]);
        assert_eq!(set.version(), 10);
        for (name, text) in [
            ("0_zero.sql", &b""[..]),
            ("x_x.sql", b""),
            ("3.sql", b""),
            ("002_again.sql", b""),
            ("4_four.sql", b"\xff"),
            ("5_five.sql", b"\0"),
        ] {
            write(name, text);
            assert!(read_migrations(directory.path()).is_err(), "{name}");
            std::fs::remove_file(directory.path().join(name)).expect("removed");
        }
    }
}
