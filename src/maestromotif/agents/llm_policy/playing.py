"""Playing with a language model: this process asks, another one, without keys, plays.

What was once answered lies in the project's store, and an episode follows from its seed and its answers. So one that was interrupted, by a
budget, Ctrl-C or the death of a process, is played again from its beginning up to where it was without a further call.
"""

from __future__ import annotations

import contextlib
import json
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from maestromotif.agents.llm_policy.asking import Decider, Decision
from maestromotif.agents.llm_policy.config import ACTIONS, LLMPolicyConfig
from maestromotif.agents.llm_policy.moments import Briefing, Moment
from maestromotif.agents.llm_policy.player import ACT, ACTING, PICKING, shared_places
from maestromotif.domains.contract import Domain
from maestromotif.errors import TrainingError, told_error
from maestromotif.llm.chat import ChatModel
from maestromotif.llm.store import estimated_tokens
from maestromotif.rl.arrays import SharedBuffer, Where
from maestromotif.rl.build import GamesSpec, PlaySpec, describe_domain
from maestromotif.rl.episodes import EpisodeResult, ScheduleSources, episode_seed
from maestromotif.rl.process import Lost, WorkerProcess
from maestromotif.skills import SkillSet

__all__ = ["LLMGames", "PlayedEpisode", "Rehearsal", "play_llm", "rehearse_llm"]

_SKILL_FILE = "skills.py"
_PATIENCE = 120.0  # seconds that games may take from one decision to the next
# So many failed calls in a row, or as many as games are played, mean that there is no point in going on.
_LOST_CALLS = 4
# Processes in a row that ended before they had given anything.
_FRUITLESS = 3
# After a failure or Ctrl-C, calls under way may still be answered and kept; nobody waits longer than this (seconds).
_GRACE = 10.0


@dataclass(frozen=True)
class LLMGames:
    """Episodes of one task that a language model is to play.

    Attributes:
        policy: one of ``LLM_POLICIES``.
        skill_program, weights: of the trained skills; not looked at where the model names actions.
        max_steps: where episodes are cut.
        seed: of the evaluation, as for ``rl.rollout.play``: equal seeds mean the same episodes.
    """

    domain: Domain
    skills: SkillSet
    policy: str
    task: str
    max_steps: int
    seed: int
    config: LLMPolicyConfig
    skill_program: str = ""
    weights: Path | None = None

    @property
    def acts(self) -> bool:
        return self.policy == ACTIONS

    @property
    def called(self) -> SkillSet:
        """What the calls in its episodes' timelines are calls of."""
        return ACT if self.acts else self.skills

    def briefing(self) -> Briefing:
        description = self.domain.tasks[self.task].description
        return Briefing(self.domain, self.skills, self.policy, self.task, description, self.max_steps, self.seed, self.config)

    def spec(self, indices: Sequence[int]) -> GamesSpec:
        """The games that play these episodes."""
        sources = ScheduleSources("", None, maker=ACTING) if self.acts else ScheduleSources("", self.skill_program, maker=PICKING)
        return GamesSpec(
            domain=describe_domain(self.domain),
            options=dict(self.domain.options),
            skills=tuple(self.called),
            sources=sources,
            rewards="",
            reward_maker="",
            num_games=max(1, min(self.config.games, len(indices))),
            seed=self.seed,
            first_episodes=(),
            episode_steps=self.max_steps,
            play=PlaySpec(tuple(indices), self.task, stop_on_success=True, stop_on_claim=False),
        )


@dataclass(frozen=True)
class PlayedEpisode:
    """An episode that has ended, with the decisions in it."""

    result: EpisodeResult
    decisions: tuple[Decision, ...]


def play_llm(
    games: LLMGames,
    indices: Sequence[int],
    chat: ChatModel,
    finished: Callable[[PlayedEpisode], None],
    progress: Callable[[float, str], None] = lambda fraction, text: None,
) -> None:
    """Play these episodes.

    Args:
        finished: called with each as soon as it has ended.

    Raises:
        BudgetError: a limit of ``[chat]`` is reached; episodes that have not ended can be played on later.
        ChatError: no call can succeed, or so many failed in a row that the endpoint must be gone; likewise.
        ArtifactError: programs or weights do not fit.
        TrainingError: the process that plays dies again and again.
    """
    _play(games, indices, Decider(chat, games.briefing()).decide, finished, progress)


@dataclass(frozen=True)
class Rehearsal:
    """What questions are like.

    Attributes:
        decisions_per_step: of the games.
        prompt_tokens: of a question on average, estimated as characters / 4.
    """

    decisions_per_step: float
    prompt_tokens: float


