"""Pipelines and their stages, with the metadata that says which stage means 'won'.

Stage ids of the first deal pipeline are words, those of any later pipeline numbers as text;
'won' is the closed stage with probability 1.0, whatever its name.
Source: developers.hubspot.com, "Pipelines API".
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field

from sync_workers.sandbox.hubspot.catalogue import DEAL_PIPELINE, ORDER_PIPELINE
from sync_workers.sandbox.hubspot.wire import Json, invalid, iso, not_found

FIRST_ID = 1_000_001


@dataclass
class Stage:
    """One step of a pipeline; ``metadata`` values are text, as on the wire."""

    id: str
    label: str
    display_order: int
    metadata: dict[str, str]
    at_ms: int = 0

    @property
    def is_closed(self) -> bool:
        return self.metadata.get("isClosed") == "true" or self.metadata.get("state") == "CLOSED"

    @property
    def is_won(self) -> bool:
        return self.is_closed and float(self.metadata.get("probability", 0)) == 1.0

    def shown(self) -> Json:
        return {
            "id": self.id,
            "label": self.label,
            "displayOrder": self.display_order,
            "metadata": dict(self.metadata),
            "createdAt": iso(self.at_ms),
            "updatedAt": iso(self.at_ms),
            "archived": False,
            "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        }


@dataclass
class Pipeline:
    """A named list of stages for one object type."""

    id: str
    label: str
    display_order: int
    stages: list[Stage] = field(default_factory=list)
    at_ms: int = 0

    def shown(self) -> Json:
        return {
            "id": self.id,
            "label": self.label,
            "displayOrder": self.display_order,
            "stages": [stage.shown() for stage in self.stages],
            "createdAt": iso(self.at_ms),
            "updatedAt": iso(self.at_ms),
            "archived": False,
        }

    def stage(self, stage_id: str) -> Stage:
        for stage in self.stages:
            if stage.id == stage_id:
                return stage
        raise not_found(f"Stage {stage_id} does not exist in pipeline {self.id}")


class Pipelines:
    """All pipelines of an account, by object type id."""

    def __init__(self) -> None:
        deals = [
            Stage(i, label, n, {"isClosed": "true" if p in ("1.0", "0.0") else "false", "probability": p})
            for n, (i, label, p) in enumerate(DEAL_PIPELINE)
        ]
        orders = [Stage(i, label, n, {"state": state}) for n, (i, label, state) in enumerate(ORDER_PIPELINE)]
        self.by_type: dict[str, list[Pipeline]] = {
            "0-3": [Pipeline("default", "Sales Pipeline", 0, deals)],
            "0-123": [Pipeline("default", "Order Pipeline", 0, orders)],
        }
        self.next_id = FIRST_ID

    def of(self, type_id: str) -> list[Pipeline]:
        return self.by_type.setdefault(type_id, [])

    def get(self, type_id: str, pipeline_id: str) -> Pipeline:
        for pipeline in self.of(type_id):
            if pipeline.id == pipeline_id:
                return pipeline
        raise not_found(f"Pipeline {pipeline_id} does not exist")

    def find_stage(self, type_id: str, pipeline_id: str, stage_id: str) -> Stage | None:
        for pipeline in self.of(type_id):
            if pipeline.id == pipeline_id:
                return next((stage for stage in pipeline.stages if stage.id == stage_id), None)
        return None

    def create(self, type_id: str, body: Json, now_ms: int) -> Pipeline:
        """Add a pipeline with its stages; labels are unique within their parent."""
        label = str(body["label"])
        if any(each.label == label for each in self.of(type_id)):
            raise invalid(f"A pipeline with label {label!r} already exists")
        made = Pipeline(self._new_id(), label, int(body["displayOrder"]), at_ms=now_ms)
        for stage in body["stages"]:
            self.add_stage(type_id, made, stage, now_ms)
        self.of(type_id).append(made)
        return made

    def add_stage(self, type_id: str, pipeline: Pipeline, body: Json, now_ms: int) -> Stage:
        metadata = self._metadata(type_id, body.get("metadata") or {})
        if any(each.label == body["label"] for each in pipeline.stages):
            raise invalid(f"A stage with label {body['label']!r} already exists in pipeline {pipeline.id}")
        made = Stage(self._new_id(), str(body["label"]), int(body["displayOrder"]), metadata, now_ms)
        pipeline.stages.append(made)
        return made

    def change_stage(self, type_id: str, stage: Stage, body: Json, now_ms: int) -> Stage:
        stage.label = str(body.get("label", stage.label))
        stage.display_order = int(body.get("displayOrder", stage.display_order))
        if body.get("metadata"):
            stage.metadata = self._metadata(type_id, {**stage.metadata, **body["metadata"]})
        stage.at_ms = now_ms
        return stage

    def _metadata(self, type_id: str, given: dict[str, object]) -> dict[str, str]:
        metadata = {
            key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in given.items()
        }
        if type_id != "0-3":
            return metadata
        probability = metadata.get("probability", "")
        if not re.fullmatch(r"0(\.\d+)?|1(\.0+)?", probability):
            raise invalid("A deal stage needs metadata.probability between 0.0 and 1.0")
        metadata.setdefault("isClosed", "true" if float(probability) in (0.0, 1.0) else "false")
        return metadata

    def _new_id(self) -> str:
        self.next_id += 1
        return str(self.next_id)

    def dump(self) -> Json:
        return {
            "next_id": self.next_id,
            "by_type": {t: [asdict(p) for p in all_] for t, all_ in self.by_type.items()},
        }

    def load(self, saved: Json) -> None:
        self.next_id = saved["next_id"]
        self.by_type = {
            type_id: [Pipeline(**{**p, "stages": [Stage(**s) for s in p["stages"]]}) for p in pipelines]
            for type_id, pipelines in saved["by_type"].items()
        }
