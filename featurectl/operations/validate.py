"""Check a repository's files, and count what they declare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import UsageError
from featurectl.core.kinds import WORDS
from featurectl.language.definitions.alerts import LOGGED_METRICS
from featurectl.language.load import NOTHING_DECLARED, USELESS_PATTERN, load_repo
from featurectl.language.problems.codes import Problem
from featurectl.language.project_file import PROJECT_FILE
from featurectl.language.typing.sources import dates_note, known_at_event
from featurectl.models.estimators.declared_params import find_unknown
from featurectl.models.estimators.look_up import find_missing

if TYPE_CHECKING:
    from featurectl.language.definitions.source import Source
    from featurectl.language.repo import Repo


_OF_CLOCKS: Final = frozenset({"FC352", "FC358"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """A repository as it was read, with the problems of its files in their order."""

    repo: Repo
    problems: tuple[Problem, ...]

    @property
    def is_valid(self) -> bool:
        """True when nothing of it is an error."""
        return all(problem.severity != "error" for problem in self.problems)


def validate_repository(root: Path, env: str | None, *, data: bool, warnings: bool, first: str = "") -> Validation:
    """Return what there is to say of the files below `root`; `data`: the schemas of local files are read, too.

    `env`: the environment (None: the first) of which it is a warning what `apply` refuses. `first` is the file whose
    problems come before all others.

    Raises:
        UsageError: there is no such environment.
    """
    repo = load_repo(root, _schemas(root) if data else None)
    is_chosen = any(problem.code == USELESS_PATTERN for problem in repo.problems)
    if repo.files == (PROJECT_FILE,) and not is_chosen:  # as `init --template empty` leaves it: right so far
        mild = [replace(p, severity="warning") if p.code == NOTHING_DECLARED else p for p in repo.problems]
        repo = replace(repo, problems=tuple(mild))
    problems = [*repo.problems, *_not_run(repo, env), *_missing_estimators(repo), *_unlogged_alerts(repo, env)]
    problems += _dates_of_files(repo, root) if data else ()
    shown = [problem for problem in problems if warnings or problem.severity == "error"]
    ordered = sorted(shown, key=lambda problem: (problem.place.path != first, problem.sort_key()))
    return Validation(repo=repo, problems=tuple(ordered))


def object_counts(repo: Repo) -> dict[str, int]:
    """Return how many objects of each kind a repository has, those that it has none of left out."""
    declared = (  # as in WORDS
        repo.entities, repo.sources, repo.views, repo.models, repo.tests, repo.pipelines, repo.deployments, repo.alerts,
        repo.notifiers,
    )  # fmt: skip
    counts = {words.several: len(objects) for words, objects in zip(WORDS.values(), declared, strict=True)}
    return {kind: count for kind, count in counts.items() if count}


def _schemas(root: Path) -> Callable[[Source], Mapping[str, str] | None]:
    """Return a reader of local files' schemas; of one that declares columns it looks whether they are there.

    What it needs is imported when a source declares no columns, or others than its files have.
    """

    def read(source: Source) -> Mapping[str, str] | None:
        from featurectl.sources.open import check_there, read_names, read_schema

        check_there(source, root)
        if source.columns_declared:
            return read_names(source, root)
        return read_schema(source, root)

    return read


def _missing_estimators(repo: Repo) -> Iterator[Problem]:
    """Yield what no training would find: an error where the package of an estimator is there, else a note."""
    for model in repo.models.values():
        if model.trainer is None or (name := model.trainer.estimator) is None:
            continue
        place = repo.places.get(("model", model.name, "trainer", "estimator"), repo.places["model", model.name])
        missing = find_missing(name)
        if missing is not None:
            yield Problem(
                code="FC315" if missing.installed else "FC355",
                severity="error" if missing.installed else "note",
                message=missing.message,
                place=place,
                suggestion=missing.suggestion,
            )
        elif ":" not in name and model.trainer.params:
            for unknown in find_unknown(name, model.trainer.params):
                yield Problem(
                    code="FC315",
                    message=unknown.message,
                    place=repo.places.get(("model", model.name, "trainer", "params", unknown.name), place),
                    suggestion=unknown.suggestion,
                    notes=() if unknown.suggestion else (unknown.listed,),
                )


def _unlogged_alerts(repo: Repo, env: str | None) -> Iterator[Problem]:
    """Yield a warning for each alert that can't be measured: the environment has no prediction log."""
    environment = repo.environments.get(env or next(iter(repo.environments), ""))
    if environment is None or environment.prediction_sample:
        return
    for alert in repo.alerts.values():
        if alert.when.metric in LOGGED_METRICS:
            place = repo.places.get(("alert", alert.name, "when"), repo.places["alert", alert.name])
            message = (
                f"{alert.when.metric} is measured on the prediction log, and environment {environment.name} has none"
            )
            note = (
                "`prediction_log: {sample: 1.0}` of the environment keeps one; without it `monitor check` exits with 1"
            )
            yield Problem(code="FC364", severity="warning", message=message, place=place, notes=(note,))


def _dates_of_files(repo: Repo, root: Path) -> Iterator[Problem]:
    """Yield a note for each source whose event times are dates in its files, where nothing is said of its clocks yet.

    Files with declared columns are looked at where that needs no Polars.
    """
    from featurectl.sources.open import has_dates

    reported = {(problem.place.path, problem.place.line) for problem in repo.problems if problem.code in _OF_CLOCKS}
    for source in repo.sources.values():
        place = repo.places.get(("source", source.name, "event_time"))
        if place is None or (place.path, place.line) in reported or not known_at_event(source):
            continue
        if (source.format == "csv" or not source.columns_declared) and has_dates(source, root):
            message, note = dates_note(source)
            yield Problem(code="FC358", severity="note", message=message, place=place, notes=(note,))


def _not_run(repo: Repo, env: str | None) -> list[Problem]:
    """Return what `apply` will refuse, as warnings: it is valid."""
    names = list(repo.environments)
    if env is not None and env not in repo.environments and repo.environments:
        raise UsageError(f"no environment {env!r} in featurectl.yaml", hint="environments: " + ", ".join(names))
    chosen = [repo.environments[env or names[0]]] if names else []
    found = [*repo.unsupported, *(p for e in chosen for p in e.unsupported)]
    return [replace(p, severity="warning", notes=("`apply` refuses it",)) for p in found]
