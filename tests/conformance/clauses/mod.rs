//! The clauses, in the order of `docs`: what every kind promises.

mod contents;
mod crash;
mod fresh;
mod leases;
mod looking;
mod order;
mod rejected;
mod takeover;
mod trouble;

use crate::project::Fresh;

/// One promise, with how it is checked.
pub struct Clause {
    pub number: u8,
    pub name: &'static str,
    pub check: fn(&Fresh),
}

const fn clause(number: u8, name: &'static str, check: fn(&Fresh)) -> Clause {
    Clause { number, name, check }
}

/// All of them.
pub const CLAUSES: &[Clause] = &[
    clause(1, "looking_creates_nothing", looking::creates_nothing),
    clause(2, "applies_in_order_and_records", order::applies_and_records),
    clause(3, "a_second_run_does_nothing", order::second_run),
    clause(4, "undoes_in_reverse_across_stores", order::undoes_in_reverse),
    clause(5, "a_rejected_script_fails_and_later_ones_stay_untouched", rejected::later_ones_stay),
    clause(6, "nothing_after_the_bad_line_runs_or_the_half_is_visible", rejected::nothing_after),
    clause(7, "the_error_carries_the_line_in_the_users_file", rejected::carries_the_line),
    clause(8, "two_processes_one_lease_and_the_loser_learns_the_holder", leases::two_processes),
    clause(9, "five_racers_run_each_script_once", leases::five_racers),
    clause(10, "a_dead_holders_lease_ends_and_a_live_one_is_renewed", takeover::dead_and_alive),
    clause(11, "a_run_that_lost_its_lease_cannot_write", leases::lost_lease),
    clause(12, "a_kill_leaves_old_new_or_a_named_half", crash::killed),
    clause(13, "resumes_at_the_failed_part", rejected::resumes),
    clause(14, "hostile_names_and_contents_come_back_whole", contents::hostile),
    clause(15, "wrong_password_and_unreachable_host_keep_the_secret", trouble::no_way_in),
    clause(16, "a_hanging_client_and_its_children_end_at_the_deadline", trouble::hanging),
    clause(17, "a_newer_ledger_is_refused", looking::newer_ledger),
    clause(18, "a_mebibyte_of_noise_does_no_harm", contents::noise),
    clause(19, "changed_and_missing_files_are_found", looking::changed_and_missing),
    clause(20, "fresh_drops_the_users_things_and_nothing_else", fresh::drops),
];
