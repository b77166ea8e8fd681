"""Orders: ``sale.sale`` with its lines.

A sale is created as a draft in one nested call; what a person would get by choosing the customer
(addresses, terms, price list, methods) is asked from the server's own ``on_change``. Our reference is
``reference``, which is not unique: variant T2, and ``find`` has no lag (one database, committed before
the answer). Source: trytond modules ``sale`` 8.2, ``sale.py`` (``on_change_party``, states of the fields).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sync_workers.connectors.contract import Fields, ListChange, Native, NativeWrite, Traits, Variant
from sync_workers.connectors.tryton.codec import flatten, get
from sync_workers.connectors.tryton.errors import stale
from sync_workers.connectors.tryton.lines import ASKED, PLACES, Lines, shaped
from sync_workers.connectors.tryton.lookups import Lookups
from sync_workers.connectors.tryton.records import Kind, Place, Table, version_of
from sync_workers.connectors.tryton.session import Deadline, Row, Session
from sync_workers.errors import Exists, PermanentError

BUSY_AFTER = timedelta(seconds=120)
"""No request time-out bounds a write; ``confirm`` runs ``process`` too before it answers."""

_PLAIN = {
    "reference": "reference",
    "description": "description",
    "comment": "comment",
    "shipping_date": "shipping_date",
    "sale_date": "sale_date",
}
_IDS = {"party": "party", "invoice_address": "invoice_address", "shipment_address": "shipment_address"}
_SHOWN = (
    "number",
    "state",
    "total_amount",
    "untaxed_amount",
    "tax_amount",
    "invoice_state",
    "shipment_state",
)
_ALWAYS_OPEN = frozenset({"reference", "comment", "shipping_date"})
"""What stays writable after the quote; all else is read only unless the sale is a draft (module ``sale``
8.2, ``sale.py``: the fields' ``states``)."""
_DEFAULTS = ("company", "currency", "warehouse", "payment_term", "invoice_method", "shipment_method")


class Sales(Kind):
    """Reads and writes orders; their steps (quote, confirm, cancel) are in ``steps``."""

    name = "order"
    model = "sale.sale"
    # Parallel confirms of customers with a credit limit lock whole tables without waiting (module
    # account_credit_limit 8.2, ``check_credit_limit``: ``Model.lock()``), hence one at a time.
    traits = Traits(variant=Variant.T2, busy_after=BUSY_AFTER, preconditions=True, serial=("confirm",))
    asked = (
        *_PLAIN,
        *_IDS,
        *_SHOWN,
        "_timestamp",
        "last_modified_at",
        "shipment_method",
        "invoice_party",
        "currency.code",
        "payment_term.name",
        "price_list.name",
        "warehouse.code",
        *ASKED,
        "company",
    )
    tables = (Table("sale.sale"), Table("sale.line", "sale"))
    children = {"lines": "sale.line"}
    places = {
        **{path: Place("sale.sale", path) for path in (*_PLAIN, *_IDS, *_SHOWN, "lines")},
        "currency.code": Place("sale.sale", "currency"),
        "payment_term": Place("sale.sale", "payment_term"),
        "price_list": Place("sale.sale", "price_list"),
        "warehouse.code": Place("sale.sale", "warehouse"),
        **PLACES,
    }
    searched = {"id": "id", "reference": "reference", "number": "number", "party": "party"}

    def __init__(self, session: Session, lookups: Lookups, warehouse: str | None) -> None:
        super().__init__(session)
        self.lookups = lookups
        self.lines = Lines(session, lookups)
        self._warehouse = warehouse

    def natives(self, rows: Sequence[Row], within: Deadline) -> list[Native]:
        """Shape rows; for quotations, ask once for all what credit their customers have left."""
        waiting = {int(row["invoice_party"] or row["party"]) for row in rows if row["state"] == "quotation"}
        credit = self.credit(waiting, within) if waiting else {}
        for row in rows:
            if row["state"] == "quotation":
                row["hold_reason"] = hold_reason(row, credit)
        return [self.native(row) for row in rows]

    def native(self, row: Row) -> Native:
        fields: Fields = {
            "id": str(row["id"]),
            **{path: row.get(path) for path in (*_PLAIN, *_SHOWN)},
            **{path: str(row[path]) if row.get(path) else None for path in _IDS},
            "currency": {"code": get(row, "currency", "code")},
            "payment_term": get(row, "payment_term", "name"),
            "price_list": get(row, "price_list", "name"),
            "warehouse": {"code": get(row, "warehouse", "code")},
            "hold_reason": row.get("hold_reason"),
            "lines": shaped(row.get("lines") or []),
        }
        return Native(
            id=str(row["id"]),
            fields=fields,
            version=version_of(self.stamps(row)),
            changed_at=row["last_modified_at"],
        )

    def credit(self, parties: set[int], within: Deadline) -> dict[int, Row]:
        """Return limit and open balance of customers that have a limit; nothing without that module."""
        if "credit_limit_amount" not in self.session.fields("party.party", within):
            return {}
        rows = self.session.search_read(
            "party.party",
            [["id", "in", sorted(parties)]],
            ["name", "credit_limit_amount", "credit_amount"],
            within=within,
        )
        return {row["id"]: row for row in rows if row["credit_limit_amount"] is not None}

    def create(self, write: NativeWrite, within: Deadline) -> int:
        changes = flatten(write.fields)
        if write.reference_path:
            changes[write.reference_path] = write.reference
        if write.reference_path == "reference":
            twins = self.session.search_read(
                "sale.sale", [["reference", "=", write.reference]], ["id"], within=within
            )
            if twins:
                raise Exists(
                    f"order: Tryton already has the reference {write.reference!r}",
                    external_id=str(twins[0]["id"]) if len(twins) == 1 else None,
                )
        header = self._header(changes, within)
        values = header | self.update_values(header, changes, within)
        created = self.session.call("model.sale.sale.create", [values], within=within, writes=True)
        return int(created[0])

    def _update(self, write: NativeWrite, within: Deadline) -> int:
        row, stamps = self.present(write, within)
        changes = flatten(write.fields)
        locked = sorted(set(changes) - _ALWAYS_OPEN)
        if locked and row["state"] == "quotation":
            row, stamps = self._reopen(row, stamps, within)
        elif locked and row["state"] != "draft":
            raise PermanentError(
                f"order {row['number'] or row['id']}: {', '.join(locked)} cannot be changed any more, "
                f"it is {row['state']} in Tryton",
                field=locked[0],
                mend="take the change back on the other side, or let someone in Tryton change the order",
            )
        values = self.update_values(row, changes, within)
        if values:
            self.send_update(row, values, stamps, within)
        return int(row["id"])

    def _reopen(self, row: Row, stamps: Mapping[str, str], within: Deadline) -> tuple[Row, dict[str, str]]:
        """Take a quotation back to draft, as a person must to edit it; the sheet's steps quote it again."""
        number = int(row["id"])
        self.session.call(
            "model.sale.sale.draft", [number], within=within, context={"_timestamp": dict(stamps)}, writes=True
        )
        own = f"{self.model},{number}"
        (reopened,) = self.rows([["id", "=", number]], within)
        now = self.stamps(reopened)
        if {**stamps, own: ""} != {**now, own: ""}:  # somebody edited a line while we pressed the button
            raise stale(f"{self.name} {number}")
        return reopened, now

    def update_values(self, row: Row, changes: Mapping[str, Any], within: Deadline) -> Row:
        values: Row = {}
        for path, value in changes.items():
            if path in _PLAIN:
                values[_PLAIN[path]] = value
            elif path in _IDS:
                values[_IDS[path]] = _number(path, value)
            elif path == "currency.code":
                values["currency"] = self.lookups.coded("currency.currency", "code", value, path, within)
            elif path == "payment_term":
                values["payment_term"] = self.lookups.named(
                    "account.invoice.payment_term", value, path, within
                )
            elif path == "price_list":
                values["price_list"] = self.lookups.named("product.price_list", value, path, within)
            elif path == "warehouse.code":
                values["warehouse"] = self.lookups.warehouse(value, within)["id"] if value else None
            elif path == "lines" and isinstance(value, ListChange):
                pass  # after the header: prices and taxes depend on customer, currency and price list
            else:
                raise PermanentError(
                    f"order: Tryton has no field {path!r} to write",
                    field=path,
                    mend="remove it from the sheet",
                )
        lines = changes.get("lines")
        if isinstance(lines, ListChange):
            values["lines"] = self.lines.operations(row, row | values, lines, within)
        return values

    def _header(self, changes: Mapping[str, Any], within: Deadline) -> Row:
        """Return what a person gets in the form by choosing the customer, before our own fields."""
        party = _number("party", changes.get("party"))
        if party is None:
            raise PermanentError(
                "order: it names no customer", field="party", mend="map the customer in the sheet"
            )
        defaults = self.session.call("model.sale.sale.default_get", list(_DEFAULTS), True, within=within)
        start = {name: defaults.get(name) for name in _DEFAULTS} | {"party": party}
        start["company"] = self.session.login(within).context["company"]
        if not start["warehouse"] or self._warehouse:
            start["warehouse"] = self.lookups.warehouse(self._warehouse, within)["id"]
        answered = self.session.call("model.sale.sale.on_change", start, ["party"], within=within)
        header = start | {name: value for name, value in answered.items() if not name.endswith(".")}
        return {name: value for name, value in header.items() if value is not None}


def hold_reason(row: Row, credit: Mapping[int, Row]) -> str | None:
    """Return ``credit_hold`` when confirming this quotation would exceed its customer's limit.

    The rule is the server's own: untaxed amount plus open balance beyond the limit, for sales that ship
    on order (module sale_credit_limit 8.2, ``must_check_credit_limit``). Another currency than the
    company's is compared as it stands.
    """
    limited = credit.get(int(row["invoice_party"] or row["party"]))
    if limited is None or row["shipment_method"] != "order" or row["untaxed_amount"] <= 0:
        return None
    excess = limited["credit_amount"] + row["untaxed_amount"] - limited["credit_limit_amount"]
    return "credit_hold" if excess > 0 else None


def _number(path: str, value: Any) -> int | None:
    if value is None or value == "":
        return None
    text = str(value)
    if not text.isdecimal():
        raise PermanentError(f"order: {value!r} is no id of a record in Tryton", field=path)
    return int(text)
