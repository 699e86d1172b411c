"""Whether a model from elsewhere was fitted on float64: models are given float32."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.units import plural
from featurectl.models.external_model import Foreign
from featurectl.models.matrix import MatrixForm
from featurectl.models.runtimes.base import ONNX, Matrix, Scores
from featurectl.models.scores import TOLERANCE


def warn_of_float64(found: Foreign, form: MatrixForm, rows: pl.DataFrame) -> tuple[str, ...]:
    """Return the warning that a model was fitted on numbers as they are stored, and has other scores for float32.

    That a score differs is no sign of it: of a model of float32 some do, too. Where it jumps at the very number that is
    stored, a split of the model lies there, which only a fit on it can have found.

    Raises:
        DataError: FC530, FC531, it ends its process, or takes too long or too much memory.
    """
    stored, rounded = form.encode_stored(rows), form.encode(rows)
    if found.format == ONNX or np.array_equal(stored, rounded, equal_nan=True):
        return ()
    predict, beside = found.runtime.predict, _beside(stored, rounded)
    try:
        wanted, got, moved = predict(stored), predict(rounded), predict(beside)
    except DataError:
        raise
    except Exception:  # noqa: BLE001  # each library raises its own kinds; what float32 gives is proven by now
        return ()
    others = int(_differ(wanted, got).sum())
    if not others or not _differ(wanted, moved).any():
        return ()
    how = f"{others:,} of {len(got):,} scores ({others / len(got):.1%}) {plural(others, 'is another', 'are others')}"
    why = f"by up to {np.nanmax(np.abs(wanted - got)):.2g}, than for inputs as they are stored"
    fitted = "it was fitted on these, in float64, and is given float32"
    return (f"{how}, {why}: {fitted}; fit it on float32, as `xy()` of a training set gives it",)


def _differ(wanted: Scores, got: Scores) -> npt.NDArray[np.bool_]:
    return np.abs(wanted - got) > TOLERANCE * np.maximum(1.0, np.abs(wanted))


def _beside(stored: npt.NDArray[np.float64], rounded: Matrix) -> npt.NDArray[np.float64]:
    """Return each number moved by the least there is towards its float32; one in the midst of two of these stays.

    There a split lies that was found between two neighbours in float32.
    """
    towards = rounded.astype(np.float64)
    further = np.nextafter(rounded, np.where(stored > towards, np.inf, -np.inf).astype(np.float32)).astype(np.float64)
    return np.where((towards + further) / 2 == stored, stored, np.nextafter(stored, towards))
