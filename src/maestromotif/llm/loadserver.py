"""A chat-completions server with known speed and known faults, in a process of its own: for load tests and benchmarks.

``python -m maestromotif.llm.loadserver --slots 32 --latency 0.05 --faults 0.05`` prints the port it listens on. ``GET /stats`` tells what
it was asked. It answers ``slots`` questions at a time, each in ``latency`` seconds; further ones wait. Verdicts follow from the question's
digest. Of all questions a share of ``faults`` meets a fault: a refusal for ever, or, when first asked, 500, a lost connection, an answer
cut short, no answer at all; now and then everything is refused for a tenth of a second with 429 and Retry-After.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import sys
from collections import Counter
from typing import Any

__all__ = ["main"]

# Parts of all faults; the rest are moments of refusal.
_SHARES = {"500": 0.2, "dropped": 0.2, "truncated": 0.2, "stalled": 0.05, "refused": 0.2}
_REFUSES_FOR = 0.1
_REFUSED_AT_ONCE = 32
_STALL = 60.0


class _Server:
    def __init__(self, slots: int, latency: float, faults: float, seed: int) -> None:
        self._slots = asyncio.Semaphore(slots)
        self._latency = latency
        self._faults = faults
        self._rng = random.Random(seed)  # noqa: S311 - a script of faults, nothing else
        self._refuses_until = 0.0
        self._asked: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()
        self._met: Counter[str] = Counter()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; False ends the connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if head.startswith(b"get"):
            stats = {
                "questions": len(self._asked),
                "requests": sum(self._asked.values()),
                "answered": len(self._answered),
                "most_answers": max(self._answered.values(), default=0),
                "faults": dict(self._met),
            }
            writer.write(_response(200, json.dumps(stats).encode()))
            return True
        size = next(int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.startswith(b"content-length"))
        body = await reader.readexactly(size)
        key = hashlib.sha256(json.dumps(json.loads(body)["messages"]).encode()).hexdigest()
        fault = self._fault(key)
        self._asked[key] += 1
        self._met.update([fault] if fault else [])
        if fault == "429":
            writer.write(_response(429, b"slow down", f"Retry-After: {_REFUSES_FOR}\r\n"))
            return True
        if fault == "dropped":
            return False
        if fault == "stalled":
            await asyncio.wait_for(reader.read(1), _STALL)
            return False
        async with self._slots:
            await asyncio.sleep(self._latency)
        if fault == "500":
            writer.write(_response(500, b"oops"))
            return True
        verdict = f"Because.\nVERDICT: {1 + int(key, 16) % 2}"
        answer = _completion("I'm sorry, but I can't help with that." if fault == "refused" else verdict)
        if fault == "truncated":
            writer.write(_response(200, answer[: len(answer) // 2]))
            return True
        self._answered[key] += 1
        writer.write(_response(200, answer))
        return True

    def _fault(self, key: str) -> str:
        now = asyncio.get_running_loop().time()
        moments = self._faults * (1 - sum(_SHARES.values())) / _REFUSED_AT_ONCE
        if now >= self._refuses_until and self._rng.random() < moments:
            self._refuses_until = now + _REFUSES_FOR
        if now < self._refuses_until:
            return "429"
        # From the question alone, so that a refusal is for ever.
        place = int(key[:12], 16) / 16**12 / self._faults if self._faults else 1.0
        for name, share in _SHARES.items():
            if place < share:
                return name if name == "refused" or self._asked[key] == 0 else ""
            place -= share
        return ""


def _completion(text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 500, "completion_tokens": 100}
    document: dict[str, Any] = {"object": "chat.completion", "model": "load", "choices": [choice], "usage": usage}
    return json.dumps(document).encode()


def _response(status: int, body: bytes, more: str = "") -> bytes:
    return f"HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=32)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds")
    parser.add_argument("--faults", type=float, default=0.0, help="share of questions that meet one")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    server = _Server(options.slots, options.latency, options.faults, options.seed)
    listening = await asyncio.start_server(server.talk, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{listening.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
