"""The contract's verbs for Tryton; kinds, steps, polling and checks live beside it.

Tryton pushes nothing, so there are no deliveries: changes are polled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from sync_workers.connectors import budget
from sync_workers.connectors.contract import (
    NO_OBJECTS,
    NO_TYPES,
    Cursor,
    FieldType,
    Finding,
    Limits,
    Native,
    NativeWrite,
    Notice,
    Outcome,
    Page,
    Request,
    SystemSettings,
    Traits,
    Types,
)
from sync_workers.connectors.http import Slot
from sync_workers.connectors.tryton.changes import LONGEST_TRANSACTION, Changes
from sync_workers.connectors.tryton.examination import Examination, describe
from sync_workers.connectors.tryton.invoices import CreditNotes, Invoices
from sync_workers.connectors.tryton.lookups import Lookups
from sync_workers.connectors.tryton.merging import Merging
from sync_workers.connectors.tryton.parties import HOLD_CATEGORY, Parties
from sync_workers.connectors.tryton.posting import Posting
from sync_workers.connectors.tryton.prices import Prices, Scope
from sync_workers.connectors.tryton.products import Products
from sync_workers.connectors.tryton.records import Kind
from sync_workers.connectors.tryton.sales import Sales
from sync_workers.connectors.tryton.session import Deadline, Session
from sync_workers.connectors.tryton.shipments import Shipments
from sync_workers.connectors.tryton.steps import Steps
from sync_workers.connectors.tryton.stock import Stock
from sync_workers.errors import PermanentError, Refused, SyncError

IDS = 1000
POLL_BUDGET_S = 60.0

LIMITS = Limits(in_flight=4)
"""trytond sets no request limits; each call in flight holds a database connection and, under the usual
single-process server, competes for one interpreter. Raise it with the server's workers."""


