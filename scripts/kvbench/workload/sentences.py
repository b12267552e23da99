"""An endless seeded stream of plain English sentences, from which synthetic prompts are cut."""

from __future__ import annotations

import numpy as np

from kvbench.workload.draws import below


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ADJECTIVES = _words(
    """
    old quiet bright narrow distant heavy gentle early careful broken silver northern hidden common warm
    empty patient sudden modern curious steady wooden clear deep foreign simple golden strange public
    winter
    """
)
NOUNS = _words(
    """
    river teacher engine window market garden doctor village letter mountain student bridge captain
    library forest machine farmer island kitchen painter station harbour valley writer factory lantern
    sailor museum road child question answer storm memory city journey story animal table number
    """
)
VERBS = _words(
    """
    followed repaired watched described carried opened measured remembered crossed painted counted
    collected visited protected changed ignored answered drew built sold learned explained left found
    heard moved
    """
)
PREPOSITIONS = _words(
    """
    near behind beyond under beside across before after without inside above against
    """
)
ADVERBS = _words(
    """
    slowly often finally once again yesterday together carefully never always suddenly quietly
    """
)
OPENINGS = ("In the morning", "Some years later", "Nobody knew why", "By then", "For a long time", "At last", "Even so")

Slots = tuple[tuple[str, ...], ...]
PATTERNS: tuple[tuple[str, Slots], ...] = (
    ("The {} {} {} the {} {} the {}.", (ADJECTIVES, NOUNS, VERBS, NOUNS, PREPOSITIONS, NOUNS)),
    ("{}, a {} {} {} every {} {}.", (OPENINGS, ADJECTIVES, NOUNS, VERBS, NOUNS, ADVERBS)),
    ("Why has the {} {} {} a {} {} the {}?", (NOUNS, ADVERBS, VERBS, NOUNS, PREPOSITIONS, NOUNS)),
    ("{} the {} and the {} {} {} {}.", (OPENINGS, NOUNS, NOUNS, VERBS, NOUNS, ADVERBS)),
)


def paragraph(bits: np.random.PCG64, sentences: int) -> str:
    """A paragraph of `sentences` sentences."""
    draws = below(bits, 1 << 20, 8 * sentences).reshape(sentences, 8)
    return " ".join(_sentence(row) for row in draws.tolist())


def _sentence(row: list[int]) -> str:
    pattern, slots = PATTERNS[row[0] % len(PATTERNS)]
    return pattern.format(*(words[draw % len(words)] for words, draw in zip(slots, row[1:], strict=False)))
