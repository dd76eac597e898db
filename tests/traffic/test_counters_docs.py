"""The code in docs/counters.md runs, in order."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "counters.md"


def test_blocks_of_the_page_run():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["quality"] == ["good", "good", "gap", "gap", "reset", "good"]
