"""Sync a distributor's CRM, ERP and shop: every order once, every time."""
