"""The ledger's connections: psycopg2 cursors out of a SQLAlchemy pool, and what their failures mean."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg2
from sqlalchemy import URL, Engine, create_engine, event, exc, make_url

from sync_workers.errors import PermanentError, TransientError
from sync_workers.ledger.statements import Tx

T = TypeVar("T")

DEADLOCK_TRIES = 5
CONNECT_S = 5
PING_AFTER_S = 0.5  # a round trip for each transaction would cost a tenth of the whole work
IDLE_IN_TRANSACTION_S = 60  # a frozen worker must not keep row locks for ever
_ANSWERED = (psycopg2.extensions.TransactionRollbackError, psycopg2.errors.ProgramLimitExceeded)
_GONE = (psycopg2.OperationalError, psycopg2.InterfaceError, exc.OperationalError, exc.TimeoutError)
# Compiling a plan costs more than any of ours takes. What is prepared looks up by key, whatever its parameters are.
SESSION = (f"-c timezone=UTC -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_S * 1000}"
            " -c jit=off -c plan_cache_mode=force_generic_plan")
_BY_KEY = "enable_seqscan=off"  # a young table seems cheap to read whole, and the plan outlives its youth


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
                          "options": f"{SESSION} -c {_BY_KEY}" if by_key else SESSION,
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
                if isinstance(error, _ANSWERED):
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
    except (psycopg2.DataError, psycopg2.errors.ProgramLimitExceeded) as error:  # a text too long for its index
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
