"""The words of the tokenizer lab, one file a section: `WORDS` maps a key to (Japanese, English)."""

from neoxjp.ui.words import corpus, lexicon, links, matrix, roundtrip, why

WORDS: dict[str, tuple[str, str]] = {}
for section in (matrix, why, roundtrip, lexicon, corpus, links):
    assert not WORDS.keys() & section.WORDS.keys(), f"{section.__name__} says again {WORDS.keys() & section.WORDS.keys()}"
    WORDS |= section.WORDS
