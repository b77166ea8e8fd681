"""The product's Celery application with the tests' small time constants: ``celery -A tests.quick_app``.

Nothing else differs. The numbers come from ``WORLD_NUMBERS``, as in the crash suite. ``WORLD_DEFECT`` names a
customer for whom the engine has a defect, one that says in its own words what it could not take.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sync_workers import runtime
from sync_workers.engine import planning
from sync_workers.fleet.app import app

__all__ = ["app"]

_open = runtime.open_runtime


def _open_quickly(environ: Mapping[str, str] | None = None, **given: Any) -> runtime.Runtime:
    return replace(_open(environ, **given), **json.loads(os.environ.get("WORLD_NUMBERS", "{}")))


runtime.open_runtime = _open_quickly

_merge = planning.merge


def _merge_but_for_one(sheet: Any, views: Mapping[str, Any], *given: Any, **named: Any) -> Any:
    for view in views.values():
        if (view.values or {}).get("name") == os.environ["WORLD_DEFECT"]:
            raise ValueError(f"cannot merge {view.values['name']!r}")
    return _merge(sheet, views, *given, **named)


if os.environ.get("WORLD_DEFECT"):
    planning.merge = _merge_but_for_one
