"""The main job on the flights, done once for all pages and all processes of a test run."""

from __future__ import annotations

import os

import pytest

from tests.docs.runner import Job, do_main_job


@pytest.fixture(scope="session")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """What the main job printed, and the folder that it left."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return do_main_job(shared / "main-job")
