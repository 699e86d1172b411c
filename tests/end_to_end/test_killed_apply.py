"""An apply that is killed at any moment leaves the registry as it was or as it should be, and no lock for long."""

from __future__ import annotations

import io
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from featurectl.cli.main import main
from featurectl.core.errors import TryAgainError
from featurectl.operations.apply import ApplyTarget, apply_plan
from featurectl.plan.build import PlanRequest, plan_repo
from featurectl.registry.locks import LEASE
from featurectl.registry.sql import SqlRegistry
from featurectl.registry.state import State
from featurectl.workspace.actor import Actor
from featurectl.workspace.open import open_workspace
from tests.end_to_end.applies import write_entities, write_project
from tests.seeds import seed_of
from tests.warm import WarmProcess

ENTITIES = [f"e{number:03}" for number in range(120)]
AUTHOR = Actor(who="ben@host", commit="", at=datetime(2026, 11, 24, tzinfo=UTC))


def run_marked(words: Sequence[str]) -> int:
    """Run a command line and write letters as it goes.

    s when it starts, o when the transaction of the change is open, c when its commit begins, d when that is done, e at
    the end.
    """
    written = []

    def mark(letter: str) -> None:
        written.append(letter)
        os.write(1, letter.encode())

    def executed(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("UPDATE projects"):
            mark("o")

    def mark_after(letter: str, following: str) -> None:
        if written[-1] == letter:
            mark(following)

    event.listen(Engine, "after_cursor_execute", executed)
    event.listen(Engine, "commit", lambda _: mark_after("o", "c"))
    event.listen(Engine, "begin", lambda _: mark_after("c", "d"))
    mark("s")
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        code = main(words)
    mark("e")
    return code


@dataclass(frozen=True)
class Kill:
    """A moment to kill at: a part of the way from one mark to another."""

    after: str
    before: str
    part: float


@dataclass(frozen=True)
class Run:
    """When a process wrote each of its marks, on this process's monotonic clock."""

    pid: int
    marks: dict[str, float]

    @property
    def in_transaction(self) -> bool:
        """Whether the process died between the first statement of the change and the end of its commit."""
        return "o" in self.marks and "d" not in self.marks


@dataclass
class Project:
    """A repository whose registry is changed as a whole by each apply: every entity's description."""

    root: Path
    url: str
    changes: int = 0

    def change(self) -> None:
        """Write other files."""
        self.changes += 1
        write_entities(self.root, ENTITIES, f"{self.changes} {'x' * 5_000}")

    def apply_and_kill(self, kill: Kill | None, lengths: dict[tuple[str, str], float]) -> Run:
        """Run an apply, kill it at a moment, and return what it had done by then."""
        marks: dict[str, float] = {}
        with WarmProcess(run_marked, ("apply", "--auto-approve", "-C", str(self.root))) as process:
            while letter := process.stdout.read(1).decode():
                marks[letter] = time.monotonic()
                if kill and letter == kill.after:
                    time.sleep(kill.part * lengths[kill.after, kill.before])
                    process.kill()
        return Run(process.pid, marks)

    def state(self) -> State:
        """Return what the registry holds."""
        registry = SqlRegistry(self.url)
        state = registry.load_state("shop")
        registry.close()
        return state

    def apply_after_the_lease(self) -> State:
        """Apply the files here, where it is later by a lease."""
        registry = SqlRegistry(self.url, clock=lambda: datetime.now(UTC) + LEASE)
        with open_workspace(self.root, None, None) as workspace:
            plan = plan_repo(workspace.repo, registry.load_state("shop"), PlanRequest(environment="dev"))
            target = ApplyTarget(registry=registry, online=workspace.online(), environment="dev")
            state = apply_plan(target, plan, AUTHOR)
        registry.close()
        return state

    def check_lock(self, run: Run) -> None:
        """Check that a lock that was left behind is respected for now, and names the process that is gone."""
        registry, refused = SqlRegistry(self.url), ""
        try:
            with registry.lock("shop", "ben@host"):
                pass
        except TryAgainError as error:
            refused = error.message
        registry.close()
        assert f"pid {run.pid}, featurectl apply, since" in refused or not (refused or run.in_transaction)

    def wait_for_the_server(self) -> None:
        """Wait until the database has noticed that the process is gone, and check that it is whole."""
        if self.url.startswith("sqlite"):
            connection = sqlite3.connect(self.url.removeprefix("sqlite:///"))
            assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
            connection.close()
            return
        others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        with psycopg.connect(self.url, autocommit=True) as connection:  # type: ignore[assignment]
            limit = time.monotonic() + 120
            while connection.execute(others).fetchone() != (0,):
                assert time.monotonic() < limit
                time.sleep(0.01)


@pytest.fixture(params=["sqlite", "postgresql"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """An applied project."""
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgres_url"))
    else:
        url = f"sqlite:///{tmp_path}/registry.db"
    project = Project(write_project(tmp_path / "shop", "shop", url), url)
    project.change()
    project.apply_and_kill(None, {})
    return project


def measured(project: Project) -> dict[tuple[str, str], float]:
    """Return how long an apply takes from one mark to another, in seconds: the shorter of two."""
    project.change()
    runs = [project.apply_and_kill(None, {}).marks]
    project.change()
    runs.append(project.apply_and_kill(None, {}).marks)
    pairs = (("s", "o"), ("o", "d"), ("d", "e"))
    return {(begin, end): min(marks[end] - marks[begin] for marks in runs) for begin, end in pairs}


def moments(count: int) -> list[Kill]:
    """Return moments spread over the whole run, three of four inside the transaction."""
    draw, inside = Random(seed_of(7)), count - count // 4
    outside = [("s", "o") if number % 2 else ("d", "e") for number in range(count - inside)]
    return [
        Kill(after, before, (number + draw.random()) / len(pairs))
        for pairs in (outside, [("o", "d")] * inside)
        for number, (after, before) in enumerate(pairs)
    ]


def without_times(state: State) -> str:
    """Return the digest of a state, whenever it was applied."""
    return replace(state, objects=tuple(replace(item, applied_at=None) for item in state.objects)).digest()


def wanted(project: Project, old: State) -> str:
    """Return the digest, without times, of the state after the files are applied."""
    with open_workspace(project.root, None, None) as workspace:
        plan = plan_repo(workspace.repo, old, PlanRequest(environment="dev"))
    objects = tuple(stage.item for stage in plan.stages if stage.item and stage.action == "write")
    assert len(objects) == len(ENTITIES)
    return without_times(replace(old, serial=old.serial + 1, objects=objects))


@pytest.mark.long
@pytest.mark.parametrize(
    ("kills", "inside_at_least"), [(4, 1), pytest.param(50, 30, marks=pytest.mark.stress)], ids=["4", "50"]
)
@pytest.mark.sample(1)
def test_a_killed_apply_has_changed_everything_or_nothing(project, kills, inside_at_least):
    lengths = measured(project)
    ends = []
    for kill in moments(kills):
        old = project.state()
        project.change()
        new = wanted(project, old)
        run = project.apply_and_kill(kill, lengths)
        project.wait_for_the_server()
        left = project.state()
        assert left.digest() == old.digest() or without_times(left) == new
        project.check_lock(run)
        ends.append(("inside" if run.in_transaction else "outside", "old" if left.serial == old.serial else "new"))
        project.change()
        new = wanted(project, left)
        after = project.apply_after_the_lease()
        assert without_times(after) == new
    registry = SqlRegistry(project.url)
    assert [entry.serial for entry in registry.read_history("shop")][::-1] == list(range(1, after.serial + 1))
    registry.close()
    print(project.url.split(":")[0], {" ".join(end): ends.count(end) for end in sorted(set(ends))})  # noqa: T201  # for who runs it with -s
    assert sum(where == "inside" for where, _ in ends) >= inside_at_least
