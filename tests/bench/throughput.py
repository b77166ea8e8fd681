"""A burst end to end, ours and the peers' in turn; what an event costs; how long one takes at a steady pace."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from contextlib import ExitStack

from tests.bench import deliveries, load
from tests.bench.figures import Bound, Figure, percentile
from tests.bench.machinery import Target, cpu_s
from tests.bench.stacks import Fleet, Stack

CONNECTIONS = 32
PER_SECOND = 20
NAIVE, DRAMATIQ, PROCRASTINATE = "naive Flask + Celery", "dramatiq + Redis", "procrastinate"
_starts = itertools.count()
_REFERENCE = re.compile(r'"reference": ?"crm-order-([^"]+)"')


def start(stacks: Mapping[str, Stack], target: Target, opened: ExitStack) -> None:
    """Start these and warm them up. Who is idle costs the others next to nothing."""
    for stack in stacks.values():
        stack.start()
        opened.callback(stack.stop)
        _warm_up(stack, target)


class Throughput:
    """Figures 2 to 5. Each round asks every stack once, in an order that turns."""

    def __init__(self) -> None:
        self.naive = Figure("events/s end to end in a burst, with the full ledger, against the naive script", "times",
                            Bound(1.5, 2.5))
        self.dramatiq = Figure("the same against dramatiq + Redis", "times", Bound(1.0, 1.4))
        self.procrastinate = Figure("the same against procrastinate", "times", Bound(2.0, 4.0))
        self.cpu = Figure("CPU per event against the naive script", "times", Bound(0.60, 0.40, at_least=False))
        self.p50 = Figure("latency at 20 events/s, webhook to the ERP's POST, median", "ms",
                          Bound(12, 8, at_least=False))
        self.p99 = Figure("latency at 20 events/s, 99th percentile", "ms", Bound(30, 15, at_least=False))
        self.figures = [self.naive, self.dramatiq, self.procrastinate, self.cpu, self.p50, self.p99]

    def burst_round(self, stacks: Mapping[str, Stack], target: Target, number: int, count: int) -> None:
        rates: dict[str, float] = {}
        costs: dict[str, float] = {}
        for stack in _in_turn(stacks, number):
            rates[stack.name], costs[stack.name] = _burst(stack, target, number, count)
        ours = Fleet.name
        self.naive.add(rates[ours] / rates[NAIVE], **{f"{name} events/s": rate for name, rate in rates.items()})
        self.dramatiq.add(rates[ours] / rates[DRAMATIQ])
        self.procrastinate.add(rates[ours] / rates[PROCRASTINATE])
        self.cpu.add(costs[ours] / costs[NAIVE], **{f"{name} ms/event": cost for name, cost in costs.items()})

    def pace_round(self, stacks: Mapping[str, Stack], target: Target, number: int, count: int) -> None:
        """Measure each stack while no other runs: the others' beats and polls would be heard in single deliveries."""
        latencies: dict[str, list[float]] = {}
        for stack in _in_turn(stacks, number):
            with ExitStack() as opened:
                start({stack.name: stack}, target, opened)
                latencies[stack.name] = _pace(stack, target, number, count)
        ours = latencies[Fleet.name]
        self.p50.add(percentile(ours, 0.5),
                     **{f"{name} ms": percentile(took, 0.5) for name, took in latencies.items()})
        self.p99.add(percentile(ours, 0.99),
                     **{f"{name} ms": percentile(took, 0.99) for name, took in latencies.items()})


def _in_turn(stacks: Mapping[str, Stack], number: int) -> list[Stack]:
    listed = list(stacks.values())
    return listed[number % len(listed):] + listed[:number % len(listed)]


def _warm_up(stack: Stack, target: Target) -> None:
    """Open connections and import what is imported late, on every stack alike."""
    target.control("forget", {})
    requests = _requests(stack, _run("w", stack, next(_starts)), 64)
    load.burst(stack.url, requests, connections=CONNECTIONS)
    stack.wait_done(64, 120)
    stack.forget()


def _burst(stack: Stack, target: Target, number: int, count: int) -> tuple[float, float]:
    """Return events per second from the first delivery to the last end, and CPU milliseconds per event."""
    target.control("forget", {})
    requests = _requests(stack, _run("t", stack, number), count)
    before = cpu_s(stack.pids())
    sent = load.burst(stack.url, requests, connections=CONNECTIONS)
    ended_at = stack.wait_done(count, 600)
    cost = (cpu_s(stack.pids()) - before) * 1000 / count
    if sent.statuses.get(202) != count or target.count() != count:
        raise AssertionError(f"{stack.name}: {count} sent, answered {sent.statuses}, {target.count()} created")
    stack.forget()
    return count / (ended_at - sent.began_at), cost


def _pace(stack: Stack, target: Target, number: int, count: int) -> list[float]:
    """Return milliseconds from each webhook's sending to its order's arrival at the target."""
    target.control("forget", {})
    target.control("settings", {"keeps_bodies": True})
    run = _run("p", stack, number)
    requests = _requests(stack, run, count)
    sent = load.pace(stack.url, requests, per_second=PER_SECOND)
    stack.wait_done(count, 120)
    target.control("settings", {"keeps_bodies": False})
    came: dict[str, float] = {}
    for at, body in target.creates():
        found = _REFERENCE.search(body)
        if found:
            came[found.group(1)] = at
    stack.forget()
    return [(came[f"{run}-{each}"] - at) * 1000 for each, at in enumerate(sent.sent_at)]


def _requests(stack: Stack, run: str, count: int) -> list[bytes]:
    return [deliveries.request(stack.path, deliveries.body(each, run=run)) for each in range(count)]


def _run(part: str, stack: Stack, number: int) -> str:
    """Name the orders of one measurement: the target refuses a reference that it has."""
    return f"{part}{number}-{stack.name.split()[0]}"
