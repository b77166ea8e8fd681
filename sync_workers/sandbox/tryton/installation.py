"""Tryton's own virtual environment, made with pip in a cache folder and keyed by its pinned versions.

``SYNC_TRYTON_CACHE`` names the folder (default ``.sync-cache`` in the working folder); tests and demo
share it. To move to other versions, change PINS: environment and snapshot are then made anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sync_workers.sandbox.processes import ServiceError

PINS = (
    "trytond==8.2.1",
    "trytond_account==8.2.1",
    "trytond_account_credit_limit==8.2.0",
    "trytond_account_invoice==8.2.0",
    "trytond_account_invoice_stock==8.2.0",
    "trytond_account_product==8.2.0",
    "trytond_carrier==8.2.0",
    "trytond_company==8.2.0",
    "trytond_country==8.2.0",
    "trytond_currency==8.2.0",
    "trytond_party==8.2.0",
    "trytond_product==8.2.0",
    "trytond_product_measurements==8.2.0",
    "trytond_product_price_list==8.2.0",
    "trytond_sale==8.2.0",
    "trytond_sale_credit_limit==8.2.0",
    "trytond_sale_price_list==8.2.0",
    "trytond_stock==8.2.1",
    "trytond_stock_package==8.2.0",
    "trytond_stock_package_shipping==8.2.0",
    "trytond_stock_shipment_cost==8.2.0",
    "trytond_stock_shipment_measurements==8.2.0",
    "psycopg[binary,pool]>=3.2,<4",
)
# the modules that pull in all the others
MODULES = ("sale_price_list", "sale_credit_limit", "account_invoice_stock", "stock_package_shipping")


def cache_folder(named: Path | str | None = None) -> Path:
    """Return the absolute folder that keeps environments, snapshots and passwords; made when absent."""
    folder = Path(named or os.environ.get("SYNC_TRYTON_CACHE") or ".sync-cache").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def alone_in(cache: Path) -> Iterator[None]:
    """Keep other programs from installing or seeding meanwhile: they would do the same work."""
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(cache: Path) -> Path:
    """Return the Python of the environment, installing it first where it is not complete.

    ServiceError with pip's last lines when a package cannot be had. Call it ``alone_in`` the cache.
    """
    made_by = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256("\n".join((made_by, *PINS)).encode()).hexdigest()[:12]
    folder = cache / f"venv-{key}"
    python = folder / "bin" / "python"
    complete = folder / "complete"
    if complete.exists() and python.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)], "no virtual environment could be made for Tryton")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PINS]
    _run(pip, "Tryton could not be installed")
    complete.touch()
    return python


def environment(**added: str) -> dict[str, str]:
    """Return our environment without what would change a Tryton program's settings or imports."""
    kept = {
        name: value for name, value in os.environ.items()
        if not name.startswith(("TRYTON", "PYTHON", "COVERAGE")) and name != "VIRTUAL_ENV"
    }  # fmt: skip
    return kept | added


def _run(argv: list[str], failed: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, env=environment(), stdin=subprocess.DEVNULL)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise ServiceError(
            f"{failed}:\n{said}", mend="see that this machine reaches a Python package index, then try again"
        )
