"""What generated programs and rewards cost in each environment step: ``python benchmarks/programs.py``.

Everything is measured on play of real NetHack by the scripted explorer, with the programs that ship as recorded answers: the skills' own
and the training policy over skills, and, since that observes nothing, the policy of the task ``golden_exit``, which does. Two parts:

* single calls, on recorded facts: in the sandbox, and the same text as plain Python;
* the loop in which workers play (``rl.games``): processor time beside the environment, for schedules that are asked where a fact has
  changed on which their answer depends, and for schedules that are asked after every step.

With ``--training`` a short training of the small network says what share of its step that is. Prints a table, and stores everything as JSON
where ``--out`` says. Variants of the loop take turns; the best of some rounds counts, since machines are noisy.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from train import describe_machine, measure_training, small_project

from maestromotif.domains.contract import DomainEnv, Facts
from maestromotif.domains.nethack.env import NetHackEnv
from maestromotif.llm.recorded import read_answer
from maestromotif.programs.answers import extract_program
from maestromotif.programs.sandbox import load
from maestromotif.programs.schedule import POLICY_CLASS, ProgramSchedule
from maestromotif.project import Project
from maestromotif.rl.arrays import StepArrays
from maestromotif.rl.build import GamesSpec, build_part, describe_domain
from maestromotif.rl.config import TrainConfig
from maestromotif.rl.episodes import ScheduleSources
from maestromotif.rl.training import read_sources
from maestromotif.types import EndCause

_ROUNDS = 7
_CHUNK = 2_000  # calls between two fillings of the meter
_SEED = 3
Calls = Sequence[tuple[Callable[..., Any], tuple[Any, ...]]]


class _AskedAlways(NetHackEnv):
    """Games of which nobody can see whether facts have changed, so that every schedule is asked after every step."""

    def fact_numbers(self) -> None:  # type: ignore[override]
        return None


def record(project: Project, games: int, turns: int) -> tuple[list[list[Facts]], float]:
    """Facts of consecutive steps of some games, and the nanoseconds that it took to get them for each step."""
    env, explorer = project.domain.make_env(games), project.domain.explorer(_SEED)
    env.reset(range(games), range(games))
    played: list[list[Facts]] = [[] for _ in range(games)]
    done: list[list[Facts]] = []
    spent = 0.0
    for turn in range(turns):
        began = time.thread_time()
        now = [env.facts(game) for game in range(games)]
        spent += time.thread_time() - began
        for game, facts in enumerate(now):
            played[game].append(facts)
        env.step(explorer.act(env))
        for game in np.flatnonzero(env.terminated_B).tolist():
            env.reset([game], [games * (turn + 1) + game])
            done.append(played[game])
            played[game] = []
    env.close()
    return [sequence for sequence in (*done, *played) if len(sequence) > 1], spent / turns / games * 1e9


def nanoseconds(calls: Calls, refill: Callable[[], None]) -> float:
    """Per call, the best of some rounds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        spent = 0.0
        for first in range(0, len(calls), _CHUNK):
            refill()
            part = calls[first : first + _CHUNK]
            began = time.thread_time()
            for function, arguments in part:
                function(*arguments)
            spent += time.thread_time() - began
        best = min(best, spent / len(calls) * 1e9)
    return best


def single_calls(project: Project, sources: ScheduleSources, task: str, sequences: list[list[Facts]]) -> dict[str, dict[str, float]]:
    """Nanoseconds of each part of the contract, in the sandbox and as plain Python."""
    names, ids = [spec.name for spec in project.domain.fact_specs], list(project.skills.ids)
    moments = [(facts, sequence[0]) for sequence in sequences for facts in sequence[1:]]
    found: dict[str, dict[str, float]] = {}
    for kind in ("sandboxed", "plain"):
        for name, source in (("skills", sources.skill_program or ""), ("policy", sources.policy), ("task", task)):
            program = load(source, names=names) if kind == "sandboxed" else None
            space: dict[str, Any] = {}
            if program is None:
                exec(source, space)
            refill = program.meter.refill if program else (lambda: None)
            get: Callable[[str], Any] = program.get if program else space.get  # type: ignore[assignment]
            calls: dict[str, Calls]
            if name == "skills":
                over, may = get("is_over"), get("can_start")
                calls = {
                    "is_over, five skills": [(over, (skill, facts, start)) for facts, start in moments for skill in ids],
                    "can_start, five skills": [(may, (skill, facts)) for facts, _ in moments for skill in ids],
                }
            else:
                refill()
                policy = get(POLICY_CLASS)()
                parts = {"interrupt": (ids[0],), "next_skill": ("", ids)} if name == "policy" else {"observe": (), "is_done": ()}
                calls = {part: [(getattr(policy, part), (facts, *more)) for facts, _ in moments] for part, more in parts.items()}
            for part, listed in calls.items():
                each = nanoseconds(listed, refill) * (5 if part.endswith("five skills") else 1)
                found.setdefault(part, {})[kind] = each
    return found


def advance(project: Project, sources: ScheduleSources, sequences: list[list[Facts]]) -> float:
    """Nanoseconds of a step of a schedule that is asked after every one."""
    names, best = [spec.name for spec in project.domain.fact_specs], float("inf")
    steps = sum(len(sequence) - 1 for sequence in sequences)
    for _ in range(_ROUNDS):
        spent = 0.0
        for sequence in sequences:
            schedule = ProgramSchedule(project.skills, sources.skill_program, sources.policy, names, _SEED)
            schedule.begin(sequence[0])
            ask, going = schedule.advance, EndCause.CONTINUES
            began = time.thread_time()
            for facts in sequence[1:]:
                ask(facts, going)
            spent += time.thread_time() - began
            assert not schedule.faults
        best = min(best, spent / steps * 1e9)
    return best


