//! Checkpoints against the chains, and their copy outside the store against both.

use super::{Check, CopyReport, NEWER_CHAINS_MAX, Newer, count};
use crate::sqlite::errors::from_sqlite;
use crate::sqlite::rows;
use crate::sqlite::rows::stored_number as stored;
use crate::sqlite::trail;
use rusqlite::params;
use std::io::{BufRead, Read as _};
use tenantry_core::audit::chain::ChainHead;
use tenantry_core::audit::checkpoint::{self, Checkpoint};
use tenantry_core::audit::copies::CopyCheck;
use tenantry_core::audit::trail::Problem;
use tenantry_core::error::{Error, Result};

/// Longest line of the outside copy that is read, in bytes: several times the longest that is
/// written.
const LINE_BYTES_MAX: u64 = 1 << 20;

impl Check<'_> {
    pub(super) fn checkpoints(&mut self) -> Result<()> {
        let connection = self.connection;
        let key = self.secrets.checkpoint_key();
        let mut statement = connection
            .prepare_cached("SELECT number, line FROM audit_checkpoints ORDER BY number")
            .map_err(from_sqlite)?;
        let mut rows = statement.query([]).map_err(from_sqlite)?;
        let (mut last, mut before, mut covered) = (0, Some([0; 32]), 0);
        while let Some(row) = rows.next().map_err(from_sqlite)? {
            let read = match trail::read_checkpoint(row) {
                Ok(read) => read,
                Err(error) => {
                    self.row_altered(error)?;
                    continue;
                }
            };
            let number = read.number;
            self.report.checkpoints += 1;
            if number > last + 1 {
                self.wrong(Problem::CheckpointDropped(last + 1));
                before = None;
            }
            last = number;
            match checkpoint::read(&read.line, &key) {
                Ok(signed) if signed.checkpoint.number == number => {
                    if before.is_some_and(|before| before != signed.checkpoint.previous) {
                        self.wrong(Problem::CheckpointOutOfOrder(number));
                    }
                    before = Some(signed.hash);
                    covered += self.covers(&signed.checkpoint)?;
                }
                _ => {
                    self.wrong(Problem::CheckpointAltered(number));
                    before = None;
                }
            }
        }
        let said = "SELECT count(*) FROM audit_chains WHERE covered_by IS NOT NULL";
        if count(connection, said, [])? != covered {
            self.not_covered()?;
        }
        let uncovered = "SELECT count(*) FROM audit_chains WHERE covered_by IS NULL";
        self.report.uncovered = count(connection, uncovered, [])?;
        Ok(())
    }

    fn wrong(&mut self, problem: Problem) {
        self.report.findings.add(None, None, problem);
    }

    /// Compares the chains with a checkpoint; how many of them say that it covers them as they are.
    fn covers(&mut self, checkpoint: &Checkpoint) -> Result<u64> {
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT 1 FROM audit_chains
                 WHERE root_id = ?1 AND length = ?2 AND hash = ?3 AND covered_by = ?4",
            )
            .map_err(from_sqlite)?;
        let mut covered = 0;
        for head in &checkpoint.heads {
            self.compare(head, checkpoint.number)?;
            let ChainHead { root, length, hash } = head;
            let params =
                params![root.as_bytes(), stored(*length)?, hash, stored(checkpoint.number)?];
            covered += u64::from(statement.exists(params).map_err(from_sqlite)?);
        }
        Ok(covered)
    }

    /// Compares a chain with what a checkpoint says of it. Of each it is told once.
    fn compare(&mut self, head: &ChainHead, number: u64) -> Result<()> {
        let ChainHead { root, length, hash } = *head;
        if self.told.contains(&root) {
            return Ok(());
        }
        let mut statement = self
            .connection
            .prepare_cached("SELECT hash FROM audit_links WHERE root_id = ?1 AND sequence = ?2")
            .map_err(from_sqlite)?;
        let params = params![root.as_bytes(), stored(length)?];
        let found = rows::find(&mut statement, params, |row| {
            row.get::<_, [u8; 32]>(0).map_err(from_sqlite)
        })?;
        let problem = match found {
            Some(found) if found == hash => return Ok(()),
            Some(_) => Problem::OtherChain(number),
            None => {
                let sql = "SELECT coalesce(max(sequence), 0) FROM audit_links WHERE root_id = ?1";
                let has = count(self.connection, sql, [root.as_bytes()])?;
                Problem::CutOff { had: length, has }
            }
        };
        self.told.insert(root);
        self.report.findings.add(Some(root), Some(length), problem);
        Ok(())
    }

    /// Names the chains that say that a checkpoint covers them, and it does not.
    fn not_covered(&mut self) -> Result<()> {
        let connection = self.connection;
        let key = self.secrets.checkpoint_key();
        let mut statement = connection
            .prepare_cached(
                "SELECT c.root_id, c.length, c.hash, c.covered_by, p.line FROM audit_chains c
                 LEFT JOIN audit_checkpoints p ON p.number = c.covered_by
                 WHERE c.covered_by IS NOT NULL ORDER BY c.root_id",
            )
            .map_err(from_sqlite)?;
        let mut rows = statement.query([]).map_err(from_sqlite)?;
        while let Some(row) = rows.next().map_err(from_sqlite)? {
            let head = match rows::read_chain_head(row, 0) {
                Ok(head) => head,
                Err(error) => {
                    self.row_altered(error)?;
                    continue;
                }
            };
            let line = row.get_ref(4).map_err(from_sqlite)?.as_str_or_null().unwrap_or(None);
            let signed = line.and_then(|line| checkpoint::read(line, &key).ok());
            if !signed.is_some_and(|signed| signed.checkpoint.heads.contains(&head)) {
                let number = row.get::<_, i64>(3).map_err(from_sqlite)?;
                let problem = Problem::NotCovered(u64::try_from(number).unwrap_or(0));
                self.report.findings.add(Some(head.root), Some(head.length), problem);
            }
        }
        Ok(())
    }

    /// Compares the copy, line by line.
    pub(super) fn copy(&mut self, copy: &mut dyn BufRead) -> Result<()> {
        let connection = self.connection;
        let restores = std::mem::take(&mut self.restores);
        let mut check = CopyCheck::new(self.secrets.checkpoint_key(), &restores);
        let mut statement = connection
            .prepare_cached("SELECT line FROM audit_checkpoints WHERE number = ?1")
            .map_err(from_sqlite)?;
        let mut newer = Newer::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = copy.take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            if read.map_err(Error::internal)? == 0 {
                break;
            }
            let text = std::str::from_utf8(&line).unwrap_or_default();
            let text = text.trim_end_matches('\n');
            if text.is_empty() && line == b"\n" {
                continue;
            }
            let unknown = check.next(
                text,
                |number| {
                    let mut rows = statement.query([stored(number)?]).map_err(from_sqlite)?;
                    let row = rows.next().map_err(from_sqlite)?;
                    Ok::<_, Error>(row.and_then(|row| row.get(0).ok()))
                },
                &mut self.report.findings,
            )?;
            if let Some(unknown) = unknown {
                self.note_newer(&unknown.checkpoint, &mut newer)?;
            }
        }
        self.count_newer(&mut newer)?;
        let last = "SELECT coalesce(max(number), 0) FROM audit_checkpoints";
        self.report.copy = Some(CopyReport {
            common: check.common,
            lacking: check.lacking(count(connection, last, [])?),
            superseded: check.superseded,
            torn: check.ends_torn(),
            newer,
        });
        Ok(())
    }

    /// A checkpoint that only the copy has.
    fn note_newer(&mut self, checkpoint: &Checkpoint, newer: &mut Newer) -> Result<()> {
        newer.checkpoints += 1;
        newer.until = newer.until.max(Some(checkpoint.at));
        for head in &checkpoint.heads {
            self.compare(head, checkpoint.number)?;
            if newer.chains.len() < NEWER_CHAINS_MAX || newer.chains.contains_key(&head.root) {
                let had = newer.chains.entry(head.root).or_default();
                *had = (*had).max(head.length);
            }
        }
        Ok(())
    }

    /// Makes of how many events each chain had how many the store lacks. Those that are in no chain
    /// here were only sealed later than the store was kept.
    fn count_newer(&self, newer: &mut Newer) -> Result<()> {
        for (root, had) in &mut newer.chains {
            let sql = "SELECT count(*) FROM audit_events WHERE root_id = ?1";
            *had = had.saturating_sub(count(self.connection, sql, [root.as_bytes()])?);
        }
        newer.chains.retain(|_, lacks| *lacks > 0);
        Ok(())
    }
}
