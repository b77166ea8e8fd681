"""The product's Celery application with the tests' small time constants: ``celery -A tests.quick_app``.

Nothing else differs. The numbers come from ``WORLD_NUMBERS``, as in the crash suite.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace

from sync_workers import runtime
from sync_workers.fleet.app import app

__all__ = ["app"]

_open = runtime.open_runtime


def _open_quickly(environ: Mapping[str, str] | None = None, *, pool_size: int = 10) -> runtime.Runtime:
    return replace(_open(environ, pool_size=pool_size), **json.loads(os.environ.get("WORLD_NUMBERS", "{}")))


runtime.open_runtime = _open_quickly
