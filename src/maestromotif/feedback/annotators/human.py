"""A person as an annotator, in the terminal or on a local page."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field
from rich.console import Console

from maestromotif.errors import ConfigError
from maestromotif.feedback.annotators.options import AnnotatorOptions, read_options
from maestromotif.feedback.human.sitting import Sitting
from maestromotif.feedback.human.web import Desk
from maestromotif.feedback.journal import Journal
from maestromotif.feedback.protocol import AnnotatorContext, Briefing, Judgement
from maestromotif.skills import Skill
from maestromotif.types import Pair

__all__ = ["HumanAnnotator"]


class HumanAnnotator:
    """Asks a person. Verdicts are kept by skill text and pair, and are never asked for again, whatever else changes."""

    costly = True  # see ``Annotator``

    class Options(AnnotatorOptions):
        where: Literal["terminal", "web"] = Field(default="terminal", description="In the terminal, or on a page in the browser.")
        port: int = Field(default=0, ge=0, le=65535, description="Of the page; 0: one that is free.")

    def __init__(self, context: AnnotatorContext) -> None:
        if context.home is None:
            raise ConfigError("[annotate] annotator: 'human' needs a folder for its verdicts", "Pass home to annotate()")
        self._options = read_options(self.Options, context.config.options)
        self._home = context.home / "human"
        self._seed = context.seed
        self._aside = context.aside
        self._desk: Desk | None = None
        self.id = "human"

    def brief(self, skill: Skill) -> Briefing:
        return Briefing({"source": "human", "preference": skill.preference_text})

    def annotate(self, skill: Skill, briefing: Briefing, pairs: Sequence[Pair]) -> Iterator[Judgement]:
        """Raises KeyboardInterrupt: the person quits; everything so far is kept."""
        text = hashlib.sha256(skill.preference_text.encode()).hexdigest()[:12]
        head = {"skill": skill.id, "preference": skill.preference_text}
        sitting = Sitting(skill, pairs, Journal(self._home / f"{skill.id}-{text}.jsonl", head, precious=True), self._seed)
        yield from sitting.take()
        if sitting.pair is None:
            return
        # Imported here, since not every system has such terminals.
        from maestromotif.feedback.human import terminal

        with self._aside():
            for _ in self._open_desk().decide(sitting) if self._options.where == "web" else terminal.decide(sitting):
                yield from sitting.take()

    def close(self, finished: bool) -> None:
        """Tell the page, if there is one, that it is over."""
        if self._desk is not None:
            self._desk.close(finished)
            self._desk = None

    def _open_desk(self) -> Desk:
        if self._desk is None:
            self._desk = Desk(self._options.port)
            console = Console(file=sys.stdout)
            console.print(f"Open {self._desk.url} in a browser on this machine; Ctrl-C stops and keeps everything.", soft_wrap=True)
        return self._desk
