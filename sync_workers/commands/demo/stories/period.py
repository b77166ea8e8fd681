"""A fiscal period is closed in the ERP: invoices wait on hold, none dies, and they are booked once it is open again."""

from __future__ import annotations

from collections.abc import Iterator

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import Day
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario, says
from sync_workers.sandbox.tryton import accounts, warehouse

PART, NAMES = "BRG-6223-2RS", ("First in a closed period", "Second in a closed period")


def win_two(day: Day) -> None:
    for name in NAMES:
        day.win(day.company("C1005"), [day.line(PART, 2)], name=name)
        day.show_order(name)
    for name in NAMES:
        sights.await_state(day, name, "processing")


def close_and_ship(day: Day) -> None:
    accounts.close_period(day.clerk)
    for name in NAMES:
        warehouse.ship(day.clerk, sights.order(day, name)["id"])
    day.wait_for(lambda: len(_waiting(day)) == len(NAMES), "both invoices on hold")
    for number in _waiting(day):
        day.note(says("an invoice on hold", sights.held(day, "invoice").get(number), "period"))
    day.note(Fact("dead letters of invoices meanwhile", _dead(day), 0))


def reopen(day: Day) -> None:
    """An invoice on hold is tried again every ten minutes, and at once when somebody touches it."""
    accounts.reopen_period(day.clerk, accounts.find_period(day.clerk, warehouse.today()))
    for name in NAMES:
        accounts.validate_invoices(day.clerk, sights.order(day, name)["id"])

    def are_booked() -> bool:
        return all(sights.invoices(day, name) for name in NAMES)

    day.wait_for(are_booked, "both invoices booked by themselves")


def check(day: Day) -> Iterator[Fact]:
    for name in NAMES:
        yield Fact(f"{name}: invoices in the ERP", [each["state"] for each in sights.documents(day, name)], ["posted"])
        yield Fact(f"{name}: invoices on the deal", len(sights.invoices(day, name)), 1)
    yield Fact("invoices on hold", len(_waiting(day)), 0)
    yield Fact("dead letters of invoices", _dead(day), 0)


def _waiting(day: Day) -> set[str]:
    ours = {str(each["id"]) for name in NAMES for each in sights.documents(day, name)}
    return ours & set(sights.held(day, "invoice"))


def _dead(day: Day) -> int:
    with day.stage.ledger.transaction() as tx:
        sql = ("SELECT count(*) FROM dead_letters l JOIN records r ON r.id = l.record_id"
               " WHERE r.kind = 'invoice' AND l.state = 'open'")  # fmt: skip
        return int(tx.rows(sql)[0][0])


STORY = Scenario(
    "period",
    "a closed fiscal period holds invoices and kills none; opened again, they are booked",
    opening=(FIRST_LOAD, Act("two deals are won and confirmed", win_two)),
    acts=(
        Act("accounting closes the period, and the warehouse ships both", close_and_ship),
        Act("accounting opens the period again and looks the invoices through", reopen),
    ),
    check=check,
)
