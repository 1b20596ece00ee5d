"""The endpoint /corpus: a text, or a file that was sent before, counted as on the page."""

import io
import time
from dataclasses import asdict
from typing import Any

from neoxjp.compare import open_peer
from neoxjp.errors import ParameterError, QueueFull
from neoxjp.labs.common import html as render
from neoxjp.labs.corpus import records as corpus
from neoxjp.labs.corpus.section import LONGEST_NAME, TOLD, _keys, _run
from neoxjp.labs.corpus.strings import strings
from neoxjp.page_parts import uploads
from neoxjp.page_parts.answers import check_length
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.session import Playground

PATIENCE = 60  # seconds that a call waits in the line


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's action as API: /corpus."""

    @endpoint("corpus", at_once=4, needs="vocabulary")
    def count(
        text: str = "", file: str = "", name: str = "", column: str = "", encoding: str = "", tokenizers: list[str] | None = None
    ) -> dict[str, Any]:
        """Count what a corpus costs in tokens and what decoding would lose of it.

        Args:
            text: The corpus itself, up to the length that the page takes for one text.
            file: Or the key of a file: POST its bytes to neoxjp/file as application/octet-stream, at most 50 MB; the answer
                is {"file": key}. It is deleted once it is counted.
            name: Its name; the ending tells the kind: .csv, .tsv, .jsonl, anything else is plain text.
            column: Of a CSV or JSONL file; left out: "text", or the one with most text.
            encoding: Left out, it is found.
            tokenizers: Keys of more tokenizers to count with, such as "bytes", "characters", "compat", "tekken".

        Returns:
            "files": encoding, kind, column, unreadable bytes and broken lines. "documents", "characters", "utf8_bytes".
            "costs": for each tokenizer tokens, characters_per_token, byte_share, ids_used, frequent, longest.
            "lost_characters", "lost_by_reason", "losses" with examples, "scripts", "rarest", "without_entry".
        """
        for given in (file, name, column, encoding):
            if not isinstance(given, str):
                raise ParameterError(f"{given!r:.40}: expected a string")
        check_length(playground, text)
        if bool(text) == bool(file):
            raise ParameterError("give either text or the key of a file")
        if not isinstance(tokenizers, list | None) or not all(isinstance(key, str) for key in tokenizers or []):
            raise ParameterError(f"tokenizers={str(tokenizers)[:40]!r}: expected a list of keys")
        name = name[-LONGEST_NAME:]
        chosen = [(key, open_peer(key, playground.tokenizer, public=playground.public)) for key in _keys(tokenizers or [])]
        ticket, last = object(), None
        begun = time.monotonic()
        try:
            while uploads.line.place(ticket):
                if time.monotonic() - begun > PATIENCE:
                    raise strings.error(QueueFull, "k_busy")
                time.sleep(TOLD)
            if text:
                whole = io.BytesIO(render.whole(text).encode())
                last = _run(playground, corpus.Source(name or "text", whole, column, "utf-8"), chosen, ticket)
            else:
                with uploads.door.using(file, drop=True) as opened:
                    last = _run(playground, corpus.Source(name or "file", opened, column, encoding), chosen, ticket)  # type: ignore[arg-type]
        finally:
            uploads.line.leave(ticket)
        return asdict(last)

    return [count]
