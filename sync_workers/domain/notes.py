"""What the people of a system are told in a note beside a write: what was put back, and what has come about.

Pure. A connector leaves the note, once however often the write is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sync_workers.domain.mapping import Sheet
from sync_workers.domain.records import Change, Overrule, Value


def note_of(sheet: Sheet, system: str, changes: Mapping[str, Change], overrules: Sequence[Overrule]) -> str:
    """Return what a write of ``changes`` into ``system`` says there, and of what was put back; '' for nothing."""
    late = [one for one in overrules if one.system == system and one.locked]
    return "\n".join(text for text in (_remark(late), *_news(sheet, system, changes)) if text)


def _news(sheet: Sheet, system: str, changes: Mapping[str, Change]) -> list[str]:
    """Tell the lines that are new in each field whose place says ``note = true``: one line per parcel, say."""
    told = []
    for rule in sheet.fields:
        place = rule.places.get(system)
        if place is None or not place.noted or rule.name not in changes:
            continue
        change = changes[rule.name]
        known = set(_lines(change.before))
        told += [f"{_named(rule.name).capitalize()}: {line}" for line in _lines(change.after) if line not in known]
    return told


def _lines(value: Value) -> list[str]:
    return [] if value is None else _worded(value).splitlines()


def _remark(overrules: Sequence[Overrule]) -> str:
    """Tell the person whose change came too late what was put back, and what would still help; '' for nothing."""
    if not overrules:
        return ""
    lines = [
        f"{_named(one.field)}: {_worded(one.lost)} was put back to {_worded(one.won)} ({one.rule} in {one.winner})."
        for one in overrules
    ]
    keepers = " or ".join(dict.fromkeys(one.winner for one in overrules))
    return "\n".join(
        [
            "This change came too late and was taken back:",
            *lines,
            f"If it is needed all the same, ask for it in {keepers}.",
        ]
    )


def _named(field: str) -> str:
    return field.replace("_", " ")


def _worded(value: Value) -> str:
    if value is None or value == {}:
        return "nothing"
    if isinstance(value, dict):
        items = [", ".join(f"{_named(name)} {_worded(one)}" for name, one in item.items()) for item in value.values()]
        return "; ".join(items)
    return f"{value:f}" if hasattr(value, "as_tuple") else str(value)
