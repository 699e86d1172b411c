"""What figures say of a canary, moment by moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from featurectl.language.definitions.gates import CanarySuccess
from featurectl.monitor.canary.figures import Figures, SideFigures
from featurectl.monitor.canary.verdict import judge_figures
from featurectl.registry.state import CanaryRun

AT = datetime(2026, 11, 25, 9, tzinfo=UTC)
END = AT + timedelta(minutes=30)
RUN = CanaryRun(
    model="late",
    number=1,
    champion=1,
    challenger=2,
    environment="prod",
    percent=5,
    for_us=30 * 60 * 10**6,
    min_requests=1_000,
    success=CanarySuccess(latency_p99_ms=100, error_rate_percent=1, freshness_us=2 * 3_600 * 10**6, score_psi=0.2),
    started_at=AT,
)
CHALLENGER = SideFigures(
    version=2, requests=1_000, rows=1_200, faults=2, slow=4, latency_p99_ms=80.0, oldest_us=10**9, scored=800
)
FIGURES = Figures(
    champion=SideFigures(version=1, requests=19_000, scored=15_000, latency_p99_ms=70.0),
    challenger=CHALLENGER,
    score_psi=0.02,
    psi_chance=0.012,
)


def judged(now=END, run=RUN, score_psi=0.02, psi_chance=0.012, champion=15_000, **challenger):
    figures = replace(
        FIGURES,
        challenger=replace(CHALLENGER, **challenger),
        champion=replace(FIGURES.champion, scored=champion),
        score_psi=score_psi,
        psi_chance=psi_chance,
    )
    return judge_figures(run, figures, now)


def test_it_is_promoted_when_its_time_is_over_and_all_hold():
    verdict = judged()
    assert verdict.state == "promoted"
    assert verdict.reason == (
        "latency_p99_ms 80 (asked: at most 100), error_rate_percent 0.2 (asked: at most 1), "
        "freshness 1000s (asked: at most 2h), score_psi 0.02 (asked: at most 0.2); 1,000 requests"
    )
    assert [item.holds for item in verdict.criteria] == [True] * 4


def test_it_waits_for_its_time_whatever_the_figures_are():
    verdict = judged(END - timedelta(seconds=90))
    assert (verdict.state, verdict.reason) == ("running", "1 min left")


def test_it_waits_for_its_requests_after_its_time():
    verdict = judged(requests=999)
    assert (verdict.state, verdict.reason) == ("running", "its time is over; it waits for requests: 999 of 1,000")
    least = replace(RUN, min_requests=None)
    assert judged(run=least, requests=99).reason == "its time is over; it waits for requests: 99 of 100"
    assert judged(run=least, requests=100, faults=0).state == "promoted"


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"latency_p99_ms": 100.5, "slow": 11}, "latency_p99_ms 100.5 (asked: at most 100)"),
        ({"faults": 11}, "error_rate_percent 1.1 (asked: at most 1)"),
        ({"score_psi": 0.21}, "score_psi 0.21 (asked: at most 0.2)"),
    ],
)
def test_what_does_not_hold_at_the_end_rolls_back_and_is_no_reason_before(figures, told):
    assert judged(END - timedelta(seconds=1), **figures).state == "running"
    verdict = judged(**figures)
    assert (verdict.state, verdict.reason) == ("rolled_back", f"{told}; 1,000 requests")


@pytest.mark.parametrize(
    "figures",
    [
        {"latency_p99_ms": 400.0, "slow": 30},
        {"faults": 30},
        {"oldest_us": 2 * 3_600 * 10**6 + 1},
        {"score_psi": 0.5},
    ],
    ids=lambda figures: next(iter(figures)),
)
def test_what_is_broken_beyond_doubt_rolls_it_back_at_once(figures):
    assert judged(AT + timedelta(seconds=1), **figures).state == "rolled_back"


def test_few_requests_put_nothing_beyond_doubt():
    early = AT + timedelta(seconds=1)
    assert judged(early, requests=29, faults=29).state == "running"
    assert judged(early, requests=30, faults=30).state == "rolled_back"
    assert judged(early, replace(RUN, min_requests=5), requests=5, faults=5).state == "rolled_back"


def test_scores_of_few_entities_are_not_compared():
    verdict = judged(scored=99, score_psi=9.0)
    assert (verdict.state, verdict.criteria[-1].holds) == ("running", None)
    assert (
        "it waits for score_psi: entities with scores: 99 and 15,000 of the champion, 100 are needed" in verdict.reason
    )
    assert judged(scored=0, score_psi=None, psi_chance=0.0).state == "running"


def test_a_distance_that_may_be_chance_is_waited_for():
    verdict = judged(scored=150, champion=2_000, score_psi=0.15, psi_chance=0.14)
    assert verdict.state == "running"
    assert verdict.reason.endswith("score_psi: 0.15, of which chance may be 0.14: more entities are needed")


def test_nothing_that_was_asked_for_needs_nothing_but_time_and_requests():
    verdict = judged(run=replace(RUN, success=CanarySuccess()), faults=1_000)
    assert (verdict.state, verdict.reason) == ("promoted", "no criterion was asked for; 1,000 requests")


def test_without_any_request_nothing_is_said():
    empty = Figures(champion=SideFigures(version=1), challenger=SideFigures(version=2))
    verdict = judge_figures(replace(RUN, min_requests=0), empty, END)
    assert (verdict.state, [item.holds for item in verdict.criteria]) == ("running", [None] * 4)
