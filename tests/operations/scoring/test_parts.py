"""`score --part I/N`: parts that run at once, are killed and given again make what one process makes."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from featurectl.cli.main import main
from featurectl.offline.folder import FolderFiles
from featurectl.offline.open_plain_files import open_loose
from featurectl.operations.scoring.checkpoint import ScoreBeginning
from featurectl.operations.scoring.part_number import PartNumber, rows_of_part
from featurectl.operations.scoring.shared_run import PartsBeginning, SharedRun, old_folders
from featurectl.operations.training.unknown_keys import UnknownRows
from tests.operations.scoring.killed import ROWS, killed_part, score_words, scored_shop
from tests.operations.scoring.shop import write_spine
from tests.seeds import seed_of

POINTS = [
    ("run.begin before", 1), ("run.begin after", 1), ("run.add before", 1), ("run.add after", 1),
    ("run.add after", 2), ("run.claim_commit before", 1), ("run.claim_commit after", 1), ("run.read after", 2),
    ("output.write_with_manifest before", 1), ("output.write_with_manifest after", 1), ("run.end before", 1),
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return scored_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def shop(made, tmp_path):
    return shutil.copytree(made, tmp_path / "repo")


def words(root, out, part, *more):
    where = out if "://" in out else str(root / out)
    found = score_words(root, where)
    found[found.index("-C") + 1], found[found.index("--spine") + 1] = str(root), str(root / "spine.parquet")
    return [*found, "--part", part, *more]


def run_parts(root, out, parts, *more):
    """Run parts side by side, and return their exit codes."""
    return [_ended(one) for one in [killed_part("", 0, words(root, out, part, *more)) for part in parts]]


def _ended(process):
    with process:
        code, said = process.end()
    print(said)  # noqa: T201  # what a test that fails shows
    return code


def killed(root, out, part, point, number):
    return _ended(killed_part(point, number, words(root, out, part)))


def same_as_one(root, made, out="out.parquet"):
    assert (root / out).read_bytes() == (made / "expected.parquet").read_bytes()
    manifest = json.loads((root / f"{out}.manifest.json").read_text())
    of_one = json.loads((made / "expected.parquet.manifest.json").read_text())
    assert {**manifest, "begun_at": 0, "known_at": 0} == {**of_one, "begun_at": 0, "known_at": 0}


@pytest.mark.long
def test_a_run_of_an_id_is_joined_by_parts_of_that_id_alone(shop, made):
    assert run_parts(shop, "out.parquet", ["1/2"], "--run-id", "a") == [0]
    assert run_parts(shop, "out.parquet", ["1/2", "2/2"], "--run-id", "b") == [0, 0]
    same_as_one(shop, made)
    assert kept(shop) != []  # of the run a, which is not over
    (shop / "out.parquet").unlink()
    assert run_parts(shop, "out.parquet", ["2/2"], "--run-id", "a") == [0]
    same_as_one(shop, made)
    assert kept(shop) == []


@pytest.mark.long
def test_a_part_of_an_id_that_comes_after_the_commit_has_nothing_to_do(shop, made):
    """As a pod does that was ended between the commit and its own end."""
    assert run_parts(shop, "out.parquet", ["1/2", "2/2"], "--run-id", "a") == [0, 0]
    before = (shop / "out.parquet").stat()
    for part, rows in (("1/2", 1200), ("2/2", 1300)):
        with killed_part("", 0, [*words(shop, "out.parquet", part, "--run-id", "a"), "-o", "json"]) as process:
            code, said = process.end()
        assert code == 0
        told = json.loads(said[said.index("{") : said.rindex("}") + 1])["result"]
        assert (told["missing"], told["committer"], told["rows_of_part"]) == ([], None, rows)
    assert [path.name for path in shop.rglob("score-parts/**/0*.json")] == ["000001.json"]
    assert (kept(shop), (shop / "out.parquet").stat().st_mtime_ns) == ([], before.st_mtime_ns)
    same_as_one(shop, made)


@pytest.mark.long
def test_restart_begins_a_run_of_an_id_anew_after_its_commit(shop, made):
    assert run_parts(shop, "out.parquet", ["1/2", "2/2"], "--run-id", "a") == [0, 0]
    (shop / "out.parquet").unlink()
    assert run_parts(shop, "out.parquet", ["1/2"], "--run-id", "a", "--restart") == [0]
    assert run_parts(shop, "out.parquet", ["2/2"], "--run-id", "a") == [0]
    same_as_one(shop, made)


@pytest.mark.long
def test_other_arguments_are_refused_after_the_commit_too(shop):
    assert run_parts(shop, "out.parquet", ["1/2", "2/2"], "--run-id", "a") == [0, 0]
    assert run_parts(shop, "out.parquet", ["1/3"], "--run-id", "a") == [64]


def kept(root):
    """The files of scores that are there."""
    return sorted(path.name for path in root.rglob("*.np[yz]"))


@pytest.mark.parametrize("of", [3, pytest.param(1, marks=pytest.mark.long), pytest.param(7, marks=pytest.mark.long)])
def test_parts_at_once_write_the_bytes_of_one_process(shop, made, of):
    assert set(run_parts(shop, "out.parquet", [f"{n}/{of}" for n in range(1, of + 1)])) == {0}
    same_as_one(shop, made)
    assert kept(shop) == []


@pytest.mark.long
def test_nothing_of_the_output_is_there_before_all_parts_are_done(shop, made, capsys):
    (shop / "out.parquet").write_text("old")
    told = []
    for part in ("3/3", "1/3", "2/3"):
        assert (shop / "out.parquet").read_text() == "old"
        capsys.readouterr()
        with killed_part("", 0, [*words(shop, "out.parquet", part), "-o", "json"]) as process:
            code, said = process.end()
        assert code == 0
        told.append(json.loads(said[said.index("{") : said.rindex("}") + 1])["result"])
    assert [one["missing"] for one in told] == [[1, 2], [2], []]
    assert [one["rows_of_part"] for one in told] == [900, 800, 800]
    assert [one["committer"] for one in told] == [None, None, 2]
    same_as_one(shop, made)


@pytest.mark.long
@pytest.mark.parametrize("ending", ["csv", "delta"])
def test_other_files_have_the_rows_of_one_process(shop, made, ending):
    assert set(run_parts(shop, f"out.{ending}", ["1/2", "2/2"])) == {0}
    expected = pl.read_parquet(made / "expected.parquet")
    if ending == "csv":
        assert main(score_words(made, str(shop / "one.csv"))) == 0
        assert (shop / "out.csv").read_bytes() == (shop / "one.csv").read_bytes()
    else:
        assert pl.read_delta(str(shop / "out.delta")).equals(expected)


@pytest.mark.long
def test_a_table_has_all_rows_or_none(shop, made):
    url = f"sqlite:///{shop}/scores.db?table=scores"
    assert run_parts(shop, url, ["1/2"]) == [0]
    with closing(sqlite3.connect(shop / "scores.db")) as database:
        assert database.execute("select count(*) from sqlite_master").fetchone() == (0,)
    assert run_parts(shop, url, ["2/2"]) == [0]
    with closing(sqlite3.connect(shop / "scores.db")) as database:
        rows = database.execute("select score from scores").fetchall()
    assert [score for (score,) in rows] == pl.read_parquet(made / "expected.parquet")["score"].to_list()


@pytest.mark.long
@pytest.mark.parametrize(("point", "number"), POINTS)
def test_a_part_that_is_killed_is_given_again_alone(shop, made, point, number):
    (shop / "out.parquet").write_text("old")
    last = "3/3"
    others = [part for part in ("1/3", "2/3", "3/3") if part != last]
    if point.startswith("run.begin"):
        assert killed(shop, "out.parquet", last, point, number) == -signal.SIGKILL
        assert run_parts(shop, "out.parquet", others) == [0, 0]
    else:
        assert run_parts(shop, "out.parquet", others) == [0, 0]
        assert killed(shop, "out.parquet", last, point, number) == -signal.SIGKILL
    is_written = point in {"output.write_with_manifest after", "run.end before"}
    assert ((shop / "out.parquet").read_bytes() == b"old") == (not is_written)
    assert run_parts(shop, "out.parquet", [last]) == [0]
    same_as_one(shop, made)
    assert kept(shop) == []


@pytest.mark.long
def test_a_part_goes_on_from_what_it_has_scored(shop, made):
    assert killed(shop, "out.parquet", "1/2", "run.add after", 3) == -signal.SIGKILL
    before = kept(shop)
    assert len(before) == 3
    with killed_part("", 0, [word for word in words(shop, "out.parquet", "1/2") if word != "-q"]) as process:
        code, said = process.end()
    assert (code, "part 1 of 2: 900 of 1,200 rows are done" in said) == (0, True), said
    assert set(before) < set(kept(shop))
    assert run_parts(shop, "out.parquet", ["2/2"]) == [0]
    same_as_one(shop, made)


@pytest.mark.long
def test_all_parts_see_the_tables_and_the_version_of_the_one_that_began(shop, made):
    assert run_parts(shop, "out.parquet", ["1/2"]) == [0]
    with (shop / "s.csv").open("a") as file:
        file.write("k0,2026-01-01T00:30:00Z,b,6,900\n")
    for more in (["materialize", "--no-online", "--full"], ["train", "m"]):
        assert main([*more, "-C", str(shop), "-q"]) == 0
    assert main(["models", "promote", "m@2", "-C", str(shop), "-q"]) in {0, 1}
    assert run_parts(shop, "out.parquet", ["2/2"]) == [0]
    same_as_one(shop, made)


@pytest.mark.long
@pytest.mark.parametrize(
    ("more", "said"), [(["--since", "2026-01-02T00:00:00Z"], "--since"), (["--allow-pickle"], ""), ([], "--part")]
)
def test_parts_with_other_arguments_are_refused(shop, more, said):
    assert run_parts(shop, "out.parquet", ["1/2"]) == [0]
    part = "2/2" if more else "2/3"
    with killed_part("", 0, words(shop, "out.parquet", part, *more)) as process:
        code, told = process.end()
    assert code == (64 if said else 0)
    assert f"has other arguments: {said}" in told if said else (shop / "out.parquet").exists()


@pytest.mark.long
def test_a_part_that_sees_another_spine_is_refused_until_all_begin_anew(shop):
    assert run_parts(shop, "out.parquet", ["1/2"]) == [0]
    write_spine(shop / "spine.parquet", ROWS, seed=2)
    with killed_part("", 0, words(shop, "out.parquet", "2/2")) as process:
        code, told = process.end()
    assert code == 1
    assert "FC520" in told
    assert "part 2 of 2 sees another spine" in told
    assert run_parts(shop, "out.parquet", ["2/2"], "--restart") == [0]
    assert not (shop / "out.parquet").exists()
    assert run_parts(shop, "out.parquet", ["1/2"]) == [0]
    assert main(score_words(shop, str(shop / "one.parquet"))) == 0
    assert pl.read_parquet(shop / "out.parquet").equals(pl.read_parquet(shop / "one.parquet"))


@pytest.mark.long
def test_a_run_of_another_instant_is_another_run(shop):
    assert run_parts(shop, "out.parquet", ["1/2"], "--clock", "2026-01-09T00:00:00Z") == [0]
    assert run_parts(shop, "out.parquet", ["2/2"], "--clock", "2026-01-10T00:00:00Z") == [0]
    assert not (shop / "out.parquet").exists()
    assert run_parts(shop, "out.parquet", ["2/2"], "--clock", "2026-01-09T00:00:00Z") == [0]
    assert (shop / "out.parquet").exists()


@pytest.mark.long
def test_the_output_is_written_anew_when_all_parts_run_again(shop, made):
    for _ in range(2):
        assert set(run_parts(shop, "out.parquet", ["1/2", "2/2"])) == {0}
        same_as_one(shop, made)
        (shop / "out.parquet").unlink()
    assert run_parts(shop, "out.parquet", ["1/2"]) == [0]
    assert not (shop / "out.parquet").exists()


def test_an_erasure_takes_the_scores_of_parts_away(shop):
    assert run_parts(shop, "out.parquet", ["1/2"]) == [0]
    assert kept(shop)
    assert main(["erase", "key", "k=k0", "-C", str(shop), "-q"]) in {0, 1}
    assert kept(shop) == []


@pytest.mark.long
def test_a_run_that_is_too_old_is_not_joined(shop):
    assert run_parts(shop, "out.parquet", ["1/2"]) == [0]
    (begun,) = shop.rglob("score-parts/**/000001.json")
    document = json.loads(begun.read_text())
    document["saw"]["begun_at"] = "2020-01-01T00:00:00Z"
    begun.write_text(json.dumps(document))
    assert run_parts(shop, "out.parquet", ["2/2"]) == [0]
    assert not (shop / "out.parquet").exists()
    assert [path.name for path in shop.rglob("score-parts/**/*.json")] == ["000002.json"]


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/1001", "-1/2", ""])
def test_what_is_no_part_is_refused(shop, capsys, text):
    assert main(words(shop, "out.parquet", text)) == 64
    assert "is no part of several" in capsys.readouterr().err


def test_a_topic_takes_no_parts(shop, capsys):
    assert main([*words(shop, "out.parquet", "1/2")[:6], "--out", "topic:scores", "--part", "1/2"]) == 64
    assert "a topic (scores) has no commit" in capsys.readouterr().err


def test_the_parts_of_any_height_are_all_of_it():
    chance = random.Random(3)
    for height in [0, 1, *(chance.randrange(2_000_000) for _ in range(200))]:
        of = chance.randrange(1, 40)
        parts = [rows_of_part(PartNumber(number=n, of=of), height) for n in range(1, of + 1)]
        assert [parts[0].start, *(part.stop for part in parts)] == [*(part.start for part in parts), height]


def test_what_a_run_that_was_given_up_still_writes_is_in_no_other(tmp_path):
    """As after an erasure, which removes all: the next run has the number of the one before."""
    saw = ScoreBeginning(begun_at=datetime.now(UTC), known_at=datetime.now(UTC), tables={}, rows=1, spine="")
    first, second = (SharedRun(FolderFiles(str(tmp_path)), "a") for _ in range(2))
    for run in (first, second):
        assert run.join(datetime.now(UTC)) is None
        assert run.begin(PartsBeginning(saw=saw, version=1, arguments={}))
        if run is first:
            shutil.rmtree(tmp_path / "a")
            first.add(0, np.zeros(1), UnknownRows())
            before = saw.begun_at - timedelta(days=1)
            assert list(old_folders(FolderFiles(str(tmp_path.parent)), tmp_path.name, before)) == [f"{tmp_path.name}/a"]
            shutil.rmtree(tmp_path / "a")
    first.add(0, np.zeros(1), UnknownRows())
    assert (first.is_there(), second.is_there(), second.ranges()) == (False, True, [])


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_run_is_the_same_in_a_folder_and_in_an_object_store(request, tmp_path, kind):
    location = str(tmp_path) if kind == "folder" else request.getfixturevalue("s3").location()
    now = datetime.now(UTC)
    saw = ScoreBeginning(begun_at=now, known_at=now, tables={"v@1": 2}, rows=5, spine="ab")
    first, second = (SharedRun(open_loose(location), "shop/score-parts/dev/out") for _ in range(2))
    begun = PartsBeginning(saw=saw, version=3, arguments={"--part": 2})
    assert (first.join(now), second.join(now), first.begin(begun), second.begin(begun)) == (None, None, True, False)
    assert second.join(now) == first.begun
    first.add(0, np.array([0.5, np.nan]), UnknownRows({("k",): 1}))
    second.add(2, np.array([1.0, 2.0, 3.0]), UnknownRows())
    assert [(item.start, item.rows) for item in first.ranges()] == [(0, 2), (2, 3)]
    scores, unknown = second.read(first.ranges()[0])
    assert (scores[0], np.isnan(scores[1]), dict(unknown)) == (0.5, True, {("k",): 1})
    assert (second.claim_commit(2), first.claim_commit(1), first.is_committed()) == (2, 2, False)
    second.end()
    assert (first.is_committed(), first.is_there(), first.ranges(), first.join(now)) == (True, True, [], None)
    assert first.begin(PartsBeginning(saw=saw, version=3, arguments={}))
    assert not second.is_there()
    assert list(old_folders(open_loose(location), "shop/score-parts/dev", now)) == ["shop/score-parts/dev/out"]


def test_a_run_that_is_about_to_begin_is_none_yet(tmp_path):
    """Its folder is there before its file is: who took it for a run began another, and removed what it had."""
    (tmp_path / "a" / "begun").mkdir(parents=True)
    (tmp_path / "a" / "begun" / "000001.json.0a1b.part").write_bytes(b"{")
    saw = ScoreBeginning(begun_at=datetime.now(UTC), known_at=datetime.now(UTC), tables={}, rows=1, spine="")
    first, second = (SharedRun(FolderFiles(str(tmp_path)), "a") for _ in range(2))
    assert [run.join(datetime.now(UTC)) for run in (first, second)] == [None, None]
    begun = [run.begin(PartsBeginning(saw=saw, version=1, arguments={})) for run in (first, second)]
    assert begun == [True, False]


def test_a_claim_that_was_left_is_of_the_part_that_left_it(tmp_path):
    files = FolderFiles(str(tmp_path))
    saw = ScoreBeginning(begun_at=datetime.now(UTC), known_at=datetime.now(UTC), tables={}, rows=1, spine="")
    run = SharedRun(files, "a")
    assert run.join(datetime.now(UTC)) is None
    assert run.begin(PartsBeginning(saw=saw, version=1, arguments={}))
    assert [run.claim_commit(part) for part in (2, 1, 2, 3)] == [2, 2, 2, 2]


@pytest.mark.stress
def test_kills_at_random_leave_the_rows_of_one_process(made, tmp_path):
    """Thirty runs of a random number of parts, at once, each killed wherever until it ends by itself."""
    for trial in range(30):
        chance = random.Random(seed_of(trial))
        root = shutil.copytree(made, tmp_path / f"{trial}")
        of = chance.randrange(1, 9)
        left = [f"{n}/{of}" for n in range(1, of + 1)]
        while left:
            chance.shuffle(left)
            tried = [
                (part, killed_part(*chance.choice([*POINTS, ("", 0)]), words(root, "out.parquet", part)))
                for part in left
            ]
            left = [part for part, process in tried if _ended(process) != 0]
        same_as_one(root, made)
        shutil.rmtree(root)


def test_scores_that_go_as_another_process_commits_are_no_fault(shop, monkeypatch):
    def read(run, item, real=SharedRun.read):
        run.end()
        return real(run, item)

    monkeypatch.setattr(SharedRun, "read", read)
    assert [main(words(shop, "out.parquet", part)) for part in ("1/2", "2/2")] == [0, 75]


@pytest.mark.long
def test_two_processes_of_the_last_part_commit_the_same_rows(shop, made):
    """As on two machines, of which each has its own lock of the part."""
    assert run_parts(shop, "out.parquet", ["1/2"]) == [0]
    other = shutil.copytree(shop, shop.parent / "other", ignore=shutil.ignore_patterns("off"))
    (other / "off").symlink_to(shop / "off")
    (other / "r.db").unlink()
    (other / "r.db").symlink_to(shop / "r.db")
    here = words(shop, "out.parquet", "2/2")
    there = [str(other) if word == str(shop) else word for word in here]
    twice = [killed_part("", 0, command) for command in (here, there)]
    assert sorted(_ended(process) for process in twice) in ([0, 0], [0, 75])
    same_as_one(shop, made)
