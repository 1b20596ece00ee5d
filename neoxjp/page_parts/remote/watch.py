"""Keep a page and the engine of another process together: connect, notice that it is away, back, or has another model."""

import logging
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from neoxjp.errors import EngineAway, NeoxjpError, NotReady, ParameterError
from neoxjp.hub import BUNDLED, bundled_path
from neoxjp.labs.common.fingerprints import folder_fingerprint, vocabulary_fingerprint
from neoxjp.model import GPTNeoXJapaneseConfig
from neoxjp.page_parts.remote.client import Connection, wrong
from neoxjp.page_parts.remote.engine import RemoteEngine
from neoxjp.page_parts.remote.model import RemoteLogits, RemoteModel
from neoxjp.page_parts.remote.records import VERSION, Card, Status, VocabularyFiles
from neoxjp.page_parts.session.calls import missing_logits, stored_logits
from neoxjp.page_parts.session.playground import LOGITS_BYTES, Choice, Playground, Progress, Ready

if TYPE_CHECKING:
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

log = logging.getLogger(__name__)

LOOK_SECONDS, AWAY_SECONDS = 2.0, 0.5  # between two looks, and while the engine is away
STATUS_SECONDS, CARD_SECONDS = 10.0, 120.0  # that the engine may take to answer
CARD_BYTES, VOCABULARY_BYTES = 2**20, 8 * 2**20
MOST_RUNNING, MOST_WAITING = 256, 1024


class Watch:
    """The playground uses the engine at `url` from `start` to `stop`.

    Args:
        key: the API key of its server.
    """

    def __init__(self, playground: Playground, url: str, key: str):
        self.playground = playground
        self._look_now, self._ended = threading.Event(), False
        self._connection = Connection(url, key, self._look_now.set)
        self._limits = playground.limits
        self._folder: tempfile.TemporaryDirectory[str] | None = None  # with the files of its vocabulary
        playground.engine_url = self._connection.url
        self._asked = "neoxjp serve" if playground.public else self._connection.url  # its address is not for visitors
        playground.progress = Progress("weights", self._asked)

    def start(self) -> "Watch":
        """Connect, and look on in a thread. An engine that is away is waited for.

        Raises ParameterError: the server refuses the API key, or is none with internal endpoints.
        """
        try:
            self._look(strict=True)
        except ParameterError:
            self._connection.close()
            raise
        self._thread = threading.Thread(target=self._work, name="neoxjp-watch", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the requests of this page, and the connection."""
        self._ended = True
        self._look_now.set()
        self._thread.join()
        if self.playground.loaded is not None and self.playground.loaded.engine is not None:
            self.playground.loaded.engine.close()
        self._connection.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _work(self) -> None:
        while not self._ended:
            engine = self._engine
            self._look_now.wait(LOOK_SECONDS if engine is not None and engine.alive else AWAY_SECONDS)
            self._look_now.clear()
            if not self._ended:
                self._look()

    @property
    def _engine(self) -> RemoteEngine | None:
        return self.playground.loaded.remote if self.playground.loaded is not None else None

    def _look(self, strict: bool = False) -> None:
        """Ask for the status, and take over another model. strict: raise an error that waiting does not mend."""
        try:
            status: Status = self._connection.get("/internal/status", Status, CARD_BYTES, STATUS_SECONDS)
            engine = self._engine
            if engine is None or engine.model.card.token != status.token:
                engine = self._take_over()
            engine.alive, engine.free_bytes = not status.draining, status.free_bytes
            self.playground.progress = Progress("ready", self._asked)
        except NotReady:
            self._away(Progress("weights", self._asked))
        except NeoxjpError as error:
            if strict and isinstance(error, ParameterError):
                raise
            self._away(Progress("failed", self._asked, error=error))
        except Exception as error:  # of an answer that no engine gives
            fault = wrong(type(error).__name__)
            if str(fault) != str(self.playground.progress.error):  # not at each look
                log.exception("the engine at %s", self._connection.url)
            self._away(Progress("failed", self._asked, error=fault))

    def _away(self, progress: Progress) -> None:
        if self._engine is not None:
            self._engine.alive = False
        self.playground.progress = progress

    def _take_over(self) -> RemoteEngine:
        """Use the model that the engine has now."""
        card: Card = self._connection.get("/internal/model", Card, CARD_BYTES, CARD_SECONDS)
        if card.version != VERSION:
            raise wrong(f"version {card.version} instead of {VERSION}")
        config = GPTNeoXJapaneseConfig.from_dict(card.facts.config)
        if min(card.running, card.waiting + 1, card.new_tokens or 1) < 1:
            raise wrong("limits below 1")
        card = replace(card, running=min(card.running, MOST_RUNNING), waiting=min(card.waiting, MOST_WAITING))
        tokenizer = self._tokenizer(card.setup.vocabulary)
        playground, model = self.playground, RemoteModel(card, config)
        engine = RemoteEngine(self._connection, model, tokenizer, playground.visitors.name, playground.observer)
        logits = RemoteLogits(
            LOGITS_BYTES,
            lambda ids: engine.call(stored_logits, (ids,)),
            lambda ids, ends: engine.call(missing_logits, (ids, ends)),
        )
        bundled = card.facts.source == BUNDLED and folder_fingerprint(bundled_path()) == card.setup.model
        own = self._limits.new_tokens
        new_tokens = min(filter(None, (own, card.new_tokens)), default=None)
        playground.limits = replace(self._limits, new_tokens=new_tokens, running=card.running, waiting=card.waiting)
        old = playground.loaded
        choice = Choice(card.facts.source, card.facts.revision, card.facts.dtype, card.device, True, card.facts.quantization)
        folder = bundled_path() if bundled else None
        playground.put(Ready(choice, tokenizer, model, engine, folder, remote=engine, logits=logits))
        if old is not None and old.engine is not None:
            old.engine.close()
        return engine

    def _tokenizer(self, fingerprint: str) -> "GPTNeoXJapaneseTokenizer":
        """The tokenizer with this fingerprint: the one in use, the bundled one, or one from the engine's files."""
        from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

        loaded = self.playground.loaded
        if loaded is not None and vocabulary_fingerprint(loaded.tokenizer) == fingerprint:
            return loaded.tokenizer
        bundled = GPTNeoXJapaneseTokenizer.from_pretrained(BUNDLED)
        if vocabulary_fingerprint(bundled) == fingerprint:
            return bundled
        files: VocabularyFiles = self._connection.get("/internal/vocabulary", VocabularyFiles, VOCABULARY_BYTES, CARD_SECONDS)
        folder = tempfile.TemporaryDirectory(prefix="neoxjp-vocabulary-")
        paths = Path(folder.name) / "vocab.txt", Path(folder.name) / "emoji.json"
        for path, content in zip(paths, (files.vocab, files.emoji), strict=True):
            path.write_bytes(content.encode())
        tokenizer = GPTNeoXJapaneseTokenizer(*paths)
        if vocabulary_fingerprint(tokenizer) != fingerprint:
            folder.cleanup()
            raise EngineAway(
                "the engine sent another vocabulary than that of its model",
                ja="エンジンから、モデルと一致しない語彙が送られてきました。",
            )
        if self._folder is not None:
            self._folder.cleanup()
        self._folder = folder
        return tokenizer
