"""What plays a recorded episode: the network or chance, the domain's explorer, or, word for word, what a language model once chose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from maestromotif.agents.explorer import ExplorerDriver
from maestromotif.agents.llm_policy.player import PlayedGame, make_game
from maestromotif.domains.contract import Domain, DomainEnv
from maestromotif.errors import ArtifactError
from maestromotif.rl.arrays import StepArrays
from maestromotif.rl.build import GamesSpec, build_part, resolve
from maestromotif.rl.driving import EpisodeDriver, Mind
from maestromotif.rl.episodes import EpisodeResult, Listed, ScheduleFactory
from maestromotif.rl.games import SkillGames
from maestromotif.skills import SkillSet

__all__ = ["Staged", "decided", "driven", "explored"]

Finished = Callable[[EpisodeResult], None]


@dataclass(frozen=True)
class Staged:
    """One game that is to play one episode.

    Attributes:
        games: wraps it; to be reset before it plays.
        arrays: of it alone.
        play: goes on to the end of the episode; its values mean nothing, but that time has passed.
    """

    games: SkillGames
    arrays: StepArrays
    play: Iterator[object]


def driven(spec: GamesSpec, domain: Domain, env: DomainEnv, finished: Finished, mind: Mind | None) -> Staged:
    """Played by a network; by chance where there is none.

    Args:
        spec: of one game, one episode.
        env: the game.
        finished: called with the episode's result.
        mind: with an empty memory.
    """
    games, arrays = _games(spec, domain, env, finished)
    driver = EpisodeDriver(games.step, arrays, spec.seed, [skill.id for skill in spec.skills], mind)
    return Staged(games, arrays, _to_the_end(driver, arrays))


def explored(spec: GamesSpec, domain: Domain, env: DomainEnv, finished: Finished) -> Staged:
    """Played by the domain's explorer; arguments as of ``driven``."""
    games, arrays = _games(spec, domain, env, finished)
    return Staged(games, arrays, _to_the_end(ExplorerDriver(games.step, arrays, spec.seed, domain, env), arrays))


def decided(
    spec: GamesSpec, domain: Domain, env: DomainEnv, finished: Finished, mind: Mind | None, choices: Sequence[str], repeat: int
) -> Staged:
    """Played again as a language model has decided it; nobody is asked. Arguments as of ``driven``.

    Args:
        mind: carries skills out; None: the choices are actions, each held for ``repeat`` steps.

    While playing:

    Raises:
        ArtifactError: the choices do not fit the episode.
    """
    arrays = _arrays(spec, domain)
    assert spec.play is not None
    factory = cast(ScheduleFactory, resolve(spec.sources.maker)(domain, SkillSet(spec.skills), spec.sources))
    plan = Listed(factory, spec.seed, spec.play.indices)
    game = make_game(0, spec, domain, env, arrays, plan, finished, mind, repeat=repeat, history=1)
    return Staged(game.games, arrays, _say_again(game, choices, spec.play.indices[0]))


def _say_again(game: PlayedGame, choices: Sequence[str], episode: int) -> Iterator[None]:
    remedy = "The game or the skills are not what they were: run the bench again, then record"
    playing, said = game.play(), iter(choices)
    try:
        moment = next(playing)
        for place, choice in enumerate(said):
            yield
            if choice not in moment.choices:
                raise ArtifactError(f"episode {episode}: decision {place} was {choice!r}, which cannot be chosen there", remedy)
            moment = playing.send(choice)
    except StopIteration:
        if next(said, None) is not None:
            raise ArtifactError(f"episode {episode} is over before all of its {len(choices)} decisions are played", remedy) from None
        return
    raise ArtifactError(f"episode {episode} goes on after its {len(choices)} decisions", remedy)


def _games(spec: GamesSpec, domain: Domain, env: DomainEnv, finished: Finished) -> tuple[SkillGames, StepArrays]:
    arrays = _arrays(spec, domain)
    assert spec.play is not None
    return build_part(spec, domain, arrays.part(0, slice(0, 1)), range(1), spec.play.indices, finished, env), arrays


def _arrays(spec: GamesSpec, domain: Domain) -> StepArrays:
    shape = (domain.observation_for(spec.observation), 1, len(spec.skills), 1)
    return StepArrays.over(bytearray(StepArrays.size(*shape)), *shape)


def _to_the_end(driver: EpisodeDriver | ExplorerDriver, arrays: StepArrays) -> Iterator[None]:
    while arrays.episode[0] >= 0:
        driver.play(1)
        yield
