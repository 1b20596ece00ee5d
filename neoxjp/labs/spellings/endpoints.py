"""The endpoints /compare and /spellings: a text in its spellings, over several tokenizers."""

from dataclasses import asdict
from typing import Any

from neoxjp import japanese
from neoxjp.errors import ParameterError
from neoxjp.labs.common.glyphs import replace_surrogates
from neoxjp.labs.spellings import records as matrix
from neoxjp.labs.spellings.section import opened
from neoxjp.page_parts.answers import check_length
from neoxjp.page_parts.endpoints import Endpoint, Tool, endpoint
from neoxjp.page_parts.session.playground import Playground

MOST_TOKENIZERS = 8  # of one call of /compare


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's actions as API: /compare and /spellings."""

    @endpoint(
        "compare",
        at_once=None,
        queue=False,
        needs="vocabulary",
        tool=Tool("Compare spellings and tokenizers", open_world=True),
    )
    def compare(
        text: str,
        tokenizers: list[str] | None = None,
        own_spelling: str = "",
        spellings: list[str] | None = None,
        readings: dict[str, str] | None = None,
    ) -> list[matrix.Cell]:
        """Count the tokens of a text in its spellings, with one tokenizer or several.

        Args:
            text: The text; kanji are read by a dictionary.
            tokenizers: Any of "neoxjp", "compat", "gpt-4o", "gpt-4", "bytes", "characters", "sudachi-a", "sudachi-b",
                "sudachi-c", "tekken", "deepseek", "qwen3.6", "rinna", "llm-jp", "swallow", "qwen", "gemma"; where the page is
                not public also a path or a Hub id.
                Default: ["neoxjp"].
            own_spelling: One more spelling of your own, such as another wording.
            spellings: Any of "hiragana", "katakana", "halfwidth", "romaji", "old_kanji", "new_kanji", beside the text as
                written. Default: the first three.
            readings: Corrected readings, {"日本": "にっぽん"}.

        Returns:
            One record for each spelling and tokenizer: spelling, tokenizer, tokens, characters, utf8_bytes,
            characters_per_token, ratio (to the text as written), text, pieces (with their separator), error (null). In the
            records of a tokenizer that cannot be opened, the numbers and pieces are null, and error is the reason. The call
            fails only if none can be opened.
        """
        check_length(playground, text, playground.limits.compared)
        check_length(playground, own_spelling, playground.limits.compared)
        if not isinstance(tokenizers, list | None) or not all(isinstance(name, str) for name in tokenizers or []):
            raise ParameterError(f"tokenizers={str(tokenizers)[:40]!r}: expected a list of names")
        if tokenizers and len(tokenizers) > MOST_TOKENIZERS:
            raise ParameterError(f"{len(tokenizers)} tokenizers: compare {MOST_TOKENIZERS} at a time")
        found = spelled(text, spellings, readings)
        if own_spelling:
            found.append(japanese.Spelling("custom", replace_surrogates(own_spelling)))
        columns = opened(playground, tokenizers or ["neoxjp"])
        closed = [column.problem for column in columns if column.problem]
        if len(closed) == len(columns):
            raise closed[0]
        return matrix.records(matrix.matrix(found, columns))

    @endpoint("spellings", at_once=None, queue=False, needs="vocabulary")
    def spellings(text: str, spellings: list[str] | None = None, readings: dict[str, str] | None = None) -> dict[str, Any]:
        """Write a text in its spellings, and give the reading of each word.

        Args:
            text: The text; kanji are read by a dictionary, which can be wrong (日本 is にほん or にっぽん).
            spellings: Any of "hiragana", "katakana", "halfwidth", "romaji", "old_kanji", "new_kanji". Default: all.
            readings: Corrected readings, {"日本": "にっぽん"}.

        Returns:
            "words": surface, start, end, reading (null if it has none) and unknown (its kanji could not be read);
            they cover the whole text. "spellings": for each its key, its text, the span of each word in it, and, for kanji forms,
            "unsure": characters with an ambiguous form, "unstable": characters that NFC converts back.
        """
        check_length(playground, text, playground.limits.compared)
        found = spelled(text, list(japanese.ALL_KEYS) if spellings is None else spellings, readings)
        fields = ("surface", "start", "end", "reading", "unknown")
        return {
            "words": [{name: getattr(word, name) for name in fields} for word in found[0].readings],
            "spellings": [spelling_record(found[0].text, spelling) for spelling in found],
        }

    return [compare, spellings]


def spelled(text: str, names: Any, corrected: Any) -> list[japanese.Spelling]:
    """The text in the spellings that a caller asks for. Raises ParameterError."""
    return japanese.spellings(replace_surrogates(text), readings_of(corrected), keys_of(names))


def spelling_record(written: str, spelling: japanese.Spelling) -> dict[str, Any]:
    """A spelling of the text `written`, as the API gives it."""
    spans = [list(span) for span in spelling.spans]
    return {"spelling": spelling.key, "text": spelling.text, "spans": spans} | asdict(matrix.doubts(written, spelling))


def keys_of(names: Any) -> list[japanese.SpellingKey]:
    """The spellings that a caller asks for, the text as written first. Raises ParameterError."""
    if names is None:
        return list(japanese.KEYS)
    if not isinstance(names, list) or not all(name in japanese.ALL_KEYS for name in names):
        raise ParameterError(f"spellings={str(names)[:60]!r}: choose from {', '.join(japanese.ALL_KEYS)}")
    return list(dict.fromkeys(["written", *names]))


def readings_of(given: Any) -> dict[str, str]:
    """A caller's corrected readings. Raises ParameterError."""
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(kana, str) for kana in given.values()) or len(given) > 200:
        raise ParameterError(
            f"readings={str(given)[:60]!r}: expected an object such as {{'日本': 'にっぽん'}}, at most 200 words"
        )
    return {replace_surrogates(word)[:40]: replace_surrogates(kana)[:60] for word, kana in given.items() if word and kana}
