"""A Redis Cluster under topics: slots move, a replica takes over, a node is away and comes back."""

from __future__ import annotations

from contextlib import closing

import pytest

from featurectl.core.errors import StoreError
from featurectl.online.redis.slots import slot_of
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.faults import TopicRestartedError
from featurectl.streaming.topics.redis.keys import stream_key
from tests.online.test_cluster import move
from tests.servers.cluster import started_cluster
from tests.streaming.topics.reading import read_to_end, reading, records_of, send, wait_until

pytestmark = pytest.mark.long
SENT = 60


@pytest.fixture
def cluster():
    with started_cluster(3, 1) as started:
        yield started


@pytest.fixture
def broker(cluster):
    with closing(open_topics(cluster.url)) as opened:
        opened.create("t", 6)
        yield opened


def values(log):
    return sorted(value for messages in log.messages.values() for _, _, value in messages)


@pytest.mark.parametrize("finish", [True, False], ids=["moved", "moving"])
def test_a_partition_on_its_way_to_another_node_is_read_and_sent_to(cluster, broker, finish):
    with reading(broker, "t") as log, closing(broker.open_writer("t")) as writer:
        for partition in range(6):
            writer.send(records_of(keys=SENT, each=1))
            writer.flush()
            read_to_end(log)
            slot = slot_of(stream_key("t", partition))
            at = cluster.nodes.index(cluster.node_of(slot))
            move(cluster, slot, to=(at + 1) % 3, finish=finish)
        writer.send(records_of(keys=SENT, each=1))
        writer.flush()
        read_to_end(log)
        assert len(values(log)) == 7 * SENT
        assert all(marks.end == log.positions[name] for name, marks in broker.watermarks("t").items())


def test_a_replica_that_takes_over_is_read_and_sent_to(cluster, broker):
    with reading(broker, "t") as log:
        send(broker, "t", records_of(keys=SENT, each=1))
        read_to_end(log)
        cluster.wait_for_replica(0)
        cluster.nodes[0].kill()
        with cluster.replicas[0].client() as client:
            client.execute_command("CLUSTER", "FAILOVER", "TAKEOVER")
        send(broker, "t", records_of(keys=SENT, each=1))
        read_to_end(log)
        assert len(values(log)) == 2 * SENT


def test_while_a_node_hangs_that_is_said_and_then_nothing_is_missing(cluster, broker):
    with closing(open_topics(cluster.url, limit_s=3)) as hasty, reading(hasty, "t") as log:
        send(broker, "t", records_of(keys=SENT, each=1))
        read_to_end(log)
        with cluster.nodes[1].paused(), pytest.raises(StoreError, match=r"the topics redis\+cluster://") as caught:
            wait_until(lambda: log.take() is None)
        assert caught.value.code == "FC606"
        send(broker, "t", records_of(keys=SENT, each=1))
        wait_until(lambda: log.take() is not None and len(values(log)) == 2 * SENT)


def test_what_a_node_lost_is_told(cluster, broker):
    with reading(broker, "t") as log:
        send(broker, "t", records_of(keys=SENT, each=1))
        read_to_end(log)
        cluster.nodes[1].kill()
        cluster.nodes[1].start()  # it keeps nothing
        cluster.wait_until_whole()

        def is_told():
            try:
                log.take()
            except TopicRestartedError:
                return True
            except StoreError:  # it is not back yet
                return False
            return False

        wait_until(is_told)
