"""The cells of a bench that a language model plays: what is missing of them is played, or reckoned up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maestromotif.agents.evaluate import Progress, Setting
from maestromotif.agents.llm_policy import LLM_POLICIES, SKILLS, LLMPolicyConfig
from maestromotif.agents.llm_policy.asking import tally
from maestromotif.agents.llm_policy.playing import LLMGames, PlayedEpisode, play_llm, rehearse_llm
from maestromotif.bench.cells import BenchOrder, Cell, cells_of, main_criterion
from maestromotif.bench.log import EpisodeLog, episode_row
from maestromotif.errors import ArtifactError
from maestromotif.files import write_atomically
from maestromotif.llm.budget import Budget
from maestromotif.llm.chat import ChatModel
from maestromotif.rl.episodes import episode_seed

__all__ = ["TRANSCRIPTS", "Estimate", "estimate_llm", "llm_cells", "play_llm_cells", "read_choices", "transcript_path"]

TRANSCRIPTS = "transcripts"
Rows = Mapping[tuple[str, int], dict[str, Any]]


def llm_cells(setting: Setting, order: BenchOrder) -> list[Cell]:
    """Those of ``cells_of`` that a language model plays, each once."""
    found = {cell.key: cell for cell in reversed(cells_of(setting, order)) if cell.policy in LLM_POLICIES}
    return list(reversed(found.values()))


def play_llm_cells(
    setting: Setting, order: BenchOrder, chat: ChatModel, budget: Budget, config: LLMPolicyConfig, home: Path, progress: Progress
) -> None:
    """Play every episode that has no row yet, and add its row and its transcript as soon as it has ended. This process asks, and holds the
    keys; another one plays.

    Args:
        budget: has the prices by which rows tell their cost.
        home: folder of the bench.

    Raises:
        BudgetError: a limit is reached. Nothing is lost: the same again goes on where it was, without asking anything twice.
        ChatError: the endpoint fails; likewise.
        ArtifactError: programs or weights are missing.
    """
    log, cells = EpisodeLog(home), llm_cells(setting, order)
    log.open()
    done = set(log.read())
    for number, cell in enumerate(cells):
        missing = [index for index in range(order.episodes) if (cell.key, index) not in done]
        games = _games(setting, cell, config)
        main = main_criterion(setting.domain.tasks[cell.task])

        def finished(episode: PlayedEpisode, cell: Cell = cell, games: LLMGames = games, main: str = main) -> None:
            _write_transcript(home, cell, games, episode)
            row = episode_row(episode.result, games.called, main, **cell.where)
            log.add({**row, "llm": tally(episode.decisions, budget)})

        def report(fraction: float, text: str, number: int = number, cell: Cell = cell) -> None:
            progress((number + fraction) / len(cells), f"{cell.task}, {cell.policy}: {text}")

        if missing:
            play_llm(games, missing, chat, finished, report)


def _games(setting: Setting, cell: Cell, config: LLMPolicyConfig) -> LLMGames:
    seed = episode_seed(cell.seed, *cell.place.encode())
    trained = (setting.skill_program, setting.weights(SKILLS)) if cell.policy == SKILLS else ("", None)
    return LLMGames(setting.domain, setting.skills, cell.policy, cell.task, cell.max_steps, seed, config, *trained)


def _write_transcript(home: Path, cell: Cell, games: LLMGames, episode: PlayedEpisode) -> None:
    """Everything that was decided in an episode, and how it ended, as JSON Lines."""
    result = episode.result
    head = {**cell.where, "episode": result.index, "episode_seed": result.seed, "system": games.briefing().system}
    end = {"steps": result.steps, "success": dict(result.success)}
    lines = [head, *(decision.to_json() for decision in episode.decisions), end]
    text = "".join(json.dumps(line, ensure_ascii=False, default=str) + "\n" for line in lines)
    write_atomically(transcript_path(home, cell, result.index), text)


def transcript_path(home: Path, cell: Cell, episode: int) -> Path:
    """Where a bench keeps what was decided in an episode."""
    return home / TRANSCRIPTS / f"{cell.task}-{cell.policy}-seed{cell.seed}-{cell.key[:8]}" / f"episode-{episode}.jsonl"


def read_choices(path: Path) -> list[str]:
    """What was chosen in an episode, one choice for each decision, in their order.

    Raises:
        ArtifactError: the transcript is missing, damaged or cut short.
    """
    try:
        _, *decisions, end = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert "success" in end
        return [str(decision["choice"]) for decision in decisions]
    except (OSError, ValueError, LookupError, TypeError, AssertionError) as error:
        problem = f"{path}: not a whole transcript of an episode ({type(error).__name__}: {error})"
        raise ArtifactError(problem, "Delete the episode's line in episodes.jsonl beside it, and run the bench again") from error


@dataclass(frozen=True)
class Estimate:
    """What a cell still needs.

    Attributes:
        episodes: that have no row.
        steps: of the games.
        measured: all follows from episodes of this cell that were played; else episodes and answers are taken to be as long as they may.
        calls, prompt_tokens, completion_tokens: of the model.
    """

    episodes: int
    steps: float
    measured: bool
    calls: float
    prompt_tokens: float
    completion_tokens: float

    def cost(self, budget: Budget) -> float:
        return budget.cost(self.prompt_tokens, self.completion_tokens)


def estimate_llm(setting: Setting, cell: Cell, config: LLMPolicyConfig, episodes: int, rows: Rows) -> Estimate:
    """Reckon up what is missing of a cell, by its episodes in the log, else by a few seconds of play with choices by chance. Asks nobody.

    Raises:
        ArtifactError: programs or weights are missing.
    """
    left = sum((cell.key, index) not in rows for index in range(episodes))
    own = [row for (key, _), row in rows.items() if key == cell.key and row["llm"]["calls"]]
    if not left or own:
        steps, calls, prompt, completion = (sum(column) for column in zip(*map(_spent, own), strict=True)) if own else (1, 0, 0, 0)
        share = left / max(1, len(own))
        return Estimate(left, share * steps, True, share * calls, share * prompt, share * completion)
    games = _games(setting, cell, config)
    found = rehearse_llm(games, min(left, config.games))
    steps = left * cell.max_steps
    calls = left + steps * found.decisions_per_step
    return Estimate(left, steps, False, calls, calls * found.prompt_tokens, calls * config.max_tokens)


def _spent(row: Mapping[str, Any]) -> Iterator[int]:
    yield row["steps"]
    for name in ("calls", "prompt_tokens", "completion_tokens"):
        yield row["llm"][name]
