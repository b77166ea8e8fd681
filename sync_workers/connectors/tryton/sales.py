"""Orders: ``sale.sale`` with its lines.

A sale is created as a draft in one nested call, with what a person would get by choosing the customer
(``forms``). Our reference is
``reference``, which is not unique: variant T2, and ``find`` has no lag (one database, committed before
the answer). Source: trytond modules ``sale`` 8.2, ``sale.py`` (``on_change_party``, states of the fields).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sync_workers.connectors.contract import Fields, ListChange, Native, NativeWrite, Traits, Variant
from sync_workers.connectors.tryton import credits, destinations, holds, progress, tiers
from sync_workers.connectors.tryton.codec import flatten, get
from sync_workers.connectors.tryton.errors import stale
from sync_workers.connectors.tryton.forms import Form
from sync_workers.connectors.tryton.holds import Holds
from sync_workers.connectors.tryton.lines import ASKED, PLACES, Lines, shaped
from sync_workers.connectors.tryton.lookups import Lookups
from sync_workers.connectors.tryton.parties import HOLD_CATEGORY
from sync_workers.connectors.tryton.records import Kind, Place, Table
from sync_workers.connectors.tryton.session import Deadline, Row, Session
from sync_workers.connectors.tryton.versions import version_showing
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
_SHOWN = (
    "number",
    "total_amount",
    "untaxed_amount",
    "tax_amount",
    "invoice_state",
    "shipment_state",
)
_OPEN_UNTIL_PROCESSED = frozenset({"reference", "comment", "shipping_date"})
_ALWAYS_OPEN = frozenset({"reference", "comment"})
"""What stays writable after the quote, and for ever; all else is read only unless the sale is a draft (module
``sale`` 8.2, ``sale.py``: the fields' ``states``, which the server holds remote calls to)."""


class Sales(Kind):
    """Reads and writes orders; their steps (quote, confirm, cancel) are in ``steps``."""

    name = "order"
    model = "sale.sale"
    # Parallel confirms of customers with a credit limit lock whole tables without waiting (module
    # account_credit_limit 8.2, ``check_credit_limit``: ``Model.lock()``), hence one at a time.
    traits = Traits(variant=Variant.T2, busy_after=BUSY_AFTER, preconditions=True, serial=("confirm",))
    asked = (
        *_PLAIN,
        *_SHOWN,
        "party",
        "state",
        "_timestamp",
        "last_modified_at",
        "currency.code",
        "payment_term.name",
        "price_list.name",
        "warehouse.code",
        "company",
        "invoice_method",
        *holds.ASKED,
        *destinations.ASKED,
        *ASKED,
        *progress.ASKED,
    )
    # What leaves is told by the moves alone, a second invoice's number and payment by the invoice.
    tables = (
        Table("sale.sale"),
        Table("sale.line", "sale"),
        Table("stock.move", "sale"),
        Table("account.invoice", "sales"),
        *credits.TABLES,
    )
    children = {"lines": "sale.line"}
    places = {
        **{path: Place("sale.sale", path) for path in (*_PLAIN, *_SHOWN, "party", "state", "lines")},
        "currency.code": Place("sale.sale", "currency"),
        "payment_term": Place("sale.sale", "payment_term"),
        "price_list": Place("sale.sale", "price_list"),
        "warehouse.code": Place("sale.sale", "warehouse"),
        "tax_rounding": Place("account.configuration", "tax_rounding"),
        **destinations.PLACES,
        **progress.PLACES,
        **PLACES,
    }
    searched = {"id": "id", "reference": "reference", "number": "number", "party": "party"}

    def __init__(
        self,
        session: Session,
        lookups: Lookups,
        warehouse: str | None,
        hold_category: str = HOLD_CATEGORY,
    ) -> None:
        super().__init__(session)
        self.lookups = lookups
        self.lines = Lines(session, lookups)
        self.holds = Holds(session, lookups, hold_category)
        self._form = Form(session, lookups, warehouse)

    def natives(self, rows: Sequence[Row], within: Deadline) -> list[Native]:
        """Shape rows; what needs further calls (holds, tier prices, credits) is asked once for all of them."""
        if rows:
            rounding = self.lookups.tax_rounding(within)
            self.holds.fill(rows, within)
            tiers.fill(self.session, rows, within)
            credits.fill(self.session, rows, within)
            for row in rows:
                row["tax_rounding"] = rounding
        return [self.native(row) for row in rows]

    def native(self, row: Row) -> Native:
        fields: Fields = {
            "id": str(row["id"]),
            **{path: row.get(path) for path in (*_PLAIN, *_SHOWN)},
            "party": str(row["party"]) if row.get("party") else None,
            "state": progress.state(row),
            "open": progress.is_open(row),
            **destinations.shaped(row, self.session.system),
            "currency": {"code": get(row, "currency", "code")},
            "payment_term": get(row, "payment_term", "name"),
            "price_list": get(row, "price_list", "name"),
            "warehouse": {"code": get(row, "warehouse", "code")},
            "hold": row.get("hold") or dict(holds.NOT_HELD),
            "tax_rounding": row.get("tax_rounding"),
            "shipments": progress.shipments(row),
            "invoices": progress.invoices(row),
            "credit_notes": progress.credit_notes(row),
            "lines": shaped(row.get("lines") or []),
        }
        return Native(
            id=str(row["id"]),
            fields=fields,
            version=version_showing(self.stamps(row), fields),
            changed_at=row["last_modified_at"],
        )

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
        header = self._form.header(_party(changes.get("party")), within)
        values = header | self.update_values(header, changes, within)
        created = self.session.call("model.sale.sale.create", [values], within=within, writes=True)
        return int(created[0])

    def _update(self, write: NativeWrite, within: Deadline) -> int:
        row, stamps = self.present(write, within)
        changes = flatten(write.fields)
        is_processed = row["state"] not in ("draft", "quotation", "confirmed")
        locked = sorted(set(changes) - (_ALWAYS_OPEN if is_processed else _OPEN_UNTIL_PROCESSED))
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

    def follow(self, row: Row, stamps: Mapping[str, str], within: Deadline) -> bool:
        """Give an open order the addresses that took over from those it points to; say whether there were any.

        It is a draft afterwards, and takes its next step as one.
        """
        moved = destinations.successors(self.session, row, within)
        if moved and row["state"] == "quotation":
            row, stamps = self._reopen(row, stamps, within)
        if moved:
            self.send_update(row, moved, stamps, within)
        return bool(moved)

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
        is_handed_over = "party" in changes and bool(row.get("id"))  # of a new order the header says it all
        if is_handed_over:
            values |= self._form.of_customer(_party(changes["party"]), within)
        keys = {path: changes[path] for path in destinations.PATHS if path in changes}
        if keys:
            party = _party(changes["party"]) if "party" in changes else int(row["party"])
            values |= destinations.ids_by_key(self.session, party, keys, within)
        for path, value in changes.items():
            if path in _PLAIN:
                values[_PLAIN[path]] = value
            elif path == "party":
                values["party"] = _party(value)
            elif path == "currency.code":
                values["currency"] = self.lookups.currency(value, within)
            elif path == "payment_term":
                model = "account.invoice.payment_term"
                values["payment_term"] = self.lookups.named(model, value, path, within)
            elif path == "price_list":
                values["price_list"] = self.lookups.named("product.price_list", value, path, within)
            elif path == "warehouse.code":
                values["warehouse"] = self.lookups.warehouse(value, within)["id"] if value else None
            elif path not in keys and not (path == "lines" and isinstance(value, ListChange)):
                raise PermanentError(
                    f"order: Tryton has no field {path!r} to write",
                    field=path,
                    mend="remove it from the sheet",
                )
        # After the header: prices and taxes depend on customer, currency and price list.
        lines = changes.get("lines", ListChange())
        made = self.lines.operations(row, row | values, lines, within, taxed_anew=is_handed_over)
        return values | ({"lines": made} if made else {})


def _party(value: Any) -> int:
    text = str(value or "")
    if not text:
        raise PermanentError(
            "order: it names no customer", field="party", mend="map the customer in the sheet"
        )
    if not text.isdecimal():
        raise PermanentError(f"order: {value!r} is no id of a record in Tryton", field="party")
    return int(text)
