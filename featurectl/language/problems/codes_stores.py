"""Codes of problems with stores and their clocks: the part of the list of `codes` that is about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from featurectl.language.problems.codes_models import Code

STORES: Final[Mapping[str, Code]] = {
    "FC526": Code(
        "now is later than the store's clock",
        "`materialize` and `push` compute values as of now, and nobody finds a value before the instant as of which it "
        "was computed. An --as-of, or a machine's clock, more than 60 s after the clock of the registry or of the "
        "online store is refused: set the clock right. `--allow-future` goes on; `now:` of an environment is not held "
        "against any clock. Nor are alerts looked at as of the future: `monitor check --dry-run` does it, and tells "
        "nobody.",
    ),
    "FC527": Code(
        "a view was pushed as of the future",
        "Its values are not found before that instant, and nothing older replaces them. `featurectl push --full VIEW` "
        "puts the values of now in their place, from the offline table.",
    ),
    "FC528": Code(
        "an offline table was computed as of the future",
        "It takes no new rows before that instant. `featurectl materialize --full VIEW` makes it anew as of now, and "
        "pushes it in place of what was pushed then.",
    ),
    "FC529": Code(
        "what is to be made again was erased",
        "A training set, or scores, were made of rows of which some were erased since: `featurectl erase` removes old "
        "versions of tables that hold such rows, whatever pins them. They can't be made again; another one is made of "
        "what is there now.",
    ),
    "FC601": Code(
        "the registry can't be reached",
        "The database of `registry:` does not answer, refuses the user, is read-only, or is held by another process "
        "for too long; or a document in it is none that featurectl has written.",
    ),
    "FC602": Code(
        "the online store can't be reached",
        "The store of `online:` does not answer, is full, or refuses writes.",
    ),
    "FC603": Code(
        "the offline store can't be read or written",
        "The folder or bucket of `offline:` does not answer, is not there, refuses the user, or is full. Or a file of "
        "a table is gone: put it back, or `featurectl materialize --full VIEW@1` makes the table of that version anew.",
    ),
    "FC604": Code(
        "the registry was made by another version",
        "A newer featurectl has changed the registry's tables in a way that this one can't read: install the version "
        "that the others use. Or a version from before the first release has made the registry, which no release "
        "reads: begin again in another database with `featurectl apply` and `featurectl materialize`.",
    ),
    "FC605": Code(
        "a source's database can't be reached",
        "The database of `sql.url` does not answer, refuses the user, or its driver is not installed.",
    ),
    "FC606": Code(
        "the topics can't be reached",
        "The broker of `streams:` does not answer, is full, refuses the user or what is sent, or was made by a newer "
        "version. Nothing that was acknowledged is lost; readers go on where they were when it is back.",
    ),
    "FC607": Code(
        "a topic is not there",
        "The broker of `streams:` knows no topic of that name. Topics are made on purpose, with their number of "
        "partitions: one that is made by mistake would take what is sent, and nobody would read it.",
    ),
    "FC608": Code(
        "messages were removed before they were read",
        "The retention of the topic was shorter than the time for which nobody read it, so events are missing, at "
        "most as many as the message says. Raise the retention; `featurectl stream reset SOURCE` goes on with what is "
        "there.",
    ),
    "FC609": Code(
        "a topic is not what was read of it",
        "It was made again under its name, or it, or its broker, came back without its last messages: it ends before "
        "what was read, or has other events at offsets that were logged. So reading does not go on by itself: "
        "`featurectl stream reset SOURCE` begins anew with it. A topic that lacks its last messages is removed and "
        "made anew first.",
    ),
    "FC610": Code(
        "a row of the online store is broken",
        "What is stored for an entity is no row, or its values are not of the types that its schema says: it was cut "
        "off, or another program has written it. It is not served. `featurectl push --full` sends the row again. The "
        "same is said of a schema of rows, of the record of a view's last push, and of the counter of its entities.",
    ),
    "FC618": Code(
        "a row is too large for the online store",
        "DynamoDB takes items of at most 400 kB, and keys of at most 1,024 bytes. The message names view and entity. "
        "Nothing of its part of the push was written: keep shorter lists and texts in the view, or its rows in another "
        "store.",
    ),
    "FC619": Code(
        "the registry is older than an erasure",
        "A table of the offline store was cleaned of erased keys, or the online store has heard of some, of which the "
        "registry knows nothing: it came back from a copy of before, or an environment with a registry of its own has "
        "the store, too, and erased there. What was erased could come in again, so erase each of these keys once more "
        "in this environment: `featurectl erase ENTITY KEY=VALUE`; `featurectl status` says how many there are by the "
        "online store. Environments that share stores are best off with one registry.",
    ),
    "FC616": Code(
        "a source's object store does not answer",
        "The bucket of the source's `path` gave no answer within the time that a store is waited for. Run it again "
        "when it answers; nothing was read.",
    ),
    "FC617": Code(
        "the log of a stream lacks what was logged",
        "The offline store was lost, or came back from an older copy, while the online store went on: its lists have "
        "events, with their stamps, that are in no log, and no training set could ever have them. Restore the log. "
        "Where that is not possible, `featurectl stream reset SOURCE --log-lost` removes the stream from the online "
        "store, and workers begin anew with what the topic has, which gets new stamps.",
    ),
}
