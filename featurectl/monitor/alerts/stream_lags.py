"""How far the streams of an environment are, as alerts on `stream_lag` see it: the age of what is read online.

An age counts whether or not events wait: windows end at the instant up to which all events are taken, so that values
of a stream on which nobody works go on being of then. A stream that no worker has begun with has an age once events
wait in its topic: since it was applied.
"""

from __future__ import annotations

import math
from datetime import datetime
from functools import partial

from featurectl.core.units import counted, instant_us
from featurectl.monitor.alerts.observation import Observation
from featurectl.online.future_pushes import tell_ahead
from featurectl.registry.state import State
from featurectl.streaming.lag import StreamLag, read_lag
from featurectl.streaming.session.applied_streams import AppliedStream
from featurectl.streaming.session.stream_parts import opened_stream
from featurectl.streaming.topics.faults import NoTopicError
from featurectl.workspace.workspace import Workspace


def stream_lag(workspace: Workspace, state: State, stream: AppliedStream) -> Observation:
    """Return how old the values of a stream are, in microseconds; None where nobody works on it, nor has to.

    Values that lie ahead of now are infinitely old: no bound calls them fresh.

    Raises:
        UsageError: nothing says where the topic is, or the store keeps no state of streams.
        StoreError: the broker or the store can't be used.
    """
    name = stream.source.name
    observed = partial(Observation, subject=f"source:{name}")
    try:
        with opened_stream(workspace, stream.source) as parts:
            lag = read_lag(parts.broker, parts.topic, parts.state, parts.place)
    except NoTopicError as error:
        return observed(cause=f"{error.message}: nothing was sent yet")
    if lag.asof_us is not None:
        if ahead := tell_ahead(lag.asof_us, instant_us(workspace.now)):
            return observed(value=math.inf, cause=ahead)
        value = max(0, instant_us(workspace.now) - lag.asof_us)
        return observed(value=float(value), cause=f"{_waiting(lag)}{_slowest(lag)}")
    if not lag.unread:
        return observed(cause="no worker has begun with it, and its topic has no events")
    applied = state.current("source", name)
    since = workspace.now if applied is None or applied.applied_at is None else applied.applied_at
    return observed(value=_age(workspace.now, since), cause=f"{_waiting(lag)}, and no worker has begun with it")


def _age(now: datetime, since: datetime) -> float:
    return float(max(0, instant_us(now) - instant_us(since)))


def _waiting(lag: StreamLag) -> str:
    return f"{counted(lag.unread, 'event')} {'waits' if lag.unread == 1 else 'wait'} in the topic"


def _slowest(lag: StreamLag) -> str:
    """Return which partition holds the stream back, where others are further."""
    known = [of for of in lag.partitions if of.applied_us is not None]
    if not known or len({of.applied_us for of in known}) == 1:
        return ""
    slowest = min(known, key=lambda of: of.applied_us or 0)
    return f"; partition {slowest.partition} is furthest behind"
