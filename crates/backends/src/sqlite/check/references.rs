//! Rows that point at nothing, or at what is somebody else's.

use super::{Finding, Findings, Inspection};
use crate::sqlite::errors::from_sqlite;
use tenantry_core::commit::CHANGE_SHARDS;
use tenantry_core::error::Result;
use tenantry_core::ids::{AccountId, CredentialId, MemberId, ServiceAccountId};

/// A rule that rows keep: its query gives the ids of those that do not.
struct Rule {
    table: &'static str,
    problem: &'static str,
    print_id: fn([u8; 16]) -> String,
    sql: &'static str,
}

const RULES: [Rule; 8] = [
    Rule {
        table: "accounts",
        problem: "its parent does not exist",
        print_id: |id| AccountId::from_bytes(id).to_string(),
        sql: "SELECT id FROM accounts AS child WHERE parent_id IS NOT NULL
              AND NOT EXISTS (SELECT 1 FROM accounts WHERE id = child.parent_id)",
    },
    Rule {
        table: "accounts",
        problem: "its parent has a parent",
        print_id: |id| AccountId::from_bytes(id).to_string(),
        sql: "SELECT child.id FROM accounts AS child JOIN accounts AS parent
              ON parent.id = child.parent_id WHERE parent.parent_id IS NOT NULL",
    },
    Rule {
        table: "accounts",
        problem: "what its sub-accounts were given is not their sum",
        print_id: |id| AccountId::from_bytes(id).to_string(),
        sql: "SELECT id FROM accounts AS root WHERE parent_id IS NULL
              AND given_concurrent_calls <> (
                  SELECT coalesce(sum(concurrent_calls), 0) FROM accounts
                  WHERE parent_id = root.id AND status <> 'closed')",
    },
    Rule {
        table: "members",
        problem: "its account does not exist",
        print_id: |id| MemberId::from_bytes(id).to_string(),
        sql: "SELECT id FROM members
              WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE id = members.account_id)",
    },
    Rule {
        table: "service_accounts",
        problem: "its account does not exist in its tree",
        print_id: |id| ServiceAccountId::from_bytes(id).to_string(),
        sql: "SELECT id FROM service_accounts AS s WHERE NOT EXISTS (SELECT 1 FROM accounts AS a
                  WHERE a.id = s.account_id AND coalesce(a.parent_id, a.id) = s.root_id)",
    },
    Rule {
        table: "credentials",
        problem: "its account does not exist in its tree",
        print_id: |id| CredentialId::from_bytes(id).to_string(),
        sql: "SELECT id FROM credentials AS c WHERE kind <> 'platform_key'
              AND NOT EXISTS (SELECT 1 FROM accounts AS a
                  WHERE a.id = c.account_id AND coalesce(a.parent_id, a.id) = c.root_id)",
    },
    Rule {
        table: "credentials",
        problem: "its service account does not exist in its account",
        print_id: |id| CredentialId::from_bytes(id).to_string(),
        sql: "SELECT id FROM credentials AS c WHERE kind = 'client_secret'
              AND NOT EXISTS (SELECT 1 FROM service_accounts AS s
                  WHERE s.id = c.service_account_id AND s.account_id = c.account_id)",
    },
    Rule {
        table: "credentials",
        problem: "what took its place does not exist in its line",
        print_id: |id| CredentialId::from_bytes(id).to_string(),
        sql: "SELECT id FROM credentials AS c WHERE superseded_by IS NOT NULL
              AND NOT EXISTS (SELECT 1 FROM credentials AS next
                  WHERE next.id = c.superseded_by AND next.lineage = c.lineage
                      AND next.account_id IS c.account_id)",
    },
];

impl Inspection {
    /// Looks for rows whose account, parent or service account is missing or another tree's, and
    /// for shards of the change log whose head is behind.
    ///
    /// # Errors
    /// What SQLite says; a wrong row is a finding.
    pub fn check_references(&self) -> Result<Findings> {
        let mut findings = Findings::default();
        for rule in &RULES {
            let Rule { table, problem, print_id, sql } = *rule;
            let mut statement = self.connection().prepare(sql).map_err(from_sqlite)?;
            let mut rows = statement.query([]).map_err(from_sqlite)?;
            while let Some(row) = rows.next().map_err(from_sqlite)? {
                let id = row.get::<_, [u8; 16]>(0);
                let id = id.map_or_else(|_| "unreadable".to_owned(), print_id);
                findings.add(Finding { table, id, problem });
            }
        }
        for shard in 0..CHANGE_SHARDS {
            let sound: bool = self
                .connection()
                .query_row(
                    "SELECT coalesce((SELECT rev FROM change_head WHERE shard = ?1), -1)
                         >= coalesce((SELECT max(rev) FROM change_log WHERE shard = ?1), 0)",
                    [shard],
                    |row| row.get(0),
                )
                .map_err(from_sqlite)?;
            if !sound {
                let problem = "it is missing or behind the change log";
                findings.add(Finding { table: "change_head", id: shard.to_string(), problem });
            }
        }
        Ok(findings)
    }
}
