"""Repositories with an online store and a prediction log, made once a process; a test spoils a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.monitor.verify.shop import build_shop, request_rows, serve_rows, write_shop


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """The repository, pushed into SQLite, with the log of some requests; not to be changed."""
    root = build_shop(write_shop(tmp_path_factory.mktemp("verified") / "repo"))
    serve_rows(root, request_rows(150))
    return root


@pytest.fixture
def shop(built, tmp_path) -> Path:
    """A copy of the repository."""
    return shutil.copytree(built, tmp_path / "repo")
