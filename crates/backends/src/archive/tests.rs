use super::*;
use std::io::Cursor;
use tenantry_core::rng::SeededRng;
use zeroize::Zeroizing;

/// Cheap enough for a test that opens a thousand files.
const COST: Cost = Cost { memory_kib: 32, passes: 1, lanes: 1 };

const SECRETS: &[u8] = b"pepper = \"a secret that shows nowhere\"";

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.to_owned())).expect("long enough")
}

fn right() -> Passphrase {
    passphrase("correct horse battery")
}

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| u8::try_from(index * 7 % 251).expect("below 251")).collect()
}

fn manifest(database: Content, secrets: Content) -> Manifest {
    Manifest {
        tenantry: "0.0.0".into(),
        created_at: "2023-11-14T22:13:20Z".into(),
        schema: 1,
        database,
        secrets,
        counts: Counts { accounts: 1, ..Counts::default() },
    }
}

fn write(database: &[u8]) -> Vec<u8> {
    let mut writer =
        ArchiveWriter::create(Vec::new(), &right(), COST, &SeededRng::new(1)).expect("a head");
    let length = database.len() as u64;
    let database = writer.database(length, database, &mut |_| {}).expect("a database");
    let secrets = writer.secrets(SECRETS).expect("secrets");
    writer.finish(&manifest(database, secrets)).expect("the end")
}

fn read(file: &[u8], passphrase: &Passphrase) -> Result<(Vec<u8>, Vec<u8>), ArchiveError> {
    let mut reader = ArchiveReader::open(Cursor::new(file), passphrase)?;
    let mut database = Vec::new();
    reader.database(&mut database, &mut |_, _| {})?;
    let secrets = reader.secrets()?.to_vec();
    reader.finish()?;
    Ok((database, secrets))
}

#[test]
fn what_was_written_reads_back_whatever_its_length() {
    let chunk = stream::CHUNK_BYTES;
    for length in [0, 1, chunk - 9, chunk - 8, chunk, chunk * 2 - 9, chunk * 3 + 17] {
        let database = content(length);
        let (found, secrets) = read(&write(&database), &right()).expect("readable");
        assert!(found == database, "{length}");
        assert_eq!(secrets, SECRETS);
    }
}

#[test]
fn a_flipped_byte_is_found_wherever_it_is() {
    let file = write(&content(2000));
    for at in 0..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 1 << (at % 8);
        let refused = read(&damaged, &right());
        assert!(
            matches!(refused, Err(ArchiveError::Damaged(_) | ArchiveError::NotABackup)),
            "{at}: {refused:?}"
        );
    }
}

#[test]
fn a_file_that_was_cut_off_is_found_wherever_it_was_cut() {
    let file = write(&content(stream::CHUNK_BYTES * 2));
    let chunk = stream::CHUNK_BYTES + 16;
    let borders = (0..3).map(|number| head::HEAD_BYTES + number * chunk);
    for at in (0..file.len()).step_by(997).chain(borders).chain([file.len() - 1]) {
        let refused = read(&file[..at], &right());
        assert!(
            matches!(refused, Err(ArchiveError::Damaged(_) | ArchiveError::NotABackup)),
            "{at}: {refused:?}"
        );
    }
}

#[test]
fn chunks_cannot_be_left_out_moved_repeated_or_added() {
    let file = write(&content(stream::CHUNK_BYTES * 3));
    let (head, rest) = file.split_at(head::HEAD_BYTES);
    let chunks: Vec<&[u8]> = rest.chunks(stream::CHUNK_BYTES + 16).collect();
    assert_eq!(chunks.len(), 4);
    let put = |order: &[usize]| {
        let chunks = order.iter().flat_map(|index| chunks[*index]);
        head.iter().chain(chunks).copied().collect::<Vec<u8>>()
    };
    assert!(read(&put(&[0, 1, 2, 3]), &right()).is_ok());
    for order in [&[1, 2, 3][..], &[0, 2, 1, 3], &[0, 0, 1, 2, 3], &[0, 1, 3], &[0, 1, 2, 3, 3]] {
        assert!(matches!(read(&put(order), &right()), Err(ArchiveError::Damaged(_))), "{order:?}");
    }
}

#[test]
fn a_wrong_passphrase_is_told_apart_from_damage() {
    let file = write(&content(10));
    let refused = read(&file, &passphrase("correct horse batterz"));
    assert!(matches!(refused, Err(ArchiveError::WrongPassphrase)));
    let short = Passphrase::new(Zeroizing::new("elevenchars".to_owned()));
    assert!(matches!(short, Err(ArchiveError::PassphraseTooShort)));
}

#[test]
fn other_files_and_later_versions_are_named_as_such() {
    for other in [&b""[..], b"SQLite format 3\0", &[0; 4096]] {
        assert!(matches!(read(other, &right()), Err(ArchiveError::NotABackup)));
    }
    let mut file = write(&content(10));
    let seal = |file: &mut [u8]| {
        let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &file[..88]);
        file[88..120].copy_from_slice(sum.as_ref());
    };
    // Anybody can write a head whose key would take all memory there is.
    file[12] = 0xff;
    seal(&mut file);
    assert!(matches!(read(&file, &right()), Err(ArchiveError::TooLarge(_))));
    file[9] = 2;
    seal(&mut file);
    assert!(matches!(read(&file, &right()), Err(ArchiveError::TooNew { found: 2, known: 1 })));
}

#[test]
fn nothing_of_the_content_shows() {
    let file = write(SECRETS);
    assert!(!file.windows(8).any(|window| SECRETS.windows(8).any(|secret| secret == window)));
    let again =
        ArchiveWriter::create(Vec::new(), &right(), COST, &SeededRng::new(2)).expect("a head");
    assert!(file[24..56] != again.finish(&manifest(none(), none())).expect("a file")[24..56]);
}

fn none() -> Content {
    Content { bytes: 0, sha256: String::new() }
}
