"""A run of `score` that is killed wherever, and given again, makes what one makes that is not."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from featurectl.cli.main import main
from featurectl.core.errors import UsageError
from featurectl.operations.scoring import checkpoint
from tests.full_disk import limited
from tests.operations.scoring.killed import RANGE, ROWS
from tests.operations.scoring.killed import killed as run_killed
from tests.operations.scoring.shop import make_shop, write_spine
from tests.seeds import seed_of

ROOT = Path(__file__).parents[3]
DONE = {("range joined", 1): 0, ("range joined", 2): 1, ("file half written", 2): 1, ("file written", 1): 1,
        ("file written", 2): 2, ("output half written", 2): 3, ("output half written", 3): 3,
        ("output written", 1): 3}  # fmt: skip
MORE = {("range joined", 2), ("file written", 1), ("output half written", 2)}  # that differ little from the others


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repository, a spine of three ranges, and the file of a run that nobody killed."""
    root = tmp_path_factory.mktemp("shop")
    make_shop(root)
    write_spine(root / "spine.parquet", ROWS)
    for ending in ("parquet", "csv"):
        assert main(words(root, f"expected.{ending}", "-q")) == 0
    return root


def words(root, out, *more):
    where = out if "://" in out else str(root / out)
    spine = str(root / "spine.parquet")
    return ["score", "m", "-C", str(root), "--spine", spine, "--out", where, *more]


def killed(root, point, number, out):
    return run_killed(point, number, words(root, out))


def kept_files(root):
    return sorted(file.name for file in (root / ".featurectl" / "scores").rglob("*.npy"))


def parts_of(root, out):
    """Return the files that were to become an output."""
    return list(root.glob(f".{out}.*"))


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("point", "number"), [pytest.param(*at, marks=[pytest.mark.stress] if at in MORE else []) for at in DONE]
)
@pytest.mark.parametrize("ending", ["parquet", pytest.param("csv", marks=pytest.mark.stress)])
def test_a_run_that_is_killed_is_continued_and_makes_the_same_bytes(made, capsys, ending, point, number):
    out, expected, done = f"{point.replace(' ', '-')}-{number}.{ending}", f"expected.{ending}", DONE[point, number]
    (made / out).write_text("old")
    assert killed(made, point, number, out) == -signal.SIGKILL
    assert ((made / out).read_bytes() == b"old") == (point != "output written")
    assert bool(parts_of(made, out)) == (point == "output half written")
    assert len(kept_files(made)) == done
    capsys.readouterr()
    assert main(words(made, out)) == 0
    told = capsys.readouterr().err
    assert f"{min(done * RANGE, ROWS):,} of 2,500 rows are done" in told
    assert (made / out).read_bytes() == (made / expected).read_bytes()
    manifest = json.loads((made / f"{out}.manifest.json").read_text())
    of_expected = json.loads((made / f"{expected}.manifest.json").read_text())
    assert {**manifest, "begun_at": 0} == {**of_expected, "begun_at": 0}
    assert kept_files(made) == parts_of(made, out) == []


@pytest.mark.long
def test_a_killed_run_that_is_begun_anew_makes_the_same_bytes(made, capsys):
    assert killed(made, "file written", 2, "anew.csv") == -signal.SIGKILL
    capsys.readouterr()
    assert main(words(made, "anew.csv", "--restart")) == 0
    assert "rows are done" not in capsys.readouterr().err
    assert (made / "anew.csv").read_bytes() == (made / "expected.csv").read_bytes()


def test_a_killed_run_leaves_no_row_in_a_database(made):
    url = f"sqlite:///{made}/scores.db?table=scores"
    assert killed(made, "output half written", 2, url) == -signal.SIGKILL
    with closing(sqlite3.connect(made / "scores.db")) as database, database:
        assert database.execute("select count(*) from sqlite_master").fetchone() == (0,)
    assert main(words(made, url, "-q")) == 0
    with closing(sqlite3.connect(made / "scores.db")) as database, database:
        rows = database.execute("select score from scores").fetchall()
    assert [score for (score,) in rows] == pl.read_parquet(made / "expected.parquet")["score"].to_list()


