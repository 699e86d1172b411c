"""Write what Prometheus and Grafana read: rules, a dashboard, and the metrics of one look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from featurectl.core.disk_room import write_failure
from featurectl.core.errors import FeaturectlError, UsageError
from featurectl.language.repository_files import is_read
from featurectl.monitor.prometheus.grafana import render_dashboard
from featurectl.monitor.prometheus.rules import Rules, rules_of
from featurectl.monitor.prometheus.rules_yaml import render_rules
from featurectl.workspace.open import environment_of, load_checked
from featurectl.workspace.whole_file import write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesRequest:
    """A repository, one of its environments, and where its rules and a dashboard go (None: nowhere)."""

    root: Path
    env: str | None
    rules: Path | None
    dashboard: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRules:
    """The rules of a project, and their text as Prometheus reads it."""

    rules: Rules
    text: str


def write_rules(request: RulesRequest) -> WrittenRules:
    """Return the rules of the files, and write them where that is asked for.

    Raises:
        ProblemsError: a file has an error.
        UsageError: there is no such environment, or an output can't be written.
    """
    _check_not_own(request.root, request.rules, "--out", "featurectl.rules")
    _check_not_own(request.root, request.dashboard, "--grafana", "dashboard.json")
    repo = load_checked(request.root, "unread")
    environment = environment_of(repo, request.env).name
    rules = rules_of(repo, environment)
    text = render_rules(rules)
    if request.rules is not None:
        _write_whole(request.rules, text, "--out")
    if request.dashboard is not None:
        _write_whole(request.dashboard, render_dashboard(repo.project, environment), "--grafana")
    return WrittenRules(rules=rules, text=text)


def write_textfile(path: Path, look: Callable[[], bytes], of_failure: Callable[[], bytes]) -> None:
    """Write what a look has seen; of one that fails that it did, so that nobody takes the numbers of before for true.

    Raises:
        UsageError: the file can't be written.
        FeaturectlError: the look has failed.
    """
    try:
        text = look()
    except FeaturectlError:
        _write_whole(path, of_failure().decode(), "--textfile")
        raise
    _write_whole(path, text.decode(), "--textfile")


def _check_not_own(root: Path, path: Path | None, option: str, instead: str) -> None:
    """Check that the next command would not read an output as a file of the repository."""
    if path is not None and is_read(root, path):
        raise UsageError(f"{option} {path} would be read as a file of the repository", hint=f"{option} {instead}")


def _write_whole(path: Path, text: str, option: str) -> None:
    """Write a file that is there whole or as it was before."""
    try:
        write_whole(path, text)
    except OSError as error:
        raise write_failure(f"{option} {path} can't be written", error) from error
