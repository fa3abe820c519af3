from __future__ import annotations

from node.config import Settings, configuration_markdown
from node.config.settings import SECTIONS
from node.config.source import leaf_paths
from tests.data import REPOSITORY


def test_reference__file_in_docs__is_what_the_code_says() -> None:
    path = REPOSITORY / "docs" / "configuration.md"
    assert path.read_text(encoding="utf-8") == configuration_markdown(), (
        "run: .venv/bin/python -m node.config > docs/configuration.md"
    )


def test_reference__every_key__has_a_line_with_words() -> None:
    text = configuration_markdown()
    for key in [key for _, key in leaf_paths()] + list(Settings.model_fields):
        rows = [row for row in text.splitlines() if row.startswith(f"| `{key}` |")]
        assert key in SECTIONS or rows, key
        assert all(len(row.split("|")[3].strip()) > 4 and "None" not in row for row in rows), rows
