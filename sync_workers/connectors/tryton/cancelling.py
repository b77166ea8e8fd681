"""Taking an order back, and taking it up again, whatever has happened to it.

Before it is confirmed a button does it. Afterwards Tryton has none: the shipments that nobody has picked are
cancelled, the draft invoices of an order of which nothing has left too, and what remains is closed through the
server's own wizards, as a person would, ignoring what was cancelled. What has left stays to be invoiced.
Taking it up again goes the same way back: what was ignored is planned anew.

Every call is judged by what the order shows before it, so a cancelled half is finished by the next one.
Source: trytond modules ``sale`` 8.2, ``sale.py`` (``HandleShipmentException``, ``HandleInvoiceException``,
``_process_state``), ``stock`` 8.2, ``shipment.py`` (``ShipmentOut._transitions``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sync_workers.connectors.tryton import progress
from sync_workers.connectors.tryton.errors import BusinessError
from sync_workers.connectors.tryton.sales import Sales
from sync_workers.connectors.tryton.session import Deadline, Row
from sync_workers.connectors.tryton.wizards import ask_wizard, run_wizard
from sync_workers.errors import Hold, PermanentError

MODEL = "sale.sale"
UNPICKED = ("draft", "waiting", "assigned")
GONE = ("done", "cancelled")
UNPOSTED = ("draft", "validated")
RECHECK = timedelta(minutes=5)

_SHIPMENTS = ("sale.handle.shipment.exception", "domain_moves", "ignore_moves", "recreate_moves")
_INVOICES = ("sale.handle.invoice.exception", "domain_invoices", "ignore_invoices", "recreate_invoices")


class Cancelling:
    """Cancels and reopens orders that are past the buttons for it."""

    def __init__(self, sales: Sales) -> None:
        self._sales = sales
        self._session = sales.session

    def cancel(self, row: Row, stamps: Mapping[str, str], within: Deadline) -> None:
        """Cancel what can still be cancelled; ``row`` is the order as it is.

        Raises Hold where the warehouse or accounting must act first: nothing has been changed then.
        """
        number = int(row["id"])
        if row["state"] == "confirmed":  # its processing waits in the server's queue
            self._press(MODEL, "draft", [number], within, {"_timestamp": dict(stamps)})
        if row["state"] != "processing":
            context = {} if row["state"] == "confirmed" else {"_timestamp": dict(stamps)}
            self._press(MODEL, "cancel", [number], within, context)
            return
        self._insist_on_the_warehouse(row, within)
        self._insist_on_accounting(row)
        waiting = [one["id"] for one in row["shipments"] if one["state"] in UNPICKED]
        if waiting:
            self._press("stock.shipment.out", "cancel", waiting, within)
        if not progress.has_left(row):
            unposted = [one["id"] for one in row["invoices"] if one["state"] in UNPOSTED]
            if unposted:
                self._press("account.invoice", "cancel", unposted, within)
            self._settle(_INVOICES, number, within, recreate=False)
        self._settle(_SHIPMENTS, number, within, recreate=False)

    def reopen(self, row: Row, within: Deadline) -> None:
        """Plan anew what was taken back. Raises the Hold under which a confirm would not have gone through."""
        number = int(row["id"])
        held = self._sales.holds.judge([row], within, states=("done",))[0]
        if held is not None:
            raise held.error(str(row["number"] or number))
        ignored = {
            line["id"]: [move["id"] for move in line["moves"]] for line in row["lines"] if line.get("moves")
        }
        values = {
            "lines": [["write", [line], {"moves_ignored": [["remove", ids]]}] for line, ids in ignored.items()],
            "invoices_ignored": [["remove", [one["id"] for one in row["invoices"]]]],
        }
        try:
            self._session.call(f"model.{MODEL}.write", [number], values, within=within, writes=True)
        except BusinessError as refused:
            raise PermanentError(
                refused.message,
                mend="give our user the group Sales Administrator, which may take up again what was ignored; "
                "or enter the order anew",
            ) from refused
        for wizard in (_INVOICES, _SHIPMENTS):
            self._settle(wizard, number, within, recreate=True)

    def _settle(self, wizard: tuple[str, ...], number: int, within: Deadline, *, recreate: bool) -> None:
        """Answer the server's question about cancelled moves or invoices: ignore them, or make them anew."""
        name, found, ignore, again = wizard
        ids = ask_wizard(self._session, name, MODEL, number, within)[found]
        if ids:
            chosen = {ignore: [], again: ids} if recreate else {ignore: ids, again: []}
            data = {"ask": {found: ids, **chosen}}
            run_wizard(self._session, name, MODEL, number, "handle", data, within)

    def _insist_on_the_warehouse(self, row: Row, within: Deadline) -> None:
        in_hand = [one for one in row["shipments"] if one["state"] not in (*UNPICKED, *GONE)]
        in_hand += [one for one in self._shared(row, within) if one not in in_hand]
        if in_hand:
            named = ", ".join(f"{one['number']} ({one['state']})" for one in in_hand)
            raise Hold(
                "cancel_needs_warehouse",
                f"order {row['number']}: it cannot be taken back while shipment {named} is in the warehouse's hands",
                mend="ship it, or put it back and cancel the shipment in Tryton; it is tried again every five minutes",
                recheck=RECHECK,
                tell=True,
            )

    def _shared(self, row: Row, within: Deadline) -> list[Row]:
        """Return the open shipments that carry goods of another order too."""
        waiting = {f"stock.shipment.out,{one['id']}": one for one in row["shipments"] if one["state"] in UNPICKED}
        domain = [["shipment", "in", sorted(waiting)], ["sale", "!=", row["id"]], ["sale", "!=", None]]
        others = self._session.search_read("stock.move", domain, ["shipment"], within=within) if waiting else []
        return [waiting[reference] for reference in sorted({one["shipment"] for one in others})]

    def _insist_on_accounting(self, row: Row) -> None:
        """An invoice made from the order, not from its shipments, bills what will not leave any more."""
        drafts = [one for one in row["invoices"] if one["state"] in UNPOSTED]
        if drafts and progress.has_left(row) and row["invoice_method"] != "fulfillment":
            named = ", ".join(str(one["number"] or f"draft {one['id']}") for one in drafts)
            raise Hold(
                "cancel_needs_accounting",
                f"order {row['number']}: a part of it has left, and invoice {named} bills all of it",
                mend="correct and post that invoice in Tryton; then the rest is taken back",
                recheck=RECHECK,
                tell=True,
            )

    def _press(
        self, model: str, button: str, ids: list[int], within: Deadline, context: Mapping[str, Any] | None = None
    ) -> None:
        self._session.call(f"model.{model}.{button}", ids, within=within, context=context, writes=True)
