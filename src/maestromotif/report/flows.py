"""Which skill was active, why its calls ended, and what came next, as pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from maestromotif.report.charts import Chart, flow_chart
from maestromotif.report.results import CAUSES
from maestromotif.report.sources import Notes, ReportSources, read_parquet, tolerate

__all__ = ["gather_flow"]

_END = "end of episode"
Path = tuple[str, ...]


def gather_flow(sources: ReportSources, slots: Mapping[str, int], notes: Notes) -> Chart | None:
    """The trained network's calls under the training policy over skills; None where none were kept."""
    name = "trained.calls.parquet"
    calls = read_parquet(sources.evaluation / "skills" / name, notes)
    return None if calls is None or not len(calls) else tolerate(notes, name, lambda: _picture(_paths(calls), sources, slots))


def _paths(calls: Any) -> Counter[Path]:
    episodes, names, causes = (calls.column(column).to_pylist() for column in ("episode", "skill", "cause"))
    found: Counter[Path] = Counter()
    for place, (episode, skill, cause) in enumerate(zip(episodes, names, causes, strict=True)):
        follows = place + 1 < len(episodes) and episodes[place + 1] == episode
        found[skill, CAUSES.get(cause, cause), names[place + 1] if follows else _END] += 1
    return found


def _picture(paths: Counter[Path], sources: ReportSources, slots: Mapping[str, int]) -> Chart:
    causes = [*CAUSES.values(), *sorted({path[1] for path in paths} - set(CAUSES.values()))]
    skills = [*sources.skills.ids, *sorted({name for path in paths for name in (path[0], path[2])} - {*sources.skills.ids, _END})]
    note = "Each band is as wide as its calls are frequent: from the skill, over why its call ended, to the skill that came next."
    return flow_chart("flow", "Flows between skills", note, (skills, causes, [*skills, _END]), paths, slots)
