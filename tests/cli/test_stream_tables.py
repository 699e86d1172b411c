"""The commands on a stream that has a log: its table, training sets, freshness; what is not there yet is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from featurectl.cli.main import main
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.units import instant_us
from featurectl.offline.event_log import (
    OWN_COLUMNS,
    REJECTED_COLUMNS,
    EventLog,
    LoggedPartition,
    LogState,
    column_dtype,
)
from featurectl.offline.stream_places import StreamPlaces
from featurectl.operations.materialize import one_view

OBJECTS = """
entities: [{name: card, keys: {card: string}}]
sources:
  - name: swipes
    stream: {topic: swipes}
    history: swipes_files
    columns: {swipe: int64, card: string, amount: float64, at: timestamp}
    event_time: at
    dedup_key: [swipe]
    freshness: {warn_after: 1h}
  - name: swipes_files
    path: history.csv
    columns: {swipe: int64, card: string, amount: float64, at: timestamp}
    event_time: at
    dedup_key: [swipe]
feature_views:
  - name: spend
    entity: card
    source: swipes
    aggregates: [{column: amount, op: [sum, count], windows: [1h]}]
models:
  - name: fraud
    spine:
      source: swipes
      time: at
      label: {name: again, op: count, source: swipes, entity: card, horizon: 10m, expr: count > 1}
    features: [{spend: [amount_sum_1h, amount_count_1h]}]
"""
PROJECT = """
project: shop
environments:
  dev:
    registry: sqlite:///r.db
    offline: off
    online: sqlite:///on.db
    streams: sqlite:///streams.db
