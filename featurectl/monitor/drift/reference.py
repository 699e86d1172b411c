"""The profile of a model version, as training has left it beside the artifact."""

from __future__ import annotations

from featurectl.core.errors import UsageError
from featurectl.models.artifact import read_artifact
from featurectl.models.profile.profile import Profile, load_profile
from featurectl.registry.state import ModelVersion


def load_reference(version: ModelVersion, location: str) -> Profile:
    """Return the profile of a version; `location` is the offline location.

    Raises:
        UsageError: it has none.
        DataError: FC512, the file is gone, is not the one that was registered, or is of another version.
    """
    if not version.profile:
        raise UsageError(
            f"model {version.model} version {version.version} has no profile to compare with",
            hint="training keeps one: it was imported, or is older than the version of featurectl that does",
        )
    return load_profile(read_artifact(location, version.profile, version.profile_sha256))
