"""Fixed prompts: the guide's four and the parity gate's sixteen."""

from __future__ import annotations

GUIDE = (
    "Hello!",
    "How are you doing today? I hope everything is going well.",
    "Tell me a story about artificial intelligence and machine learning. " * 10,
    "Thanks!",
)

PARITY = (
    "The capital of France is",
    "Hello!",
    "def fibonacci(n):\n    if n < 2:\n        return n\n    return",
    "1, 1, 2, 3, 5, 8, 13, 21,",
    "Write a short letter to a friend who has moved to another city. Tell her about the weather, the garden, the new "
    "neighbours and their dog, and ask her when she will come to visit. Keep it warm and simple.",
    "Übersetze ins Englische: Der Zug kommt heute später an, weil es in der Nacht geschneit hat.",
    '{"name": "Ada", "born": 1815, "fields": ["mathematics", "computing"], "notes": ',
    "Q: What is 17 times 23?\nA: Let us work it out step by step.",
    "a b c a b c a b c a b c a b c a b c a b c a b c",
    "Summarise in one sentence: A cache keeps results that are costly to compute close at hand. When the same question "
    "comes again, the answer is taken from the cache. A cache that is too small forgets too early, and one that is too "
    "large wastes memory that other work could use. Choosing its size is therefore a trade between speed and space, "
    "and the right choice depends on which questions come again, and how soon.",
    "你好，请介绍一下你自己。",
    "| city | country |\n| --- | --- |\n| Oslo | Norway |\n| Lima |",
    "Once upon a time",
    "SELECT customer_id, SUM(amount) AS total FROM orders WHERE",
    "🙂🙃🙂🙃🙂",
    "Explain to a ten-year-old why the sky is blue, why sunsets are red, and why the sky on the Moon is black even at "
    "noon. Use things that one can see in a kitchen: a glass of water, a drop of milk, a torch. First say what light "
    "is made of. Then say what happens when it meets something very small. Then say what changes when the light has to "
    "go a longer way through the air. Finally say what is missing on the Moon. Do not use any word that a child of "
    "that age would have to look up, and do not write more than ten sentences.",
)
