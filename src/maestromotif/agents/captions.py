"""What the trained skills meet: the training policy over skills plays, and every caption is kept with the skill that was at work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from maestromotif.agents.evaluate import Progress, Setting
from maestromotif.agents.serial import play_on
from maestromotif.domains.contract import DomainEnv
from maestromotif.feedback.interactions import CAPTIONS_FILE
from maestromotif.feedback.met import write_counts
from maestromotif.feedback.tables import CaptionTable
from maestromotif.types import Caption, int64_key

__all__ = ["keep_policy_captions"]


def keep_policy_captions(setting: Setting, out: Path, steps: int, seed: int, progress: Progress, num_games: int = 16) -> dict[str, int]:
    """Let the trained network play what the training policy over skills says, in this process.

    Writes ``captions.parquet`` (a ``CaptionTable``, in order of first sight) and ``skills.parquet``: for each skill and key, the steps
    in which the skill was at work.

    Args:
        setting: its ``config.max_steps`` is where episodes are cut.
        steps: environment steps, all games together.

    Returns:
        Transitions of each skill.

    Raises:
        ArtifactError: programs or weights are missing, or were made for other skills.
    """
    count = max(1, min(num_games, steps))
    listener = _Listener()
    played = play_on(setting, setting.training_policy, count, -(-steps // count), seed, listener, lambda games: None)
    for step, _ in enumerate(played, 1):
        progress(step * count / steps, f"{len(listener.captions):,} distinct captions")
    return _write(setting, out, listener)


class _Listener:
    """Keeps an example of each caption, and how often each skill met it."""

    def __init__(self) -> None:
        self.captions: dict[int, Caption] = {}
        self.counts: Counter[tuple[str, int]] = Counter()

    def __call__(self, env: DomainEnv, skills: Sequence[str]) -> None:
        for game, skill in enumerate(skills):
            key = int64_key(env.reward_key(game))
            self.counts[skill, key] += 1
            if key not in self.captions:
                self.captions[key] = env.caption(game)


def _write(setting: Setting, out: Path, heard: _Listener) -> dict[str, int]:
    totals: Counter[int] = Counter()
    for (_, key), count in heard.counts.items():
        totals[key] += count
    table = CaptionTable.build({key: (caption, totals[key]) for key, caption in heard.captions.items()}, len(setting.domain.sign_specs))
    table.save(out / CAPTIONS_FILE, setting.domain, {"of": "the trained skills"})
    write_counts(out, heard.counts)
    return {skill: sum(count for (name, _), count in heard.counts.items() if name == skill) for skill in setting.skills.ids}
