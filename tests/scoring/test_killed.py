"""A run of `score` that is killed wherever, and given again, makes what one makes that is not."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from featurectl.cli.main import main
from tests.scoring.killed import POINTS, RANGE
from tests.scoring.shop import make_shop, write_spine

ROOT = Path(__file__).parents[2]
ROWS = 250_000
RANGES = 3


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repository, a spine of three ranges, and the file of a run that nobody killed."""
    root = tmp_path_factory.mktemp("shop")
    make_shop(root)
    write_spine(root / "spine.parquet", ROWS)
    assert main(words(root, "expected.parquet")) == 0
    return root


def words(root, out, *more):
    where = out if "://" in out else str(root / out)
    spine = str(root / "spine.parquet")
    return ["score", "m", "-C", str(root), "--spine", spine, "--out", where, "--memory", "512MiB", *more]


def killed(root, point, number, out):
    command = [sys.executable, "-m", "tests.scoring.killed", point, str(number), *words(root, out)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, timeout=300).returncode


def kept_files(root):
    return sorted(file.name for file in (root / ".featurectl" / "scores").rglob("*.npy"))


@pytest.mark.parametrize(
    ("point", "number"), [*((point, 2) for point in POINTS), ("file written", 1), ("range joined", 1)]
)
def test_a_run_that_is_killed_is_continued_and_makes_the_same_bytes(made, capsys, point, number):
    out = f"{point.replace(' ', '-')}-{number}.parquet"
    assert killed(made, point, number, out) == -signal.SIGKILL
    assert (made / out).exists() == (point == "output written")
    before = kept_files(made)
    done = {"range joined": number - 1, "file half written": number - 1, "file written": number}.get(point, RANGES)
    assert len(before) == done
    capsys.readouterr()
    assert main(words(made, out)) == 0
    told = capsys.readouterr().err
    assert f"{min(done * RANGE, ROWS):,} of 250,000 rows are done" in told
    assert (made / out).read_bytes() == (made / "expected.parquet").read_bytes()
    manifest = json.loads((made / f"{out}.manifest.json").read_text())
    expected = json.loads((made / "expected.parquet.manifest.json").read_text())
    assert {**manifest, "begun_at": 0} == {**expected, "begun_at": 0}
    assert kept_files(made) == []


def test_a_killed_run_leaves_the_output_of_before(made):
    (made / "old.csv").write_text("old")
    assert killed(made, "output half written", 2, "old.csv") == -signal.SIGKILL
    assert (made / "old.csv").read_text() == "old"
    assert main(words(made, "old.csv", "--restart", "-q")) == 0
    assert len((made / "old.csv").read_text().splitlines()) == ROWS + 1
    assert [path.name for path in made.iterdir() if path.name.startswith(".old")] == []


def test_a_killed_run_leaves_no_row_in_a_database(made):
    url = f"sqlite:///{made}/scores.db?table=scores"
    assert killed(made, "output half written", RANGES + 2, url) == -signal.SIGKILL
    with sqlite3.connect(made / "scores.db") as database:
        assert database.execute("select count(*) from sqlite_master").fetchone() == (0,)
    assert main(words(made, url, "-q")) == 0
    with sqlite3.connect(made / "scores.db") as database:
        rows = database.execute("select score from scores").fetchall()
    assert [score for (score,) in rows] == pl.read_parquet(made / "expected.parquet")["score"].to_list()


def test_a_run_is_begun_anew_when_its_spine_has_changed(made, capsys):
    spine = (made / "spine.parquet").read_bytes()
    assert killed(made, "file written", 2, "moved.parquet") == -signal.SIGKILL
    try:
        write_spine(made / "spine.parquet", ROWS, seed=2)
        capsys.readouterr()
        assert main(words(made, "moved.parquet")) == 0
        assert "the spine is another than when the run was begun" in capsys.readouterr().err
        assert main(words(made, "fresh.parquet", "-q")) == 0
    finally:
        (made / "spine.parquet").write_bytes(spine)
    assert (made / "moved.parquet").read_bytes() == (made / "fresh.parquet").read_bytes()


def test_a_continued_run_sees_the_tables_that_it_has_begun_with(tmp_path, capsys):
    make_shop(tmp_path)
    write_spine(tmp_path / "spine.parquet", ROWS)
    assert main(words(tmp_path, "expected.parquet", "-q")) == 0
    assert killed(tmp_path, "file written", 2, "out.parquet") == -signal.SIGKILL
    with (tmp_path / "s.csv").open("a") as file:
        file.write("k0,2026-01-01T00:30:00Z,b,6,900\n")
    assert main(["materialize", "--no-online", "--full", "-C", str(tmp_path), "-q"]) == 0
    assert main(words(tmp_path, "out.parquet", "-q")) == 0
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "expected.parquet").read_bytes()
    assert main(words(tmp_path, "out.parquet", "-q")) == 0
    assert (tmp_path / "out.parquet").read_bytes() != (tmp_path / "expected.parquet").read_bytes()


def test_two_processes_do_not_score_into_one_place_at_once(made, capsys):
    from datetime import UTC, datetime

    from featurectl.scoring.kept import keep_scores

    request = {"out": "x.parquet"}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with keep_scores(made / "kept", request, now):
        command = (
            "import sys; from pathlib import Path; from datetime import UTC, datetime;"
            "from featurectl.scoring.kept import keep_scores;"
            "keep_scores(Path(sys.argv[1]), {'out': 'x.parquet'}, datetime(2026, 1, 1, tzinfo=UTC)).__enter__()"
        )
        done = subprocess.run([sys.executable, "-c", command, str(made / "kept")], capture_output=True, text=True)
    assert "TryAgainError: another process scores the same rows into x.parquet" in done.stderr


@pytest.mark.parametrize("times", [2, pytest.param(40, marks=pytest.mark.stress)])
def test_a_run_that_is_killed_again_and_again_at_any_moment_makes_the_same_bytes(made, times):
    draw, out = random.Random(times), "campaign.parquet"
    command = [sys.executable, "-m", "featurectl", *words(made, out, "-q")]
    for _ in range(times):
        running = subprocess.Popen(command, cwd=ROOT)
        time.sleep(draw.uniform(0.3, 3.5))
        running.kill()
        running.wait()
    assert main(words(made, out, "-q")) == 0
    assert (made / out).read_bytes() == (made / "expected.parquet").read_bytes()
