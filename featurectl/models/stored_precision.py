"""Whether a model from elsewhere was fitted on float64: models are given float32."""

from __future__ import annotations

import numpy as np
import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.units import plural
from featurectl.models.external_model import Foreign
from featurectl.models.matrix import MatrixForm
from featurectl.models.runtimes.base import ONNX
from featurectl.models.scores import TOLERANCE


def warn_of_float64(found: Foreign, form: MatrixForm, rows: pl.DataFrame) -> tuple[str, ...]:
    """Return the warning that a model gives rows other scores as they are stored than as models are given them.

    Raises:
        DataError: FC530, FC531, it ends its process, or takes too long or too much memory.
    """
    stored, rounded = form.encode_stored(rows), form.encode(rows)
    if found.format == ONNX or np.array_equal(stored, rounded, equal_nan=True):
        return ()
    try:
        wanted, got = found.runtime.predict(stored), found.runtime.predict(rounded)
    except DataError:
        raise
    except Exception:  # noqa: BLE001  # each library raises its own kinds; what float32 gives is proven by now
        return ()
    apart = np.abs(wanted - got)
    others = int((apart > TOLERANCE * np.maximum(1.0, np.abs(wanted))).sum())
    if not others:
        return ()
    how = f"{others:,} of {len(got):,} scores ({others / len(got):.1%}) {plural(others, 'is another', 'are others')}"
    why = (
        f"by up to {np.nanmax(apart):.2g}, for float64, as inputs are stored, than for float32, which a model is given"
    )
    what = "if it was fitted on float64, fit it on float32, as `xy()` of a training set gives it; else all is well"
    return (f"{how}, {why}: {what}",)
