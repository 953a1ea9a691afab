"""A page of replays alone."""

from __future__ import annotations

from collections.abc import Sequence

from maestromotif.report.cards import project_name
from maestromotif.report.render import environment, plural, render_whole
from maestromotif.report.replay import Replay, Replays
from maestromotif.report.sources import ReportSources

__all__ = ["render_replays"]


def render_replays(sources: ReportSources, shown: Sequence[Replay], notes: Sequence[str]) -> str:
    """The page as text.

    Args:
        notes: what was left out, and why.
    """
    return render_whole(
        environment(),
        "replay_page.html.j2",
        title=f"{sources.title}: replays",
        over=sources.domain.title,
        facts=[plural(len(shown), "recorded episode")],
        headline="",
        sections=[],
        replays=Replays(list(shown), 0),
        project=project_name(sources),
        notes=notes,
    )
