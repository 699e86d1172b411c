"""Who may run code when it is loaded: the files of the repository, the registry and the command must all say so."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from featurectl.core.errors import DataError
from featurectl.models.runtimes.base import RUNS_CODE, check_code_allowed
from featurectl.registry.state import ModelVersion, State


@dataclass(frozen=True, slots=True, kw_only=True)
class PicklePolicy:
    """The models that say `allow_pickle: true`, in the files and as they are applied, and what the command was given.

    Whoever can write to the registry can make its rows agree with each other; the files and the command are not there.
    The files are read when a model that runs code is met.
    """

    by_flag: bool = False
    in_files: Callable[[], Collection[str]] = frozenset
    applied: frozenset[str] = frozenset()

    def has(self, model: str) -> bool:
        """Return whether a model says so wherever it is defined."""
        return model in self.applied and model in self.in_files()


def pickle_policy_of(in_files: Callable[[], Collection[str]], state: State, *, by_flag: bool) -> PicklePolicy:
    """Return what the models of the files that say so, those that are applied and a command allow."""
    applied = (item for item in state.objects if item.kind == "model" and item.definition.get("allow_pickle") is True)
    return PicklePolicy(
        by_flag=by_flag,
        in_files=in_files,
        applied=frozenset(item.name for item in applied if state.current("model", item.name) == item),
    )


def check_pickle_allowed(version: ModelVersion, policy: PicklePolicy) -> None:
    """See that a version whose file runs code may do so.

    Raises:
        DataError: FC514, the model does not say so: in the files, as it is applied, or as it was trained.
        UsageError: the command was not given --allow-pickle.
    """
    kind = version.artifact_format
    if kind not in RUNS_CODE:
        return
    for models, which in ((lambda: policy.applied, "that is applied"), (policy.in_files, "in the files")):
        if version.model not in models():
            raise DataError(
                f"model {version.model} version {version.version} is {RUNS_CODE[kind]}, which runs code when it is "
                f"loaded, and the model {which} does not allow that",
                code="FC514",
                hint="set `allow_pickle: true` in the model and apply it",
            )
    check_code_allowed(kind, in_model=version.definition.get("allow_pickle") is True, by_flag=policy.by_flag)
