"""A random history of one source, and what was wrong in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from tests.streaming.model.compactor import Compaction
from tests.streaming.model.log import Log, OfflineTable
from tests.streaming.model.reader import Answered, Reader
from tests.streaming.model.rebuild import Rebuild, records
from tests.streaming.model.register import FOREVER
from tests.streaming.model.store import Store
from tests.streaming.model.views import AHEAD, MARGIN, VIEWS, truth
from tests.streaming.model.worker import Event, Gap, Worker, World

WORKERS, ENTITIES, STEPS = 3, 4, 5000
WEIGHTS = {
    "produce": 16,
    "work": 50,
    "log": 4,
    "move": 2,
    "read_list": 7,
    "compact": 7,
    "rebuild": 4,
    "replicate": 0.5,
    "lose": 0.3,
    "step_clock": 0.3,
    "materialize": 0.3,
    "begin_read": 9,
}


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What a history came to; `wrong` names what no rule may allow."""

    reads: int = 0
    unanswered: int = 0
    in_gaps: int = 0
    compactions: int = 0
    lost_races: int = 0
    losses: int = 0
    switches: int = 0
    repeats: int = 0
    remakes: int = 0
    wrong: list[str] = field(default_factory=list)


class History:
    """Steps of all parts in an order that a seed decides."""

    def __init__(
        self, seed: int, store: Store, *, loses: bool = True, remakes: bool = False, steps: int = STEPS
    ) -> None:
        self.random = Random(seed)
        self.steps = steps
        # Each history has habits of its own, so that rare things happen often in some.
        self.weights = {name: weight * 2 ** self.random.uniform(-2, 2) for name, weight in WEIGHTS.items()}
        self.share_of_first = self.random.random()  # of fail-overs, those of the master that has the register
        if not loses:
            self.weights["lose"] = 0.0
        if remakes:
            self.weights["remake"] = 0.05 * 2 ** self.random.uniform(-2, 2)
        self.step = 0
        rules = store.rules
        self.world = World(rules=rules, random=self.random, store=store, log=Log(rules=rules), topic=[])
        store.clock = self.world.store_clock
        for _ in range(2):
            self._add_partition()
        self.workers = [Worker(self.world) for _ in range(WORKERS)]
        self.owner = [0, 1]
        for p, w in enumerate(self.owner):
            self.workers[w].take(p)
        self.table = OfflineTable(rules=rules)
        self.readers: list[tuple[int, Reader]] = []
        self.compactions: list[Compaction] = []
        self.compactor = store.connect()
        self.rebuild: Rebuild | None = None
        self.answers: list[Answered] = []
        self.trained: list[tuple[float, frozenset[tuple[int, int, float]]]] = []
        self.promised = 0.0
        self.keys = 0
        self.verdict = Verdict()

    def run(self) -> Verdict:
        """Play the history to its end and judge it."""
        for step in range(self.steps):
            self.world.clock += self.random.random() * 0.01
            if step == self.steps // 4:
                self._add_partition()
                self.owner.append(2)
                self.workers[2].take(2)
            self._step(step)
            self._watch(step)
        self._drain()
        self._judge()
        return self.verdict

    def _drain(self) -> None:
        """Let one worker finish alone: whatever happened, every event gets logged."""
        worker = Worker(self.world)
        for p, events in enumerate(self.world.topic):
            worker.take(p)
            for _ in range(self.steps):
                if self.world.log.applied[p] == FOREVER:
                    break  # what nobody had read is lost
                if self.world.log.ends[p] == len(events):
                    break
                worker.step(p)
                worker.log_step()
                self.world.clock += 0.001
            else:
                logged = self.world.log.ends[p]
                self.verdict.wrong.append(f"of {len(events)} events of partition {p} only {logged} were ever logged")

    def _add_partition(self) -> None:
        self.world.topic.append([])
        self.world.store.add_partition()
        self.world.log.add_partition(self.world.store.register.partitions[-1].applied)

    def _step(self, step: int) -> None:
        self.step = step
        action = self.random.choices([*self.weights], [*self.weights.values()])[0]
        getattr(self, f"_{action}")()

    def _log(self) -> None:
        self.random.choice(self.workers).log_step()

    def _read_list(self) -> None:
        store = self.compactor
        self.compactions.append(Compaction.read(store, self.random.choice(VIEWS), self.random.randrange(ENTITIES)))

    def _compact(self) -> None:
        if self.compactions:
            compaction = self.compactions.pop(self.random.randrange(len(self.compactions)))
            won = compaction.write(self.compactor, self.world.store_clock())
            self.verdict.compactions += won
            self.verdict.lost_races += not won

    def _replicate(self) -> None:
        self.world.store.replicate(self.random.randrange(len(self.world.store.epochs)))

    def _step_clock(self) -> None:
        self.world.store.behind = self.random.uniform(-0.3, 0.3)

    def _materialize(self) -> None:
        log = self.world.log
        self.table.materialize(log)
        at = min(applied for applied in log.applied if applied < FOREVER)
        self.trained.append((at, frozenset(row for row in log.rows if row[2] <= at)))

    def _begin_read(self) -> None:
        random = self.random
        ago = random.choice([0.0, 0.0, random.random() * MARGIN])
        wait = random.choice([0, 2, random.randrange(400)])
        reader = Reader(self.world.store, random.choice(VIEWS), random.randrange(ENTITIES), ago)
        self.readers.append((self.step + wait, reader))

    def _remake(self) -> None:
        """Make the topic again: new partitions, and the log and the register have nothing come of the old ones.

        Workers of the old ones hear of it late, and whoever resets may be killed between the two.
        """
        log, store = self.world.log, self.world.store
        old = [p for p, applied in enumerate(log.applied) if applied < FOREVER]
        log.retire(old)
        if self.random.random() < 0.7:
            self.world.retire(old)
        self.verdict.remakes += 1
        for _ in old:
            self._add_partition()
            self.owner.append(self.random.randrange(WORKERS))
            self.workers[self.owner[-1]].take(len(self.owner) - 1)
        if self.random.random() < 0.5 and not store.is_cluster:  # hears of it
            worker = self.random.choice(self.workers)
            for p in [p for p in worker.readings if p in old]:
                worker.take(p)

    def _produce(self) -> None:
        random, topic = self.random, self.world.topic
        of_now = [p for p, applied in enumerate(self.world.log.applied) if applied < FOREVER]
        p = of_now[random.randrange(len(of_now))]
        sent = [event for events in topic for event in events[-20:]]
        late = random.choice([0.0, 0.0, 0.0, random.random() * 3, -random.random() * AHEAD / 3])
        if sent and random.random() < 0.1:
            copied = random.choice(sent)
            time = copied.time if random.random() < 0.7 else self.world.clock - late
            topic[p].append(Event(entity=copied.entity, time=time, key=copied.key))
            self.verdict.repeats += 1
        else:
            self.keys += 1
            late = -10 if random.random() < 0.01 else late  # rejected
            entity = random.randrange(ENTITIES)
            topic[p].append(Event(entity=entity, time=self.world.clock - late, key=self.keys))

    def _work(self) -> None:
        worker = self.random.choice(self.workers)
        if worker.readings:
            worker.step(self.random.choice(list(worker.readings)))

    def _move(self) -> None:
        """Give a partition to another worker; the one of before may go on for a while, or notice."""
        worker = self.random.choice(self.workers)
        number = self.workers.index(worker)
        if self.random.random() < 0.4:
            p = self.random.randrange(len(self.owner))
            self.owner[p] = number
            worker.take(p)
            return
        for p in [p for p in worker.readings if self.owner[p] != number and self.random.random() < 0.6]:
            del worker.readings[p]
        if self.random.random() < 0.1:  # killed and started
            self.workers[number] = Worker(self.world)
            for p, owner in enumerate(self.owner):
                if owner == number:
                    self.workers[number].take(p)

    def _rebuild(self) -> None:
        store = self.world.store
        unreadable = store.is_unreadable
        for _ in range(8 if unreadable else 1):
            if self.rebuild is None:
                if unreadable or self.random.random() < 0.05:
                    self.rebuild = Rebuild(store, self.random.getrandbits(40) + 1, ENTITIES)
            elif self.rebuild.step(store, self.world.log, self.world.topic):
                self.verdict.switches += store.register.live == self.rebuild.generation
                self.rebuild = None

    def _lose(self) -> None:
        store = self.world.store
        m = 0 if self.random.random() < self.share_of_first else self.random.randrange(len(store.epochs))
        until = max(self.promised, store.register.last)
        store.fail_over(m)
        self.verdict.losses += 1
        if m == 0:
            self.world.gaps.append(Gap(after=store.register.asof, until=until))

    def _watch(self, step: int) -> None:
        store = self.world.store
        asof = store.register.asof
        if asof < self.promised and not self.world.gaps:
            self.verdict.wrong.append(f"step {step}: asof went back from {self.promised} to {asof}")
        self.promised = max(self.promised, asof)
        for due, reader in [pair for pair in self.readers if pair[0] <= step]:
            self.readers.remove((due, reader))
            answered = reader.finish(store, step)
            if answered is None:
                self.verdict.unanswered += 1
            else:
                self.answers.append(answered)

    def _judge(self) -> None:
        log, verdict = self.world.log, self.verdict
        counted = Counter((p, offset) for p, offset, _ in log.rows)
        verdict.wrong += [f"logged {count} times: {place}" for place, count in counted.items() if count > 1]
        self.table.materialize(log)
        if Counter(self.table.rows) != Counter(log.rows):
            verdict.wrong.append(f"an offline table of {len(self.table.rows)} rows of {len(log.rows)}")
        for p, part in enumerate(self.world.store.register.partitions):
            for offset, stamp in part.known(0, part.end).items():
                log.stamps[p].setdefault(offset, stamp)
        rows = {(p, offset, stamp) for p, stamps in enumerate(log.stamps) for offset, stamp in stamps.items()}
        for at, trained in self.trained:
            if trained != {row for row in rows if row[2] <= at}:
                verdict.wrong.append(f"trained as of {at} on {len(trained)} rows")
        logged = {entity: records(log, self.world.topic, entity) for entity in range(ENTITIES)}
        for answered in self.answers:
            verdict.reads += 1
            if answered.counted != truth(answered.view, logged[answered.entity], answered.at):
                if any(gap.after < answered.at <= gap.until for gap in self.world.gaps):
                    verdict.in_gaps += 1
                else:
                    verdict.wrong.append(f"step {answered.step}: {answered}")
