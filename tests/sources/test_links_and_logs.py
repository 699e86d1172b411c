"""What a Delta log, a link or a deep folder says cannot lead a source elsewhere, nor let it read what is deleted."""

import json
import os

import polars as pl
import pytest

from featurectl.core.errors import DataError
from featurectl.language.definitions.source import Source
from featurectl.language.repository_files import find_files as find_yaml
from featurectl.sources.delta_log import files_with_deletions
from featurectl.sources.open import check_there
from featurectl.sources.paths import find_files
from tests.sources.test_bad_input import opened

VECTOR = {
    "storageType": "i",
    "pathOrInlineDv": "wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
    "sizeInBytes": 34,
    "cardinality": 1,
}


def rewrite_log(folder, change):
    """Change the actions of the first commit of a Delta table."""
    log = folder / "_delta_log" / f"{0:020}.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        change(line)
    log.write_text("\n".join(map(json.dumps, lines)) + "\n")


@pytest.mark.parametrize("spelled", ["deletionVector", "deletionVecto\\u0072"])
def test_rows_that_a_log_deletes_without_declaring_it_are_not_read(tmp_path, spelled):
    pl.DataFrame({"v": [1, 2, 3]}).write_delta(tmp_path / "t")
    rewrite_log(tmp_path / "t", lambda line: line.get("add", {}).update(deletionVector=VECTOR))
    log = tmp_path / "t" / "_delta_log" / f"{0:020}.json"
    log.write_text(log.read_text().replace("deletionVector", spelled))
    with pytest.raises(DataError, match="uses deletionVectors, which this version does not read"):
        opened(tmp_path, "delta", "t").columns()


def test_a_file_that_is_written_again_without_deletions_is_read(tmp_path):
    pl.DataFrame({"v": [1, 2, 3]}).write_delta(tmp_path / "t")
    log = tmp_path / "t" / "_delta_log"
    adds = [line for line in (log / f"{0:020}.json").read_text().splitlines() if '"add"' in line]
    rewrite_log(tmp_path / "t", lambda line: line.get("add", {}).update(deletionVector=VECTOR))
    (log / f"{1:020}.json").write_text("\n".join(adds) + "\n")
    assert opened(tmp_path, "delta", "t").columns() == {"v": "int64"}


ONE, PART = f"{5:020}.checkpoint.parquet", f"{5:020}.checkpoint.0000000001.0000000002.parquet"


@pytest.mark.parametrize("name", ["zz.checkpoint.parquet", ONE, PART, f"{5:020}.checkpoint.json.parquet"])
@pytest.mark.parametrize("path", ["gone", 7, None])
def test_no_file_of_a_log_makes_deletions_pass_unseen(tmp_path, name, path):
    content = {"path": path, "deletionVector": {"storageType": "u"}} if path else 1
    pl.DataFrame({"add": [content]}).write_parquet(tmp_path / name)
    (tmp_path / f"{0:020}.json").write_text(json.dumps({"add": {"path": "a", "deletionVector": VECTOR}}))
    assert files_with_deletions(tmp_path) - {"gone"} == {"a"}


def test_a_part_of_a_checkpoint_takes_no_deletion_back(tmp_path):
    vector = pl.Struct(dict.fromkeys(("storageType", "pathOrInlineDv"), pl.String))
    schema = {"add": pl.Struct({"path": pl.String, "deletionVector": vector})}
    pl.DataFrame({"add": [{"path": "a", "deletionVector": None}]}, schema=schema).write_parquet(tmp_path / PART)
    (tmp_path / f"{0:020}.json").write_text(json.dumps({"add": {"path": "a", "deletionVector": VECTOR}}))
    (tmp_path / f"{6:020}.checkpoint.parquet").write_bytes(b"PAR1 torn")
    assert files_with_deletions(tmp_path) == {"a"}


@pytest.mark.parametrize(("indent", "between"), [(None, ""), (1, "\n")])
def test_deletions_of_a_log_that_is_not_in_lines_are_found(tmp_path, indent, between):
    pl.DataFrame({"v": [1, 2, 3]}).write_delta(tmp_path / "t")
    rewrite_log(tmp_path / "t", lambda line: line.get("add", {}).update(deletionVector=VECTOR))
    log = tmp_path / "t" / "_delta_log" / f"{0:020}.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    log.write_text(between.join(json.dumps(line, indent=indent) for line in lines))
    with pytest.raises(DataError, match="uses deletionVectors, which this version does not read"):
        opened(tmp_path, "delta", "t").columns()


def test_a_log_with_deletions_that_is_read_otherwise_is_refused(tmp_path):
    pl.DataFrame({"v": [1, 2, 3]}).write_delta(tmp_path / "t")
    rewrite_log(tmp_path / "t", lambda line: line.get("add", {}).update(deletionVector=VECTOR))
    deep = '{"more": ' + '{"a": ' * 100_000 + "1" + "}" * 100_001
    with (tmp_path / "t" / "_delta_log" / f"{0:020}.json").open("a") as log:
        log.write(deep)
    with pytest.raises(DataError, match=r"its log can't be read: 0{20}\.json is no JSON: it is nested too deep"):
        opened(tmp_path, "delta", "t").columns()


