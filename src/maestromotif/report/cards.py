"""The cards of all artifacts, and the commands that make a project again."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata

from maestromotif import __version__
from maestromotif.report.results import Results
from maestromotif.report.sources import Notes, ReportSources, read_json_file

__all__ = ["CardPart", "gather_cards", "project_name", "reproducing_commands"]

_ORDER = ("interactions", "preferences", "rewards", "programs", "training", "tasks", "evaluation", "solved", "repaired")
# Not artifacts of the present project: what was replaced, calls to models, and the page itself. Episodes stand among the replays.
_LEFT_OUT = frozenset({"old", "llm", "report", "recordings"})


@dataclass(frozen=True)
class CardPart:
    """One card.

    Attributes:
        name: of the artifact's folder, below artifacts/.
        stage: what made it.
        finished: when; else what its state is.
        files: how many it holds.
        size: of all of them in bytes.
        text: the card as JSON, without the digests of its files.
    """

    name: str
    stage: str
    finished: str
    files: int
    size: int
    text: str


def gather_cards(sources: ReportSources, notes: Notes) -> list[CardPart]:
    """Every artifact that has a card, in the order in which they are made; what is still under way is among them."""
    artifacts = sources.root / "artifacts"
    folders = sorted(
        {path.parent.relative_to(artifacts) for depth in ("*", "*/*", "*/*/*") for path in artifacts.glob(f"{depth}/card.json")},
        key=lambda folder: (_ORDER.index(folder.parts[0]) if folder.parts[0] in _ORDER else len(_ORDER), folder),
    )
    found = []
    for folder in folders:
        if folder.parts[0].removesuffix(".part") in _LEFT_OUT or any(part.startswith(".") for part in folder.parts):
            continue
        card = read_json_file(artifacts / folder / "card.json", notes)
        if card is None:
            continue
        found_files = card.get("files")
        files = found_files if isinstance(found_files, dict) else {}
        size = sum(one[0] for one in files.values() if isinstance(one, list) and one and isinstance(one[0], int))
        shown = {key: value for key, value in card.items() if key != "files"}
        # The page must not tell where the folder lies on some machine.
        text = json.dumps(shown, indent=2, ensure_ascii=False).replace(str(sources.root.resolve()) + os.sep, "")
        when = str(card.get("finished") or card.get("status") or "")
        found.append(CardPart(folder.as_posix(), str(card.get("stage") or folder.name), when, len(files), size, text))
    return found


def project_name(sources: ReportSources) -> str:
    """The folder as a person in its parent would type it."""
    return shlex.quote(sources.root.resolve().name)


def reproducing_commands(sources: ReportSources, results: Results, benched: bool) -> list[str]:
    """What to type, from the installation on.

    Args:
        benched: the page shows a bench.
    """
    project = project_name(sources)
    extra = f"[{sources.domain.id}]" if sources.domain.id in _extras() else ""
    lines = [
        f"pip install 'maestromotif{extra}=={__version__}'",
        f"# with this project's maestro.toml and skills.toml in the folder {project}:",
        f"maestromotif run {project}",
    ]
    asked = [row for row in results.tasks if row.free or row.repaired]
    lines += [f"maestromotif solve {project} {shlex.quote(row.description)}{' --repair' * row.repaired}" for row in asked]
    return [*lines, *([f"maestromotif bench {project}"] if benched else [])]


def _extras() -> Iterable[str]:
    try:
        return metadata.metadata("maestromotif").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return []
