"""Documents that Tryton makes by itself: shipments, invoices, credit notes. They are shown, never written.

What they show is gathered from several records (the order of a move, the number of a parcel), most of
which do not stamp the document; so its version covers what is shown as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from sync_workers.connectors.contract import Fields, Native, NativeWrite
from sync_workers.connectors.tryton.records import Kind
from sync_workers.connectors.tryton.session import Deadline, Row
from sync_workers.connectors.tryton.versions import version_showing
from sync_workers.errors import PermanentError

BUSY_AFTER = timedelta(seconds=120)
"""No request time-out bounds a write: a post makes the ledger's move and the printed invoice before it answers."""


class Document(Kind):
    """A kind of document. Subclasses put what they gathered into the row, and shape it."""

    def native(self, row: Row) -> Native:
        fields = self.shown(row)
        return Native(
            id=str(row["id"]),
            fields=fields,
            version=version_showing(self.stamps(row), fields),
            changed_at=row["last_modified_at"],
        )

    def shown(self, row: Row) -> Fields:
        """Return the fields of one row, which holds what was gathered for it."""
        raise NotImplementedError

    def create(self, write: NativeWrite, within: Deadline) -> int:
        raise self._owned()

    def update_values(self, row: Row, changes: Mapping[str, Any], within: Deadline) -> Row:
        raise self._owned()

    def _owned(self) -> PermanentError:
        return PermanentError(
            f"{self.name}: Tryton makes it and keeps it", mend="give the field the ERP as its owner"
        )


def text(parts: Iterable[Any]) -> str | None:
    """Return what people read as a list: ``"7, 12"``, by length and then by letters; None when empty."""
    found = {str(part) for part in parts if part}
    return ", ".join(sorted(found, key=lambda part: (len(part), part))) or None


def tracking_of(shipment: Row) -> str | None:
    """Return the tracking numbers of a shipment and its parcels; None without the modules that have them."""
    packages = (package.get("shipping_reference") for package in shipment.get("root_packages") or [])
    return text({shipment.get("shipping_reference"), *packages})


def of_model(reference: str | None, model: str) -> int | None:
    """Return the id in ``"sale.line,7"`` when it is of that model."""
    name, _, number = (reference or "").partition(",")
    return int(number) if name == model and number.isdecimal() else None
