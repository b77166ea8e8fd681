"""A sheet as the page that finance and sales sign: ``mapping docs``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sync_workers.domain.counts import Counted
from sync_workers.domain.mapping import DERIVED, LEAVE, Condition, FieldRule, ListRule, Place, Sheet


def page(sheet: Sheet) -> str:
    """Return the sheet as reStructuredText for the people who sign it."""
    title = f"{sheet.title or sheet.kind.replace('_', ' ').capitalize()}, version {sheet.version}"
    lines = [title, "=" * len(title), "", *_birth(sheet), ""]
    lines += _table(sheet.systems, sheet.fields)
    for rows in sheet.lists:
        heading = rows.name.replace("_", " ").capitalize()
        who = f"{_who(rows)}{_limits(rows)}"
        lines += [heading, "-" * len(heading), "", f"{_sentence(rows.why)}. Who decides: {who}.", ""]
        lines += _table(sheet.systems, rows.fields)
    if sheet.steps:
        lines += ["Steps", "-----", ""]
        for step in sheet.steps:
            was = [f"{one.field} was {_words(one.values)}" for one in step.was]
            when = " and ".join([_all_of((*step.when, *step.needs)), *was])
            lines += [f"- **{step.name}** in {step.system} when {when}: {step.why}."]
        lines += [""]
    if sheet.checks:
        lines += ["Checks", "------", ""]
        for check in sheet.checks:
            options = "".join(f", {name.replace('_', ' ')} {value}" for name, value in check.options.items())
            place = f"before {' and '.join(check.before)} in {check.system}"
            lines += [f"- **{check.name}** against {check.quoted_by} {place}{options}: {check.why}."]
        lines += [""]
    return "\n".join(lines)


def _birth(sheet: Sheet) -> Iterator[str]:
    if sheet.extends:
        yield f"Part of each {sheet.extends}: it lives where the {sheet.extends} lives."
        return
    born = " or ".join(sheet.created_by)
    when = sheet.created_when
    only = f", once {when.field} is {_words(when.values)}" if when else ""
    yield f"A new one may come from {born}{only}; it is then created in the other systems."
    if sheet.natural_keys:
        keys = ", ".join(key.replace("_", " ") for key in sheet.natural_keys)
        yield f"Before that, the other systems are searched for one with the same {keys}."
    for system, name in sorted(sheet.objects.items()):
        yield f"In {system} it lives in ``{name}``."
    places = ", ".join(f"``{path}`` of {system}" for system, path in sorted(sheet.reference.items()) if path)
    if places:
        yield f"Our own reference, by which it is found again, stands in {places}."


def _table(systems: tuple[str, ...], rules: Iterable[FieldRule]) -> list[str]:
    rows = [["Field", "Who decides", "Why", *systems]]
    for rule in rules:
        seen = [_seen(rule.places.get(system)) for system in systems]
        rows.append([rule.name.replace("_", " "), f"{_who(rule)}{_limits(rule)}", _sentence(rule.why), *seen])
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        lines += [f"   {'* -' if at == 0 else '  -'} {cell}".rstrip() for at, cell in enumerate(row)]
    return [*lines, ""]


def _who(rule: FieldRule | ListRule) -> str:
    words = {
        "origin": "the system it was born in",
        "once": "copied once, then each system keeps its own",
        "": "nobody yet",
    }
    if isinstance(rule, FieldRule) and rule.owner == DERIVED:
        return f"computed ({rule.by}) from {', '.join(rule.sources)}"
    if rule.owner == "shared":
        prefer = rule.prefer if isinstance(rule, FieldRule) else ""
        last = {"ask": "a person decides", "newest": "the newest wins", "": "both keep what was added"}
        return f"whoever changed it last; if both did, {last.get(prefer, f'{prefer} wins')}"
    who = words.get(rule.owner, rule.owner)
    return f"{who}; also filled when born elsewhere" if isinstance(rule, FieldRule) and rule.at_birth else who


def _limits(rule: FieldRule | ListRule) -> str:
    """Say when the rule stops: a blank that says nothing, a state after which nothing may change."""
    blank = isinstance(rule, FieldRule) and rule.when_blank == LEAVE
    return ("; a blank leaves the others alone" if blank else "") + (
        f"; locked when {_all_of(rule.locked_when)}" if rule.locked_when else ""
    )


def _all_of(conditions: Iterable[Condition]) -> str:
    return " and ".join(f"{one.field} is {_words(one.values)}" for one in conditions)


def _seen(place: Place | None) -> str:
    if place is None:
        return ""
    notes = [] if place.as_name == "text" else [place.as_name.replace("_", " ")]
    notes += [f"{native} = {canonical}" for native, canonical in getattr(place.converter, "entries", ())]
    if isinstance(place.converter, Counted):
        notes.append(f"counted in {place.converter.unit}, {place.converter.holds} each")
    notes += ["only read"] if place.read_only else []
    notes += ["told in a note, too"] if place.noted else []
    return f"``{place.path}``" + (f" ({', '.join(notes)})" if notes else "")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _words(values: Iterable[object]) -> str:
    return " or ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in values)