@pytest.mark.long
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


@pytest.mark.long
def test_a_continued_run_sees_the_tables_that_it_has_begun_with(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    assert killed(tmp_path, "file written", 2, "out.parquet") == -signal.SIGKILL
    with (tmp_path / "s.csv").open("a") as file:
        file.write("k0,2026-01-01T00:30:00Z,b,6,900\n")
    assert main(["materialize", "--no-online", "--full", "-C", str(tmp_path), "-q"]) == 0
    assert main(words(tmp_path, "out.parquet", "-q")) == 0
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "expected.parquet").read_bytes()
    assert main(words(tmp_path, "out.parquet", "-q")) == 0
    assert (tmp_path / "out.parquet").read_bytes() != (tmp_path / "expected.parquet").read_bytes()


@pytest.mark.long
def test_what_is_scored_outlives_a_disk_that_is_full(made):
    out, first = "full.parquet", f"000000000000000-{RANGE}.npy"
    assert killed(made, "file written", 1, out) == -signal.SIGKILL
    code, said = limited(10_000, words(made, out, "-q"))  # the other 1,500 take 12,128
    assert code == 69
    assert "where scores are kept, can't be written: File too large" in said
    (folder,) = {file.parent for file in (made / ".featurectl" / "scores").rglob("*.npy")}
    names = {path.name for path in folder.iterdir()}
    assert {name for name in names if not name.endswith(".unknown")} == {first, "begun.json", "lock"}
    assert main(words(made, out, "-q")) == 0
    assert (made / out).read_bytes() == (made / "expected.parquet").read_bytes()


def test_a_failure_to_write_that_has_no_number_is_told_in_its_own_words(tmp_path):
    """So do libraries: numpy has no more than this of a disk that is full."""

    def fail(file):
        file.write(b"half")
        raise OSError("50000 requested and 10000 written")

    with pytest.raises(UsageError, match="where scores are kept, can't be written: 50000 requested and 10000 written"):
        checkpoint._write(tmp_path / "scores.npy", fail)  # noqa: SLF001  # a disk that is full half-way
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("capsys")
def test_two_processes_do_not_score_into_one_place_at_once(made):
    from datetime import UTC, datetime

    from featurectl.operations.scoring.checkpoint import open_checkpoint

    request = {"out": "x.parquet"}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with open_checkpoint(made / "kept", request, now):
        command = (
            "import sys; from pathlib import Path; from datetime import UTC, datetime;"
            "from featurectl.operations.scoring.checkpoint import open_checkpoint;"
            "open_checkpoint(Path(sys.argv[1]), {'out': 'x.parquet'}, datetime(2026, 1, 1, tzinfo=UTC)).__enter__()"
        )
        done = subprocess.run(
            [sys.executable, "-c", command, str(made / "kept")], capture_output=True, text=True, check=False
        )
    assert "TryAgainError: another process scores the same rows into x.parquet" in done.stderr


@pytest.mark.stress
def test_a_run_killed_again_and_again_at_any_moment_makes_the_same_bytes(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    write_spine(tmp_path / "spine.parquet", 250_000)
    assert main(words(tmp_path, "expected.parquet", "-q")) == 0
    draw, out = random.Random(seed_of(40)), "campaign.parquet"
    command = [sys.executable, "-m", "featurectl", *words(tmp_path, out, "--memory", "512MiB", "-q")]
    for _ in range(40):
        running = subprocess.Popen(command, cwd=ROOT)
        time.sleep(draw.uniform(0.3, 3.5))
        running.kill()
        running.wait()
    assert main(words(tmp_path, out, "-q")) == 0
    assert (tmp_path / out).read_bytes() == (tmp_path / "expected.parquet").read_bytes()
