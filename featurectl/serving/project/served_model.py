"""A model version as it is served."""

from __future__ import annotations

from featurectl.core.dataclass import dataclass
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
