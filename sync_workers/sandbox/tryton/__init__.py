"""A real Tryton ERP beside us: installed, seeded and served in a process of its own, spoken to over JSON-RPC.

Tryton is GPL-3: it lives in a virtual environment of its own and nothing in this package imports it.
"""
