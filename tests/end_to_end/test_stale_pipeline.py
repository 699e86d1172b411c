"""The story that monitoring is for: a pipeline stops for 48 hours, and somebody is told before the users notice.

What the stale values cost the model, and what training as served wins back, is `tests/benchmarks/test_outage.py`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tests.end_to_end.flights import Repository, write_some_flights

STOPPED = datetime(2013, 12, 8, 12, tzinfo=UTC)  # the last run of the pipeline
HOUR = timedelta(hours=1)
ALERTS = """
notifiers:
  - {name: ops, command: "tee -a told.jsonl"}
alerts:
  - {name: stale, when: freshness > 24h, for: 1h, repeat: 12h, views: [carrier_arrivals], severity: critical, notify: [ops]}
"""  # noqa: E501  # lines of a file or a screen


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> Repository:
    """A repository of which nothing was materialized or pushed after `STOPPED`; its sources went on."""
    repository = write_some_flights(tmp_path_factory.mktemp("stopped") / "flights")
    (repository.root / "alerts.yaml").write_text(ALERTS)
    repository.run("apply", "--auto-approve")
    repository.run("materialize", "carrier_arrivals", "--as-of", STOPPED.isoformat())
    return repository


def look(repository: Repository, at: datetime) -> int:
    """Look at the alerts as cron does, and return the exit code."""
    return repository.call("monitor", "check", "--as-of", at.isoformat())[0]


def told(repository: Repository) -> list[dict]:
    """Return what the notifier was given."""
    path = repository.root / "told.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def newest_known(repository: Repository, at: datetime) -> datetime:
    """Return the watermark of the landings at an instant."""
    return repository.rows("arrivals").filter(pl.col("available_at") <= at)["available_at"].max()  # type: ignore[return-value]


@pytest.mark.long
def test_a_late_pipeline_is_reported_in_time_with_its_cause_and_its_end(stopped):
    due = newest_known(stopped, STOPPED) + 24 * HOUR
    for minutes in (-60, 0, 1, 60):  # a bound itself still holds; then it is pending, until `for` is over
        assert look(stopped, due + timedelta(minutes=minutes)) == 0
    assert told(stopped) == []
    assert look(stopped, due + timedelta(minutes=61)) == 1
    [first] = told(stopped)
    assert (first["kind"], first["alert"], first["severity"]) == ("firing", "stale", "critical")
    assert (first["subject"], first["condition"]) == ("view:carrier_arrivals@1", "freshness > 1d")
    assert first["cause"].startswith(
        "the offline table is behind: source arrivals has rows that became available until"
    )
    assert first["cause"].endswith(": featurectl materialize carrier_arrivals")
    assert first["look"].startswith("featurectl why carrier_arrivals")

    for hours in range(2, 24, 3):  # it is told again, not more often than `repeat`
        assert look(stopped, due + hours * HOUR) == 1
    assert [item["kind"] for item in told(stopped)] == ["firing", "repeat"]

    back = STOPPED + 48 * HOUR  # the pipeline runs again
    stopped.run("materialize", "carrier_arrivals", "--as-of", back.isoformat())
    for hours in range(3):
        assert look(stopped, back + hours * HOUR) == 0
    *_, last = found = told(stopped)
    assert [item["kind"] for item in found] == ["firing", "repeat", "resolved"]
    assert {item["key"] for item in found} == {first["key"]}
    assert last["at"] == back.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.long
def test_a_source_that_stopped_is_the_cause_though_the_pipeline_goes_on(stopped, tmp_path):
    repository = stopped.copy(tmp_path / "flights")
    (repository.root / "told.jsonl").unlink(missing_ok=True)
    ended = STOPPED + 60 * HOUR
    rows = repository.rows("arrivals").filter(pl.col("available_at") <= ended)
    rows.write_parquet(repository.data("arrivals"))
    later = ended + 30 * HOUR
    for at in (later, later + HOUR):
        repository.run("materialize", "carrier_arrivals", "--as-of", at.isoformat())
        code = look(repository, at)
    assert code == 1
    [message] = told(repository)
    newest = newest_known(repository, ended)
    told_since = f"its newest row became available {newest:%Y-%m-%d %H:%M}"
    assert message["cause"].startswith("source arrivals has had nothing new for 31 h")
    assert message["cause"].endswith(told_since)
