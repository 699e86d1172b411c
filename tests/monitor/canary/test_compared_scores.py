"""Scores of both sides are compared up to the instant that the log has of both, server by server."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.monitor.canary.compared_scores import COMPARED, ComparedScores
from featurectl.monitor.canary.log import CanaryLog
from featurectl.monitor.canary.score_distance import score_psi
from featurectl.monitor.canary.tally import ROWS
from featurectl.operations.prediction_log.log_files import PredictionLogFiles
from tests.monitor.canary.test_log import row, write
from tests.monitor.canary.test_verdict import AT, RUN

SCHEMA = {name: ROWS[name] for name in ("server", "entity", "logged_at", "score")}
SECOND = timedelta(seconds=1)


def asked(seconds, role, side, server="a:1"):
    """A hundred entities a second, whose scores move with the time of the day."""
    return [
        row(
            second * 100 + n,
            role,
            server=server,
            entity=(second * 100 + n) * 2 + side,
            logged_at=AT + second * SECOND,
            score=second / 100 + n / 1e4,
        )
        for second in seconds
        for n in range(100)
    ]


def test_a_side_whose_file_is_not_there_yet_does_not_look_like_another(tmp_path):
    """Both versions say the same. A look between two writings has ten seconds more of one of them."""
    log = CanaryLog(PredictionLogFiles(str(tmp_path)), RUN)
    for number, seconds in enumerate((range(10), range(10, 20))):
        write(tmp_path, 1, f"{120000 + number}.parquet", asked(seconds, "champion", 0))
        if number == 0:
            write(tmp_path, 2, "120000.parquet", asked(seconds, "challenger", 1))
    found = log.figures()
    assert (found.champion.requests, found.challenger.requests) == (2_000, 1_000)
    assert (found.champion.scored, found.challenger.scored, found.score_psi) == (1_000, 1_000, 0.0)
    everything = [pl.Series([item["score"] for item in asked(range(until), "", 0)]) for until in (20, 10)]
    assert score_psi(*everything)[0] > 0.25  # which would have ended it
    write(tmp_path, 2, "120001.parquet", asked(range(10, 20), "challenger", 1))
    found = log.figures()
    assert (found.champion.scored, found.challenger.scored, found.score_psi) == (2_000, 2_000, 0.0)


def test_each_server_has_an_instant_of_its_own(tmp_path):
    log = CanaryLog(PredictionLogFiles(str(tmp_path)), RUN)
    write(tmp_path, 1, "120000-a.parquet", asked(range(8), "champion", 0, "a:1"))
    write(tmp_path, 2, "120000-a.parquet", asked(range(2), "challenger", 1, "a:1"))
    write(tmp_path, 1, "120000-b.parquet", asked(range(3), "champion", 0, "b:1"))
    write(tmp_path, 2, "120000-b.parquet", asked(range(5), "challenger", 1, "b:1"))
    write(tmp_path, 1, "120000-c.parquet", asked(range(9), "champion", 0, "c:1"))  # no challenger there
    found = log.figures()
    assert (found.champion.scored, found.challenger.scored) == (500, 300)  # entities of all: 0 to 4, of b: 0 to 2


def instants(reached, before):
    """Up to when each server's rows count, by a loop; what counted before goes on to."""
    if not all(reached):
        return {}
    overall, until = min(max(side.values()) for side in reached), dict(before)
    for server in {*reached[0], *reached[1]}:
        both = [side[server] for side in reached if server in side]
        until[server] = max(before.get(server, AT), min(both) if len(both) == 2 else overall)
    return until


def last_scores(rows, until):
    """The last score of each entity up to the instant of its server, by a loop."""
    last = {}
    for server, entity, at, score in rows:
        if at <= until.get(server, AT) and (entity not in last or at >= last[entity][0]):
            last[entity] = at, score
    return sorted(score for _, score in last.values())


ROW = st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.integers(0, 30))


@pytest.mark.long
@given(st.lists(st.tuples(st.booleans(), st.lists(ROW, max_size=8)), max_size=12))
def test_scores_are_those_of_a_loop_whatever_comes_when(parts):
    compared, rows, reached = ComparedScores(), ([], []), ({}, {})
    number, until = 0, {}
    for is_champion, some in parts:
        side = 0 if is_champion else 1
        made = []
        for server, entity, second in some:
            number += 1
            made.append((server, entity, AT + second * SECOND + number * timedelta(microseconds=1), float(number)))
            reached[side][server] = max(made[-1][2], reached[side].get(server, made[-1][2]))
        rows[side].extend(made)
        frames = [pl.DataFrame(made if side == place else [], schema=SCHEMA, orient="row") for place in (0, 1)]
        compared.add(*frames)
        until = instants(reached, until)
        found = [sorted(values) for values in compared.values()]
        assert found == [last_scores(rows[place], until) for place in (0, 1)]


@pytest.mark.parametrize("entity", [pl.int_range(0, 40_000, eager=True), pl.repeat(7, 40_000, eager=True)])
def test_what_waits_for_the_other_side_has_a_bound(entity):
    compared, other = ComparedScores(), pl.DataFrame(schema=SCHEMA)
    for part in range(5):
        at = pl.Series([AT + part * SECOND]).cast(ROWS["logged_at"]).new_from_index(0, len(entity))
        rows = pl.DataFrame({"server": "a", "entity": entity + part, "logged_at": at, "score": 0.5}, schema=SCHEMA)
        compared.add(rows, other)
    assert [side.waiting.height for side in compared.sides] == [COMPARED, 0]
    assert [len(values) for values in compared.values()] == [0, 0]
