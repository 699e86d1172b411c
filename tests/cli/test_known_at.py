"""Spines that say when an answer is made: training sets and scores of what was known by then."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from featurectl.cli.main import main
from featurectl.core.units import HOUR_US
from featurectl.pit.naive import states_naively, windows_naively
from featurectl.pit.questions import StateQuestion, WindowQuestion

PROJECT = """project: shop
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///o.db", now: 2026-01-05T00:00:00Z}
"""
OBJECTS = """entities: [{name: card, keys: {card: int64}}]
sources:
  - name: swipes
    path: swipes.parquet
    event_time: at
    available_at: came
    columns: {card: int64, amount: float64, at: timestamp, came: timestamp, is_fraud: bool}
feature_views:
  - name: spend
    entity: card
    source: swipes
    aggregates: [{column: amount, op: [sum, max], windows: [2h]}, {op: count, windows: [2h]}]
  - {name: newest, entity: card, source: swipes, features: [amount]}
models:
  - name: fraud
    spine: {source: swipes, time: at, KNOWN label: {name: is_fraud}}
    features: [{view: spend, features: "*"}, {view: newest, features: [amount], prefix: newest_}]
    trainer: {estimator: lightgbm.LGBMClassifier, params: {n_estimators: 3}, validation: {fraction: 0.2, split: time}}