class TrytonConnector:
    """One company in one Tryton database. Opens no connection before its first verb."""

    platform = "tryton"
    parts: tuple[str, ...] = ()

    def __init__(
        self,
        settings: SystemSettings,
        paths: Mapping[str, Sequence[str]],
        objects: Mapping[str, str] = NO_OBJECTS,
    ) -> None:
        self.system = settings.name
        self.limits = settings.limits if settings.limits != Limits() else LIMITS
        options = settings.options
        self._session = Session(settings)
        lookups = Lookups(self._session)
        warehouse = str(options["warehouse"]) if options.get("warehouse") else None
        hold_category = str(options.get("hold_category") or HOLD_CATEGORY)
        parties = Parties(self._session, lookups, options.get("not_customers", ()), hold_category)
        sales = Sales(self._session, lookups, warehouse, hold_category)
        self._stock = Stock(self._session, lookups, warehouse, options.get("warehouses", ()))
        prices = Prices(self._session, lookups, Scope.read(self.system, options.get("prices")))
        post_shipped = options.get("invoice_on_shipment") is True
        invoices = Invoices(self._session, post_shipped=post_shipped)
        kinds: tuple[Kind, ...] = (
            parties,
            Products(self._session, lookups, prices),
            self._stock,
            sales,
            Shipments(self._session),
            invoices,
            CreditNotes(self._session, post_shipped=post_shipped),
        )
        self._kinds = {kind.name: kind for kind in kinds}
        accepted = options.get("accept_warnings", ())
        self._steps = {
            "order": Steps(sales, accepted).take,
            "customer": Merging(parties).take,
            "invoice": Posting(invoices, accepted).take,
        }
        longest = options.get("longest_transaction_s")
        self._changes = Changes(
            self._session, timedelta(seconds=float(longest)) if longest is not None else LONGEST_TRANSACTION
        )
        self._examination = Examination(self._session, lookups, warehouse, self._stock.names, hold_category)

    def parent_of(self, kind: str, external_id: str) -> tuple[str, str] | None:
        raise PermanentError(f"{self.system}: {kind} is no part of another kind")

    def heed(self, slot: Slot) -> None:
        self._session.http.slot = slot

    def traits(self, kind: str) -> Traits:
        """Return the kind's traits; each number has its source at the kind."""
        return self._kind(kind).traits

    def verify(self, request: Request) -> None:
        """Tryton sends nothing, so whatever arrives in its name is not from it."""
        raise Refused(f"{self.system}: Tryton sends no webhooks; it is polled")

    def answer(self, outcome: Outcome) -> int:
        """Plain statuses: there is no sender to be considerate of."""
        return {Outcome.ACCEPTED: 202, Outcome.REFUSED: 403, Outcome.MALFORMED: 400, Outcome.TRY_LATER: 503}[
            outcome
        ]

    def events(self, request: Request) -> list[Notice]:
        """Return none: see ``verify``."""
        return []

    def read(self, kind: str, external_id: str) -> Native | None:
        """Return one record; consistent, for there is one database and writes answer after their commit."""
        return self._kind(kind).read_many([external_id], Deadline()).get(external_id)

    def read_many(self, kind: str, external_ids: Sequence[str]) -> dict[str, Native]:
        """Return many records, 500 in a call."""
        return self._kind(kind).read_many(external_ids, Deadline(POLL_BUDGET_S))

    def find(self, kind: str, path: str, value: str) -> list[Native]:
        """Return all that show ``value``, switched-off ones marked. Exact, case included."""
        return self._kind(kind).find(path, value, Deadline())

    def find_many(self, kind: str, path: str, values: Sequence[str]) -> dict[str, list[Native]]:
        """Return what ``find`` does, value by value, in as few calls as the path allows."""
        return self._kind(kind).find_many(path, values, Deadline())

    def write(self, write: NativeWrite) -> Native:
        """Create, update or take a step; always within ``write.budget_s``, and one call that writes."""
        within = Deadline(write.budget_s)
        kind = self._kind(write.kind)
        self._session.login(within)  # before anything is sent: a renewed login is never part of a write
        with budget.within(within.left()):
            if not write.action:
                return kind.write(write, within)
            if write.kind not in self._steps:
                raise PermanentError(f"{write.kind}: has no step {write.action!r} in Tryton")
            return self._steps[write.kind](write, within)

    def write_many(self, writes: Sequence[NativeWrite]) -> list[Native | SyncError]:
        """Write one by one: a call with several records is one transaction: a bad item would fail all."""
        results: list[Native | SyncError] = []
        for write in writes:
            try:
                results.append(self.write(write))
            except SyncError as error:
                results.append(error)
        return results

    def changes(self, kind: str, cursor: Cursor) -> Page:
        """Return what changed; stamps have microseconds, rows of the last minute come again."""
        return self._changes.after(self._kind(kind), cursor, Deadline(POLL_BUDGET_S))

    def ids(self, kind: str, after: str = "") -> list[str]:
        """Return the next thousand ids, in numeric order."""
        found = self._kind(kind).ids_after(int(after or 0), IDS, Deadline(POLL_BUDGET_S))
        return [str(number) for number in found]

    def describe(self, kind: str) -> dict[str, FieldType]:
        """Return the fields as the server has them now, asked anew each time."""
        return describe(self._session, self._kind(kind), Deadline(POLL_BUDGET_S))

    def examine(
        self, paths: Mapping[str, Sequence[str]], *, fix: bool = False, types: Types = NO_TYPES
    ) -> list[Finding]:
        """Check server, login, company, modules, rights and fields; nothing that ``fix`` could create."""
        return self._examination.run({self._kind(kind): used for kind, used in paths.items()})

    def stock_snapshot(self) -> Iterator[Native]:
        """Yield every part's figures by ascending product id, lazily, for the bulk comparison."""
        return self._stock.snapshot()

    def _kind(self, name: str) -> Kind:
        try:
            return self._kinds[name]
        except KeyError:
            raise PermanentError(
                f"{self.system}: Tryton's connector has no kind {name!r}",
                mend=f"use one of {', '.join(self._kinds)}",
            ) from None
