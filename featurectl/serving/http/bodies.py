"""Bodies of requests, read and checked by msgspec: what is not named here is refused, and so is more than is meant."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

MOST_TEXT: Final = 4_096  # characters of a key, or of a request column
MOST_NAME: Final = 200  # characters
MOST_NAMES: Final = 500
MOST_MEMBERS: Final = 2_000

Text = Annotated[str, msgspec.Meta(max_length=MOST_TEXT)]
Scalar = Text | int | float | bool | None
Column = list[Scalar]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_NAME)]
Names = Annotated[list[Name], msgspec.Meta(max_length=MOST_NAMES)]
Row = Annotated[dict[Name, Scalar], msgspec.Meta(max_length=MOST_MEMBERS)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
About = Literal["version", "event_time", "age", "computed_at"]
Echo = Literal["features", "status"]


class FeaturesBody(msgspec.Struct, forbid_unknown_fields=True, rename={"returned": "return"}):
    """`POST /v1/features`: a model's features, or some of `view:feature`, of entities given as columns of keys.

    `version` is the model's, its champion when none is given.
    """

    entities: Annotated[dict[Name, Column], msgspec.Meta(max_length=100)]
    model: Name | None = None
    version: int | Name | msgspec.UnsetType = msgspec.UNSET
    features: Annotated[Names, msgspec.Meta(min_length=1)] | None = None
    time: Instant | None = None
    returned: Annotated[list[About], msgspec.Meta(max_length=16)] = []


class PredictBody(msgspec.Struct, forbid_unknown_fields=True, rename={"returned": "return"}):
    """`POST /v1/predict/{model}`: a row for each prediction, with its keys and request columns.

    Without a `version` the champion answers, and its challenger some of the rows while a canary runs.
    """

    rows: Annotated[list[Row], msgspec.Meta(min_length=1)]
    version: int | Name | msgspec.UnsetType = msgspec.UNSET
    time: Instant | None = None
    returned: Annotated[list[Echo], msgspec.Meta(max_length=16)] = []


FEATURES: Final = msgspec.json.Decoder(FeaturesBody)
PREDICT: Final = msgspec.json.Decoder(PredictBody)
FLAT: Final = msgspec.json.Decoder(Annotated[dict[Name, Scalar | Names], msgspec.Meta(max_length=MOST_MEMBERS)])
ENCODER: Final = msgspec.json.Encoder(decimal_format="string")
