"""Scores as messages of a topic: each row once in a run, however often the run is killed and continued."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import polars as pl

from featurectl.core.disk_room import write_failure
from featurectl.core.documents import parse_json
from featurectl.core.errors import UsageError
from featurectl.core.frames.types import language_dtype, widen
from featurectl.core.variables import shown_location
from featurectl.language.definitions.model import FeatureInput
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.stream import Stream
from featurectl.language.stream_places import topic_address
from featurectl.language.syntax.own_files import why_no_output
from featurectl.operations.outputs.frames import Frames
from featurectl.operations.scoring.checkpoint import KEPT_FOR
from featurectl.operations.scoring.scorer import trained_model
from featurectl.streaming.event_encoder import EventEncoder
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TakeLimits, TopicBroker, TopicReader
from featurectl.streaming.topics.faults import RetentionError, TopicRestartedError
from featurectl.streaming.topics.first_use import open_topic
from featurectl.workspace.whole_file import write_whole

if TYPE_CHECKING:
    from featurectl.workspace.workspace import Workspace

TOPIC_FORM: Final = "topic:NAME"
_ADDED: Final = ("model", "score_id")  # beside the columns of the output
_AT_ONCE: Final = 5_000  # rows
_DIGITS: Final = 24  # of what names a run


@dataclass(frozen=True, kw_only=True)
class TopicDestination:
    """A topic of the environment's `streams`, or of the broker at `url`.

    A message is a row as events are written, with `model` and `score_id` beside its columns; its key is the entity's.
    """

    topic: str
    model: str
    url: str = ""
    workspace: Workspace | None = None

    def within(self, workspace: Workspace) -> TopicDestination:
        """Return it as a topic of an environment."""
        return replace(self, workspace=workspace)

    @property
    def shown(self) -> str:
        """The topic with the address of its broker, without secrets."""
        return f"topic {self.topic} of {shown_location(self._address())}"

    def check(self) -> None:
        """See that the broker has the topic; in SQLite and Redis it is made.

        Raises:
            UsageError: nothing says where topics are.
        """
        with self._broker():
            pass

    def check_columns(self, schema: pl.Schema) -> None:
        """See that events can hold the columns."""
        for column, dtype in schema.items():
            if language_dtype(dtype) is None and not isinstance(dtype, pl.Null):
                hint = "write Parquet: --out NAME.parquet"
                raise UsageError(f"--out {self.shown}: column {column!r} is {dtype}, which no event holds", hint=hint)
            if column in _ADDED:
                message = f"--out {self.shown}: column {column!r} has the name of what is added to each message"
                raise UsageError(message, hint="rename it in the spine")

    def write(self, frames: Frames, manifest: Mapping[str, object]) -> None:
        """Send the rows in their order; those that a killed run has sent, of which this one goes on, are left out.

        Raises:
            StoreError: the broker takes no more: the rows so far are in the topic, and the same command goes on.
        """
        document = json.dumps([self.shown, manifest], default=str, sort_keys=True)
        run = hashlib.sha256(document.encode()).hexdigest()[:_DIGITS]
        with self._broker() as broker, self._begun(broker, run) as begin:
            sent = _rows_sent(broker, self.topic, run, begin, frames.height)
            encoder = EventEncoder(self._source(frames.schema, self._keys(manifest)))
            with closing(broker.open_writer(self.topic)) as writer:
                for start, rows in _pieces(frames):
                    named = rows.with_columns(
                        pl.lit(self.model).alias("model"),
                        pl.Series("score_id", [f"{run}-{start + place}" for place in range(rows.height)]),
                    )
                    records = encoder.encode(widen(named.lazy()).collect())
                    writer.send([record for place, record in enumerate(records) if not sent[start + place]])
                    writer.flush()

    @contextmanager
    def _begun(self, broker: TopicBroker, run: str) -> Iterator[Mapping[int, int] | None]:
        """Give where the topic ended when the run first sent something; None in a run that begins now.

        It is kept in a file until all is sent.
        """
        file = self._there.root / ".featurectl" / "scores-sent" / f"{run}.json"
        if reason := why_no_output(file):
            raise UsageError(f"{file} is not written: {reason}", hint="remove the link")
        begin = None
        if file.exists():
            begin = {int(partition): int(end) for partition, end in parse_json(file.read_text()).items()}
        else:
            ends = {str(partition): marks.end for partition, marks in broker.watermarks(self.topic).items()}
            _keep(file, json.dumps(ends))
        yield begin
        file.unlink(missing_ok=True)
        with suppress(OSError):
            file.parent.rmdir()

    @contextmanager
    def _broker(self) -> Iterator[TopicBroker]:
        shown, url = shown_location(self._address()), self._there.topic_url(self._source())
        with closing(open_topics(url, shown)) as broker:
            open_topic(broker, url, self.topic)
            yield broker

    def _address(self) -> str:
        """Return where the topic lies, unexpanded.

        Raises:
            UsageError: nothing says it.
        """
        return topic_address(self._source(), self._there.environment, what=f"topic {self.topic}")

    def _keys(self, manifest: Mapping[str, object]) -> tuple[str, ...]:
        """Return the columns of the entities of the model, as the version that scored was trained."""
        number = manifest["model_version"]
        assert isinstance(number, int)
        version = self._there.state().model_version(self.model, number)
        assert version is not None
        inputs = [item for item in trained_model(version).inputs if isinstance(item, FeatureInput)]
        return tuple(dict.fromkeys(column for item in inputs for column in item.join.values()))

    def _source(self, schema: pl.Schema | None = None, keys: tuple[str, ...] = ()) -> Source:
        columns = None
        if schema is not None:
            columns = {name: language_dtype(dtype) or "string" for name, dtype in schema.items()}
            columns |= dict.fromkeys(_ADDED, "string")
        stream = Stream(topic=self.topic, url=self.url, key=keys)
        return Source(name=self.model, format="stream", stream=stream, columns=columns)

    @property
    def _there(self) -> Workspace:
        assert self.workspace is not None
        return self.workspace


def named_topic(out: str, model: str) -> TopicDestination | None:
    """Return the topic that `--out` means: `topic:NAME`, or `kafka://HOST:PORT?topic=NAME`; None where it means none.

    >>> named_topic("topic:scores", "m").topic, named_topic("scores.parquet", "m")
    ('scores', None)
    >>> found = named_topic("redis://host/0?topic=scores&protocol=3", "m")
    >>> found.topic, found.url
    ('scores', 'redis://host/0?protocol=3')

    Raises:
        UsageError: it names no topic.
    """
    if out.startswith("topic:"):
        name, url = out.removeprefix("topic:"), ""
    else:
        place, _, query = out.partition("?")
        pairs = [pair for pair in query.split("&") if pair]
        names = [pair.removeprefix("topic=") for pair in pairs if pair.startswith("topic=")]
        if not names or "://" not in place:
            return None
        name = unquote(names[0])
        url = "?".join(filter(None, [place, "&".join(pair for pair in pairs if not pair.startswith("topic="))]))
    if not name:
        raise UsageError("--out names no topic", hint=TOPIC_FORM)
    return TopicDestination(topic=name, model=model, url=url)


def _keep(file: Path, text: str) -> None:
    """Write a file whole, and let go those of runs that nobody can continue any more.

    Raises:
        UsageError: it can't be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        for other in file.parent.glob("*.json"):
            if time.time() - other.stat().st_mtime > 2 * KEPT_FOR.total_seconds():
                other.unlink(missing_ok=True)
        write_whole(file, text)
    except OSError as error:
        raise write_failure(f"{file.parent} can't be written", error) from error


