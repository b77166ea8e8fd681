"""The steps of an order: quote, confirm, cancel, reopen.

A step is judged by the state that the sale is in afterwards, never by the text of a refusal: one that
is already done is no error, and a confirm that the credit limit stopped is a hold with its figures.
Source: trytond modules ``sale`` 8.2 (``_transitions``, ``_buttons``) and ``account_credit_limit`` 8.2
(``check_credit_limit``: UserError for ordinary users, UserWarning for the group Account Credit Limit).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from sync_workers.connectors.contract import Native, NativeWrite
from sync_workers.connectors.tryton import holds, progress
from sync_workers.connectors.tryton.cancelling import Cancelling
from sync_workers.connectors.tryton.errors import BusinessError, WarningAsked
from sync_workers.connectors.tryton.sales import Sales
from sync_workers.connectors.tryton.session import Deadline, Row
from sync_workers.errors import PermanentError, SyncError, TransientError, Unsure

_FORWARD = ("quote", "confirm")
_PAST_DRAFT = ("quotation", "confirmed", "processing", "done")
_IS_DONE: Mapping[str, Callable[[Row], bool]] = {
    "quote": lambda row: row["state"] in _PAST_DRAFT,
    "confirm": lambda row: row["state"] in _PAST_DRAFT[1:],
    "cancel": lambda row: row["state"] == "cancelled" or not progress.is_open(row),
    "reopen": lambda row: progress.state(row) != progress.CANCELLED,
}
"""When a step has nothing left to do."""


class Steps:
    """Takes an order through its states."""

    def __init__(self, sales: Sales, accepted_warnings: Collection[str]) -> None:
        self._sales = sales
        self._session = sales.session
        self._cancelling = Cancelling(sales)
        self._accepted = frozenset(accepted_warnings)

    def take(self, write: NativeWrite, within: Deadline) -> Native:
        """Take the step ``write.action``, unless the order is already past it."""
        is_done = _IS_DONE.get(write.action)
        if is_done is None:
            raise PermanentError(
                f"order: Tryton has no step {write.action!r}", mend=f"use one of {', '.join(_IS_DONE)}"
            )
        row, stamps = self._sales.present(write, within)
        number = int(row["id"])
        if is_done(row):
            return self._sales.natives([row], within)[0]
        if row["state"] == "cancelled" and write.action != "reopen":
            raise PermanentError(
                f"order {number}: it was cancelled in Tryton",
                field="state",
                mend="set it back to draft there, or cancel it on the other side too",
            )
        if write.action in _FORWARD and self._sales.follow(row, stamps, within):
            return self._sales.read_back(number, within)  # a draft, which is quoted again
        if write.action == "confirm":
            self._insist_on_standing(row, within)
        try:
            self._do(write.action, row, stamps, within)
        except Unsure:
            raise
        except SyncError as refused:
            return self._judge(write.action, number, refused, within)
        return self._sales.read_back(number, within)

    def _do(self, action: str, row: Row, stamps: Mapping[str, str], within: Deadline) -> None:
        if action == "cancel":
            self._cancelling.cancel(row, stamps, within)
        elif action == "reopen" and row["state"] == "done":
            self._cancelling.reopen(row, within)
        else:
            self._press("draft" if action == "reopen" else action, int(row["id"]), stamps, within)

    def _press(self, button: str, number: int, stamps: Mapping[str, str], within: Deadline) -> None:
        def press() -> None:
            self._session.call(
                f"model.sale.sale.{button}",
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

    def _insist_on_standing(self, row: Row, within: Deadline) -> None:
        """Stop before the button where the server would not: it knows no customers on hold."""
        held = self._sales.holds.judge([row], within)[0]
        if held is not None and held.code == holds.CUSTOMER:
            raise held.error(str(row["number"] or row["id"]))

    def _judge(self, action: str, number: int, refused: SyncError, within: Deadline) -> Native:
        """Say what a refusal means by looking at the sale: done all the same, held, or refused."""
        rows = self._sales.rows([["id", "=", number]], within)
        if rows and _IS_DONE[action](rows[0]):
            return self._sales.natives(rows, within)[0]
        if isinstance(refused, TransientError) or not rows:
            raise refused
        if action == "confirm" and isinstance(refused, BusinessError | WarningAsked):
            held = self._sales.holds.judge(rows, within)[0]
            if held is not None:
                raise held.error(str(rows[0]["number"] or number)) from refused
        raise refused
