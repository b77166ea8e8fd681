"""One database of the real ERP per module of tests."""

from __future__ import annotations

from tests.integration.tryton.bench import erp

__all__ = ["erp"]
