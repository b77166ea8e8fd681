"""The people of a working day, and what each of their acts promises to have led to in the end.

A promise is written down when somebody acts; ``books`` compares all of them with both systems later.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sync_workers.commands.demo.crm import Crm, Json
from sync_workers.commands.demo.exhibits import CUSTOMER, ORDER, PART, PRICES, Exhibit
from sync_workers.commands.demo.scenario import Fact, StoryError
from sync_workers.commands.demo.stage import Stage
from sync_workers.sandbox import processes
from sync_workers.sandbox.tryton import catalogue, warehouse
from sync_workers.sandbox.tryton.rpc import Rpc

BOXES = dict(catalogue.BOXES.values())
IN_CRM = {catalogue.UNIT: "piece", catalogue.BOX_OF_12: "box of 12", catalogue.BOX_OF_100: "box of 100"}
PIECES = {"piece": 1, "box of 12": 12, "box of 100": 100}
WAIT_S = 90.0
LOOKS_EVERY_S = 0.4  # as somebody at a screen: whatever is looked at has to answer, the ERP too

DONE, HELD, DEAD = "order in the ERP", "held", "dead letter"
TOLD = "as its story tells"  # judged by the facts of the story; the books see only that it stands once


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
    name: str = ""


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
    noted: list[Fact] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)  # what an act has seen for the check of its story
    parts: Mapping[str, catalogue.Part] = field(
        default_factory=lambda: {part.code: part for part in catalogue.parts()}
    )

    @property
    def crm(self) -> Crm:
        return self.stage.crm

    @property
    def clerk(self) -> Rpc:
        return self.stage.clerk

    def wait_for(self, is_so: Callable[[], bool], what: str, within_s: float = WAIT_S) -> None:
        """Wait until it is so. StoryError when it takes longer."""
        began = time.monotonic()
        if not processes.wait_until(is_so, within_s, every_s=LOOKS_EVERY_S):
            raise StoryError(f"{what}: not there after {time.monotonic() - began:.0f} s", mend="see the logs")

    def note(self, fact: Fact) -> None:
        """Keep what was seen in the middle of a story for its end."""
        self.noted.append(fact)

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

    def enter_deal(
        self, customer: str, lines: list[Line], *, name: str = "", ending: str = DONE,
        places: Sequence[tuple[str, str, str]] = (), **properties: str,
    ) -> Promise:  # fmt: skip
        """Let a sales rep enter a deal with its lines; ``places`` are addresses with the label of their link."""
        number = len(self.deals) + 1
        deal = {"dealname": name or f"Parts for order {number}", "deal_currency_code": "USD",
                "po_number": f"PO-{1000 + number}", "pipeline": "default",
                "dealstage": "contractsent", **properties}  # fmt: skip
        rows = [("line_items", self.enter_line(line)) for line in lines]
        deal_id = self.crm.create("deals", deal, [("companies", customer), *rows, *places])
        promise = Promise(deal_id, customer, lines, ending, deal["dealname"])
        self.deals.append(promise)
        return promise

    def win(
        self, customer: str, lines: list[Line], *, name: str = "", ending: str = DONE,
        places: Sequence[tuple[str, str, str]] = (), **properties: str,
    ) -> Promise:  # fmt: skip
        """Let a sales rep enter a deal with its lines and win it."""
        promise = self.enter_deal(customer, lines, name=name, ending=ending, places=places, **properties)
        self.crm.win(promise.deal)
        return promise

    def promised(self, name: str) -> Promise:
        """Return the deal that a story gave this name; of several the newest."""
        return [promise for promise in self.deals if promise.name == name][-1]

    def deal(self, name: str) -> str:
        """Return the id of the deal of this name."""
        return self.promised(name).deal

    def enter_line(self, line: Line) -> str:
        part = self.parts.get(line.part)
        values = {"name": part.name if part else line.part, "hs_sku": line.part, "unit": line.unit,
                  "quantity": str(line.quantity), "price": str(line.price)}  # fmt: skip
        return self.crm.create("line_items", values)

    def show_order(self, name: str, title: str = "") -> None:
        """Let both systems' views of a deal be shown before and after."""
        self.exhibits.append(Exhibit(ORDER, self.deal(name), title or name))

    def show_customer(self, number: str, title: str = "") -> None:
        self.exhibits.append(Exhibit(CUSTOMER, number, title or f"customer {number}"))

    def show_part(self, code: str, title: str = "") -> None:
        self.exhibits.append(Exhibit(PART, code, title or f"part {code}"))

    def show_prices(self, code: str) -> None:
        self.exhibits.append(Exhibit(PRICES, code, f"prices of {code}"))

    def ship_one(self, *, but: str) -> bool:
        """Let the warehouse ship the next order that is confirmed, ``but`` of the deal with this name, which has
        a story of its own. False when none came in time."""
        waiting = {
            reference_of(one.deal): one.deal
            for one in self.deals if one.ending == DONE and one.deal not in self.shipped and one.name != but
        }  # fmt: skip
        confirmed = [["reference", "in", list(waiting)], ["state", "in", ["processing", "done"]]]
        found: list[int] = []

        def is_ready() -> bool:
            found[:] = self.clerk.find("sale.sale", confirmed)
            return bool(found)

        if not processes.wait_until(is_ready, WAIT_S, every_s=LOOKS_EVERY_S):
            return False
        (sale,) = self.clerk.read("sale.sale", found[:1], "reference")
        warehouse.ship(self.clerk, sale["id"])
        self.shipped.append(waiting[sale["reference"]])
        return True


def reference_of(deal: str) -> str:
    """Return our reference in the ERP, as the README documents it."""
    return f"crm-order-{deal}"
