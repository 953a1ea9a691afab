"""``python -m maestromotif.domains.nethack.fit PROJECT``: fit the simulated dungeon anew to what a project's trained skills do.

The trained network plays the training policy over skills and the program of each task that the project has, and ``simulator_rates.json`` is
written: the one of this package, unless ``--out`` says otherwise.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from maestromotif.domains.nethack.simulator_fit import fit_rates
from maestromotif.domains.nethack.simulator_rates import FILE, Rates, write_rates
from maestromotif.errors import MaestroError

__all__ = ["fit_project", "main"]

_STEPS = 100_000


def fit_project(folder: Path, steps: int, seed: int, out: Path) -> Rates:
    """Let the project's trained network play, fit, and write.

    Args:
        folder: of a project that was trained; it is only read.
        steps: environment steps of each program, all games together.
        seed: of the first program's games; further programs take the following ones.

    Raises:
        MaestroError: the project is not there, not of NetHack or not trained, or a file cannot be read.
    """
    # The one place where this domain knows of what is built upon it: a command, not a part of the domain.
    from maestromotif.agents.play import record_play
    from maestromotif.domains.nethack.domain import NetHack
    from maestromotif.project import Project
    from maestromotif.stages.catalogue import evaluation_setting

    project = Project.open(folder)
    if not isinstance(project.domain, NetHack):
        raise MaestroError(f"{folder}: its domain is {project.domain.id}", "Give a project of the domain nethack")
    setting = evaluation_setting(project)
    programs = {"training_policy": setting.training_policy}
    for path in sorted((project.artifacts / "tasks").glob("*/*.py")):
        programs[path.stem] = path.read_text(encoding="utf-8")
    tables = []
    for number, (name, source) in enumerate(programs.items()):
        tables.append(record_play(setting, source, steps, seed + number, lambda _fraction, _text: None, num_games=32))
        sys.stderr.write(f"{name}: {tables[-1].num_rows:,} rows\n")
    card = {
        "how": "the trained network of a project played these programs; python -m maestromotif.domains.nethack.fit",
        "programs": {name: seed + number for number, name in enumerate(programs)},
        "steps_of_each_program": steps,
        "episodes_cut_at": setting.config.max_steps,
        "training_steps": project.config.train.steps,
        "character": project.domain.options["character"],
    }
    rates = fit_rates(tables, card)
    write_rates(rates, out)
    return rates


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m maestromotif.domains.nethack.fit", description=__doc__.partition("\n\n")[0])
    parser.add_argument("project", type=Path, help="folder of a trained project")
    parser.add_argument("--steps", type=int, default=_STEPS, help="environment steps of each program (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=11, help="of the games (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name(FILE), help="file to write (default: the package's own)")
    given = parser.parse_args()
    try:
        rates = fit_project(given.project, given.steps, given.seed, given.out)
    except MaestroError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{given.out}: {rates.card['episodes']} episodes, {rates.card['steps']:,} steps\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
