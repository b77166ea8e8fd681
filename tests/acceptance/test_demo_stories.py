"""The stories of the demo: some of them in each run, all of them with SYNC_TEST_STORIES=all."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from sync_workers.commands.demo.stories import SCENARIOS
from tests.acceptance.test_demo import ALONE, COMMAND, left_by, start

IN_EACH_RUN = 3

pytestmark = [pytest.mark.tryton, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture
def names() -> list[str]:
    """Return other stories in each run; SYNC_TEST_STORIES names those to play, or ``all``."""
    asked = os.environ.get("SYNC_TEST_STORIES", "")
    if asked == "all":
        return ALONE
    return asked.split(",") if asked else random.sample(ALONE, IN_EACH_RUN)


def test_stories_end_as_they_promise_and_leave_nothing_running(tmp_path: Path, names: list[str]) -> None:
    """One after the other on one stage: what one of them leaves behind is no hindrance to the next."""
    process = start(tmp_path, *COMMAND, *[word for name in names for word in ("--scenario", name)])
    said, _ = process.communicate(timeout=1100)
    assert process.returncode == 0, f"repeat with SYNC_TEST_STORIES={','.join(names)}\n{said}"
    for name in names:
        assert f"{name}: {SCENARIOS[name].title} (" in said
    assert said.count("After") == len(names)
    assert "All is as promised." in said
    assert left_by(tmp_path) == []
