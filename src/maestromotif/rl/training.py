"""Training: act, learn, write down, again. Everything it writes can be resumed from after a kill at any moment."""

from __future__ import annotations

import json
import logging
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from maestromotif.domains.contract import Domain, ObservationSpec
from maestromotif.errors import ArtifactError, TrainingError
from maestromotif.rl import checkpoint
from maestromotif.rl.build import GamesSpec, describe_domain
from maestromotif.rl.calibrate import settle
from maestromotif.rl.checkpoint import Counters
from maestromotif.rl.config import NetworkConfig, SettledConfig, TrainConfig, cores
from maestromotif.rl.curriculum import make_curriculum
from maestromotif.rl.device import check_device
from maestromotif.rl.distributed import Ranks
from maestromotif.rl.distributions import distribution
from maestromotif.rl.episodes import ScheduleSources, episode_seed
from maestromotif.rl.experience import Experience, prepare_acting, rollout_from_tensors, rollout_to_tensors, saved_episodes
from maestromotif.rl.glimpse import Glimpse
from maestromotif.rl.initial import begin_with
from maestromotif.rl.learner import Learner, Rollout
from maestromotif.rl.metrics import RECENT, Metrics, MetricsFile, SkillCounts, TensorBoard, failure_signs, skill_metrics
from maestromotif.rl.metrics_table import METRICS_TABLE, write_metrics_table
from maestromotif.rl.networks import SkillPolicy, spec_to_json
from maestromotif.rl.schedules import WEIGHTED
from maestromotif.rl.soundness import Watch
from maestromotif.rl.vector import Games, make_games
from maestromotif.skills import SkillSet

__all__ = ["METRICS", "POLICY", "UNTRAINED", "Training", "first_weights", "read_sources", "train"]

METRICS = "metrics.jsonl"
POLICY = "policy.safetensors"
UNTRAINED = "untrained.safetensors"
_CHECKPOINTS = "checkpoints"
_log = logging.getLogger(__name__)


def first_weights(observed: ObservationSpec, skills: Sequence[str], shape: NetworkConfig, seed: int) -> SkillPolicy:
    """The network with the weights that its seed gives."""
    return SkillPolicy(observed, skills, shape, seed=episode_seed(seed, 1) % 2**62)


def read_sources(programs_dir: Path) -> ScheduleSources:
    """Sources of the training schedule: ``skills.py`` and ``training_policy.py``.

    Raises:
        ArtifactError: one of them is missing.
    """
    try:
        skill_program, policy = ((programs_dir / name).read_text(encoding="utf-8") for name in ("skills.py", "training_policy.py"))
    except OSError as error:
        raise ArtifactError(f"{error.filename}: cannot be read ({error.strerror})", "Run `maestromotif program` first") from error
    return ScheduleSources(policy=policy, skill_program=skill_program, policy_file="training_policy.py")


