"""The small repository: as files alone, and applied, materialized and trained."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from featurectl.cli.main import main
from tests.bad_input.shop import Shop, copy_shop, write_shop


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose every command has run once; tests work on copies."""
    root, before = write_shop(tmp_path_factory.mktemp("made")), Path.cwd()
    os.chdir(root)
    try:
        for argv in (["apply", "--auto-approve"], ["materialize"], ["train", "pays"]):
            assert main(argv) == 0
    finally:
        os.chdir(before)
    return root


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shop:
    """A repository of files alone, which is the current folder."""
    root = write_shop(tmp_path / "shop")
    monkeypatch.chdir(root)
    return Shop(root, capsys.readouterr)


@pytest.fixture
def live(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shop:
    """A repository that is applied, materialized and trained, which is the current folder."""
    root = copy_shop(made, tmp_path / "live")
    monkeypatch.chdir(root)
    return Shop(root, capsys.readouterr)
