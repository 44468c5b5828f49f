//! What every engine has to do: a function for each property, and the macro
//! that runs them all on one engine.

pub(crate) mod alerts;
pub(crate) mod bindings;
pub(crate) mod crm;
pub(crate) mod deletes;
pub(crate) mod events;
pub(crate) mod journal;
pub(crate) mod keys;
pub(crate) mod leases;
pub(crate) mod memory;
pub(crate) mod pushed;
pub(crate) mod queue;
pub(crate) mod record;
pub(crate) mod runs;
pub(crate) mod schedules;
pub(crate) mod several;
pub(crate) mod text;

/// Every property as a test of its own, on databases that `$start` makes.
macro_rules! conformance {
    ($start:path) => {
        use crate::store::conformance::properties;
        properties! { alerts, $start,
            every_field_comes_back,
            what_is_over_is_found_by_its_end,
            what_is_over_goes_by_age,
            of_a_kind_one_is_open,
            a_run_is_judged_once_and_together_with_what_it_means,
        }
        properties! { bindings, $start,
            every_field_comes_back,
            a_later_binding_replaces_the_earlier,
            accounts_and_modes_are_apart,
            pages_are_bytewise_and_complete,
            filters_choose_mappings,
            a_look_up_tells_what_was_written_last,
            mappings_by_id_leaves_out_the_unknown,
            a_mapping_is_found_by_any_object_it_names_or_named,
            all_is_there_after_reopening,
        }
        properties! { crm, $start,
            a_binding_shows_as_the_crms_row,
            billing_and_money_are_the_crms,
            the_crms_row_is_taken_over_not_replaced,
            its_older_rows_are_hints,
            rows_of_another_account_are_no_hints,
            its_constraints_hold,
            an_amount_that_its_column_does_not_hold_is_shown_as_none,
        }
        properties! { deletes, $start,
            a_run_goes_with_what_is_its_own,
            what_is_settled_goes_and_what_is_open_stays,
            a_run_without_an_end_goes_by_its_beginning,
        }
        properties! { events, $start,
            an_id_is_taken_once,
            every_field_comes_back,
            a_run_takes_what_was_there_and_no_more,
            what_stripe_tells_waits_in_the_same_line_and_not_in_the_crms_log,
            a_full_run_takes_also_what_waits_for_another_attempt,
            an_end_is_told_once_and_shown_to_the_crm,
            events_whose_run_ended_without_a_word_are_found,
            what_was_given_up_can_be_replayed,
            filters_choose_events,
            requests_are_found_by_run_and_product,
            what_is_over_goes_by_age_and_number,
        }
        properties! { journal, $start,
            an_open_intent_comes_back_whole,
            open_intents_come_in_the_order_they_were_begun,
            finished_intents_are_gone,
            a_write_is_known_by_who_began_it,
            another_attempt_opens_an_intent_again,
        }
        properties! { keys, $start,
            every_field_comes_back,
            an_id_is_taken_once_and_a_name_is_not,
            a_key_is_ended_once,
            the_last_use_is_the_latest,
            what_ended_long_ago_goes,
        }
        properties! { leases, $start,
            a_lease_is_one_owners_until_it_is_given_back,
            what_is_written_under_an_old_epoch_is_refused,
            epochs_grow_also_over_tidying_up,
        }
        properties! { memory, $start,
            accounts_are_remembered_by_key,
            a_validation_replaces_the_one_before,
            a_listing_replaces_the_one_before,
            the_store_says_what_it_is,
        }
        properties! { pushed, $start,
            every_field_comes_back,
            a_change_counts_and_marks_what_it_touches,
            a_version_never_comes_again,
            a_change_on_another_basis_leaves_nothing,
            catalogs_are_apart,
            many_fit_into_one_change,
        }
        properties! { queue, $start,
            in_a_queue_one_run_waits,
            a_request_that_was_served_is_told_before_the_line,
            who_joins_a_run_knows_whether_it_still_waited,
            a_run_that_waits_ends_as_it_is_cancelled,
            a_queue_comes_in_its_order,
            what_others_asked_of_a_run_outlasts_what_is_written_of_it,
            dry_runs_whose_process_is_gone_are_found,
            runs_of_an_older_program_get_their_place,
        }
        properties! { record, $start,
            results_come_back_by_local_id,
            filters_choose_results,
            a_resumed_run_keeps_what_it_did,
            progress_comes_in_order_from_where_one_was,
            a_record_that_fails_leaves_nothing,
            a_record_is_refused_where_its_basis_no_longer_holds,
            records_side_by_side_all_arrive,
            large_records_fit,
            rows_get_the_account_of_their_run,
        }
        properties! { runs, $start,
            every_field_comes_back,
            a_run_can_be_replaced_but_not_made_by_it,
            ids_and_request_ids_are_taken_once,
            pages_stay_put_while_runs_come_in,
            filters_choose_runs,
            unfinished_runs_come_oldest_first,
            dry_runs_keep_their_plan,
        }
        properties! { schedules, $start,
            a_slot_is_claimed_by_one_of_many,
            a_claim_holds_until_the_next_and_only_its_holder_ends_it,
            a_pause_keeps_slots_from_being_claimed,
            a_resumed_schedule_passes_over_what_was_due,
            accounts_modes_and_jobs_are_apart,
        }
        properties! { several, $start,
            of_many_with_one_request_one_is_made,
            of_many_that_line_up_one_waits,
            a_run_is_begun_by_one_of_many,
            no_request_that_joined_is_lost,
            no_epoch_is_given_out_twice,
            a_product_is_changed_by_one_of_many_on_one_basis,
            an_event_is_taken_by_one_of_many,
            a_run_takes_no_event_that_it_was_not_told_of,
            pages_of_events_stay_put_while_others_come_in,
        }
        properties! { text, $start,
            texts_come_back_as_they_were,
            ids_are_told_apart_by_their_bytes,
            a_nul_is_kept,
            json_comes_back_to_the_letter,
            moments_keep_their_microseconds,
        }
    };
}
pub(crate) use conformance;

macro_rules! properties {
    ($group:ident, $start:path, $($property:ident),+ $(,)?) => {
        mod $group {
            use super::*;

            $(#[tokio::test]
            async fn $property() {
                // An engine that isn't there says so itself.
                if let Some(mut db) = $start().await {
                    crate::store::conformance::$group::$property(&mut db).await;
                }
            })+
        }
    };
}
pub(crate) use properties;
