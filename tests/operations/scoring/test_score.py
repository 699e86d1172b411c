"""`score`: every way to name rows, every output, and what each says of the model."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from featurectl import open_project
from featurectl.cli.main import main
from featurectl.core.errors import DataError, StoreError
from featurectl.models.runtimes.forest import CompiledForest
from featurectl.operations.outputs.frames import frames_of
from featurectl.operations.scoring.sql_table import SqlDestination, open_table
from tests.model_shop import KEYS
from tests.operations.scoring.shop import OBJECTS, make_shop, one_by_one, write_spine

SMALL = ("--memory", "512MiB")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("shop")
    make_shop(root)
    return root


@pytest.fixture
def shop(made, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*words, code=0):
        capsys.readouterr()
        assert main(["score", "m", "-C", str(made), "-q", *words]) == code
        return capsys.readouterr()

    return run


def test_scores_are_those_of_the_plainest_way(shop, made, tmp_path):
    write_spine(tmp_path / "spine.parquet", 400)
    shop("--spine", "spine.parquet", "--out", "out.parquet")
    found, spine = pl.read_parquet("out.parquet"), pl.read_parquet("spine.parquet")
    assert found.drop("score", "model_version").equals(spine)
    assert found["model_version"].unique().to_list() == [1]
    np.testing.assert_allclose(found["score"].to_numpy(), one_by_one(made, spine), rtol=0, atol=1e-12)


@pytest.mark.long
def test_a_row_that_the_model_refuses_is_named_with_its_nulls(tmp_path, capsys):
    filled = OBJECTS.replace('{feature: "v:qty", as: q}', '{feature: "v:qty", as: q, default: 0}')
    estimator = filled.replace("lightgbm.LGBMClassifier", "sklearn.linear_model.LogisticRegression")
    make_shop(tmp_path, re.sub(r"params: {.*?}", "params: {}", estimator))
    at, kind = datetime(2026, 1, 19, tzinfo=UTC), pl.Datetime("us", "UTC")
    keys = ["k1"] * 3 + ["nobody"] + ["k1"] * 2
    pl.DataFrame({"k": keys, "at": pl.Series([at] * 6, dtype=kind)}).write_parquet(tmp_path / "spine.parquet")
    spine = str(tmp_path / "spine.parquet")
    told = "model m version 1 has no score for row 4 of the spine: its inputs half, c are null (Input X contains NaN.)"
    for words in (["score", "m", "--spine", spine, "--out", "out.csv"], ["monitor", "drift", "m", "--batch", spine]):
        assert main([*words, "-C", str(tmp_path), "-q"]) == 1
        assert told in capsys.readouterr().err
    with pytest.raises(DataError) as caught:
        open_project(tmp_path, progress=False).score("m", spine=pl.read_parquet(spine))
    assert (caught.value.message, caught.value.code) == (told, "FC532")


@pytest.mark.long
def test_ranges_of_a_long_spine_give_the_bytes_of_all_at_once(shop, tmp_path):
    write_spine(tmp_path / "spine.parquet", 250_001)
    shop("--spine", "spine.parquet", "--out", "whole.parquet", "--memory", "8GiB")
    shop("--spine", "spine.parquet", "--out", "ranges.parquet", *SMALL)
    assert Path("whole.parquet").read_bytes() == Path("ranges.parquet").read_bytes()


def test_compiled_loops_give_the_bytes_that_the_library_gives(shop, tmp_path, monkeypatch):
    write_spine(tmp_path / "spine.parquet", 3_000)
    shop("--spine", "spine.parquet", "--out", "library.parquet")
    monkeypatch.setattr("featurectl.models.served_model.COMPILED_ROWS", 3_000)
    predict, seen = CompiledForest.predict, []
    monkeypatch.setattr(CompiledForest, "predict", lambda self, rows: [seen.append(len(rows)), predict(self, rows)][1])
    shop("--spine", "spine.parquet", "--out", "compiled.parquet")
    assert seen == [30, 3_000]  # the golden rows, then all
    assert Path("compiled.parquet").read_bytes() == Path("library.parquet").read_bytes()


def test_where_a_golden_row_has_another_score_the_library_scores(shop, tmp_path, monkeypatch):
    write_spine(tmp_path / "spine.parquet", 300)
    shop("--spine", "spine.parquet", "--out", "library.parquet")
    monkeypatch.setattr("featurectl.models.served_model.COMPILED_ROWS", 1)
    predict = CompiledForest.predict
    monkeypatch.setattr(CompiledForest, "predict", lambda self, rows: np.nextafter(predict(self, rows), np.inf))
    shop("--spine", "spine.parquet", "--out", "again.parquet")
    assert Path("again.parquet").read_bytes() == Path("library.parquet").read_bytes()


@pytest.mark.sample(2)
@pytest.mark.parametrize("rows", [0, 1, 20, 47])
def test_ranges_that_are_joined_in_parts_give_the_bytes_of_all_at_once(shop, tmp_path, monkeypatch, rows):
    write_spine(tmp_path / "spine.parquet", rows)
    shop("--spine", "spine.parquet", "--out", "whole.parquet")
    _join_few(monkeypatch)
    shop("--spine", "spine.parquet", "--out", "parts.parquet")
    assert Path("whole.parquet").read_bytes() == Path("parts.parquet").read_bytes()


def test_rows_that_do_not_fit_are_counted_over_the_whole_joined_spine(shop, tmp_path, monkeypatch):
    write_spine(tmp_path / "spine.parquet", 20)
    wrong = pl.read_parquet("spine.parquet").with_columns(k=pl.int_range(pl.len()) + 0.5)
    wrong.write_parquet("wrong.parquet")
    whole = shop("--spine", "wrong.parquet", "--out", "out.parquet", code=1).err
    _join_few(monkeypatch)
    assert shop("--spine", "wrong.parquet", "--out", "out.parquet", code=1).err == whole
    assert "20" in whole


def _join_few(monkeypatch):
    monkeypatch.setattr("featurectl.operations.scoring.run.range_rows", lambda *_: 20)
    monkeypatch.setattr("featurectl.operations.scoring.run._rows_that_fit", lambda *_: 1)
    monkeypatch.setattr("featurectl.operations.scoring.run._FEWEST_ROWS", 7)


def test_a_spine_without_rows_gives_an_output_without_rows(shop, tmp_path):
    write_spine(tmp_path / "spine.parquet", 0)
    assert shop("--spine", "spine.parquet", "--out", "out.csv").out == "out.csv: 0 rows by m version 1\n"
    assert Path("out.csv").read_text() == "k,at,note,score,model_version\n"


@pytest.mark.usefixtures("made")
def test_a_manifest_and_the_metadata_say_what_made_the_scores(shop, tmp_path):
    write_spine(tmp_path / "spine.parquet", 10)
    told = json.loads(shop("--spine", "spine.parquet", "--out", "out.parquet", "-o", "json").out)["result"]
    manifest = json.loads(Path("out.parquet.manifest.json").read_text())
    assert told["rows"] == manifest["rows"] == 10
    assert (manifest["model"], manifest["model_version"], manifest["known_at"]) == ("m", 1, "2026-01-20T00:00:00Z")
    assert manifest["features"][0] == {"name": "q", "view": "v", "version": 1, "feature": "qty"}
    assert manifest["tables"] == {"v@1": 0}
    metadata = pl.read_parquet_metadata("out.parquet")
    assert metadata["featurectl.model"] == "m"
    assert metadata["featurectl.model_version"] == "1"
    assert metadata["featurectl.feature_views"] == "v@1"
    assert metadata["featurectl.artifact_sha256"] == manifest["artifact_sha256"]


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out.delta", "folder/"])
def test_every_output_has_the_same_rows(shop, tmp_path, name):
    write_spine(tmp_path / "spine.parquet", 300)
    shop("--spine", "spine.parquet", "--out", "expected.parquet")
    for _ in range(2):  # the second takes the place of the first
        shop("--spine", "spine.parquet", "--out", name)
    read = {"out.csv": pl.read_csv, "out.delta": pl.read_delta}.get(name, pl.read_parquet)
    found = read("folder/m.parquet" if name == "folder/" else name)
    expected = pl.read_parquet("expected.parquet")
    assert found["score"].to_list() == expected["score"].to_list()
    assert found.columns == expected.columns


def test_a_table_of_a_database_is_filled_and_filled_again(shop, tmp_path):
    write_spine(tmp_path / "spine.parquet", 12_345)
    shop("--spine", "spine.parquet", "--out", "expected.parquet")
    url = f"sqlite:///{tmp_path}/scores.db?table=scores"
    for _ in range(2):
        shop("--spine", "spine.parquet", "--out", url)
    with closing(sqlite3.connect("scores.db")) as database, database:
        rows = database.execute("select k, note, score, model_version from scores").fetchall()
        (manifest,) = database.execute("select manifest from scores_manifest").fetchone()
    expected = pl.read_parquet("expected.parquet").select("k", "note", "score", "model_version")
    assert rows == expected.rows()
    assert json.loads(manifest)["model_version"] == 1


def test_a_table_with_other_columns_is_left_alone(shop, tmp_path):
    write_spine(tmp_path / "spine.parquet", 10)
    with closing(sqlite3.connect("scores.db")) as database, database:
        database.execute("create table scores (mine int)")
        database.execute("insert into scores values (7)")
    said = shop("--spine", "spine.parquet", "--out", "sqlite:///scores.db?table=scores", code=64).err
    assert "table scores is there with other columns: at, k, mine, model_version, note, score" in said
    with closing(sqlite3.connect("scores.db")) as database, database:
        assert database.execute("select * from scores").fetchall() == [(7,)]
        assert database.execute("select name from sqlite_master").fetchall() == [("scores",)]


def test_a_table_with_other_columns_is_told_before_a_row_is_scored(shop, tmp_path, monkeypatch):
    write_spine(tmp_path / "spine.parquet", 10)
    with closing(sqlite3.connect("scores.db")) as database, database:
        database.execute("create table scores (k text, at timestamp, note int)")  # all but those of the score
    monkeypatch.setattr("featurectl.operations.scoring.run.predict_rows", None)
    said = shop("--spine", "spine.parquet", "--out", "sqlite:///scores.db?table=scores", code=64).err
    assert "table scores is there with other columns: model_version, score" in said


@pytest.mark.long
def test_a_table_is_filled_in_one_transaction(shop, tmp_path, monkeypatch):
    write_spine(tmp_path / "spine.parquet", 30_000)
    url = "sqlite:///scores.db?table=scores"
    shop("--spine", "spine.parquet", "--out", url)
    write_spine(tmp_path / "spine.parquet", 25_000, seed=2)
    whole = SqlDestination.write

    def breaks(self, frames, manifest):
        def read():
            yield next(frames.read()).head(15_000)
            raise StoreError("the spine is gone")

        whole(self, type(frames)(schema=frames.schema, height=frames.height, read=read), manifest)

    monkeypatch.setattr(SqlDestination, "write", breaks)
    shop("--spine", "spine.parquet", "--out", url, code=69)
    with closing(sqlite3.connect("scores.db")) as database, database:
        assert database.execute("select count(*) from scores").fetchone() == (30_000,)


@pytest.mark.usefixtures("made")
def test_no_password_of_a_database_is_shown_or_kept(shop, tmp_path):
    write_spine(tmp_path / "spine.parquet", 1)
    said = shop("--spine", "spine.parquet", "--out", "postgresql://ana:geheim@127.0.0.1:1/db?table=t", code=69).err
    assert "t of postgresql://127.0.0.1:1/db can't be written" in said
    assert "geheim" not in said


@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("s3://bucket/scores.parquet", "no database that scores can go into"),
        ("postgresql://host/db", "into which table?"),
        ("kafka://host:9092", "into which topic?"),
        ("scores.xlsx", "what format is it?"),
        ("", "--out FILE is missing"),
    ],
)
def test_an_output_that_is_none_is_told_before_any_work(shop, out, told):
    assert told in shop("--out", out, code=64).err


@pytest.mark.usefixtures("capsys")
def test_an_unknown_model_makes_no_folder(made, tmp_path):
    assert main(["score", "nosuch", "-C", str(made), "--out", f"{tmp_path}/new/"]) == 64
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("beside", ["", "-journal", "-wal"])
@pytest.mark.parametrize("url", ["sqlite:///scores.db?table=t", "sqlite:///file:scores.db?uri=true&table=t"])
def test_no_table_is_written_through_a_link_of_a_repository(shop, made, tmp_path_factory, monkeypatch, beside, url):  # noqa: PLR0913, PLR0917  # fixtures and the columns of its table
    outside = tmp_path_factory.mktemp("outside")
    monkeypatch.chdir(made)
    link = made / f"scores.db{beside}"
    link.symlink_to(outside / "other.db")
    try:
        said = shop("--all-keys", "--out", url, code=64).err
    finally:
        link.unlink()
    assert f"scores.db{beside} is a link to" in said
    assert list(outside.iterdir()) == []


def test_no_scores_are_kept_behind_a_link_of_a_repository(shop, made, tmp_path, tmp_path_factory):
    outside, scores = tmp_path_factory.mktemp("outside"), made / ".featurectl" / "scores"
    shutil.rmtree(scores, ignore_errors=True)
    scores.parent.mkdir(exist_ok=True)
    scores.symlink_to(outside)
    try:
        said = shop("--all-keys", "--out", f"{tmp_path}/out.csv", code=64).err
    finally:
        scores.unlink()
    assert ".featurectl/scores is a link to" in said
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("command", ["score", "training-set"])
@pytest.mark.parametrize("link", [False, True])
def test_no_output_takes_the_place_of_what_is_read(made, tmp_path, capsys, command, link):
    spine, source = tmp_path / "spine.parquet", made / "s.csv"
    write_spine(spine, 3)
    for taken, told in ((spine, "is the spine"), (source, "is a file of source s")):
        before, out = taken.read_bytes(), tmp_path / f"link{taken.suffix}" if link else taken
        if link:
            out.symlink_to(taken)
        assert main([command, "m", "-C", str(made), "--spine", str(spine), "--out", str(out), "-q"]) == 64
        assert told in capsys.readouterr().err
        assert taken.read_bytes() == before


def test_a_spine_with_a_column_of_an_output_is_refused(shop, tmp_path):
    write_spine(tmp_path / "spine.parquet", 3)
    pl.read_parquet("spine.parquet").with_columns(score=1).write_parquet("taken.parquet")
    assert "error[FC516]" in shop("--spine", "taken.parquet", "--out", "out.csv", code=1).err


@pytest.mark.sample(1)
@pytest.mark.parametrize("rows", [None, 100])
def test_rows_with_keys_of_which_no_view_has_a_row_are_counted(shop, tmp_path, monkeypatch, rows):
    write_spine(tmp_path / "spine.parquet", 400)
    known = [f"k{number}" for number in range(KEYS)]
    unknown = pl.read_parquet("spine.parquet").filter(~pl.col("k").is_in(known).fill_null(value=False)).height
    if rows is not None:
        monkeypatch.setattr("featurectl.operations.scoring.run._rows_that_fit", lambda *_: rows)
        monkeypatch.setattr("featurectl.operations.scoring.run.CHUNK_ROWS", rows)
    out = shop("--spine", "spine.parquet", "--out", "out.parquet").out
    assert out.splitlines()[1:] == [f"{unknown} of 400 rows have a k of which no view has a row"]
    result = json.loads(shop("--spine", "spine.parquet", "--out", "out.parquet", "-o", "json").out)["result"]
    assert result["unknown"] == result["manifest"]["unknown"] == [{"keys": ["k"], "rows": unknown}]
    pl.read_parquet("spine.parquet").filter(pl.col("k").is_in(known)).write_parquet("known.parquet")
    result = json.loads(shop("--spine", "known.parquet", "--out", "out.parquet", "-o", "json").out)["result"]
    assert result["unknown"] == []
    assert len(shop("--spine", "known.parquet", "--out", "out.parquet").out.splitlines()) == 1


def test_every_key_is_scored_as_of_now(shop, made):
    shop("--all-keys", "--out", "all.parquet")
    found = pl.read_parquet("all.parquet")
    assert found.columns == ["k", "at", "score", "model_version"]
    assert found["k"].to_list() == sorted(f"k{n}" for n in range(KEYS))
    np.testing.assert_allclose(found["score"].to_numpy(), one_by_one(made, found), rtol=0, atol=1e-12)


def test_keys_that_became_known_later_are_not_scored(shop):
    shop("--all-keys", "--as-of", "2026-01-01T02:30:00Z", "--out", "all.parquet")
    found = pl.read_parquet("all.parquet")
    assert found["k"].to_list() == ["k0", "k1", "k2"]


def test_every_key_is_refused_with_a_spine(shop):
    assert "takes no --spine" in shop("--all-keys", "--since", "2026-01-01T00:00:00Z", "--out", "a.csv", code=64).err


REQUEST = OBJECTS.replace("type: category}]", "type: category}, {request: {qty: int64}}]")
TWO = OBJECTS.replace("type: category}]", "type: category}, {view: v, join: {k: kind}, prefix: o_, features: [half]}]")


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("objects", "told"),
    [(REQUEST, "asks for request columns, which no view knows: qty"), (TWO, "is of several entities, by k and kind")],
)
def test_every_key_is_refused_where_keys_are_not_all(tmp_path, capsys, objects, told):
    make_shop(tmp_path, objects)
    capsys.readouterr()
    assert main(["score", "m", "-C", str(tmp_path), "--all-keys", "--out", str(tmp_path / "a.csv"), "-q"]) == 64
    assert told in capsys.readouterr().err


def test_two_runs_into_one_table_of_postgresql_leave_the_rows_of_the_last(postgres_url):
    """The second waits for the first, whose rows it could not see else, and would leave beside its own."""
    import sqlalchemy as sa

    to = open_table(f"{postgres_url}{'&' if '?' in postgres_url else '?'}table=scores")
    of = lambda rows: frames_of(pl.DataFrame({"k": rows}, schema={"k": pl.Int64}))  # noqa: E731
    to.write(of([]), {})
    begun, go = threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert go.wait(60)
        yield pl.DataFrame({"k": [1, 1]})

    engine = sa.create_engine(postgres_url)
    waiting = sa.text("select count(*) from pg_stat_activity where wait_event_type = 'Lock'")
    with ThreadPoolExecutor(2) as pool, engine.connect() as connection:
        first = pool.submit(to.write, replace(of([1, 1]), read=slow), {"run": 1})
        assert begun.wait(60)
        second = pool.submit(to.write, of([2]), {"run": 2})
        while not (connection.execute(waiting).scalar() or second.done()):
            connection.rollback()
        go.set()
        first.result()
        second.result()
        connection.rollback()
        assert connection.execute(sa.text("select k from scores")).fetchall() == [(2,)]
        assert connection.execute(sa.text("select manifest from scores_manifest")).fetchall() == [('{"run": 2}',)]
    engine.dispose()


@pytest.mark.long
def test_a_table_of_postgresql_is_filled_and_filled_again(shop, tmp_path, postgres_url):
    import sqlalchemy as sa

    write_spine(tmp_path / "spine.parquet", 12_345)
    shop("--spine", "spine.parquet", "--out", "expected.parquet")
    for _ in range(2):
        mark = "&" if "?" in postgres_url else "?"
        shop("--spine", "spine.parquet", "--out", f"{postgres_url}{mark}table=scores")
    engine = sa.create_engine(postgres_url)
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select k, at, note, score, model_version from scores")).fetchall()
    engine.dispose()
    found = sorted((tuple(row) for row in rows), key=str)
    assert found == sorted(pl.read_parquet("expected.parquet").rows(), key=str)