def rehearse_llm(games: LLMGames, episodes: int, seconds: float = 5.0, decisions: int = 400) -> Rehearsal:
    """Play with choices by chance for some seconds, or until so many decisions were due, to learn what would be asked. Asks nobody."""
    briefing, rng = games.briefing(), random.Random(0)  # noqa: S311 - repeatable on purpose
    began: list[float] = []  # when the first decision was due, since making games and compiling may take longer than all else
    sizes: list[int] = []
    steps: dict[int, int] = {}
    lock = threading.Lock()

    def decide(moment: Moment) -> Decision:
        request = briefing.request(moment)
        with lock:
            began[:] = began or [time.monotonic()]
            sizes.append(estimated_tokens(request))
            steps[moment.episode] = max(moment.step, steps.get(moment.episode, 0))
            choice = rng.choice(moment.choices)
            if len(sizes) >= decisions or time.monotonic() > began[0] + seconds:
                raise _Enough
        return Decision(moment, choice, "", (), 0, 0, 0)

    def ended(episode: PlayedEpisode) -> None:
        with lock:
            steps[episode.result.index] = episode.result.steps

    with contextlib.suppress(_Enough):
        _play(games, range(episodes), decide, ended)
    # The first decision of an episode is made before any step.
    later = max(0, len(sizes) - len(steps))
    return Rehearsal(later / max(1, sum(steps.values())), sum(sizes) / max(1, len(sizes)))


class _Enough(Exception):
    pass


def _play(
    games: LLMGames,
    indices: Sequence[int],
    decide: Callable[[Moment], Decision],
    finished: Callable[[PlayedEpisode], None],
    progress: Callable[[float, str], None] = lambda fraction, text: None,
) -> None:
    run = _Run(games, list(indices), finished, progress)
    askers = _Askers(decide, games.config.games)
    try:
        while run.left:
            run.attempt(askers)
    finally:
        askers.stop(_GRACE)


class _Run:
    """The episodes that are left, and what is known of them."""

    def __init__(
        self, games: LLMGames, indices: list[int], finished: Callable[[PlayedEpisode], None], progress: Callable[[float, str], None]
    ) -> None:
        self._games, self._finished, self._progress = games, finished, progress
        self.left, self._total = dict.fromkeys(indices), max(1, len(indices))
        self._decisions: dict[int, list[Decision]] = {}
        self._blamed: Counter[int] = Counter()
        self._failed = self._fruitless = self._asked = self._tokens = 0

    def attempt(self, askers: _Askers) -> None:
        """Play what is left, until it is played or the process that plays has died."""
        self._decisions = {}
        player = _Player(self._games, list(self.left))
        try:
            moments, results = player.begin()
            while True:
                for moment in moments:
                    askers.put(moment)
                for result in results:
                    self._end(result)
                if not askers.waiting:
                    return
                decisions = askers.take()
                for decision in decisions:
                    self._note(decision)
                self._report()
                moments, results = player.go_on(decisions)
                self._fruitless = 0
        except Lost as lost:
            askers.drain()
            self._blame(player, lost)
        finally:
            player.close()

    def _end(self, result: EpisodeResult) -> None:
        del self.left[result.index]
        self._finished(PlayedEpisode(result, tuple(self._decisions.pop(result.index, ()))))
        self._report()

    def _note(self, decision: Decision) -> None:
        # An episode may have thousands of decisions; what each was told of earlier ones is known by those.
        kept = replace(decision, moment=replace(decision.moment, past=()))
        self._decisions.setdefault(decision.moment.episode, []).append(kept)
        self._failed = self._failed + 1 if decision.error else 0
        if decision.error and self._failed >= max(_LOST_CALLS, self._games.config.games):
            raise decision.error
        self._asked += 1
        self._tokens += decision.prompt_tokens + decision.completion_tokens

    def _report(self) -> None:
        under_way = sum(own[-1].moment.step for own in self._decisions.values()) / self._games.max_steps
        done = self._total - len(self.left)
        text = f"{done} of {self._total} episodes, {self._asked:,} decisions, {self._tokens:,} tokens"
        self._progress(min(1.0, (done + under_way) / self._total), text)

    def _blame(self, player: _Player, lost: Lost) -> None:
        """An episode that takes its process with it twice counts as a failure.

        Raises:
            TrainingError: processes die before they have given anything.
        """
        self._fruitless += 1
        playing = player.playing() & self.left.keys()
        criteria = self._games.domain.tasks[self._games.task].criteria
        for index in playing:
            self._blamed[index] += 1
            if self._blamed[index] >= 2:
                problem = f"episode {index} was given up: the process that played it {lost.words}, twice"
                self._end(EpisodeResult.given_up(index, episode_seed(self._games.seed, index), criteria, problem))
        if self._fruitless >= _FRUITLESS and not playing:
            remedy = "It may have run out of memory: try fewer games under [llm_policy]. What was answered is kept"
            raise TrainingError(f"the process that plays {lost.words}, {_FRUITLESS} times running", remedy)


