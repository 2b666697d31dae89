"""Documents that a plug-in makes by a call instead of keeping them in a file.

A value of the groups of models and machines may be an object in place of a folder of YAML: a
mapping or a configuration model, or something that returns one when called without arguments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from archsim.config.schema import ConfigModel, dump_model
from archsim.errors import ConfigError
from archsim.registry import Registry


def made_text(registry: Registry, name: str) -> str | None:
    """Return the document that a registered object stands for, as YAML; None if it is no object.

    Parameters
    ----------
    registry
        The plug-ins of one kind.
    name
        Id of a document.

    Raises
    ------
    ConfigError
        The object cannot be loaded, is of another kind, or describes something of another name.
    """
    if name in registry.yaml_names() or name not in registry.names():
        return None
    found = registry.get(name)
    made = found() if callable(found) else found
    if isinstance(made, ConfigModel):
        data: Mapping[str, object] = dump_model(made)
    elif isinstance(made, Mapping):
        data = made
    else:
        raise ConfigError(
            f"{registry.noun} '{name}' is made by a plug-in that returns something else",
            given=type(made).__name__,
            allowed="a mapping of keys and values, or a configuration model",
        )
    if data.get("name", name) != name:
        raise ConfigError(
            f"{registry.noun} '{name}' is made by a plug-in under another name",
            path="name",
            given=data["name"],
            allowed=name,
        )
    try:
        # JSON is YAML; the line break marks it as text.
        return json.dumps({"name": name, **data}, indent=1)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{registry.noun} '{name}' is made of values that no file has") from error
