"""What each check is for, and what to change where it fails: for people who bring a domain of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ADVICE", "LOADING", "Advice", "advice_for"]

LOADING = "loading"


@dataclass(frozen=True, slots=True)
class Advice:
    """Two sentences: why a check matters, and what to change where it fails."""

    why: str
    remedy: str


ADVICE: Mapping[str, Advice] = {
    LOADING: Advice(
        "Nothing can be done with a domain that cannot be made.",
        "Mend what the message names; a factory takes the options and returns a Domain.",
    ),
    "observations": Advice(
        "Networks are built from observation_spec; an index outside its bag or a value that is no number ends a training.",
        "Write arrays with just the shapes and types of observation_spec.layout(); scale dense values to about [-1, 1]; "
        "allow one action at least in every living game.",
    ),
    "bind": Advice(
        "Workers write into memory that they share with the trainer.",
        "Write into self.observation[name][...] in place, and set the action mask at every reset; never replace the arrays.",
    ),
    "a reset game lives": Advice(
        "A game that stays terminated would be reset for ever, and nothing would be learnt.", "Set terminated_B[game] = False in reset."
    ),
    "same seed, same game": Advice(
        "Runs are repeatable, interrupted ones go on exactly, and policies are compared on the same episodes.",
        "Take all randomness from the seed that reset gets: no global random, no clock, no set order, nothing left from the last episode.",
    ),
    "other seed, other game": Advice(
        "Skills that have seen one beginning only know that one, and an evaluation would play one episode many times.",
        "Use the seed in reset. If the world is meant to begin alike, let it: --allow 'other seed, other game'.",
    ),
    "games are independent": Advice(
        "How games are spread over processes must not change how they go.",
        "Keep the state of each game apart; no class attributes, no globals.",
    ),
    "all games at once": Advice(
        "Training uses the fast forms, everything else the plain ones.",
        "Let reward_keys, discount_keys and fact_numbers say what reward_key, discount_key and facts say, or leave them out.",
    ),
    "explorer": Advice(
        "Captions to be compared come from the explorer's play.",
        "Return int64 [B] of allowed actions, or float32 [B, A] in [-1, 1] where they are continuous; randomness is of the seed alone.",
    ),
    "explorer keeps to the mask": Advice(
        "An action that the mask forbids may do anything.", "Choose only where env.observation['action_mask'] is 1."
    ),
    "words": Advice("They are what people and language models know of the domain.", "Fill in what the message names."),
    "facts": Advice(
        "Programs are written from the documentation of facts alone; a program meets what it says, or fails.",
        "Give each fact exactly its type, int(...), float(...), bool(...) or str(...), within its values, least and most; "
        "or mend its FactSpec.",
    ),
    "facts are snapshots": Advice(
        "Programs compare the present facts with those at the start of a call.",
        "Return new objects without setters; facts_class makes them.",
    ),
    "possible facts": Advice(
        "Programs are tried on drawn facts, and would be blamed for what cannot be.", "Leave facts that have occurred as they are."
    ),
    "reward keys": Advice(
        "Rewards are looked up by key: two inputs with one key get one reward.",
        "Make the key from everything in the RewardInput, with a hash that is the same in every process (not hash() of a text).",
    ),
    "signs": Advice(
        "Reward models read signs as categories by their index.",
        "Give one int for each SignSpec, from 0, which means that nothing happened, to the number of its values less one.",
    ),
    "captions": Advice(
        "Captions are what a judge compares, and each distinct one has a reward: they have to differ where it matters, and not elsewhere.",
        "Return Caption(text, RewardInput(message, signs)) with a sentence for every step; leave numbers with many values out.",
    ),
    "tasks": Advice(
        "A criterion that is met at once, or that is lost again, measures nothing.",
        "Give each task a description, a limit and a criterion 'landmark' that begins as False and stays True once met.",
    ),
    "call measures": Advice(
        "Reports say with them how often skills succeed.", "Return a plain bool from two facts objects, False where they are equal."
    ),
    "simulator": Advice(
        "Programs are tried on it before they drive an agent.",
        "Make the same facts and the keys of truth, take any skill's id, and use the seed.",
    ),
    "recorded answers": Advice(
        "Without a language model, they stand for its answers; a text that was changed has none.",
        "Record answers for the present texts, or ask a model: kind = \"openai\" under [chat].",
    ),
    "spaces": Advice(
        "Observations are scaled by the bounds of their space, and categories counted by it.",
        "Mend observation_space, or what reset and step return.",
    ),
}


def advice_for(name: str) -> Advice:
    """The advice on a check; a general one for a domain's own check."""
    return ADVICE.get(name, Advice("The domain brings this check itself.", "Mend what the message names."))
