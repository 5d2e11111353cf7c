"""What is shown to be pasted means in a shell what it says, and is seen whole."""

from __future__ import annotations

import subprocess

import pytest

from batchgen.runner.shell_quoting import quoted_word

WORDS = {
    "plain": "a b",
    "quotes": 'it\'s "so"; $(date) `id`',
    "escape": "a\x1b]52;c;cm0=\x07b",
    "bidi": "gpj.\u202eexe",
    "zero-width": "\u200b",
    "picture": "\U0001f468\u200d\U0001f469",
    "line-break": "a\nb",
}


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
def test_a_quoted_word_is_the_word_to_a_shell_and_text_to_a_terminal(word: str) -> None:
    quoted = quoted_word(word)

    done = subprocess.run(
        ["sh", "-c", f"printf %s {quoted}"], capture_output=True, check=True
    )

    assert done.stdout.decode() == word
    assert not set("\x1b\x07\u202e\u200b") & set(quoted)
