"""Credentials, of which the server of tests knows nothing."""

from __future__ import annotations

import pytest

from tests.servers.dynamodb import ENVIRON


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What AWS's client finds in the environment."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