def _pieces(frames: Frames) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield a few rows at a time, with the number of the first of them."""
    start = 0
    for frame in frames.read():
        for rows in frame.iter_slices(_AT_ONCE):
            if rows.height:
                yield start, rows
                start += rows.height


def _rows_sent(broker: TopicBroker, topic: str, run: str, begin: Mapping[int, int] | None, height: int) -> bytearray:
    """Return for each row whether a topic has it from a run, of which something may lie behind some offsets.

    A topic that was made again, or has let go messages of the run, is taken for one that has none.
    """
    sent = bytearray(height)
    if begin is None:
        return sent
    with closing(broker.open_reader(topic)) as reader:
        try:
            for value in _messages(reader, begin, {p: marks.end for p, marks in broker.watermarks(topic).items()}):
                found = re.search(rb'"score_id":"%s-(\d+)"' % run.encode(), value)
                if found and int(found[1]) < height:
                    sent[int(found[1])] = 1
        except (RetentionError, TopicRestartedError):
            return bytearray(height)
    return sent


def _messages(reader: TopicReader, begin: Mapping[int, int], ends: Mapping[int, int]) -> Iterator[bytes]:
    """Yield the values of all messages between some offsets of each partition."""
    for partition in ends:
        reader.seek(partition, begin.get(partition, 0))
    while any((reader.position(partition) or 0) < end for partition, end in ends.items()):
        for batch in reader.take(TakeLimits(timeout_s=1.0)).batches:
            yield from batch.values
