"""Links to a record that a person archived or deleted in one system: it cannot show them, and nothing waits for that.

The record itself is held until somebody restores it (protocol G8). What hangs on it goes on: a company that is
gone from the CRM still gets its parcels and invoices, and its deals still say so. Pure; the ledger knows who is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from sync_workers.domain.mapping import FieldRule, Sheet
from sync_workers.domain.records import View

IsGone = Callable[[str, str], bool]
"""Whether a record, by its number in the ledger, is gone from a system."""


def overlook(
    sheet: Sheet, views: Mapping[str, View], known_in: Collection[str], is_gone: IsGone
) -> tuple[dict[str, View], set[str]]:
    """Let a blank link count for the one that it cannot be; return the views, and what a create must leave out.

    ``known_in`` are the systems in which the record has a counterpart. ``is_gone`` is asked only of links that
    one system shows and another does not.
    """
    found, left_out = dict(views), set()
    for rule in sheet.pointers:
        record = _said(rule, views)
        for system in rule.places if record else ():
            view = found.get(system)
            if view is None or view.values is None:
                if system not in known_in and is_gone(record, system):
                    left_out.add(rule.name)
            elif view.values.get(rule.name) is None and is_gone(record, system):
                found[system] = replace(view, values={**view.values, rule.name: record})
    return found, left_out


def _said(rule: FieldRule, views: Mapping[str, View]) -> str:
    """Return the record to which all who show this link point; blank when nobody does, or they differ."""
    said = {str(value) for system in rule.places
            if (view := views.get(system)) and view.values and (value := view.values.get(rule.name)) is not None}
    return said.pop() if len(said) == 1 else ""
