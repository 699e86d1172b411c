"""A sender as a process of its own, for tests that kill it: it says in a file how many events were acknowledged.

Its arguments: the broker, the topic, the file, and a seed.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from random import Random

from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.streaming.random_events import random_event


def main(broker_url: str, topic: str, told: str, seed: str) -> None:
    random, path = Random(int(seed)), Path(told)
    writer = open_topics(broker_url).open_writer(topic)
    while True:
        writer.send([random_event(random) for _ in range(random.randrange(1, 60))])
        beside = path.with_suffix(".new")
        beside.write_text(str(writer.flush()))
        beside.replace(path)
        time.sleep(0.01)


if __name__ == "__main__":
    main(*sys.argv[1:])
