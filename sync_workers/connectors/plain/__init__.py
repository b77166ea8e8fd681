"""Plain JSON over HTTP: the product's own small platform, served by ``sync_workers.sandbox.plain``."""
