"""The server's own wizards, run as its desktop client does: create, execute a state, delete.

Source: trytond 8.2, ``trytond/wizard/wizard.py`` (``create``, ``execute``, ``delete``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sync_workers.connectors.tryton.session import Deadline, Row, Session


def run_wizard(
    session: Session, name: str, model: str, record: int, state: str, data: Mapping[str, Row], within: Deadline
) -> None:
    """Run ``state`` of a wizard on one record. ``data`` is what a person would fill in, by view."""
    context = {"active_model": model, "active_id": record, "active_ids": [record]}
    number, *_ = _call(session, name, "create", within, context)
    try:
        _call(session, name, "execute", within, context, number, dict(data), state)
    finally:
        _call(session, name, "delete", within, context, number)


def ask_wizard(session: Session, name: str, model: str, record: int, within: Deadline) -> Row:
    """Return what a wizard's first view is filled with for one record."""
    context = {"active_model": model, "active_id": record, "active_ids": [record]}
    number, start, _ = _call(session, name, "create", within, context)
    try:
        answer = _call(session, name, "execute", within, context, number, {}, start)
    finally:
        _call(session, name, "delete", within, context, number)
    defaults: Row = answer["view"]["defaults"]
    return defaults


def _call(
    session: Session, name: str, verb: str, within: Deadline, context: Mapping[str, Any], *params: Any
) -> Any:
    return session.call(f"wizard.{name}.{verb}", *params, within=within, context=context, writes=True)