class _Player:
    """The process that plays, seen from here. See ``player``."""

    def __init__(self, games: LLMGames, indices: Sequence[int]) -> None:
        spec = games.spec(indices)
        self._count = spec.num_games
        self._buffer = SharedBuffer(self._count * 4 * 8)
        self._places = shared_places(self._buffer.memory, self._count)
        weights = "" if games.acts or games.weights is None else str(games.weights.resolve())
        try:
            self._process = WorkerProcess(
                [self._buffer.fd, self._buffer.size],
                {
                    "spec": json.loads(json.dumps(asdict(spec))),
                    "weights": weights,
                    "repeat": games.config.repeat,
                    "history": max(1, games.config.history),
                },
                [self._buffer.fd],
                _PATIENCE,
                self._places.tobytes,
                (_SKILL_FILE,),
                "maestromotif.agents.llm_policy.player",
            )
        except BaseException:
            self._buffer.close()
            raise

    def begin(self) -> tuple[list[Moment], list[EpisodeResult]]:
        """Let every game begin; see ``go_on``."""
        return self._order([[game, None] for game in range(self._count)])

    def go_on(self, decisions: Sequence[Decision]) -> tuple[list[Moment], list[EpisodeResult]]:
        """Let games go on, each to where it waits again or has nothing left; the moments, and episodes that have ended.

        Raises:
            Lost: the process is dead, hangs, or talks nonsense.
            MaestroError: as raised there.
        """
        return self._order([[decision.moment.game, decision.choice] for decision in decisions])

    def _order(self, order: list[list[Any]]) -> tuple[list[Moment], list[EpisodeResult]]:
        data = json.dumps(order).encode()
        self._process.send(b"a0" + len(data).to_bytes(4, "little") + data)
        kind, message = self._process.receive()
        if kind == b"e":
            if message["ours"]:
                raise told_error(message["kind"], message["problem"], message["remedy"])
            raise Lost(f"ended with {message['error']}")
        try:
            return [Moment.from_json(one) for one in message["moments"]], [EpisodeResult.from_json(one) for one in message["results"]]
        except (KeyError, TypeError, ValueError) as error:
            raise Lost(f"said something that is no news of games ({error})") from error

    def playing(self) -> set[int]:
        """The episodes that were not waiting for an answer."""
        at_work = self._places[:, 0] != Where.WAITING
        return {int(index) for index in self._places[at_work, 3] if index >= 0}

    def close(self) -> None:
        self._process.close()
        self._buffer.close()


class _Askers:
    """Threads that ask, so that many games wait at the same time."""

    def __init__(self, decide: Callable[[Moment], Decision], number: int) -> None:
        self._decide, self._number = decide, number
        self._todo: queue.SimpleQueue[Moment | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Decision | BaseException] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._stopped = False
        self.waiting = 0

    def put(self, moment: Moment) -> None:
        if len(self._threads) < min(self._number, self.waiting + 1):
            # Daemons, so that a second Ctrl-C ends the process whatever they wait for.
            self._threads.append(threading.Thread(target=self._work, name=f"llm-policy-{len(self._threads)}", daemon=True))
            self._threads[-1].start()
        self.waiting += 1
        self._todo.put(moment)

    def take(self) -> list[Decision]:
        """At least one decision, and all that are there.

        Raises:
            whatever was raised in a thread.
        """
        found: list[Decision] = []
        while self.waiting and (not found or not self._done.empty()):
            one = self._done.get()
            self.waiting -= 1
            if isinstance(one, BaseException):
                raise one
            found.append(one)
        return found

    def drain(self) -> None:
        """Wait for all that is under way; nobody needs it now, but the store has it."""
        while self.waiting:
            self.take()

    def stop(self, grace: float) -> None:
        """Begin nothing more, and wait for the calls under way, at most so many seconds."""
        self._stopped = True
        for _ in self._threads:
            self._todo.put(None)
        until = time.monotonic() + grace
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        while (moment := self._todo.get()) is not None and not self._stopped:
            try:
                self._done.put(self._decide(moment))
            except BaseException as error:  # handed to the thread that plays, which raises it
                self._done.put(error)
