"""JSON Schema (2020-12) of what our YAML files may hold, for editors.

Generated from the pydantic models. Beyond what pydantic writes, it knows the liberties of the
loader: every map may state its ``source``; a number may be a ``{value, source, estimate}`` map or
a text with ``${…}`` arithmetic.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

from pydantic.json_schema import GenerateJsonSchema

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
    if documents:
        root = _with_liberties(root)
        definitions = {name: _with_liberties(item) for name, item in definitions.items()}
        properties = root["properties"]
        if isinstance(properties, dict):
            properties.setdefault("source", _SOURCE)
            properties["extends"] = {
                "type": "string",
                "description": "An id, or the path of a file relative to this one.",
            }
        root.pop("required", None)  # what is required may come from the file it extends
    named = {"title": title} if title is not None else {}
    return {"$schema": DIALECT, **root, **named, "$defs": definitions}


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
    schema: Schema = copy.deepcopy(
        model.model_json_schema(by_alias=True, schema_generator=_Generator)
    )
    nested = schema.pop("$defs", {})
    if isinstance(nested, dict):
        definitions.update(nested)
    return schema


class _Generator(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes up from field names."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """Say that no field gets a made-up title."""
        return False


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


def _with_liberties(schema: object) -> Schema:
    """Return a schema with ``source`` in every closed map and numbers in their three forms."""
    if not isinstance(schema, dict):
        return {}
    result: Schema = {key: _inside(key, value) for key, value in schema.items()}
    properties = result.get("properties")
    if isinstance(properties, dict) and schema.get("additionalProperties") is False:
        properties.setdefault("source", _SOURCE)
    if not _is_number(schema):
        return result
    outer = {key: result.pop(key) for key in ("description", "default", "title") if key in result}
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


def _inside(key: str, value: object) -> object:
    if key in ("properties", "$defs", "patternProperties") and isinstance(value, dict):
        return {name: _with_liberties(item) for name, item in value.items()}
    if key in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
        return [_with_liberties(item) for item in value]
    if key in ("items", "additionalProperties", "then") and isinstance(value, dict):
        return _with_liberties(value)
    return value


def _is_number(schema: Schema) -> bool:
    """Whether a schema is that of a number or of a quantity (a text that a unit ends)."""
    return schema.get("type") in ("integer", "number") or "x-dimension" in schema
