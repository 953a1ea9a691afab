"""NetHack as a domain: what the contract asks for, put together from this folder's parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from maestromotif.domains.contract import (
    CallMeasure,
    Domain,
    DomainEnv,
    Explorer,
    Facts,
    FactSpec,
    ObservationSpec,
    SignSpec,
    Simulator,
    Task,
)
from maestromotif.domains.nethack import characters, ladder, masks, possible, progress, recording, simulator_rates, tasks, ttyrec
from maestromotif.domains.nethack.env import NetHackEnv
from maestromotif.domains.nethack.explorer import NetHackExplorer
from maestromotif.domains.nethack.layout import OBSERVATION_SETS
from maestromotif.domains.nethack.simulator import DungeonSimulator
from maestromotif.domains.nethack.simulator_fit import fit_rates
from maestromotif.domains.nethack.simulator_rates import Rates
from maestromotif.domains.nethack.trips import ACTION_SETS
from maestromotif.domains.nethack.vocabulary import FACTS, SIGNS
from maestromotif.domains.screens import TextScreen
from maestromotif.errors import ArtifactError, DomainError
from maestromotif.types import RewardInput

__all__ = ["NetHack"]

_OPTIONS: Mapping[str, tuple[type, Any]] = {
    "actions": (str, "reference"),
    "character": (str, "mon-hum-neu-mal"),
    "caption_window": (int, 1),
    "mask_harmful": (bool, True),
    "reflexes": (bool, False),
    "simulator": (str, ""),
}


class NetHack(Domain):
    """NetHack 3.6 through nle, as the paper sets it up.

    Options (``[domain]`` in maestro.toml): ``actions`` (``reference`` or, with whole trips, ``travel``), ``character``
    (role-race-alignment-gender), ``caption_window`` (steps back that captions compare statistics with; the paper says 100),
    ``mask_harmful`` (forbid actions that only harm), ``reflexes`` (in need, forbid all but prayer or food), ``simulator`` (a file with
    rates of the simulated dungeon, fitted to a project's own play).
    """

    file_options = ("simulator",)
    fitted_option = "simulator"
    _rates: Rates

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        given = dict(options or {})
        problems = [f"unknown option {name!r}" for name in given if name not in _OPTIONS]
        problems += [
            f"{name} must be of type {kind.__name__}"
            for name, (kind, _) in _OPTIONS.items()
            if name in given and type(given[name]) is not kind
        ]
        if not problems and given.get("caption_window", 1) < 1:
            problems.append("caption_window must be at least 1")
        if not problems and given.get("actions", "reference") not in ACTION_SETS:
            problems.append(f"actions must be one of {', '.join(ACTION_SETS)}")
        if not problems and (wrong := characters.problem(given.get("character", _OPTIONS["character"][1]))):
            problems.append(f"character: {wrong}")
        if problems:
            raise DomainError("maestro.toml [domain]: " + "; ".join(problems), "Options of nethack: " + ", ".join(_OPTIONS))
        options = {name: given.get(name, default) for name, (_, default) in _OPTIONS.items()}
        for name, default in (("actions", "reference"), ("reflexes", False), ("simulator", "")):
            if options[name] == default:
                del options[name]  # what was made before there was a choice stays up to date
        super().__init__(options)
        # Read now: where programs are tried, no file is in reach any more.
        object.__setattr__(self, "_rates", _rates(options["simulator"]) if "simulator" in options else simulator_rates.measured())

    @property
    def identity(self) -> Mapping[str, Any]:
        return {name: value for name, value in self.options.items() if name != "simulator"}

    @property
    def _action_set(self) -> str:
        return str(self.options.get("actions", "reference"))

    @property
    def id(self) -> str:
        return "nethack"

    @property
    def title(self) -> str:
        return "NetHack"

    @property
    def knowledge(self) -> str:
        return _text("knowledge.txt")

    @property
    def fact_specs(self) -> tuple[FactSpec, ...]:
        return FACTS

    @property
    def sign_specs(self) -> tuple[SignSpec, ...]:
        return SIGNS

    @property
    def actions(self) -> tuple[str, ...]:
        return ACTION_SETS[self._action_set]

    @property
    def observation_spec(self) -> ObservationSpec:
        return OBSERVATION_SETS[self._action_set]["small"]

    def observation_for(self, network: str) -> ObservationSpec:
        networks = OBSERVATION_SETS[self._action_set]
        return networks[network] if network in networks else super().observation_for(network)

    @property
    def tasks(self) -> Mapping[str, Task]:
        return ladder.TaskBook(tasks.TASKS)

    @property
    def further_tasks(self) -> Sequence[str]:
        return ladder.STANDARD

    @property
    def call_measures(self) -> Mapping[str, CallMeasure]:
        return tasks.CALL_MEASURES

    @property
    def skills_toml(self) -> str:
        return _text("skills.toml")

    @property
    def recommended(self) -> Mapping[str, Mapping[str, Any]]:
        # Exploration must be rewarded, or stairs are never found, but far less than arriving: hence the contrast. It is rewarded at
        # every step of the way all the same, hence returns that renew. See docs/training.md for what was measured.
        return {
            "reward": {"contrast": 2.0},
            "train": {"steps": 2_000_000, "entropy": 0.01, "returns": "renew"},
            # Three of the nine tasks, so that a first run stays short; [] plays all.
            "evaluate": {"max_steps": 1_500, "tasks": ["gnomish_mines", "delphi", "golden_exit"]},
        }

    @property
    def recorded_answers(self) -> tuple[str, ...]:
        return (str(files(__package__) / "answers"),)

    def recorded_facts(self) -> Sequence[Sequence[Facts]]:
        return recording.read_recording()

    def possible_facts(self, values: Mapping[str, Any], before: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        return possible.possible_facts(values, before)

    def caption_score(self, skill_id: str, reward_input: RewardInput) -> float | None:
        return progress.caption_score(skill_id, reward_input)

    def screens(self, folder: Path) -> Iterator[TextScreen]:
        return ttyrec.read_screens(folder / ttyrec.FILE)

    def make_env(self, num_games: int) -> DomainEnv:
        options = self.options
        mask = masks.MASK_ALL if options.get("reflexes") else masks.MASK_HARM if options["mask_harmful"] else masks.MASK_NONE
        return NetHackEnv(num_games, options["character"], options["caption_window"], mask, self._action_set)

    def simulator(self) -> Simulator:
        return DungeonSimulator(simulator_rates.practised(self._rates))

    def simulators(self) -> Mapping[str, Simulator]:
        return {"perfect": DungeonSimulator(simulator_rates.perfect(self._rates)), "measured": DungeonSimulator(self._rates)}

    @property
    def simulator_identity(self) -> str:
        path = self.options.get("simulator")
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16] if path else ""

    def fit_simulator(self, play: Sequence[Any], card: Mapping[str, Any], out: Path) -> Mapping[str, Any]:
        rates = fit_rates(play, {**card, "character": self.options["character"]})
        simulator_rates.write_rates(rates, out)
        return rates.card

    def explorer(self, seed: int) -> Explorer:
        return NetHackExplorer(seed)


def _rates(path: str) -> Rates:
    try:
        return simulator_rates.read_rates(Path(path))
    except ArtifactError as error:
        raise DomainError(f"maestro.toml [domain] simulator: {error.problem}", f"{error.remedy}, or remove the line") from error


def _text(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
