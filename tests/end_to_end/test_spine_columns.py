"""Through the commands and their files: a spine's own columns come back as they were, whatever their types."""

from datetime import UTC, datetime, time, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bad_input.shop import write_shop
from tests.end_to_end.flights import SPINE, TIME, Repository
from tests.frames import assert_same, frames
from tests.seeds import examples

FROM = datetime(2026, 1, 1, tzinfo=UTC)
CUTS = [(), ("--since", "2026-01-03T00:00:00Z"), ("--until", "2026-01-05T12:00:00Z"),
        ("--since", "2026-01-02T00:00:00Z", "--until", "2026-01-06T00:00:00Z")]  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Repository:
    """A small repository with a trained model, which is not to be changed."""
    repository = Repository(write_shop(tmp_path_factory.mktemp("shop")))
    for words in (("apply", "--auto-approve"), ("materialize",), ("train", "pays")):
        repository.run(*words)
    return repository


@st.composite
def asks(draw: st.DrawFn) -> pl.DataFrame:
    """A spine of the shop's model with columns of any types; `row` is the number of each row."""
    frame = draw(frames(rows=6, width=5))
    height = frame.height
    hours = draw(st.lists(st.none() | st.integers(0, 168), min_size=height, max_size=height))
    times = [None if hour is None else FROM + timedelta(hours=hour) for hour in hours]
    clock = draw(st.sampled_from([pl.Datetime("ms", "UTC"), pl.Datetime("ns", "UTC"), pl.Date()]))
    names = draw(st.lists(st.sampled_from(["a", "b", "z", None]), min_size=height, max_size=height))
    counts = draw(st.lists(st.none() | st.integers(0, 9), min_size=height, max_size=height))
    number = draw(st.sampled_from([pl.Int8(), pl.UInt64(), pl.Float32(), pl.String()]))
    made = frame.with_columns(
        pl.Series("customer", names, dtype=draw(st.sampled_from([pl.String(), pl.Categorical()]))),
        pl.Series("at", times, dtype=pl.Datetime("us", "UTC")).cast(clock),
        pl.Series("n", counts, dtype=pl.Int64).cast(number),
        pl.Series("row", range(height), dtype=pl.UInt16),
    )
    return made.select(draw(st.permutations(made.columns)))


