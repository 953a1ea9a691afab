"""The reward stage: from preferences to one reward model per skill with its card."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maestromotif.bench.stats import wilson
from maestromotif.domains.contract import Domain
from maestromotif.errors import ArtifactError
from maestromotif.feedback.tables import CaptionTable, PreferenceTable
from maestromotif.rewards.bradley_terry import FitResult, build_corpus, fit_bradley_terry
from maestromotif.rewards.calibration import BINS
from maestromotif.rewards.config import RewardConfig
from maestromotif.rewards.encoders import Features, Reader, make_reader
from maestromotif.rewards.encoders.hashed import HashedReader
from maestromotif.rewards.encoders.sentences import model_digest
from maestromotif.rewards.features import FEATURE_VERSION, feature_hashes
from maestromotif.rewards.model import RewardModel, Seen, read_card, reward_paths, save_model
from maestromotif.rewards.pipeline import Shaping, fit_shaping, shape
from maestromotif.skills import Skill, SkillSet

__all__ = ["SkillFit", "fit"]

Floats = NDArray[np.float64]
Progress = Callable[[float, str], None]
_SHOWN = 20
# Below this many captions even a feature of a single one is needed to tell them apart.
_FEW = 200
_LEAST_PAIRS = 10
_LOW_AGREEMENT = 0.95


@dataclass(frozen=True, slots=True)
class SkillFit:
    """What came of one skill. ``agreement`` is that on decided held-out pairs; NaN if there were none."""

    skill: str
    agreement: float
    warnings: tuple[str, ...]


def fit(
    domain: Domain,
    skills: SkillSet,
    captions_path: Path,
    preferences_dir: Path,
    config: RewardConfig,
    out: Path,
    seed: int,
    progress: Progress = lambda _fraction, _text: None,
) -> tuple[SkillFit, ...]:
    """Write ``reward-<skill>.safetensors`` and ``reward-<skill>.json`` for every skill. Skills already fitted are skipped.

    Raises:
        ArtifactError: captions or preferences are missing, damaged, too few, or do not belong together.
    """
    captions = CaptionTable.load(captions_path, domain)
    captions_hash = _sha256(captions_path)
    sentence_model = {"sentence_model": model_digest(config.sentence_model)} if config.encoder == "sentence" else {}
    read: tuple[Reader, Features] | None = None
    results = []
    for number, skill in enumerate(skills):
        path = preferences_dir / f"preferences-{skill.id}.parquet"
        preferences = PreferenceTable.load(path, domain, skill.id)
        quantile = config.threshold_quantile if skill.threshold_quantile is None else float(skill.threshold_quantile)
        made_by = {
            "captions": captions_hash,
            "preferences": _sha256(path),
            "config": config.model_dump(mode="json"),
            "threshold_quantile": quantile,
            **({} if skill.contrast is None else {"contrast": skill.contrast}),
            "seed": seed,
            "feature_version": FEATURE_VERSION,
            **sentence_model,
        }
        fingerprint = hashlib.sha256(json.dumps(made_by, sort_keys=True).encode()).hexdigest()
        done = _finished(out, skill.id, fingerprint)
        if done is None:
            if read is None:
                read = _read(domain, captions, config, out.parent / "vectors")
            reader, features = read

            def report(fraction: float, done_before: int = number, name: str = skill.id) -> None:
                progress((done_before + fraction) / len(skills), name)

            pairs_P, target_P = _join(preferences, captions, path, captions_path)
            result = fit_bradley_terry(features, pairs_P, target_P, config, _seed_of(seed, skill), report)
            raw_N, spread_N = result.model.judge(features)
            least = _least_raw(captions, raw_N, config.better_than_nothing, result.calibration.temperature)
            contrast = config.contrast if skill.contrast is None else float(skill.contrast)
            shaping = fit_shaping(raw_N, quantile, config.threshold, contrast, config.clip, config.scale, least, config.normalise)
            # Rewards of captions that were seen need no sentence model in a worker, and disagreement is worth keeping.
            keep = config.encoder == "sentence" or config.ensemble > 1
            model = RewardModel(reader, result.model, Seen(captions.keys, raw_N, spread_N) if keep else None)
            card = _card(domain, skill, config, captions, preferences, result, raw_N, spread_N, shaping, quantile)
            if isinstance(reader, HashedReader):
                card["features"] = len(reader.buckets)
            save_model(model, out, skill.id, {**card, "made_by": made_by, "fingerprint": fingerprint})
            done = SkillFit(skill.id, result.agreement, tuple(card["warnings"]))
        results.append(done)
        shown = "no decided pair held out" if math.isnan(done.agreement) else f"agreement {done.agreement:.1%}"
        progress((number + 1) / len(skills), f"{skill.id}: {shown}")
    return tuple(results)


def _read(domain: Domain, captions: CaptionTable, config: RewardConfig, cache: Path) -> tuple[Reader, Features]:
    inputs = [captions.reward_input(row) for row in range(len(captions))]
    if config.encoder == "hashed":
        corpus = build_corpus([feature_hashes(given) for given in inputs], 1 if len(captions) < _FEW else 2)
        return HashedReader(corpus.buckets), corpus
    reader = make_reader(config.encoder, [len(spec.values) for spec in domain.sign_specs], config.sentence_model, cache)
    return reader, reader.read(inputs)


def _finished(out: Path, skill: str, fingerprint: str) -> SkillFit | None:
    """The result of an earlier run with the same inputs, if both its files are there and whole."""
    if not reward_paths(out, skill)[1].exists():
        return None
    card = read_card(out, skill)
    if card.get("fingerprint") != fingerprint:
        return None
    RewardModel.load(out, skill, card)
    measured = card["held_out"]["agreement"]
    return SkillFit(skill, math.nan if measured is None else float(measured), tuple(card["warnings"]))


def _join(
    preferences: PreferenceTable, captions: CaptionTable, path: Path, captions_path: Path
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows of the captions (int64 ``[P, 2]``) and targets (``[P]``) of all preferences but the unparsed ones."""
    row_of = captions.rows()
    target_P = preferences.targets()
    keys_P = np.stack([preferences.first_keys, preferences.second_keys], axis=1)
    usable_P = ~np.isnan(target_P)
    if np.any((target_P[usable_P] < 0.0) | (target_P[usable_P] > 1.0)):
        raise ArtifactError(f"{path} holds a target that is no probability", "Delete it and run `maestromotif annotate`")
    try:
        pairs = [[row_of[key] for key in keys] for keys in keys_P[usable_P].tolist()]
    except KeyError as error:
        problem = f"{path} speaks of a caption that is not in {captions_path}"
        raise ArtifactError(problem, "Run `maestromotif annotate` again") from error
    if len(pairs) < _LEAST_PAIRS:
        problem = f"{path} holds {len(pairs)} usable preferences, fewer than {_LEAST_PAIRS}"
        raise ArtifactError(problem, "Raise steps in [collect] or pairs in [annotate], or see the transcript for unparsed answers")
    return np.array(pairs, np.int64), target_P[usable_P]


