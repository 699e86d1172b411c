"""What whoever sends hears when the time is over: what may have been sent, and how to send it again."""

import pytest

from featurectl.streaming.intake.late_answer import late_answer


@pytest.mark.parametrize("has_key", [True, False])
def test_of_what_was_withdrawn_nothing_was_sent(has_key):
    error = late_answer(5.0, withdrawn=True, has_key=has_key)
    assert (error.code, error.hint) == ("FC606", "")
    assert error.message == "the broker took nothing within 5 s; none of these events was sent"


def test_who_gave_no_key_is_not_asked_for_the_same_one_again():
    error = late_answer(0.5, withdrawn=False, has_key=False)
    assert error.message == "the broker did not answer within 0.5 s; the broker may have these events all the same"
    assert error.hint == "send them again: a source with `dedup_key` counts an event once"


def test_with_a_key_the_store_of_keys_may_be_what_hangs():
    error = late_answer(5.0, withdrawn=False, has_key=True)
    assert error.message == (
        "the online store, which has the keys, or the broker did not answer within 5 s; "
        "the broker may have these events all the same"
    )
    assert error.hint == "send them again with the same idempotency key"
