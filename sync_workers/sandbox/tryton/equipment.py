"""What the seeded ERP has beside parts and customers: foreign currencies, a bank account, carriers.

The seeder calls each once. Carriers are parties too, of the category that is no customer; the freight that
they are billed by is a service, which an order may name as it names a part.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sync_workers.sandbox.tryton import catalogue
from sync_workers.sandbox.tryton.rpc import Rpc


def add_currencies(rpc: Rpc, accounts: dict[str, int], today: date) -> None:
    """Add the currencies with a rate each, and say where differences of exchange are booked."""
    rpc.create("currency.currency", *(
        {"name": name, "code": code, "numeric_code": number, "symbol": symbol, "digits": digits,
         "rounding": Decimal(1).scaleb(-digits),
         "rates": [["create", [{"date": date(today.year, 1, 1), "rate": rate}]]]}
        for code, (name, number, symbol, digits, rate) in catalogue.CURRENCIES.items()
    ))  # fmt: skip
    rpc.write("account.configuration", [1], {
        "currency_exchange_journal": rpc.one("account.journal", [["code", "=", "EXC"]]),
        "currency_exchange_credit_account": accounts["revenue"],
        "currency_exchange_debit_account": accounts["expense"],
    })  # fmt: skip


def add_payment_method(rpc: Rpc, company: int) -> None:
    """Add a bank account and the method by which customers pay into it."""
    bank = rpc.find("account.account", [["type.statement", "=", "balance"], ["closed", "!=", True]])
    rpc.create("account.invoice.payment.method", {
        "name": catalogue.PAYMENT_METHOD, "company": company,
        "journal": rpc.find("account.journal", [["type", "=", "cash"]])[0],
        "credit_account": bank[0], "debit_account": bank[0],
    })  # fmt: skip


def add_carriers(rpc: Rpc, category: int, unit: int) -> None:
    (template,) = rpc.create("product.template", {
        "name": "Freight", "type": "service", "default_uom": unit, "list_price": catalogue.FREIGHT_PRICE,
        "account_category": category, "salable": True, "sale_uom": unit,
        "products": [["create", [{"suffix_code": catalogue.FREIGHT}]]],
    })  # fmt: skip
    freight = rpc.one("product.product", [["template", "=", template]])
    (suppliers,) = rpc.create("party.category", {"name": catalogue.SUPPLIERS})
    for party in rpc.create("party.party", *(
        {"name": name, "code": f"CARRIER-{place}", "categories": [["add", [suppliers]]]}
        for place, name in enumerate(catalogue.CARRIERS, 1)
    )):  # fmt: skip
        rpc.create("carrier", {"party": party, "carrier_product": freight})
