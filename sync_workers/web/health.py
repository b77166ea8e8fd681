"""Whether this process can do its work: the database, its migrations, the broker.

Anybody may ask, so an answer is kept for a moment: asking often must not become load.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sync_workers import logs

log = logs.get(__name__)

KEEP_S = 1.0

Check = Callable[[], str]
"""Returns an empty text when all is well, else what is wrong; may raise, which is wrong as well."""


@dataclass
class Health:
    """Named checks, asked at most once a second."""

    checks: Mapping[str, Check]
    keep_s: float = KEEP_S
    clock: Callable[[], float] = time.monotonic
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _asked_at: float | None = None
    _found: dict[str, str] = field(default_factory=dict)

    def look(self) -> dict[str, str]:
        """Return what each check found: ``ok``, or what is wrong."""
        with self._guard:
            if self._asked_at is None or self.clock() - self._asked_at > self.keep_s:
                self._found = {name: self._ask(name, check) for name, check in self.checks.items()}
                self._asked_at = self.clock()
            return dict(self._found)

    def _ask(self, name: str, check: Check) -> str:
        try:
            return check() or "ok"
        except Exception as error:
            log.warning("A readiness check failed", check=name, error=type(error).__name__)
            return f"failed ({type(error).__name__})"  # the address or worse may stand in its message
