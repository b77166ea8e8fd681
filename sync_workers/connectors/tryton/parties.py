"""Customers: ``party.party`` with its addresses, e-mail, phone and tax identifier.

Our reference is the party's ``code``, which the database keeps unique (trytond modules ``party`` 8.2,
``party.py``: ``code_uniq``): a second create is refused, so this kind is variant T1. Credit limit,
terms and price list are values per company and need rights of their own to be written.

Everybody whom Tryton knows is a party. Its own companies and their employees are told apart by the
models that point to them (module ``company`` 8.2, ``company.py``); suppliers and the like by the
categories that ``not_customers`` names, since the party itself does not say what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sync_workers.connectors.contract import Fields, ListChange, Native, NativeWrite, Traits, Variant
from sync_workers.connectors.tryton.codec import flatten, get
from sync_workers.connectors.tryton.errors import BusinessError
from sync_workers.connectors.tryton.lookups import Lookups
from sync_workers.connectors.tryton.records import Kind, Place, Table, list_operations, version_of
from sync_workers.connectors.tryton.session import Deadline, Row, Session
from sync_workers.errors import Exists, PermanentError

BUSY_AFTER = timedelta(seconds=120)
"""trytond 8.2 gives ``request.timeout`` (60 s) to reads alone (``trytond/model/modelstorage.py``,
``__setup__``); create, write and buttons run as long as they take. Ours take under a second; two
minutes cover a server that waits for locks and repeats five times (``database.retry``)."""

_ADDRESS = {
    "party_name": "party_name",
    "street": "street_unstructured",
    "city": "city",
    "postal_code": "postal_code",
    "country.code": "country",
    "invoice": "invoice",
    "delivery": "delivery",
}
_NAMED = {
    "payment_term": ("customer_payment_term", "account.invoice.payment_term"),
    "price_list": ("sale_price_list", "product.price_list"),
}
_PLAIN = {"code": "code", "name": "name", "active": "active", "credit_limit": "credit_limit_amount"}


class Parties(Kind):
    """Reads and writes customers."""

    name = "customer"
    model = "party.party"
    traits = Traits(variant=Variant.T1, busy_after=BUSY_AFTER, preconditions=True)
    asked = (
        "code",
        "name",
        "active",
        "_timestamp",
        "last_modified_at",
        "credit_limit_amount",
        "customer_payment_term.name",
        "sale_price_list.name",
        "identifiers.code",
        "identifiers.active",
        "identifiers._timestamp",
        "contact_mechanisms.type",
        "contact_mechanisms.value",
        "contact_mechanisms.active",
        "contact_mechanisms._timestamp",
        "addresses.party_name",
        "addresses.street",
        "addresses.city",
        "addresses.postal_code",
        "addresses.country.code",
        "addresses.invoice",
        "addresses.delivery",
        "addresses.active",
        "addresses._timestamp",
    )
    tables = (
        Table("party.party"),
        Table("party.address", "party"),
        Table("party.contact_mechanism", "party"),
        Table("party.identifier", "party"),
    )
    children = {
        "addresses": "party.address",
        "contact_mechanisms": "party.contact_mechanism",
        "identifiers": "party.identifier",
    }
    places = {
        **{path: Place("party.party", field) for path, field in _PLAIN.items()},
        **{path: Place("party.party", field) for path, (field, _) in _NAMED.items()},
        "email": Place("party.contact_mechanism", "value"),
        "phone": Place("party.contact_mechanism", "value"),
        "tax_id": Place("party.identifier", "code"),
        "addresses": Place("party.party", "addresses"),
        **{f"addresses.{path}": Place("party.address", field) for path, field in _ADDRESS.items()},
        **{f"main_address.{path}": Place("party.address", field) for path, field in _ADDRESS.items()},
    }
    searched = {
        "id": "id",
        "code": "code",
        "name": "name",
        "tax_id": "identifiers.code",
        "email": "contact_mechanisms.value",
        "phone": "contact_mechanisms.value",
    }

    def __init__(self, session: Session, lookups: Lookups, not_customers: Sequence[str] = ()) -> None:
        super().__init__(session)
        self.lookups = lookups
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

    def native(self, row: Row) -> Native:
        addresses = [_address(one) for one in _live(row, "addresses")]
        main = _main(addresses)
        fields: Fields = {
            "id": str(row["id"]),
            "code": row["code"],
            "name": row["name"],
            "active": row["active"],
            "email": get(_contact(row, "email"), "value"),
            "phone": get(_contact(row, "phone"), "value"),
            "tax_id": get(_first(row, "identifiers"), "code"),
            "credit_limit": row.get("credit_limit_amount"),
            "payment_term": get(row, "customer_payment_term", "name"),
            "price_list": get(row, "sale_price_list", "name"),
            "addresses": addresses,
            "main_address": main or dict.fromkeys(("id", *(path.partition(".")[0] for path in _ADDRESS))),
        }
        return Native(
            id=str(row["id"]),
            fields=fields,
            version=version_of(self.stamps(row)),
            archived=self.archived_only(row),
            changed_at=row["last_modified_at"],
        )

    def create(self, write: NativeWrite, within: Deadline) -> int:
        changes = flatten(write.fields)
        if write.reference_path:
            changes[write.reference_path] = write.reference
        values = self.update_values({"id": 0}, changes, within)
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
        return int(created[0])

    def update_values(self, row: Row, changes: Mapping[str, Any], within: Deadline) -> Row:
        values: Row = {}
        main: Fields = {}
        operations: dict[str, list[list[Any]]] = {name: [] for name in self.children}
        for path, value in changes.items():
            if path in _PLAIN:
                values[_PLAIN[path]] = value
            elif path in _NAMED:
                field, model = _NAMED[path]
                values[field] = self.lookups.named(model, value, path, within)
            elif path in ("email", "phone"):
                present = _contact(row, path)
                operations["contact_mechanisms"] += _single(present, "value", value, {"type": path})
            elif path == "tax_id":
                operations["identifiers"] += _single(_first(row, "identifiers"), "code", value, {})
            elif path.startswith("main_address."):
                main[path.removeprefix("main_address.")] = value
            elif path == "addresses" and isinstance(value, ListChange):
                known = {int(one["id"]) for one in row.get("addresses") or []}
                operations["addresses"] += list_operations(
                    value,
                    lambda fields: self._address_values(flatten(fields), within),
                    known,
                    f"customer {row['id']}: addresses",
                    switch_off=True,
                )
            else:
                raise PermanentError(
                    f"customer: Tryton has no field {path!r} to write",
                    field=path,
                    mend="remove it from the sheet",
                )
        if main:
            operations["addresses"] += self._main_operations(row, main, within)
        return values | {name: made for name, made in operations.items() if made}

    def _main_operations(self, row: Row, main: Fields, within: Deadline) -> list[list[Any]]:
        values = self._address_values(main, within)
        present = _main([_address(one) for one in _live(row, "addresses")])
        if present is not None:
            return [["write", [int(present["id"])], values]]
        return [["create", [{"invoice": True, "delivery": True, **values}]]]

    def _address_values(self, fields: Mapping[str, Any], within: Deadline) -> Row:
        values: Row = {}
        for path, value in fields.items():
            if path not in _ADDRESS:
                raise PermanentError(f"customer: an address in Tryton has no field {path!r}", field=path)
            if path == "country.code":
                value = self.lookups.coded("country.country", "code", value, f"addresses.{path}", within)
            values[_ADDRESS[path]] = value
        return values


def _live(row: Row, path: str) -> list[Row]:
    """Return the items in use, oldest first: the order that stays when a person sorts the list anew."""
    return sorted(
        (one for one in row.get(path) or [] if one.get("active") is not False), key=lambda one: one["id"]
    )


def _first(row: Row, path: str) -> Row | None:
    live = _live(row, path)
    return live[0] if live else None


def _contact(row: Row, type_: str) -> Row | None:
    return next((one for one in _live(row, "contact_mechanisms") if one["type"] == type_), None)


def _address(row: Row) -> Fields:
    return {
        "id": str(row["id"]),
        "party_name": row["party_name"],
        "street": row["street"],
        "city": row["city"],
        "postal_code": row["postal_code"],
        "country": {"code": get(row, "country", "code")},
        "invoice": row["invoice"],
        "delivery": row["delivery"],
    }


def _main(addresses: list[Fields]) -> Fields | None:
    """Return the first invoice address, or the first at all."""
    return next((one for one in addresses if one["invoice"]), addresses[0] if addresses else None)


def _single(present: Row | None, field: str, value: Any, fixed: Row) -> list[list[Any]]:
    """Return the operation that makes the first item of a list show ``value``.

    Emptied means switched off: orders and messages may point to it.
    """
    if present is not None:
        return [["write", [present["id"]], {field: value} if value else {"active": False}]]
    return [["create", [{**fixed, field: value}]]] if value else []
