"""Tryton 8.2 over JSON-RPC: its own HTTP interface, nothing of trytond is imported."""
