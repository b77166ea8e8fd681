"""Our keys on items that Tryton gives no field for: a line ``sync:KEY`` in a contact mechanism's comment.

A contact is its e-mail and its phone under one key. An address carries its key in a mechanism of its own
(type "other", hung on the address), and not in ``party.address.identifiers``: those admit French company
numbers alone, so that a nested create is refused and the desktop client rewrites the type of what it finds
there. Source: trytond modules ``party`` 8.2, ``address.py`` (``identifiers.domain``, ``_type_identifiers``),
``contact_mechanism.py`` (``comment``, ``address``), and ``docs/decisions/tryton-seen.rst``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sync_workers.connectors.tryton.session import Row

ADDRESS_NAME = "Address key"
OTHER = "other"
_MARK = re.compile(r"^sync:(.+?)[ \t\r]*$", re.MULTILINE)


def key_in(mechanism: Row) -> str | None:
    """Return our key of a contact mechanism, None for what people noted themselves."""
    found = _MARK.search(mechanism.get("comment") or "")
    return found.group(1) if found else None


def comment_for(key: str) -> str:
    return f"sync:{key}"


def address_key(address: int, mechanisms: Iterable[Row], system: str) -> str:
    """Return our key of an address, or one made of its id for an address that people entered.

    ``mechanisms`` are the address's own. Switched-off ones count: a key outlives its address.
    """
    carried = sorted(
        (one["id"], key) for one in mechanisms if one["type"] == OTHER and (key := key_in(one)) is not None
    )
    return carried[0][1] if carried else f"{system}:{address}"


def key_mechanism(key: str, party: int) -> Row:
    """Return the mechanism that an address is created with; ``party`` must be given, though it is nested."""
    return {
        "party": party,
        "type": OTHER,
        "name": ADDRESS_NAME,
        "value": key,
        "comment": comment_for(key),
    }