class Loop:
    """The games of one worker, played by the explorer."""

    def __init__(self, project: Project, sources: ScheduleSources, games: int, always: bool, rewards: bool) -> None:
        domain = project.domain
        spec = GamesSpec(
            domain=describe_domain(domain),
            options=dict(domain.options),
            skills=tuple(project.skills),
            sources=sources,
            rewards=str(project.folder("reward").resolve()) if rewards else "",
            reward_maker="maestromotif.rl.build:load_rewards",
            num_games=games,
            seed=_SEED,
            first_episodes=(0,) * games,
            episode_steps=10_000,
        )
        shape = (domain.observation_spec, games, len(spec.skills), 1)
        self.arrays = StepArrays.over(bytearray(StepArrays.size(*shape)), *shape)
        self.arrays.guidance[...] = 1
        self._env: DomainEnv = _AskedAlways(games) if always else domain.make_env(games)
        self._part = build_part(spec, domain, self.arrays, range(games), (0,) * games, lambda result: None, self._env)
        self._part.reset()
        self._explorer = domain.explorer(_SEED)

    def play(self, turns: int) -> dict[str, float]:
        """Nanoseconds for each step of a game, in the environment and beside it."""
        before = self.arrays.games[0].copy(), self.arrays.calls.sum()
        for _ in range(turns):
            self.arrays.action[...] = self._explorer.act(self._env)
            self._part.step()
        spent, steps = self.arrays.games[0] - before[0], turns * len(self.arrays.action)
        return {
            "environment": spent[2] / steps * 1e9,
            "programs": spent[3] / steps * 1e9,
            "calls": float(self.arrays.calls.sum() - before[1]) / steps,
        }

    def close(self) -> None:
        assert not self._part.faults()
        self._part.close()


def loops(project: Project, sources: ScheduleSources, task: str, games: int, turns: int) -> dict[str, dict[str, float]]:
    """Every variant of the loop: its best round."""
    observing = replace(sources, policy=task)
    variants: Mapping[str, tuple[ScheduleSources, bool, bool]] = {
        "training policy": (sources, False, False),
        "training policy, asked every step": (sources, True, False),
        "policy that observes": (observing, False, False),
        "training policy, with rewards": (sources, False, True),
        "training policy, with rewards, asked every step": (sources, True, True),
    }
    playing = {name: Loop(project, kind, games, always, rewards) for name, (kind, always, rewards) in variants.items()}
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
    for loop in playing.values():
        loop.play(turns)  # what is new only once: compiled code, inputs that no reward model has seen
    for _ in range(_ROUNDS):
        for name, loop in playing.items():
            rows[name].append(loop.play(turns // _ROUNDS))
    for loop in playing.values():
        loop.close()
    return {name: min(found, key=lambda row: row["programs"]) for name, found in rows.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, help="a project of NetHack with programs and rewards; without it, a small one is made")
    parser.add_argument("--games", type=int, default=64, help="of one worker")
    parser.add_argument("--turns", type=int, default=350, help="steps of each game, of each variant")
    parser.add_argument("--training", action="store_true", help="also train for a while")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    arguments = parser.parse_args()
    # As in workers: what is kept is not looked through again and again.
    gc.disable()
    with tempfile.TemporaryDirectory() as folder:
        project = Project.open(arguments.project) if arguments.project else small_project(Path(folder) / "project", "nethack")
        sources = read_sources(project.folder("program"))
        answer = read_answer(Path(project.domain.recorded_answers[0]) / "task-golden_exit.md")
        task = extract_program(answer.text, [POLICY_CLASS]) or ""
        sequences, facts = record(project, arguments.games, arguments.turns)
        report: dict[str, Any] = {
            "machine": describe_machine(),
            "games": arguments.games,
            "facts_ns": facts,
            "calls_ns": single_calls(project, sources, task, sequences),
            "asked_every_step_ns": {
                "training policy": advance(project, sources, sequences),
                "policy that observes": advance(project, replace(sources, policy=task), sequences),
            },
            "loop_ns": loops(project, sources, task, arguments.games, arguments.turns),
        }
        print(f"\nns per call{'':27}{'sandboxed':>12}{'plain':>8}{'ratio':>8}")
        for name, row in report["calls_ns"].items():
            print(f"{name:38}{row['sandboxed']:>12,.0f}{row['plain']:>8,.0f}{row['sandboxed'] / row['plain']:>8.2f}")
        print(f"\nns per environment step, {arguments.games} games\n{'facts of a game':50}{facts:>8,.0f}")
        for name, value in report["asked_every_step_ns"].items():
            print(f"{'schedule alone, asked every step, ' + name:58}{value:>8,.0f}")
        print("in the loop of a worker, all bookkeeping included:")
        for name, row in report["loop_ns"].items():
            print(f"{'  ' + name:58}{row['programs']:>8,.0f}   (environment {row['environment']:,.0f}; {row['calls']:.4f} calls end)")
        if arguments.training:
            settings: dict[str, Any] = {
                "epochs": 1,
                "workers": 1,
                "groups": 1,
                "games": 64,
                "tensorboard": False,
                "checkpoint_seconds": 1e9,
            }
            trained = measure_training(project, TrainConfig(**settings, network="small", core="ff"), 60_000, False)
            step, beside = trained["learning"]["processor"], trained["parts"]["games_programs_and_rewards"]
            report["training"] = {"step_ns": step * 1e9, "programs_and_rewards_ns": beside * 1e9, "share": beside / step}
            print(f"in training: {beside * 1e9:,.0f} of {step * 1e9:,.0f} ns of a step, {beside / step:.1%}")
    if arguments.out:
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
