"""Codes of streams, their histories, and predictions on events: a part of the list of `codes`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from featurectl.language.problems.codes_models import Code

STREAMS: Final[Mapping[str, Code]] = {
    "FC316": Code(
        "a stream can't answer this",
        "What a view of a stream says is kept up to date event by event, in a state that stays bounded. A Python "
        "transform sees whole tables. `percentile`, `median`, `count_distinct` and `top_k` need every value of their "
        "window: over `lifetime` that is without end, and with `hop` the values are gone (`approx_count_distinct` does "
        "both). With `hop`, or over `lifetime`, a repeat of an event is found no more once its first copy is folded: "
        "with a `dedup_key` there is no `hop`, and over `lifetime` only an aggregate that a repeat does not change. "
        "Values are as fresh as the stream, so there is no `refresh`. A check of a stream sees one event.",
    ),
    "FC317": Code(
        "a history that is of other events",
        "The `history` of a stream is the same source for the time before: each column of the stream's rows, those of "
        "`select` included, is there with the same type, and `event_time`, `tiebreak`, `dedup_key` and `nan` are the "
        "same; else features would jump where the stream begins. A `select` of the stream makes nothing of the "
        "history's rows: the history needs the same `select`. Where its files spell a column otherwise, its `select` "
        "makes it. It says itself when its rows were known: by `available_at`, by `delay`, or not at all.",
    ),
    "FC318": Code(
        "events that can't be predicted",
        "`on_events` asks for a prediction on each event of the spine's source. That source is a stream, the spine's "
        "`time` is its `event_time`, and every view that the model reads is online. Predictions go to a topic of their "
        "own: in the topic of the source each of them would be an event that is predicted. Two URLs that are "
        "spelled differently are compared by scheme, hosts, ports and database; what variables hold is seen by the "
        "workers, which predict nothing then.",
    ),
    "FC360": Code(
        "a history and a stream without a `dedup_key`",
        "What the files of the history hold and the topic holds, too, counts twice where the stream begins. With a "
        "`dedup_key`, the same in both, it counts once. It is a warning, for the two may have no event in common.",
    ),
    "FC361": Code(
        "a model that is trained on other instants than it is scored at",
        "A prediction on an event is made when a worker has taken the event, and counts what was known by then. "
        "`known_at: available_at` in the spine trains the model on the same. Without it a training row has what was "
        "known at the time of the event, as if none ever came late: it is a warning, for where none does that is the "
        "same.",
    ),
    "FC550": Code(
        "a view of a stream is not online",
        "The online store has nothing of this version of the view that can be read: no worker of its stream has run "
        "since it was applied, or since the store was emptied. `featurectl stream run` brings it online and keeps it "
        "so; zeros in its place would be wrong. A worker that has just begun makes the lists of the history first: "
        "`featurectl stream status` says `being made` until they can be read. A feature that was applied after the "
        "lists of its view were made is not online, either, until a running worker has made new ones, a few seconds "
        "later; the other features are read meanwhile, where they are asked for by their names. "
        "An older version of a view that a model is bound to is kept online as long as its source reads events as it "
        "did (the same columns of the same types, clocks and `dedup_key`); after that a model is to be trained on the "
        "newest version, and promoted.",
    ),
}
