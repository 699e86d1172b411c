"""Programs that send to a file until they are ended: `python -m tests.streaming.topics.senders NAME ...`."""

from __future__ import annotations

import resource
import signal
import sys
from contextlib import closing

from featurectl.core.errors import StoreError
from featurectl.streaming.topics.all_topic_kinds import open_topics


def send_for_ever(path: str) -> int:
    """Send batches of 7 messages with one number each, and say so after each flush."""
    with closing(open_topics(f"sqlite:///{path}")) as broker, closing(broker.open_writer("t")) as writer:
        number = 0
        while True:
            writer.send([(b"key", b"%d" % number)] * 7)
            writer.flush()
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
            number += 1


def fill(path: str, limit: str) -> int:
    """Send until the file can't grow, in batches of 5; return 3 once that was an error."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with closing(open_topics(f"sqlite:///{path}")) as broker, closing(broker.open_writer("t")) as writer:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
        try:
            for number in range(1_000):
                writer.send([(b"key", b"%d " % number + b"x" * 2_000)] * 5)
                writer.flush()
        except StoreError as error:
            return 3 if "the disk is full" in error.message and error.code == "FC606" else 4
    return 0


if __name__ == "__main__":
    sys.exit(send_for_ever(sys.argv[2]) if sys.argv[1] == "send" else fill(*sys.argv[2:]))
