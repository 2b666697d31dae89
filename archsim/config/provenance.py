"""Sources and estimates: every number of a file can say where it comes from.

A number may be written ``{value: 614 GB/s, source: "data sheet, p. 3", estimate: [500 GB/s, 700
GB/s]}``. A ``source`` key in a map covers all numbers of that map and below that have no nearer
one; ``source: null`` ends that cover. Both are taken out of the data and kept beside it;
:func:`restored` puts them back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from archsim.config.paths import item_segments, join_path
from archsim.config.tree import Node
from archsim.errors import ConfigError
from archsim.units import parse_any_quantity

SOURCE = "source"
_LEAF_KEYS = frozenset({"value", SOURCE, "estimate"})

Estimate = tuple[str | float, str | float]
"""Low and high end of a range, as written: numbers, or quantities with units."""


def attribute(root: Node, path: str) -> Node:
    """Return a tree without ``source`` keys and leaf maps, its leaves knowing their sources.

    The ``source`` of the root map covers everything and also stays as a value of the document.
    """
    own = _own_source(root, path, None)
    if not isinstance(root.value, dict):
        return _attribute(root, path, own)
    return root.replaced(
        {
            key: item if key == SOURCE else _attribute(item, join_path(path, key), own)
            for key, item in root.value.items()
        }
    )


def is_leaf_map(entries: Mapping[str, Node]) -> bool:
    """Whether a map is the ``{value, source, estimate}`` form of a single value."""
    leaf = entries.get("value")
    return leaf is not None and _LEAF_KEYS.issuperset(entries) and not _is_container(leaf)


def numeric_value(value: object) -> tuple[float, str] | None:
    """Return a number with its dimension ("" for none), or None for what is not a number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value), ""
    return parse_any_quantity(value) if isinstance(value, str) else None


def checked_estimate(node: Node, value: object) -> Estimate:
    """Return the range of an estimate whose value is known.

    Raises
    ------
    ConfigError
        Ends that are not numbers of the value's dimension, or do not enclose the value.
    """
    if node.estimate is None:
        raise ConfigError("has no estimate", location=node.location)
    low, high = (end.value for end in node.estimate)
    numbers = [numeric_value(item) for item in (low, value, high)]
    location = node.estimate[0].location
    if any(number is None for number in numbers):
        raise ConfigError(
            "an estimate needs numbers",
            location=location,
            allowed="estimate: [low, high] around a number, units as in its value",
        )
    (first, unit), (middle, middle_unit), (last, last_unit) = (n for n in numbers if n is not None)
    if not unit == middle_unit == last_unit:
        raise ConfigError("an estimate mixes dimensions", location=location)
    if not first <= middle <= last:
        raise ConfigError(
            "an estimate does not enclose its value",
            location=location,
            given=f"{low} to {high} around {value}",
        )
    if isinstance(low, str | int | float) and isinstance(high, str | int | float):
        return low, high
    raise ConfigError("an estimate needs numbers", location=location)


def numbers(value: object, path: str) -> Iterator[str]:
    """Yield the paths of all numbers and quantities in plain data."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from numbers(item, join_path(path, key))
    elif isinstance(value, list):
        for name, item in zip(item_segments(value), value, strict=True):
            yield from numbers(item, join_path(path, name))
    elif numeric_value(value) is not None:
        yield path


def restored(
    data: Mapping[str, object],
    path: str,
    sources: Mapping[str, str],
    estimates: Mapping[str, Estimate],
) -> dict[str, object]:
    """Return data with the ``source`` keys and leaf maps from which its provenance reads back."""
    writer = _Writer(sources, estimates)
    stated = data.get(SOURCE)
    covering = stated if isinstance(stated, str) else None
    return {
        key: value if key == SOURCE else writer.written(value, join_path(path, key), covering)
        for key, value in data.items()
    }


@dataclass(frozen=True, slots=True)
class _Writer:
    sources: Mapping[str, str]
    estimates: Mapping[str, Estimate]

    def written(self, value: object, path: str, covering: str | None) -> object:
        if isinstance(value, dict):
            own = self._common_source(value, path, covering)
            entries: dict[str, object] = {
                key: self.written(item, join_path(path, key), own) for key, item in value.items()
            }
            return entries if own == covering else {**entries, SOURCE: own}
        if isinstance(value, list):
            return [
                self.written(item, join_path(path, name), covering)
                for name, item in zip(item_segments(value), value, strict=True)
            ]
        if numeric_value(value) is None:
            return value
        leaf: dict[str, object] = {"value": value}
        if self.sources.get(path) != covering:
            leaf[SOURCE] = self.sources.get(path)
        if path in self.estimates:
            leaf["estimate"] = list(self.estimates[path])
        return leaf if len(leaf) > 1 else value

    def _common_source(
        self, value: dict[str, object], path: str, covering: str | None
    ) -> str | None:
        """Return the source to state once at a map: that of most numbers directly in it."""
        paths = [join_path(path, key) for key, item in value.items() if numeric_value(item)]
        counts = Counter(self.sources.get(leaf) for leaf in paths)
        if not counts:
            return covering
        best, number = counts.most_common(1)[0]
        return best if number > counts[covering] else covering


def _own_source(node: Node, path: str, covering: str | None) -> str | None:
    """Return the source that a map states, or the one that covers it."""
    entries = node.value if isinstance(node.value, dict) else {}
    if SOURCE not in entries:
        return covering
    stated = entries[SOURCE]
    if stated.value is None or (isinstance(stated.value, str) and stated.value.strip()):
        return stated.value
    raise ConfigError(
        "a source must be text",
        path=join_path(path, SOURCE),
        location=stated.location,
        given=stated.value if not isinstance(stated.value, dict | list) else "a map or list",
        allowed="paper and table, data sheet, 'measured' or 'estimate'; null for none",
    )


def _attribute(node: Node, path: str, covering: str | None) -> Node:
    if isinstance(node.value, list):
        return node.replaced(
            [
                _attribute(item, join_path(path, str(index)), covering)
                for index, item in enumerate(node.value)
            ]
        )
    if not isinstance(node.value, dict):
        return Node(node.value, node.location, node.key_location, covering, node.estimate)
    own = _own_source(node, path, covering)
    if "value" in node.value and _LEAF_KEYS.issuperset(node.value):
        # The value may itself be a leaf map: the innermost source and estimate are the nearest.
        leaf = _attribute(node.value["value"], join_path(path, "value"), own)
        if not _is_container(leaf):
            outer = node.value.get("estimate")
            ends = None if outer is None else _ends(outer, path)
            ends = leaf.estimate or ends
            return Node(leaf.value, leaf.location, node.key_location, leaf.source, ends)
    return node.replaced(
        {
            key: _attribute(item, join_path(path, key), own)
            for key, item in node.value.items()
            if key != SOURCE
        }
    )


def _is_container(node: Node) -> bool:
    return isinstance(node.value, dict | list)


def _ends(estimate: Node, path: str) -> tuple[Node, Node]:
    if isinstance(estimate.value, list) and len(estimate.value) == 2:
        low, high = estimate.value
        if not (_is_container(low) or _is_container(high)):
            return low, high
    raise ConfigError(
        "an estimate must be a range",
        path=path,
        location=estimate.location,
        allowed="[low, high]",
    )
