"""What is over is removed: leftovers, a lock that a command has left behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from featurectl.api.base import ProjectBase, length_of, texts_of
from featurectl.api.pages import CleanedPage, ErasurePage, LockPage, as_page
from featurectl.core.erasures import KeyPart, key_text
from featurectl.core.errors import UsageError
from featurectl.core.parts_failed import PartsFailedError
from featurectl.erasure.erase import ErasureOrder, erase_rows
from featurectl.operations.clean.clean_workspace import CleanRequest, clean_up
from featurectl.operations.clean.unneeded_data import SAFE_AGE
from featurectl.operations.unlock import unlock_project

_LEAST: Final = timedelta(days=1)


class TidyingMethods(ProjectBase):
    """Methods that remove what nothing needs."""

    def clean(  # noqa: PLR0913 (what callers of Python write)
        self,
        *,
        dry_run: bool = False,
        older_than: str | timedelta = SAFE_AGE,
        predictions_older_than: str | timedelta | None = None,
        model_files: bool = False,
        events: bool = False,
        unpin: str | Sequence[str] = (),
    ) -> CleanedPage:
        """Remove what nothing needs any more, and return what it was; `dry_run`: what it would be.

        What was written since `older_than` (`"7d"`, at least a day) stays. `model_files`: also files of models that no
        version of this registry has, at a place that no other registry uses. `events`: also those of streams that are
        not applied any more. `unpin` are view versions whose tables stay no longer for manifests of training sets.

        Raises:
            UsageError: a length is none or less than a day; a label of `unpin` is no version of a view.
            CheckFailedError: nothing is applied.
            PartsFailedError: something could not be removed; the rest is.
            StoreError: a store can't be read.
        """
        predictions = predictions_older_than
        request = CleanRequest(
            older_than=_days(older_than, "older_than"),
            predictions=None if predictions is None else _days(predictions, "predictions_older_than"),
            model_files=model_files,
            events=events,
            unpin=texts_of(unpin),
            dry_run=dry_run,
        )
        with self.workspace("project file") as workspace:
            found = clean_up(workspace, request, self.open_progress())
        if found.failures:
            failures = [(failure.part, failure.error) for failure in found.failures]
            raise PartsFailedError(found.leftovers, failures, "things")
        return as_page(CleanedPage, found, dry_run=dry_run)

    def erase(
        self,
        entity: str | None = None,
        keys: Mapping[str, object] | None = None,
        *,
        dry_run: bool = False,
        again: bool = False,
    ) -> ErasurePage:
        """Remove the rows of an entity's key everywhere, and keep them away; `dry_run`: only say what there is.

        `keys` are the entity's, all or some: `project.erase("customer", {"customer": 42})`. `again`: do it over for all
        that was erased, after a restore or a run that was cut, without an entity.

        Raises:
            UsageError: there is no such entity or key, or a value does not fit; nothing was erased that could be again.
            CheckFailedError: nothing is applied.
            PartsFailedError: a place could not be cleaned; the others are, and `again` does it over.
            StoreError: the registry can't be read or written.
        """
        if keys is not None and not isinstance(keys, Mapping):
            raise UsageError(f"keys={keys!r} is no mapping", hint='write it like {"customer": 42}')
        words = tuple(f"{name}={_key_word(value)}" for name, value in (keys or {}).items())
        order = ErasureOrder(entity=entity or "", keys=words, again=again, dry_run=dry_run)
        with self.workspace("project file") as workspace:
            found = erase_rows(workspace, order, self.open_progress())
        if found.failures:
            raise PartsFailedError(found.found, [(each.part, each.error) for each in found.failures], "places")
        return as_page(ErasurePage, found, dry_run=dry_run)

    def unlock(self, lock_id: str) -> LockPage:
        """Remove a lock that a command has left behind, and return it; the error of a refused command has its ID.

        Raises:
            UsageError: the project has no lock, or another one.
            StoreError: the registry can't be written.
        """
        with self.workspace("project file") as workspace:
            return as_page(LockPage, unlock_project(workspace, lock_id))


def _key_word(value: object) -> str:
    """Return the value of a key as the command line has it."""
    return key_text(value) if isinstance(value, KeyPart) else str(value)


def _days(given: str | timedelta, argument: str) -> timedelta:
    found = length_of(given, argument)
    if found < _LEAST:
        raise UsageError(f"{argument}={given!s} is less than a day", hint="write it like 7d")
    return found
