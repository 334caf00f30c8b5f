//! The suite on SQLite.

use crate::backend::{Backend, ChangeRow};
use crate::support::NOW;
use rusqlite::{Connection, OptionalExtension};
use std::sync::Arc;
use tenantry_backends::sqlite::{SqliteOptions, SqliteStore};
use tenantry_core::clock::Timestamp;
use tenantry_core::ids::CredentialId;
use tenantry_core::store::Store;

/// A fresh store in a directory of its own.
pub(crate) struct OnSqlite {
    store: Arc<SqliteStore>,
    // Dropped last.
    _directory: tempfile::TempDir,
}

impl OnSqlite {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let options = SqliteOptions::new(directory.path(), NOW);
        let store = Arc::new(SqliteStore::open(&options).expect("a store"));
        Self { store, _directory: directory }
    }

    fn connect(&self) -> Connection {
        Connection::open(self.store.path()).expect("a connection")
    }
}

impl Backend for OnSqlite {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn audit_events(&self) -> Vec<[u8; 16]> {
        let connection = self.connect();
        let mut statement =
            connection.prepare("SELECT id FROM audit_events ORDER BY id").expect("a query");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<rusqlite::Result<_>>().expect("ids")
    }

    fn audit_event(&self, id: [u8; 16]) -> Option<(Vec<String>, [u8; 32])> {
        self.connect()
            .query_row(
                "SELECT actor_kind, actor_id, action, target_kind, target_id, facts, request_id,
                     coalesce(address, ''), mac
                 FROM audit_events WHERE id = ?1",
                [id],
                |row| {
                    let texts = (0..8).map(|column| row.get(column)).collect::<Result<_, _>>()?;
                    Ok((texts, row.get(8)?))
                },
            )
            .optional()
            .expect("a row")
    }

    fn change_log(&self, shard: u8) -> Vec<ChangeRow> {
        let connection = self.connect();
        let mut statement = connection
            .prepare(
                "SELECT rev, nonce, kind, subject, at FROM change_log WHERE shard = ?1
                 ORDER BY rev",
            )
            .expect("a query");
        let rows = statement.query_map([shard], |row| {
            Ok(ChangeRow {
                rev: row.get::<_, i64>(0)?.cast_unsigned(),
                nonce: row.get::<_, i64>(1)?.cast_unsigned(),
                kind: row.get(2)?,
                subject: row.get(3)?,
                at: row.get(4)?,
            })
        });
        rows.expect("rows").collect::<rusqlite::Result<_>>().expect("changes")
    }

    fn last_used(&self, credential: CredentialId) -> Option<Timestamp> {
        let micros = self.connect().query_row(
            "SELECT last_used_at FROM credentials WHERE id = ?1",
            [credential.as_bytes()],
            |row| row.get::<_, Option<i64>>(0),
        );
        micros.expect("a row").map(Timestamp::from_micros)
    }
}

/// Makes a test of each function of the suite.
macro_rules! on_sqlite {
    ($($feature:ident { $($case:ident)* })*) => {
        $(mod $feature {
            $(#[tokio::test]
            async fn $case() {
                crate::$feature::$case(&super::OnSqlite::start()).await;
            })*
        })*
    };
}

on_sqlite! {
    accounts {
        an_organization_reads_back_with_its_seals
        a_sub_account_reads_back_with_its_key
        an_organization_is_stored_whole_or_not_at_all
        an_account_of_another_tree_is_not_found
        organizations_are_listed_by_id_in_pages
        many_accounts_are_stored_together_or_not_at_all
        an_account_is_replaced_by_its_next_version_only
        accounts_of_a_tree_are_listed_by_id_in_pages
        sub_accounts_are_listed_in_numbered_pages_without_the_closed
    }
    credentials {
        a_credential_is_found_with_the_rows_that_decide
        a_platform_key_has_no_account
        a_revoked_credential_is_found_as_such
        tag_and_id_are_unique
        a_credential_of_another_tree_is_not_found
        a_credential_is_replaced_by_its_next_version_only
        a_credential_does_not_move_to_another_tree
        an_unknown_tag_is_not_found
        the_first_key_of_each_account_is_listed
        last_used_moves_forward_only_and_changes_nothing_else
    }
    foreign_keys {
        a_key_is_stored_with_its_slow_hash
        kinds_are_listed_once_each
        keys_are_taken_over_together_or_not_at_all
        adopting_a_key_forgets_its_slow_hash
    }
    keys {
        an_accounts_keys_are_counted_up_to_the_maximum
        keys_that_do_not_live_do_not_count
        of_a_hundred_at_once_one_reaches_the_maximum
        an_accounts_keys_are_listed_by_id_in_pages
        platform_keys_are_listed_by_themselves
        a_listed_key_says_when_it_was_last_used
    }
    rotations {
        a_rotated_key_reads_back_with_its_successor
        a_rotation_is_stored_whole_or_not_at_all
        of_twenty_rotations_of_one_key_one_is_made
        a_line_lists_those_that_may_still_verify
        a_platform_keys_line_is_the_planes
        several_credentials_are_replaced_together_or_not_at_all
    }
    members {
        a_member_reads_back
        saving_again_replaces_name_and_address
        realm_and_subject_are_unique_within_an_account
        a_member_does_not_become_somebody_else
        a_member_of_another_account_is_not_found
        a_member_is_found_by_id_in_its_own_account_only
    }
    service_accounts {
        a_service_account_is_found_by_its_secret
        names_are_unique_within_an_account
        client_ids_are_unique_in_the_plane
        the_maximum_is_reached_exactly
        deleted_ones_do_not_count
        of_twenty_at_once_one_reaches_the_maximum
        names_with_a_suffix_are_listed
        a_deleted_ones_name_is_free
        a_service_account_of_another_tree_is_not_found
        a_service_account_is_replaced_by_its_next_version_only
        a_name_that_is_taken_refuses_the_change
        service_accounts_are_listed_by_id_in_pages
        a_further_secret_is_stored_with_what_it_replaces_or_not_at_all
        living_secrets_are_listed
    }
    audit {
        an_event_is_stored_by_itself
        a_change_has_its_event_exactly_once
        a_refused_change_leaves_no_event
        an_event_that_exists_refuses_the_change
    }
    changes {
        revisions_of_a_shard_grow_by_one_per_row
        shards_count_by_themselves
        a_refused_change_leaves_no_row
        rows_and_revision_are_of_one_instant
        an_acknowledged_change_is_read_by_everybody
    }
    replays {
        a_reply_is_kept_once
        an_expired_reply_is_replaced
        a_sweep_erases_replies_and_then_forgets_requests
        a_sweep_is_bounded
    }
    health {
        a_store_that_works_says_so
    }
    leads {
        a_lead_is_replaced_by_whoever_knows_it
    }
    trail {
        unsealed_events_come_in_the_order_of_their_commits
        links_move_heads_and_mark_together
        links_that_do_not_continue_what_is_stored_are_refused
        a_checkpoint_covers_heads_that_are_still_these
        events_are_listed_by_id_as_the_filter_says
    }
}
