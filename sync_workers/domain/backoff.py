"""When to try a failed record again, and when to stop.

Pure arithmetic: no clock, no queue, no chance of its own. The engine asks after every failed run,
passes the roll of the dice in, and writes the answer to the ledger.
"""

from __future__ import annotations

from datetime import timedelta

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=1)
MAX_FAILURES = 12  # eleven waits, doubling up to the longest: 2 h 25 min at most, half of that on average
MAX_AGE = timedelta(days=3)  # a long weekend; what the system itself asked to wait for may use it up


def wait_after(
    failures: int, *, asked: timedelta | None = None, roll: float, age: timedelta = timedelta(0)
) -> timedelta | None:
    """Return the pause after failure number ``failures`` (from 1), or None to stop.

    Full jitter: any pause between a second and the exponential bound is as likely, so that records
    which failed together do not come back together. ``roll`` is in [0, 1). ``asked`` is what the
    system requested (``Retry-After``): never less than that, and jitter goes on top of it.
    ``age`` is how long ago the first of these failures was.
    """
    if failures < 1:
        raise ValueError(f"failures counts from 1, not {failures}")
    if not 0 <= roll < 1:
        raise ValueError(f"roll must be in [0, 1), not {roll}")
    if failures >= MAX_FAILURES or age >= MAX_AGE:
        return None
    # The exponent is capped first: the doubling would overflow a timedelta for absurd counts.
    doublings: int = min(failures - 1, 30)
    bound = min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)
    if asked is not None and asked > timedelta(0):
        return asked + min(bound, asked) * roll
    return max(bound * roll, timedelta(seconds=1))
