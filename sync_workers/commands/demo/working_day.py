"""The working day: what sales, the warehouse and bad luck do, act by act. Every act is safe on its own."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from decimal import Decimal

from sync_workers.commands.demo import everyday
from sync_workers.commands.demo.day import DEAD, HELD, Day, Line, TypedCount
from sync_workers.commands.demo.opening import FIRST_LOAD, LOADED_WITHIN_S
from sync_workers.commands.demo.scenario import Act, Scenario, StoryError
from sync_workers.sandbox.faults import Fault
from sync_workers.sandbox.tryton import accounts, catalogue, warehouse

CREATES_A_SALE = r'"model\.sale\.sale\.create"'
LATE_S = 6.0
LONG_S = 90.0
MEANT, MISTYPED = "BRG-6205-2RS", "BRG-6205-2RZ"


def win_deals(day: Day) -> None:
    for _ in range(2):
        day.win(day.anybody(), day.some_lines())


def edit_customers(day: Day) -> None:
    day.crm.edit("companies", day.company("C1002"), phone="+1 312 555 7002")
    day.crm.edit("companies", day.company("C1005"), address="77 Foundry Row", city="Dayton", zip="45404")
    day.crm.edit("companies", day.company("C1008"), order_email="orders@lakeside.example.com")


def lose_answers(day: Day) -> None:
    """The ERP stores the next two orders and drops the connection before it says so."""
    day.stage.proxy.add(Fault.COMMITTED_DROP, body=CREATES_A_SALE, times=2)
    for _ in range(2):
        day.win(day.anybody(), day.some_lines())


def kill_worker(day: Day) -> None:
    """Deals are being won; in the middle of it the worker is killed."""
    day.win(day.anybody(), day.some_lines())
    pid = day.stage.fleet.pid("worker")
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        day.killed += 1
    day.win(day.anybody(), day.some_lines())


def answer_late(day: Day) -> None:
    day.stage.proxy.add(Fault.DELAY, body=CREATES_A_SALE, seconds=LATE_S)
    day.win(day.anybody(), day.some_lines())


def wrong_parts(day: Day) -> None:
    """One deal names a part that does not exist, the other has a typing error."""
    unknown = Line("BRG-9999-ZZ", 4, "piece", Decimal("12.5"))
    day.win(day.anybody(), [*day.some_lines(1), unknown], ending=DEAD)
    good = day.line(MEANT, 6)
    day.mistyped = day.win(day.anybody(), [replace(good, part=MISTYPED)])


def correct_part(day: Day) -> None:
    """The rep hears of the dead letter and corrects the line; nobody requeues anything."""
    promise = day.mistyped
    assert promise is not None
    day.wait_for(lambda: _is_dead(day, promise.deal), "the dead letter of the mistyped part", LONG_S)
    line = next(each for each in day.crm.records("line_items") if each["properties"].get("hs_sku") == MISTYPED)
    day.crm.edit("line_items", str(line["id"]), hs_sku=MEANT, name=day.parts[MEANT].name)
    promise.lines[:] = [replace(each, part=MEANT) for each in promise.lines]


def beyond_credit(day: Day) -> None:
    """A customer with a limit of 500 orders for more."""
    accounts.set_credit_limit(day.clerk, "C1019", catalogue.CREDIT_LIMITS["C1019"])  # another story may have raised it
    day.win(day.company("C1019"), [day.line("RC40/1R", 40)], name="A big order of Small Orders Ltd.", ending=HELD)


def move_goods(day: Day) -> None:
    clerk = day.stage.clerk
    for code in ("BRG-6204-2RS", "00401", "SEAL 25 47 10"):
        warehouse.receive_goods(clerk, code, 250)
    if not day.ship_one(but=everyday.PARCELS):
        raise StoryError("no order reached the warehouse", mend="see the logs of the worker")


def type_count(day: Day) -> None:
    """Somebody in sales 'corrects' a stock figure in the CRM."""
    code = "BRG-6210-2RS"
    found: list[str] = []

    def is_there() -> bool:
        found[:] = [
            str(each["id"]) for each in day.crm.records("products")
            if each["properties"].get("hs_sku") == code and each["properties"].get("stock_on_hand")
        ]  # fmt: skip
        return bool(found)

    day.wait_for(is_there, f"part {code} with its stock in the CRM", LOADED_WITHIN_S)
    day.crm.edit("products", found[0], stock_on_hand="9999")
    day.typed.append(TypedCount(found[0], code, "stock_on_hand", "9999"))


def _is_dead(day: Day, deal: str) -> bool:
    with day.stage.ledger.transaction() as tx:
        return bool(tx.rows(
            "SELECT 1 FROM dead_letters l JOIN records r ON r.id = l.record_id WHERE r.kind = 'order'"
            " AND r.origin_id = %s AND l.state = 'open'", (deal,),
        ))  # fmt: skip


WORKING_DAY = Scenario(
    "day",
    "a working day of a parts distributor",
    (
        FIRST_LOAD,
        Act("from now on the CRM delivers a fifth of its webhooks twice, and in no order", everyday.deliver_badly),
        Act("four deals are won, one at another amount than its lines, one in pallets", everyday.win_cases),
        Act("sales reps win two more, in pieces and in boxes", win_deals),
        Act("a deal names a part that does not exist, another one is mistyped", wrong_parts),
        Act("a brand-new company is entered, its first deal won, and a second copy merged", everyday.new_company),
        Act("reps edit customers: a phone, an address, an e-mail", edit_customers),
        Act("the ERP stores two orders and drops the connection before it answers", lose_answers),
        Act("two more deals; between them the worker is killed with kill -9", kill_worker),
        Act("somebody types a stock count into the CRM", type_count),
        Act("a customer orders beyond the credit limit", beyond_credit),
        Act(f"the ERP answers {LATE_S:.0f} s late", answer_late),
        Act("the ERP's price of a part changes", everyday.change_a_price),
        Act("the warehouse receives three parts and ships an order", move_goods),
        Act("one more order leaves in two parcels, and a piece comes back", everyday.ship_and_return),
        Act("a rep changes it too late, another deal is lost", everyday.change_too_late),
        Act("the mistyped part is corrected in the CRM, which is enough", correct_part),
        Act("the customer pays the first invoice", everyday.pay),
    ),
    check=everyday.check,
)
