"""A registry's alerts."""

from __future__ import annotations

import pytest

from featurectl.registry.sql import SqlRegistry


@pytest.fixture
def ledger(tmp_path):
    """The alerts of an environment."""
    return SqlRegistry(f"sqlite:///{tmp_path}/r.db").alerts("shop", "prod")
