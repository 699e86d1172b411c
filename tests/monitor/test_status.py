"""What `status` says of instants before and after the last push."""

from __future__ import annotations

import json
import shutil

import pytest

from featurectl.cli.main import main
from featurectl.core.units import parse_instant
from tests.cli.shop import apply_shop, materialize_shop, write_shop

PUSHED = "2026-01-08T00:00:00Z"  # the last order became known at 2026-01-07 10:00
AHEAD = """
entities: [{name: flight, keys: {flight: string}}]
sources:
  - name: schedule
    path: schedule.csv
    event_time: leaves_at
    available_at: known_at
    columns: {flight: string, leaves_at: timestamp, known_at: timestamp, gate: string}
    freshness: {error_after: 30d}
feature_views:
  - {name: gates, entity: flight, source: schedule, features: [gate]}
"""
SCHEDULE = """flight,leaves_at,known_at,gate
A1,2026-01-05T10:00:00Z,2026-01-01T00:00:00Z,3
A1,2026-02-01T10:00:00Z,2026-01-07T00:00:00Z,4
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = write_shop(tmp_path_factory.mktemp("shop"))
    (root / "ahead.yaml").write_text(AHEAD)
    (root / "schedule.csv").write_text(SCHEDULE)
    apply_shop(root)
    materialize_shop(root)
    assert main(["push", "-C", str(root), "-q"]) == 0
    return root


@pytest.fixture
def rows(made, tmp_path, monkeypatch, capsys):
    """A function that returns the rows of `status` as of an instant, by name, and its exit code."""
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "shop"))

    def look(as_of):
        code = main(["status", "-q", "-o", "json", "--as-of", as_of])
        found = json.loads(capsys.readouterr().out)["result"]["rows"]
        return {row["name"]: row for row in found}, code

    return look


@pytest.mark.parametrize("as_of", ["2025-12-01T00:00:00Z", "2026-01-06T12:00:00Z", "2026-01-07T12:00:00Z", PUSHED])
def test_nothing_that_is_shown_lies_after_now(rows, as_of):
    found, _ = rows(as_of)
    now = parse_instant(as_of)
    assert len(found) == 5
    for row in found.values():
        assert row["age_seconds"] is None or row["age_seconds"] >= 0
        for name in ("last_event", "computed_at"):
            assert row[name] is None or parse_instant(row[name]) <= now


def test_an_instant_between_newest_row_and_push_shows_what_was_known_then(rows):
    found, code = rows("2026-01-07T12:00:00Z")
    for name, done in (("spend", "pushed"), ("last_order", "pushed"), ("history", "materialized")):
        row = found[name]
        assert (row["state"], row["last_event"], row["age_seconds"]) == ("OK", "2026-01-07T10:00:00Z", 7_200.0)
        assert (row["computed_at"], row["online_keys"]) == (None, None)
        assert row["note"] == f"{done} as of 2026-01-08 00:00 only"
    assert code == 0


@pytest.mark.usefixtures("capsys")
def test_what_was_known_before_the_newest_row_is_gone_with_a_reason_named(rows):
    found, code = rows("2026-01-06T12:00:00Z")
    for name, done in (("spend", "pushed"), ("history", "materialized")):
        row = found[name]
        assert (row["state"], row["last_event"], row["age_seconds"]) == ("ERROR", None, None)
        assert row["error"] == (
            f"{done} as of 2026-01-08 00:00, later than this now: what was known before is not kept"
        )
    assert code == 1


def test_at_the_push_and_after_it_the_push_is_shown(rows):
    found, code = rows("2026-01-08T10:00:00Z")
    row = found["spend"]
    assert (row["last_event"], row["age_seconds"]) == ("2026-01-07T10:00:00Z", 86_400.0)
    assert (row["computed_at"], row["online_keys"], row["note"]) == (PUSHED, 1, None)
    assert code == 0


def test_the_last_event_is_the_one_before_those_that_lie_ahead(rows):
    found, _ = rows(PUSHED)
    assert found["gates"]["last_event"] == "2026-01-05T10:00:00Z"
    assert found["gates"]["note"] == "newer events lie ahead of now"
    assert found["gates"]["age_seconds"] == found["schedule"]["age_seconds"] == 86_400.0
    assert found["schedule"]["last_event"] == "2026-01-05T10:00:00Z"


def test_a_note_stands_behind_its_row(made, monkeypatch, capsys):
    monkeypatch.chdir(made)
    assert main(["status", "--as-of", "2026-01-07T12:00:00Z"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("spend")]
    assert line.split() == [
        "spend", "2026-01-07", "10:00", "2", "h", "-", "OK", "1", "3", "-", "-",
        "pushed", "as", "of", "2026-01-08", "00:00", "only",
    ]  # fmt: skip
