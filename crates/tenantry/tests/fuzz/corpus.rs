//! Inputs that are worth a start, and edits of them.

use std::path::Path;

/// A target's inputs, in the order of their names.
pub(crate) fn read(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("a corpus")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{name} has no corpus");
    let input = |path| {
        let mut bytes = std::fs::read(path).expect("an input");
        // A file ends with a newline that is not the input's.
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        if name == "http_bytes" {
            // No file of the repository has lines of HTTP's kind.
            bytes.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..])
        } else {
            bytes
        }
    };
    paths.into_iter().map(input).collect()
}

/// Turns drawn bytes into an input: the bytes as they are, or edits of an entry of the corpus that
/// the bytes describe, four at a time.
pub(crate) fn shape(drawn: &[u8], corpus: &[Vec<u8>]) -> Vec<u8> {
    let [first, second, edits @ ..] = drawn else { return drawn.to_vec() };
    if first % 2 == 0 {
        return drawn[1..].to_vec();
    }
    let mut input = corpus[usize::from(*second) % corpus.len()].clone();
    for edit in edits.chunks_exact(4).take(1 + usize::from(first >> 4)) {
        let [kind, high, low, byte] = edit else { break };
        let at = usize::from(u16::from_be_bytes([*high, *low])) % (input.len() + 1);
        match kind % 6 {
            0 => input.insert(at, *byte),
            1 => drop(input.splice(at..input.len().min(at + 1), [*byte])),
            2 => drop(input.drain(at..input.len().min(at + usize::from(*byte)))),
            3 => input.truncate(at),
            // A piece twice.
            4 => {
                let piece = input[at..input.len().min(at + usize::from(*byte))].to_vec();
                input.splice(at..at, piece);
            }
            // A piece of another entry.
            _ => {
                let other = &corpus[usize::from(*byte) % corpus.len()];
                let from = usize::from(*low) % (other.len() + 1);
                input.splice(at..at, other[from..].iter().take(64).copied());
            }
        }
    }
    input
}
