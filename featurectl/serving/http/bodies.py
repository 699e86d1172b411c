"""Bodies of requests, read and checked by msgspec: what is not named here is refused, and so is more than is meant."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

MOST_TEXT: Final = 4_096  # characters of a key, or of a request column
MOST_NAME: Final = 200  # characters
MOST_NAMES: Final = 500
MOST_MEMBERS: Final = 2_000

BodyText = Annotated[str, msgspec.Meta(max_length=MOST_TEXT)]
Scalar = BodyText | int | float | bool | None
BodyColumn = list[Scalar]
BodyName = Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_NAME)]
Names = Annotated[list[BodyName], msgspec.Meta(max_length=MOST_NAMES)]
BodyRow = Annotated[dict[BodyName, Scalar], msgspec.Meta(max_length=MOST_MEMBERS)]
BodyInstant = Annotated[datetime, msgspec.Meta(tz=True)]
MetadataKey = Literal["version", "event_time", "age", "computed_at"]
Echo = Literal["features", "status"]


class FeaturesBody(msgspec.Struct, forbid_unknown_fields=True, rename={"returned": "return"}):
    """`POST /v1/features`: a model's features, or some of `view:feature`, of entities given as columns of keys.

    `version` is the model's, its champion when none is given.
    """

    entities: Annotated[dict[BodyName, BodyColumn], msgspec.Meta(max_length=100)]
    model: BodyName | None = None
    version: int | BodyName | msgspec.UnsetType = msgspec.UNSET
    features: Annotated[Names, msgspec.Meta(min_length=1)] | None = None
    time: BodyInstant | None = None
    returned: Annotated[list[MetadataKey], msgspec.Meta(max_length=16)] = []


class PredictBody(msgspec.Struct, forbid_unknown_fields=True, rename={"returned": "return"}):
    """`POST /v1/predict/{model}`: a row for each prediction, with its keys and request columns.

    Without a `version` the champion answers, and its challenger some of the rows while a canary runs.
    """

    rows: Annotated[list[BodyRow], msgspec.Meta(min_length=1)]
    version: int | BodyName | msgspec.UnsetType = msgspec.UNSET
    time: BodyInstant | None = None
    returned: Annotated[list[Echo], msgspec.Meta(max_length=16)] = []


FEATURES: Final = msgspec.json.Decoder(FeaturesBody)
PREDICT: Final = msgspec.json.Decoder(PredictBody)
FLAT: Final = msgspec.json.Decoder(Annotated[dict[BodyName, Scalar | Names], msgspec.Meta(max_length=MOST_MEMBERS)])
ENCODER: Final = msgspec.json.Encoder(decimal_format="string")
