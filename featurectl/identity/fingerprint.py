"""Fingerprints: the SHA-256 of what an object says.

They come from the same facts as the reasons of a plan, so a fingerprint can't move without a reason.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from featurectl.identity.facts.base import Facts
from featurectl.identity.facts.views import feature_facts, united_facts
from featurectl.identity.registered_kinds import Registrable, data_facts, metadata_facts
from featurectl.language.definitions.view import FeatureView

_FORM: Final = 1  # of the canonical form; a new number moves every fingerprint
_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprints:
    """Of an object: of everything that can change a value, of everything that can't, and of each feature of a view."""

    data: str
    metadata: str
    features: Mapping[str, str]  # empty but for views


def fingerprints(obj: Registrable) -> Fingerprints:
    """Return the fingerprints of an object."""
    if isinstance(obj, FeatureView):
        features = feature_facts(obj)
        data = united_facts(features)
    else:
        features, data = {}, data_facts(obj)
    return Fingerprints(
        data=digest(data),
        metadata=digest(metadata_facts(obj)),
        features={name: digest(facts) for name, facts in features.items()},
    )


def feature_fingerprints(view: FeatureView) -> dict[str, str]:
    """Return the data fingerprint of each stored and derived feature of a view, by name."""
    return {name: digest(facts) for name, facts in feature_facts(view).items()}


def digest(facts: Facts) -> str:
    """Return the SHA-256 of facts as canonical JSON, in hexadecimal; a fact that is not set is as if it weren't there.

    >>> from featurectl.identity.facts.base import Fact
    >>> digest({"a": Fact(1, "one"), "b": Fact(2, "")}) == digest({"b": Fact(2, ""), "a": Fact(1, "ONE")})
    True
    """
    values = [_FORM, {field: fact.value for field, fact in facts.items() if fact.value is not None}]
    return hashlib.sha256(_encode(values).encode()).hexdigest()
