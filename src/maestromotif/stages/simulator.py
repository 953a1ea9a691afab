"""Fitting the domain's simulator to what a project's trained skills do; the file is used where [domain] names it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from maestromotif.errors import DomainError
from maestromotif.stages.stage import Stage, Work

if TYPE_CHECKING:
    from maestromotif.project import Project

__all__ = ["FOLDER", "RATES_FILE", "check_fits", "simulator_inputs", "simulator_stage"]

FOLDER, RATES_FILE = "simulator", "rates.json"
_GAMES = 32


def simulator_stage(steps: int, seed: int) -> Stage:
    """Plays the training policy and the program of each task, and fits.

    Args:
        steps: environment steps of each program, all games together.
        seed: of the first program's games; further programs take the following ones.
    """
    options = {"steps": steps, "seed": seed}
    return Stage("fit-simulator", "fits the simulator to play", (), lambda project: {}, partial(_fit, steps, seed), options=options)


def check_fits(project: Project) -> None:
    """See that the project's domain has a simulator that can be fitted.

    Raises:
        DomainError: it has none.
    """
    if not project.domain.fitted_option:
        raise DomainError(f"the simulator of the domain {project.domain.id} is not fitted to play", "Use a domain whose simulator is")


def simulator_inputs(project: Project) -> dict[str, Any]:
    """What the simulator decides of a task's program: nothing to be told where the domain's own is used.

    Not of the skills' programs: these had to be there before anybody could play, and a fit must not undo the training it was made of.
    """
    identity = project.domain.simulator_identity
    return {"simulator": {"rates": identity}} if identity else {}


def _fit(steps: int, seed: int, work: Work) -> Mapping[str, Any]:
    from maestromotif.agents.play import record_play
    from maestromotif.stages.catalogue import evaluation_setting

    project = work.project
    setting = evaluation_setting(project)
    programs = {"training_policy": setting.training_policy}
    for path in sorted((project.artifacts / "tasks").glob("[!.]*/*.py")):
        if path.stem == path.parent.name:
            programs[path.stem] = path.read_text(encoding="utf-8")
    work.out.mkdir(parents=True, exist_ok=True)
    tables = []
    for number, (name, source) in enumerate(programs.items()):

        def report(fraction: float, text: str, done: int = number, name: str = name) -> None:
            work.progress((done + fraction) / len(programs), f"{name}: {text}")

        tables.append(record_play(setting, source, steps, seed + number, report, num_games=_GAMES))
    card = {
        "how": "the trained network of a project played these programs; maestromotif fit-simulator",
        "programs": {name: seed + number for number, name in enumerate(programs)},
        "steps_of_each_program": steps,
        "episodes_cut_at": setting.config.max_steps,
        "training": project.config.project.pretrained or f"{project.config.train.steps} steps",
    }
    return setting.domain.fit_simulator(tables, card, work.out / RATES_FILE)
