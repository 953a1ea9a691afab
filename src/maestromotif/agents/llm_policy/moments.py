"""A moment in which a model decides, and the question that is asked about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from maestromotif.agents.llm_policy.config import ACTIONS, PROMPTS, LLMPolicyConfig
from maestromotif.domains.contract import Domain, Facts, FactSpec
from maestromotif.errors import ConfigError
from maestromotif.llm.chat import ChatRequest, Message
from maestromotif.llm.prompts import Prompt
from maestromotif.rl.episodes import episode_seed
from maestromotif.skills import SkillSet

__all__ = ["Briefing", "Moment", "Past", "plain_facts"]

_SEED = 5  # the place of a decision's seed among those that an episode has
# The first of these that is possible is played where a model names nothing: it does least.
_HARMLESS = ("wait", "noop", "no-op", "stay", "search", "none")
_LONGEST = 4_000  # characters of a caption


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier decision of the episode, or a call of a skill that began without one: when, what, for how many steps, how it ended,
    and the caption of its last step."""

    step: int
    choice: str
    steps: int
    ended: str
    caption: str


@dataclass(frozen=True, slots=True)
class Moment:
    """What a model is to decide; plain values, so that it can cross to another process.

    Attributes:
        game: who waits for the answer; not part of the question.
        episode, decision: its number, and that of the decision within it.
        step: steps made in the episode.
        caption: of the last step.
        facts: plain values by name.
        choices: names that are possible now, at least two.
        past: earlier decisions, the oldest first.
    """

    game: int
    episode: int
    decision: int
    step: int
    caption: str
    facts: Mapping[str, Any]
    choices: tuple[str, ...]
    past: tuple[Past, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values; ``from_json`` takes them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Moment:
        past = tuple(Past(**one) for one in values["past"])
        return cls(**{**values, "choices": tuple(values["choices"]), "past": past})


def plain_facts(domain: Domain, facts: Facts) -> dict[str, Any]:
    """The facts that questions show: all but free texts, which captions tell."""
    return {spec.name: getattr(facts, spec.name) for spec in domain.fact_specs if _is_shown(spec)}


def _is_shown(spec: FactSpec) -> bool:
    return spec.type != "str" or bool(spec.values)


class Briefing:
    """The questions about one task.

    Args:
        policy: one of ``LLM_POLICIES``.
        task: id; description: its English.
        max_steps: where its episodes are cut.
        seed: of the evaluation; each decision's chances follow from it, the episode and the decision.
    """

    def __init__(
        self, domain: Domain, skills: SkillSet, policy: str, task: str, description: str, max_steps: int, seed: int, config: LLMPolicyConfig
    ) -> None:
        self._name = f"{domain.id}/{policy}/{task}"
        self._description, self._seed, self._config = description, seed, config
        self._acts = policy == ACTIONS
        if self._acts and domain.observation_spec.continuous:
            problem = f"{ACTIONS}: the actions of {domain.id} are numbers, which a language model cannot choose by name"
            raise ConfigError(problem, "Leave it out; a language model can still choose skills (llm-skills)")
        self.label = "ACTION" if self._acts else "SKILL"
        # Commands in words differ from moment to moment; only questions can tell them.
        listed = self._acts and domain.observation_spec.commands is not None
        self.names = () if listed else domain.actions if self._acts else skills.ids
        shared = {
            "title": domain.title,
            "knowledge": domain.knowledge,
            "facts": "\n".join(f"- {spec.name}: {spec.doc}" for spec in domain.fact_specs if _is_shown(spec)),
            "task": description,
            "max_steps": f"{max_steps:,}",
            "example": self.names[0] if self.names else "one of the possible actions",
        }
        if self._acts:
            repeat = "once" if config.repeat == 1 else f"{config.repeat} times, or until it is not possible any more"
            choices = ", ".join(self.names) or "those that a question lists, other ones in other moments"
            self.system = _prompt("act-system").render(**shared, choices=choices, repeat=repeat)
        else:
            described = "\n".join(f"- {skill.id}: {' '.join(skill.description.split())}" for skill in skills)
            self.system = _prompt("pick-system").render(**shared, skills=described)

    def request(self, moment: Moment) -> ChatRequest:
        """The question."""
        config = self._config
        user = _prompt("act-user" if self._acts else "pick-user").render(
            past=_told(moment.past[-config.history :] if config.history else (), moment.caption),
            step=f"{moment.step:,}",
            caption=moment.caption[:_LONGEST],
            facts="; ".join(f"{name} = {value}" for name, value in moment.facts.items()),
            choices=", ".join(moment.choices),
        )
        return ChatRequest(
            name=self._name,
            messages=(Message("system", self.system), Message("user", user.strip())),
            subject=self._description,
            temperature=config.temperature,
            top_p=config.top_p,
            max_tokens=config.max_tokens,
            # Decisions that look alike are decided anew, as they would be without a store; the same decision is never asked for twice.
            seed=episode_seed(self._seed, moment.episode, _SEED, moment.decision) % 2**31,
        )

    def retry(self, moment: Moment, problem: str) -> str:
        """The second and last question about a moment, for the choice alone."""
        return _prompt("retry").render(problem=problem, label=self.label, choices=", ".join(moment.choices))

    def default(self, moment: Moment) -> str:
        """What is played where the model names nothing: of actions the one that does least, else the first that is possible; of skills the
        one that has just ended if it may start again, else the first that may, as with a program that names none."""
        wanted = _HARMLESS if self._acts else tuple(past.choice for past in moment.past[-1:])
        return next((name for name in wanted if name in moment.choices), moment.choices[0])


def _told(past: tuple[Past, ...], now: str) -> str:
    """Earlier decisions in words, oldest first; what the last one led to, the question tells."""
    told = []
    for one in past:
        steps = f"{one.steps:,} step{'' if one.steps == 1 else 's'}"
        how = f"{steps}, {one.ended}" if one.ended else steps
        led_to = "" if one is past[-1] and one.caption == now else f" It led to:\n<<<\n{one.caption[:_LONGEST]}\n>>>"
        told.append(f"Step {one.step:,}: {one.choice} ({how}).{led_to}")
    return "\n".join(("What was done before, oldest first:", *told, "")) if told else ""


def _prompt(name: str) -> Prompt:
    return Prompt.load(PROMPTS / f"{name}.txt")
