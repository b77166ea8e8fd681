"""The parts and the customers of the distributor in the sandbox: plain data, the same on every run.

Part numbers are of the kinds that break naive syncs: leading zeros, spaces, mixed case, slashes.
How the data reach the ERP is the seeder's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

UNIT = "Unit"
BOX_OF_12 = "Box of 12"
BOX_OF_100 = "Box of 100"
BOXES = {BOX_OF_12: ("bx12", 12), BOX_OF_100: ("bx100", 100)}

GOLD = "Gold"
STANDARD = "Standard"
PAYMENT_TERMS = {"On receipt": 0, "Net 14": 14, "Net 30": 30, "Net 60": 60}
# the first line whose quantity is reached wins, so the largest quantity comes first
PRICE_LISTS = {
    STANDARD: ((100.0, "unit_price * 0.95"), (0.0, "unit_price")),
    GOLD: ((100.0, "unit_price * 0.8"), (12.0, "unit_price * 0.85"), (0.0, "unit_price * 0.9")),
}
MAIN_WAREHOUSE = "Main"
SECOND_WAREHOUSE = "West"
CARRIERS = ("Prairie Parcel", "Heartland Freight")
SUPPLIERS = "Suppliers"
FREIGHT = "FREIGHT"
FREIGHT_PRICE = Decimal("15.00")
PAYMENT_METHOD = "Bank transfer"
# code: name, number, symbol, decimals, and what a US dollar bought when the year began
CURRENCIES = {
    "EUR": ("Euro", "978", "€", 2, Decimal("0.92")),
    "JPY": ("Japanese Yen", "392", "¥", 0, Decimal("148.5")),
    "KWD": ("Kuwaiti Dinar", "414", "KD", 3, Decimal("0.3075")),
}
SALES_TAX = ("Sales tax 8.25 %", Decimal("0.0825"))
EXEMPT = "Exempt"  # the tax rule, and the rate of nothing that it puts in the sales tax's place
EXEMPT_CUSTOMER = "C1012"
ON_HOLD = "On hold"
SUPERSEDED = ("BRG-6204-ZZ", "BRG-6204-2RS")  # the part that is no more, and the one that replaces it
# whom accounting knows there: name, e-mail, phone
PEOPLE = {
    "C1009": ("Dana Whitfield", "ap@c1009.example.com", "+1 312 555 0809"),
    "C1012": ("Luis Ortega", "ap@c1012.example.com", "+1 312 555 0812"),
}


@dataclass(frozen=True)
class Part:
    """``price`` and ``cost`` are per piece, in USD; ``on_hand`` counts pieces in the main warehouse."""

    code: str
    name: str
    price: Decimal
    cost: Decimal
    on_hand: int
    sold_in: str = UNIT


@dataclass(frozen=True)
class Address:
    name: str
    street: str
    city: str
    postal_code: str
    country: str
    invoice: bool
    delivery: bool


@dataclass(frozen=True)
class Customer:
    code: str
    name: str
    email: str
    phone: str
    payment_term: str
    price_list: str
    addresses: tuple[Address, ...]
    credit_limit: Decimal | None = None


def parts() -> list[Part]:
    """Return the 200 parts; the first ones are those that a story may name."""
    return [_stocked(place, *part) for place, part in enumerate(_described())]


def _described() -> Iterator[tuple[str, str, Decimal, str]]:
    """Yield code, name, price and the unit sold in."""
    for series, first in (("62", Decimal("4.4850")), ("63", Decimal("6.1275")), ("60", Decimal("3.9"))):
        for bore in range(4, 24):
            price = (first * (1 + Decimal(bore) / 8)).quantize(Decimal("0.0001"))
            yield f"BRG-{series}{bore:02d}-2RS", f"Ball bearing {series}{bore:02d}-2RS, sealed", price, UNIT
    for number in range(40):
        price = Decimal("0.12") + Decimal(number % 17) / 50
        yield f"{401 + number:05d}", f"Hex bolt M{6 + number % 5 * 2} x {20 + number}", price, BOX_OF_100
    for shaft in range(20, 60):
        price = Decimal("2.35") + Decimal(shaft) * Decimal("0.11")
        yield f"SEAL {shaft} {shaft + 22} 10", f"Oil seal {shaft} x {shaft + 22} x 10", price, UNIT
    for length in range(30, 60):
        price = Decimal("5.99") + Decimal(length) * Decimal("0.085")
        yield f"vB-A{length}", f"V-belt A{length}", price.quantize(Decimal("0.0001")), BOX_OF_12
    for pitch in range(30):
        price = Decimal("18.75") + Decimal(pitch) * Decimal("3.333")
        yield f"RC{35 + pitch}/1R", f"Roller chain RC{35 + pitch}, single strand, 10 ft", price, UNIT


def _stocked(place: int, code: str, name: str, price: Decimal, sold_in: str) -> Part:
    pieces = {UNIT: 20 + place * 37 % 180, BOX_OF_12: 120 + place * 12 % 360, BOX_OF_100: 4000 + place * 100}
    on_hand = 0 if place % 25 == 24 else pieces[sold_in]
    return Part(code, name, price, (price * Decimal("0.6")).quantize(Decimal("0.0001")), on_hand, sold_in)


_TOWNS = (
    ("Rockford", "61101", "US"), ("Dayton", "45402", "US"), ("Tulsa", "74103", "US"), ("Reno", "89501", "US"),
    ("Erie", "16501", "US"), ("Hamilton", "L8P 1A1", "CA"), ("Köln", "50667", "DE"), ("Boise", "83702", "US"),
)  # fmt: skip
_NAMES = (
    "Rockford Gear & Drive", "O'Neill Hydraulics", "Müller Antriebstechnik GmbH", "Prairie Agri Parts",
    "Dayton Pump Service", "Great Lakes Conveyor", "North Erie Foundry", "Lakeside Marine Repair",
    "Tulsa Compressor Works", "Hamilton Mill Supply", "Silver State Mining Parts", "Boise Timber Machinery",
    "Three Rivers Elevator", "Allied Bottling Lines", "Kettle Creek Quarry", "Sundown Wind Services",
    "Blue Ox Forestry", "Ace Repair Shop", "Small Orders Ltd.", "Corner Garage",
)  # fmt: skip
CREDIT_LIMITS = {"C1019": Decimal(500), "C1020": Decimal(5000)}


def customers() -> list[Customer]:
    """Return the 20 customers; C1019 and C1020 have a credit limit, every third pays Gold prices."""
    return [_customer(place, name) for place, name in enumerate(_NAMES)]


def _customer(place: int, name: str) -> Customer:
    code = f"C{1001 + place}"
    town, other = _TOWNS[place % len(_TOWNS)], _TOWNS[(place + 3) % len(_TOWNS)]
    street = f"{100 + place * 7} Industrial Way"
    # (invoice, delivery): one address for both, or an office and a yard, or an office and two yards
    office, yard, both = (True, False), (False, True), (True, True)
    uses = ((both,), (office, yard), (office, yard, both))[place % 3]
    places = ((street, town), (f"{40 + place} Dock Road", other), (f"{9 + place} Mill Lane", town))
    addresses = tuple(
        Address(("Office", "Receiving dock", "Plant 2")[number], where, *at, invoice, delivery)
        for number, ((invoice, delivery), (where, at)) in enumerate(zip(uses, places, strict=False))
    )
    return Customer(
        code=code,
        name=name,
        email=f"purchasing@{code.lower()}.example.com",
        phone=f"+1 312 555 {100 + place:04d}",
        payment_term=tuple(PAYMENT_TERMS)[place % 4],
        price_list=GOLD if place % 3 == 0 else STANDARD,
        addresses=addresses,
        credit_limit=CREDIT_LIMITS.get(code),
    )
