"""Cost of every network, core and conditioning on this machine, as processor time of one thread: ``python benchmarks/networks.py``."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from maestromotif.domains.contract import DENSE, ObservationSpec
from maestromotif.domains.registry import load_domain
from maestromotif.rl import NetworkConfig, SkillPolicy

NETWORKS = ("small", "light", "reference")
CORES = ("gru", "lstm", "ff")
CONDITIONINGS = ("onehot", "film", "multihead", "separate", "hypernetwork")
GAMES, STEPS = 64, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domain", default="nethack")
    parser.add_argument("--skills", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=20, help="the lower quartile of so many measurements is shown")
    options = parser.parse_args()
    torch.set_num_threads(1)
    domain = load_domain(options.domain)
    cases = [(network, core, "onehot") for network in NETWORKS for core in CORES]
    cases += [(network, "auto", conditioning) for network in NETWORKS for conditioning in CONDITIONINGS[1:]]
    print(f"{'network':10} {'core':5} {'conditioning':13} {'parameters':>11} {'forward':>9} {'with backward':>14}   us per sample")
    for network, core, conditioning in cases:
        config = NetworkConfig.model_validate({"network": network, "core": core, "conditioning": conditioning})
        policy = SkillPolicy(domain.observation_for(network), [f"skill_{index}" for index in range(options.skills)], config)
        forward, both = measure(policy, options.repeats)
        print(f"{network:10} {config.core:5} {conditioning:13} {policy.parameter_count:11,} {forward:9.1f} {both:14.1f}", flush=True)


def measure(policy: SkillPolicy, repeats: int) -> tuple[float, float]:
    """Microseconds per sample: a step of 64 games, and a forward and backward pass over 16 steps of them."""
    count = len(policy.skills)
    generator = torch.Generator().manual_seed(0)
    now, memory = observe(policy.spec, GAMES), policy.initial(GAMES)
    skill = torch.randint(count, (GAMES,), generator=generator)
    with torch.inference_mode():
        forward = lower_quartile(lambda: policy.step(now, skill, memory), repeats)
    chunk, keep = observe(policy.spec, GAMES, STEPS), torch.ones(GAMES, STEPS)
    skills = skill[:, None].expand(GAMES, STEPS).contiguous()

    def learn() -> None:
        logits, value = policy.sequence(chunk, skills, memory, keep)
        torch.autograd.backward(torch.log_softmax(logits, 1).sum() + value.sum())

    learn()  # Gradients are kept from step to step, as the learner keeps them.
    return forward / GAMES * 1e6, lower_quartile(learn, repeats) / GAMES / STEPS * 1e6


def observe(spec: ObservationSpec, *leading: int) -> dict[str, Tensor]:
    """Random observations."""
    generator = torch.Generator().manual_seed(1)
    sizes: dict[str, int] = {name: bag.size for name, bag in spec.bags.items()}
    sizes |= {name: grid.size for name, grid in spec.grids.items()} | dict.fromkeys(spec.texts, 128)
    found = {}
    for name, (shape, _) in spec.layout().items():
        high = sizes.get(name, 2)
        found[name] = torch.randint(0 if name in sizes else 1, high, (*leading, *shape), generator=generator, dtype=torch.int32)
    if spec.dense:
        found[DENSE] = torch.rand(*leading, spec.dense, generator=generator)
    return found


def lower_quartile(work: Callable[[], Any], repeats: int) -> float:
    """Seconds of processor time."""
    work()
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return sorted(times)[repeats // 4]


if __name__ == "__main__":
    main()
