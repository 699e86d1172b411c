"""Projects of the shop: one that tests of this process read together, and copies for those that write."""

from __future__ import annotations

from pathlib import Path

import pytest

import featurectl
from tests.catalog.shop import make_shop


@pytest.fixture(scope="session")
def shared_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the project that tests share."""
    root = tmp_path_factory.mktemp("shared-shop")
    make_shop(root)
    return root


@pytest.fixture
def shared_project(shared_root: Path, monkeypatch: pytest.MonkeyPatch) -> featurectl.Project:
    """A project that is applied, materialized and trained, in the current folder: for tests that only read it."""
    monkeypatch.chdir(shared_root)
    return featurectl.open_project()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> featurectl.Project:
    """The same in a folder of the test's own, which may change it."""
    make_shop(tmp_path)
    monkeypatch.chdir(tmp_path)
    return featurectl.open_project()
