"""Random legal command traces and a plain reading of the constraint table, for tests."""

from __future__ import annotations

import random

from archsim.dram.checker import ChannelChecker
from archsim.dram.traces import Command

ALL = -1


def legal_trace(standard, length, seed, *, spread=1.0):
    """A trace in which each command is issued at its first legal tick, or a little later."""
    rng = random.Random(seed)
    checker, trace, rows = ChannelChecker(standard), [], {}
    names = {command.name for command in standard.commands}
    levels = standard.levels[1:]
    bank_level, scope_level = standard.bank_level, standard.refresh.scope_level
    banks = [max(1, round(level.size * spread)) for level in levels]
    tick = 1
    while len(trace) < length:
        fields = [rng.randrange(size) for size in banks]
        place = tuple(fields[:bank_level])
        scope = place[:scope_level]
        open_here = {bank for bank in rows if bank[:scope_level] == scope}
        if rng.random() < 0.1 and not open_here:
            name = rng.choice(sorted({"REFab", "RFMab"} & names))
        elif rng.random() < 0.06 or (trace and trace[-1].name == "RD" and rng.random() < 0.1):
            name = "PREab"
        elif place not in rows and rng.random() < 0.05 and "REFpb" in names:
            name = rng.choice(sorted({"REFpb", "RFMpb"} & names))
        elif place not in rows:
            name = "ACT1" if "ACT1" in names else "ACT"
        else:
            name = rng.choice(["RD", "RD", "WR", "PREpb", "RDA", "WRA"])
            fields[bank_level] = rows[place]
        if name in ("REFab", "RFMab", "PREab"):
            fields[scope_level:] = [ALL] * (len(levels) - scope_level)
        steps = {"ACT1": ["ACT1", "ACT2"]}.get(name, [name])
        if name in ("RD", "RDA", "WR", "WRA") and "CAS_RD" in names:
            steps.insert(0, "CAS_RD" if name.startswith("RD") else "CAS_WR")
            tick = max(tick, checker.earliest(name, tuple(fields)) - 1)
        for step in steps:
            tick = issue(checker, trace, step, tuple(fields), tick, rng)
        for bank in [place] if ALL not in fields else open_here:
            if steps[-1] in ("ACT", "ACT2"):
                rows[bank] = fields[bank_level]
            elif steps[-1] in ("PREpb", "PREab", "RDA", "WRA"):
                rows.pop(bank, None)
    return trace


def issue(checker, trace, name, fields, tick, rng):
    """Issue a command at its first legal tick from `tick` on; return that tick."""
    if rng.random() < 0.1 and name in ("ACT", "PREpb", "PREab"):
        tick += rng.randrange(20)
    tick = checker.earliest(name, fields, start=tick)
    item = Command(tick, name, fields)
    trace.append(item)
    checker.record(item)
    return tick


def plain_breaches(standard, trace):
    """Breaches (command number, row of the table) by the definition, looking at every pair."""
    names = [command.name for command in standard.commands]
    cost = {command.name: command.ticks for command in standard.commands}
    found = set()
    for j, later in enumerate(trace):
        for number, row in enumerate(standard.constraints):
            if names.index(later.name) not in row.following:
                continue
            earlier = [
                item
                for item in trace[:j]
                if names.index(item.name) in row.previous and meets(row, item, later)
            ]
            for node_items in by_node(row, earlier, later, standard):
                if len(node_items) < row.window:
                    continue
                ends = sorted(item.clock + cost[item.name] - 1 for item in node_items)
                gap = row.nominal_ticks
                first = ends[-row.window] + gap - (cost[later.name] - 1)
                if later.clock < first:
                    found.add((j + 1, number))
    return found


def meets(row, earlier, later):
    depth = row.level - (1 if row.sibling else 0)
    return all(
        a == b or ALL in (a, b)
        for a, b in zip(earlier.fields[:depth], later.fields[:depth], strict=True)
    )


def by_node(row, earlier, later, standard):
    """Split earlier commands by the node of the row's level in which they count."""
    import itertools

    sizes = [level.size for level in standard.levels[1 : row.level + 1]]
    for node in itertools.product(*map(range, sizes)):
        agrees = [v in (ALL, n) for v, n in zip(later.fields[: row.level], node, strict=True)]
        own, parent = all(agrees), all(agrees[:-1])
        if (row.sibling and parent and not own) or (not row.sibling and own):
            yield [
                item
                for item in earlier
                if all(v in (ALL, n) for v, n in zip(item.fields[: row.level], node, strict=True))
            ]
