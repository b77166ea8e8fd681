"""``make soak`` as a person types it, short: it prints its seed, ends with the proof, and says so by its exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_short_soak_prints_its_seed_and_ends_with_the_proof() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--minutes", "0.2", "--seed", "7"], cwd=ROOT, capture_output=True,
        text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "repeat with `make soak MINUTES=0.2 SEED=7`" in done.stdout
    assert "'kill_beat': 1" in done.stdout
    assert '"holds": true' in done.stdout
    assert done.stdout.rstrip().endswith("seed 7: all laws hold")
