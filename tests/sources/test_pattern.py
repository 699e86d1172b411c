"""A pattern means the files that it says, in one walk of the folders, however long it is."""

import fnmatch
import random
import shutil
from pathlib import Path

import pytest

from featurectl.core.errors import DataError
from featurectl.language.definitions.source import Source
from featurectl.sources.paths import find_files, source_files
from featurectl.sources.pattern import matching_files

NAMES = ("a", "b", "ab", ".h", "x.csv", "q1.csv")
PARTS = ("**", "**", "*", "a", "b", "a*", "?", "[ab]*", "*.csv", "x.csv", ".h")


def plant(rng, folder, depth):
    for name in rng.sample(NAMES, rng.randint(1, 4)):
        path = folder / name
        kind = rng.random()
        if kind < 0.15:
            path.symlink_to(rng.choice(["a", "../b", "x.csv", "nowhere", name]))
        elif kind < 0.6 and depth:
            path.mkdir()
            plant(rng, path, depth - 1)
        else:
            path.write_text("")


def expected(folder, parts):
    """The files of a pattern, part by part: what the walk is to find, in the time that it takes."""
    if not parts:
        return {str(folder)} if folder.is_file() else set()
    if not folder.is_dir():
        return set()
    head, rest = parts[0], parts[1:]
    entries = list(folder.iterdir())
    if head == "**":
        found = expected(folder, rest) if rest else {str(entry) for entry in entries if entry.is_file()}
        return found.union(*(expected(e, parts) for e in entries if e.is_dir() and not e.is_symlink()))
    if not set("*?[") & set(head):
        return expected(folder / head, rest)
    return set().union(*(expected(e, rest) for e in entries if fnmatch.fnmatchcase(e.name, head)))


@pytest.mark.parametrize("seed", range(20))
def test_a_pattern_means_what_its_parts_say_one_by_one(tmp_path, seed):
    rng = random.Random(seed)
    plant(rng, tmp_path, 4)
    for _ in range(60):
        parts = rng.choices(PARTS, k=rng.randint(1, 5))
        found = [str(file) for file in matching_files(tmp_path, parts)]
        assert len(found) == len(set(found)), parts
        assert set(found) == expected(tmp_path, parts), parts


@pytest.mark.parametrize("path", ["data/**/**/**/**/**/**/**/**/q*.csv", "data/" + "**/" * 62 + "q1.csv", "data/**"])
def test_a_deep_chain_is_walked_once_however_many_parts_there_are(tmp_path, path):
    folder = tmp_path / "data"
    for _ in range(40):
        folder /= "d"
        folder.mkdir(parents=True)
        (folder / "q1.csv").write_text("a\n1\n")
    assert len(find_files(tmp_path, path, "csv")) == 40


@pytest.mark.parametrize("path", ["data/" + "**/" * 200 + "q.csv", "*/" * 300 + "q.csv", "data/" + "*/" * 64 + "q.csv"])
def test_a_pattern_of_more_parts_than_anybody_has_is_refused(tmp_path, path):
    with pytest.raises(DataError, match="at most 64 parts, this one") as error:
        source_files(Source(name="s", format="csv", path=path), tmp_path, path)
    assert error.value.code == "FC501"


@pytest.mark.long
def test_links_that_lead_in_circles_are_not_followed_for_ever(tmp_path):
    for name in "abcdefgh":
        (tmp_path / name).symlink_to(".")
    path = "*/" * 40 + "q.csv"
    with pytest.raises(DataError, match="more than 10,000 links to folders"):
        source_files(Source(name="s", format="csv", path=path), tmp_path, path)


def test_a_pattern_that_ends_as_a_folder_means_no_file(tmp_path):
    (tmp_path / "q.csv").write_text("")
    assert find_files(tmp_path, "*/", "csv") == []
    assert find_files(tmp_path, str(Path(tmp_path) / "*.csv"), "csv") == [tmp_path / "q.csv"]


@pytest.mark.parametrize("instead", [None, "a file"])
def test_a_folder_that_goes_away_meanwhile_has_no_files(tmp_path, instead):
    for name in ("a.csv", "d/b.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    found = matching_files(tmp_path, ["**", "a*"])
    assert next(found) == tmp_path / "a.csv"
    shutil.rmtree(tmp_path / "d")
    if instead:
        (tmp_path / "d").write_text(instead)
    assert list(found) == []
