"""Statements that a connection keeps prepared, and one open transaction that runs them.

Statements are prebuilt strings, since building them per call costs more than the work itself.
What they mean belongs to the other modules of this folder.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg2
from psycopg2.extras import execute_values

from sync_workers.ledger.columns import as_array

Row = tuple[Any, ...]
Parameters = Sequence[Any] | dict[str, Any] | None

REPLAN_AFTER = 64  # executions; see Prepared
_PARAMETER = re.compile(r"%(?:s|\((\w+)\)s|%)")  # psycopg2's two ways, and its escape
_numbers = itertools.count(1)


class Prepared(str):
    """SQL that a connection prepares: planning one of the hot statements takes longer than running it.

    Made at import, of constants. Parameters whose type PostgreSQL cannot infer need a cast. A plan made while a
    table was empty reads the whole of it, so it is made anew after 1, 2, 4 ... and then each 64 executions.
    A list among its parameters travels as one text, so it needs a cast to an array.

    What finds its rows by key must have no other way: a join is turned round to read the whole of a partial index that
    statistics call nearly empty. Hence ``OFFSET 0``, a second ``= ANY`` of the same ids and a ``coalesce`` elsewhere.
    """

    name: str
    preparation: str
    call: str

    def __new__(cls, sql: str) -> Prepared:
        made = super().__new__(cls, sql)
        order: list[str] = []

        def place(found: re.Match[str]) -> str:
            if found.group() == "%%":
                return "%"
            if found.group(1) is None or found.group() not in order:
                order.append(found.group())
                return f"${len(order)}"
            return f"${order.index(found.group()) + 1}"

        body = _PARAMETER.sub(place, sql)
        made.name = f"sync_{next(_numbers)}"
        made.preparation = f"PREPARE {made.name} AS {body}"
        made.call = f"EXECUTE {made.name}" + (f" ({', '.join(order)})" if order else "")
        return made


class Tx:
    """One open transaction. ``execute`` takes prebuilt SQL with psycopg2 parameters.

    What nobody waits for (the BEGIN, statements given to ``later``) travels in one message with the next
    statement, or with the COMMIT: a round trip costs as much as a small statement. ``singly``: there is no
    transaction, each statement is one by itself. ``executed`` counts by name what this connection has prepared.
    """

    def __init__(self, cursor: Any, executed: dict[str, int], *, singly: bool = False) -> None:
        self._cursor = cursor
        self._executed = executed
        self._waiting: list[bytes] = [] if singly else [b"BEGIN"]
        self._singly = singly
        self.is_open = False

    @property
    def cursor(self) -> Any:
        """The psycopg2 cursor, inside the transaction: for what it alone can do (COPY)."""
        self._send(b"")
        return self._cursor

    def execute(self, sql: str, parameters: Parameters = None) -> Tx:
        text, given = self._call(sql, parameters)
        if self._waiting:
            self._send(self._cursor.mogrify(text, given))
        else:
            self._cursor.execute(text, given)
        return self

    def later(self, sql: Prepared, parameters: Parameters) -> None:
        """Run a statement whose rows nobody asks for: in its place, but not before the next message goes out."""
        self._waiting.append(self._cursor.mogrify(*self._call(sql, parameters)))

    def commit(self) -> None:
        """Send what waits, and the COMMIT with it. A transaction that had nothing to do never began."""
        if self._singly or not (self.is_open or self._waiting[1:]):
            return
        self._send(b"COMMIT")
        self.is_open, self._waiting = False, [b"BEGIN"]
        if self._cursor.statusmessage != "COMMIT":  # PostgreSQL says ROLLBACK when a statement had failed unheard
            raise psycopg2.InternalError(f"the transaction ended with {self._cursor.statusmessage}")

    def roll_back(self) -> None:
        """Undo what was done so far; a statement that follows begins anew."""
        if self.is_open:
            self._cursor.execute("ROLLBACK")
        self.is_open, self._waiting = False, [] if self._singly else [b"BEGIN"]

    def values(
        self, sql: str, rows: Iterable[Sequence[Any]], *, template: str | None = None, fetch: bool = False
    ) -> list[Row]:
        """Run ``sql`` with ``VALUES %s`` filled by all rows, in one statement. No rows: nothing is run."""
        found = list(rows)
        if not found:
            return []
        answer = execute_values(self.cursor, sql, found, template=template, page_size=len(found), fetch=fetch)
        return list(answer) if fetch else []

    def fetchall(self) -> list[Row]:
        return list(self._cursor.fetchall())

    def fetchone(self) -> Row | None:
        row: Row | None = self._cursor.fetchone()
        return row

    def rows(self, sql: str, parameters: Parameters = None) -> list[Row]:
        return self.execute(sql, parameters).fetchall()

    @property
    def rowcount(self) -> int:
        return int(self._cursor.rowcount)

    def _send(self, text: bytes) -> None:
        message = b"; ".join([*self._waiting, text] if text else self._waiting)
        self._waiting = []
        self.is_open = not self._singly
        if message:
            self._cursor.execute(message)

    def _call(self, sql: str, parameters: Parameters) -> tuple[str, Parameters]:
        """Return what to send for a statement, prepared on this connection if it is one of those."""
        if not isinstance(sql, Prepared):
            return sql, parameters
        count = self._executed.get(sql.name, 0)
        if count % REPLAN_AFTER == 0 or (count < REPLAN_AFTER and count & (count - 1) == 0):
            if count:
                self._cursor.execute(f"DEALLOCATE {sql.name}")
                del self._executed[sql.name]  # at once: no rollback undoes either statement
            self._cursor.execute(sql.preparation)
        self._executed[sql.name] = count + 1
        if isinstance(parameters, dict):
            return sql.call, {name: as_array(one) if type(one) is list else one for name, one in parameters.items()}
        return sql.call, [as_array(one) if type(one) is list else one for one in parameters or ()]
