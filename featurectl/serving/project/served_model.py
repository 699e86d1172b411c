"""A model version as it is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from featurectl.models.served_model import ServedRuntime
from featurectl.online.client.model_inputs import InputReader
from featurectl.registry.state import ModelVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model version ready to score: how its inputs are read, and what scores them."""

    version: ModelVersion
    reader: InputReader
    runtime: ServedRuntime

    @property
    def label(self) -> str:
        """`model@version`."""
        return f"{self.version.model}@{self.version.version}"

    @property
    def output(self) -> str:
        """What the score is called: `score` unless the model's `output` says otherwise."""
        return str(self.version.definition.get("output_name", "score"))

    def scores(self, inputs: Mapping[str, Sequence[object]], count: int) -> list[float]:
        """Return the score of each row, not finite where the model has none.

        Raises:
            Exception: whatever its library says of rows that it does not take.
        """
        scores: list[float] = self.runtime.predict(self.runtime.encoder.encode(inputs, count)).tolist()
        return scores
