"""The chat annotator against a real engine: ``transformers serve`` with a tiny model that says nonsense.

    python -m venv /tmp/engine && /tmp/engine/bin/pip install 'transformers[serving]' torch
    python benchmarks/real_server.py --engine /tmp/engine --project COPY-OF-A-PROJECT --pairs 200

The engine's environment is its own. A Llama of two layers with random weights and a tokenizer trained on the spot are saved to disk and
served; ``annotate`` then asks it about pairs at full concurrency. Its answers are noise, so nearly all must end unparsed; what is measured
is that every pair ends, and no call is lost, doubled, or refused by a server that this package did not write. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import urllib3

from maestromotif.feedback import AnnotateConfig, PreferenceTable, annotate
from maestromotif.llm import CallStore, ChatConfig, Ledger, make_chat
from maestromotif.project import Project
from maestromotif.skills import SkillSet

MODEL = """
import sys
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
import torch

folder, corpus = sys.argv[1:]
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
special = ["<s>", "</s>", "<pad>"]
alphabet = pre_tokenizers.ByteLevel.alphabet()
tokenizer.train([corpus], trainers.BpeTrainer(vocab_size=1000, special_tokens=special, initial_alphabet=alphabet))
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
fast.chat_template = (
    "{% for message in messages %}<s>{{ message['role'] }}: {{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant: {% endif %}"
)
fast.save_pretrained(folder)
torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=len(fast), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
    max_position_embeddings=4096, bos_token_id=0, eos_token_id=1, pad_token_id=2,
)
LlamaForCausalLM(config).save_pretrained(folder)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", type=Path, required=True, help="virtual environment with transformers[serving]")
    parser.add_argument("--project", type=Path, required=True, help="a project with captions; nothing in it is changed")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=24)
    parser.add_argument("--structured", default="auto", choices=["auto", "off"])
    options = parser.parse_args()
    project = Project.open(options.project)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        model = work / "tiny-llama"
        corpus = work / "corpus.txt"
        corpus.write_text(project.domain.knowledge + "\n".join(skill.preference_text for skill in project.skills))
        subprocess.run([options.engine / "bin" / "python", "-c", MODEL, model, corpus], check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [options.engine / "bin" / "transformers", "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
        with open(work / "engine.log", "wb") as log:
            engine = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait(f"http://127.0.0.1:{port}/v1/models", engine)
            print(json.dumps(_annotate(project, options, f"http://127.0.0.1:{port}/v1", str(model), work), indent=1))
        finally:
            engine.terminate()
            engine.wait()
            shutil.copy(work / "engine.log", tempfile.gettempdir())


def _wait(url: str, engine: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until and engine.poll() is None:
        try:
            if urllib3.request("GET", url, timeout=5, retries=False).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            time.sleep(0.5)
    raise SystemExit("the engine does not answer; see engine.log in the folder for temporary files")


def _annotate(project: Project, options: argparse.Namespace, url: str, model: str, work: Path) -> dict[str, object]:
    chat_config = ChatConfig(kind="openai", base_url=url, model=model, timeout=300.0)
    config = AnnotateConfig(
        annotator="chat",
        pairs=options.pairs,
        pairing="uniform",
        concurrency=options.concurrency,
        max_tokens=options.max_tokens,
        options={"structured": options.structured},
    )
    skills = SkillSet(project.skills.skills[:1])
    captions = project.folder("collect") / "captions.parquet"
    chat = make_chat(chat_config, project.domain, work / "llm")
    began = time.monotonic()
    (result,) = annotate(project.domain, skills, captions, config, chat, work, project.seed)
    seconds = time.monotonic() - began
    skill = skills.skills[0].id
    table = PreferenceTable.load(work / f"preferences-{skill}.parquet", project.domain, skill)
    entries = list(Ledger(work / "llm" / "ledger.jsonl").entries())
    asked = Counter((request.messages[1].content, len(request.messages)) for _, request, _ in CallStore(work / "llm").calls())
    return {
        "pairs": len(table),
        "distinct": len({row.pair for row in table.preferences}),
        "verdicts": result.counts,
        "reasons": dict(Counter(row.reason for row in table.preferences)),
        "warnings": result.warnings,
        "calls": len(entries),
        "outcomes": dict(Counter(entry.outcome for entry in entries)),
        "stored": sum(asked.values()),
        "most_stored_of_one_question": max(asked.values()),
        "prompt_tokens": sum(entry.prompt_tokens for entry in entries),
        "completion_tokens": sum(entry.completion_tokens for entry in entries),
        "answer": next(reply.text for _, _, reply in CallStore(work / "llm").calls()),
        "seconds": round(seconds, 1),
    }


if __name__ == "__main__":
    main()
