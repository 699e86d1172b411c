"""Every target's files, as a person who runs that scheduler has read them."""

from __future__ import annotations

import pytest

from featurectl.pipelines.render.targets import DEPLOYMENT_TARGETS, PIPELINE_TARGETS
from tests.pipelines.render.shop import (
    SCORES,
    assert_golden,
    deployments_for,
    in_parts_for,
    of_release,
    pipelines_for,
    write_repository,
)

RUN_PARTS = ("argo", "github-actions", "kubernetes")  # each part is a job or a pod of theirs


@pytest.mark.parametrize("target", sorted({*PIPELINE_TARGETS} - {"airflow", "dagster"}))  # test_python_targets.py
def test_files_of_pipelines_are_as_they_were_read(tmp_path, target, monkeypatch):
    of_release(monkeypatch, "1.2.3")
    texts = pipelines_for(write_repository(tmp_path), target)
    if target in RUN_PARTS:
        texts |= in_parts_for(target) | in_parts_for(target, SCORES)
    assert_golden("pipelines", target, texts)


@pytest.mark.parametrize("target", DEPLOYMENT_TARGETS)
def test_files_of_deployments_are_as_they_were_read(tmp_path, target, monkeypatch):
    of_release(monkeypatch, "1.2.3")
    assert_golden("deployments", target, deployments_for(write_repository(tmp_path), target))