def _least_raw(captions: CaptionTable, raw_N: Floats, probability: float, temperature: float) -> float:
    """The raw reward that beats the caption in which nothing happened with this probability, by Bradley-Terry's own measure."""
    nothing = [row for row, message in enumerate(captions.messages) if not message.strip() and not captions.signs[row].any()]
    if not nothing or probability == 0.0:
        return -math.inf
    return float(raw_N[nothing].max()) + temperature * math.log(probability / (1.0 - probability))


def _card(
    domain: Domain,
    skill: Skill,
    config: RewardConfig,
    captions: CaptionTable,
    preferences: PreferenceTable,
    result: FitResult,
    raw_N: Floats,
    spread_N: Floats,
    shaping: Shaping,
    quantile: float,
) -> dict[str, Any]:
    reward_N = shape(raw_N, shaping)
    counts: dict[str, int] = {}
    for preference in preferences.preferences:
        counts[preference.verdict.value] = counts.get(preference.verdict.value, 0) + 1
    return {
        "skill": skill.id,
        "domain": domain.id,
        "feature_version": FEATURE_VERSION,
        "signs": [[spec.name, list(spec.values)] for spec in domain.sign_specs],
        "annotators": sorted({preference.annotator for preference in preferences.preferences}),
        "verdicts": dict(sorted(counts.items())),
        "held_out": _held_out(result),
        "calibration": _calibration(result),
        **({} if result.tie_weight is None else {"tie_weight": result.tie_weight}),
        "training": {
            "agreement": None if math.isnan(result.train_agreement) else result.train_agreement,
            "loss": result.train_loss,
            "validation_loss": result.validation_loss,
            "epochs": result.epochs,
        },
        "learner": result.learner,
        "captions": len(captions),
        "threshold_quantile": quantile,
        "shaping": asdict(shaping),
        "discount": {"window": config.count_window, "exponent": config.count_exponent, "kind": config.count_kind},
        "rewarded": {
            "captions": float(np.mean(reward_N > 0)),
            "transitions": float(np.sum(captions.counts * (reward_N > 0)) / max(1, captions.counts.sum())),
            "mean": float(reward_N[reward_N > 0].mean()) if np.any(reward_N > 0) else 0.0,
            "top": float(reward_N.max()),
        },
        "by_sign": _by_sign(domain, captions, reward_N),
        "highest": _examples(domain, captions, raw_N, reward_N, np.argsort(-raw_N, kind="stable")[:_SHOWN]),
        "lowest": _examples(domain, captions, raw_N, reward_N, np.argsort(raw_N, kind="stable")[:_SHOWN]),
        **({} if config.ensemble == 1 else {"disagreement": _disagreement(domain, captions, raw_N, reward_N, spread_N)}),
        "warnings": _warnings(skill.id, result, reward_N, counts),
    }