def train(
    domain: Domain,
    skills: SkillSet,
    programs_dir: Path | ScheduleSources,
    rewards_dir: Path | None,
    config: TrainConfig,
    out: Path,
    seed: int,
    progress: Callable[[float, str], None] = lambda fraction, text: None,
    on_update: Callable[[Metrics], None] = lambda metrics: None,
    reward_maker: str = "maestromotif.rl.build:load_rewards",
    home: Path = Path(),
    ranks: Ranks | None = None,
) -> None:
    """Train one network on all skills, or go on with what ``out`` holds.

    Writes ``policy.safetensors`` (``SkillPolicy.load``), ``untrained.safetensors`` (the same network with the weights that its seed gives),
    ``metrics.jsonl`` (see docs/training.md), the same as ``metrics.parquet``, ``checkpoints/`` and ``tensorboard/``. With ``workers = 0``
    on a CPU, the same seed gives the same weights and metrics bit for bit, however often it was interrupted: a resumed run plays its
    games up to where they were.

    Args:
        programs_dir: folder with ``skills.py`` and ``training_policy.py``, or the sources themselves.
        rewards_dir: folder of the reward models; None trains without reward, for measurements of speed.
        progress: fraction done and a short text, after every update.
        on_update: the metrics of every update.
        reward_maker: ``module:function`` that loads ``rewards_dir`` in the games' process.
        home: the folder that ``config.schedule_file`` and ``config.initial`` lie in.
        ranks: processes that train together; every one of them must call this, with the same arguments.

    Raises:
        TrainingError: a loss is not a number or explodes, or a worker died. The error names the checkpoint that a resumed run starts from.
        ArtifactError: programs, rewards or checkpoints are missing or do not fit.
        ConfigError: the stages of a hand-made curriculum are wrong, ``initial`` names another kind of network, or there is no
            such device here.
        KeyboardInterrupt: after Ctrl-C, once the update in progress is finished and saved. A second Ctrl-C does not wait.
    """
    check_device(config.device)
    sources = programs_dir if isinstance(programs_dir, ScheduleSources) else read_sources(programs_dir)
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        ranks = ranks or Ranks()
        if ranks.count == 1:

            def measure(variant: SettledConfig) -> float:
                return _speed(domain, skills, sources, rewards_dir, variant, seed, reward_maker, home)

            config = settle(config, out, measure, lambda text: progress(0.0, text))
        training = Training(domain, skills, sources, rewards_dir, config, out, seed, reward_maker, home, stack, progress, ranks)
        stopped = stack.enter_context(_interruptible())
        while not training.finished:
            try:
                metrics = training.update()
            except TrainingError:
                training.save_if_sound(with_games=False)
                raise
            on_update(metrics)
            progress(training.progress, training.text(metrics))
            if ranks.any(stopped()):
                training.save_if_sound()
                raise KeyboardInterrupt
            training.save_if_due()
        training.finish()


def _speed(
    domain: Domain,
    skills: SkillSet,
    sources: ScheduleSources,
    rewards_dir: Path | None,
    config: SettledConfig,
    seed: int,
    reward_maker: str,
    home: Path,
) -> float:
    """Steps per second of a training with these settings, which leaves nothing behind."""
    config = config.model_copy(update={"tensorboard": False})
    with TemporaryDirectory() as folder, ExitStack() as stack:
        training = Training(domain, skills, sources, rewards_dir, config, Path(folder), seed, reward_maker, home, stack)
        # The first update compiles, and plays a rollout more than the others.
        training.update()
        began = time.perf_counter()
        for _ in range(2):
            training.update()
        return 2 * config.rollout * config.games / (time.perf_counter() - began)


