"""A real Redis Cluster for tests, of servers that are started here and ended afterwards."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import redis

from tests.servers.redis import START_LIMIT_S, RedisServer, free_port
from tests.servers.tls import Certificates, tls_proxy

SLOTS = 16_384
VOTES_S = 30  # a replica asks for votes every ten seconds


class Cluster:
    """Nodes that share the slots, and replicas after them."""

    def __init__(self, nodes: list[RedisServer], replicas: list[RedisServer]) -> None:
        self.nodes = nodes
        self.replicas = replicas

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes) + "/"

    def node_of(self, slot: int) -> RedisServer:
        return self.nodes[slot * len(self.nodes) // SLOTS]

    def id_of(self, node: RedisServer) -> str:
        with node.client() as client:
            return client.execute_command("CLUSTER", "MYID").decode()

    def wait_until_whole(self) -> None:
        """Wait until every node sees all slots served and knows all others."""
        servers = [*self.nodes, *self.replicas]
        for server in servers:
            with server.client() as client:
                _wait_until(partial(_knows, client, len(servers)))

    def wait_for_replica(self, m: int) -> None:
        """Wait until the replica of a node has heard of all that the node was told by now."""
        with self.nodes[m].client() as node, self.replicas[m].client() as replica:
            told = node.info("replication")["master_repl_offset"]
            _wait_until(lambda: replica.info("replication")["slave_repl_offset"] >= told)

    def wait_for_takeover(self, m: int) -> None:
        """Wait until the replica of a killed node has its slots; at last it takes them without the votes of others."""
        with self.replicas[m].client() as replica:
            limit = time.monotonic() + VOTES_S
            while replica.info("replication")["role"] != "master":
                if time.monotonic() >= limit:
                    replica.execute_command("CLUSTER", "FAILOVER", "TAKEOVER")
                    limit = time.monotonic() + VOTES_S
                time.sleep(0.05)

    def commands(self, name: str) -> int:
        """Return how many commands of a name its nodes have run."""
        return sum(node.commands(name) for node in self.nodes)


@contextmanager
def started_cluster(count: int = 3, replicas: int = 0, *options: str) -> Iterator[Cluster]:
    """Give a Cluster of some nodes, the first of which have a replica, ready to answer."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="featurectl-cluster-")))
        servers = [_started(stack, folder, options) for _ in range(count + replicas)]
        yield _joined(servers[:count], servers[count:])


@contextmanager
def started_tls_cluster(certificates: Certificates) -> Iterator[str]:
    """Give the URL of a Cluster whose nodes are known by the ports of proxies that speak TLS."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="featurectl-cluster-")))
        nodes, ports = [], [free_port() for _ in range(3)]
        for port in ports:
            node = _started(stack, folder, ["--cluster-announce-port", str(port)])
            stack.enter_context(tls_proxy(certificates, node.port, own_port=port))
            nodes.append(node)
        _joined(nodes, [])
        yield f"rediss+cluster://127.0.0.1:{ports[0]}/?ssl_ca_certs={certificates.authority_file}"


def _started(stack: ExitStack, folder: Path, options: list[str] | tuple[str, ...]) -> RedisServer:
    bus = free_port()
    quick = ["--repl-diskless-sync-delay", "0"]
    quick += ["--cluster-replica-validity-factor", "0"]  # however long it was cut off
    own = [*quick, "--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-config-file", f"nodes-{bus}.conf"]
    server = RedisServer(folder, [*own, *options])
    server.bus = bus
    stack.callback(server.kill)  # it keeps nothing
    server.start()
    return server


def _joined(nodes: list[RedisServer], replicas: list[RedisServer]) -> Cluster:
    cluster = Cluster(nodes, replicas)
    for at, node in enumerate(nodes):
        with node.client() as client:
            first, end = at * SLOTS // len(nodes), (at + 1) * SLOTS // len(nodes)
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
    for server in [*nodes[1:], *replicas]:
        with nodes[0].client() as client:
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", server.port, server.bus)
    cluster.wait_until_whole()
    for node, replica in zip(nodes, replicas, strict=False):
        with replica.client() as client:
            client.execute_command("CLUSTER", "REPLICATE", cluster.id_of(node))
            _wait_until(lambda: client.info("replication").get("master_link_status") == "up")
    return cluster


def _knows(client: redis.Redis, count: int) -> bool:
    """Whether a node sees all slots served and knows all others."""
    info = client.execute_command("CLUSTER", "INFO")
    text = info.decode() if isinstance(info, bytes) else "".join(f"{k}:{v}\r\n" for k, v in info.items())
    return "cluster_state:ok" in text and f"cluster_known_nodes:{count}" in text


def _wait_until(done: Callable[[], bool]) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while not done():
        assert time.monotonic() < limit, "the cluster does not come up"
        time.sleep(0.02)
