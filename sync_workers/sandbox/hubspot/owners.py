"""The owners of an account: its users, to whom records are assigned.

Source: hubspot-api-python, ``crm/owners``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync_workers.sandbox.hubspot.wire import Json, Reply, Request, iso, not_found

if TYPE_CHECKING:
    from sync_workers.sandbox.hubspot.account import Account

OWNERS = (
    ("1001", "riley.sales@example.com", "Riley", "Sales", 1),
    ("1002", "sam.finance@example.com", "Sam", "Finance", 2),
)


def list_owners(account: Account, request: Request) -> Reply:
    email = request.one("email")
    return Reply(200, {"results": [_owner(account, row) for row in OWNERS if not email or row[1] == email]})


def get_owner(account: Account, request: Request, owner: str) -> Reply:
    column = 4 if request.one("idProperty") == "userId" else 0
    for row in OWNERS:
        if owner == str(row[column]):
            return Reply(200, _owner(account, row))
    raise not_found(f"Owner {owner} does not exist")


def _owner(account: Account, row: tuple[str, str, str, str, int]) -> Json:
    at = iso(account.started_ms)
    return {
        "id": row[0],
        "email": row[1],
        "firstName": row[2],
        "lastName": row[3],
        "userId": row[4],
        "userIdIncludingInactive": row[4],
        "type": "PERSON",
        "archived": False,
        "createdAt": at,
        "updatedAt": at,
        "teams": [],
    }
