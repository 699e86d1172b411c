"""A disk that fills, at every level: a command ends with what is full, the old state or the new one, and a way on."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.core.disk_room import FULL_HINT
from tests.bad_input.shop import copy_shop, write_shop
from tests.full_disk import limited

NEW_ROW = "a,2026-01-07T08:00:00Z,4.5\n"
FULL = ("No space left on device", "File too large", "disk is full", "database or disk is full")
WRITERS = {
    "apply": ("apply", "--auto-approve"), "materialize": ("materialize", "-q"),
    "rebuild": ("materialize", "--full", "-q"),
    "push": ("push", "-q"), "train": ("train", "pays", "-q"), "promote": ("models", "promote", "pays@2"),
    "training-set": ("training-set", "pays", "--out", "rows.csv", "-q"),
    "score": ("score", "pays", "--out", "scores.csv", "-q"),
    "table": ("training-set", "pays", "--out", "rows.delta", "-q"),
    "export": ("models", "export", "pays", "--out", "exported", "-q"),
}  # fmt: skip
READERS = {
    "plan": ("plan",), "history": ("history",), "get": ("get", "spend", "customer=a"), "status": ("status",),
    "why": ("why", "spend"), "models": ("models", "list"), "verify": ("verify", "--store"),
    "check": ("monitor", "check"),
}  # fmt: skip
BELOW = 1 << 17  # bytes: above the longest file of the repository


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A repository that is applied, materialized, pushed and trained, then changed in its data and its files."""
    root, before = write_shop(tmp_path_factory.mktemp("full")), Path.cwd()
    os.chdir(root)
    try:
        for words in (("apply", "--auto-approve"), ("materialize",), ("train", "pays"), ("train", "pays")):
            assert main([*words, "-q"]) == 0
    finally:
        os.chdir(before)
    with (root / "data/orders.csv").open("a") as file:
        file.write(NEW_ROW)
    return root


def changed(root: Path) -> None:
    """Let there be something to apply."""
    text = (root / "objects.yaml").read_text()
    (root / "objects.yaml").write_text(text.replace("op: count, windows: [7d]", "op: count, windows: [7d, 2d]"))


def whole(root: Path, words: tuple[str, ...]) -> None:
    """See that the command works where there is room again, and that all is as it should be then."""
    patient = ("--lock-timeout", "60s")  # of a command that had no room to give it back, a lock ends with its lease
    for each in (
        (*words, *patient) if words[0] == "apply" else words,
        ("apply", "--auto-approve", "-q", *patient),
        ("materialize", "-q"),
        ("verify", "--store", "-q"),
        ("status", "-q"),
    ):
        assert main([*each, "-C", str(root)]) == 0, each
    assert not [path for path in root.rglob("*.part") if path.is_file()]


def try_once(made: Path, root: Path, name: str, limit: int) -> int:
    copy_shop(made, root)
    os.chdir(root)
    if name == "apply":
        changed(root)
    code, said = limited(limit, (*WRITERS[name], "-C", str(root)))
    assert "Traceback" not in said, said
    assert code in (0, 69), (name, limit, code, said)
    assert code == 0 or any(text in said for text in FULL), (name, limit, said)
    is_done = code == 0 and name == "export"  # which refuses to write over what it has written
    whole(root, WRITERS["materialize" if is_done else name])
    return code


@pytest.mark.long
@pytest.mark.parametrize(("name", "limit"), [("materialize", 3_000), ("apply", 20_000)])
@pytest.mark.usefixtures("capsys")
@pytest.mark.sample(1)
def test_a_command_on_a_full_disk_says_so_and_the_next_is_whole(made, tmp_path, monkeypatch, name, limit):
    monkeypatch.chdir(tmp_path)
    assert try_once(made, tmp_path / "shop", name, limit) == 69


OUTPUTS = {
    "schema": ("schema", "--out", "page.csv"),
    "drift": ("monitor", "drift", "pays", "--batch", "asks", "--html", "page.csv"),
    "metrics": ("monitor", "export", "--textfile", "page.csv"), "plan": ("plan", "--out", "page.csv"),
    "rows": ("training-set", "pays", "--out", "page.csv"),
}  # fmt: skip


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_that_can_not_be_written_whole_is_the_one_of_before(made, tmp_path, name):
    root = copy_shop(made, tmp_path / "shop")
    (root / "page.csv").write_text("before")
    code, said = limited(40, (*OUTPUTS[name], "-C", str(root)))
    assert (code, "Traceback" in said, FULL_HINT in said) == (69, False, True), said
    assert any(text in said for text in FULL)
    assert (root / "page.csv").read_text() == "before"
    assert not [path.name for path in root.iterdir() if path.suffix in (".tmp", ".part")]


@pytest.mark.stress
@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_fills_at_any_level_leaves_the_old_state_or_the_new(made, tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    drawn, codes = random.Random(f"{name} 3"), []
    for number in range(12):
        limit = int(BELOW ** drawn.uniform(0.3, 1.02))
        codes.append(try_once(made, tmp_path / f"{number}", name, limit))
        os.chdir(tmp_path)
        shutil.rmtree(tmp_path / f"{number}")
    with capsys.disabled():
        print(f"\n{name}: {len(codes) - codes.count(0)} of {len(codes)} failed")  # noqa: T201  # for who runs it with -s
    assert any(codes)


@pytest.mark.stress
@pytest.mark.usefixtures("monkeypatch", "capsys")
def test_scores_that_were_cut_short_by_a_full_disk_are_not_taken_for_whole(made, tmp_path):
    """Numpy writes into a file by itself, and does not hear of what could not be written."""
    copy_shop(made, tmp_path / "shop")
    code, said = limited(282, (*WRITERS["score"], "-C", str(tmp_path / "shop")))
    assert code == 69
    assert "File too large" in said
    os.chdir(tmp_path / "shop")
    whole(tmp_path / "shop", WRITERS["score"])


@contextmanager
def full_tmpfs(folder: Path, made: Path) -> Iterator[Path]:
    """Give a repository on a disk of its own without a free byte."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    try:
        copy_shop(made, folder / "shop")
        with suppress(OSError), (folder / "fill").open("wb", buffering=0) as fill:
            while fill.write(b"0" * 4096):
                pass
        yield folder / "shop"
    finally:
        os.chdir("/")
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.stress
def test_what_only_reads_goes_on_where_a_disk_has_no_byte_left(made, tmp_path, monkeypatch, capsys):
    """SQLite needs a file beside the registry and the online store even to read them; only root can mount a disk."""
    if os.geteuid():
        return
    monkeypatch.chdir(tmp_path)
    with full_tmpfs(tmp_path / "disk", made) as root:
        for name, words in READERS.items():
            code = main([*words, "-C", str(root)])
            said = capsys.readouterr()
            assert code == 0, (name, said)
        for name, words in WRITERS.items():
            code = main([*words, "-C", str(root)])
            said = capsys.readouterr()
            assert code in (0, 69), (name, said)
            assert code == 0 or any(text in said.err for text in FULL), (name, said)
        (root.parent / "fill").unlink()
        whole(root, ("materialize", "-q"))