"""
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
QUESTIONS = [
    WindowQuestion(name="amount_sum_2h", op="sum", column="amount", window_us=2 * HOUR_US),
    WindowQuestion(name="amount_max_2h", op="max", column="amount", window_us=2 * HOUR_US),
    WindowQuestion(name="count_2h", op="count", column=None, window_us=2 * HOUR_US),
]


def swipes() -> pl.DataFrame:
    """Swipes of five cards, of which many are known later than they happen, and some earlier."""
    chance = Random(7)
    minutes = [chance.randrange(3 * 24 * 60) for _ in range(400)]
    delays = [chance.choice([0, 0, 1, 15, 90, 300, -3]) for _ in minutes]
    return pl.DataFrame(
        {
            "card": [chance.randrange(5) for _ in minutes],
            "amount": [chance.randrange(1, 400) / 4 for _ in minutes],
            "at": [BEGIN + timedelta(minutes=minute) for minute in minutes],
            "came": [BEGIN + timedelta(minutes=m + late) for m, late in zip(minutes, delays, strict=True)],
            "is_fraud": [chance.random() < 0.3 for _ in minutes],
        },
        schema_overrides={"at": pl.Datetime("us", "UTC"), "came": pl.Datetime("us", "UTC")},
    )


def expected(rows: pl.DataFrame, spine: pl.DataFrame, known: str | None) -> list[dict[str, object]]:
    """What the naive oracle says of each row of a spine."""
    table = rows.rename({"at": "event_time", "came": "available_at"}).with_row_index("tie_order").to_dicts()
    asked: dict[str, Any] = {"keys": ["card"], "time": "at", "known": known}
    windows = windows_naively(table, spine.to_dicts(), questions=QUESTIONS, **asked)
    state = [StateQuestion(name="newest_amount", column="amount")]
    states = states_naively(table, spine.to_dicts(), questions=state, ttl_us=None, **asked)
    names = ["newest_amount"]
    return [w | {name: s[name] for name in names} for w, s in zip(windows, states, strict=True)]


def values(made: pl.DataFrame) -> list[dict[str, object]]:
    return made.select("amount_sum_2h", "amount_max_2h", "count_2h", "newest_amount").to_dicts()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs commands in the project, which is applied; gives all that they say."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    swipes().write_parquet("swipes.parquet")

    def call(*words: str, code: int = 0) -> str:
        found = main([*words])
        said = capsys.readouterr()
        assert found == code, said.out + said.err
        return said.out + said.err

    def begin(known: str) -> None:
        (tmp_path / "objects.yaml").write_text(OBJECTS.replace("KNOWN", known))
        call("apply", "--auto-approve", "-q")
        call("materialize", "-q")

    call.begin = begin  # type: ignore[attr-defined]
    return call


@pytest.mark.parametrize("column", [pytest.param("came", marks=pytest.mark.long), "available_at"])
def test_a_training_set_is_of_what_was_known_when_answers_were_made(run: Any, column: str):
    run.begin(f"known_at: {column},")
    rows = swipes()
    said = run("training-set", "fraud", "--out", "x.parquet")
    early = rows.filter(pl.col("came") < pl.col("at")).height
    assert f"{early} rows are known before they happen (at after {column})" in said
    made = pl.read_parquet("x.parquet")
    assert made.select(rows.columns).equals(rows.select(rows.columns))
    assert values(made) == expected(rows, rows, "came")
    assert values(made) != expected(rows, rows, None)
    manifest = json.loads(Path("x.parquet.manifest.json").read_text())
    assert (manifest["spine"]["known_at"], manifest["spine"]["early"]) == (column, early)
    run("training-set", "--from-manifest", "x.parquet.manifest.json", "--out", "y.parquet", "-q")
    assert Path("y.parquet").read_bytes() == Path("x.parquet").read_bytes()


def test_a_file_says_itself_when_its_answers_are_made(run: Any):
    run.begin("")
    rows, spine = swipes(), swipes().select("card", "at").sample(50, seed=1)
    spine = spine.with_columns(scored=(pl.col("at") + pl.duration(hours=2)).cast(pl.Datetime("us", "UTC")))
    spine.write_parquet("spine.parquet")
    features = ("--features", "spend:*", "--features", "newest:* as newest_", "--spine", "spine.parquet")
    run("training-set", *features, "--time", "at", "--known-at", "scored", "--out", "x.parquet")
    assert values(pl.read_parquet("x.parquet")) == expected(rows, spine, "scored")
    run("training-set", "--from-manifest", "x.parquet.manifest.json", "--out", "y.parquet", "-q")
    assert Path("y.parquet").read_bytes() == Path("x.parquet").read_bytes()
    said = run("training-set", *features, "--time", "at", "--known-at", "done", "--out", "z.parquet", code=1)
    assert "spine file spine.parquet has no column 'done'" in said
    assert not Path("z.parquet").exists()


@pytest.mark.long
def test_scores_are_of_what_was_known_when_they_were_made(run: Any):
    run.begin("known_at: came,")
    rows = swipes()
    run("train", "fraud", "-q")
    run("score", "fraud", "--spine", "swipes", "--out", "s.parquet", "-q")
    run("training-set", "fraud", "--spine", "swipes", "--out", "x.parquet", "-q")
    assert values(pl.read_parquet("x.parquet")) == expected(rows, rows, "came")
    manifest = json.loads(Path("s.parquet.manifest.json").read_text())
    assert manifest["spine"]["known_at"] == "came"
    rows.drop("came").write_parquet("bare.parquet")
    said = run("score", "fraud", "--spine", "bare.parquet", "--out", "b.parquet")
    assert "spine file bare.parquet has no column 'came', the known_at of model fraud" in said


@pytest.mark.long
def test_rows_that_were_always_known_have_no_such_instant(run: Any):
    cards = "  - {name: cards, path: swipes.parquet, columns: {card: int64, at: timestamp}}"
    begun = OBJECTS.replace("feature_views:", f"{cards}\nfeature_views:").replace("KNOWN", "known_at: available_at,")
    Path("objects.yaml").write_text(begun)
    run("apply", "--auto-approve", "-q")
    run("materialize", "-q")
    said = run("training-set", "fraud", "--spine", "cards", "--out", "x.parquet")
    assert "spine source cards has no column 'available_at', the known_at of model fraud" in said
    assert values(pl.read_parquet("x.parquet")) == expected(swipes(), swipes(), None)


def test_what_does_not_go_together_is_refused(run: Any):
    run.begin("known_at: came,")
    out = ("--out", "x.parquet")
    said = run("training-set", "fraud", "--as-served", *out, code=64)
    assert "--as-served: what was online at the time of a row was made then, and not at came" in said
    assert "--known-at goes with --spine" in run("training-set", "fraud", "--known-at", "came", *out, code=64)
    words = ("--features", "spend:*", "--keys-from", "spend", "--known-at", "came")
    assert "--known-at goes with a spine" in run("training-set", *words, *out, code=64)


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ("known_at: cane,", 'no column "cane"'),
        ("known_at: amount,", '"amount" is float64, must be a timestamp or a date'),
    ],
)
def test_a_column_that_is_no_time_is_refused(run: Any, known: str, message: str):
    Path("objects.yaml").write_text(OBJECTS.replace("KNOWN", known))
    assert message in run("validate", code=1)


def test_without_it_definitions_are_what_they_were(run: Any):
    run.begin("")
    assert "No changes." in run("plan")
    Path("objects.yaml").write_text(OBJECTS.replace("KNOWN", "known_at: came,"))
    assert "retrain  spine.known_at: - -> came" in run("plan")
