"""Run the feature tests of a repository."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from featurectl.engines.all_engines import open_local_engine
from featurectl.operations.feature_tests.results import FeatureTestResult
from featurectl.operations.feature_tests.run import run_feature_tests
from featurectl.workspace.open import environment_of, load_checked


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureTestRun:
    """What came of each test, and in how many seconds of all."""

    results: Sequence[FeatureTestResult]
    seconds: float


def run_repository_tests(root: Path, env: str | None) -> FeatureTestRun:
    """Return what came of the tests of the repository below `root`; they are the same in each environment.

    Raises:
        ProblemsError: a file has an error.
        UsageError: there is no such environment.
    """
    repo = load_checked(root)
    environment_of(repo, env)  # the tests are the same in each, but a name that is none is a mistake
    engine = open_local_engine()
    begin = time.perf_counter()
    results = run_feature_tests(engine, repo.tests.values())
    return FeatureTestRun(results=results, seconds=time.perf_counter() - begin)
