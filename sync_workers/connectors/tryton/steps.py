"""The steps of an order: quote, confirm, cancel, back to draft.

A step is judged by the state that the sale is in afterwards, never by the text of a refusal: one that
is already done is no error, and a confirm that the credit limit stopped is a hold with its figures.
Source: trytond modules ``sale`` 8.2 (``_transitions``, ``_buttons``) and ``account_credit_limit`` 8.2
(``check_credit_limit``: UserError for ordinary users, UserWarning for the group Account Credit Limit).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from sync_workers.connectors.contract import Native, NativeWrite
from sync_workers.connectors.tryton.errors import BusinessError, WarningAsked
from sync_workers.connectors.tryton.sales import Sales, hold_reason
from sync_workers.connectors.tryton.session import Deadline, Row
from sync_workers.errors import Hold, PermanentError, SyncError, TransientError, Unsure

RECHECK = timedelta(seconds=60)
"""Nothing in Tryton reports that a customer has paid or a limit was raised: look again by ourselves."""

_PAST_DRAFT = ("quotation", "confirmed", "processing", "done")
DONE_IN: Mapping[str, tuple[str, ...]] = {
    "quote": _PAST_DRAFT,
    "confirm": _PAST_DRAFT[1:],
    "cancel": ("cancelled",),
    "draft": ("draft",),
}
"""The states in which a step has nothing left to do."""


class Steps:
    """Takes an order through its states."""

    def __init__(self, sales: Sales, accepted_warnings: Collection[str]) -> None:
        self._sales = sales
        self._session = sales.session
        self._accepted = frozenset(accepted_warnings)

    def take(self, write: NativeWrite, within: Deadline) -> Native:
        """Press the button ``write.action``, unless the order is already past it."""
        done_in = DONE_IN.get(write.action)
        if done_in is None:
            raise PermanentError(
                f"order: Tryton has no step {write.action!r}", mend=f"use one of {', '.join(DONE_IN)}"
            )
        row, stamps = self._sales.present(write, within)
        number = int(row["id"])
        if row["state"] in done_in:
            return self._sales.natives([row], within)[0]
        if row["state"] == "cancelled" and write.action != "draft":
            raise PermanentError(
                f"order {number}: it was cancelled in Tryton",
                field="state",
                mend="set it back to draft there, or cancel it on the other side too",
            )
        try:
            self._press(write.action, number, stamps, within)
        except Unsure:
            raise
        except SyncError as refused:
            return self._judge(write.action, number, refused, within)
        return self._sales.read_back(number, within)

    def _press(self, action: str, number: int, stamps: Mapping[str, str], within: Deadline) -> None:
        def press() -> None:
            self._session.call(
                f"model.sale.sale.{action}",
                [number],
                within=within,
                context={"_timestamp": dict(stamps)},
                writes=True,
            )

        try:
            press()
        except WarningAsked as asked:
            if asked.name.rpartition(".")[2] not in self._accepted:
                raise
            # What the desktop client does at "Yes" (module res 8.2, ``user.py``: ``Warning_.skip``).
            self._session.call("model.res.user.warning.skip", asked.name, False, within=within, writes=True)
            press()

    def _judge(self, action: str, number: int, refused: SyncError, within: Deadline) -> Native:
        """Say what a refusal means by looking at the sale: done all the same, held, or refused."""
        rows = self._sales.rows([["id", "=", number]], within)
        if rows and rows[0]["state"] in DONE_IN[action]:
            return self._sales.natives(rows, within)[0]
        if isinstance(refused, TransientError) or not rows:
            raise refused
        if action == "confirm" and isinstance(refused, BusinessError | WarningAsked):
            self._raise_hold(rows[0], refused, within)
        raise refused

    def _raise_hold(self, row: Row, refused: SyncError, within: Deadline) -> None:
        party = int(row["invoice_party"] or row["party"])
        credit = self._sales.credit({party}, within)
        if row["state"] != "quotation" or hold_reason(row, credit) is None:
            return
        limit, balance, amount = (
            credit[party]["credit_limit_amount"],
            credit[party]["credit_amount"],
            row["untaxed_amount"],
        )
        number, currency = row["number"] or row["id"], _code(row)
        raise Hold(
            "credit_hold",
            f"order {number}: {amount} {currency} before tax and an open balance of {balance} exceed "
            f"the credit limit {limit} of {credit[party]['name']} by {balance + amount - limit}",
            mend="raise the limit, book a payment, or let someone of the group Account Credit Limit "
            "confirm it in Tryton; it is tried again every minute",
            recheck=RECHECK,
        ) from refused


def _code(row: Row) -> Any:
    return (row.get("currency") or {}).get("code", "")
