"""Reading a cascade file: every mistake is an error that names the line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from archsim.config.paths import item_segments, join_path
from archsim.config.schema import validate_model
from archsim.errors import ConfigError, Location, WorkloadError, nearest
from archsim.numberformat import NumberFormat, parse_format
from workloads.cascade import Cascade
from workloads.cascade_file_order import Line, in_order, section_of, versioned_tensors
from workloads.cascade_file_schema import (
    KIND,
    CascadeFile,
    EinsumEntry,
    RankEntry,
    written_out,
)
from workloads.cascade_file_text import EinsumText, read_einsum
from workloads.einsum import OP_CLASSES, ROLES, Einsum, Rank, Tensor
from workloads.notation import parse_statement

if TYPE_CHECKING:
    from archsim.config.document import Document
    from workloads.access import Access


class CascadeReader:
    """Reads one file; errors name the line of the entry they are about."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.file = validate_model(CascadeFile, written_out(document.data), document, KIND)
        raw = document.data.get("einsums")
        segments = item_segments(raw if isinstance(raw, list) else [])
        self.paths = [f"{KIND}.einsums.{segment}" for segment in segments]
        self.ranks: dict[str, RankEntry] = dict(self.file.ranks)
        self.texts: list[EinsumText] = []
        self.lines: list[Line] = []

    def _fail(
        self,
        message: str,
        path: str,
        *,
        given: object = None,
        allowed: str | Iterable[str] | None = None,
        hint: str | None = None,
    ) -> ConfigError:
        location = self.document.location(path)
        return ConfigError(
            message, path=path, location=location, given=given, allowed=allowed, hint=hint
        )

    def read(self) -> tuple[Cascade, Mapping[str, str]]:
        """Return the cascade, and the unit of each einsum that the file binds."""
        if not self.file.einsums:
            raise self._fail("a cascade has at least one einsum", f"{KIND}.einsums")
        self._tensor_ranks()
        for entry, path in zip(self.file.einsums, self.paths, strict=True):
            self._parse(entry, path)
        iterative = next((n for n, r in self.ranks.items() if r.iterative), None)
        variable = iterative.lower() if iterative else None
        versions = versioned_tensors(self.lines, variable)
        tensors = self._tensors(versions)
        self._check_reads(tensors)
        ordered = self._order(variable, versions)
        named = [(section, line, self._name_of(line, section)) for section, line in ordered]
        einsums = tuple(self._einsum(line, section, name) for section, line, name in named)
        self._check_shapes(tensors, versions)
        ranks = tuple(Rank(n, r.extent, r.split, r.iterative) for n, r in self.ranks.items())
        try:
            cascade = Cascade(self.file.name, ranks, tuple(tensors.values()), einsums)
        except WorkloadError as error:
            raise error.at(location=self._culprit(str(error), named)) from None
        return cascade, self._binding([name for _, _, name in named])

    def _tensor_ranks(self) -> None:
        """Take over the extents that tensors give; a rank has one extent."""
        for name, tensor in self.file.tensors.items():
            if isinstance(tensor.ranks, str):
                continue
            for rank, extent in tensor.ranks.items():
                known = self.ranks.setdefault(rank, RankEntry(extent=extent))
                if known.extent != extent:
                    path = join_path(join_path(f"{KIND}.tensors", name) + ".ranks", rank)
                    path = path if path in self.document.locations else path.replace(".ranks", "")
                    raise self._fail(
                        f"rank {rank} has two shapes", path, given=extent, allowed=str(known.extent)
                    )
        for name, entry in self.ranks.items():
            if entry.split is not None and entry.split not in self.ranks:
                raise self._fail(
                    f"rank {name} is a level of a rank that does not exist",
                    join_path(f"{KIND}.ranks", name) + ".split",
                    given=entry.split,
                    allowed=sorted(self.ranks),
                    hint=nearest(entry.split, self.ranks),
                )

    def _parse(self, entry: EinsumEntry, path: str) -> None:
        text = read_einsum(entry.einsum, {name: r.extent for name, r in self.ranks.items()})
        try:
            parsed = parse_statement(text.statement)
        except WorkloadError as error:
            raise error.at(path=path, location=self.document.location(path)) from None
        reads = tuple(a for item in parsed.operands for a in (item, *item.gathers()))
        variables = {v for a in (parsed.output, *reads) for v in a.variables()}
        for variable in sorted(variables):
            if variable.upper() not in self.ranks:
                raise self._fail(
                    f"there is no rank {variable.upper()} for the variable {variable}",
                    path,
                    given=entry.einsum,
                    allowed=sorted(self.ranks),
                    hint=nearest(variable.upper(), self.ranks),
                )
        self.texts.append(text)
        self.lines.append(Line(len(self.lines), parsed.output, reads))

    def _tensors(self, versions: Mapping[str, int]) -> dict[str, Tensor]:
        """Return all tensors: those of the file, then those that are only written."""
        written: dict[str, Line] = {}
        for line in self.lines:
            written.setdefault(line.output.tensor, line)
        read = {access.tensor for line in self.lines for access in line.operands}
        found: dict[str, Tensor] = {}
        for name, entry in self.file.tensors.items():
            path = join_path(f"{KIND}.tensors", name)
            ranks = tuple(entry.ranks.split() if isinstance(entry.ranks, str) else entry.ranks)
            for rank in ranks:
                if rank not in self.ranks:
                    raise self._fail(
                        f"tensor {name} has a rank that does not exist",
                        path,
                        given=rank,
                        allowed=sorted(self.ranks),
                        hint=nearest(rank, self.ranks),
                    )
            role = entry.role or self._role(name, written, read)
            if role not in ROLES:
                raise self._fail("unknown role", path, given=role, allowed=ROLES)
            if role in ("intermediate", "output") and name not in written:
                raise self._fail(f"tensor {name} is never written", path, given=role)
            found[name] = Tensor(name, ranks, role, self._format(entry.format, path))
        for name, first in written.items():
            if name not in found:
                own = [line for line in self.lines if line.output.tensor == name]
                line = max(own, key=lambda item: len(set(item.output.variables())), default=first)
                path = self.paths[line.position]
                ranks = self._inferred(line.output, path, versions.get(name))
                role = self._role(name, written, read)
                found[name] = Tensor(name, ranks, role, self._format(None, path))
        return found

    def _role(self, name: str, written: Mapping[str, Line], read: set[str]) -> str:
        if name not in written:
            return "input"
        return "intermediate" if name in read else "output"

    def _format(self, text: str | None, path: str) -> NumberFormat:
        try:
            return parse_format(text or self.file.format)
        except ConfigError as error:
            raise error.at(path=path, location=self.document.location(path)) from None

    def _inferred(self, output: Access, path: str, versioned: int | None) -> tuple[str, ...]:
        """Return the ranks of a tensor without an entry, from where it is written."""
        ranks = []
        for position, index in enumerate(output.indices):
            plain = len(index.terms) == 1 and (index.kind == "var" or position == versioned)
            if not plain:
                raise self._fail(
                    f"tensor {output.tensor} needs an entry under tensors: its ranks do not "
                    "follow from the index",
                    path,
                    given=str(output),
                )
            ranks.append(index.terms[0][0].upper())
        return tuple(ranks)

    def _check_reads(self, tensors: Mapping[str, Tensor]) -> None:
        for line in self.lines:
            for access in (line.output, *line.operands):
                path = self.paths[line.position]
                if access.tensor not in tensors:
                    raise self._fail(
                        "undefined tensor",
                        path,
                        given=access.tensor,
                        allowed=sorted(tensors),
                        hint=nearest(access.tensor, tensors),
                    )
                ranks = tensors[access.tensor].ranks
                if len(ranks) != len(access.indices):
                    raise self._fail(
                        f"tensor {access.tensor} has {len(ranks)} ranks ({' '.join(ranks)})",
                        path,
                        given=str(access),
                    )

    def _check_shapes(self, tensors: Mapping[str, Tensor], versions: Mapping[str, int]) -> None:
        """Require that a plain index runs over its whole rank, so that both have one shape."""
        for line in self.lines:
            for access in (line.output, *line.operands):
                ranks = tensors[access.tensor].ranks
                for position, (index, rank) in enumerate(zip(access.indices, ranks, strict=True)):
                    if index.kind != "var" or versions.get(access.tensor) == position:
                        continue
                    variable = index.terms[0][0]
                    extent = self.ranks[variable.upper()].extent
                    if extent != self.ranks[rank].extent:
                        raise self._fail(
                            f"rank {rank} of {access.tensor} has two shapes: "
                            f"{self.ranks[rank].extent}, and {extent} by the variable {variable}",
                            self.paths[line.position],
                            given=str(access),
                        )

    def _order(self, variable: str | None, versions: Mapping[str, int]) -> list[tuple[str, Line]]:
        sections = {line: section_of(line, self.lines, variable) for line in self.lines}
        ordered: list[tuple[str, Line]] = []
        for section in ("init", "body", "tail"):
            lines = [line for line in self.lines if sections[line] == section]
            found, cycle = in_order(lines, versions)
            if cycle:
                names = " → ".join(line.output.tensor for line in (*cycle, cycle[0]))
                raise self._fail(
                    "einsums need each other in a cycle",
                    self.paths[min(line.position for line in cycle)],
                    given=names,
                    allowed="an iterative rank, whose versions may",
                )
            ordered += [(section, line) for line in found]
        return ordered

    def _name_of(self, line: Line, section: str) -> str:
        entry = self.file.einsums[line.position]
        if entry.name:
            return entry.name
        others = [item for item in self.lines if item.output.tensor == line.output.tensor]
        return line.output.tensor if len(others) == 1 else f"{line.output.tensor}.{section}"

    def _einsum(self, line: Line, section: str, name: str) -> Einsum:
        entry, text = self.file.einsums[line.position], self.texts[line.position]
        path = self.paths[line.position]
        extents = {rank.lower(): item.extent for rank, item in self.ranks.items()}
        try:
            made = Einsum.parse(
                name,
                text.statement,
                extents,
                reduce=text.reduce,
                section=section,
                layer=entry.layer,
            )
        except WorkloadError as error:
            raise error.at(path=path, location=self.document.location(path)) from None
        chosen = entry.op_class or ("gemm" if made.matmul() is not None else "activation")
        if chosen not in OP_CLASSES:
            raise self._fail(
                "unknown operation class",
                f"{path}.class",
                given=chosen,
                allowed=OP_CLASSES,
                hint=nearest(chosen, OP_CLASSES),
            )
        return replace(made, op_class=chosen)

    def _culprit(self, message: str, named: Sequence[tuple[str, Line, str]]) -> Location | None:
        """Return the place of the einsum, tensor or rank that a message names."""
        words = set(re.findall(r"[\w.@-]+", message))
        for _, line, name in named:
            if f"einsum {name}:" in message:
                return self.document.location(self.paths[line.position])
        for section, names in (("tensors", self.file.tensors), ("ranks", self.ranks)):
            for name in names:
                if name in words:
                    return self.document.key_location(join_path(f"{KIND}.{section}", name))
        return self.document.location(KIND)

    def _binding(self, names: Sequence[str]) -> Mapping[str, str]:
        for name in self.file.binding:
            if name not in names:
                raise self._fail(
                    "there is no einsum of that name",
                    join_path(f"{KIND}.binding", name),
                    given=name,
                    allowed=list(names),
                    hint=nearest(name, names),
                )
        return dict(self.file.binding)
