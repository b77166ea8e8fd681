"""How every story begins: what the ERP knows already is in the CRM."""

from __future__ import annotations

from functools import partial

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import TOLD, Day
from sync_workers.commands.demo.scenario import Act
from sync_workers.sandbox.tryton import catalogue

LOADED_WITHIN_S = 240.0
TOLD_EVERY = 50


def first_load(day: Day) -> None:
    """Wait for the customers, which orders need, and for the parts with their stock."""
    wanted = {customer.code for customer in catalogue.customers()}

    def are_there() -> bool:
        day.know_customers()
        loaded = [each for each in day.crm.records("products") if each["properties"].get("stock_on_hand")]
        day.say(f"{len(loaded) // TOLD_EVERY * TOLD_EVERY} of {len(day.parts)} parts are in the CRM with their stock")
        return wanted <= set(day.companies) and len(loaded) >= len(day.parts)

    day.wait_for(are_there, "the ERP's customers and parts in the CRM", LOADED_WITHIN_S)


def three_orders(part: str, names: tuple[str, str, str]) -> Act:
    """Return the act that wins three deals of ten of a part and waits until their orders are confirmed."""
    return Act("three deals of ten bearings are won and confirmed", partial(_win_ten_each, part=part, names=names))


def _win_ten_each(day: Day, part: str, names: tuple[str, ...]) -> None:
    for name in names:
        day.win(day.company("C1006"), [day.line(part, 10)], name=name, ending=TOLD)
        day.show_order(name)
    for name in names:
        sights.await_state(day, name, "processing")


FIRST_LOAD = Act("first load: the ERP's 20 customers and 200 parts with their stock appear in the CRM", first_load)
