"""What is said of events whose broker, or whose store of keys, did not answer in time."""

from __future__ import annotations

from featurectl.core.errors import NoAnswerError


def late_answer(limit_s: float, *, withdrawn: bool, has_key: bool) -> NoAnswerError:
    """Return why a request failed whose time is over, and whether its events may be there all the same.

    `withdrawn`: its turn had not come, so nothing was sent. `has_key`: it has an idempotency key, so that the online
    store was asked before the broker, and either may be the one that did not answer.
    """
    if withdrawn:
        said = f"the broker took nothing within {limit_s:g} s; none of these events was sent"
        return NoAnswerError(said, code="FC606")
    who = "the online store, which has the keys, or the broker" if has_key else "the broker"
    hint = (
        "send them again with the same idempotency key"
        if has_key
        else "send them again: a source with `dedup_key` counts an event once"
    )
    message = f"{who} did not answer within {limit_s:g} s; the broker may have these events all the same"
    return NoAnswerError(message, code="FC606", hint=hint)
