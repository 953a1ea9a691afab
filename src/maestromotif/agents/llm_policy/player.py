"""The process that plays: games that step one by one, each up to its next decision, which is made elsewhere.

It holds no keys, and is begun, spoken to and confined as ``maestromotif.rl.worker`` is. Started by ``playing``; not for people. An order
says which games go on with what; the answer to it holds the moments in which they wait again, and the episodes that have ended.
"""

from __future__ import annotations

import json
import socket
import sys
from collections import Counter, deque
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from maestromotif.agents.llm_policy.moments import Moment, Past, plain_facts
from maestromotif.agents.records import cause_name
from maestromotif.domains.contract import ACTION_MASK, Domain, DomainEnv, Facts
from maestromotif.programs.schedule import ProgramSchedule
from maestromotif.rl.arrays import SharedBuffer, StepArrays
from maestromotif.rl.build import GamesSpec, load_part_domain, resolve
from maestromotif.rl.driving import EpisodeDriver, Mind
from maestromotif.rl.episodes import Episode, EpisodeResult, Listed, Plan, Recorder, ScheduleFactory, ScheduleSources
from maestromotif.rl.games import SkillGames
from maestromotif.rl.pay import Rewards, Watching
from maestromotif.rl.worker import confine_player, exactly, serve_line, tell, warm_up
from maestromotif.skills import Skill, SkillSet
from maestromotif.types import EndCause

__all__ = [
    "ACT",
    "ACTING",
    "PICKING",
    "AskedSchedule",
    "Decisions",
    "PlayedGame",
    "acting_schedules",
    "asked_schedules",
    "load_mind",
    "main",
    "make_game",
    "shared_places",
]

ACT = SkillSet((Skill("act", "The language model acts.", max_steps=2**31),))
"""What is called, once an episode, where a model names the actions: there are no skills."""
ACTING, PICKING = f"{__name__}:acting_schedules", f"{__name__}:asked_schedules"
"""Makers of schedules, see ``ScheduleSources``."""
Decisions = Generator[Moment, str, None]
"""Gives the moments in which something is to be decided, and takes what is chosen."""


def main(arguments: list[str]) -> None:
    """Play for the process that asks."""
    serve_line(arguments, _Player)


def shared_places(memory: Any, games: int) -> NDArray[np.int64]:
    """``[games, 4]`` over shared memory: what each game is doing (``StepArrays.where``), and the episode that it plays."""
    return np.ndarray((games, 4), np.int64, memory)


class AskedSchedule(ProgramSchedule):
    """Skills that start and end as their programs say, and are chosen from outside wherever several may start.

    Attributes:
        open: what may start, while a choice is due; until ``settle`` says what it is, the first of these counts as chosen.
    """

    def __init__(self, skills: SkillSet, skill_program: str | None, fact_names: Collection[str], seed: int) -> None:
        super().__init__(skills, skill_program, None, fact_names, seed)
        self.open: tuple[str, ...] = ()
        self._settled_on = ""

    def settle(self, skill: str) -> None:
        """Let the call that has just begun be one of this skill."""
        self._settled_on = skill
        self._call(self.start, "")
        self._settled_on, self.open = "", ()

    def _choose(self, facts: Facts, finished: str) -> str:
        return self._settled_on or super()._choose(facts, finished)

    def _pick(self, facts: Facts, finished: str, startable: list[str]) -> str:
        self.open = tuple(startable) if len(startable) > 1 else ()
        return startable[0] if startable else self._ids[0]


class _OneCall:
    """A schedule of one call, which lasts as long as the episode."""

    def __init__(self) -> None:
        self.active = ACT.ids[0]
        self.claims_done = self.exhausted = False
        self.reason = ""
        self.faults: Counter[str] = Counter()

    def begin(self, facts: Facts) -> str:
        return self.active

    def advance(self, facts: Facts, ended: EndCause, elapsed: int = 1) -> tuple[EndCause, str]:
        if ended:
            self.reason = "the episode ended by itself" if ended == EndCause.DIED else "the episode was cut"
        return ended, self.active


def acting_schedules(domain: Domain, skills: SkillSet, sources: ScheduleSources) -> ScheduleFactory:
    """Nothing is scheduled, and no program runs."""
    return lambda seed, guidance: _OneCall()