"""
COLUMNS = {"swipe": "int64", "card": "string", "amount": "float64", "at": "timestamp"}
NOW = datetime.now(UTC).replace(microsecond=0)
BEGIN = NOW - timedelta(hours=2)


def log_of(root: Path) -> EventLog:
    place = StreamPlaces(offline=str(root / "off"), project="shop", environment="dev")
    return EventLog(location=place.log("swipes").location, columns=COLUMNS, shown="log")


def commit(
    root: Path, offset: int, minutes: int, gaps: tuple[tuple[int, int], ...] = (), happened: float | None = None
) -> None:
    """Log an event of a card, which came some minutes after the beginning, and happened a second before, or then."""
    at = BEGIN + timedelta(minutes=minutes)
    event = at - timedelta(seconds=1) if happened is None else BEGIN + timedelta(minutes=happened)
    row = {
        "_partition": ["swipes/0"], "_offset": [offset], "_available_at": [at], "_rejected": [None],
        "swipe": [100 + offset], "card": ["c1"], "amount": [2.0], "at": [event],
    }  # fmt: skip
    schema: dict[str, pl.DataType] = {
        "_partition": pl.String(), "_offset": pl.Int64(), "_available_at": INSTANT, "_rejected": pl.String(),
        "swipe": pl.Int64(), "card": pl.String(), "amount": pl.Float64(), "at": INSTANT,
    }  # fmt: skip
    state = LogState(
        partitions={"swipes/0": LoggedPartition(first=0, end=offset + 1, applied_us=instant_us(at))},
        gaps=gaps,
        cut_us=instant_us(BEGIN),
    )
    log = log_of(root)
    assert log.commit(log.open(), pl.DataFrame(row, schema=pl.Schema(schema)), state)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """A function that runs a command in a project with a stream, and returns what it said; it has to succeed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "o.yaml").write_text(OBJECTS)
    before = BEGIN - timedelta(minutes=5)
    (tmp_path / "history.csv").write_text(f"swipe,card,amount,at\n1,c1,5,{before.isoformat()}\n")

    def ran(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        found = main([*words])
        said = capsys.readouterr()
        assert found == code, said.out + said.err
        return said.out + said.err

    ran("apply", "--auto-approve", "-q")
    return ran


def test_a_table_of_a_stream_grows_with_its_log_and_gaps_are_told(tmp_path: Path, run: Callable[..., str]):
    assert "first" in run("materialize")
    commit(tmp_path, 0, 1)
    assert "rebuild" in run("materialize")
    assert "no new rows" in run("materialize", "--dry-run")
    commit(tmp_path, 1, 2, gaps=((instant_us(BEGIN), instant_us(BEGIN) + 1_000_000),))
    (made,) = json.loads(run("materialize", "-q", "-o", "json"))["result"]["views"]
    assert (made["action"], made["rows_written"], len(made["gaps"])) == ("append", 1, 1)
    assert "the online store lost stamps of the stream between" in run("materialize")
    paths = (tmp_path / "off").rglob("runs/**/*.json")
    documents = [json.loads(path.read_text()) for path in paths]
    assert sum(len(document["gaps"]) for document in documents) == 2


def test_rows_later_than_the_log_are_refused_by_commands(tmp_path: Path, run: Callable[..., str]):
    commit(tmp_path, 0, 1)
    run("materialize")
    times = [BEGIN + timedelta(minutes=1), BEGIN + timedelta(minutes=30)]
    pl.DataFrame({"card": ["c1", "c1"], "event_time": times}).write_parquet("spine.parquet")
    said = run("training-set", "--features", "spend:*", "--spine", "spine.parquet", "--out", "x.parquet", code=1)
    assert "error[FC509]: spine file spine.parquet: 1 row is later than" in said
    pl.DataFrame({"card": ["c1"], "event_time": times[:1]}).write_parquet("spine.parquet")
    run("training-set", "--features", "spend:*", "--spine", "spine.parquet", "--out", "x.parquet", "--as-served")
    assert pl.read_parquet("x.parquet").select(pl.col("^.*count.*$")).item() == 2


def test_the_freshness_of_a_stream_is_how_far_its_log_is(tmp_path: Path, run: Callable[..., str]):
    commit(tmp_path, 0, 1)
    run("materialize")
    said = run("status", code=1)  # no worker keeps the view online
    assert ("swipes (source)" in said, "WARN" in said, "no worker has run" in said) == (True, True, True)


@pytest.mark.long
def test_what_workers_keep_online_is_not_pushed(tmp_path: Path, run: Callable[..., str]):
    commit(tmp_path, 0, 1)
    run("materialize")
    said = "error: view spend is of a stream: workers keep it online, nothing is pushed"
    assert said in run("push", "spend", code=64)
    assert "is not online" in run("verify", "--store", "spend", code=1)
    assert "Traceback" not in run("why", "spend", "card=c1", code=1)


def test_a_spine_of_a_stream_ends_with_its_log(tmp_path: Path, run: Callable[..., str]):
    commit(tmp_path, 0, 1)
    commit(tmp_path, 1, 30)
    run("materialize")
    run("training-set", "fraud", "--out", "x.parquet")
    made = pl.read_parquet("x.parquet").sort("at")
    assert made["amount_count_1h"].to_list() == [0, 1, 2]
    assert made["again"].to_list() == [True, False, None]  # the log ends before the horizon of the last
    run("training-set", "--features", "spend:*", "--keys-from", "spend", "--out", "y.parquet")
    assert pl.read_parquet("y.parquet")["event_time"].item() == BEGIN + timedelta(minutes=30)


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("known_at", "counts"), [("", [0, 1, 1, 2, 3, 3]), ("known_at: available_at", [0, 1, 1, 3, 3, 3])]
)
def test_events_are_answered_when_they_were_taken(
    tmp_path: Path, run: Callable[..., str], known_at: str, counts: list[int]
):
    """The one of minute 10 comes at 40, the one of 20 at once, that of 35 at 41, and that of 70 before it happens."""
    text = OBJECTS.replace("      time: at", f"      time: at\n      {known_at}")
    (tmp_path / "o.yaml").write_text(text)
    run("apply", "--auto-approve", "-q")
    for offset, (minute, happened) in enumerate([(20, 20), (40, 10), (41, 35), (60, 70), (80, 79)]):
        commit(tmp_path, offset, minute, happened=happened)
    run("materialize")
    run("training-set", "fraud", "--out", "x.parquet")
    made = pl.read_parquet("x.parquet").sort("at")
    assert made["amount"].to_list() == [5.0, *[2.0] * 5]
    assert made["amount_count_1h"].to_list() == counts


