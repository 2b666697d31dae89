"""JSON Schema (2020-12) of what our YAML files may hold, for editors.

Generated from the pydantic models. Beyond what pydantic writes, it knows the liberties of the
loader: every map may state its ``source``; a number may be a ``{value, source, estimate}`` map or
a text with ``${…}`` arithmetic.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

from archsim import registry
from archsim.config.schema import ConfigModel
from archsim.errors import ConfigError

Schema = dict[str, object]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
COMPONENT = "Component"
_EXPRESSION: Schema = {"type": "string", "pattern": r"\$\{.+\}"}
_SOURCE: Schema = {
    "type": ["string", "null"],
    "description": "Where the numbers of this map are from: paper and table, data sheet, "
    "measured, or estimate.",
}


def schema_for(
    model: type[ConfigModel],
    *,
    title: str | None = None,
    components_key: str | None = None,
    components: Mapping[str, type[ConfigModel]] | None = None,
    documents: bool = True,
) -> Schema:
    """Return the JSON Schema of a file whose top level is ``model``.

    Parameters
    ----------
    model : type
        The model of the top level.
    title : str, optional
        Title of the schema; the model's name otherwise.
    components_key, components : str, mapping of kind to model
        The YAML key that holds a map of components, and the models they may have: the values of
        that map become a union told apart by ``kind``.
    documents : bool
        Whether the liberties of the loader (``extends``, ``source``, leaf maps, arithmetic) hold.
    """
    definitions: Schema = {}
    root = _model_schema(model, definitions)
    if components_key is not None and components is not None:
        definitions[COMPONENT] = _union(components, definitions)
        properties = root.get("properties")
        if not isinstance(properties, dict) or components_key not in properties:
            raise ConfigError(f"{model.__name__} has no key '{components_key}'")
        properties[components_key] = {
            **_description(properties[components_key]),
            "type": "object",
            "additionalProperties": {"$ref": f"#/$defs/{COMPONENT}"},
        }
    required = root.get("required", [])
    root = _rewritten(root, documents)
    if documents:
        properties = root["properties"]
        if isinstance(properties, dict):
            properties["extends"] = {
                "type": "string",
                "description": "An id, or the path of a file relative to this one.",
            }
        root["if"] = {"not": {"required": ["extends"]}}
        root["then"] = {"required": required}
    return {
        "$schema": DIALECT,
        "title": title or model.__name__,
        **root,
        "$defs": {name: _rewritten(item, documents) for name, item in definitions.items()},
    }


def registered_components() -> dict[str, type[ConfigModel]]:
    """Return the models of all registered component kinds, plug-ins included.

    Raises
    ------
    ConfigError
        A registered component that is no ConfigModel, or cannot be imported.
    """
    models: dict[str, type[ConfigModel]] = {}
    for kind in registry.components.names():
        model = registry.components.get(kind)
        if not (isinstance(model, type) and issubclass(model, ConfigModel)):
            raise ConfigError(f"component '{kind}' is not a ConfigModel", given=str(model))
        models[kind] = model
    return models


def _model_schema(model: type[ConfigModel], definitions: Schema) -> Schema:
    """Return a model's own schema; what it refers to goes into ``definitions``."""
    schema: Schema = copy.deepcopy(model.model_json_schema(by_alias=True))
    nested = schema.pop("$defs", {})
    if isinstance(nested, dict):
        definitions.update(nested)
    return schema


def _union(components: Mapping[str, type[ConfigModel]], definitions: Schema) -> Schema:
    branches: list[Schema] = []
    for kind, model in sorted(components.items()):
        schema = _model_schema(model, definitions)
        properties = schema.get("properties")
        if isinstance(properties, dict):
            properties["kind"] = {**_description(properties.get("kind")), "const": kind}
        definitions[model.__name__] = schema
        branches.append(
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": f"#/$defs/{model.__name__}"},
            }
        )
    return {
        "type": "object",
        "properties": {"kind": {"enum": sorted(components)}},
        "allOf": branches,
    }


def _description(schema: object) -> Schema:
    if isinstance(schema, dict) and "description" in schema:
        return {"description": schema["description"]}
    return {}


def _rewritten(schema: object, documents: bool) -> Schema:
    """Return a schema without made-up titles and, for documents, with the loader's liberties.

    Those are ``source`` in every map, numbers in their three forms, and no ``required`` below the
    top level, where the file it extends may provide the key.
    """
    if not isinstance(schema, dict):
        return {}
    dropped = ("title", "required") if documents else ("title",)
    result: Schema = {
        key: _inside(key, value, documents) for key, value in schema.items() if key not in dropped
    }
    if "patternProperties" in result:
        result.pop("propertyNames", None)
        result["additionalProperties"] = False
    if not documents:
        return result
    if schema.get("type") == "object":
        properties = result.setdefault("properties", {})
        if isinstance(properties, dict):
            properties.setdefault("source", _SOURCE)
        names = result.get("propertyNames")
        if isinstance(names, dict) and "enum" in names:
            result["propertyNames"] = {"enum": [*names["enum"], "source"]}
    if not _is_number(schema):
        return result
    outer: Schema = {key: result.pop(key) for key in ("description", "default") if key in result}
    leaf: Schema = {
        "type": "object",
        "properties": {
            "value": {"anyOf": [result, _EXPRESSION]},
            "source": _SOURCE,
            "estimate": {"type": "array", "items": result, "minItems": 2, "maxItems": 2},
        },
        "required": ["value"],
        "additionalProperties": False,
    }
    return {**outer, "anyOf": [result, _EXPRESSION, leaf]}


def _inside(key: str, value: object, documents: bool) -> object:
    if key in ("properties", "patternProperties") and isinstance(value, dict):
        return {name: _rewritten(item, documents) for name, item in value.items()}
    if key in ("anyOf", "oneOf", "prefixItems") and isinstance(value, list):
        return [_rewritten(item, documents) for item in value]
    if key in ("items", "additionalProperties") and isinstance(value, dict):
        return _rewritten(value, documents)
    return value


def _is_number(schema: Schema) -> bool:
    """Whether a schema is that of a number or of a quantity (a text that a unit ends)."""
    return schema.get("type") in ("integer", "number") or "x-dimension" in schema
