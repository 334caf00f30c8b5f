//! The list of all cases.

/// Makes a test of each function of the suite, on what `start` beside it gives. Where that is nothing,
/// the test is left out.
#[macro_export]
macro_rules! suite {
    () => {
        $crate::suite! {
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
                the_sealed_key_of_one_kind_is_replaced
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
            oauth {
                signing_keys_are_listed_with_the_newest_first
                a_signing_keys_sealed_key_is_replaced_and_nothing_else
                numbers_and_kids_of_signing_keys_are_unique
                a_client_is_found_with_the_rows_that_decide
                settings_are_replaced_by_their_next_version_only
                a_token_is_revoked_once_and_forgotten_in_time
                an_assertion_is_used_once_while_it_holds
            }
            databases {
                a_database_reads_back_with_its_seal_in_every_form
                a_place_has_one_database_that_has_not_failed
                a_database_is_replaced_by_its_next_version_only
                an_account_comes_with_its_database_or_not_at_all
                databases_are_listed_by_account_and_by_when_they_are_due
                managed_databases_that_have_not_failed_are_counted
            }
            realms {
                a_realm_is_found_by_its_issuer
                issuers_are_unique_and_names_within_an_organization
                of_many_realms_at_once_the_last_reaches_the_maximum
                a_realm_is_deleted_once_and_by_its_own_organization
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
                a_change_of_nothing_leaves_the_head_where_it_is
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
            given_calls {
                limits_that_are_set_sum_up
                many_accounts_take_together_or_not_at_all
                a_limit_is_not_lowered_below_what_was_given
                of_a_hundred_at_once_no_more_take_than_there_is
            }
            leases {
                a_lease_reads_back
                a_holder_is_found_with_the_account_above_it
                both_caps_hold_at_once
                what_has_ended_holds_nothing
                a_renewed_lease_lasts_from_then_on
                a_lease_is_given_back_once
                a_call_is_recorded_once
                the_same_request_has_the_same_lease
                caps_of_a_record_that_was_changed_count_for_nothing
                of_a_hundred_at_once_one_takes_the_last_slot
                leases_that_ended_long_ago_are_forgotten
                a_cancelled_lease_was_never_taken
            }
            uses {
                uses_are_drawn_in_parts_until_none_are_left
                uses_that_are_given_back_are_drawn_again
                uses_of_a_later_grant_are_drawn_anew
                fifty_who_draw_at_once_draw_all_uses_and_no_more
            }
            usage {
                a_batch_is_added_once_whatever_it_is_sent_again
                a_batch_that_another_one_should_come_before_is_refused
                of_many_sendings_at_once_one_is_added
                sums_stop_at_the_largest_number
                a_call_is_rolled_once_and_with_all_others_or_not_at_all
                of_two_who_roll_the_same_calls_one_does
                old_rows_are_forgotten_but_not_what_is_in_no_sum
            }
            usage_sums {
                sums_are_of_their_own_tree_and_account_alone
                sums_are_the_same_before_and_after_a_roll
                parts_of_hours_are_summed_to_the_instant
                sums_beside_rolls_miss_none_and_tell_none_twice
                groups_come_in_pages
                a_credential_is_told_by_its_kind
                names_beyond_the_limit_are_one_sum
            }
            leads {
                a_lead_is_replaced_by_whoever_knows_it
            }
            nodes {
                a_first_poll_notes_the_node_and_reads_the_heads_alone
                a_poll_reads_on_from_the_nodes_marks
                a_mark_of_another_history_is_noted_as_nothing
                polls_beside_changes_miss_none
                nodes_are_listed_until_they_are_forgotten
                pruning_takes_the_oldest_rows_and_leaves_the_last
            }
            trail {
                unsealed_events_come_in_the_order_of_their_commits
                links_move_heads_and_mark_together
                links_that_do_not_continue_what_is_stored_are_refused
                a_checkpoint_covers_heads_that_are_still_these
                events_are_listed_by_id_as_the_filter_says
            }
        }
    };
    ($($feature:ident { $($case:ident)* })*) => {
        $(mod $feature {
            $(#[tokio::test]
            async fn $case() {
                if let Some(backend) = super::start().await {
                    $crate::$feature::$case(&backend).await;
                }
            })*
        })*
    };
}
