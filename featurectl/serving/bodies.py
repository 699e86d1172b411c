"""Bodies of requests, read and checked by msgspec: what is not named here is refused."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

Scalar = str | int | float | bool | None
Column = list[Scalar]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
About = Literal["version", "event_time", "age", "computed_at"]
Echo = Literal["features", "status"]


class FeaturesBody(msgspec.Struct, forbid_unknown_fields=True, rename={"returned": "return"}):
    """`POST /v1/features`: a model's features, or some of `view:feature`, of entities given as columns of keys.

    `version` is the model's, its champion when none is given.
    """

    entities: dict[str, Column]
    model: Name | None = None
    version: int | Name | msgspec.UnsetType = msgspec.UNSET
    features: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=500)] | None = None
    time: Instant | None = None
    returned: list[About] = []


class PredictBody(msgspec.Struct, forbid_unknown_fields=True, rename={"returned": "return"}):
    """`POST /v1/predict/{model}`: a row for each prediction, with its keys and request columns.

    Without a `version` the champion answers, and its challenger some of the rows while a canary runs.
    """

    rows: Annotated[list[dict[str, Scalar]], msgspec.Meta(min_length=1)]
    version: int | Name | msgspec.UnsetType = msgspec.UNSET
    time: Instant | None = None
    returned: list[Echo] = []


FEATURES: Final = msgspec.json.Decoder(FeaturesBody)
PREDICT: Final = msgspec.json.Decoder(PredictBody)
FLAT: Final = msgspec.json.Decoder(dict[str, Scalar | list[Name]])
ENCODER: Final = msgspec.json.Encoder(decimal_format="string")
