"""What a task's program will do, in plain English: from a language model, or, without one, from its simulated episodes and its source."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from maestromotif.domains.contract import Domain
from maestromotif.errors import ChatError
from maestromotif.llm.chat import ChatModel, ChatRequest, Message
from maestromotif.llm.prompts import Prompt
from maestromotif.programs.requests import skills_subject
from maestromotif.programs.schedule import POLICY_CLASS
from maestromotif.programs.story import HOW, Story, chain, chain_failures, facts_named, typical
from maestromotif.skills import SkillSet

__all__ = ["as_json", "explain", "observed"]

_PROMPT = Path(__file__).parent / "prompts" / "explain.txt"
_MAX_TOKENS = 1_024
_BREAKS = 3


@dataclass(frozen=True, slots=True)
class _Source:
    """What can be read off a program without running it.

    Attributes:
        memory: attributes that every episode begins with.
        done: what ``is_done`` returns, and where that is something remembered, when it is set.
    """

    memory: tuple[str, ...]
    done: str
    interrupts: bool

    @classmethod
    def read(cls, source: str) -> _Source:
        classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == POLICY_CLASS]
        methods = {node.name: node for found in classes for node in found.body if isinstance(node, ast.FunctionDef)}
        memory: dict[str, None] = {}
        for node in ast.walk(methods["__init__"]) if "__init__" in methods else ():
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                memory[node.attr] = None
        returned = [node.value for node in ast.walk(methods["is_done"]) if isinstance(node, ast.Return)] if "is_done" in methods else []
        done = " or ".join(_plainly(ast.unparse(value)) for value in returned if value is not None)
        if len(returned) == 1 and isinstance(returned[0], ast.Attribute):
            set_when = [test for method in methods.values() for test in _set_true(method.body, returned[0].attr, ())]
            done += f", which is set when {' or when '.join(set_when)}" if set_when else ""
        return cls(tuple(memory), done, "interrupt" in methods)


def _plainly(code: str) -> str:
    return code.replace("self.", "").replace("facts.", "")


def _set_true(body: Sequence[ast.stmt], name: str, tests: tuple[str, ...]) -> Iterator[str]:
    """Under which conditions statements set ``self.<name>`` to True or to something that may be."""
    for node in body:
        if isinstance(node, ast.If):
            test = _plainly(ast.unparse(node.test))
            yield from _set_true(node.body, name, (*tests, test))
            yield from _set_true(node.orelse, name, (*tests, f"not ({test})"))
        elif isinstance(node, ast.For | ast.While):
            yield from _set_true(node.body, name, tests)
        elif isinstance(node, ast.Assign) and any(isinstance(to, ast.Attribute) and to.attr == name for to in node.targets):
            if isinstance(node.value, ast.Constant):
                if node.value.value is True and tests:
                    yield " and ".join(tests)
            else:
                yield " and ".join((*tests, _plainly(ast.unparse(node.value))))


def explain(
    domain: Domain, skills: SkillSet, task_id: str, text: str, source: str, stories: Sequence[Story], chat: ChatModel
) -> tuple[str, str]:
    """A summary by a language model.

    Returns:
        The text, and the model's name.

    Raises:
        ChatError: no answer could be had, or it was empty.
    """
    question = Prompt.load(_PROMPT).render(
        title=domain.title,
        task=text,
        skills="\n".join(f"- {line}" for line in skills_subject(skills).splitlines()),
        program=source.strip("\n"),
        observed="\n".join(f"- {line}" for line in observed(domain, skills, source, stories)),
    )
    reply = chat.complete(
        ChatRequest(f"{domain.id}/explain/{task_id}", (Message("user", question),), subject=text, max_tokens=_MAX_TOKENS, temperature=0.2)
    )
    said = reply.text.rpartition("</think>")[2].strip()
    if not said:
        raise ChatError(f"the answer to {domain.id}/explain/{task_id} was empty", "Ask again, or use another model")
    return said, reply.model


def observed(domain: Domain, skills: SkillSet, source: str, stories: Sequence[Story]) -> list[str]:
    """Sentences about a program, from simulated episodes and its source alone."""
    good, bad = [story for story in stories if story.success], [story for story in stories if not story.success]
    lines = [f"In simulation it accomplishes the task in {len(good)} of {len(stories)} episodes."]
    for what, some in (("that succeeds", good), ("that fails", bad)):
        story = typical(some)
        if story is not None:
            lines.append(f"A typical episode {what} ({len(story.calls)} calls, {story.steps:,} steps): {chain(story)}.")
    lines.append(_where(skills, stories))
    lines += _ends(stories)
    lines += _said(source)
    names = facts_named([spec.name for spec in domain.fact_specs if spec.name not in ("steps", "message")], source)
    for failure in chain_failures(stories, names[:4])[:_BREAKS]:
        facts = f" ({'; '.join(failure.facts)})" if failure.facts else ""
        where = f"in {failure.episodes} of {len(bad)} failed episodes"
        lines.append(f"What goes wrong: {failure.skill} {HOW[failure.cause]}, {where}{facts}.")
    return lines


def _where(skills: SkillSet, stories: Sequence[Story]) -> str:
    calls = Counter(call.skill for story in stories for call in story.calls)
    steps: Counter[str] = Counter()
    for story in stories:
        for call in story.calls:
            steps[call.skill] += call.steps
    total, all_steps = max(1, sum(calls.values())), max(1, sum(steps.values()))
    spent = [
        f"{skill} {count / total:.0%} of the calls and {steps[skill] / all_steps:.0%} of the steps" for skill, count in calls.most_common()
    ]
    never = [skill for skill in skills.ids if skill not in calls]
    return f"Where its calls go: {', '.join(spent) or 'nowhere'}" + (f"; it never calls {', '.join(never)}." if never else ".")


def _ends(stories: Sequence[Story]) -> list[str]:
    claimed = [story for story in stories if story.claimed]
    died = sum(story.died and not story.claimed for story in stories)
    lines = []
    if claimed:
        steps = sorted(story.steps for story in claimed)
        false = sum(not story.success for story in claimed)
        wrong = f", wrongly in {false} of them" if false else ""
        middle = f"after {steps[len(steps) // 2]:,} steps (median)"
        lines.append(f"It says that the task is done in {len(claimed)} of {len(stories)} episodes, {middle}{wrong}.")
    else:
        lines.append(f"It never says that the task is done in {len(stories)} episodes.")
    if died:
        lines.append(f"The game ends before that in {died}.")
    cut = len(stories) - len(claimed) - died
    if cut:
        lines.append(f"The time is up before that in {cut}.")
    return lines


def _said(source: str) -> list[str]:
    read = _Source.read(source)
    lines = [f"It stops when this holds: {read.done}." if read.done else "It has no is_done, so it never stops by itself."]
    if read.memory:
        lines.append(f"It remembers {', '.join(read.memory)}.")
    if read.interrupts:
        lines.append("It may take control back from a skill before that is over.")
    return lines


def as_json(stories: Sequence[Story]) -> Mapping[str, object]:
    """The counts behind ``observed``, as plain values."""
    calls = Counter(call.skill for story in stories for call in story.calls)
    chosen = {"succeeds": typical([s for s in stories if s.success]), "fails": typical([s for s in stories if not s.success])}
    return {
        "episodes": len(stories),
        "accomplished": sum(story.success for story in stories),
        "claimed": sum(story.claimed for story in stories),
        "died": sum(story.died for story in stories),
        "calls": dict(calls.most_common()),
        "chains": {name: chain(story) for name, story in chosen.items() if story is not None},
    }
