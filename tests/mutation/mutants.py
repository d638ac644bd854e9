"""The seeded bugs: where each is, what it breaks, and a test that it can't survive.

The number is that of `mutant(n)` or `cut(n, lock)` in the file. `make mutants` runs the
tests against each.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One seeded bug."""

    number: int
    file: str
    breaks: str
    killer: str


MUTANTS = [
    Mutant(n, *what)
    for n, what in enumerate(
        [
            # Entry and the bound of jobs.
            (
                "entry.pyx",
                "a post is taken after shutdown()",
                "contract/test_shutdown.py::test_shutdown_refuses_posts_while_it_waits",
            ),
            (
                "ledger.pyx",
                "`<=` for `<`: one job more than max_queue_size is let in",
                "contract/test_backpressure.py::test_post_at_the_bound_with_block_false_raises",
            ),
            # The queue of a slot.
            (
                "ring.pxd",
                "`<=` for `<`: a slot takes one item more than max_queue_length",
                "contract/test_overflow.py::test_error_raises_slot_queue_full_error_into_the_logic",
            ),
            (
                "ring.pxd",
                "wrong order at pop: the newest item leaves the queue first",
                "contract/test_words.py::test_slot_is_first_in_first_out",
            ),
            (
                "route.pyx",
                "what an overflow rule drops is not counted",
                "contract/test_overflow.py::test_dropped_items_are_counted_and_logged_once",
            ),
            (
                "route.pyx",
                "lost settle: the job of an item that is pushed out stays open",
                "contract/test_overflow.py::test_post_to_a_full_slot_follows_its_drop_rule",
            ),
            (
                "route.pyx",
                "a full slot with the rule 'block' pushes its oldest item out",
                "contract/test_overflow.py::test_block_loses_nothing_and_keeps_order",
            ),
            # The activation check.
            (
                "route.pyx",
                "a policy that said no is not asked again when something arrives",
                "contract/test_user_policies.py::test_consume_all_new_takes_everything",
            ),
            (
                "drain.pyx",
                "`<=` for `<`: one activation more than the limit of a routine",
                "contract/test_concurrency.py::test_logic_that_blocks_is_not_begun_again_meanwhile",
            ),
            (
                "drain.pyx",
                "batch off by one: it takes one item less",
                "contract/test_batching.py::test_batches_have_exactly_n_items_and_one_partial_batch_is_last",
            ),
            (
                "activation.pyx",
                "the interval of time_interval_policy is ignored",
                "contract/test_intervals.py::test_at_most_one_activation_per_interval",
            ),
            (
                "drain.pyx",
                "of several slots the newest item runs first",
                "contract/test_order.py::test_order_holds_across_the_slots_of_a_routine",
            ),
            (
                "drain.pyx",
                "park not undone: an item that is taken still counts as parked",
                "contract/test_backpressure.py::test_parked_jobs_count_again_when_their_policy_fires",
            ),
            # Who sleeps until there is room.
            (
                "drain.pyx",
                "dropped wake: an item is taken and who waits for the slot sleeps on",
                "contract/test_backpressure.py::test_post_at_a_full_slot_goes_on_when_half_of_it_is_free",
            ),
            (
                "park.pyx",
                "the watermark at which a slot wakes is one too low",
                "contract/test_backpressure.py::test_post_at_a_full_slot_goes_on_when_half_of_it_is_free",
            ),
            (
                "drain.pyx",
                "dropped wake: work is ready and who sleeps in emit() does not help",
                "contract/test_wakes.py::test_emit_that_sleeps_helps_with_what_a_post_makes_ready",
            ),
            (
                "drain.pyx",
                "async logic that was held is not started when its target has room",
                "contract/test_wakes.py::test_async_logic_goes_on_when_the_slot_that_it_feeds_has_room",
            ),
            # Lanes.
            (
                "settle.pyx",
                "lane not released: its key stays busy when the activation ended",
                "contract/test_keyed.py::test_items_of_a_key_are_processed_in_order_and_never_overlap",
            ),
            (
                "lane.pyx",
                "a lane is ready although its key is busy",
                "contract/test_concurrency.py::test_logic_that_blocks_is_not_begun_again_for_its_key",
            ),
            # Settling.
            (
                "straight.pxd",
                "double settle: an activation gives back one count too many",
                "contract/test_jobs.py::test_job_that_fails_twice_ends_once",
            ),
            (
                "count.pyx",
                "lost settle: the last item of a job leaves a count behind",
                "contract/test_waiting.py::test_wait_answers_true_when_jobs_failed_or_were_cancelled",
            ),
            (
                "count.pyx",
                "lost settle: a batch of several jobs does not give their counts back",
                "contract/test_batching.py::test_batches_have_exactly_n_items_and_one_partial_batch_is_last",
            ),
            (
                "count.pyx",
                "a job that is parked goes on counting for max_queue_size",
                "contract/test_backpressure.py::test_parked_jobs_do_not_count_for_max_queue_size",
            ),
            (
                "settle.pyx",
                "a job that ended ends once more, with another status",
                "contract/test_jobs.py::test_cancelled_job_whose_logic_then_raises_stays_cancelled",
            ),
            (
                "settle.pyx",
                "an item that is dropped with its job leaves a count behind",
                "contract/test_errors.py::test_items_of_a_failed_job_that_are_still_queued_are_dropped_and_counted",
            ),
            (
                "settle.pyx",
                "cancel leaves the queued items of the job where they are",
                "contract/test_job_results.py::test_cancelled_job_never_runs_what_it_has_queued",
            ),
            (
                "route.pyx",
                "what a job emits after it ended is delivered",
                "contract/test_job_results.py::test_job_that_cancels_itself_runs_nothing_more",
            ),
            # References.
            (
                "settle.pyx",
                "forgotten decref: an item is kept for ever",
                "contract/test_errors.py::test_failed_job_keeps_no_item_alive",
            ),
            (
                "ledger.pyx",
                "forgotten decref: a job that falls out of the history is kept",
                "stress/test_leaks.py::test_runtimes_leave_nothing_behind",
            ),
            (
                "route.pyx",
                "forgotten incref: a queue holds an item without a reference",
                "contract/test_posting.py::test_same_object_posted_twice_arrives_twice",
            ),
            # The ledger.
            (
                "ledger.pyx",
                "dropped wake: the last job ended and who waits for all sleeps on",
                "contract/test_waiting.py::test_wait_without_a_timeout_waits_for_the_end",
            ),
            (
                "ledger.pyx",
                "dropped wake: a job ended and who waits for it sleeps on",
                "contract/test_job_results.py::test_job_wait_without_a_timeout_waits_for_the_end",
            ),
            (
                "ledger.pyx",
                "room waiter not woken: the watermark of max_queue_size is one too low",
                "contract/test_backpressure.py::test_post_at_the_bound_waits_until_a_job_finishes",
            ),
            (
                "ledger.pyx",
                "the history remembers one job more than job_history",
                "contract/test_jobs.py::test_get_job_answers_for_the_last_job_history_finished_jobs",
            ),
            (
                "ledger.pyx",
                "a callback that is added after the end of its job is never called",
                "contract/test_job_results.py::test_done_callback_gets_the_finished_job_once",
            ),
            # Pumps and the keeper.
            (
                "engine.pyx",
                "dropped wake: a pump is taken off the list of sleepers and not rung",
                "contract/test_waiting.py::test_wait_answers_true_when_all_jobs_are_finished",
            ),
            (
                "engine.pyx, pump.pyx",
                "the keeper sleeps on while work waits behind a pump that blocks",
                "contract/test_wakes.py::test_routines_that_block_run_side_by_side_after_a_time_of_rest",
            ),
            (
                "driver.pyx",
                "no pump is started for work that waits behind one that blocks",
                "contract/test_parallel.py::test_different_routines_run_in_parallel",
            ),
            # Time.
            (
                "park.pyx",
                "timer not armed: a policy waits for a time that never comes",
                "contract/test_intervals.py::test_at_most_one_activation_per_interval",
            ),
            (
                "park.pyx",
                "the keeper is not told of a timer that is the earliest",
                "contract/test_wakes.py::test_timer_that_becomes_the_first_is_kept_after_a_time_of_rest",
            ),
            (
                "flush.pyx",
                "`<` for `<=`: a timer that is due to the nanosecond is early",
                "sim/test_virtual_time.py::test_policies_and_retries_run_on_virtual_time",
            ),
            (
                "engine.pyx",
                "retry lost: its timer is due and the activation is forgotten",
                "contract/test_retry.py::test_retry_runs_the_activation_again_until_it_succeeds",
            ),
            (
                "quiet.pyx",
                "a cancelled job stays open until its retry is due",
                "contract/test_retry.py::test_shutdown_without_pending_work_does_not_wait_for_a_retry",
            ),
            # When nothing moves; pause.
            (
                "flush.pyx",
                "flush forgotten: a wait leaves partial batches where they are",
                "contract/test_waiting.py::test_wait_flushes_a_partial_batch",
            ),
            (
                "quiet.pyx",
                "a shutdown does not give up what no policy will take",
                "contract/test_shutdown.py::test_parked_data_ends_its_job_cancelled_with_the_slot_named",
            ),
            (
                "pause.pyx",
                "a worker that is resumed does not look at its queues",
                "contract/test_pause.py::test_no_activation_begins_while_a_worker_is_paused",
            ),
            (
                "settle.pyx",
                "dropped wake: the last activation ended and pause() sleeps on",
                "contract/test_pause.py::test_pause_waits_for_what_runs",
            ),
            (
                "settle.pyx",
                "an emit into a full cycle sleeps although nothing can move",
                "contract/test_full_cycle.py::test_cycle_that_is_full_fails_the_job_with_slot_queue_full_error",
            ),
            (
                "worker.pyx",
                "lost update: the state of a routine is replaced by who came late",
                "contract/test_worker_state.py::test_update_with_a_function_is_made_again_when_another_was_faster",
            ),
            # Typed slots.
            (
                "route.pyx",
                "a typed slot takes one item more than its bound",
                "contract/test_typed_queue.py::test_the_queue_follows_the_model_of_its_rule",
            ),
            (
                "portion.pyx",
                "a segment that is cut in two holds one count for both parts",
                "contract/test_typed_queue.py::test_all_items_arrive_once_in_order_and_in_full_batches",
            ),
            # Locks that are given back in the middle of their section.
            (
                "control.pyx",
                "lost wake: the last job ends between the look and the sleep",
                "contract/test_waiting.py::test_wait_answers_true_when_all_jobs_are_finished",
            ),
            (
                "entry.pyx",
                "skipped lock: two posts take the same place of max_queue_size",
                "contract/test_backpressure.py::test_posters_from_many_threads_never_pass_the_bound",
            ),
            (
                "drain.pyx",
                "skipped lock: two pumps begin an activation of one routine",
                "contract/test_order.py::test_read_modify_write_of_routine_state_needs_no_lock",
            ),
            (
                "route.pyx",
                "skipped lock: two posts take the same place of a slot",
                "contract/test_backpressure.py::test_posters_from_many_threads_never_pass_the_length_of_a_slot",
            ),
        ],
        start=1,
    )
]