def _held_out(result: FitResult) -> dict[str, Any]:
    """Agreement on decided held-out pairs, with Wilson's interval (95 %)."""
    known = not math.isnan(result.agreement)
    interval = wilson(round(result.agreement * result.held_out_decided), result.held_out_decided) if known else None
    return {
        "agreement": result.agreement if known else None,
        "interval": [interval.low, interval.high] if interval else None,
        "decided": result.held_out_decided,
        "pairs": result.held_out_pairs,
    }


def _calibration(result: FitResult) -> dict[str, Any]:
    """Expected calibration error on decided held-out pairs, and the bins that it is made of."""
    found = result.calibration
    return {
        "error": None if math.isnan(found.error) else found.error,
        "error_without_temperature": None if math.isnan(found.error_before) else found.error_before,
        "temperature": found.temperature,
        "number_of_bins": BINS,
        "bins": [asdict(one) for one in found.bins],
    }


def _disagreement(domain: Domain, captions: CaptionTable, raw_N: Floats, reward_N: Floats, spread_N: Floats) -> dict[str, Any]:
    """The members' standard deviation over raw rewards: its mean, and the captions with most of it."""
    rows = np.argsort(-spread_N, kind="stable")[:_SHOWN]
    entries = _examples(domain, captions, raw_N, reward_N, rows)
    most = [{**entry, "disagreement": float(spread_N[row])} for entry, row in zip(entries, rows.tolist(), strict=True)]
    return {"mean": float(spread_N.mean()), "most": most}


def _by_sign(domain: Domain, captions: CaptionTable, reward_N: Floats) -> dict[str, dict[str, dict[str, float]]]:
    """For each value of each sign: distinct captions with it and their mean reward. Shows whether the order of things is right."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for column, spec in enumerate(domain.sign_specs):
        table[spec.name] = {}
        for index, value in enumerate(spec.values):
            chosen_N = captions.signs[:, column] == index
            if chosen_N.any():
                table[spec.name][value] = {"captions": int(chosen_N.sum()), "mean_reward": float(reward_N[chosen_N].mean())}
    return table


def _examples(domain: Domain, captions: CaptionTable, raw_N: Floats, reward_N: Floats, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    return [
        {
            "caption": captions.texts[row],
            "message": captions.messages[row],
            "changes": _changes(domain, captions.signs[row].tolist()),
            "reward": float(reward_N[row]),
            "raw": float(raw_N[row]),
            "count": int(captions.counts[row]),
        }
        for row in rows.tolist()
    ]


def _changes(domain: Domain, signs: Sequence[int]) -> dict[str, str]:
    return {spec.name: spec.values[value] for spec, value in zip(domain.sign_specs, signs, strict=True) if value}


def _warnings(skill: str, result: FitResult, reward_N: Floats, counts: Mapping[str, int]) -> list[str]:
    found = []
    if math.isnan(result.agreement):
        found.append(f"{skill}: no held-out pair was decided; agreement is unknown")
    elif result.agreement < _LOW_AGREEMENT:
        found.append(f"{skill}: the reward model agrees with the annotator on only {result.agreement:.1%} of held-out pairs")
    if not np.any(reward_N > 0):
        found.append(f"{skill}: no caption earns a reward; its text may fit nothing that was seen, or its threshold is too high")
    total = sum(counts.values())
    if counts.get("unparsed", 0) > 0.1 * total:
        found.append(f"{skill}: {counts['unparsed'] / total:.0%} of the annotator's answers could not be read")
    if counts.get("tie", 0) > 0.9 * total:
        found.append(f"{skill}: {counts['tie'] / total:.0%} of the pairs are ties; the annotator sees nothing that matters to this skill")
    return found


def _seed_of(seed: int, skill: Skill) -> int:
    """A seed that does not depend on the skill's place in the file."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{skill.id}".encode()).digest()[:4], "big")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
