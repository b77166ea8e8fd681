"""Why a quotation is not confirmed: its customer is on hold, or over the credit limit.

The limit is the server's own rule, told in words before anybody presses the button: untaxed amount plus open
balance beyond the limit, for sales that ship on order, in the company's currency at today's rate. Source:
trytond modules ``sale_credit_limit`` 8.2, ``sale.py`` (``must_check_credit_limit``, ``credit_limit_amount``),
``account_credit_limit`` 8.2, ``party.py`` (``check_credit_limit``), ``currency`` 8.2 (``Currency.compute``).
A customer on hold is our own rule (``parties``), which the server does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from sync_workers.connectors.contract import Fields, FieldType
from sync_workers.connectors.tryton.codec import get
from sync_workers.connectors.tryton.lookups import Lookups
from sync_workers.connectors.tryton.parties import is_on_hold
from sync_workers.connectors.tryton.session import Deadline, Row, Session
from sync_workers.errors import Hold

RECHECK = timedelta(seconds=60)
"""Nothing in Tryton reports that a customer has paid or a limit was raised: look again by ourselves."""

CREDIT = "credit_hold"
CUSTOMER = "customer_hold"
ASKED = ("quotation_date", "shipment_method", "invoice_party", "currency.rate", "currency.rounding")
DERIVED = {
    "hold.reason": FieldType("char", read_only=True),
    "hold.limit": FieldType("numeric", read_only=True),
    "hold.balance": FieldType("numeric", read_only=True),
    "hold.since": FieldType("date", read_only=True),
}
NOT_HELD: Fields = {"reason": None, "limit": None, "balance": None, "since": None}


@dataclass(frozen=True)
class Standing:
    """What counts about one party; ``limit`` and ``balance`` in the company's currency, None where not kept."""

    name: str
    is_on_hold: bool
    limit: Decimal | None
    balance: Decimal | None


@dataclass(frozen=True)
class Held:
    """Why one quotation waits."""

    code: str
    reason: str
    mend: str
    standing: Standing

    def error(self, order: str) -> Hold:
        message = f"order {order} of {self.standing.name}: {self.reason}"
        return Hold(self.code, message, mend=self.mend, recheck=RECHECK)


class Holds:
    """Judges quotations; asks once for all customers of a page."""

    def __init__(self, session: Session, lookups: Lookups, category: str) -> None:
        self._session = session
        self._lookups = lookups
        self._category = category

    def fill(self, rows: Sequence[Row], within: Deadline) -> None:
        """Put ``hold`` into the rows of quotations: what ``Native`` shows."""
        for row, held in zip(rows, self.judge(rows, within), strict=True):
            if held is not None:
                row["hold"] = {
                    "reason": held.reason,
                    "limit": held.standing.limit,
                    "balance": held.standing.balance,
                    "since": row["quotation_date"],
                }

    def judge(
        self, rows: Sequence[Row], within: Deadline, states: Sequence[str] = ("quotation",)
    ) -> list[Held | None]:
        """Return, order by order, why it would not be released; None for the others and other states."""
        waiting = [row for row in rows if row["state"] in states]
        if not waiting:
            return [None] * len(rows)
        standings = self._standings({party for row in waiting for party in _parties(row)}, within)
        company = self._lookups.company_currency(within)
        return [_judge(row, standings, company) if row["state"] in states else None for row in rows]

    def _standings(self, parties: set[int], within: Deadline) -> dict[int, Standing]:
        known = self._session.fields("party.party", within)
        credit = ["credit_limit_amount", "credit_amount"] if "credit_limit_amount" in known else []
        rows = self._session.search_read(
            "party.party", [["id", "in", sorted(parties)]], ["name", "categories.name", *credit], within=within
        )
        return {
            row["id"]: Standing(
                row["name"],
                is_on_hold(row, self._category),
                row.get("credit_limit_amount"),
                row.get("credit_amount"),
            )
            for row in rows
        }


def _parties(row: Row) -> list[int]:
    """Return who ordered and, where it is another, who pays."""
    return [int(party) for party in (row["party"], row["invoice_party"]) if party]


def _judge(row: Row, standings: dict[int, Standing], company: Row) -> Held | None:
    known = [standings[party] for party in _parties(row) if party in standings]
    for standing in known:
        if standing.is_on_hold:
            return Held(
                CUSTOMER,
                "the customer is on hold",
                "take the customer out of that party category in Tryton, or confirm the order there; "
                "it is tried again every minute",
                standing,
            )
    return _over_limit(row, known[-1], company) if known else None


def _over_limit(row: Row, payer: Standing, company: Row) -> Held | None:
    untaxed, limit, balance = row["untaxed_amount"], payer.limit, payer.balance
    if limit is None or balance is None or row["shipment_method"] != "order" or untaxed <= 0:
        return None
    amount = _in_company(untaxed, row, company)
    excess = balance + amount - limit
    if excess <= 0:
        return None
    code = get(row, "currency", "code")
    there = "" if code == company["code"] else f" ({_money(amount, company)} {company['code']})"
    return Held(
        CREDIT,
        f"on credit hold: {untaxed:f} {code}{there} before tax and an open balance of {_money(balance, company)} "
        f"exceed the limit of {_money(limit, company)} by {_money(excess, company)}",
        "raise the limit, book a payment, or let someone of the group Account Credit Limit "
        "confirm it in Tryton; it is tried again every minute",
        payer,
    )


def _in_company(amount: Decimal, row: Row, company: Row) -> Decimal:
    """Convert as the server does. Without a rate it will refuse the confirm and say so; the sum stands as it is."""
    own: Decimal | None = company["rate"]
    theirs: Decimal | None = get(row, "currency", "rate")
    step: Decimal = company["rounding"]
    if get(row, "currency", "id") == company["id"] or not own or not theirs:
        return amount
    return (amount * own / theirs / step).quantize(Decimal(1), ROUND_HALF_EVEN) * step


def _money(value: Decimal, company: Row) -> str:
    return f"{value:.{company['digits']}f}"
