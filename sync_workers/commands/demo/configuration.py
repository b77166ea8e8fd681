"""The configuration folder of the demo's company: its two systems, and the starter sheets with its units."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Collection, Mapping
from itertools import product
from pathlib import Path

from sync_workers.commands.init import sheets
from sync_workers.sandbox.tryton.catalogue import GOLD, MAIN_WAREHOUSE, SECOND_WAREHOUSE, STANDARD

POLL_S = {"stock": 3, "order": 4, "customer": 5, "part": 10, "shipment": 4, "invoice": 4, "credit_note": 5}
# What this company packs goods in: the CRM's word, the symbol in its ERP, and what is in it.
UNITS = (("box of 12", "bx12", "12 piece"), ("box of 100", "bx100", "100 piece"))
WAREHOUSES = (MAIN_WAREHOUSE, SECOND_WAREHOUSE)
# What takes the ERP time for every part, so that only the stories that show it have it.
TIERS, HOUSES = "prices per tier", "stock per warehouse"
# The prices that reps see on a product: of a tier, in a currency, from so many pieces on.
PRICES = tuple(product((STANDARD, GOLD), ("USD", "EUR"), (1, 100)))
# What this company sells in boxes it also promises in boxes: a property of each product per box.
STOCK = "mappings/stock/v1.toml"
IN_BOXES = """
[[field]]
name = "available_in_{word}"
owner = "erp"
why = "what sales may promise today in whole boxes; rounded down, never up"
as = "quantity"
crm = {{ path = "properties.{property}", count_in = "{unit}", digits = 0, rounding = "down" }}
erp = {{ path = "available", read_only = true }}
"""
IN_HOUSE = """
[[field]]
name = "{word}_available"
owner = "erp"
why = "what sales may promise from where it lies"
as = "quantity"
crm = {{ path = "properties.stock_{word}_available", digits = 3, rounding = "down" }}
erp = {{ path = "warehouses[name={house}].available", read_only = true }}
"""
PART = "mappings/part/v1.toml"
PRICE = """
[[field]]
name = "{name}"
owner = "erp"
why = "what this tier pays in this currency from this quantity on; reps of other tiers see their own"
as = "decimal"
crm = {{ path = "properties.{name}", digits = 4 }}
erp = {{ path = "prices[key={tier}/{currency}/{quantity}].price", digits = 4, read_only = true }}
"""
SCOPE = """
[systems.erp.prices]
lists = {tiers}
currencies = {currencies}
quantities = {quantities}
"""
SYSTEMS = """\
# Written by 'sync-workers demo' for its own company; a configuration of yours comes from 'sync-workers init'.
[systems.crm]
platform = "hubspot"
base_url = {crm_url}
token = "env:DEMO_CRM_TOKEN"
webhook_secret = "env:DEMO_CRM_WEBHOOK_SECRET"
app_id = "env:DEMO_CRM_APP_ID"
developer_key = "env:DEMO_CRM_DEVELOPER_KEY"
public_url = {public_url}
won_stages = ["closedwon"]

# Its webhooks do not tell of addresses, which are a custom object: it is asked.
[systems.crm.poll]
customer = 5

[systems.crm.limits]
requests = 1400
window_s = 10
in_flight = 8

[systems.erp]
platform = "tryton"
base_url = {erp_url}
database = {database}
user = {user}
password = "env:DEMO_ERP_PASSWORD"
warehouse = {warehouse}
not_customers = ["Suppliers"]
invoice_on_shipment = true
# Nobody here works on a document for longer than that in one go; what is younger is read again by each poll.
longest_transaction_s = 15
{more}

[systems.erp.poll]
{poll}

[systems.erp.limits]
in_flight = 4
"""


def write_configuration(folder: Path, needs: Collection[str] = (), **values: str) -> None:
    """Write ``systems.toml`` and the sheets. ``values`` are the names in braces above, ``needs`` TIERS and HOUSES."""
    quoted = {name: json.dumps(value) for name, value in values.items()}
    poll = "\n".join(f"{kind} = {seconds}" for kind, seconds in POLL_S.items())
    pages = {name: _with_units(text) for name, text in sheets().items()}
    more = ""
    if HOUSES in needs:
        more += f"warehouses = {json.dumps(WAREHOUSES)}\n"
        pages[STOCK] += "".join(IN_HOUSE.format(word=house.lower(), house=house) for house in WAREHOUSES)
    if TIERS in needs:
        columns = (json.dumps(list(dict.fromkeys(column))) for column in zip(*PRICES, strict=True))
        more += SCOPE.format(**dict(zip(("tiers", "currencies", "quantities"), columns, strict=True)))
        pages[PART] += "".join(
            PRICE.format(name=price_property(*each), tier=each[0], currency=each[1], quantity=each[2])
            for each in PRICES
        )
    pages[STOCK] = _with_units(pages[STOCK] + "\n[units.crm]\n" + "".join(_in_boxes(unit) for unit, _, _ in UNITS))
    pages["systems.toml"] = SYSTEMS.format(**quoted, poll=poll, more=more)
    for name, text in pages.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def write_environment(file: Path, environ: Mapping[str, str]) -> None:
    """Leave what another terminal needs to use the commands on this demo; it holds passwords."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        opened.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in environ.items())


def property_of(unit: str) -> str:
    """Return the CRM's property that shows what is available in a unit."""
    return f"stock_available_{unit.replace(' ', '_')}"


def price_property(tier: str, currency: str, quantity: int) -> str:
    """Return the CRM's property that shows what a tier pays in a currency from a quantity on."""
    return f"price_{tier}_{currency}_{quantity}".lower()


def _in_boxes(unit: str) -> str:
    return IN_BOXES.format(word=unit.replace(" ", "_"), property=property_of(unit), unit=unit)


def _with_units(text: str) -> str:
    """Add this company's boxes to a sheet that names units."""
    for system in ("crm", "erp"):
        rows = [f'"{word if system == "crm" else symbol}" = "{holds}"\n' for word, symbol, holds in UNITS]
        text = text.replace(f"[units.{system}]\n", f"[units.{system}]\n" + "".join(rows))
    return text