class Training:
    """The state of a training and its steps; ``train`` is the loop around it."""

    def __init__(
        self,
        domain: Domain,
        skills: SkillSet,
        sources: ScheduleSources,
        rewards_dir: Path | None,
        config: TrainConfig,
        out: Path,
        seed: int,
        reward_maker: str,
        home: Path,
        stack: ExitStack,
        progress: Callable[[float, str], None] = lambda fraction, text: None,
        ranks: Ranks | None = None,
    ) -> None:
        self._ranks = ranks = ranks or Ranks()
        config = config.settled(workers=max(1, cores() // ranks.count))
        self.config, self.out = config, out
        rows = ranks.share(config.games, "games")
        ranks.share(config.minibatch, "minibatch", config.chunk)
        mine = config.model_copy(
            update={
                "games": config.games // ranks.count,
                "minibatch": config.minibatch // ranks.count,
                "device": ranks.device(config.device),
            }
        )
        self._skills, self._seed, self._home = skills, seed, home
        measures = domain.call_measures
        self._measured = tuple(skill.measure in measures for skill in skills)
        measured = [skill.id for skill in skills if skill.measure in measures]
        self._curriculum = make_curriculum(config, skills, measured, home)
        if config.schedule != "program":
            sources = replace(sources, maker=WEIGHTED)
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        observed = domain.observation_for(config.network)
        self.policy = first_weights(observed, skills.ids, config.shape, seed).to(mine.device)
        self._generators = {
            name: torch.Generator().manual_seed(episode_seed(seed, 2, place) % 2**62) for place, name in enumerate(("act", "learn"))
        }
        self.learner = Learner(self.policy, mine, self._generators["learn"], ranks)
        self._shape = json.dumps({"spec": spec_to_json(observed), "skills": skills.ids, "network": config.shape.model_dump(), "seed": seed})
        self.counters = Counters(
            0, 0, 0.0, (0,) * config.games, dict.fromkeys(skills.ids, 0.0), dict.fromkeys(skills.ids, 0.0), {}, {}, self._shape
        )
        self.last_saved: Path | None = None
        saved = self._resume()
        self._watch = Watch()
        self._began = self._saved_at = time.monotonic()
        self._elapsed_before = self.counters.elapsed
        # Only games of a single process are played again; those of several begin their next episodes.
        playing = saved_episodes(saved, config.games) if ranks.count == 1 else None
        first = (self.counters.first_episodes + (0,) * config.games)[: config.games]
        spec = GamesSpec(
            domain=describe_domain(domain),
            options=dict(domain.options),
            skills=tuple(skills),
            sources=sources,
            rewards="" if rewards_dir is None else str(rewards_dir.resolve()),
            reward_maker=reward_maker,
            num_games=mine.games,
            first_game=rows.start,
            seed=episode_seed(seed, 3),
            first_episodes=playing or first[rows],
            episode_steps=config.episode_steps,
            observation=config.network,
        )
        acting = prepare_acting(self.policy, mine, mine.games)
        stack.callback(acting.buffer.close)
        self.games: Games = make_games(spec, domain, config.groups, config.workers, acting, config.patience, config.restarts)
        stack.callback(self.games.close)
        self._guide()
        written = out if ranks.first else Path(stack.enter_context(TemporaryDirectory()))
        self._metrics_file = MetricsFile(written / METRICS, self.counters.steps)
        stack.callback(self._metrics_file.close)
        self._board = TensorBoard(out / "tensorboard", self.counters.steps) if config.tensorboard and ranks.first else None
        if self._board is not None:
            stack.callback(self._board.close)
        self._learning = stack.enter_context(ThreadPoolExecutor(1, "learner")) if config.overlap else None
        self._pending: Rollout | None = None
        self.experience = Experience(self.games, self.policy, config, self._generators["act"], acting, rows, config.games)
        self.experience.begin(saved if playing else {}, lambda text: progress(self.progress, text))
        if playing and config.overlap:
            self._pending = rollout_from_tensors(saved, config.rollout, config.chunk)
        # Episodes that were replayed have made their faults again.
        self._old_faults = Counter(self.counters.faults) - self._faults()
        self._restarts = self.games.restarts
        self._counts = SkillCounts(self.games.arrays)
        self._glimpse = Glimpse(out.parent, skills.ids) if ranks.first else None

    def _resume(self) -> Mapping[str, Tensor]:
        """Go back to the newest checkpoint; all its tensors, or none if there is no checkpoint."""
        if self._ranks.first:
            checkpoint.sweep(self.out, self.out / _CHECKPOINTS)
        found = checkpoint.latest(self.out / _CHECKPOINTS)
        if len(set(self._ranks.gather(found[0].steps if found else 0))) > 1:
            raise TrainingError(f"{self.out}: not all processes of the training see the same checkpoints", "Let all of them see one folder")
        if found is None:
            if self._ranks.first:
                self.policy.save(self.out / UNTRAINED)
            if self.config.initial:
                begin_with(self.policy, self.config.initial, self._home)
            return {}
        counters, tensors = found
        if counters.shape != self._shape:
            raise ArtifactError(
                f"{self.out / _CHECKPOINTS}: made for another network, other skills, another domain or another seed",
                "Remove the training folder to train from the beginning, or restore the settings it was made with",
            )
        checkpoint.restore(tensors, self.policy, self.learner.optimiser, self._generators)
        self.counters = counters
        self._curriculum.restore(counters.curriculum)
        self.last_saved = self.out / _CHECKPOINTS / f"checkpoint-{counters.steps:012d}.safetensors"
        _log.info("going on at step %d of %d", counters.steps, self.config.steps)
        return tensors

    def _faults(self) -> Counter[str]:
        return sum(map(Counter, self._ranks.gather(self.games.faults())), Counter())

    def _guide(self) -> None:
        """Tell the games what the curriculum wants, while none of them steps, so that it reaches every game at the same moment."""
        self.games.arrays.guidance[:] = [*self._curriculum.weights(), self._curriculum.whole()]

    @property
    def finished(self) -> bool:
        return self.counters.steps >= self.config.steps

    @property
    def progress(self) -> float:
        """Share of the training that is done, 0 to 1."""
        return min(1.0, self.counters.steps / self.config.steps)

    def update(self) -> Metrics:
        """One round: play ``rollout`` steps of every game, learn from a rollout, write the metrics down."""
        began = time.perf_counter()
        before = dict(self.experience.seconds)
        losses, learning = self._overlapped() if self._learning is not None else self._alternating()
        self._check(losses)
        steps = self.config.rollout * self.config.games
        counts = {name: self._ranks.total(sums) for name, sums in self._counts.take().items()}
        skills = skill_metrics(self._skills.ids, self._measured, counts)
        # With overlap, the first update has seen two rollouts end.
        played = int(counts["steps"].sum())
        self._curriculum.update(played, skills)
        self._guide()
        self._count(steps, skills)
        metrics: Metrics = {
            "update": self.counters.update,
            "steps": self.counters.steps,
            **losses,
            "learning_rate": float(self.learner.optimiser.param_groups[0]["lr"]),
            "episodes": int(counts["games"][0]),
            "episode_steps": float(counts["games"][1] / counts["games"][0]) if counts["games"][0] else None,
            "switch_rate": float(counts["games"][4]) / played,
            "faults": dict(self.counters.faults),
            "restarts": sum(self._ranks.gather(self.games.restarts - self._restarts)),
            "curriculum": self._curriculum.describe(),
            "skills": skills,
        }
        metrics["warnings"] = failure_signs(
            metrics,
            self.progress,
            self.counters.calls,
            self.counters.rewarded,
            distribution(self.policy.spec).collapsed(self.policy.spec.actions),
            [*self._metrics_file.recent, metrics][-RECENT:],
            [skill for skill, weight in zip(self._skills.ids, self._curriculum.weights(), strict=True) if not weight],
        )
        self._restarts = self.games.restarts
        seconds = {name: self.experience.seconds[name] - before[name] for name in before}
        metrics["time"] = {
            "elapsed": self.counters.elapsed,
            "steps_per_second": steps / (time.perf_counter() - began),
            **seconds,
            "learning": learning,
            # Processor time, summed over the processes that play.
            "games_stepping": float(counts["games"][2]),
            "games_programs_and_rewards": float(counts["games"][3]),
        }
        self._metrics_file.append(metrics)
        if self._board is not None:
            self._board.add(metrics)
        if self._glimpse is not None:
            self._glimpse.show(self.experience.latest, self.games.arrays, self.games.screens)
        return metrics

    def _alternating(self) -> tuple[dict[str, float], float]:
        """Play, then learn from it."""
        torch.set_num_threads(1)
        done = self._learn(self.experience.collect())
        self.experience.sync()
        return done

    def _overlapped(self) -> tuple[dict[str, float], float]:
        """Learn from the rollout before while the next is played. The copy that acts was taken before, so timing decides nothing."""
        assert self._learning is not None
        if self._pending is None:
            torch.set_num_threads(1)
            self._pending = self.experience.collect()
        learning = self._learning.submit(self._learn, self._pending)
        try:
            self._pending = self.experience.collect()
        finally:
            # Waited for in any case: nobody may save weights that are being changed.
            losses, seconds = learning.result()
        self.experience.sync()
        return losses, seconds

    def _learn(self, rollout: Rollout) -> tuple[dict[str, float], float]:
        began = time.perf_counter()
        torch.set_num_threads(self.config.threads)
        return self.learner.update(rollout, self.progress, age=int(self.config.overlap)), time.perf_counter() - began

    def _check(self, losses: dict[str, float]) -> None:
        last = self.counters.steps + self.config.rollout * self.config.games >= self.config.steps
        trouble = self._watch.look(losses, self.counters.update + 1, last)
        if trouble:
            start = f"a resumed run starts from {self.last_saved}" if self.last_saved else "nothing was saved before"
            raise TrainingError(f"{trouble}; {start}", "Lower learning_rate or gradient_clip")

    def _count(self, steps: int, skills: dict[str, Metrics]) -> None:
        old = self.counters
        # For a resume that cannot replay the episodes that go on now.
        following = tuple(int(number) + 1 for number in self._ranks.join(self.games.arrays.episode))
        calls = {skill: old.calls.get(skill, 0.0) + values["calls"] for skill, values in skills.items()}
        rewarded = {skill: old.rewarded.get(skill, 0.0) + values["calls"] * (values["return"] or 0.0) for skill, values in skills.items()}
        elapsed, curriculum = self._elapsed_before + time.monotonic() - self._began, self._curriculum.state()
        faults = dict(sorted((self._old_faults + self._faults()).items()))
        self.counters = Counters(old.steps + steps, old.update + 1, elapsed, following, calls, rewarded, faults, curriculum, self._shape)

    def text(self, metrics: Metrics) -> str:
        """A short line for a progress display."""
        rate = metrics["time"]["steps_per_second"]
        left = max(0, self.config.steps - self.counters.steps) / max(1.0, rate)
        return f"{self.counters.steps:,} of {self.config.steps:,} steps, {rate:,.0f} steps/s, {left / 60:.1f} min left"

    def save(self, with_games: bool = True) -> None:
        """Write a checkpoint now.

        Args:
            with_games: a resumed run goes on exactly from here; otherwise, and with several ranks, its games begin their next episodes.
        """
        if not self._ranks.first:
            return
        with_games = with_games and self._ranks.count == 1
        more = self.experience.state() if with_games else {}
        if with_games and self._pending is not None:
            more |= rollout_to_tensors(self._pending)
        folder, optimiser = self.out / _CHECKPOINTS, self.learner.optimiser
        self.last_saved = checkpoint.save(folder, self.counters, self.policy, optimiser, self._generators, more)
        self._saved_at = time.monotonic()

    def save_if_due(self) -> None:
        if self._watch.sound and time.monotonic() - self._saved_at >= self.config.checkpoint_seconds:
            self.save()

    def save_if_sound(self, with_games: bool = True) -> None:
        """Write a checkpoint, unless the last update was not sound. After a failure of the games, the weights are those of that update."""
        if self._watch.sound and self.counters.update:
            self.save(with_games)

    def finish(self) -> None:
        """Write the final checkpoint, the policy, and the metrics as a table."""
        self.save()
        if self._ranks.first:
            self.policy.save(self.out / POLICY)
            write_metrics_table(self.out / METRICS, self.out / METRICS_TABLE)


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Turns the first Ctrl-C into a wish that is granted at the end of an update. Gives a function that says whether there is one."""
    wished = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield wished.is_set
        return
    old: Any = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        wished.set()
        signal.signal(signal.SIGINT, old)

    signal.signal(signal.SIGINT, note)
    try:
        yield wished.is_set
    finally:
        signal.signal(signal.SIGINT, old)
