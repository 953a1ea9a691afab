"""Interactions: the domain's explorer plays, and every distinct reward input is kept with a caption and a count."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from maestromotif.domains.contract import Domain
from maestromotif.domains.patience import answering
from maestromotif.errors import ArtifactError
from maestromotif.feedback.config import CollectConfig
from maestromotif.feedback.tables import CaptionTable, int64_key, read_metadata
from maestromotif.types import Caption

__all__ = ["CAPTIONS_FILE", "Progress", "collect"]

Progress = Callable[[float, str], None]
CAPTIONS_FILE = "captions.parquet"
_PATIENCE = 120.0  # seconds that one step of all games may take


def collect(domain: Domain, config: CollectConfig, out: Path, seed: int, progress: Progress = lambda _fraction, _text: None) -> None:
    """Play, and write ``captions.parquet`` into ``out``: one row for each distinct reward input, in order of first sight.

    Play is cut into shards with seeds of their own, each saved as soon as it is played, so that what an interrupted run
    saved is not played again, and the result is the same as that of an uninterrupted run.

    Raises:
        ArtifactError: a saved shard is damaged.
    """
    steps_per_game = -(-config.shard_steps // config.num_games)
    num_shards = max(1, round(config.steps / (steps_per_game * config.num_games)))
    made_by = {"seed": seed, "num_games": config.num_games, "steps_per_game": steps_per_game, "options": dict(domain.identity)}
    fingerprint = hashlib.sha256(json.dumps(made_by, sort_keys=True, default=str).encode()).hexdigest()[:16]
    path = out / CAPTIONS_FILE
    if path.exists() and _is_from(path, {"fingerprint": fingerprint, "shards": num_shards}):
        progress(1.0, "captions are collected")
        return
    merged: dict[int, tuple[Caption, int]] = {}
    for shard in range(num_shards):
        file = out / "shards" / f"shard-{shard:05d}.parquet"
        if not (file.exists() and _is_from(file, {"fingerprint": fingerprint})):

            def report(fraction: float, done: int = shard) -> None:
                progress((done + fraction) / num_shards, f"{len(merged):,} distinct captions")

            entries = _play(domain, config.num_games, steps_per_game, (seed, shard), report)
            CaptionTable.build(entries, len(domain.sign_specs)).save(file, domain, {"fingerprint": fingerprint})
        _merge(merged, CaptionTable.load(file, domain))
        progress((shard + 1) / num_shards, f"{len(merged):,} distinct captions")
    metadata = {"fingerprint": fingerprint, "shards": num_shards, "made_by": made_by}
    CaptionTable.build(merged, len(domain.sign_specs)).save(path, domain, metadata)


def _is_from(path: Path, wanted: dict[str, object]) -> bool:
    """Whether a table was made with these settings. A damaged one is an error, not a reason to play again silently."""
    try:
        found = read_metadata(path)
    except ArtifactError as error:
        raise ArtifactError(error.problem, "Delete that file and run `maestromotif collect`") from error
    return all(found.get(name) == value for name, value in wanted.items())


def _merge(merged: dict[int, tuple[Caption, int]], table: CaptionTable) -> None:
    for row, (key, count) in enumerate(zip(table.keys.tolist(), table.counts.tolist(), strict=True)):
        known = merged.get(key)
        merged[key] = (table.caption(row), count) if known is None else (known[0], known[1] + count)


def _play(
    domain: Domain, num_games: int, steps_per_game: int, seed: tuple[int, int], report: Callable[[float], None]
) -> dict[int, tuple[Caption, int]]:
    """Key -> (example caption, count) of everything that one shard's explorer sees."""
    rng = np.random.default_rng([number % 2**63 for number in seed])
    env = domain.make_env(num_games)
    explorer = domain.explorer(int(rng.integers(2**31)))
    captions: dict[int, Caption] = {}
    counts: dict[int, int] = {}
    with contextlib.closing(env), answering(_PATIENCE) as alive:
        env.reset(range(num_games), rng.integers(2**31, size=num_games).tolist())
        for step in range(steps_per_game):
            alive()
            env.step(explorer.act(env))
            for game in range(num_games):
                key = int64_key(env.reward_key(game))
                if key in counts:
                    counts[key] += 1
                else:
                    captions[key], counts[key] = env.caption(game), 1
            over = np.flatnonzero(env.terminated_B).tolist()
            if over:
                env.reset(over, rng.integers(2**31, size=len(over)).tolist())
            if step % 64 == 63:
                report((step + 1) / steps_per_game)
    return {key: (captions[key], count) for key, count in counts.items()}
