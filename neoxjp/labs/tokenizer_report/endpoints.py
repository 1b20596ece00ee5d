"""The endpoint /tokenizer_report: a text measured with many tokenizers."""

from typing import Any

from neoxjp.errors import ParameterError
from neoxjp.labs.tokenizer_report.formats import to_json
from neoxjp.labs.tokenizer_report.section import DEFAULT, measure_text
from neoxjp.labs.tokenizer_report.strings import strings
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.session.playground import Playground


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's action as API."""

    @endpoint("tokenizer_report", at_once=2, needs="vocabulary")
    def tokenizer_report(text: str, tokenizers: list[str] | None = None) -> dict[str, Any]:
        """Compare tokenizers on a text: its length, losses, Rényi efficiency, and how stable they are over spellings.

        Args:
            text: The text; the first 20,000 characters are measured.
            tokenizers: Keys such as "neoxjp", "compat", "gpt-4o", "bytes", "characters", "sudachi-c", "tekken", at most 12.

        Returns:
            "rows": for each tokenizer key, name, problem, tokens, vocabulary, characters_per_token, byte_fallback, lost,
            ids_unused, renyi, spelling, cuts, megabytes_per_second. "measures": what each of them means, in Japanese ("ja") and
            English ("en"), with its weakness. "domains": size of the text.
        """
        if not isinstance(tokenizers, list | None) or not all(isinstance(key, str) for key in tokenizers or []):
            raise ParameterError(f"tokenizers={str(tokenizers)[:40]!r}: expected a list of keys")
        *_, last = measure_text(playground, text, DEFAULT if tokenizers is None else tokenizers, strings.words("en"))
        return to_json(last)  # type: ignore[arg-type]

    return [tokenizer_report]
