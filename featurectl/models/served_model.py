"""A registered model version, loaded: checked against its digests, in the form that is fastest for what is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from featurectl.core.errors import DataError
from featurectl.models.artifact import read_artifact
from featurectl.models.golden_rows import Golden, load_golden
from featurectl.models.pickle_policy import PicklePolicy, check_pickle_allowed
from featurectl.models.request_matrix import RowEncoder
from featurectl.models.runtimes.all_runtimes import load_runtime
from featurectl.models.runtimes.base import ONNX, Matrix, Runtime, Scores
from featurectl.models.runtimes.forest import CompiledForest, NotTheSameError, may_compile
from featurectl.models.scores import worst_difference
from featurectl.registry.state import ModelVersion

COMPILED_ROWS: Final = 200_000  # below, the library has scored them before numba is loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRuntime:
    """A model version ready for requests. `format` is that of the file that answers."""

    version: ModelVersion
    format: str
    runtime: Runtime
    encoder: RowEncoder

    def predict(self, matrix: Matrix) -> Scores:
        """Return a score per row of an encoded matrix."""
        return self.runtime.predict(matrix)


def load_served(version: ModelVersion, location: str, policy: PicklePolicy) -> ServedRuntime:
    """Return a model version for requests: its ONNX file where it has one, else the native file on one thread.

    `location` is the offline location. ONNX is data and needs no permission, whatever the native file is.

    Raises:
        UsageError: the file runs code and the command was not given --allow-pickle.
        DataError: FC512 a file is gone or is not the one that was registered; FC514 it runs code and the model does
            not say that it may; FC513 its library is not installed.
    """
    if version.onnx:
        content = read_artifact(location, version.onnx, version.onnx_sha256)
        kind, runtime = ONNX, load_runtime(ONNX, content, allow_pickle=False)
    else:
        kind, runtime = version.artifact_format, load_native(version, location, policy, threads=1)
    return ServedRuntime(version=version, format=kind, runtime=runtime, encoder=RowEncoder(version.inputs))


def load_native(version: ModelVersion, location: str, policy: PicklePolicy, *, threads: int = 0) -> Runtime:
    """Return a model version by the library that trained it, on as many threads as that likes unless it is set.

    Raises:
        As `load_served`.
    """
    return open_native(version, location, policy, threads=threads)()


def open_native(
    version: ModelVersion, location: str, policy: PicklePolicy, *, threads: int = 0
) -> Callable[[], Runtime]:
    """Return what loads a version as `load_native` does; its file is read and checked by now.

    Its library may take 100 MB, which may be wanted for something else before.

    Raises:
        As `load_served`; FC513 comes when it is loaded.
    """
    return _loader(version, _read_native(version, location, policy), policy, threads)


def _read_native(version: ModelVersion, location: str, policy: PicklePolicy) -> bytes:
    check_pickle_allowed(version, policy)
    return read_artifact(location, version.artifact, version.artifact_sha256)


def _loader(version: ModelVersion, content: bytes, policy: PicklePolicy, threads: int = 0) -> Callable[[], Runtime]:
    kind, in_model = version.artifact_format, policy.has(version.model)
    return partial(load_runtime, kind, content, allow_pickle=policy.by_flag, in_model=in_model, threads=threads)


def open_batch(version: ModelVersion, location: str, policy: PicklePolicy) -> Callable[[int], Runtime]:
    """Return what loads a version for so many rows: as `open_native` does, or as compiled loops over its trees.

    Those are loaded where there are many rows, the libraries are installed, and they give every golden row its score
    to the last bit; a forest of scikit-learn, for example, does not.

    Raises:
        As `load_served`; FC513 comes when it is loaded.
    """
    content = _read_native(version, location, policy)
    native = _loader(version, content, policy)
    if not (version.onnx and version.golden and may_compile(version.artifact_format)):
        return lambda _rows: native()
    onnx = read_artifact(location, version.onnx, version.onnx_sha256)
    golden = load_golden(read_artifact(location, version.golden, version.golden_sha256))

    def load(rows: int) -> Runtime:
        return (_compiled(version, onnx, content, golden) if rows >= COMPILED_ROWS else None) or native()

    return load


def _compiled(version: ModelVersion, onnx: bytes, native: bytes, golden: Golden) -> Runtime | None:
    """Return a version's trees as compiled loops, None where they are not the same as the library."""
    try:
        forest = CompiledForest(onnx, version.artifact_format, native)
    except NotTheSameError:
        return None
    count = len(golden.scores)
    scores = forest.predict(RowEncoder(version.inputs).encode(golden.columns, count))
    return forest if count and np.array_equal(scores, golden.scores, equal_nan=True) else None


def check_golden(served: ServedRuntime, location: str) -> int:
    """See that a model gives the scores of its golden rows again, and return how many there are.

    A version that was registered before there were golden rows has none.

    Raises:
        DataError: FC524, a score is not reproduced within 1e-6; FC512, the rows are gone or are others.
    """
    version = served.version
    if not version.golden:
        return 0
    golden = load_golden(read_artifact(location, version.golden, version.golden_sha256))
    count = len(golden.scores)
    scores = served.predict(served.encoder.encode(golden.columns, count))
    worst = worst_difference(scores, golden.scores)
    if worst is not None:
        place, got, want = worst
        raise DataError(
            f"model {version.model} version {version.version} by {served.format} gives {got!r} for golden row "
            f"{place + 1} of {count}, which had {want!r} when it was trained",
            code="FC524",
            hint="use the library versions that trained it: "
            + (", ".join(f"{name} {number}" for name, number in version.libraries.items()) or "unknown"),
        )
    return count
