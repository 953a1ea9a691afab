"""What the chat annotator adds to a server's own time: pairs a second against a server of known speed, and processor time of each part.

    python benchmarks/chat.py --pairs 20000 --out benchmarks/results/chat.json

The server runs in a process of its own on this machine (``maestromotif.llm.loadserver``: 32 questions at a time, 50 ms each, so at most 640
a second; 5 % of the questions meet a fault). It shares the cores with the client, as a real server would not.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from maestromotif.domains.corridor import Corridor
from maestromotif.feedback import AnnotateConfig, CaptionTable, PreferenceTable, annotate
from maestromotif.files import write_atomically
from maestromotif.llm import CallStore, ChatConfig, ChatReply, ChatRequest, Ledger, Message, StoredChat, make_chat, map_concurrently
from maestromotif.llm.testing import LoadServer
from maestromotif.skills import SkillSet
from maestromotif.types import Caption, RewardInput, Verdict

DOMAIN = Corridor()
SLOTS, LATENCY, FAULTS, THREADS = 32, 0.05, 0.05, 48


class Instant:
    """A model that answers at once."""

    id = "instant"

    def complete(self, request: ChatRequest) -> ChatReply:
        return ChatReply("VERDICT: 1", prompt_tokens=500, completion_tokens=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2_000)
    parser.add_argument("--out", type=Path, help="write the numbers here as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        found = {
            "pairs": options.pairs,
            "server": {"slots": SLOTS, "seconds": LATENCY, "faults": FAULTS},
            "threads": THREADS,
            "load_average": round(os.getloadavg()[0], 1),
            "without_faults": _annotate(work / "plain", options.pairs, 0.0),
            "with_faults": _annotate(work / "faults", options.pairs, FAULTS),
            "milliseconds_of_this_process_per_call": _parts(work / "parts"),
        }
    print(json.dumps(found, indent=1))
    if options.out:
        write_atomically(options.out, json.dumps(found, indent=1) + "\n")


def _annotate(work: Path, pairs: int, faults: float) -> dict[str, object]:
    skills = SkillSet((SkillSet.parse(DOMAIN.skills_toml)["go_left"],))
    captions = work / "captions.parquet"
    rng = np.random.default_rng(1)
    entries = {}
    for key in range(400):
        signs = tuple(int(rng.integers(len(spec.values))) for spec in DOMAIN.sign_specs)
        entries[key] = (Caption(f"Message: thing number {key} happens.", RewardInput(f"thing number {key} happens", signs)), 1)
    CaptionTable.build(entries, len(DOMAIN.sign_specs)).save(captions, DOMAIN, {})
    config = AnnotateConfig(annotator="chat", pairing="uniform", pairs=pairs, concurrency=THREADS)
    with LoadServer(SLOTS, LATENCY, faults) as server:
        chat_config = ChatConfig(kind="openai", base_url=server.url, model="load", timeout=3.0, backoff=0.05)
        chat = make_chat(chat_config, DOMAIN, work / "llm")
        began, busy = time.monotonic(), time.process_time()
        annotate(DOMAIN, skills, captions, config, chat, work, 1)
        seconds, busy = time.monotonic() - began, time.process_time() - busy
        stats = server.stats()
    table = PreferenceTable.load(work / "preferences-go_left.parquet", DOMAIN, "go_left")
    return {
        "pairs": len(table),
        "distinct": len({row.pair for row in table.preferences}),
        "without_verdict": dict(Counter(row.reason for row in table.preferences if row.verdict is Verdict.UNPARSED)),
        "stored": sum(1 for _ in CallStore(work / "llm").calls()),
        "server": stats,
        "seconds": round(seconds, 1),
        "pairs_a_second": round(len(table) / seconds),
        "share_of_what_the_server_allows": round(len(table) / seconds / (SLOTS / LATENCY), 3),
        "milliseconds_of_this_process_per_pair": round(1e3 * busy / len(table), 2),
    }


def _parts(work: Path, calls: int = 2_000) -> dict[str, float]:
    system = Message("system", DOMAIN.knowledge * 3)
    requests = [ChatRequest("bench/compare/x", (system, Message("user", f"Question {number}? " * 40))) for number in range(calls)]
    found = {}
    with LoadServer(SLOTS, LATENCY) as server:
        chat = make_chat(ChatConfig(kind="openai", base_url=server.url, model="load"), DOMAIN, None)
        found["http"] = _time(lambda: [None for _ in map_concurrently(chat.complete, requests, THREADS)], calls)
    stored = StoredChat(Instant(), CallStore(work), Ledger(work / "ledger.jsonl"))
    found["store_and_ledger"] = _time(lambda: [stored.complete(request) for request in requests], calls)
    found["answered_from_the_store"] = _time(lambda: [stored.complete(request) for request in requests], calls)
    return found


def _time(work: Callable[[], object], calls: int) -> float:
    before = time.process_time()
    work()
    return round(1e3 * (time.process_time() - before) / calls, 3)


if __name__ == "__main__":
    main()