def asked_schedules(domain: Domain, skills: SkillSet, sources: ScheduleSources) -> ScheduleFactory:
    """``AskedSchedule`` with the programs of the skills."""
    names = tuple(spec.name for spec in domain.fact_specs)

    def make(seed: int, guidance: Sequence[float]) -> AskedSchedule:
        return AskedSchedule(skills, sources.skill_program, names, seed)

    return make


class _Drawn:
    """A plan that remembers the episode that it has handed out last.

    Args:
        plan: may be shared with other games.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.episode: Episode | None = None

    def next(self, game: int, guidance: Sequence[float]) -> Episode | None:
        self.episode = self._plan.next(game, guidance)
        return self.episode


class _OneGame(SkillGames):
    """One game, whose call that has just begun may still become another skill's."""

    def rechoose(self, skill: str) -> None:
        self._begin_call(0, skill, self._start_facts[0])


class PlayedGame:
    """One game, which plays one episode after the other.

    Args:
        number: its number.
        env: the game; arrays: its row of the step arrays.
        games: wraps both, and is to be reset before ``play``; driver: lets the network act in it; None: actions are what is decided.
        repeat: steps that a decided action holds for.
        history: earlier decisions that a moment tells.
    """

    def __init__(
        self,
        number: int,
        domain: Domain,
        env: DomainEnv,
        arrays: StepArrays,
        plan: _Drawn,
        games: _OneGame,
        driver: EpisodeDriver | None,
        repeat: int,
        history: int,
    ) -> None:
        self._number, self._domain, self._env, self._arrays, self._plan = number, domain, env, arrays, plan
        self.games, self._driver, self._repeat = games, driver, repeat
        self._past: deque[Past] = deque(maxlen=history)
        self._decision = 0

    def play(self) -> Decisions:
        """All its episodes."""
        while self._arrays.episode[0] >= 0:
            self._past.clear()
            self._decision = 0
            yield from self._act() if self._driver is None else self._pick(self._driver)

    def close(self) -> None:
        self.games.close()

    def _act(self) -> Decisions:
        """An episode in which actions are decided."""
        arrays = self._arrays
        mask = arrays.observation[ACTION_MASK][0]
        for began in self._steps():
            names = self._names()
            allowed = tuple(names[index] for index in np.flatnonzero(mask).tolist())
            choice = (yield self._moment(allowed)) if len(allowed) > 1 else (*allowed, *names)[0]
            action = names.index(choice)
            for _ in range(self._repeat):
                arrays.action[0] = action
                self.games.step()
                if arrays.fresh[0] or not mask[action] or self._names()[action] != choice:
                    break
            self._note(began, choice, "")

    def _names(self) -> Sequence[str]:
        """What the actions are called now, those that can be chosen first."""
        return self._env.action_names(0) or self._domain.actions

    def _pick(self, driver: EpisodeDriver) -> Decisions:
        """An episode in which skills are decided."""
        arrays, began = self._arrays, 0
        assert self._plan.episode is not None
        schedule = cast(AskedSchedule, self._plan.episode.schedule)
        for _ in self._steps():
            if schedule.open:
                choice = yield self._moment(schedule.open)
                schedule.settle(choice)
                self.games.rechoose(choice)
            skill = schedule.active
            driver.play(1)
            if arrays.cause[0]:
                self._note(began, skill, cause_name(EndCause(arrays.cause[0])))
                began = int(arrays.time[0])

    def _steps(self) -> Iterator[int]:
        """The number of steps made in the episode, before each further one, until it is over."""
        yield 0
        while not self._arrays.fresh[0]:
            yield int(self._arrays.time[0])

    def _note(self, began: int, choice: str, ended: str) -> None:
        """Remember what a decision led to, unless the episode is over by it."""
        if not self._arrays.fresh[0]:
            steps = int(self._arrays.time[0]) - began
            self._past.append(Past(began, choice, steps, ended, self._env.caption(0).text))

    def _moment(self, choices: tuple[str, ...]) -> Moment:
        facts = plain_facts(self._domain, self._env.facts(0))
        step, episode = int(self._arrays.time[0]), int(self._arrays.episode[0])
        self._decision += 1
        return Moment(self._number, episode, self._decision - 1, step, self._env.caption(0).text, facts, choices, tuple(self._past))


