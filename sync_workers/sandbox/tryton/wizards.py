"""A wizard of the ERP as a person walks through it: forms with defaults, and a button at the end of each.

    with Wizard(rpc, "account.invoice.pay", "account.invoice", invoice) as pay:
        pay.press("choice", amount=Decimal("10.00"))

Source: trytond 8.2, ``trytond/wizard/wizard.py`` (``create``, ``execute``, ``delete``).
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from sync_workers.sandbox.tryton.rpc import Row, Rpc


class Wizard:
    """One run of a wizard on some records. ``form`` is what the present form shows; empty at the end."""

    def __init__(self, rpc: Rpc, name: str, model: str, *records: int) -> None:
        self.form: Row = {}
        self._rpc = rpc
        self._name = f"wizard.{name}"
        self._on: Row = {"active_model": model, "active_id": records[0], "active_ids": list(records)}
        self._filled: Row = {}
        self._shown = ""

    def __enter__(self) -> Wizard:
        self._session, start, _ = self._rpc.call(f"{self._name}.create")
        self._go(start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rpc.call(f"{self._name}.delete", self._session)

    def press(self, button: str, **typed: Any) -> None:
        """Fill in what is ``typed`` over the form's defaults, and press the button."""
        if self._shown:
            kept = {name: value for name, value in self.form.items() if not name.endswith(".")}
            self._filled[self._shown] = kept | typed
        self._go(button)

    def _go(self, state: str) -> None:
        answer = self._rpc.call(f"{self._name}.execute", self._session, self._filled, state, **self._on)
        view = answer.get("view") or {}
        self.form, self._shown = view.get("defaults") or {}, view.get("state") or ""
