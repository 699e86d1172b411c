"""The repository in which each kind of object is, in the current folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.catalog.shop import make_shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """The repository; what was said while it was made is gone."""
    make_shop(tmp_path)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    return tmp_path