def make_game(
    number: int,
    spec: GamesSpec,
    domain: Domain,
    env: DomainEnv,
    arrays: StepArrays,
    plan: Plan,
    finished: Callable[[EpisodeResult], None],
    mind: Mind | None,
    *,
    repeat: int,
    history: int,
) -> PlayedGame:
    """A game of an evaluation in which something is decided from outside.

    Args:
        arrays: of this game alone.
        plan: its episodes.
        finished: called with the result of each.
        mind: the network that carries skills out; None: actions are what is decided.
    """
    skills, play = SkillSet(spec.skills), spec.play
    assert play is not None
    noise = domain.tasks[play.task].noise if play.task else 0.0
    drawn = _Drawn(plan)
    recorder = Recorder(domain, play.task, play.stop_on_success, play.stop_on_claim, finished)
    rewards = cast(Rewards | Watching, resolve(spec.reward_maker)(Path(spec.rewards), domain, skills)) if spec.rewards else None
    games = _OneGame(env, drawn, skills, arrays, (number,), spec.episode_steps, rewards, domain.call_measures, recorder, noise)
    driver = None if mind is None else EpisodeDriver(games.step, arrays, spec.seed, skills.ids, mind)
    return PlayedGame(number, domain, env, arrays, drawn, games, driver, repeat, history)


class _Player:
    """All games of this process. See ``rl.worker.Server``."""

    def __init__(self, line: socket.socket, buffer: SharedBuffer, task: Mapping[str, Any]) -> None:
        self._line = line
        spec = GamesSpec.from_json(json.dumps(task["spec"]))
        domain, skills = load_part_domain(spec), SkillSet(spec.skills)
        warm_up(domain)
        envs = [domain.make_env(1) for _ in range(spec.num_games)]
        mind, network = load_mind(domain, skills, Path(task["weights"]), spec.num_games) if task["weights"] else (None, spec.observation)
        # From here on there may be generated code in this process.
        confine_player(domain)
        assert spec.play is not None
        factory = cast(ScheduleFactory, resolve(spec.sources.maker)(domain, skills, spec.sources))
        plan = Listed(factory, spec.seed, spec.play.indices)
        shape = (domain.observation_for(network), spec.num_games, len(skills), spec.num_games)
        arrays = StepArrays.over(bytearray(StepArrays.size(*shape)), *shape)
        places = shared_places(buffer.memory, spec.num_games)
        self._results: list[EpisodeResult] = []
        self._games: list[PlayedGame] = []
        for number, env in enumerate(envs):
            part = arrays.part(number, slice(number, number + 1))
            # Whoever watches this process sees what it is doing.
            part = replace(part, where=places[number : number + 1, :3], episode=places[number : number + 1, 3])
            own = None if mind is None else replace(mind, memory=mind.memory[number : number + 1])
            held = {"repeat": task["repeat"], "history": task["history"]}
            self._games.append(make_game(number, spec, domain, env, part, plan, self._results.append, own, **held))
        self._playing = [game.play() for game in self._games]

    def serve(self) -> None:
        try:
            while header := exactly(self._line, 6):
                order: list[list[Any]] = json.loads(exactly(self._line, int.from_bytes(header[2:], "little")))
                moments = [self._go_on(game, choice) for game, choice in order]
                told = [moment.to_json() for moment in moments if moment is not None]
                tell(self._line, b"!", {"moments": told, "results": [result.to_json() for result in self._results]})
                self._results.clear()
        finally:
            for game in self._games:
                game.close()

    def _go_on(self, game: int, choice: str | None) -> Moment | None:
        """Let a game begin (None), or go on with what was chosen, until it waits again; None where it has nothing left to play."""
        if choice is None:
            self._games[game].games.reset()
        try:
            return self._playing[game].send(cast(str, choice))
        except StopIteration:
            return None


def load_mind(domain: Domain, skills: SkillSet, weights: Path, games: int) -> tuple[Mind, str]:
    """The network, which has acted once and so is compiled, and the name of what it sees.

    Raises:
        ArtifactError: it is missing, or was trained for other skills or another observation.
    """
    from maestromotif.rl.networks import SkillPolicy
    from maestromotif.rl.rollout import check_fit, network_mind

    policy = SkillPolicy.load(weights)
    check_fit(domain, skills, policy)
    mind = network_mind(policy, games)
    nothing = policy.spec.allocate(1)
    shape, dtype = policy.spec.action
    chance, action = np.zeros((1, *shape), np.float32), np.zeros((1, *shape), dtype)
    mind.actor.act(nothing, np.zeros(1, np.int64), np.zeros_like(mind.memory[:1]), chance, action, *np.zeros((2, 1), np.float32))
    return mind, policy.config.network


if __name__ == "__main__":
    main(sys.argv[1:])
