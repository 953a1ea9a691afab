"""What the facts were, step by step, while the trained network played: what a domain's simulator is fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from maestromotif.agents.evaluate import Progress, Setting
from maestromotif.agents.serial import play_on
from maestromotif.domains.contract import DomainEnv
from maestromotif.errors import DomainError
from maestromotif.rl.vector import SerialGames

__all__ = ["record_play"]


def record_play(setting: Setting, policy_source: str, steps: int, seed: int, progress: Progress, num_games: int = 16) -> pa.Table:
    """Let the trained network play what a policy over skills says, in this process.

    Args:
        setting: its ``config.max_steps`` is where episodes are cut.
        policy_source: the program that drives.
        steps: environment steps, all games together.

    Returns:
        One row for each step of each episode, in order of game and time: ``game``, ``episode`` (int32), ``step`` (int32; 0: the
        reset, with an empty skill), ``skill`` (string: the one at work), ``call`` (int32, rises by one with each call of the
        game), ``over`` (bool: the game is over) and a column int32 for each fact that has a number (``DomainEnv.fact_numbers``).
        The last episode of each game ends where the steps were used up.

    Raises:
        ArtifactError: programs or weights are missing, or were made for other skills.
        DomainError: the domain's facts have no numbers.
    """
    count = max(1, min(num_games, steps))
    log, turns = _Log(count), -(-steps // count)

    def before(games: SerialGames) -> None:
        log.began(games.arrays.fresh, games.arrays.episode)

    for turn, games in enumerate(play_on(setting, policy_source, count, turns, seed, log.stepped, before), 1):
        log.ended(games.arrays.cause)
        progress(turn / turns, f"{turn * count:,} steps")
    return log.table()


@dataclass(frozen=True, slots=True)
class _Row:
    game: int
    episode: int
    step: int
    skill: str
    call: int
    over: bool
    numbers: bytes


class _Log:
    """The rows, as they come."""

    def __init__(self, count: int) -> None:
        self._rows: list[_Row] = []
        self._names: tuple[str, ...] = ()
        self._columns: list[int] = []
        self._env: DomainEnv | None = None
        self._episode, self._step, self._call = [0] * count, [0] * count, [0] * count
        self._first: list[tuple[int, Any]] = []
        self._count = count

    def began(self, fresh: Any, episode: Any) -> None:
        """Note resets; the numbers of the first ones are not known yet, since no step has been heard."""
        for game in np.flatnonzero(fresh):
            self._step[game], self._episode[game] = 0, int(episode[game])
            if self._env is not None:
                self._keep(int(game), "", False)

    def stepped(self, env: DomainEnv, skills: Sequence[str]) -> None:
        """A listener of ``SkillGames``."""
        if self._env is None:
            known = env.fact_numbers()
            if known is None:
                raise DomainError("the facts of this domain have no numbers", "Fit its simulator by hand")
            self._env, self._names, self._columns = env, tuple(known[1]), list(known[1].values())
        for game, skill in enumerate(skills):
            self._step[game] += 1
            self._keep(game, skill, bool(env.terminated_B[game]))

    def ended(self, cause: Any) -> None:
        """Count calls that have ended."""
        for game in np.flatnonzero(cause):
            self._call[game] += 1

    def _keep(self, game: int, skill: str, over: bool) -> None:
        assert self._env is not None
        known = self._env.fact_numbers()
        assert known is not None
        numbers = known[0][game, self._columns].astype(np.int32).tobytes()
        self._rows.append(_Row(game, self._episode[game], self._step[game], skill, self._call[game], over, numbers))

    def table(self) -> pa.Table:
        """All rows, those of a game together."""
        rows = sorted(self._rows, key=lambda row: row.game)
        numbers = np.frombuffer(b"".join(row.numbers for row in rows), np.int32).reshape(len(rows), len(self._names))
        columns: dict[str, pa.Array] = {
            "game": pa.array([row.game for row in rows], pa.int32()),
            "episode": pa.array([row.episode for row in rows], pa.int32()),
            "step": pa.array([row.step for row in rows], pa.int32()),
            "skill": pa.array([row.skill for row in rows], pa.string()),
            "call": pa.array([row.call for row in rows], pa.int32()),
            "over": pa.array([row.over for row in rows], pa.bool_()),
        }
        return pa.table(columns | {name: pa.array(numbers[:, index], pa.int32()) for index, name in enumerate(self._names)})
