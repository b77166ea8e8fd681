"""``sync-workers demo``: a working day on a real ERP and a simulated CRM, and the accounts afterwards.

``stage`` puts everything up, ``working_day`` is the story, ``books`` counts both systems when it is over,
``live`` shows it. Nothing here is used by the product.
"""

from __future__ import annotations

from sync_workers.commands.demo.command import demo

__all__ = ["demo"]
