"""``python -m tests.soak --minutes 10 --seed 7``: people trade while things break, then the proof.

People win, edit and mend orders and customers on both sides; the systems drop, delay and refuse calls,
workers are killed and frozen, the broker is wiped, PostgreSQL restarted. At the end everything is reachable
again, the fleet comes to rest, all laws must hold and both systems must show the same. The seed decides what is
done to what, in which order and when; the machine's own timing it cannot repeat. Exit code 1 when anything
is wrong.
"""

from __future__ import annotations

import argparse
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from sync_workers.sandbox.postgres import remove_data
from sync_workers.sandbox.services import create_database, start_broker, start_postgres
from tests.fleets import Servers, running, send_hooks_to
from tests.soak.harm import Harm
from tests.soak.people import BAD_PART, People
from tests.soak.schedule import PEOPLE, Step, plan
from tests.soak.verdict import look_back
from tests.world import make_world

KEPT = Path(".sync-soak")
NUMBERS = {"lease_s": 4.0, "call_s": 0.8, "margin_s": 0.2, "probe_s": 0.5}


def play(steps: Iterable[Step], people: People, harm: Harm) -> Counter[str]:
    """Do what the plan says when its time has come; return what was done how often."""
    began, done = time.monotonic(), Counter[str]()
    for step in steps:
        time.sleep(max(0.0, began + step.at_s - time.monotonic()))
        getattr(people if step.act in PEOPLE else harm, step.act)(random.Random(step.seed))
        done[step.act] += 1
    return done


def run(minutes: float, seed: int, console: Console) -> list[str]:
    """Play one plan on servers and a fleet of its own; return what is wrong afterwards."""
    steps = plan(seed, minutes)
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        home = Path(name)
        servers = Servers(home, start_postgres(home), start_broker(home))
        try:
            url = create_database(servers.postgres.url, "soak")
            with make_world(home, url, broker_url=servers.broker.url, **NUMBERS) as world:
                world.erp.rules("order", refused={"lines.part": [BAD_PART]})
                sys.stderr = (home / "fleet.log").open("w")
                with running(world.environ, home / "fleet", "web", "worker", "beat", numbers=NUMBERS) as fleet:
                    send_hooks_to(world, fleet)
                    done = play(steps, People(world), Harm(world, fleet, servers))
                    for server in (world.crm, world.erp):
                        server.faults.clear()
                    console.print("All is reachable again; waiting for the fleet to come to rest.", dict(done))
                    wrong = look_back(world, console)
            if wrong:
                shutil.copytree(home / "fleet" / "logs", KEPT / str(seed), dirs_exist_ok=True)
                console.print(f"what the processes said is in {KEPT / str(seed)}")
            return wrong
        finally:
            servers.broker.stop()
            servers.postgres.stop()
            remove_data(home)  # run by root they may lie outside of the folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    chosen = parser.parse_args()
    console = Console()
    console.print(f"seed {chosen.seed}: repeat with `make soak MINUTES={chosen.minutes:g} SEED={chosen.seed}`")
    wrong = run(chosen.minutes, chosen.seed, console)
    for text in wrong:
        console.print(f"WRONG: {text}", markup=False)
    console.print(f"seed {chosen.seed}: " + (f"{len(wrong)} things are wrong" if wrong else "all laws hold"))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
