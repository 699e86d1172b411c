"""The files of a model version, written where artifacts are."""

from __future__ import annotations

from dataclasses import dataclass, replace

from featurectl.models.artifact import write_artifact
from featurectl.models.conversion.convert import Converted
from featurectl.models.golden_rows import GOLDEN
from featurectl.models.profile.profile import PROFILE, Profile, dump_profile
from featurectl.models.runtimes.base import ONNX
from featurectl.models.validation_rows import VALIDATION_FORMAT, ValidationRows, dump_validation_rows
from featurectl.registry.state import ModelVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """A model in the format of its library and as ONNX, its golden rows, and the rows that it was judged on.

    `profile` is None for a model that was trained elsewhere: nobody here has seen on what.
    """

    format: str
    content: bytes
    onnx: Converted
    golden: bytes
    judged: ValidationRows
    profile: Profile | None = None


def store_files(version: ModelVersion, files: ModelFiles, location: str) -> ModelVersion:
    """Return a version with its files, once they are written below the offline location.

    Raises:
        StoreError: FC603, one can't be written.
    """
    native = write_artifact(location, version.model, files.format, files.content)
    golden = write_artifact(location, version.model, GOLDEN, files.golden)
    version = replace(
        version,
        artifact=native.path,
        artifact_format=native.format,
        artifact_bytes=native.size_bytes,
        artifact_sha256=native.sha256,
        golden=golden.path,
        golden_sha256=golden.sha256,
        onnx_missing=files.onnx.missing,
    )
    if len(files.judged.label):
        rows = write_artifact(location, version.model, VALIDATION_FORMAT, dump_validation_rows(files.judged))
        version = replace(version, judged=rows.path, judged_sha256=rows.sha256)
    if files.profile is not None:
        profile = write_artifact(location, version.model, PROFILE, dump_profile(files.profile))
        version = replace(version, profile=profile.path, profile_sha256=profile.sha256)
    if not files.onnx.content:
        return version
    onnx = write_artifact(location, version.model, ONNX, files.onnx.content)
    return replace(version, onnx=onnx.path, onnx_bytes=onnx.size_bytes, onnx_sha256=onnx.sha256)
