"""Applies that meet in one registry: all succeed, and nothing of any of them is lost."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from featurectl.registry.base import HistoryEntry, RegistryChange, lock_holder
from featurectl.registry.sql import SqlRegistry
from featurectl.registry.state import ObjectVersion
from tests.end_to_end.applies import Worker, write_entities, write_project
from tests.warm import WarmProcess

APPLIES = 20
PROJECTS = ("flights", "shop")
APPLY = ("apply", "--auto-approve", "--lock-timeout", "60s")


@pytest.fixture(params=["sqlite", "postgresql"])
def registry_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a registry that does not exist yet."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path}/registry/registry.db"


@pytest.fixture
def registry(registry_url: str) -> Iterator[SqlRegistry]:
    """That registry."""
    registry = SqlRegistry(registry_url)
    yield registry
    registry.close()


def names(registry: SqlRegistry, project: str) -> list[str]:
    return sorted(item.name for item in registry.load_state(project).objects)


def serials(registry: SqlRegistry, project: str) -> list[int]:
    return [entry.serial for entry in reversed(registry.read_history(project))]


@pytest.mark.long
@pytest.mark.parametrize("applies", [4, pytest.param(APPLIES, marks=pytest.mark.stress)])
@pytest.mark.sample(1)
def test_two_projects_of_one_registry_are_applied_at_once(tmp_path, registry_url, registry, applies):
    """Each process grows its own project, without waiting for the other, from a registry that is not there yet."""
    roots = [write_project(tmp_path / project, project, registry_url) for project in PROJECTS]
    with Worker() as one, Worker() as other:
        workers = (one, other)
        for count in range(1, applies + 1):
            for root, worker in zip(roots, workers, strict=True):
                write_entities(root, [f"e{number:02}" for number in range(count)])
                worker.begin(*APPLY, "-C", str(root))
            for worker in workers:
                code, said = worker.end()
                assert code == 0, said
                assert f"serial {count}: 1 added." in said
    for project in PROJECTS:
        assert serials(registry, project) == list(range(1, applies + 1))
        assert names(registry, project) == [f"e{number:02}" for number in range(applies)]
        assert all(entry.plan for entry in registry.read_history(project))


@pytest.mark.sample(1)
@pytest.mark.parametrize("applies", [4, pytest.param(APPLIES, marks=pytest.mark.stress)])
def test_two_applies_of_the_same_files_succeed_and_one_has_nothing_to_do(tmp_path, registry_url, registry, applies):
    root = write_project(tmp_path / "shop", "shop", registry_url)
    outcomes = []
    with Worker() as one, Worker() as other:
        for count in range(1, applies + 1):
            write_entities(root, [f"e{number:02}" for number in range(count)])
            for worker in (one, other):
                worker.begin(*APPLY, "-C", str(root))
            said = [worker.end() for worker in (one, other)]
            assert [code for code, _ in said] == [0, 0], said
            outcomes.append(sum(f"serial {count}: 1 added." in text for _, text in said))
    assert outcomes == [1] * applies
    assert serials(registry, "shop") == list(range(1, applies + 1))
    assert names(registry, "shop") == [f"e{number:02}" for number in range(applies)]


def grow(url: str, who: str, count: int, projects: Sequence[str]) -> None:
    """Add entities to projects in turn, once a line is read."""
    registry = SqlRegistry(url)
    entry = HistoryEntry(serial=0, at=datetime.now(UTC), who=who, commit="", command="apply", summary="1 added")
    registry.load_state("warm")
    sys.stdout.write("ready\n")
    sys.stdin.readline()
    for number in range(count):
        for project in projects:
            item = ObjectVersion(kind="entity", name=f"{who}_{number:02}", version=1, definition={"name": who})
            with registry.lock(project, lock_holder(who, "grow"), 60) as lock_id:
                state = registry.load_state(project)
                registry.write_change(state, RegistryChange(write=(item,)), entry, lock_id)
    registry.close()


@pytest.mark.long
@pytest.mark.sample(1)
def test_changes_of_one_project_by_two_processes_wait_for_each_other(registry_url, registry):
    half = APPLIES // 2
    running = [
        WarmProcess(grow, registry_url, who, half, projects)
        for who, projects in (("ana", PROJECTS), ("ben", PROJECTS[::-1]))
    ]
    assert [process.line() for process in running] == ["ready\n"] * 2
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.end() for process in running] == [(0, "")] * 2
    for project in PROJECTS:
        assert serials(registry, project) == list(range(1, APPLIES + 1))
        assert names(registry, project) == [f"{who}_{number:02}" for who in ("ana", "ben") for number in range(half)]
        assert {entry.who for entry in registry.read_history(project)} == {"ana", "ben"}
