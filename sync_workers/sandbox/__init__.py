"""Platforms, faults and services to try the product against, all on this machine."""
