"""Runs stages: skips what is done, goes on with what was interrupted, and says why it does something again.

A stage works in ``<folder>.part`` and is renamed into place when it is done, so an artifact is either whole or not there.
The artifact that it replaces is kept once, under ``artifacts/old``.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from maestromotif.errors import ArtifactError, MaestroError, ProjectError
from maestromotif.project import Project
from maestromotif.stages.apart import run_apart
from maestromotif.stages.card import CARD_FILE, Card, inventory, now, package_versions
from maestromotif.stages.files import remove_tree, sweep
from maestromotif.stages.fingerprint import differences, digest
from maestromotif.stages.lock import project_lock
from maestromotif.stages.stage import OPEN, Stage, Watcher, Work
from maestromotif.stages.trackers import following

__all__ = ["Plan", "Runner", "open_runner"]


@dataclass(frozen=True)
class Plan:
    """What is to be done about a stage: ``skip``, ``recheck``, ``resume``, ``continue`` or ``make``; and why."""

    action: str
    why: str = ""


@contextmanager
def open_runner(project: Project, command: str, watcher: Watcher) -> Iterator[Runner]:
    """A runner that holds the project's lock; first finishes or clears away what a killed run left.

    Raises:
        ProjectError: another command is at work in the project.
    """
    with project_lock(project.root, command) as lock:
        if project.artifacts.exists():
            sweep(project.artifacts)
        yield Runner(project, watcher, lock)


class Runner:
    """Runs stages of one project, whose lock is held.

    Args:
        project: the opened project.
        watcher: is told what happens.
        lock: descriptor of the lock, for child processes.
    """

    def __init__(self, project: Project, watcher: Watcher, lock: int) -> None:
        self.project = project
        self._watcher = watcher
        self.lock = lock

    def run(self, stages: Sequence[Stage], again: bool = False) -> None:
        """Bring these stages up to date, in this order.

        Args:
            stages: parents come before their children, or are done already.
            again: make them anew even if they are up to date.

        Raises:
            MaestroError: whatever a stage raises; the project is then as it was, but for partial work worth keeping.
        """
        for stage in stages:
            self._finish_swap(stage)
            plan = self.plan(stage)
            if again and plan.action in ("skip", "continue"):
                plan = Plan("make", "asked for")
            if plan.action == "recheck":
                self._recheck(stage)
            elif plan.action == "skip":
                self._watcher.skipped(stage)
            else:
                self._work(stage, plan)

    def require(self, stages: Sequence[Stage]) -> None:
        """Make sure that these stages are up to date, without running any but those that are ``given``.

        Raises:
            ProjectError: one has not run, or no longer fits the project's files.
        """
        for stage in stages:
            self._finish_swap(stage)
            plan = self.plan(stage)
            if plan.action == "recheck":
                self._recheck(stage)
            elif plan.action in ("make", "resume") and stage.given:
                self._work(stage, plan)
            elif plan.action in ("make", "resume"):
                folder = self.project.root
                problem = f"{folder}: the stage {stage.id} is not done" + (f" ({plan.why})" if plan.why else "")
                command = stage.id.partition(":")[0] if ":" not in stage.id else "run"
                raise ProjectError(problem, f"Run `maestromotif {command} {folder}` first, or `maestromotif run {folder}`")

    def retire(self, stages: Sequence[Stage]) -> None:
        """Set aside artifacts of stages on request that no longer fit the project, so that no page shows them as current."""
        for stage in stages:
            self._finish_swap(stage)
            plan = self.plan(stage)
            if plan.action != "skip":
                self._watcher.warned(stage, f"no longer fits and is set aside ({plan.why})")
                self._set_aside(self.project.folder(stage.id))

    def plan(self, stage: Stage) -> Plan:
        """What has to be done about a stage whose parents are done."""
        folder = self.project.folder(stage.id)
        inputs = self._inputs(stage)
        fingerprint = digest(inputs)
        done, part = Card.read(folder), Card.read(_part(folder))
        if folder.exists() and done is None:
            return Plan("make", f"{folder / CARD_FILE} is missing or damaged")
        if done is not None and done.fingerprint == fingerprint:
            done.verify(folder, editable=stage.recheck is not None)
            goal = stage.goal(self.project)
            short = [name for name, wanted in goal.items() if wanted > done.goal.get(name, 0)]
            if stage.recheck is not None and done.changed_programs(folder):
                return Plan("recheck")
            still_open = done.facts.get(OPEN, 0)
            if not short and not still_open:
                return Plan("skip")
            if part is not None and part.fingerprint == fingerprint:
                return Plan("resume", _resumed(part))
            if not short:
                return Plan("continue", f"{still_open:,} questions that nobody answered are asked again")
            return Plan("continue", ", ".join(f"{name} raised from {done.goal.get(name, 0):,} to {goal[name]:,}" for name in short))
        if part is not None and part.fingerprint == fingerprint:
            return Plan("resume", _resumed(part))
        old = done or part
        return Plan("make", "; ".join(differences(old.inputs, inputs)[:4]) if old else "")

    def identity(self, stage_id: str) -> str:
        """What a stage's artifact is called in the fingerprints of its children; empty if it is not there."""
        card = Card.read(self.project.folder(stage_id))
        return card.identity if card else ""

    def _inputs(self, stage: Stage) -> dict[str, Any]:
        own = {"seed": self.project.seed, "domain": {"id": self.project.domain.id, **self.project.domain.identity}}
        parents = {parent: self.identity(parent) for parent in stage.parents}
        return {**own, **stage.inputs(self.project), "parents": parents}

    def _work(self, stage: Stage, plan: Plan) -> None:
        folder = self.project.folder(stage.id)
        part = _part(folder)
        began = time.monotonic()
        card = self._prepare(stage, plan, part)
        self._watcher.started(stage, part, plan.why)
        fresh = card.attempts == 1
        try:
            facts = self._call(stage, part)
        except BaseException as error:
            # A failure leaves behind only what would cost something to make again, and damaged files, for the person to look at.
            replayable = stage.replayable and isinstance(error, MaestroError) and not isinstance(error, ArtifactError)
            if replayable or (fresh and not inventory(part)):
                remove_tree(part)
            raise
        files = inventory(part)
        goal = dict(stage.goal(self.project))
        done = replace(card, status="done", goal=goal, files=files, finished=now(), facts=dict(facts))
        done = replace(done, identity=_identity(done, goal, files, stage))
        done.write(part)
        self._finish_swap(stage)
        self._watcher.finished(stage, time.monotonic() - began)

    def _prepare(self, stage: Stage, plan: Plan, part: Path) -> Card:
        """The folder to work in, with a card that says so."""
        inputs = self._inputs(stage)
        before = Card.read(part)
        if plan.action == "resume" and before is not None:
            goal, versions = dict(stage.goal(self.project)), dict(package_versions())
            card = replace(before, status="running", goal=goal, attempts=before.attempts + 1, versions=versions)
            card.write(part)
            return card
        self._set_aside(part)
        if plan.action == "continue":
            _copy(self.project.folder(stage.id), part)
        else:
            part.mkdir(parents=True)
        fingerprint = digest(inputs)
        goal = dict(stage.goal(self.project))
        card = Card(stage.id, "running", fingerprint, fingerprint, inputs, goal, versions=dict(package_versions()), started=now())
        card.write(part)
        return card

    def _call(self, stage: Stage, part: Path) -> Mapping[str, Any]:
        def progress(fraction: float, text: str) -> None:
            self._watcher.progress(stage, fraction, text)

        def warn(text: str) -> None:
            self._watcher.warned(stage, text)

        if stage.apart:
            trackers = self.project.config.train.log if stage.id == "train" else ()
            with following(trackers, self.project, part, progress, warn) as progress_and_look:
                return run_apart(stage, self.project, part, progress_and_look, warn, self.lock)
        return stage.work(Work(self.project, part, progress, warn, self._watcher.aside, self.lock))

    def _recheck(self, stage: Stage) -> None:
        """Accept files that a person edited, if they still keep their contract."""
        folder = self.project.folder(stage.id)
        card = Card.read(folder)
        assert card is not None
        assert stage.recheck is not None
        changed = card.changed_programs(folder)
        gone = [name for name in changed if not (folder / name).is_file()]
        if gone:
            raise ArtifactError(f"{folder / gone[0]}: missing, though {folder / CARD_FILE} lists it under files", _remake(folder))
        self._watcher.started(stage, folder, f"{', '.join(changed)} edited by hand")
        began = time.monotonic()
        stage.recheck(self.project, folder)
        files = inventory(folder)
        edited = tuple(sorted({*card.edited, *changed}))
        replace(card, files=files, edited=edited, identity=_identity(card, card.goal, files, stage)).write(folder)
        self._watcher.finished(stage, time.monotonic() - began)

    def _finish_swap(self, stage: Stage) -> None:
        """Put finished work into place; a no-op if there is none. Safe to be killed at any point."""
        folder = self.project.folder(stage.id)
        part = _part(folder)
        card = Card.read(part)
        if card is not None and card.status == "done":
            self._set_aside(folder)
            os.replace(part, folder)
        elif part.exists() and card is None:
            # Killed between making the folder and writing its card: nothing was done in it.
            remove_tree(part)

    def _set_aside(self, folder: Path) -> None:
        if not folder.exists():
            return
        old = self.project.artifacts / "old" / str(folder.relative_to(self.project.artifacts)).replace("/", "-")
        old.parent.mkdir(parents=True, exist_ok=True)
        remove_tree(old)
        os.replace(folder, old)


def _part(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.part")


def _copy(source: Path, target: Path) -> None:
    """Copy a folder so that the copy is there whole or not at all; its card is to be written anew."""
    fresh = target.with_name(f".{target.name}.copy")
    if fresh.exists():
        shutil.rmtree(fresh)
    shutil.copytree(source, fresh)
    card = Card.read(fresh)
    if card is not None:
        replace(card, status="running").write(fresh)
    os.replace(fresh, target)


def _remake(folder: Path) -> str:
    return f"Put it back, or remove the folder {folder}; the next run makes it again"


def _resumed(part: Card) -> str:
    return f"interrupted; goes on (attempt {part.attempts + 1}, begun {part.started})"


def _identity(card: Card, goal: Mapping[str, int], files: Mapping[str, tuple[int, str]], stage: Stage) -> str:
    """The fingerprint, unless the result also depends on how far the work went, on what nobody answered, or on what a person edited."""
    programs = {name: entry[1] for name, entry in files.items() if name.endswith(".py")} if stage.recheck else {}
    still_open = {OPEN: card.facts[OPEN]} if OPEN in card.facts else {}
    extra = {**dict(goal), **programs, **still_open}
    return digest({"fingerprint": card.fingerprint, **extra}) if extra else card.fingerprint
