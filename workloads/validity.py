"""Rules that every cascade satisfies (FuseMax reference, data structures of the cascade IR)."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations
from math import prod
from typing import TYPE_CHECKING

from archsim.errors import WorkloadError
from workloads.access import Access
from workloads.einsum import OP_CLASSES, ROLES, SECTIONS
from workloads.operation import REDUCTIONS, Apply, Operand, walk

if TYPE_CHECKING:
    from workloads.cascade import Cascade
    from workloads.einsum import Einsum

_RANK_NAME = re.compile(r"[A-Z][A-Z0-9]*")
_TENSOR_NAME = re.compile(r"[A-Z][A-Za-z0-9_]*")
_READ_ONLY = ("input", "weight", "constant")
_MADE_HERE = ("intermediate", "output")


def _require(condition: bool, cascade: Cascade, message: str, given: object = None) -> None:
    if not condition:
        raise WorkloadError(f"cascade {cascade.name}: {message}", given=given)


def check_cascade(cascade: Cascade) -> None:
    """Raise WorkloadError unless the cascade satisfies every rule."""
    _check_ranks(cascade)
    _check_tensors(cascade)
    sections = [
        SECTIONS.index(item.section) if item.section in SECTIONS else -1 for item in cascade.einsums
    ]
    _require(-1 not in sections, cascade, f"a section is one of {', '.join(SECTIONS)}")
    _require(sections == sorted(sections), cascade, "sections come in the order init, body, tail")
    for einsum in cascade.einsums:
        cascade.einsum(einsum.name)
        _check_einsum(cascade, einsum)
    _check_order(cascade)
    _check_writers(cascade)


def _check_ranks(cascade: Cascade) -> None:
    children: dict[str, list[int]] = {}
    for rank in cascade.ranks:
        cascade.rank(rank.name)
        _require(
            bool(_RANK_NAME.fullmatch(rank.name)),
            cascade,
            "a rank name is upper case letters and digits",
            rank.name,
        )
        _require(
            rank.extent >= 1,
            cascade,
            f"the extent of rank {rank.name} must be at least 1",
            rank.extent,
        )
        if rank.parent is not None:
            cascade.rank(rank.parent)
            children.setdefault(rank.parent, []).append(rank.extent)
    for parent, extents in children.items():
        _require(
            prod(extents) >= cascade.rank(parent).extent,
            cascade,
            f"the levels of rank {parent} cover {prod(extents)} of its "
            f"{cascade.rank(parent).extent} coordinates",
        )
    iterative = [rank.name for rank in cascade.ranks if rank.iterative]
    _require(len(iterative) <= 1, cascade, "at most one rank is iterative", ", ".join(iterative))


def _check_tensors(cascade: Cascade) -> None:
    made = set(cascade.made())
    for tensor in cascade.tensors:
        cascade.tensor(tensor.name)
        _require(
            bool(_TENSOR_NAME.fullmatch(tensor.name)),
            cascade,
            "a tensor name starts with an upper case letter",
            tensor.name,
        )
        _require(
            tensor.role in ROLES,
            cascade,
            f"the role of tensor {tensor.name} is one of {', '.join(ROLES)}",
            tensor.role,
        )
        for rank in tensor.ranks:
            cascade.rank(rank)
        if tensor.role in _READ_ONLY:
            _require(
                tensor.name not in made,
                cascade,
                f"tensor {tensor.name} is written but its role is {tensor.role}",
            )
        if tensor.role in _MADE_HERE:
            _require(
                tensor.name in made,
                cascade,
                f"tensor {tensor.name} is never written but its role is {tensor.role}",
            )


def _check_einsum(cascade: Cascade, einsum: Einsum) -> None:
    where = f"einsum {einsum.name}"
    _require(
        einsum.op_class in OP_CLASSES, cascade, f"{where}: unknown operation class", einsum.op_class
    )
    extents = {rank.variable: rank.extent for rank in cascade.ranks}
    for variable, extent in einsum.space:
        _require(
            extents.get(variable) == extent,
            cascade,
            f"{where}: variable {variable} has extent {extent}, its rank "
            f"{extents.get(variable, 'does not exist')}",
        )
    order = dict.fromkeys(node.index for node in walk(einsum.map) if isinstance(node, Operand))
    distinct = len(set(einsum.operands)) == len(einsum.operands)
    _require(
        distinct and list(order) == list(range(len(einsum.operands))),
        cascade,
        f"{where}: operands must be distinct and in the order of their use",
    )
    written = set(einsum.output.variables())
    used = {variable for access in einsum.operands for variable in access.variables()}
    _require(
        written | used == {variable for variable, _ in einsum.space},
        cascade,
        f"{where}: its space must hold the variables of its accesses",
    )
    ranked = any(operation == "argtop" for _, operation in einsum.reduce)
    if ranked:
        _check_argtop(cascade, einsum, written - used)
    copied = isinstance(einsum.map, Apply) and einsum.map.operation == "copy" and not einsum.reduce
    _require(
        ranked or copied or not einsum.operands or written <= used,
        cascade,
        f"{where}: an output variable occurs in no operand",
        ", ".join(sorted(written - used)),
    )
    reduced = [variable for variable, _ in einsum.reduce]
    _require(
        len(set(reduced)) == len(reduced) and set(reduced) == used - written,
        cascade,
        f"{where}: exactly the variables that the output lacks are reduced",
        ", ".join(reduced),
    )
    operations = {operation for _, operation in einsum.reduce}
    _require(
        operations <= set(REDUCTIONS) and len(operations) <= 1,
        cascade,
        f"{where}: one operation out of {', '.join(REDUCTIONS)} reduces",
    )
    iterative = cascade.iterative_rank
    if iterative is not None and einsum.section == "body":
        _require(
            iterative.variable not in reduced,
            cascade,
            f"{where}: a body einsum cannot reduce the iterative rank",
        )
    for access in (einsum.output, *einsum.operands):
        _check_access(cascade, einsum, access)
        for gather in access.gathers():
            _check_access(cascade, einsum, gather)
    _check_filter(cascade, einsum)


def _check_argtop(cascade: Cascade, einsum: Einsum, places: set[str]) -> None:
    """Require one reduced variable and, last of the output, the variable that counts places."""
    last = [variable for variable, _ in einsum.output.indices[-1].terms] if places else []
    _require(
        len(einsum.reduce) == 1 and len(places) == 1 and list(places) == last,
        cascade,
        f"einsum {einsum.name}: argtop reduces one variable to places counted by the output's last",
    )
    _require(
        einsum.extents[last[0]] <= einsum.extents[einsum.reduce[0][0]] and einsum.filter is None,
        cascade,
        f"einsum {einsum.name}: argtop has at most as many places as there are values, unfiltered",
    )


def _check_access(cascade: Cascade, einsum: Einsum, access: Access) -> None:
    tensor = cascade.tensor(access.tensor)
    shape = tensor.shape(cascade)
    extents = einsum.extents
    if len(shape) != len(access.indices):
        raise WorkloadError(
            f"cascade {cascade.name}: einsum {einsum.name}: {access} has {len(access.indices)} "
            f"indices, tensor {tensor.name} {len(shape)} ranks"
        )
    for index, rank, extent in zip(access.indices, tensor.ranks, shape, strict=True):
        if index.gather is not None:
            continue
        low, high = index.span(extents)
        if index.bound is not None:
            high = min(high, index.bound.span(extents)[1])
        if low < 0 or high >= extent:
            raise WorkloadError(
                f"cascade {cascade.name}: einsum {einsum.name}: {access} reaches {low} to {high}, "
                f"rank {rank} has {extent} coordinates"
            )


def _check_filter(cascade: Cascade, einsum: Einsum) -> None:
    filters = [index for access in einsum.operands for index in access.indices if index.bound]
    _require(
        len(set(filters)) <= 1,
        cascade,
        f"einsum {einsum.name}: at most one prefix filter, on one operand or alike on several",
    )
    _require(
        not any(index.bound for index in einsum.output.indices),
        cascade,
        f"einsum {einsum.name}: a filter stands on an operand, not on the output",
    )
    _ = einsum.filter


def _check_order(cascade: Cascade) -> None:
    iterative = cascade.iterative_rank
    written: set[str] = set()
    initialised: set[str] = set()
    for einsum in cascade.einsums:
        for operand in einsum.operands:
            for access in (operand, *operand.gathers()):
                tensor = cascade.tensor(access.tensor)
                if tensor.role in (*_READ_ONLY, "kv"):
                    continue
                previous = iterative is not None and _reads_previous(cascade, access)
                if previous and tensor.name not in initialised:
                    raise WorkloadError(
                        f"cascade {cascade.name}: einsum {einsum.name}: {access} has no "
                        "initialisation"
                    )
                if not previous and tensor.name not in written:
                    raise WorkloadError(
                        f"cascade {cascade.name}: einsum {einsum.name}: {access} is read before "
                        "it is made"
                    )
        if einsum.section == "init":
            initialised.add(einsum.output.tensor)
        if einsum.section != "init" or not cascade.is_versioned(einsum.output.tensor):
            written.add(einsum.output.tensor)


def _reads_previous(cascade: Cascade, access: Access) -> bool:
    """Whether an access reads the version that the iteration before has made."""
    if not cascade.is_versioned(access.tensor):
        return False
    ranks = cascade.tensor(access.tensor).ranks
    return any(
        cascade.rank(rank).iterative and index.kind == "var"
        for rank, index in zip(ranks, access.indices, strict=True)
    )


def _check_writers(cascade: Cascade) -> None:
    writers = Counter(einsum.output.tensor for einsum in cascade.einsums)
    for name, count in writers.items():
        if count == 1:
            continue
        spans = [
            (einsum.section, [index.span(einsum.extents) for index in einsum.output.indices])
            for einsum in cascade.einsums
            if einsum.output.tensor == name
        ]
        for (first_section, first), (second_section, second) in combinations(spans, 2):
            apart = any(a[1] < b[0] or b[1] < a[0] for a, b in zip(first, second, strict=True))
            _require(
                apart or first_section != second_section,
                cascade,
                f"tensor {name} is written twice at one place",
            )
