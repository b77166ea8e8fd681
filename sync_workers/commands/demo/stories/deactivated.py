"""A part is switched off in the ERP while an order of it is open: the order goes its way, and the catalogue says so."""

from __future__ import annotations

from collections.abc import Iterator

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import Day
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario
from sync_workers.sandbox.tryton import assortment, warehouse

NAME, PART, HEIR = "Of a part that is switched off", "RC47/1R", "RC48/1R"


def win(day: Day) -> None:
    day.win(day.company("C1011"), [day.line(PART, 3)], name=NAME)
    day.show_order(NAME)
    day.show_part(PART)
    sights.await_state(day, NAME, "processing")


def switch_off(day: Day) -> None:
    assortment.deactivate_part(day.clerk, PART, replaced_by=HEIR)
    day.wait_for(lambda: sights.product(day, PART).get("erp_active") == "false", "the part switched off in the CRM")


def ship(day: Day) -> None:
    warehouse.ship(day.clerk, sights.order(day, NAME)["id"])
    sights.await_count(day, NAME, sights.invoices, 1)


def check(day: Day) -> Iterator[Fact]:
    product = sights.product(day, PART)
    yield Fact(f"{PART} in the CRM's catalogue is active", product.get("erp_active"), "false")
    yield Fact("what replaces it", product.get("replaced_by"), HEIR)
    yield Fact("parcels on the deal", [each["contents"] for each in sights.parcels(day, NAME)], [f"3 u {PART}"])
    yield Fact("invoices on the deal", len(sights.invoices(day, NAME)), 1)
    yield Fact("dead letters of the order", sights.letter(day, day.deal(NAME)), "")


STORY = Scenario(
    "deactivated",
    "a part is switched off while an order of it is open",
    opening=(FIRST_LOAD, Act(f"a deal of three {PART} is won and confirmed", win)),
    acts=(
        Act(f"the ERP switches the part off in favour of {HEIR}", switch_off),
        Act("the warehouse ships the order all the same", ship),
    ),
    check=check,
)
