"""The people of a working day, and what each of their acts promises to have led to in the end.

A promise is written down when somebody acts; ``books`` compares all of them with both systems later.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from sync_workers.commands.demo.crm import Crm, Json
from sync_workers.commands.demo.exhibits import Exhibit
from sync_workers.commands.demo.stage import Stage
from sync_workers.sandbox.processes import wait_until
from sync_workers.sandbox.tryton import catalogue, warehouse

BOXES = dict(catalogue.BOXES.values())
IN_CRM = {catalogue.UNIT: "piece", catalogue.BOX_OF_12: "box of 12", catalogue.BOX_OF_100: "box of 100"}
PIECES = {"piece": 1, "box of 12": 12, "box of 100": 100}
WAIT_S = 90.0

DONE, HELD, DEAD = "order in the ERP", "held", "dead letter"


@dataclass(frozen=True)
class Line:
    """One line of a deal; ``quantity`` in ``unit``, which is the CRM's word."""

    part: str
    quantity: int
    unit: str
    price: Decimal

    @property
    def pieces(self) -> int:
        return self.quantity * PIECES[self.unit]


@dataclass
class Promise:
    """What a won deal must have become. ``customer`` is the company's id in the CRM."""

    deal: str
    customer: str
    lines: list[Line]
    ending: str = DONE


@dataclass
class TypedCount:
    """A stock figure that somebody typed into the CRM, which has to be put back."""

    product: str
    part: str
    field: str
    typed: str


@dataclass
class Day:
    """The stage, a seeded chance, and everything promised so far."""

    stage: Stage
    chance: random.Random
    say: Callable[[str], None]
    deals: list[Promise] = field(default_factory=list)
    companies: dict[str, Json] = field(default_factory=dict)
    typed: list[TypedCount] = field(default_factory=list)
    mistyped: Promise | None = None
    killed: int = 0
    shipped: list[str] = field(default_factory=list)
    exhibits: list[Exhibit] = field(default_factory=list)
    parts: Mapping[str, catalogue.Part] = field(
        default_factory=lambda: {part.code: part for part in catalogue.parts()}
    )

    @property
    def crm(self) -> Crm:
        return self.stage.crm

    def know_customers(self) -> None:
        """Look at the companies in the CRM: those that the ERP gave it, by their number."""
        self.companies = {
            str(each["properties"].get("customer_number")): each for each in self.crm.records("companies")
        }

    def company(self, number: str) -> str:
        return str(self.companies[number]["id"])

    def anybody(self) -> str:
        """Return a customer who may order what he likes."""
        free = [one.code for one in catalogue.customers() if one.credit_limit is None]
        return self.company(self.chance.choice(free))

    def some_lines(self, count: int | None = None) -> list[Line]:
        """Choose what is ordered: pieces and boxes, each part once, of what is well in stock."""
        stocked = sorted(part.code for part in self.parts.values() if part.on_hand > 60)
        chosen = self.chance.sample(stocked, count or self.chance.randint(1, 4))
        return [self.line(code) for code in chosen]

    def line(self, code: str, quantity: int | None = None) -> Line:
        part = self.parts[code]
        unit = IN_CRM[part.sold_in]
        if unit != "piece" and self.chance.random() < 0.3:
            unit = "piece"  # a box that was opened
        price = (part.price * PIECES[unit]).quantize(Decimal("0.0001"))
        return Line(code, quantity or self.chance.randint(1, 4), unit, price)

    def win(
        self, customer: str, lines: list[Line], *, name: str = "", ending: str = DONE, **properties: str
    ) -> Promise:
        """Let a sales rep enter a deal with its lines and win it."""
        number = len(self.deals) + 1
        deal = {"dealname": name or f"Parts for order {number}", "deal_currency_code": "USD",
                "po_number": f"PO-{1000 + number}", "pipeline": "default",
                "dealstage": "contractsent", **properties}  # fmt: skip
        rows = [("line_items", self.enter_line(line)) for line in lines]
        deal_id = self.crm.create("deals", deal, [("companies", customer), *rows])
        self.crm.win(deal_id)
        promise = Promise(deal_id, customer, lines, ending)
        self.deals.append(promise)
        return promise

    def enter_line(self, line: Line) -> str:
        part = self.parts.get(line.part)
        values = {"name": part.name if part else line.part, "hs_sku": line.part, "unit": line.unit,
                  "quantity": str(line.quantity), "price": str(line.price)}  # fmt: skip
        return self.crm.create("line_items", values)

    def sale_of(self, promise: Promise) -> int | None:
        """Return the order that a deal became, as soon as it is confirmed."""
        found = self.stage.clerk.find(
            "sale.sale",
            [["reference", "=", reference_of(promise.deal)], ["state", "in", ["processing", "done"]]],
        )
        return found[0] if found else None

    def ship_one(self) -> bool:
        """Let the warehouse ship the next order that is confirmed. False when none came in time."""
        ready: list[tuple[str, int]] = []

        def is_ready() -> bool:
            waiting = [one for one in self.deals if one.ending == DONE and one.deal not in self.shipped]
            ready[:] = [(one.deal, sale) for one in waiting if (sale := self.sale_of(one)) is not None]
            return bool(ready)

        if not wait_until(is_ready, WAIT_S):
            return False
        deal, sale = ready[0]
        warehouse.ship(self.stage.clerk, sale)
        self.shipped.append(deal)
        return True


def reference_of(deal: str) -> str:
    """Return our reference in the ERP, as the README documents it."""
    return f"crm-order-{deal}"


@dataclass(frozen=True)
class Act:
    """One thing that happens: its sentence, and what is done."""

    title: str
    play: Callable[[Day], None]


@dataclass(frozen=True)
class Scenario:
    """A story under its name.

    ``opening`` sets the stage: after it both systems are shown, and again at the end. ``check`` says
    afterwards what is not as the story promises, for what the books do not count.
    """

    name: str
    title: str
    acts: tuple[Act, ...]
    opening: tuple[Act, ...] = ()
    check: Callable[[Day], list[str]] = lambda day: []
