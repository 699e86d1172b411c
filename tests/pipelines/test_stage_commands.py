"""The command lines of stages."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from featurectl.language.definitions.pipelines import PipelineStage, Resources
from featurectl.pipelines.stage_commands import RunArguments, stage_commands, stage_environ

CLOCK = datetime(2026, 1, 2, tzinfo=UTC)
SHARED = RunArguments(root=Path("/shop"), environment="prod", clock=CLOCK)


def words(run, shared=SHARED, **resources):
    """The words of a stage's command lines behind the name of the program."""
    made = stage_commands(PipelineStage(name="s", run=run, resources=Resources(**resources)), shared)
    assert all(command[1:4] == ["-P", "-m", "featurectl"] for command in made)
    return [" ".join(command[4:]) for command in made]


OF_ALL = "-C /shop --env prod --color never"


@pytest.mark.parametrize(
    ("run", "made"),
    [
        ("push", f"push {OF_ALL} --clock 2026-01-02T00:00:00Z"),
        ("get v -o json -- k=-1", f"get v -o json {OF_ALL} --clock 2026-01-02T00:00:00Z -- k=-1"),
        ("score m --out 'a b'", f"score m --out a b {OF_ALL} --clock 2026-01-02T00:00:00Z"),
    ],
)
def test_a_stage_is_run_in_the_repository_at_the_start_of_the_run(run, made):
    assert words(run) == [made]


def test_an_as_of_is_given_to_who_takes_it_and_else_is_the_clock():
    shared = RunArguments(root=Path("/shop"), environment="prod", clock=CLOCK, as_of=datetime(2025, 1, 1, tzinfo=UTC))
    assert words("push", shared)[0].endswith("--as-of 2025-01-01T00:00:00Z")
    assert words("train m", shared)[0].endswith("--clock 2025-01-01T00:00:00Z")
    assert words("push --as-of 2024-01-01", shared) == [f"push --as-of 2024-01-01 {OF_ALL}"]


@pytest.mark.parametrize("run", ["monitor check", "monitor test ops", "monitor drift m --served"])
def test_what_watches_looks_when_it_runs(run):
    """As of the start of the run it would not see what has failed since."""
    assert words(run) == [f"{run} {OF_ALL}"]
    shared = RunArguments(root=Path("/shop"), environment="prod", clock=CLOCK, as_of=datetime(2025, 1, 1, tzinfo=UTC))
    assert words("monitor check", shared)[0].endswith("--as-of 2025-01-01T00:00:00Z")


def test_memory_is_given_to_commands_that_keep_to_it():
    assert words("materialize", memory_bytes=2 << 30)[0].endswith("--memory 2048MiB")
    assert "--memory" not in words("push", memory_bytes=2 << 30)[0]
    assert words("materialize --memory 1GiB", memory_bytes=2 << 30)[0].count("--memory") == 1


def test_parts_of_a_score_are_numbered():
    assert [line.rpartition(" ")[2] for line in words("score m --out s.parquet", replicas=3)] == ["1/3", "2/3", "3/3"]


def test_processors_are_threads_unless_the_environment_says_so():
    stage = PipelineStage(name="s", run="push", resources=Resources(cpu=1.5))
    assert stage_environ(stage, {})["POLARS_MAX_THREADS"] == "2"
    assert stage_environ(stage, {"POLARS_MAX_THREADS": "7"})["POLARS_MAX_THREADS"] == "7"
