"""Every answer of the kernel equals that of the naive oracle."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurectl.language.definitions import aggregates
from featurectl.pit import naive
from featurectl.pit.aggregates.all_aggregates import AGGREGATES
from featurectl.pit.lookup import answer_states
from featurectl.pit.naive import states_naively, windows_naively
from featurectl.pit.windows import answer_windows
from tests.pit.cases import TAKES, Case, cases
from tests.pit.frames import SmallPieces, alike
from tests.pit.tally import Tally
from tests.seeds import examples

QUIET = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


def compare(got, expected):
    assert len(got) == len(expected)
    for place, (row, wanted) in enumerate(zip(got, expected, strict=True)):
        for name, value in wanted.items():
            assert alike(row[name], value, size=1e6), f"row {place}, {name}: {row[name]!r}, expected {value!r}"


def check_windows(case: Case) -> list[dict[str, object]]:
    """Compare the answers to windows with the naive ones, which are returned."""
    asked: dict[str, Any] = {"questions": case.windows, "closed": case.closed, "hop_us": case.hop_us, **case.asked}
    expected = windows_naively(case.rows.to_dicts(), case.spine.to_dicts(), **asked)
    got = answer_windows(case.rows, case.spine, **asked)
    compare(got.to_dicts(), expected)
    return expected


def check_states(case: Case) -> None:
    asked: dict[str, Any] = {"questions": case.states, "ttl_us": case.ttl_us, **case.asked}
    expected = states_naively(case.rows.to_dicts(), case.spine.to_dicts(), **asked)
    got = answer_states(case.rows, case.spine, **asked)
    compare(got.values.with_columns(event_time=got.event_time, available_at=got.available_at).to_dicts(), expected)


@given(cases())
@settings(QUIET, max_examples=examples(5, 15))
def test_windows_equal_the_naive_ones(case):
    check_windows(case)


@given(cases())
@settings(QUIET, max_examples=examples(3, 15))
def test_windows_in_small_pieces_equal_the_naive_ones(case):
    with SmallPieces():
        check_windows(case)


@given(cases())
@settings(QUIET, max_examples=examples(3, 15))
def test_windows_by_levels_equal_the_naive_ones(case):
    with SmallPieces(levels=True):
        check_windows(case)


@given(cases())
@settings(QUIET, max_examples=15)
def test_states_equal_the_naive_ones(case):
    check_states(case)
    with SmallPieces():
        check_states(case)


@given(cases(tied=True))
@settings(QUIET, max_examples=examples(5, 15))
def test_rows_that_tie_are_ordered_as_the_naive_ones(case):
    check_windows(case)
    check_states(case)


def campaign(number: int, most_rows: int) -> Tally:
    """Compare so many random cases, whole and in small pieces, and return what they had."""
    tally = Tally()

    @given(st.booleans().flatmap(lambda tied: cases(most_rows=most_rows, tied=tied)))
    @settings(QUIET, max_examples=number)
    def compare_one(case: Case) -> None:
        tally.see(case, check_windows(case))
        check_states(case)
        with SmallPieces():
            check_windows(case)
            check_states(case)
        with SmallPieces(levels=True):
            check_windows(case)

    compare_one()
    return tally


HARD = ["ties", "tiebreak columns", "nulls in a column", "nulls in the spine", "late rows", "empty windows",
        "rows at an end of a window", "spine rows twice", "several key columns", "no key", "closed other than left",
        "hops", "offsets", "times of knowledge"]  # fmt: skip


@pytest.mark.long
def test_random_tables_are_hard_ones():
    tally = campaign(12, 24)
    assert tally.cases >= 12
    assert [name for name in HARD if not tally.had[name]] == []


@pytest.mark.stress
def test_many_random_tables_equal_the_naive_ones(capsys):
    tally = campaign(2000, 60)
    with capsys.disabled():
        print(f"\n{tally.told()}")  # noqa: T201  # for who runs it with -s
    assert tally.cases >= 2000
    assert min(tally.had[name] for name in HARD) > 0.02 * tally.cases


def test_the_oracle_imports_only_the_types_of_questions():
    found = [node.module for node in ast.walk(ast.parse(Path(naive.__file__).read_text()))
             if isinstance(node, ast.ImportFrom) and node.module.startswith("featurectl")]  # fmt: skip
    assert sorted(found) == ["featurectl.core.units", "featurectl.pit.questions"]


def test_the_kernel_answers_exactly_the_aggregates_of_the_language():
    assert set(AGGREGATES) == set(aggregates.AGGREGATES)
    assert set(TAKES) <= set(AGGREGATES)