def test_deletions_of_a_checkpoint_are_found(tmp_path):
    vector = pl.Struct(dict.fromkeys(("storageType", "pathOrInlineDv"), pl.String))
    add = pl.Struct({"path": pl.String, "deletionVector": vector})
    gone = {"path": "gone.parquet", "deletionVector": {"storageType": "i", "pathOrInlineDv": "x"}}
    rows = [gone, {"path": "whole.parquet", "deletionVector": None}, None]
    pl.DataFrame({"add": rows}, schema={"add": add}).write_parquet(tmp_path / f"{3:020}.checkpoint.parquet")
    (tmp_path / f"{2:020}.json").write_text(json.dumps({"add": {"path": "old", "deletionVector": VECTOR}}))
    assert files_with_deletions(tmp_path) == {"gone.parquet", "old"}


def test_a_damaged_commit_matters_after_the_last_whole_checkpoint_alone(tmp_path):
    for amount in (1, 2, 3):
        pl.DataFrame({"v": [amount]}).write_delta(tmp_path / "t", mode="append")
    log = tmp_path / "t" / "_delta_log"
    (log / f"{1:020}.json").write_text('{"add": "deletionVector"')
    with pytest.raises(ValueError, match=r"1\.json is no JSON"):
        files_with_deletions(log)
    (log / f"{2:020}.checkpoint.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"1\.json is no JSON"):
        files_with_deletions(log)
    pl.DataFrame({"add": [{"path": "a"}]}).write_parquet(log / f"{2:020}.checkpoint.parquet")
    assert files_with_deletions(log) == frozenset()
    (log / f"{3:020}.json").write_text('{"add": "deletionVector"')
    with pytest.raises(ValueError, match=r"3\.json is no JSON"):
        files_with_deletions(log)


def test_a_broken_log_is_told_in_a_line_without_frames_of_the_library(tmp_path):
    pl.DataFrame({"v": [1]}).write_delta(tmp_path / "t")
    (tmp_path / "t" / "_delta_log" / f"{0:020}.json").write_text("{")
    with pytest.raises(DataError, match="can't be read: Kernel error: Json error") as caught:
        opened(tmp_path, "delta", "t").columns()
    assert "unknown" not in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", ["../outside.parquet", "%2e%2e/outside.parquet"])
def test_a_file_that_a_log_names_elsewhere_is_named_without_useless_advice(tmp_path, name):
    root = tmp_path / "repo"
    pl.DataFrame({"v": [1]}).write_delta(root / "t")
    (file,) = (root / "t").glob("*.parquet")
    file.rename(tmp_path / "outside.parquet")
    rewrite_log(root / "t", lambda line: line.get("add", {}).update(path=name.replace("/", "/../", 1)))
    reader = opened(root, "delta", "t")
    with pytest.raises(DataError, match=r"the log of t names \.\./\.\./outside\.parquet, outside of") as caught:
        reader.scan(reader.parts())
    assert caught.value.code == "FC535"
    assert "data_roots" not in caught.value.hint


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("link", ["t/_delta_log", f"t/_delta_log/{0:020}.json", "data/a.csv", "data/a", "data/a/q.csv"])
def test_a_link_that_leads_out_does_not_tell_whether_something_is_there(tmp_path, link, there):
    root, target = tmp_path / "repo", tmp_path / "target"
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(target)
    if there and link.endswith(("log", "data/a")):
        target.mkdir()
        (target / "q.csv").write_text("v\n1\n")
    elif there:
        target.write_text("v\n1\n")
    paths = {"t/_delta_log": ["t"], "data/a": ["data/*/q.csv"], "data/a/q.csv": ["data/*/q.csv", "data/**/*.csv"]}
    for path in paths.get(link, ["t"] if link.startswith("t/") else ["data/*.csv", "data"]):
        kind = "delta" if path == "t" else "csv"
        if "/0" not in link:
            with pytest.raises(DataError, match="outside of the repository") as caught:
                check_there(Source(name="orders", format=kind, path=path), root)
            assert caught.value.code == "FC535"
        with pytest.raises(DataError, match="outside of the repository") as caught:
            opened(root, kind, path).columns()
        assert caught.value.code == "FC535"


@pytest.mark.long
@pytest.mark.parametrize("where", ["t/_delta_log", "."])
def test_folders_may_be_as_deep_as_the_system_has_them(tmp_path, where):
    pl.DataFrame({"v": [1]}).write_delta(tmp_path / "t")
    (tmp_path / "a.yaml").write_text("")
    (tmp_path / "b.yaml").symlink_to("b.yaml")
    deep = [str(tmp_path / where) + "/d" * depth for depth in range(1, 1_100)]
    for folder in deep:
        os.mkdir(folder)  # noqa: PTH102 - a Path makes them by calling itself
    try:
        assert opened(tmp_path, "delta", "t").columns() == {"v": "int64"}
        assert find_yaml(tmp_path).files == ("a.yaml", "b.yaml")
        assert find_files(tmp_path, ".", "csv") == []
    finally:
        for folder in reversed(deep):  # nor can all programs remove them
            os.rmdir(folder)  # noqa: PTH106