def test_small_files_of_a_log_are_put_together(
    tmp_path: Path, run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(one_view, "_MANY_FILES", 8)
    for number in range(8):
        commit(tmp_path, number, 1 + number)
    run("materialize")
    log = log_of(tmp_path)
    assert log.small_files(log.open()) == 1
    assert log.open().state.partitions["swipes/0"].end == 8
    assert "nothing" in run("materialize")


@pytest.mark.long
def test_small_files_of_rejected_events_are_put_together(
    tmp_path: Path, run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(one_view, "_MANY_FILES", 3)
    commit(tmp_path, 0, 1)
    place = StreamPlaces(offline=str(tmp_path / "off"), project="shop", environment="dev").rejected("swipes")
    table = EventLog(location=place.location, columns=REJECTED_COLUMNS, shown="rejected")
    types = {name: column_dtype(dtype) for name, dtype in {**OWN_COLUMNS, **REJECTED_COLUMNS}.items()}
    for number in range(3):
        row = ["swipes/0", number, BEGIN, "no JSON", "", b"{"]
        state = LogState(partitions={"swipes/0": LoggedPartition(first=0, end=number + 1, applied_us=0)})
        assert table.commit(table.open(), pl.DataFrame([row], schema=pl.Schema(types), orient="row"), state)
    run("materialize")
    opened = table.open()
    assert (table.small_files(opened), table.rows(opened), opened.state.partitions["swipes/0"].end) == (1, 3, 3)


@pytest.mark.long
def test_a_log_that_is_broken_is_an_error_of_its_source(tmp_path: Path, run: Callable[..., str]):
    commit(tmp_path, 0, 1)
    commit(tmp_path, 1, 30)
    run("materialize")
    commit(tmp_path, 2, 40)
    for path in Path(log_of(tmp_path).location).glob("*.parquet"):
        path.write_bytes(b"PAR1" + bytes(20))
    for words in ("materialize", "materialize --full", "status", "training-set fraud --out x.parquet"):
        said = run(*words.split(), code=1)
        assert "swipes" in said
        assert "Traceback" not in said


@pytest.mark.long
def test_a_new_version_of_a_view_is_made_while_events_come(tmp_path: Path, run: Callable[..., str]):
    commit(tmp_path, 0, 1)
    run("materialize")
    commit(tmp_path, 1, 30)
    narrower = OBJECTS.replace(
        "source: swipes\n    aggregates", "source: swipes\n    where: amount < 4\n    aggregates"
    )
    (tmp_path / "o.yaml").write_text(narrower)
    run("apply", "--auto-approve", "-q", "--allow-breaking", "spend")
    commit(tmp_path, 2, 40)
    (made,) = json.loads(run("materialize", "-q", "-o", "json"))["result"]["views"]
    assert (made["view"], made["version"], made["action"], made["rows_written"]) == ("spend", 2, "first", 3)
    (tmp_path / "o.yaml").write_text(narrower.replace("windows: [1h]", "windows: [1h, 2h]"))
    run("apply", "--auto-approve", "-q")
    commit(tmp_path, 3, 50)
    (made,) = json.loads(run("materialize", "-q", "-o", "json"))["result"]["views"]
    assert (made["version"], made["action"], made["rows_written"]) == (2, "rebuild", 4)  # repeats are known for longer


@pytest.mark.long
def test_a_table_from_before_the_log_answers_up_to_where_that_begins(tmp_path: Path, run: Callable[..., str]):
    run("materialize")
    asked = ("training-set", "--features", "spend:*", "--spine", "spine.csv", "--out", "x.csv", "-q")
    Path("spine.csv").write_text(f"card,event_time\nc1,{(BEGIN + timedelta(minutes=2)).isoformat()}\n")
    run(*asked)  # nobody has run a worker: the history is all there is
    commit(tmp_path, 0, 1)
    said = run(*asked, code=1)
    assert "error[FC509]: spine file spine.csv: 1 row is later than" in said
    assert "featurectl materialize spend takes what was logged since" in said
    Path("spine.csv").write_text(f"card,event_time\nc1,{(BEGIN - timedelta(seconds=1)).isoformat()}\n")
    run(*asked)
    assert Path("x.csv").read_text().splitlines()[1].endswith(",5.0,1")
