"""A HubSpot account to test against: real paths, payloads, limits, signatures and webhooks.

``start()`` runs it in threads of this process; ``python -m sync_workers.sandbox.hubspot`` runs
it on its own. Nothing here is used by the product itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sync_workers.sandbox.hubspot.account import Account
from sync_workers.sandbox.hubspot.server import Listener, Simulator
from sync_workers.sandbox.hubspot.settings import Settings

__all__ = ["Account", "Settings", "Simulator", "start"]


def start(*, host: str = "127.0.0.1", port: int = 0, state: Path | None = None, **settings: Any) -> Simulator:
    """Start a simulator and return it; port 0 takes a free one, ``settings`` are those of ``Settings``.

    With ``state`` the account is loaded from that file if it exists, and saved to it every
    second while it changes and once more on ``stop()``.
    """
    account = Account(Settings(**settings))
    if state is not None and state.exists():
        account.load(json.loads(state.read_text(encoding="utf-8")))
    simulator = Simulator(account, Listener((host, port), account), state)
    simulator.start()
    return simulator
