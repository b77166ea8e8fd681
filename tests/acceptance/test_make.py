"""What people type at the checkout's ``Makefile``, where no other test or ``.ci/run`` does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def make(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run ``make`` in the checkout, in the environment that runs this test."""
    return subprocess.run(
        ["make", f"VENV={sys.prefix}", *arguments], cwd=ROOT, env={"PATH": "/usr/bin:/bin", "SYNC_HOME": str(home)},
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip


def test_make_help_names_every_target(tmp_path: Path) -> None:
    said = make("help", home=tmp_path).stdout
    for target in ("install", "demo", "test", "check", "bench", "soak"):
        assert f"make {target}" in said


@pytest.mark.slow
def test_make_bench_measures_and_says_what_must_be_reached(tmp_path: Path) -> None:
    """Small and of one part: whether a figure is reached is for ``make bench`` on a quiet machine."""
    done = make("bench", "QUICK=1", "ONLY=history", home=tmp_path)
    assert done.returncode in (0, 2), done.stderr
    assert "must reach" in done.stdout
    assert "claim" in done.stdout
    assert "Traceback" not in done.stderr
