"""The files for Airflow and Dagster: as they were read, as ruff would write them, and what they can't have."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from featurectl.core.errors import UsageError
from featurectl.language.definitions.about import About
from featurectl.language.definitions.pipelines import Pipeline, PipelineStage, Resources
from featurectl.pipelines.render.order import render_pipelines
from featurectl.pipelines.render.request import Site
from tests.pipelines.render.shop import assert_golden, files_of, of_release, order, pipelines_for, write_repository

TARGETS = ("airflow", "dagster")
RUFF = Path(sys.executable).parent / "ruff"
PARTS = Pipeline(
    name="release",
    schedule="0 0 * * 7",
    about=About(description='Says """ and \\ and ends with a "quote"', owner="ml@example.com", tags=("ml",)),
    stages=(
        PipelineStage(name="import", run="materialize", timeout_us=90_000_000),
        PipelineStage(name="dag", run="push", needs=("import",), on_success=("ops",), on_failure=("ops", "boss")),
        PipelineStage(
            name="score",
            run="score late --out rows/",
            needs=("import",),
            resources=Resources(cpu=1.5, memory_bytes=2 << 30, replicas=4),
        ),
        PipelineStage(
            name="stage",
            run='get carriers -o json -- carrier=\'one "two" three\' carrier="b\'s" carrier=more-than-goes-on-one-line',
            needs=("dag", "score"),
        ),
    ),
)
SITE = Site(project="my-flights", environment="prod", folder="/srv/it", on_disk=("online sqlite:///on.db",))


def rendered(target: str, pipeline: Pipeline) -> dict[str, str]:
    return {file.name: file.text for file in files_of(target, pipeline, SITE)}


@pytest.mark.parametrize("target", TARGETS)
def test_files_of_a_target_are_as_they_were_read(tmp_path, target, monkeypatch):
    of_release(monkeypatch, "1.2.3")
    root = write_repository(tmp_path / "repo")
    texts = pipelines_for(root, target, "nightly", "unlucky", "by_hand")
    texts |= rendered(target, PARTS)
    assert_golden("pipelines", target, {f"{name}.txt": text for name, text in texts.items()})  # no modules of ours


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("args", [("format", "--diff"), ("check", "--preview", "--select", "AIR,E,F,I,B,UP,RUF")])
def test_ruff_has_nothing_to_say_of_a_file(tmp_path, target, args):
    for name, text in (rendered(target, PARTS) | rendered(target, replace(PARTS, schedule=""))).items():
        (tmp_path / name).write_text(text)
    command = [str(RUFF), *args, "--isolated", "--line-length", "120", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_a_description_is_what_the_file_says_of_itself(target):
    (text,) = rendered(target, PARTS).values()
    assert ast.get_docstring(ast.parse(text)).startswith(PARTS.about.description)


@pytest.mark.parametrize("target", TARGETS)
def test_days_that_are_both_are_refused_and_say_why(tmp_path, target):
    root = write_repository(tmp_path / "repo")
    (root / "objects.yaml").write_text((root / "objects.yaml").read_text().replace("30 4 13 * FRI", "30 4 */2 * FRI"))
    with pytest.raises(UsageError, match=rf"{target} can't say '30 4 .*: it takes either of two days"):
        render_pipelines(order(root, target, "unlucky"))
