"""Reading files that are appended to."""

from __future__ import annotations

import json
from pathlib import Path

from maestromotif.files import whole_lines

_ODD = "a\u2028b\u2029c\x85d\x0ce\u001cf"


def test_lines_end_with_a_line_feed_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes((json.dumps({"said": _ODD}, ensure_ascii=False) + "\n").encode() * 2)
    assert [json.loads(line)["said"] for line in whole_lines(path)] == [_ODD, _ODD]


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    assert whole_lines(path) == []
    for content, expected in ((b"", []), (b'{"a"', []), (b'{"a": 1}\n{"a', [b'{"a": 1}']), (b"1\n2\n", [b"1", b"2"])):
        path.write_bytes(content)
        assert whole_lines(path) == expected
