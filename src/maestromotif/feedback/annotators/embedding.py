"""Similarity of caption and skill text as an annotator: the paper's embedding baseline."""

from __future__ import annotations

import hashlib
import importlib.util
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from maestromotif.domains.contract import Domain
from maestromotif.errors import ConfigError
from maestromotif.feedback.annotators.judge import compare_scores
from maestromotif.feedback.annotators.options import AnnotatorOptions, read_options
from maestromotif.feedback.hashed import hashed_similarity
from maestromotif.feedback.protocol import AnnotatorContext, Briefing, Judgement
from maestromotif.files import write_atomically
from maestromotif.skills import Skill, SkillSet
from maestromotif.types import Pair

__all__ = ["EmbeddingAnnotator"]

_BUILT_IN = "hashed"
# Pairs of captions whose differences decide what a tie is.
_SAMPLE = 20_000


class EmbeddingAnnotator:
    """Prefers the caption whose vector has the greater cosine with that of the skill's text."""

    class Options(AnnotatorOptions):
        model: str = Field(
            default=_BUILT_IN,
            min_length=1,
            description="Name or folder of a model for sentence-transformers; 'hashed': words and pieces of words, a weak baseline.",
        )
        ties: float = Field(default=0.05, ge=0, lt=1, description="Quantile of the differences of scores below which two captions tie.")
        batch: int = Field(default=64, ge=1, description="Captions that a model reads at a time.")
        device: str | None = Field(default=None, description="Where a model runs, as torch names it; left out: where it finds best.")

    def __init__(self, context: AnnotatorContext) -> None:
        self._options = read_options(self.Options, context.config.options)
        self._texts = list(dict.fromkeys(context.captions.texts))
        self._seed = context.seed
        self._home = context.home / "embedding" if context.home else None
        self._model: Any = None
        self._vectors: NDArray[np.float32] | None = None
        self._scores: dict[str, NDArray[np.float64]] = {}
        self.id = f"embedding:{self._options.model}"

    @staticmethod
    def check(options: Options, domain: Domain, skills: SkillSet) -> None:
        """Whether what the model needs is installed.

        Raises:
            ConfigError: it is not.
        """
        if options.model != _BUILT_IN and importlib.util.find_spec("sentence_transformers") is None:
            raise ConfigError(
                f"[annotate.options] model: {options.model!r} needs the package 'sentence-transformers'",
                "pip install 'maestromotif[embedding]', or set model = \"hashed\"",
            )

    def brief(self, skill: Skill) -> Briefing:
        """Raises ConfigError: the model cannot be loaded."""
        margin = self._margin(skill)
        what = {"source": "embedding", "model": self._options.model, "ties": self._options.ties, "margin": margin}
        warning = ""
        if self._options.model == _BUILT_IN:
            warning = f"{skill.id}: captions are compared by shared words alone, a weak baseline"
        return Briefing({**what, "preference": skill.preference_text}, warning=warning)

    def annotate(self, skill: Skill, briefing: Briefing, pairs: Sequence[Pair]) -> Iterator[Judgement]:
        margin = self._margin(skill)
        score = dict(zip(self._texts, self._similarity(skill).tolist(), strict=True))
        for pair in pairs:
            first, second = score[pair.first.text], score[pair.second.text]
            yield Judgement(pair, compare_scores(first, second, margin), detail={"scores": [first, second]})

    def _margin(self, skill: Skill) -> float:
        """From pairs of captions that do not depend on which ones are asked about."""
        scores = self._similarity(skill)
        rows = np.random.default_rng(self._seed).integers(len(scores), size=(_SAMPLE, 2))
        differences = np.abs(scores[rows[:, 0]] - scores[rows[:, 1]])[rows[:, 0] != rows[:, 1]]
        return float(np.quantile(differences, self._options.ties)) if len(differences) else 0.0

    def _similarity(self, skill: Skill) -> NDArray[np.float64]:
        """Cosine of every distinct caption with the skill's text, float64 ``[N]``."""
        found = self._scores.get(skill.id)
        if found is None:
            text = skill.preference_text.strip()
            if self._options.model == _BUILT_IN:
                found = hashed_similarity(self._texts, text)
            else:
                found = (self._caption_vectors() @ self._encode([text])[0]).astype(np.float64)
            self._scores[skill.id] = found
        return found

    def _caption_vectors(self) -> NDArray[np.float32]:
        """Float32 ``[N, D]``, of length one; from the file of an earlier run where it is for the same model and captions."""
        if self._vectors is None:
            name = hashlib.sha256(repr((self._identity(), self._texts)).encode()).hexdigest()[:24]
            path = self._home / f"{name}.npy" if self._home else None
            kept = _read(path, len(self._texts)) if path else None
            self._vectors = self._encode(self._texts) if kept is None else kept
            if path and kept is None:
                content = io.BytesIO()
                np.save(content, self._vectors, allow_pickle=False)
                write_atomically(path, content.getvalue())
        return self._vectors

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self._model is None:
            self._model = _load_model(self._options.model, self._options.device)
        vectors = self._model.encode(
            list(texts), batch_size=self._options.batch, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )
        return np.asarray(vectors, np.float32)

    def _identity(self) -> str:
        """The model's name, and for a folder the digest of its files."""
        folder = Path(self._options.model)
        if not folder.is_dir():
            return self._options.model
        content = hashlib.sha256()
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            content.update(f"{path.relative_to(folder)}\n".encode())
            with open(path, "rb") as file:
                content.update(hashlib.file_digest(file, "sha256").digest())
        return content.hexdigest()


def _load_model(name: str, device: str | None) -> Any:
    from sentence_transformers import SentenceTransformer

    try:
        # Weights without pickle: loading them can never run code.
        return SentenceTransformer(name, device=device, model_kwargs={"use_safetensors": True})
    except (OSError, ValueError, RuntimeError) as error:
        told = " ".join(str(error).split())[:300]
        remedy = "Name the folder of a model with safetensors weights, or one of the hub while the network can be reached"
        raise ConfigError(f"[annotate.options] model: {name!r} cannot be loaded ({told})", remedy) from error


def _read(path: Path, rows: int) -> NDArray[np.float32] | None:
    """Vectors of an earlier run; None where there are none, or the file is damaged."""
    try:
        vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return vectors if vectors.ndim == 2 and len(vectors) == rows and vectors.dtype == np.float32 else None
