"""Each contract suite fails on implementations that are wrong in one way, in the tests that are about that way."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Set, Tuple

import pytest

pytest_plugins = ("pytester",)


class Outcomes:
    """A pytest plugin: runs the suite of ``Right`` whole, of the others what is expected to fail."""

    def __init__(self, expected: Dict[str, Set[str]]) -> None:
        self.expected = expected
        self.failed: Dict[str, Set[str]] = {}

    @staticmethod
    def _named(nodeid: str) -> Tuple[str, str]:
        suite, test = nodeid.split("::")[1:3]
        return suite[len("Test") :], test.partition("[")[0][len("test_") :]

    def pytest_collection_modifyitems(self, items: List[pytest.Item]) -> None:
        assert {self._named(item.nodeid)[0] for item in items} == {"Right", *self.expected}
        items[:] = [
            item
            for item, (suite, test) in ((item, self._named(item.nodeid)) for item in items)
            if suite == "Right" or test in self.expected[suite]
        ]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        suite, test = self._named(report.nodeid)
        if report.failed:
            self.failed.setdefault(suite, set()).add(test)


def check(pytester: pytest.Pytester, broken: str, expected: Dict[str, Set[str]]) -> None:
    """Every test that is expected to fail does, and of the right implementation none."""
    pytester.makepyfile(test_suites=(Path(__file__).parent / "broken" / f"{broken}.py").read_text("utf-8"))
    outcomes = Outcomes(expected)
    pytester.inline_run("-p", "no:cacheprovider", "-q", plugins=[outcomes])
    assert outcomes.failed == expected


def test_policies(pytester: pytest.Pytester) -> None:
    count = "it_gives_as_many_distinct_workers_as_are_wanted_or_all"
    moves = {"only_the_keys_of_a_worker_that_goes_move", "only_keys_for_a_worker_that_comes_move"}
    check(
        pytester,
        "policies",
        {
            "Modulo": {*moves, "the_second_choices_of_a_worker_are_spread"},
            "FirstOnly": {"the_shares_are_even", "the_second_choices_of_a_worker_are_spread"},
            "FallsWithoutWorkers": {"without_workers_nobody_is_ranked"},
            "GivesOneOnly": {count},
            "Repeats": {count},
            "MakesWorkersUp": {count, "one_worker_serves_everything"},
            "DependsOnCount": {"the_answer_for_fewer_is_the_beginning_of_the_answer_for_more"},
            "Alternates": {"the_answer_is_the_same_each_time"},
            "HashesByProcess": {"the_answer_is_the_same_in_every_process"},
            "Remembers": {"an_answer_belongs_to_the_caller"},
            "Unsafe": {"threads_get_the_same_answers"},
            "Resolves": {"it_does_no_input_or_output"},
            "Misnamed": {
                "it_has_a_name_that_users_can_type",
                "its_docstring_begins_with_a_description_of_one_line",
                "it_was_written_for_a_known_version_of_the_interfaces",
                "its_settings_are_a_frozen_attrs_class",
                "its_settings_can_be_converted_from_what_users_write",
                "settings_that_are_secrets_are_marked_as_such",
                "its_description_can_be_written_as_json",
            },
        },
    )


def test_memberships(pytester: pytest.Pytester) -> None:
    check(
        pytester,
        "memberships",
        {
            "Connects": {"nothing_happens_before_it_is_asked"},
            "Unordered": {"the_snapshot_has_the_workers_in_order"},
            "Lists": {"the_snapshot_has_the_workers_in_order"},
            "Doubles": {"identities_are_distinct"},
            "Counts": {"the_second_snapshot_is_the_first_and_waits_for_nothing", "threads_that_ask_first_get_the_same"},
            "Waits": {"the_second_snapshot_is_the_first_and_waits_for_nothing"},
            "Frozen": {"a_change_is_seen_as_a_whole"},
            "Ungenerated": {"a_change_is_seen_as_a_whole", "the_same_workers_after_two_changes_are_a_new_generation"},
            "TellsNobody": {"subscribers_are_told_until_they_end_it"},
            "TellsForever": {"subscribers_are_told_until_they_end_it"},
            "LeavesAThread": {"no_thread_is_left_when_it_is_closed"},
            "ClosesOnce": {"it_can_be_closed_twice"},
        },
    )


def test_transports(pytester: pytest.Pytester) -> None:
    check(
        pytester,
        "transports",
        {
            "Short": {
                "a_body_that_ends_early_is_a_bad_answer",
                "a_file_that_became_shorter_is_never_read_as_if_it_were_whole",
            },
            "OffByOne": {"a_read_fills_the_view_and_nothing_else"},
            "Spills": {"a_read_fills_the_view_and_nothing_else"},
            "AnyVersion": {"a_file_of_another_version_is_not_read_where_versions_tell"},
            "AbsentWhenDead": {"a_dead_worker_is_a_temporary_failure"},
            "FailsWhenAbsent": {
                "a_stat_of_nothing_is_an_answer",
                "a_listing_of_nothing_is_an_answer",
                "a_read_of_nothing_is_an_answer",
            },
            "Patient": {
                "a_worker_that_sends_nothing_is_waited_for_until_the_deadline",
                "nothing_is_sent_when_the_time_is_over",
            },
            "KnowsNoStall": {"the_wait_for_a_byte_has_its_own_limit"},
            "WritesLate": {"nothing_writes_to_the_view_after_a_failure"},
            "OneBuffer": {"threads_read_their_own_ranges"},
            "ListsItself": {"a_listing_of_a_directory_has_each_child_once"},
            "Named": {"a_stat_has_name_kind_size_and_version"},
            "SaysItDrops": {"dropping_works_or_is_said_not_to"},
            "NoWorkers": {"it_says_what_it_can"},
        },
    )


def test_telemetries(pytester: pytest.Pytester) -> None:
    check(
        pytester,
        "telemetries",
        {
            "KnowsFewStates": {"it_takes_every_call"},
            "KnowsFewEvents": {"it_takes_every_event"},
            "ReadsAtOnce": {"what_it_watches_may_fail_and_may_repeat"},
            "Slow": {"recording_does_not_hold_up_the_caller"},
            "Loses": {"none_is_lost_among_threads"},
            "IgnoresStates": {"calls_are_counted_by_method_and_state"},
            "Opens": {"nothing_happens_before_it_is_used"},
        },
    )
