"""The types that a link between two records may have, and those that every account has.

Source: developers.hubspot.com, "Associations API v4", "Association type IDs"; the numbers also
in hubspot-api-python, ``hubspot/crm/association_type.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

HUBSPOT = "HUBSPOT_DEFINED"
USER = "USER_DEFINED"
FIRST_USER_ID = 1

# from, to, type id, id of the inverse, label
BUILT_IN = (
    ("0-1", "0-2", 279, 280, None),
    ("0-1", "0-2", 1, 2, "Primary"),
    ("0-3", "0-2", 341, 342, None),
    ("0-3", "0-2", 5, 6, "Primary"),
    ("0-3", "0-1", 3, 4, None),
    ("0-3", "0-8", 19, 20, None),
    ("0-3", "0-123", 511, 512, None),
    ("0-123", "0-1", 507, 508, None),
    ("0-123", "0-2", 509, 510, None),
    ("0-123", "0-8", 513, 514, None),
    ("0-2", "0-2", 13, 14, "Parent Company"),
    ("0-2", "0-2", 450, 450, None),
    ("0-46", "0-2", 190, 189, None),
    ("0-46", "0-1", 202, 201, None),
    ("0-46", "0-3", 214, 213, None),
    ("0-53", "0-3", 175, 176, None),
    ("0-53", "0-1", 177, 178, None),
    ("0-53", "0-2", 179, 180, None),
    ("0-53", "0-8", 409, 410, None),
    ("0-53", "0-123", 518, 517, None),
)


@dataclass(frozen=True)
class LinkType:
    """One direction of one kind of link; ``label`` is None for the plain one."""

    source: str
    target: str
    category: str
    type_id: int
    inverse_id: int
    label: str | None = None

    @property
    def is_primary(self) -> bool:
        return self.label == "Primary"
