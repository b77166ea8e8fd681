"""What breaks: systems, processes, the broker, the database."""

from __future__ import annotations

import os
import random
import signal

import redis

from sync_workers.sandbox.plain import PlainServer
from tests.fleets import Fleet, Servers
from tests.world import World

FAULTS = (
    {"does": "drop"}, {"does": "drop", "commit": False}, {"does": "status", "status": 503},
    {"does": "status", "status": 503, "commit": False}, {"does": "half"}, {"does": "garbage"},
    {"does": "slow", "delay_s": 1.5}, {"does": "drip", "delay_s": 0.2},
    {"does": "status", "status": 429, "commit": False, "retry_after_s": 1},
)  # fmt: skip


class Harm:
    """Everything that a night can bring. Each act returns at once, but for a server's own restart."""

    def __init__(self, world: World, fleet: Fleet, servers: Servers) -> None:
        self.world, self.fleet, self.servers = world, fleet, servers
        self._frozen: set[int] = set()

    def unreliable_system(self, draw: random.Random) -> None:
        server: PlainServer = draw.choice((self.world.crm, self.world.erp))
        server.fault(**draw.choice(FAULTS), times=draw.randrange(1, 4),
                     op=draw.choice((None, "create", "update", "read")))  # fmt: skip

    def crm_away(self, draw: random.Random) -> None:
        self.world.crm.refuse()

    def crm_back(self, draw: random.Random) -> None:
        self.world.crm.accept()

    def erp_away(self, draw: random.Random) -> None:
        self.world.erp.refuse()

    def erp_back(self, draw: random.Random) -> None:
        self.world.erp.accept()

    def kill_worker(self, draw: random.Random) -> None:
        self.fleet.kill("worker")

    def kill_web(self, draw: random.Random) -> None:
        self.fleet.kill("web")

    def kill_beat(self, draw: random.Random) -> None:
        self.fleet.kill("beat")

    def freeze_worker(self, draw: random.Random) -> None:
        pid = self.fleet.supervisor.processes["worker"].pid
        if pid is not None and _signal(pid, signal.SIGSTOP):
            self._frozen.add(pid)

    def thaw_worker(self, draw: random.Random) -> None:
        while self._frozen:
            _signal(self._frozen.pop(), signal.SIGCONT)

    def wipe_broker(self, draw: random.Random) -> None:
        with redis.Redis.from_url(self.servers.broker.url) as client:
            client.flushall()

    def restart_broker(self, draw: random.Random) -> None:
        self.servers.restart_broker(kill=draw.random() < 0.5)

    def restart_postgres(self, draw: random.Random) -> None:
        self.servers.restart_postgres(kill=draw.random() < 0.5)


def _signal(group: int, number: signal.Signals) -> bool:
    """Signal a process with its children; False when it has been killed meanwhile."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True
