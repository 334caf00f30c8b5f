//! Checkpoints of the audit trail in a file that is only ever added to.
//!
//! It is opened for each write, to be added to and nothing else: a file that the file system lets
//! nobody truncate (`chattr +a`) will do, and one that was moved away is begun anew.

use async_trait::async_trait;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Result, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use tenantry_core::audit::CheckpointSink;

/// The file's name in the data directory, unless it is kept elsewhere.
pub const CHECKPOINT_FILE: &str = "audit-checkpoints.jsonl";

/// How far back from the end the last line is looked for, in bytes: longer than the longest.
const LAST_LINE_WITHIN: u64 = 1 << 20;

/// The file.
#[derive(Clone, Debug)]
pub struct CheckpointFile {
    path: PathBuf,
}

impl CheckpointFile {
    /// The file at `path`, made with the first line.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    async fn run<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Path) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || run(&path)).await.map_err(std::io::Error::other)?
    }
}

#[async_trait]
impl CheckpointSink for CheckpointFile {
    async fn last_line(&self) -> Result<Option<String>> {
        self.run(last_line).await
    }

    async fn append(&self, lines: Vec<String>) -> Result<()> {
        self.run(move |path| append(path, &lines)).await
    }
}

/// The last line of the file at `path`, where there is one.
///
/// # Errors
/// What keeps it from being read.
pub fn last_line(path: &Path) -> Result<Option<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_LINE_WITHIN)))?;
    let mut end = Vec::new();
    file.take(LAST_LINE_WITHIN).read_to_end(&mut end)?;
    let end = String::from_utf8_lossy(&end);
    Ok(end.lines().last().map(str::to_owned))
}

fn append(path: &Path, lines: &[String]) -> Result<()> {
    let mut text = String::new();
    let (mut file, new) = match OpenOptions::new().read(true).append(true).open(path) {
        Ok(mut file) => {
            // A crash may have left the beginning of a line, which nobody can take away.
            let length = file.seek(SeekFrom::End(0))?;
            if length > 0 {
                let mut last = [0];
                file.seek(SeekFrom::Start(length - 1))?;
                file.read_exact(&mut last)?;
                if last != *b"\n" {
                    text.push('\n');
                }
            }
            (file, false)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut options = OpenOptions::new();
            (options.read(true).append(true).create_new(true).mode(0o600).open(path)?, true)
        }
        Err(error) => return Err(error),
    };
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    if new {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).expect("the file")
    }

    #[tokio::test]
    async fn lines_are_added_and_the_last_is_found() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("checkpoints");
        let file = CheckpointFile::new(path.clone());
        assert_eq!(file.last_line().await.expect("no file"), None);
        file.append(vec!["a".to_owned(), "b".to_owned()]).await.expect("added");
        assert_eq!(file.last_line().await.expect("a line").as_deref(), Some("b"));
        file.append(vec!["c".to_owned()]).await.expect("added");
        assert_eq!(text(&path), "a\nb\nc\n");
        let mode = std::fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn the_beginning_of_a_line_is_ended_and_never_overwritten() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("checkpoints");
        let file = CheckpointFile::new(path.clone());
        std::fs::write(&path, "a\nb of wh").expect("written");
        assert_eq!(file.last_line().await.expect("a line").as_deref(), Some("b of wh"));
        file.append(vec!["b".to_owned()]).await.expect("added");
        assert_eq!(text(&path), "a\nb of wh\nb\n");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_says_so() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = CheckpointFile::new(directory.path().join("nowhere/checkpoints"));
        assert!(file.append(vec!["a".to_owned()]).await.is_err());
    }
}
