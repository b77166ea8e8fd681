"""What of a sheet does not fit together, though each word of it may stand there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sync_workers.domain.checks import CHECKS, LINES
from sync_workers.domain.mapping import DERIVED, OWNER_WORDS, PREFER_WORDS, SHARED, Check, FieldRule, Sheet
from sync_workers.domain.registry import DERIVATIONS


def faults_of_field(rule: FieldRule) -> Iterator[tuple[str, str]]:
    """Yield the key that is wrong and why."""
    if rule.owner == SHARED and not rule.prefer:
        yield "prefer", "a shared field must say which side wins: a system, newest or ask"
    if rule.owner != SHARED and rule.prefer:
        yield "prefer", 'means something only where owner = "shared"'
    if rule.prefer and rule.prefer not in (*PREFER_WORDS, *rule.places):
        yield "prefer", f"{rule.prefer!r} is neither newest, ask nor a system of this field"
    if rule.owner and rule.owner not in (*OWNER_WORDS, *rule.places):
        yield "owner", f"{rule.owner!r} has no place for this field"
    if rule.owner == DERIVED and (rule.by not in DERIVATIONS or not rule.sources):
        yield "by", f"a derived field needs from = [fields] and by = one of {', '.join(DERIVATIONS)}"
    if rule.owner != DERIVED and (rule.by or rule.sources):
        yield "by", 'means something only where owner = "derived"'


def faults_of_sheet(sheet: Sheet) -> Iterator[tuple[str, str, str]]:
    """Yield where in the sheet, the key that is wrong, and why."""
    names = [rule.name for rule in sheet.rules]
    for rows in sheet.lists:
        yield from _twice([rule.name for rule in rows.fields], f"list {rows.name!r}")
    yield from _twice(names, "")
    used = [("natural_keys", name) for name in sheet.natural_keys]
    used += [(f"field {rule.name!r}: from", name) for rule in sheet.fields for name in rule.sources]
    used += [("created_when", sheet.created_when.field)] if sheet.created_when else []
    used += [("worth", sheet.worth)] if sheet.worth else []
    for step in sheet.steps:
        conditions = (*step.when, *step.needs, *step.was)
        used += [(f"step {step.name!r}", condition.field) for condition in conditions]
    locks = [(rule.name, condition.field) for rule in sheet.rules for condition in rule.locked_when]
    used += [(f"{name!r}: locked_when", field) for name, field in locks]
    for where, name in used:
        if name not in names:
            yield where, name, "the sheet has no such field"
    for check in sheet.checks:
        yield from _faults_of_check(sheet, check)
    for name, field in locks:
        if sheet.rule(field).owner in ("", *OWNER_WORDS):
            yield f"{name!r}: locked_when", field, "must be a field that one system owns"


def _faults_of_check(sheet: Sheet, check: Check) -> Iterator[tuple[str, str, str]]:
    """A check that finds no figure to compare would pass everything."""
    kind, names = CHECKS[check.name], {rule.name for rule in sheet.fields}
    items = {rule.name for rows in sheet.lists if rows.name == LINES for rule in rows.fields}
    steps = {step.name for step in sheet.steps}
    for step in check.before:
        if step not in steps:
            yield f"check {check.name!r}", "before", f"the sheet has no step {step!r}"
    lacking = [name for name in kind.fields if name not in names]
    lacking += [f"{LINES}.{name}" for name in kind.items if name not in items]
    if lacking:
        yield f"check {check.name!r}", "", f"needs the fields {', '.join(lacking)}"


def _twice(names: Sequence[str], where: str) -> Iterator[tuple[str, str, str]]:
    for name in names:
        if names.count(name) > 1:
            yield where, name, "two rules for one field"
