"""What the files say against what is applied: validate, test, plan, apply, history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from featurectl.api.base import ProjectBase, texts_of
from featurectl.api.pages import AppliedPage, PlanPage, as_page
from featurectl.api.results import ResultTable
from featurectl.language.problems.codes import Problem
from featurectl.operations.apply_files import ApplyRequest, apply_files
from featurectl.operations.feature_tests.repository import run_repository_tests
from featurectl.operations.feature_tests.results import FeatureTestResult
from featurectl.operations.history import read_history
from featurectl.operations.plan_files import PlanChoices, PlanOutputs, plan_files
from featurectl.operations.validate import object_counts, validate_repository
from featurectl.plan.plan import Change
from featurectl.registry.base import HistoryEntry
from featurectl.render.history import entry_json, render_entries
from featurectl.render.validation import valid_text


class ChangeTable(ResultTable[Change]):
    """The changes of a plan, unchanged objects left out, and the `plan` itself."""

    def __init__(self, plan: PlanPage) -> None:
        super().__init__([change for change in plan.changes if change.kind != "unchanged"], _change_row)
        self.plan = plan

    def __repr__(self) -> str:
        return repr(self.plan)

    def _repr_html_(self) -> str:
        return self.plan._repr_html_()


class ChangingMethods(ProjectBase):
    """Methods that read the files."""

    def validate(self, *, data: bool = True) -> ResultTable[Problem]:
        """Return what is wrong with the files, errors and warnings; `data`: with the schemas of local data, too.

        Printed, it says so where the files are valid.

        Raises:
            UsageError: there is no such environment.
        """
        found = validate_repository(self.root, self.env, data=data, warnings=True)
        head = valid_text(object_counts(found.repo), len(found.repo.files)) if found.is_valid else ""
        return ResultTable(found.problems, _problem_row, head=head, frames=self.frames)

    def test(self) -> ResultTable[FeatureTestResult]:
        """Return what came of the feature tests of the files.

        Raises:
            ProblemsError: the files have errors.
        """
        results = run_repository_tests(self.root, self.env).results
        passed = sum(result.passed for result in results)
        head = f"{passed} passed, {len(results) - passed} failed." if results else "No feature test is declared."
        return ResultTable(results, _test_row, head=head, frames=self.frames)

    def plan(
        self,
        *,
        select: str | Sequence[str] = (),
        allow_remove: str | Sequence[str] = (),
        allow_breaking: str | Sequence[str] = (),
        allow_older: bool = False,
        allow: str | Path | None = None,
    ) -> ChangeTable:
        """Return what `apply` would change, and why; `allow` is a file of what a review has allowed.

        Raises:
            ProblemsError: the files have errors.
            UsageError: a term of `select` chooses nothing.
            StoreError: the registry can't be read.
        """
        choices = _choices(select, allow_remove, allow_breaking, allow_older=allow_older, allow=allow)
        with self.workspace("needed") as workspace:
            plan = plan_files(workspace, choices, PlanOutputs(), self.open_progress())
        return ChangeTable(as_page(PlanPage, plan))

    def apply(  # noqa: PLR0913 (what callers of Python write)
        self,
        *,
        select: str | Sequence[str] = (),
        allow_remove: str | Sequence[str] = (),
        allow_breaking: str | Sequence[str] = (),
        allow_older: bool = False,
        allow: str | Path | None = None,
        lock_timeout_s: float = 0.0,
    ) -> ChangeTable:
        """Make the registry match the files, without a question, and return what was changed.

        Raises:
            ProblemsError: the files have errors.
            PlanError: a change is blocked; the arguments that begin with `allow` lift that.
            TryAgainError: another command holds the lock.
            StoreError: a store can't be reached.
        """
        choices = _choices(select, allow_remove, allow_breaking, allow_older=allow_older, allow=allow)
        request = ApplyRequest(choices=choices, lock_timeout_s=lock_timeout_s, approve=None)
        with self.workspace("needed") as workspace:
            done = apply_files(workspace, request, self.open_progress())
        return ChangeTable(as_page(AppliedPage, done.plan, new_serial=done.serial))

    def history(self) -> ResultTable[HistoryEntry]:
        """Return who applied and promoted what, the newest first.

        Raises:
            StoreError: the registry can't be read.
        """
        with self.workspace("project file") as workspace:
            return ResultTable(read_history(workspace), entry_json, render_entries)


def _choices(
    select: str | Sequence[str],
    allow_remove: str | Sequence[str],
    allow_breaking: str | Sequence[str],
    *,
    allow_older: bool,
    allow: str | Path | None,
) -> PlanChoices:
    return PlanChoices(
        select=texts_of(select),
        allow_remove=texts_of(allow_remove),
        allow_breaking=texts_of(allow_breaking),
        allow_older=allow_older,
        allow=None if allow is None else Path(allow),
    )


def _change_row(change: Change) -> Mapping[str, object]:
    reasons = [f"{r.sign} {r.field} {f'{r.old} -> ' if r.old else ''}{r.new}" for r in change.reasons]
    return {
        "object": change.object,
        "name": change.name,
        "kind": change.kind,
        "version": change.new_version,
        "reasons": "; ".join(reasons),
        "notes": "; ".join(change.notes),
        "blocked": change.blocked or None,
    }


def _problem_row(problem: Problem) -> Mapping[str, object]:
    return {
        "severity": problem.severity,
        "code": problem.code,
        "place": str(problem.place),
        "message": problem.message,
        "suggestion": problem.suggestion or None,
    }


def _test_row(result: FeatureTestResult) -> Mapping[str, object]:
    return {
        "test": result.name,
        "view": result.view or None,
        "model": result.model or None,
        "passed": result.passed,
        "wrong": sum(not cell.agrees for cell in result.cells),
        "error": result.error.message if result.error else None,
    }
