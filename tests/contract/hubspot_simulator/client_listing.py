"""What HubSpot's own client knows of each API, read from its installed sources: operations, bodies and models.

The client is generated from HubSpot's specification, and its generator writes the same lines everywhere: paths,
response models, allowed values and required attributes can be read off them without importing thousands of classes.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGES = {
    "associations_schema_v4": "crm.associations.v4.schema",
    "associations_v4": "crm.associations.v4",
    "companies": "crm.companies",
    "contacts": "crm.contacts",
    "deals": "crm.deals",
    "line_items": "crm.line_items",
    "oauth": "oauth",
    "objects": "crm.objects",
    "pipelines": "crm.pipelines",
    "products": "crm.products",
    "properties": "crm.properties",
    "webhooks": "webhooks",
}


@cache
def listing(name: str) -> dict[str, Any]:
    """Return ``operations`` (method, path, body, responses by status) and ``schemas`` (model -> field -> type,
    required, enum)."""
    spec = find_spec("hubspot")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0], *PACKAGES[name].split("."))
    operations = [operation for file in sorted((folder / "api").glob("*_api.py")) for operation in _operations(file)]
    schemas = dict(_schema(file) for file in sorted((folder / "models").glob("*.py")) if file.stem != "__init__")
    return {"operations": operations, "schemas": schemas}


def _operations(file: Path) -> list[dict[str, Any]]:
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.endswith("_with_http_info"):
            found.append(_operation(node))
    return found


def _operation(method: ast.FunctionDef) -> dict[str, Any]:
    responses: dict[str, str] = {}
    path = verb = ""
    body = ""
    types = dict(re.findall(r":type (\w+): (\S+)", ast.get_docstring(method) or ""))
    for node in ast.walk(method):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            target, value = node.targets[0].id, node.value
            if target == "response_types_map" and isinstance(value, ast.Dict):
                responses = {str(ast.literal_eval(key)): ast.literal_eval(each)
                             for key, each in zip(value.keys, value.values, strict=True) if key is not None}
            elif target == "body_params" and isinstance(value, ast.Subscript):
                body = types[ast.literal_eval(value.slice)]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "call_api":
            path, verb = (ast.literal_eval(argument) for argument in node.args[:2])
    return {"method": verb, "path": path, "body": body, "responses": {status: model for status, model in
                                                                     responses.items() if model}}


def _schema(file: Path) -> tuple[str, dict[str, Any]]:
    [model] = [node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
    known = {node.targets[0].id: ast.literal_eval(node.value) for node in model.body
             if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}
    fields: dict[str, Any] = {
        known["attribute_map"][attribute]: {"type": kind, "required": False}
        for attribute, kind in known["openapi_types"].items()
    }
    for node in model.body:
        if isinstance(node, ast.FunctionDef) and any(ast.unparse(each).endswith(".setter") for each in
                                                     node.decorator_list):
            field = fields[known["attribute_map"][node.name]]
            field["required"] = "must not be `None`" in ast.unparse(node)
            for each in ast.walk(node):
                if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "allowed_values":
                    field["enum"] = ast.literal_eval(each.value)
    return model.name, fields
