"""What the server has (for contracts) and what a person must still set up there (for ``doctor``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sync_workers.connectors.contract import FieldType, Finding
from sync_workers.connectors.tryton import holds, lines, progress
from sync_workers.connectors.tryton.lookups import Lookups
from sync_workers.connectors.tryton.records import Kind
from sync_workers.connectors.tryton.session import Deadline, Session
from sync_workers.errors import SyncError

SERIES = "8.2"
MODULES = {
    "customer": ("party", "sale", "stock", "account_invoice"),
    "part": ("product",),
    "stock": ("stock",),
    "order": ("sale", "stock", "account_invoice"),
    "shipment": ("sale", "stock"),
    "invoice": ("sale", "stock", "account_invoice", "account_invoice_stock"),
    "credit_note": ("sale", "stock", "account_invoice", "account_invoice_stock"),
}
_BILLS: Mapping[str, tuple[str, ...]] = {
    "account.invoice.line": ("read",),
    "account.move": ("read",),
    "account.move.line": ("read",),
    "stock.move": ("read",),
    "stock.shipment.out": ("read",),
    "stock.shipment.out.return": ("read",),
    "sale.sale": ("read",),
    "sale.line": ("read",),
}
_PERIODS: Mapping[str, tuple[str, ...]] = {"account.period": ("read",), "account.journal.period": ("read",)}
RIGHTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "customer": {
        "party.party": ("read", "create", "write"),
        "party.address": ("read", "create", "write"),
        "party.contact_mechanism": ("read", "create", "write"),
        "party.identifier": ("read", "create", "write"),
        "party.category": ("read",),
        "sale.sale": ("read",),
        "stock.shipment.out": ("read",),
        "account.invoice": ("read",),
    },
    "part": {"product.product": ("read",), "product.template": ("read",), "product.uom": ("read",)},
    "stock": {"product.product": ("read",), "stock.move": ("read",), "stock.location": ("read",)},
    "order": {
        "sale.sale": ("read", "create", "write"),
        "sale.line": ("read", "create", "write", "delete"),
        "party.party": ("read",),
        "party.address": ("read",),
        "party.category": ("read",),
        "product.product": ("read",),
        "stock.move": ("read", "write"),
        "stock.shipment.out": ("read", "write"),
        "account.invoice": ("read", "write"),
        "account.tax": ("read",),
        "account.configuration": ("read",),
        "currency.currency": ("read",),
    },
    "shipment": {
        "stock.shipment.out": ("read",),
        "stock.move": ("read",),
        "sale.sale": ("read",),
        "sale.line": ("read",),
    },
    "invoice": {**_BILLS, "account.invoice": ("read", "write"), **_PERIODS},
    "credit_note": {**_BILLS, "account.invoice": ("read",)},
}
_UNIQUE = {("customer", "code"), ("part", "code")}
_DERIVED = {
    "order": {**holds.DERIVED, **progress.DERIVED, **lines.DERIVED},
    "invoice": {"post_asked": FieldType("boolean", read_only=True)},
    "credit_note": {"post_asked": FieldType("boolean", read_only=True)},
}
_OPTIONAL = {("customer", path) for path in ("email", "phone", "tax_id", "contacts.email", "contacts.phone")}
"""Required in the row that holds them, which is not there without them."""


def describe(session: Session, kind: Kind, within: Deadline) -> dict[str, FieldType]:
    """Return the kind's native paths that this server has, with the server's own types."""
    wanted: dict[str, set[str]] = {}
    for place in kind.places.values():
        wanted.setdefault(place.model, set()).add(place.field)
    models = {model: session.ask_fields(model, within, sorted(names)) for model, names in wanted.items()}
    number = FieldType("integer", read_only=True, unique=True)
    nested = {path.rpartition(".")[0] for path in kind.places if "." in path} & set(kind.places)
    found = {"id": number, **{f"{path}.id": number for path in nested}, **_DERIVED.get(kind.name, {})}
    for path, place in kind.places.items():
        field = models[place.model].get(place.field)
        if field is not None:
            found[path] = FieldType(
                type=field["type"],
                required=bool(field.get("required")) and (kind.name, path) not in _OPTIONAL,
                read_only=bool(field.get("readonly")),
                unique=(kind.name, path) in _UNIQUE,
                choices=place.words or _choices(field),
            )
    return found


def _choices(field: Mapping[str, Any]) -> tuple[str, ...]:
    selection = field.get("selection")
    if not isinstance(selection, list):  # a method's name when the choices depend on the record
        return ()
    return tuple(str(one[0]) for one in selection if one[0] is not None)


class Examination:
    """Looks at one server, finding by finding; what fails early ends it, for the rest would say the same."""

    def __init__(
        self,
        session: Session,
        lookups: Lookups,
        warehouse: str | None,
        stocked: Sequence[str | None],
        hold_category: str,
    ) -> None:
        """``warehouse`` is what orders ship from, ``stocked`` those whose stock is shown."""
        self._session = session
        self._lookups = lookups
        self._warehouses = {"order": (warehouse,), "stock": tuple(stocked)}
        self._hold_category = hold_category

    def run(self, used: Mapping[Kind, Sequence[str]]) -> list[Finding]:
        """Return the findings for the kinds and native paths in use."""
        within = Deadline(60)
        findings: list[Finding] = []
        try:
            findings.append(self._server(within))
            context = self._session.login(within).context
            findings.append(
                Finding(f"Tryton: logged in as {self._session.user} in company {context['company']}", True)
            )
            findings += self._modules([kind.name for kind in used], within)
            findings += self._rights([kind.name for kind in used], within)
            houses = [name for kind in used for name in self._warehouses.get(kind.name, ())]
            findings += [self._house(name, within) for name in dict.fromkeys(houses)]
            if {"customer", "order"} & {kind.name for kind in used}:
                findings.append(self._category(within))
            if "order" in {kind.name for kind in used}:
                findings.append(self._reopening(within))
            for kind, paths in used.items():
                findings += self._fields(kind, paths, within)
                findings += kind.findings(within)
        except SyncError as error:
            findings.append(Finding(f"Tryton: {error.message}", False, error.mend or "see the server's log"))
        return findings

    def _server(self, within: Deadline) -> Finding:
        version = self._session.server_version(within)
        return Finding(
            f"Tryton: server of series {version}",
            version == SERIES,
            ""
            if version == SERIES
            else f"this connector was proven on {SERIES}: run its integration tests on {version} first",
        )

    def _modules(self, kinds: Sequence[str], within: Deadline) -> list[Finding]:
        wanted = sorted({module for kind in kinds for module in MODULES[kind]})
        rows = self._session.search_read(
            "ir.module", [["name", "in", wanted], ["state", "=", "activated"]], ["name"], within=within
        )
        active = {row["name"] for row in rows}
        return [
            Finding(
                f"Tryton: module {module}",
                module in active,
                "" if module in active else f"an administrator activates {module}: Administration, Modules",
            )
            for module in wanted
        ]

    def _rights(self, kinds: Sequence[str], within: Deadline) -> list[Finding]:
        needed: dict[str, set[str]] = {}
        for kind in kinds:
            for model, rights in RIGHTS[kind].items():
                needed.setdefault(model, set()).update(rights)
        access = self._session.call("model.ir.model.access.get_access", sorted(needed), within=within)
        findings = []
        for model, wanted in sorted(needed.items()):
            missing = sorted(right for right in wanted if not access[model][right])
            findings.append(
                Finding(
                    f"Tryton: {self._session.user} may {', '.join(sorted(wanted))} {model}",
                    not missing,
                    f"give the user a group that may {', '.join(missing)} it: Administration, Users"
                    if missing
                    else "",
                )
            )
        return findings

    def _house(self, name: str | None, within: Deadline) -> Finding:
        try:
            house = self._lookups.warehouse(name, within)
        except SyncError as error:
            return Finding(f"Tryton: {error.message}", False, error.mend)
        return Finding(f"Tryton: warehouse {house['name']}", True)

    def _category(self, within: Deadline) -> Finding:
        named = [["name", "=", self._hold_category]]
        found = self._session.search_read("party.category", named, ["id"], within=within)
        return Finding(
            f"Tryton: party category {self._hold_category!r} for customers on hold",
            bool(found),
            "" if found else "add it (Party, Categories), or set hold_category of this system to yours",
        )

    def _reopening(self, within: Deadline) -> Finding:
        field = self._session.ask_fields("sale.line", within, ["moves_ignored"])["moves_ignored"]
        may = not field["readonly"]
        return Finding(
            f"Tryton: {self._session.user} may take up again an order that was taken back",
            may,
            "" if may else "give the user the group Sales Administrator: Administration, Users",
        )

    def _fields(self, kind: Kind, paths: Sequence[str], within: Deadline) -> list[Finding]:
        known = describe(self._session, kind, within)
        known_to_us = set(kind.places) | set(known)
        findings = []
        for path in sorted(set(paths)):
            there = path in known or any(name.startswith(f"{path}.") for name in known)
            mend = (
                "activate the module that adds it" if path in known_to_us else "correct the path in the sheet"
            )
            findings.append(Finding(f"Tryton: {kind.name} has {path}", there, "" if there else mend))
        return findings
