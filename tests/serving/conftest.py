"""A server over the repository of clicks: made once a process; a test that changes the repository copies it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from tests.serving.clicks import build_clicks, write_clicks
from tests.serving.trial import build_trial

Open = Callable[..., TestClient]


@pytest.fixture(scope="session")
def clicks(tmp_path_factory) -> Path:
    """The repository, applied, materialized and trained; not to be changed."""
    return build_clicks(write_clicks(tmp_path_factory.mktemp("clicks") / "repo"))


@pytest.fixture
def own_clicks(clicks, tmp_path) -> Path:
    """A copy of the repository."""
    return shutil.copytree(clicks, tmp_path / "repo")


@pytest.fixture(scope="session")
def trial(tmp_path_factory) -> Path:
    """A repository with a model of several versions; not to be changed."""
    return build_trial(tmp_path_factory.mktemp("trial") / "repo")


@pytest.fixture
def own_trial(trial, tmp_path) -> Path:
    """A copy of that repository."""
    return shutil.copytree(trial, tmp_path / "repo")


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens a server over a repository, with settings, and gives a client of it."""
    with ExitStack() as stack:

        def start(root: Path, **settings: Any) -> TestClient:
            app = open_app(ServeSettings(root=str(root), **settings))
            return stack.enter_context(TestClient(app, raise_server_exceptions=False))

        yield start


@pytest.fixture
def client(clicks, opened) -> TestClient:
    """A client of a server over the repository as it was made."""
    return opened(clicks, timeout_s=20.0)
