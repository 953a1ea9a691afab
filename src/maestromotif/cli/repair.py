"""How a task's program was repaired, on the terminal: what broke, which versions there were, and what was decided."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from maestromotif.cli.code import console, plain, version_diff
from maestromotif.cli.results import shown_path
from maestromotif.programs.story import HOW

if TYPE_CHECKING:
    from maestromotif.project import Project

__all__ = ["print_repair"]

_FAILURES = 4
_FACTS = 4
_STYLE = {"accepted": "green", "kept the old one": "yellow", "same program": "yellow", "refused": "red", "nothing to mend": "green"}


def print_repair(project: Project, task: str) -> None:
    """All rounds of a task's repair."""
    from maestromotif.stages.repair import REPAIR_FILE

    folder = project.folder(f"repair:{task}")
    document = json.loads((folder / REPAIR_FILE).read_text(encoding="utf-8"))
    screen = console()
    screen.print(Text(f"Repair of {task}, judged by {document['judged_by']}", "bold"))
    for entry in document["rounds"]:
        for block in _round(entry):
            screen.print(Padding(block, (0, 0, 0, 2), expand=False))
        own = folder / f"round-{entry['round']}"
        if "held_out" in entry:
            versions = [(own / name).read_text(encoding="utf-8") for name in ("before.py", "after.py")]
            screen.print(Padding(version_diff(*versions), (0, 0, 0, 4), expand=False))
        screen.print(Text(f"    all of it: {shown_path(own)}", "dim"))
    screen.print()


def _round(entry: Mapping[str, Any]) -> Iterator[RenderableType]:
    accomplished, episodes = entry["accomplished"], entry["episodes"]
    yield Text(f"round {entry['round']}: accomplished in {accomplished} of {episodes} episodes", "bold")
    for failure in entry["failures"][:_FAILURES]:
        line = f"{failure['skill']} {HOW[failure['cause']]}: {failure['calls']} calls in {failure['episodes']} failed episodes"
        line += f", the last of {failure['last']}" if failure["last"] else ""
        facts = "; ".join(failure["facts"][:_FACTS])
        yield Padding(Text.assemble(plain(line), (f" ({plain(facts)})" if facts else "", "dim")), (0, 0, 0, 2), expand=False)
    rest = len(entry["failures"]) - _FAILURES
    if rest > 0:
        yield Text(f"  and {rest} more kinds of failure", "dim")
    yield Text(f"-> {entry['outcome']}: {plain(entry['why'])}", _STYLE.get(entry["outcome"], ""))
    if "held_out" in entry:
        yield Padding(Text(_compared(entry["held_out"])), (0, 0, 0, 3), expand=False)


def _compared(found: Mapping[str, Any]) -> str:
    old, new = (f"{found[name]['rate']:.1%} ({found[name]['successes']} of {found[name]['trials']})" for name in ("old", "new"))
    low, high = (100 * found["interval"][end] for end in ("low", "high"))
    apart = f"only the old in {found['only_first']}, only the new in {found['only_second']}"
    difference = f"difference {100 * found['difference']:+.1f} points ({found['confidence']:.0%} interval {low:+.1f} to {high:+.1f})"
    return f"fresh episodes: old {old}, new {new}; {apart}\n{difference}, p = {found['p_value']:.3g} (needed: {found['level']:g})"
