"""Games with skills: an environment, a schedule for each game, and the reward of whichever skill is active."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import thread_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.domains.contract import CallMeasure, DomainEnv, Facts
from maestromotif.domains.screens import screen_json
from maestromotif.errors import MaestroError
from maestromotif.rl.actions import kind_of
from maestromotif.rl.arrays import StepArrays, Where
from maestromotif.rl.episodes import Episode, Plan, Recorder, Schedule
from maestromotif.rl.pay import Rewards, Watching, payments
from maestromotif.rl.slips import Slips
from maestromotif.skills import SkillSet
from maestromotif.types import EndCause

__all__ = ["Listener", "Rewards", "SkillGames"]

# Is called after each step, before games that are over begin anew, with the games and the id of the skill that acted in each.
Listener = Callable[[DomainEnv, Sequence[str]], None]

# Members of an enumeration are slower to reach, and this is asked for each environment step.
_CONTINUES, _OVER, _DIED, _CUT = EndCause.CONTINUES, EndCause.OVER, EndCause.DIED, EndCause.CUT
# Sums of multiples of this are exact, so that they do not depend on which process added what.
_GRAIN = 2.0**-20
_NEVER = np.iinfo(np.int64).max


class SkillGames:
    """Steps some games of one process and keeps, for each, what the skill-conditioned learner needs.

    Args:
        env: the games.
        plan: hands out episodes.
        skills: the skills; their order gives indices, inside this process and its trainer only.
        arrays: this part's view of the step arrays.
        games: numbers of these games over all processes.
        episode_steps: an episode is cut after this many steps.
        rewards: None: all rewards are 0.
        measures: the domain's call measures.
        recorder: None: only counters are kept.
        noise: share of the steps in which a game slips; see ``slips``.
    """

    def __init__(
        self,
        env: DomainEnv,
        plan: Plan,
        skills: SkillSet,
        arrays: StepArrays,
        games: Sequence[int],
        episode_steps: int,
        rewards: Rewards | Watching | None = None,
        measures: Mapping[str, CallMeasure] | None = None,
        recorder: Recorder | None = None,
        noise: float = 0.0,
    ) -> None:
        if env.num_games != len(games) or len(arrays.skill) != len(games):
            raise ValueError(f"{env.num_games} games in the environment, {len(games)} numbers, {len(arrays.skill)} rows in the arrays")
        count = env.num_games
        self._env, self._plan, self._arrays, self._numbers = env, plan, arrays, tuple(games)
        self._episode_steps, self._recorder = episode_steps, recorder
        self._pay = payments(rewards, env) if rewards is not None else None
        self._kind = kind_of(arrays.action)
        self._slips = Slips(noise, count, self._kind) if noise else None
        self._index = {skill_id: index for index, skill_id in enumerate(skills.ids)}
        known = measures or {}
        self._measures = [known.get(skill.measure) for skill in skills]
        self._ids = skills.ids
        self._episodes: list[Episode | None] = [None] * count
        self._skill = [0] * count
        self._asked = [0] * count
        self._call_start = [0] * count
        self._call_reward = [0.0] * count
        self._start_facts: list[Facts] = [None] * count
        self._faults: Counter[str] = Counter()
        self._steps_B = np.zeros(count, np.int64)
        self._plays_B = np.zeros(count, np.int64)
        self._quiet = _Quiet(env, episode_steps)
        self._where = arrays.where[0]
        self.listener: Listener | None = None
        env.bind(arrays.observation)
        env.playing = self._where[1:2]

    def reset(self, given: NDArray[np.float64] | None = None) -> None:
        """Begin an episode in every game.

        Args:
            given: guidance ``[B, K + 1]`` of these episodes; None: the present one.
        """
        self._begin(list(range(self._env.num_games)), given)

    def renew(self, games: list[int]) -> None:
        """Begin the next episode in these games, counted within this part, in place of what they are playing."""
        self._begin(games)

    def replay(self, lengths: Sequence[int], actions: NDArray[Any], given: NDArray[np.float64]) -> None:
        """Begin an episode in every game and play it again as it was played before, such that all arrive together.

        Games step together, so one with a shorter log plays something else until its turn comes.

        Args:
            lengths: steps of each game's episode.
            actions: these episodes' actions, one after the other.
            given: as for ``reset``.
        """
        longest, count = max(lengths), len(lengths)
        logs = np.split(actions, np.cumsum(lengths)[:-1])
        waiting = set(self._numbers)
        plan, self._plan = self._plan, _Late(self._plan, waiting)
        self._begin(list(range(count)))
        for turn in range(longest + 1):
            due = [game for game in range(count) if lengths[game] == longest - turn]
            waiting -= {self._numbers[game] for game in due}
            if due:
                self._begin(due, given)
            if turn < longest:
                self._arrays.action[...] = self._kind.something(self._arrays.observation)
                for game, log in enumerate(logs):
                    if longest - turn <= len(log):
                        self._arrays.action[game] = log[turn - longest]
                self.step()
        self._plan = plan

    def screens(self, most: int) -> list[dict[str, object] | None]:
        """What the first games show now, see ``screen_json``; None where a game shows nothing, or cannot."""
        found: list[dict[str, object] | None] = []
        for game in range(min(most, self._env.num_games)):
            screen = None
            with contextlib.suppress(MaestroError):  # a training does not end because somebody could not look at it
                screen = self._env.screen(game)
            found.append(None if screen is None else screen_json(screen))
        return found

    def faults(self) -> Counter[str]:
        """Faults of the programs so far, by kind."""
        playing = (episode.schedule.faults for episode in self._episodes if episode is not None)
        return sum(playing, self._faults.copy())

    def step(self) -> None:
        """Play ``arrays.action`` in every game, then write everything else in the arrays."""
        began = thread_time()
        env, arrays, where = self._env, self._arrays, self._where
        where[0] = Where.ENVIRONMENT
        where[1] = -1
        where[2] += 1
        if self._slips is not None:
            self._slips.apply(arrays.action, arrays.observation)
        env.step(self._kind.playable(arrays.action))
        where[0] = Where.PROGRAMS
        if self.listener is not None:
            self.listener(env, [self._ids[skill] for skill in self._skill])
        stepped = thread_time()
        arrays.fresh[...] = 0
        arrays.reward[...] = 0
        arrays.cause[...] = 0
        # Whole arrays at a time: writing one number into one costs as much as a line of a program.
        self._steps_B += self._plays_B
        arrays.time[...] = self._steps_B
        arrays.steps[0] += np.bincount(arrays.skill, self._plays_B, len(self._ids))
        if self._pay is not None:
            for game, reward in self._pay.step(self._skill, self._plays):
                arrays.reward[game] = reward
                self._call_reward[game] += reward
        ended: list[int] = []
        due = self._quiet.due(self._steps_B)
        if due:
            steps, terminated = self._steps_B.tolist(), env.terminated_B.tolist()
        for game in due:
            where[1] = game
            episode = self._episodes[game]
            if episode is None or self._advance(game, episode, steps[game], terminated[game]):
                ended.append(game)
        timed = thread_time()
        if ended:
            self._begin(ended)
        where[0] = Where.WAITING
        done = thread_time()
        arrays.games[0, 2] += stepped - began + done - timed
        arrays.games[0, 3] += timed - stepped

    def _plays(self, game: int) -> bool:
        """Whether a game is part of an episode; whatever is done for it next is done in its name."""
        self._where[1] = game
        return self._episodes[game] is not None

    def _advance(self, game: int, episode: Episode, steps: int, terminated: bool) -> bool:
        """Schedule and bookkeeping of one game after a step; True if its episode is over."""
        env, arrays, skill = self._env, self._arrays, self._skill[game]
        facts = env.facts(game)
        recorder = self._recorder
        enough = steps >= self._episode_steps
        if recorder is not None and recorder.step(game, facts, env.truth(game), steps):
            enough = True
        ended = _DIED if terminated else _CUT if enough else _CONTINUES
        schedule = episode.schedule
        cause, following = schedule.advance(facts, ended, steps - self._asked[game])
        self._asked[game] = steps
        if recorder is not None and recorder.stop_on_claim and schedule.claims_done and ended is _CONTINUES:
            ended = _CUT
            cause = cause if cause is not _CONTINUES else ended
        exhausted = schedule.exhausted and ended is _CONTINUES
        if exhausted:
            ended = _CUT
        if cause is not _CONTINUES:
            # What is bootstrapped here must come from this episode's last observation, as where an episode is cut within a call.
            arrays.cause[game] = _CUT if exhausted and cause is not _OVER else cause
            self._end_call(game, skill, cause, facts)
        if ended is _CONTINUES:
            if cause is not _CONTINUES:
                self._begin_call(game, following, facts)
                arrays.games[0, 4] += self._skill[game] != skill
            if recorder is None:
                self._quiet.rest(game, steps, schedule)
            return False
        arrays.games[0, 0] += 1
        arrays.games[0, 1] += steps
        if ended is _CUT:
            for name, array in arrays.observation.items():
                arrays.last[name][game] = array[game]
        if recorder is not None:
            recorder.end(game, facts, steps, ended)
        self._faults.update(episode.schedule.faults)
        self._episodes[game] = None
        return True

    def _end_call(self, game: int, skill: int, cause: EndCause, facts: Facts) -> None:
        arrays, start = self._arrays, self._call_start[game]
        arrays.calls[0, skill] += 1
        steps = int(self._steps_B[game])
        arrays.call_steps[0, skill] += steps - start
        arrays.call_return[0, skill] += np.rint(self._call_reward[game] / _GRAIN) * _GRAIN
        arrays.ends[0, skill, cause] += 1
        measure = self._measures[skill]
        # A call that is cut has had no chance to succeed or fail.
        if measure is not None and cause is not EndCause.CUT and measure(self._start_facts[game], facts):
            arrays.measured[0, skill] += 1
        if self._recorder is not None:
            before, reward = self._start_facts[game], self._call_reward[game]
            self._recorder.call(game, self._ids[skill], start, steps, cause, reward, before, facts)

    def _begin_call(self, game: int, skill_id: str, facts: Facts) -> None:
        index = self._index[skill_id]
        self._skill[game] = index
        self._arrays.skill[game] = index
        self._call_start[game] = int(self._steps_B[game])
        self._call_reward[game] = 0.0
        self._start_facts[game] = facts

    def _begin(self, games: list[int], given: NDArray[np.float64] | None = None) -> None:
        """New episodes in these games, or idle ones where the plan has none left."""
        env, arrays, where, seeds = self._env, self._arrays, self._where, []
        where[0] = Where.BEGINNING
        where[1] = -1
        # Here and nowhere else, guidance is taken: an episode keeps what it began with.
        arrays.given[games] = arrays.guidance if given is None else given[games]
        for game in games:
            episode = self._plan.next(self._numbers[game], arrays.given[game].tolist())
            self._episodes[game] = episode
            arrays.episode[game] = -1 if episode is None else episode.index
            # A game with nothing left to play goes on, unwatched, since games step together.
            seeds.append(episode.seed if episode is not None else self._numbers[game])
        env.reset(games, seeds)
        for game in games:
            episode = self._episodes[game]
            where[1] = game
            arrays.fresh[game] = 1
            arrays.time[game] = 0
            self._steps_B[game] = self._asked[game] = 0
            self._plays_B[game] = episode is not None
            if self._pay is not None:
                self._pay.begin(game)
            if self._slips is not None and episode is not None:
                self._slips.begin(game, episode.seed)
            self._quiet.wake(game)
            if episode is None:
                self._quiet.idle(game)
                continue
            facts = env.facts(game)
            self._begin_call(game, episode.schedule.begin(facts), facts)
            if self._recorder is not None:
                self._recorder.begin(game, episode, facts, env.truth(game))

    def close(self) -> None:
        self._env.close()


class _Quiet:
    """Which games' schedules have to be asked after a step: those that have said nothing of what they wait for, and those for which
    it has come. In NetHack that is one step in thirty.

    Args:
        env: the games.
        episode_steps: an episode is cut after this many steps, for which its schedule is asked.
    """

    def __init__(self, env: DomainEnv, episode_steps: int) -> None:
        self._env, self._episode_steps = env, episode_steps
        numbers, self._columns = env.fact_numbers() or (np.zeros((env.num_games, 0), np.int64), {})
        self._numbers_BF = numbers
        # What the facts were when the schedule was asked last, and which of them it depends on.
        self._seen_BF = numbers.copy()
        self._decides_BF = np.zeros(numbers.shape, np.bool_)
        self._differs_BF = np.zeros(numbers.shape, np.bool_)
        self._due_B = np.zeros(env.num_games, np.int64)
        self._rests = [False] * env.num_games
        self._rows: dict[frozenset[str], NDArray[np.bool_] | None] = {}

    def due(self, steps_B: NDArray[np.int64]) -> list[int]:
        """Games to be asked, given the steps that each has made; games without an episode only where they are over."""
        due_B = steps_B >= self._due_B
        due_B |= self._env.terminated_B
        differs_BF = np.not_equal(self._numbers_BF, self._seen_BF, out=self._differs_BF)
        differs_BF &= self._decides_BF
        changed = np.flatnonzero(differs_BF)
        if len(changed):
            due_B[changed // differs_BF.shape[1]] = True
        return np.flatnonzero(due_B).tolist()

    def wake(self, game: int) -> None:
        """Ask this game after every step."""
        self._rests[game] = False
        self._due_B[game] = 0
        self._decides_BF[game] = False

    def idle(self, game: int) -> None:
        """Leave this game alone until it is over."""
        self._due_B[game] = _NEVER

    def rest(self, game: int, steps: int, schedule: Schedule) -> None:
        """Leave a game alone for as long as its schedule, just asked, allows."""
        deciding: frozenset[str] | None = getattr(schedule, "deciding", None)
        row = None if deciding is None else self._row(deciding)
        if row is None:
            if self._rests[game]:
                self.wake(game)
            return
        self._rests[game] = True
        self._due_B[game] = min(steps + getattr(schedule, "remaining", 0), self._episode_steps)
        self._decides_BF[game] = row
        self._seen_BF[game] = self._numbers_BF[game]

    def _row(self, deciding: frozenset[str]) -> NDArray[np.bool_] | None:
        """The columns of these facts; None where one has no column."""
        if deciding not in self._rows:
            row = None
            if deciding <= self._columns.keys():
                row = np.zeros(self._numbers_BF.shape[1], np.bool_)
                row[[self._columns[name] for name in deciding]] = True
            self._rows[deciding] = row
        return self._rows[deciding]


class _Late:
    """A plan that has nothing yet for games that wait.

    Args:
        waiting: their numbers; changed by the owner.
    """

    def __init__(self, plan: Plan, waiting: set[int]) -> None:
        self._plan, self._waiting = plan, waiting

    def next(self, game: int, guidance: Sequence[float]) -> Episode | None:
        return None if game in self._waiting else self._plan.next(game, guidance)
