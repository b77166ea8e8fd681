"""What the fault proxy can do to a request, and which requests it does it to.

Pure rules: no socket. A rule matches by path and body, and acts a number of times or with a
probability from a seeded generator, so that a failing run can be repeated.
"""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from sync_workers.errors import SettingsError


class Fault(StrEnum):
    """Named by what the caller sees; those with COMMITTED let the target do its work first."""

    REFUSE = "refuse"  # the connection is reset as soon as the request is read
    DROP = "drop"  # nothing is forwarded, the connection is closed without an answer
    COMMITTED_DROP = "committed_drop"  # forwarded, the answer is thrown away, the connection closed
    COMMITTED_STATUS = "committed_status"  # forwarded, and answered with `status` (503 by default)
    STATUS = "status"  # not forwarded, answered with `status`
    DELAY = "delay"  # forwarded, the answer comes `seconds` later
    DRIP = "drip"  # forwarded, the answer comes one byte per `seconds`
    HALF = "half"  # forwarded, the connection closes after half of the body
    LATE = "late"  # the caller is cut off now, the target gets the request `seconds` later or at release
    FREEZE = "freeze"  # nothing is forwarded and nothing answered until released


DEFAULT_SECONDS = {Fault.DRIP: 1.0, Fault.DELAY: 30.0}


@dataclass
class Rule:
    """``path`` and ``body`` are regular expressions found anywhere; empty matches all.

    ``skip`` lets that many matching requests pass first, ``times`` limits how often it acts (None: always).
    ``seconds`` 0 with LATE: held until released.
    """

    fault: Fault
    path: str = ""
    body: str = ""
    times: int | None = 1
    skip: int = 0
    probability: float = 1.0
    seconds: float = 0.0
    status: int = 503
    acted: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.fault = Fault(self.fault)
        self.seconds = self.seconds or DEFAULT_SECONDS.get(self.fault, 0.0)
        self._path, self._body = re.compile(self.path), re.compile(self.body.encode())

    @classmethod
    def load(cls, given: dict[str, Any]) -> Rule:
        """Return the rule that a JSON object describes. SettingsError names a key that is not known."""
        known = {each.name for each in fields(cls) if each.init}
        for key in given:
            if key not in known:
                mend = f"use {', '.join(sorted(known))}"
                raise SettingsError(f"a rule has no {key!r}", mend=mend, field=key)
        try:
            return cls(**given)
        except (TypeError, ValueError, re.error) as error:
            mend = f"fault is one of {', '.join(Fault)}"
            raise SettingsError(f"this is no rule: {error}", mend=mend) from None

    def matches(self, path: str, body: bytes) -> bool:
        return bool(self._path.search(path) and self._body.search(body))


class Rules:
    """The rules in force; the first that matches and has a turn left decides. Safe from many threads."""

    def __init__(self, seed: int = 0) -> None:
        self._rules: list[Rule] = []
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._lock = threading.Lock()

    def add(self, rule: Rule) -> Rule:
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def choose(self, path: str, body: bytes) -> Rule | None:
        """Return the rule to apply to this request and count it, or None to let it pass."""
        with self._lock:
            for rule in self._rules:
                if not rule.matches(path, body) or (rule.times is not None and rule.acted >= rule.times):
                    continue
                if rule.skip:
                    rule.skip -= 1
                    continue
                if self._random.random() >= rule.probability:
                    continue
                rule.acted += 1
                return rule
        return None
