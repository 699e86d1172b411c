"""Trained versions of a project's models: `project.models`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from featurectl.api.base import ProjectBase
from featurectl.api.canaries import ProjectCanaries
from featurectl.api.pages import CopyPage, DiffPage, PromotionPage, RetirementPage, RollbackPage, VersionPage, as_page
from featurectl.api.results import ResultTable
from featurectl.operations.models.diff import diff_versions
from featurectl.operations.models.export_version import export_version
from featurectl.operations.models.import_model import ImportRequest, import_version
from featurectl.operations.models.promote_to import promote_to_environment
from featurectl.operations.models.promotion import PromoteRequest, promote_model, roll_back_model
from featurectl.operations.models.retire import prune_versions, retire_versions
from featurectl.operations.models.versions import find_version, find_versions, read_card
from featurectl.registry.state import ModelVersion
from featurectl.render.models import render_versions


@dataclass(frozen=True, slots=True)
class ProjectModels:
    """Versions of models; each method reads the registry anew."""

    project: ProjectBase

    @property
    def canary(self) -> ProjectCanaries:
        """Versions that are tried beside the champion."""
        return ProjectCanaries(self.project)

    def list(self, model: str | None = None, *, uses: str | None = None) -> ResultTable[VersionPage]:
        """Return the versions of every model, or of one, the newest first; those that use a view or a feature.

        Raises:
            UsageError: nothing of that name was ever applied.
        """
        with self.project.workspace("project file") as workspace:
            found = find_versions(workspace, model, uses)

        def row(version: ModelVersion) -> Mapping[str, object]:
            aliases = [a for (model, a), n in found.aliases.items() if (model, n) == (version.model, version.version)]
            return {
                "model": version.model,
                "version": version.version,
                "aliases": sorted(aliases),
                "status": version.status,
                "created_at": version.created_at,
                "rows_train": version.rows_train,
                **version.metrics,
            }

        pages = [as_page(VersionPage, item, aliases=found.aliases) for item in found.versions]
        return ResultTable(pages, row, lambda versions: render_versions(versions, found.aliases))

    def show(self, name: str) -> VersionPage:
        """Return a version: `"late"` (its champion), `"late@3"`, `"late@challenger"`.

        Raises:
            UsageError: there is no such model, version or alias.
        """
        with self.project.workspace("project file") as workspace:
            found = find_version(workspace, name)
        return as_page(VersionPage, found.version, aliases=found.aliases)

    def card(self, name: str) -> str:
        """Return the model card of a version, which is Markdown.

        Raises:
            UsageError: there is no such version, or it has no card.
            DataError: the file is gone, or another.
        """
        with self.project.workspace("project file") as workspace:
            return read_card(workspace, find_version(workspace, name).version)

    def diff(self, first: str, second: str) -> DiffPage:
        """Return two versions side by side.

        Raises:
            UsageError: there is no such model, version or alias.
        """
        with self.project.workspace("project file") as workspace:
            return as_page(DiffPage, diff_versions(workspace, first, second))

    def promote(self, name: str, *, allow_pickle: bool = False) -> PromotionPage:
        """Make a version the champion if it passes the gates that are applied now; a model's name means its challenger.

        Raises:
            UsageError: there is no such version.
            TryAgainError: the aliases have moved meanwhile.
            DataError, StoreError: what is measured can't be read.
        """
        with self.project.workspace("project file") as workspace:
            done = promote_model(workspace, PromoteRequest(name=name, allow_pickle=allow_pickle))
        return as_page(PromotionPage, done)

    def promote_to(self, name: str, env: str, *, allow_pickle: bool = False) -> CopyPage:
        """Carry a version into another environment, and make it the champion there if it passes the gates there.

        A model's name means its champion. Its views are those versions there whose features mean the same. Run again,
        it registers nothing more.

        Raises:
            UsageError: there is no such version or environment, or the model is not applied there.
            CheckFailedError: a view is not there, or has no table there.
            DataError: a file of it is gone.
        """
        request = PromoteRequest(name=name, allow_pickle=allow_pickle)
        with (
            self.project.workspace("project file") as source,
            replace(self.project, env=env).workspace("project file") as target,
        ):
            done = promote_to_environment(source, target, request, self.project.open_progress())
            return as_page(CopyPage, done, there=source.environment.name, env=env)

    def rollback(self, model: str) -> RollbackPage:
        """Make the champion of before the last promotion champion again.

        Raises:
            UsageError: there is no such model, or it has no champion.
        """
        with self.project.workspace("project file") as workspace:
            return as_page(RollbackPage, roll_back_model(workspace, model), model=model)

    def import_file(
        self, model: str, file: str | Path, *, sample: str | None = None, allow_pickle: bool = False
    ) -> VersionPage:
        """Register a file of a model that was trained elsewhere, and return the version; one may be rejected.

        Raises:
            UsageError: the file is no model that can be read, or not one of this model's inputs.
            DataError: it can't be proven on the rows.
        """
        request = ImportRequest(model=model, file=Path(file), sample=sample, allow_pickle=allow_pickle)
        with self.project.workspace() as workspace:
            found = import_version(workspace, request, self.project.open_progress())
        self.project._warn(found.warnings, "models.import_file")  # noqa: SLF001 (of the same project)
        return as_page(VersionPage, found.version, aliases=found.aliases)

    def export(self, name: str, folder: str | Path) -> Sequence[str]:
        """Write a version into a new folder, and return the names of its files.

        Raises:
            UsageError: there is no such version, or the folder holds something.
        """
        with self.project.workspace("project file") as workspace:
            return export_version(workspace, name, Path(folder))[1]

    def retire(self, *names: str, with_previous: bool = False, dry_run: bool = False) -> RetirementPage:
        """End versions: their view versions are computed and served no more for them.

        One that `rollback` would go back to is ended only `with_previous`; there is nothing to go back to then.

        Raises:
            UsageError: there is no such version, or it is still needed.
        """
        with self.project.workspace("project file") as workspace:
            done = retire_versions(workspace, names, with_previous=with_previous, dry_run=dry_run)
        return as_page(RetirementPage, done, dry_run=dry_run)

    def prune(self, model: str | None = None, *, keep: int = 5, dry_run: bool = False) -> RetirementPage:
        """End old and rejected versions of a model, or of all, but for so many of the newest.

        Raises:
            UsageError: there is no such model.
        """
        with self.project.workspace("project file") as workspace:
            done = prune_versions(workspace, model, keep, dry_run=dry_run)
        return as_page(RetirementPage, done, dry_run=dry_run)
