"""The endpoint /corpus."""

import io
import time
from dataclasses import asdict
from typing import Any

from neoxjp.compare import open_peer
from neoxjp.errors import ParameterError, QueueFull
from neoxjp.labs.common.glyphs import replace_surrogates
from neoxjp.labs.corpus.records import Source
from neoxjp.labs.corpus.section import INTERVAL, MAX_NAME, analyse_in_turn, other_keys
from neoxjp.labs.corpus.strings import strings
from neoxjp.page_parts.answers import check_length
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.files import uploads
from neoxjp.page_parts.gradio_private import current_visitor
from neoxjp.page_parts.session.playground import Playground

QUEUE_SECONDS = 60  # that a call waits in the queue


def endpoints(playground: Playground) -> list[Endpoint]:
    """The endpoint of the corpus section."""

    @endpoint("corpus", at_once=4, needs="vocabulary")
    def count(
        text: str = "", file: str = "", name: str = "", column: str = "", encoding: str = "", tokenizers: list[str] | None = None
    ) -> dict[str, Any]:
        """Count the tokens of a corpus, and what decoding would lose of it.

        Args:
            text: The corpus itself, up to the length that the page takes for one text.
            file: Or the key of a file: POST its bytes to neoxjp/file as application/octet-stream, at most 50 MB; the answer
                is {"file": key}. The file is deleted after it is counted.
            name: Its name, whose ending determines the kind: .csv, .tsv, .jsonl, anything else is plain text.
            column: Of a CSV or JSONL file; default: "text", or the one with most text.
            encoding: Default: detected.
            tokenizers: Keys of more tokenizers to count with, such as "bytes", "characters", "compat", "tekken".

        Returns:
            "files": encoding, kind, column, invalid bytes and broken lines. "documents", "characters", "utf8_bytes".
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
        name = name[-MAX_NAME:]
        keys = other_keys(tokenizers or [])
        peers = [(key, open_peer(key, playground.tokenizer, public=playground.public)) for key in keys]
        ticket, address, begun = object(), current_visitor().address, time.monotonic()
        try:
            while uploads.queue.position(ticket, address):
                if time.monotonic() - begun > QUEUE_SECONDS:
                    raise strings.error(QueueFull, "corpus_busy")
                time.sleep(INTERVAL)
            if text:
                source = Source(name or "text", io.BytesIO(replace_surrogates(text).encode()), column, "utf-8")
                *_, last = analyse_in_turn(playground, source, peers, ticket, address=address)
            else:
                with uploads.store.use(file, delete=True) as opened:
                    source = Source(name or "file", opened, column, encoding)  # type: ignore[arg-type]
                    *_, last = analyse_in_turn(playground, source, peers, ticket, address=address)
        finally:
            uploads.queue.leave(ticket)
        return asdict(last)

    return [count]
