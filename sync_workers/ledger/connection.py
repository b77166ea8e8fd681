"""Connections and transactions of the ledger: psycopg2 cursors out of a SQLAlchemy pool.

Statements are prebuilt strings, since building them per call costs more than the work itself.
What the statements mean belongs to the other modules of this folder.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg2
from psycopg2.extras import execute_values
from sqlalchemy import URL, Engine, create_engine, event, exc, make_url

from sync_workers.domain.values import JsonText
from sync_workers.errors import PermanentError, TransientError

T = TypeVar("T")
Row = tuple[Any, ...]

DEADLOCK_TRIES = 5
CONNECT_S = 5
PING_AFTER_S = 0.5  # a round trip for each transaction would cost a tenth of the whole work
IDLE_IN_TRANSACTION_S = 60  # a frozen worker must not keep row locks for ever
_GONE = (psycopg2.OperationalError, psycopg2.InterfaceError, exc.OperationalError, exc.TimeoutError)
REPLAN_AFTER = 64  # executions; see Prepared
# Compiling a plan costs more than any of ours takes. What is prepared looks up by key, whatever its parameters are.
_SESSION = (f"-c timezone=UTC -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_S * 1000}"
            " -c jit=off -c plan_cache_mode=force_generic_plan")


class LedgerDown(TransientError):
    """The database cannot be reached, or the fate of a commit is unknown: nothing may be promised."""


class Collision(TransientError):
    """A deadlock or serialization failure: rolled back whole, ``Ledger.run`` repeats it."""


class Unstorable(PermanentError):
    """One value cannot be stored (a NUL, a lone surrogate). Nothing of its transaction was.

    A writer of many repeats them one by one, so that only the guilty one is refused (protocol A3).
    """


def driver_url(url: str) -> URL:
    """Return ``url`` for the one driver we use; ``postgres://`` and ``postgresql://`` mean the same."""
    return make_url(url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql+psycopg2")


_BY_KEY = "enable_seqscan=off"  # a young table seems cheap to read whole, and the plan outlives its youth
_PARAMETER = re.compile(r"%(?:s|\((\w+)\)s|%)")  # psycopg2's two ways, and its escape
_numbers = itertools.count(1)


class Prepared(str):
    """SQL that a connection prepares: planning one of the hot statements takes longer than running it.

    Made at import, of constants. Parameters whose type PostgreSQL cannot infer need a cast. A plan made while a
    table was empty reads the whole of it, so it is made anew after 1, 2, 4 ... and then each 64 executions.
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

    def execute(self, sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None) -> Tx:
        text = self._text(sql)
        if self._waiting:
            self._send(self._cursor.mogrify(text, parameters))
        else:
            self._cursor.execute(text, parameters)
        return self

    def later(self, sql: Prepared, parameters: Sequence[Any] | dict[str, Any]) -> None:
        """Run a statement whose rows nobody asks for: in its place, but not before the next message goes out."""
        self._waiting.append(self._cursor.mogrify(self._text(sql), parameters))

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

    def rows(self, sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None) -> list[Row]:
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

    def _text(self, sql: str) -> str:
        """Return what to send for a statement, prepared on this connection if it is one of those."""
        if not isinstance(sql, Prepared):
            return sql
        count = self._executed.get(sql.name, 0)
        if count % REPLAN_AFTER == 0 or (count < REPLAN_AFTER and count & (count - 1) == 0):
            if count:
                self._cursor.execute(f"DEALLOCATE {sql.name}")
                del self._executed[sql.name]  # at once: no rollback undoes either statement
            self._cursor.execute(sql.preparation)
        self._executed[sql.name] = count + 1
        return sql.call


class Ledger:
    """The ledger's pool. Making one opens no connection; a forked child calls ``dispose(close=False)``.

    ``by_key`` is for a process whose every statement looks up by key: no plan of its connections then reads a
    table whole, not even one that was made, perhaps by a foreign key, while the table was empty.
    """

    def __init__(self, url: str, *, pool_size: int = 5, by_key: bool = False) -> None:
        self.url = url
        self.engine: Engine = create_engine(
            driver_url(url), pool_size=pool_size, max_overflow=pool_size, pool_timeout=30,
            pool_use_lifo=True,  # the one that worked last has the most plans, and the others may rest
            connect_args={"connect_timeout": CONNECT_S,
                          "options": f"{_SESSION} -c {_BY_KEY}" if by_key else _SESSION,
                          "application_name": "sync-workers"},
        )
        event.listen(self.engine, "connect", _leave_transactions_to_us)
        event.listen(self.engine, "checkin", _note_use)
        event.listen(self.engine, "checkout", _ask_after_rest)

    @contextmanager
    def transaction(self) -> Iterator[Tx]:
        """Commit at the end, roll back on any error.

        Raises LedgerDown when the server is gone (after a failed commit nobody knows its fate),
        Collision on a deadlock, Unstorable for a value that PostgreSQL cannot hold.
        """
        with self._connected(singly=False) as tx:
            yield tx
            tx.commit()

    @contextmanager
    def singly(self) -> Iterator[Tx]:
        """Run statements that are each a transaction of their own: half the round trips of one that is alone."""
        with self._connected(singly=True) as tx:
            yield tx

    @contextmanager
    def _connected(self, *, singly: bool) -> Iterator[Tx]:
        with _sorted_errors():
            connection = self.engine.raw_connection()
            try:
                tx = Tx(connection.cursor(), connection.info.setdefault("executed", {}), singly=singly)
                yield tx
            except psycopg2.OperationalError as error:
                if isinstance(error, psycopg2.extensions.TransactionRollbackError):
                    _roll_back(connection, tx)
                else:
                    connection.invalidate(error)
                raise
            except psycopg2.InterfaceError as error:
                connection.invalidate(error)
                raise
            except BaseException:
                _roll_back(connection, tx)
                raise
            finally:
                connection.close()

    def run(self, work: Callable[[Tx], T], *, singly: bool = False) -> T:
        """Run ``work`` in a transaction and repeat it after a deadlock: it must be free of other effects."""
        for attempt in range(DEADLOCK_TRIES):
            try:
                with self.singly() if singly else self.transaction() as tx:
                    return work(tx)
            except Collision:
                if attempt == DEADLOCK_TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def dispose(self, *, close: bool = True) -> None:
        """Drop the pool. ``close=False`` after a fork: the connections belong to the parent."""
        self.engine.dispose(close=close)


def _leave_transactions_to_us(connection: Any, record: Any) -> None:
    connection.autocommit = True  # psycopg2 would send each BEGIN by itself


def _roll_back(connection: Any, tx: Tx) -> None:
    """End what is open. A connection that cannot even do that is dropped, and with it the transaction."""
    try:
        tx.roll_back()
    except psycopg2.Error as error:
        connection.invalidate(error)


def _note_use(connection: Any, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _ask_after_rest(connection: Any, record: Any, proxy: Any) -> None:
    """See that a connection which rested still lives; the pool opens another one in its place if not."""
    if time.monotonic() - record.info.get("used_at", time.monotonic()) < PING_AFTER_S:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise exc.DisconnectionError(str(error)) from error


@contextmanager
def _sorted_errors() -> Iterator[None]:
    try:
        yield
    except psycopg2.extensions.TransactionRollbackError as error:
        raise Collision(f"the ledger's transaction met another one: {_first_line(error)}") from error
    except psycopg2.DataError as error:
        raise Unstorable(f"the ledger cannot store a value: {_first_line(error)}",
                         mend="remove the control character or the impossible value at its source") from error
    except _GONE as error:
        raise LedgerDown(f"the ledger's database does not answer: {_first_line(error)}",
                         mend="see that PostgreSQL runs and SYNC_DATABASE_URL points to it") from error
    except ValueError as error:
        # psycopg2 refuses a NUL, and Python a lone surrogate, before anything is sent.
        if isinstance(error, UnicodeEncodeError) or "cannot contain NUL" in str(error):
            raise Unstorable(f"the ledger cannot store a text: {error}",
                             mend="remove the control character at its source") from error
        raise


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


_write_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_write_strictly = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def as_json(value: Any) -> str | None:
    """Return JSON text for a ``jsonb`` parameter, None for SQL NULL."""
    if value is None:
        return None
    return str(value) if type(value) is JsonText else _write_json(value)


def storable(text: str | None, *, most: int | None = None) -> str | None:
    """Return text that is surely stored: for what we say ourselves (errors, notes), never for facts."""
    if text is None:
        return None
    clean = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return clean if most is None or len(clean) <= most else clean[: most - 1] + "…"


def storable_json(value: Any) -> str | None:
    """Return JSON text that is surely stored: for requests and answers that are kept only to be read."""
    if value is None:
        return None
    try:
        text = str(value) if type(value) is JsonText else _write_strictly(value)
        text.encode()
    except ValueError:  # not a number, or a lone surrogate
        return as_json(_cleaned(_data(value)))
    return as_json(_cleaned(_data(value))) if "\\u0000" in text else text


def _data(value: Any) -> Any:
    return json.loads(value) if type(value) is JsonText else value


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    if isinstance(value, dict):
        return {storable(str(key)): _cleaned(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(entry) for entry in value]
    return value
