"""Customers: ``party.party`` with its addresses, contacts, tax identifier, terms and standing.

Our reference is the party's ``code``, which the database keeps unique (trytond modules ``party`` 8.2,
``party.py``: ``code_uniq``): a second create is refused, so this kind is variant T1. Credit limit,
terms and price list are values per company and need rights of their own to be written.

Everybody whom Tryton knows is a party. Its own companies and their employees are told apart by the
models that point to them (module ``company`` 8.2, ``company.py``); suppliers and the like by the
categories that ``not_customers`` names, since the party itself does not say what it is. A customer on
hold is one in the category that ``hold_category`` names: Tryton has no such mark of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sync_workers.connectors.contract import Fields, ListChange, Native, NativeWrite, Traits, Variant
from sync_workers.connectors.tryton import addresses, contacts
from sync_workers.connectors.tryton.addresses import Addresses
from sync_workers.connectors.tryton.codec import flatten, get
from sync_workers.connectors.tryton.errors import BusinessError
from sync_workers.connectors.tryton.lookups import Lookups
from sync_workers.connectors.tryton.records import Kind, Place, Table
from sync_workers.connectors.tryton.session import Deadline, Row, Session
from sync_workers.connectors.tryton.versions import version_showing
from sync_workers.errors import Exists, PermanentError, SyncError, Unsure

BUSY_AFTER = timedelta(seconds=120)
"""trytond 8.2 gives ``request.timeout`` (60 s) to reads alone (``trytond/model/modelstorage.py``,
``__setup__``); create, write and buttons run as long as they take. Ours take under a second; two
minutes cover a server that waits for locks and repeats five times (``database.retry``)."""

HOLD_CATEGORY = "On hold"

_PLAIN = {"code": "code", "name": "name", "active": "active", "credit_limit": "credit_limit_amount"}
_NAMED = {
    "payment_term": ("customer_payment_term", "account.invoice.payment_term"),
    "price_list": ("sale_price_list", "product.price_list"),
}
_SHOWN = {"open_balance": "credit_amount", "tax_rule": "customer_tax_rule", "hold": "categories"}
_NESTED = ("addresses", "contact_mechanisms", "identifiers")


class Parties(Kind):
    """Reads and writes customers."""

    name = "customer"
    model = "party.party"
    traits = Traits(variant=Variant.T1, busy_after=BUSY_AFTER, preconditions=True, unites=True)
    asked = (
        "code",
        "name",
        "active",
        "_timestamp",
        "last_modified_at",
        "replaced_by",
        "credit_limit_amount",
        "credit_amount",
        "customer_payment_term.name",
        "customer_tax_rule.name",
        "customer_currency.code",
        "sale_price_list.name",
        "categories.name",
        "identifiers.code",
        "identifiers.active",
        "identifiers._timestamp",
        *contacts.ASKED,
        *addresses.ASKED,
    )
    # Orders and invoices move the open balance, and stamp their own rows alone.
    tables = (
        Table("party.party"),
        Table("party.address", "party"),
        Table("party.contact_mechanism", "party"),
        Table("party.identifier", "party"),
        Table("sale.sale", "party"),
        Table("account.invoice", "party"),
    )
    children = {
        "addresses": "party.address",
        "contact_mechanisms": "party.contact_mechanism",
        "identifiers": "party.identifier",
    }
    places = {
        **{path: Place("party.party", field) for path, field in (_PLAIN | _SHOWN).items()},
        **{path: Place("party.party", field) for path, (field, _) in _NAMED.items()},
        "currency.code": Place("party.party", "customer_currency"),
        "replaced_by": Place("party.party", "replaced_by"),
        "tax_id": Place("party.identifier", "code"),
        **addresses.PLACES,
        **contacts.PLACES,
    }
    searched = {
        "id": "id",
        "code": "code",
        "name": "name",
        "tax_id": "identifiers.code",
        "email": "contact_mechanisms.value",
        "phone": "contact_mechanisms.value",
    }

    def __init__(
        self,
        session: Session,
        lookups: Lookups,
        not_customers: Sequence[str] = (),
        hold_category: str = HOLD_CATEGORY,
    ) -> None:
        super().__init__(session)
        self.lookups = lookups
        self.hold_category = hold_category
        self._addresses = Addresses(session, lookups)
        self._not_customers = [str(name) for name in not_customers]

    def left_out(self, within: Deadline) -> frozenset[int]:
        """Return the companies themselves, their employees, and whoever is in a category left out."""
        found: set[int] = set()
        for model in ("company.company", "company.employee"):
            found |= {row["party"] for row in self.session.search_read(model, [], ["party"], within=within)}
        if self._not_customers:
            domain = [["categories.name", "in", self._not_customers]]
            found |= set(self.session.call(f"model.{self.model}.search", domain, 0, None, None, within=within))
        return frozenset(found)

    def find(self, path: str, value: str, within: Deadline) -> list[Native]:
        """Return the customers that show ``value``: what only a contact of theirs has is not theirs."""
        found = super().find(path, value, within)
        return [one for one in found if one.fields[path] == value] if path in ("email", "phone") else found

    def native(self, row: Row) -> Native:
        replaced_by = row["replaced_by"]
        fields: Fields = {
            "id": str(row["id"]),
            "code": row["code"],
            "name": row["name"],
            "active": row["active"],
            "replaced_by": str(replaced_by) if replaced_by else None,
            "email": get(contacts.main(row, "email"), "value"),
            "phone": get(contacts.main(row, "phone"), "value"),
            "tax_id": get(_first_identifier(row), "code"),
            "currency": {"code": get(row, "customer_currency", "code")},
            "credit_limit": row.get("credit_limit_amount"),
            "open_balance": row.get("credit_amount"),
            "payment_term": get(row, "customer_payment_term", "name"),
            "price_list": get(row, "sale_price_list", "name"),
            "tax_rule": get(row, "customer_tax_rule", "name"),
            "hold": is_on_hold(row, self.hold_category),
            "addresses": addresses.shaped(row, self.session.system),
            "contacts": contacts.shaped(row),
        }
        return Native(
            id=str(row["id"]),
            fields=fields,
            version=version_showing(self.stamps(row), fields),
            archived=self.archived_only(row),
            changed_at=row["last_modified_at"],
        )

    def create(self, write: NativeWrite, within: Deadline) -> int:
        """Store a customer, then its addresses: their keys need the party's number, which the first call gives.

        Between the two it has fewer addresses than it should, never one without its key.
        """
        changes = flatten(write.fields)
        if write.reference_path:
            changes[write.reference_path] = write.reference
        values = self.update_values({"id": 0}, changes, within)
        later = values.pop("addresses", None)
        code = values.get("code")
        try:
            created = self.session.call("model.party.party.create", [values], within=within, writes=True)
        except BusinessError as refused:
            # The text is translated; the record itself tells whether the code was the reason.
            twins = self.rows([["code", "=", code]], within) if code else []
            if not twins:
                raise
            raise Exists(
                f"customer: Tryton already has the code {code!r}", external_id=str(twins[0]["id"])
            ) from refused
        number = int(created[0])
        if later:
            self._add_addresses(number, changes["addresses"], within)
        return number

    def update_values(self, row: Row, changes: Mapping[str, Any], within: Deadline) -> Row:
        values: Row = {}
        operations: dict[str, list[list[Any]]] = {name: [] for name in _NESTED}
        for path, value in changes.items():
            if path in _PLAIN:
                values[_PLAIN[path]] = value
            elif path in _NAMED:
                field, model = _NAMED[path]
                values[field] = self.lookups.named(model, value, path, within)
            elif path == "currency.code":
                values["customer_currency"] = self.lookups.currency(value, within)
            elif path in ("email", "phone"):
                operations["contact_mechanisms"] += contacts.main_operations(row, path, value)
            elif path == "tax_id":
                operations["identifiers"] += _identifier_operations(row, value)
            elif path == "addresses" and isinstance(value, ListChange):
                operations["addresses"] += self._addresses.operations(row, value, within)
            elif path == "contacts" and isinstance(value, ListChange):
                operations["contact_mechanisms"] += contacts.operations(row, value)
            else:
                raise PermanentError(
                    f"customer: Tryton has no field {path!r} to write",
                    field=path,
                    mend="remove it from the sheet",
                )
        return values | {name: made for name, made in operations.items() if made}

    def _add_addresses(self, number: int, change: ListChange, within: Deadline) -> None:
        try:
            operations = self._addresses.operations({"id": number}, change, within)
            self.session.call(
                "model.party.party.write", [number], {"addresses": operations}, within=within, writes=True
            )
        except SyncError as error:
            raise Unsure(
                f"customer {number}: stored, but not its addresses: {error.message}",
                mend=error.mend,
                outage=error.outage,
            ) from error


def is_on_hold(row: Row, category: str) -> bool:
    """Say whether a party is in the category of customers on hold."""
    return any(one["name"] == category for one in row.get("categories") or [])


def _first_identifier(row: Row) -> Row | None:
    live = [one for one in row.get("identifiers") or [] if one["active"]]
    return min(live, key=lambda one: int(one["id"]), default=None)


def _identifier_operations(row: Row, value: Any) -> list[list[Any]]:
    """Return the operation that makes the first identifier show ``value``; emptied means switched off."""
    present = _first_identifier(row)
    if present is not None:
        return [["write", [present["id"]], {"code": value} if value else {"active": False}]]
    return [["create", [{"code": value}]]] if value else []
