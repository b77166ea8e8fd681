"""What a sheet has done to a whole record: creating it elsewhere, and pressing a button once it is due."""

from __future__ import annotations

from collections.abc import Mapping

from sync_workers.domain.mapping import Condition, Sheet, Step
from sync_workers.domain.records import Ref, Values, View


def is_to_be_created(sheet: Sheet, origin: str, present: Mapping[str, View], settled: Values) -> bool:
    """Say whether a record that was born in ``origin`` belongs into every system that has not got it."""
    if sheet.extends or origin not in present or origin not in sheet.created_by:
        return False
    return sheet.created_when is None or sheet.created_when.holds(settled)


def next_step(
    sheet: Sheet, system: str, present: Mapping[str, View], settled: Values, refs: Mapping[str, Ref]
) -> Step | None:
    """Return the first step of ``system`` whose conditions hold, None where the record is not."""
    view = present.get(system)
    if view is None or view.values is None:
        return None
    for step in sheet.steps:
        if (
            step.system == system
            and all(condition.holds(view.values) for condition in step.when)
            and all(condition.holds(settled) for condition in step.needs)
            and all(_stood(sheet, condition, refs) for condition in step.was)
        ):
            return step
    return None


def keep_open(step: Step, agreed: Mapping[str, Values]) -> None:
    """What a step goes by stays a move until the step is done: a crash in between must not hide it."""
    for condition in step.was:
        for values in agreed.values():
            values.pop(condition.field, None)


def _stood(sheet: Sheet, condition: Condition, refs: Mapping[str, Ref]) -> bool:
    """Whether the field's owner showed this when the record was last in step."""
    ref = refs.get(str(sheet.rule(condition.field).owner))
    return ref is not None and condition.holds(ref.held)
