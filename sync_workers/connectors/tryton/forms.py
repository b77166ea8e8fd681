"""What the server's form of an order fills in when a person chooses the customer.

Addresses, terms, price list and methods come from its own ``on_change``, the rest from its defaults. Source:
trytond modules ``sale`` 8.2, ``sale.py`` (``on_change_party``), ``sale_price_list`` 8.2, ``sale.py``.
"""

from __future__ import annotations

from sync_workers.connectors.tryton.destinations import NAMES
from sync_workers.connectors.tryton.lookups import Lookups
from sync_workers.connectors.tryton.session import Deadline, Row, Session

_DEFAULTS = ("company", "currency", "warehouse", "payment_term", "invoice_method", "shipment_method")
_OF_CUSTOMER = (*NAMES, "payment_term", "price_list", "invoice_method", "shipment_method")


class Form:
    """An empty order in one company; ``warehouse`` by name or code, None for the server's own default."""

    def __init__(self, session: Session, lookups: Lookups, warehouse: str | None) -> None:
        self._session = session
        self._lookups = lookups
        self._warehouse = warehouse

    def header(self, party: int, within: Deadline) -> Row:
        """Return the values of a new order of this customer; links as ids."""
        defaults = self._session.call(
            "model.sale.sale.default_get", list(_DEFAULTS), True, within=within
        )
        start = {name: defaults.get(name) for name in _DEFAULTS} | {"party": party}
        start["company"] = self._session.login(within).context["company"]
        if not start["warehouse"] or self._warehouse:
            start["warehouse"] = self._lookups.warehouse(self._warehouse, within)["id"]
        answered = self._session.call("model.sale.sale.on_change", start, ["party"], within=within)
        header = start | {name: value for name, value in answered.items() if not name.endswith(".")}
        return {name: value for name, value in header.items() if value is not None}

    def of_customer(self, party: int, within: Deadline) -> Row:
        """Return what an order takes over from its customer, None where that customer has nothing."""
        header, known = self.header(party, within), self._session.fields("sale.sale", within)
        return {name: header.get(name) for name in _OF_CUSTOMER if name in known}
