"""A customer with several addresses: one party in the ERP, and every order goes where it was said to go."""

from __future__ import annotations

from collections.abc import Iterator

from sync_workers.commands.demo import sights
from sync_workers.commands.demo.day import Day
from sync_workers.commands.demo.opening import FIRST_LOAD
from sync_workers.commands.demo.scenario import Act, Fact, Scenario
from sync_workers.sandbox.tryton import catalogue, sales

COMPANY, OFFICE, PART = "Many Places LLC", "18 Harbor Street", "BRG-6210-2RS"
PLANTS = ("1 Mill Lane", "2 Mill Lane")
MOVED = "99 New Road"
LIMIT, TYPED = "5000.00", "1000000"
DEALS = (("To the first plant", 0, 1), ("To the second plant", 1, 0))  # ship to, bill to


def enter(day: Day) -> None:
    company = day.crm.create("companies", {
        "name": COMPANY, "phone": "+1 312 555 0188", "order_email": "parts@manyplaces.example.com",
        "address": OFFICE, "zip": "53202", "city": "Milwaukee", "country": "United States",
    })  # fmt: skip
    for street in PLANTS:
        day.crm.create("addresses", {
            "name": f"Plant at {street}", "street": street, "city": "Dayton", "postal_code": "45402",
            "country": "United States", "billing": "true", "shipping": "true",
        }, [("companies", company)])  # fmt: skip
    day.crm.create("contacts", {
        "firstname": "Ada", "lastname": "Moreno", "email": "ada@manyplaces.example.com",
    }, [("companies", company)])  # fmt: skip
    day.show_customer(company, COMPANY)


def order(day: Day) -> None:
    places = {each["street"]: each["id"] for each in day.crm.linked("companies", _company(day), "addresses")}
    for name, ship_to, bill_to in DEALS:
        labels = ((ship_to, "Ship to"), (bill_to, "Bill to"))
        labelled = [("addresses", str(places[PLANTS[plant]]), label) for plant, label in labels]
        day.win(_company(day), [day.line(PART, 2)], name=name, places=labelled)
        day.show_order(name)
    for name, _, _ in DEALS:
        sights.await_state(day, name, "processing")


def move_a_plant(day: Day) -> None:
    places = {each["street"]: each["id"] for each in day.crm.linked("companies", _company(day), "addresses")}
    day.crm.edit("addresses", places[PLANTS[0]], street=MOVED)
    day.wait_for(lambda: MOVED in _streets(day), f"{MOVED} in the ERP")


def type_at_the_wrong_screens(day: Day) -> None:
    """The CRM owns who the customer is, the ERP what finance grants."""
    day.crm.edit("companies", day.company("C1020"), credit_limit=TYPED)
    sales.edit_party(day.clerk, "C1004", name="Typed at the wrong screen")


def check(day: Day) -> Iterator[Fact]:
    party = day.clerk.find("party.party", [["name", "=", COMPANY]])
    yield Fact(f"parties of {COMPANY}", len(party), 1)
    yield Fact("its addresses in the ERP", sorted(_streets(day)), sorted((OFFICE, MOVED, PLANTS[1])))
    yield Fact("its contact in the ERP", _mechanisms(day, party), {"ada@manyplaces.example.com"})
    for name, ship_to, bill_to in DEALS:
        sale = sights.order(day, name)
        went = (sale["shipment_address."]["street"], sale["invoice_address."]["street"])
        yield Fact(f"{name}: shipped to and billed to", went, (PLANTS[ship_to], PLANTS[bill_to]))
    limit = day.crm.whole("companies", day.company("C1020"))["properties"]["credit_limit"]
    yield Fact(f"the limit of C1020, after a rep typed {TYPED}", limit, LIMIT)
    known = next(one.name for one in catalogue.customers() if one.code == "C1004")
    (row,) = day.clerk.read("party.party", day.clerk.find("party.party", [["code", "=", "C1004"]]), "name")
    yield Fact("the name of C1004, after a clerk typed another", row["name"], known)


def _company(day: Day) -> str:
    (found,) = [each for each in day.crm.records("companies") if each["properties"].get("name") == COMPANY]
    return str(found["id"])


def _streets(day: Day) -> list[str]:
    """Return the streets that the ERP has for the customer; those that only old orders use are switched off there."""
    rows = day.clerk.read(
        "party.address", day.clerk.find("party.address", [["party.name", "=", COMPANY]]), "street"
    )
    return [str(row["street"]) for row in rows]


def _mechanisms(day: Day, party: list[int]) -> set[str]:
    ids = day.clerk.find("party.contact_mechanism", [["party", "in", party], ["type", "=", "email"]])
    emails = {str(row["value"]) for row in day.clerk.read("party.contact_mechanism", ids, "value")}
    return emails - {"parts@manyplaces.example.com"}


STORY = Scenario(
    "customers",
    "one customer with several addresses, each order with its own; who owns what",
    opening=(
        FIRST_LOAD,
        Act(f"a rep enters {COMPANY} with an office, two plants and a contact", enter),
    ),
    acts=(
        Act("two deals are won: shipped to one plant, billed to the other, and the other way round", order),
        Act("the first plant moves; the orders keep where they went", move_a_plant),
        Act("a rep types a credit limit, a clerk a customer's name", type_at_the_wrong_screens),
    ),
    check=check,
)
