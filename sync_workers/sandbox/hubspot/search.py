"""The search API: filters, sorts and paging over a copy of the records that lags behind.

Archived records are never found, and no page reaches past 10,000 results.
Source: developers.hubspot.com, "CRM search": operators, limits, and the rule that IN and
NOT_IN want lower-case values on string properties.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from sync_workers.sandbox.hubspot import views
from sync_workers.sandbox.hubspot.catalogue import ObjectType
from sync_workers.sandbox.hubspot.record import Record
from sync_workers.sandbox.hubspot.values import instant_ms
from sync_workers.sandbox.hubspot.wire import Json, Reply, Request, invalid

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account

MAX_BODY = 3_000
MAX_PAGE = 200
MAX_RESULTS = 10_000
MAX_GROUPS, MAX_FILTERS, MAX_IN_ALL = 5, 6, 18
Values = dict[str, str]
Comparable = Decimal | str


def search(account: Account, request: Request, kind_name: str) -> Reply:
    kind = account.types.find(kind_name)
    if len(request.body) > MAX_BODY:
        raise invalid(f"The request body is too large: at most {MAX_BODY} characters")
    body = request.json()
    limit, after = _integer(body, "limit", 10), _integer(body, "after", 0)
    if not 1 <= limit <= MAX_PAGE:
        raise invalid(f"limit must be between 1 and {MAX_PAGE}, not {limit}")
    if after + limit > MAX_RESULTS:
        raise invalid(
            f"The paging limit of {MAX_RESULTS} results has been exceeded: after {after}, limit {limit}"
        )
    groups = _groups(account, kind, body.get("filterGroups") or [])
    query = str(body.get("query") or "").lower()
    found = [
        (record, values)
        for record in account.records.live(kind.type_id)
        if (values := _seen(account, record)) is not None
        and (not groups or any(all(test(record, values) for test in group) for group in groups))
        and all(
            any(word in values.get(name, "").lower() for name in kind.searchable) for word in query.split()
        )
    ]
    _sort(account, kind, found, body.get("sorts") or [])
    names = body.get("properties") or []
    page = [
        views.show(account, kind, record, names, values=values)
        for record, values in found[after : after + limit]
    ]
    answer: Json = {"total": len(found), "results": page}
    if after + limit < len(found):
        answer["paging"] = {"next": {"after": str(after + limit)}}
    return Reply(200, answer)


def _seen(account: Account, record: Record) -> Values | None:
    """Return the record as the index has it by now, None before its first appearance."""
    now = account.now_ms()
    for visible_ms, values in reversed(record.indexed):
        if visible_ms <= now:
            return values
    return None


def _integer(body: Json, name: str, default: int) -> int:
    try:
        return int(body.get(name) or default)
    except (TypeError, ValueError):
        raise invalid(f"Invalid input JSON: {name} must be an integer") from None


Test = Callable[[Record, Values], bool]


def _groups(account: Account, kind: ObjectType, groups: list[Json]) -> list[list[Test]]:
    counts = [len(group.get("filters") or []) for group in groups]
    if len(groups) > MAX_GROUPS or any(n > MAX_FILTERS for n in counts) or sum(counts) > MAX_IN_ALL:
        raise invalid(
            f"Too many filters: at most {MAX_GROUPS} groups of {MAX_FILTERS} filters, {MAX_IN_ALL} in all"
        )
    return [[_filter(account, kind, each) for each in group.get("filters") or []] for group in groups]


def _filter(account: Account, kind: ObjectType, given: Json) -> Test:
    name, operator = str(given.get("propertyName")), str(given.get("operator"))
    if name.startswith("associations."):
        return _linked_to(account, name.removeprefix("associations."), operator, given)
    prop = account.definitions.get(kind.type_id, name)
    if prop is None:
        raise invalid(f'Property "{name}" does not exist: invalid filter in the search request')
    check = _operator(operator, prop.type, given)
    return lambda record, values: check(values.get(name, ""))


def _linked_to(account: Account, target_name: str, operator: str, given: Json) -> Test:
    target = account.types.find(target_name)
    wanted = {str(each) for each in (given.get("values") or [given.get("value")])}
    if operator not in ("EQ", "IN"):
        raise invalid(f"Operator {operator} is not supported on associations")
    return lambda record, _: any(other in wanted for other, _ in account.associations.of(record, target))


def _operator(operator: str, kind: str, given: Json) -> Callable[[str], bool]:
    """Build the test of one value text; a missing value is ""."""
    if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        return lambda text: bool(text) == (operator == "HAS_PROPERTY")
    if operator in ("IN", "NOT_IN"):
        values = given.get("values")
        if not isinstance(values, list) or not values:
            raise invalid(f"values must be set for the {operator} operator")
        wanted = {str(each) if kind == "string" else _key(kind, str(each)) for each in values}
        return lambda text: (bool(text) and _key(kind, text) in wanted) == (operator == "IN")
    if given.get("value") is None:
        raise invalid(f"value must be set for the {operator} operator")
    value = str(given["value"])
    if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
        return lambda text: _has_token(text, value) == (operator == "CONTAINS_TOKEN")
    bound = _key(kind, value)
    if operator == "BETWEEN":
        if given.get("highValue") is None:
            raise invalid("highValue must be set for the BETWEEN operator")
        high = _key(kind, str(given["highValue"]))
        return lambda text: (
            bool(text) and _compare(_key(kind, text), bound) >= 0 >= _compare(_key(kind, text), high)
        )
    signs = {"EQ": (0,), "LT": (-1,), "LTE": (-1, 0), "GT": (1,), "GTE": (0, 1)}
    if operator == "NEQ":
        return lambda text: not text or _key(kind, text) != bound
    if operator not in signs:
        raise invalid(f"Unknown operator {operator!r}")
    return lambda text: bool(text) and _compare(_key(kind, text), bound) in signs[operator]


def _key(kind: str, text: str) -> Comparable:
    """Return what a value compares by: numbers and instants by size, text without regard to case."""
    try:
        if kind == "number":
            return Decimal(text)
        if kind in ("datetime", "date"):
            return Decimal(instant_ms(text))
    except (InvalidOperation, ValueError):
        raise invalid(f"{text!r} is not a valid {kind} for a filter") from None
    return text.lower()


def _compare(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def _has_token(text: str, pattern: str) -> bool:
    """Match whole tokens; * is a wildcard. An e-mail address or a SKU counts as a token of its own, too."""
    lowered = text.lower()
    tokens = {*re.split(r"[^\w]+", lowered), *lowered.split(), lowered}
    wanted = pattern.lower().split()
    return bool(lowered) and all(
        any(fnmatchcase(token, word) for token in tokens if token) for word in wanted
    )


def _sort(account: Account, kind: ObjectType, found: list[tuple[Record, Values]], sorts: list[Any]) -> None:
    """Sort in place by the one sort given, or by creation; the id settles equal values."""
    if len(sorts) > 1:
        raise invalid("Only one sort is supported")
    name, descending = kind.created, False
    if sorts and isinstance(sorts[0], dict):
        name, descending = str(sorts[0].get("propertyName")), sorts[0].get("direction") == "DESCENDING"
    elif sorts:
        name, descending = str(sorts[0]).lstrip("-"), str(sorts[0]).startswith("-")
    prop = account.definitions.get(kind.type_id, name)
    if prop is None:
        raise invalid(f'Property "{name}" does not exist: invalid sort in the search request')
    found.sort(key=lambda row: int(row[0].id))
    known = [row for row in found if row[1].get(name)]
    unknown = [row for row in found if not row[1].get(name)]
    known.sort(key=lambda row: _key(prop.type, row[1][name]), reverse=descending)
    found[:] = known + unknown
