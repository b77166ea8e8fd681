"""The step of an invoice: ``post``, which books it, numbers it and dates it today.

Judged by the state that the invoice is in afterwards, never by the text of a refusal. A fiscal period that is
closed or was never opened stops all invoices of its days at once: that is a hold which the accountant
releases by opening it, not a failure of each. Source: trytond modules ``account_invoice`` 8.2, ``invoice.py``
(``post``, ``set_number``: the date) and ``account`` 8.2, ``period.py`` (``find``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

from sync_workers.connectors.contract import Native, NativeWrite
from sync_workers.connectors.tryton.errors import BusinessError, WarningAsked
from sync_workers.connectors.tryton.invoices import BOOKED, CANCELLED, MODEL, Invoices
from sync_workers.connectors.tryton.session import Deadline, Row
from sync_workers.errors import Hold, PermanentError, SyncError, Unsure

POST = "post"
RECHECK = timedelta(minutes=10)
"""Nothing reports that a period was opened. Accountants close and open them by hand."""


class Posting:
    """Books invoices, one at a time (see ``Invoices.traits``)."""

    def __init__(self, invoices: Invoices, accepted_warnings: Collection[str]) -> None:
        self._invoices = invoices
        self._session = invoices.session
        self._accepted = frozenset(accepted_warnings)

    def take(self, write: NativeWrite, within: Deadline) -> Native:
        """Book the invoice unless it is booked already. Hold ``period_closed`` while its day cannot be booked."""
        if write.action != POST:
            raise PermanentError(f"invoice: Tryton has no step {write.action!r}", mend=f"use {POST}")
        row, stamps = self._invoices.present(write, within)
        number = int(row["id"])
        if row["state"] in BOOKED:
            return self._invoices.natives([row], within)[0]
        if row["state"] == CANCELLED:
            raise PermanentError(
                f"invoice {number}: it was cancelled in Tryton",
                field="state",
                mend="make a new one there: its order shows an exception until somebody decides",
            )
        try:
            self._press(number, stamps, within)
        except Unsure:
            raise
        except SyncError as refused:
            return self._judge(number, refused, within)
        return self._invoices.read_back(number, within)

    def _press(self, number: int, stamps: Mapping[str, str], within: Deadline) -> None:
        method, context = f"model.{MODEL}.{POST}", {"_timestamp": dict(stamps)}
        try:
            self._session.call(method, [number], within=within, context=context, writes=True)
        except WarningAsked as asked:
            if asked.name.rpartition(".")[2] not in self._accepted:
                raise
            # What the desktop client does at "Yes" (module res 8.2, ``user.py``: ``Warning_.skip``).
            self._session.call("model.res.user.warning.skip", asked.name, False, within=within, writes=True)
            self._session.call(method, [number], within=within, context=context, writes=True)

    def _judge(self, number: int, refused: SyncError, within: Deadline) -> Native:
        """Say what a refusal means by looking at the records: booked all the same, held, or refused."""
        rows = self._invoices.rows([["id", "=", number]], within)
        if rows and rows[0]["state"] in BOOKED:
            return self._invoices.natives(rows, within)[0]
        if rows and isinstance(refused, BusinessError):
            self._hold_for_period(rows[0], refused, within)
        raise refused

    def _hold_for_period(self, row: Row, refused: SyncError, within: Deadline) -> None:
        """Raise the hold when the invoice's day lies in no open period, or its journal is closed in that one."""
        company = self._session.login(within).context["company"]
        day: date = row["accounting_date"] or row["invoice_date"] or self._today(within)
        domain = [
            ["start_date", "<=", day],
            ["end_date", ">=", day],
            ["type", "=", "standard"],
            ["fiscalyear.company", "=", company],
        ]
        periods = self._session.search_read("account.period", domain, ["name", "state"], within=within)
        closed = closed_period(day, periods)
        if closed is None and (journal := self._closed_journal(int(periods[0]["id"]), row["journal"], within)):
            closed = f"the period of the journal {journal} is closed", f"open the period of the journal {journal}"
        if closed is None:
            return
        why, do = closed
        raise Hold(
            "period_closed",
            f"invoice {row['id']}: it cannot be booked on {day}, {why} in Tryton",
            mend=f"{do} in Tryton, or date the invoice in an open one; it is tried again every ten minutes",
            recheck=RECHECK,
        ) from refused

    def _today(self, within: Deadline) -> date:
        today: date = self._session.call("model.ir.date.today", within=within)
        return today

    def _closed_journal(self, period: int, journal: int | None, within: Deadline) -> str | None:
        """Name the journal's own period when it is closed: it is closed with the period, and not opened with it."""
        domain = [["period", "=", period], ["journal", "=", journal], ["state", "!=", "open"]]
        found = self._session.search_read("account.journal.period", domain, ["rec_name"], within=within)
        return str(found[0]["rec_name"]) if found else None


def closed_period(day: date, periods: Sequence[Row]) -> tuple[str, str] | None:
    """Say why a day cannot be booked and what a person can do; None when the period that it lies in is open."""
    if not periods:
        return f"there is no period for {day}", f"add a fiscal year with a period for {day}"
    name, state = periods[0]["name"], periods[0]["state"]
    return None if state == "open" else (f"the period {name} is {state}", f"open the period {name}")