@pytest.mark.long
@settings(max_examples=examples(3, 10), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(asks(), st.sampled_from(CUTS), st.sampled_from([(), ("--sample", "0.5", "--seed", "3")]))
def test_training_sets_and_scores_have_the_spines_columns_as_in_its_file(shop, frame, cut, sample):
    spine, plain, out = (shop.root / f"{name}.parquet" for name in ("spine", "plain", "out"))
    frame.write_parquet(spine)
    made = written(shop, out, "training-set", "pays", "--spine", str(spine), *cut, *sample)
    assert_same(made.drop("count_7d", "amount_sum_7d"), frame[made["row"].to_list()])
    scored = written(shop, out, "score", "pays", "--spine", str(spine), *cut)
    assert_same(scored.drop("score", "model_version"), frame[scored["row"].to_list()])
    assert set(made["row"]) <= set(scored["row"])
    assert made["row"].equals(scored["row"]) or sample
    assert scored.height == frame.height or cut
    frame.select("customer", "at", "n").cast({"n": pl.Int64, "customer": pl.String}).write_parquet(plain)
    alone = written(shop, out, "score", "pays", "--spine", str(plain), *cut)
    assert alone["score"].equals(scored["score"])


def written(repository: Repository, out, *words: str) -> pl.DataFrame:
    """Return what a command wrote; a manifest counts the rows that stand in the file."""
    result = repository.run(*words, "--out", str(out))
    rows = pl.read_parquet(out)
    assert result.get("rows", rows.height) == rows.height
    if "manifest" in result:
        assert result["manifest"]["spine"]["rows"] == result["manifest"]["rows"] == rows.height
        assert result["manifest"].get("columns", rows.columns) == rows.columns  # a score has them in its file alone
    return rows


def test_a_csv_that_can_not_hold_the_spine_is_refused_with_nothing_written(shop):
    frame = pl.DataFrame({"customer": ["a"], "at": [FROM], "n": [1], "where": [{"x": 0.5, "y": 1.5}]})
    frame.write_parquet(shop.root / "odd.parquet")
    before = {path.name for path in shop.root.iterdir()}
    for command in ("training-set", "score"):
        out = shop.root / "odd.csv"
        code, document, _ = shop.call(command, "pays", "--spine", str(shop.root / "odd.parquet"), "--out", str(out))
        assert code == 64
        error = document["result"]["error"]
        assert error["message"].endswith(
            "odd.csv: column 'where' is Struct({'x': Float64, 'y': Float64}), which CSV can't hold"
        )
        assert error["hint"] == f"write Parquet: --out {shop.root}/odd.parquet"
    assert {path.name for path in shop.root.iterdir()} == before


def test_equal_spines_have_equal_digests_in_manifests_and_others_have_not(shop):
    frame = pl.DataFrame(
        {"customer": ["a", "b"], "at": [FROM, FROM], "n": [1, 2], "o": [b"x", None], "s": [{"t": 1}, None]}
    )

    def digest(rows: pl.DataFrame) -> str:
        rows.write_parquet(shop.root / "digest.parquet")
        words = ("training-set", "pays", "--spine", str(shop.root / "digest.parquet"))
        return shop.run(*words, "--out", str(shop.root / "out.parquet"))["manifest"]["spine"]["sha256"]

    assert digest(frame) == digest(frame.clone())
    changed = [frame.with_columns(o=pl.lit(b"y")), frame.with_columns(n=pl.col("n").cast(pl.Int8)), frame.reverse()]
    assert len({digest(rows) for rows in [frame, *changed]}) == 4


@pytest.mark.long
def test_flights_with_more_columns_have_the_same_features_and_keep_them(flights, training_sets):
    spine = flights.rows(SPINE)
    number = pl.int_range(pl.len())
    odd = spine.with_columns(
        pl.col("carrier").cast(pl.Categorical),
        pl.col(TIME).dt.cast_time_unit("ns"),
        pl.col("distance").cast(pl.Float32),
        gate=pl.struct(letter=pl.lit("B"), number=number),
        wait=(number * 1_000_000_007).cast(pl.Duration("ns")),
        opens=pl.lit(time(5, 30)),
        wind=pl.when(number % 3 == 0).then(float("nan")).otherwise(number.cast(pl.Float32)),
        ticket=number.cast(pl.UInt64) + 2**63,
        code=number.cast(pl.String).cast(pl.Binary),
    )
    path = flights.root / "odd.parquet"
    odd.write_parquet(path)
    made = flights.training_set("late_arrival", "--spine", str(path))
    own = [name for name in odd.columns if name != "is_late"]
    assert_same(made.select(own), odd.select(own))
    features = [name for name in training_sets["late_arrival"].columns if name not in spine.columns]
    assert len(features) > 30
    assert_same(made.select(features), training_sets["late_arrival"].select(features))


@pytest.mark.long
def test_a_model_learns_from_its_declared_types_and_texts_stay_texts(tmp_path):
    trained = {}
    for kind, words in (("texts", ("true", "false")), ("truths", (True, False))):
        (tmp_path / kind).mkdir()
        repository = Repository(write_shop(tmp_path / kind))
        objects = repository.root / "objects.yaml"
        text = objects.read_text().replace("{request: {n: int64}}", "{request: {n: int64, new: bool}}")
        declared = "data/asks.csv, event_time: at, columns: {customer: string, at: timestamp, paid: bool, n: int64}"
        assert declared in text
        objects.write_text(text.replace(declared, "data/asks.ndjson, event_time: at"))
        asked = pl.read_csv(repository.root / "data/asks.csv")
        asked = asked.with_columns(new=pl.when(pl.col("n") % 3 == 0).then(pl.lit(words[0])).otherwise(pl.lit(words[1])))
        asked.write_ndjson(repository.root / "data/asks.ndjson")
        for command in (("apply", "--auto-approve"), ("materialize",)):
            repository.run(*command)
        trained[kind] = repository.run("train", "pays")["metrics"]
        made = written(repository, tmp_path / "made.parquet", "training-set", "pays")
        assert_same(made.select("at", "n", "new"), asked.select("at", "n", "new"))
    assert trained["texts"] == trained["truths"]
