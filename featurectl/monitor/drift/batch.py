"""Drift of rows that are asked for now: their features at their own instants, and the model's scores of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from featurectl.core.memory import give_back
from featurectl.core.progress import Progress
from featurectl.core.units import counted
from featurectl.engines.base import Engine
from featurectl.language.definitions.model import Model
from featurectl.models.profile.profile import SCORE, Profile, ProfileTally
from featurectl.models.runtimes.base import Runtime
from featurectl.operations.scoring.run import joined_ranges, range_rows
from featurectl.operations.scoring.scorer import Scorer, predict_rows, trained_model
from featurectl.operations.training.choose_spine import NamedSpine, choose_spine
from featurectl.operations.training.long_spine import AnySpine, SpillPlace, cut_long_spine
from featurectl.operations.training.parts import parted_views
from featurectl.operations.training.spine import Cut, SpineRows, cut_spine
from featurectl.operations.views import bind_model_version
from featurectl.registry.state import ModelVersion
from featurectl.workspace.applied_workspace import AppliedWorkspace


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftBatch:
    """A model version with what it takes to join and score rows; `spine` names a source or a file."""

    version: ModelVersion
    load: Callable[[int], Runtime]
    spine: str
    cut: Cut
    engine: Engine
    applied: AppliedWorkspace
    place: SpillPlace
    progress: Progress

    def read_window(self, reference: Profile) -> Profile:
        """Return the rows, counted as a profile is: a range at a time, so that memory is bounded.

        Raises:
            DataError: FC506, FC504 the spine does not fit; FC525, the views are not what it was trained on.
        """
        applied, place, model = self.applied, self.place, trained_model(self.version)
        bound = bind_model_version(applied.state, applied.offline, self.version, applied.now)
        self.progress.start("read the spine")
        spine = self._spine(model)
        self.progress.done(f"spine {spine.origin}: {counted(spine.height, 'row')}")
        views = parted_views(bound, place.memory_bytes, place.room)
        runtime = self.load(spine.height)  # its library takes memory that reading the spine has given back by now
        scorer = Scorer(version=self.version, model=model, views=views, runtime=runtime)
        self.progress.start(f"features and scores of {self.version.model} version {self.version.version}")
        tally, size = ProfileTally(reference), range_rows(self.engine, scorer, spine)
        for start, rows, _ in joined_ranges(self.engine, scorer, spine, range(0, spine.height, size)):
            tally.add(rows, pl.Series(SCORE, predict_rows(scorer, rows, start), dtype=pl.Float64))
            self.progress.advance(start + rows.height, spine.height, "rows")
            del rows  # before the next ones are waited for
            give_back()
        self.progress.done("")
        return tally.profile()

    def _spine(self, model: Model) -> AnySpine:
        spine = choose_spine(self.applied.open_source, self.applied.state, model, NamedSpine(self.spine), self.place)
        if isinstance(spine, SpineRows):
            return cut_spine(spine, self.cut)
        return cut_long_spine(spine, self.cut, self.place)
