"""What the page has loaded, how loading goes on, and how much one visitor may ask for.

One `Playground` a process: every visitor sees the same model. It knows nothing of Gradio. Loading happens beside the page: the
tokenizer is there first, the model later, and an old model stays until the new one is complete.
"""

import gc
import logging
import threading
import time
import traceback
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from neoxjp.errors import NeoxjpError
from neoxjp.hub import BUNDLED, bundled_path
from neoxjp.model import check_memory, free_memory
from neoxjp.sampling import OPTIONS, Option

if TYPE_CHECKING:
    from neoxjp.engine import Engine, LogitsCache
    from neoxjp.model import GPTNeoXJapaneseForCausalLM
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

log = logging.getLogger(__name__)

Need = Literal["vocabulary", "model"]
POLL_SECONDS = 0.1  # between two looks at a load that is waited for
THREADS = 100  # of the web server; a visitor who waits or whose text streams holds one


class NotReady(NeoxjpError, RuntimeError):
    """The tokenizer or the model is not there (yet)."""


@dataclass(frozen=True)
class Choice:
    """What to load and how: the answer to "which model?"."""

    name: str  # a local folder or a Hub id
    revision: str | None = None  # Hub revision: branch, tag or sha
    dtype: str = "auto"  # "auto": as stored; on a CPU the fastest that loses nothing (memory.cpu_dtype)
    device: str = "auto"  # "auto", "cpu", "cuda", "cuda:1", ...
    offline: bool = False  # True: nothing is asked of the Hub
    quantization: str | None = None  # "int8"


def _nothing_kept() -> "LogitsCache":
    from neoxjp.engine import LogitsCache

    return LogitsCache()


@dataclass(frozen=True)
class Loaded:
    """One vocabulary with, once it is read, its model. Never changed: a load puts another `Loaded` in its place."""

    choice: Choice
    tokenizer: "GPTNeoXJapaneseTokenizer"
    model: "GPTNeoXJapaneseForCausalLM | None" = None
    engine: "Engine | None" = None
    folder: Path | None = None  # where the files lie on this machine
    serial: int = 0  # counts up with each change; the page compares it
    logits: "LogitsCache" = field(default_factory=_nothing_kept, repr=False, compare=False)  # of what this model wrote last

    @property
    def name(self) -> str:
        """The last part of the name, for headings: "abeja/gpt-neox-japanese-2.7b" → "gpt-neox-japanese-2.7b"."""
        return short_name(self.choice.name)

    def title(self, bundled: str) -> str:
        """The name for headings and legends; `bundled` is what to call the model that comes with the package."""
        return bundled if self.choice.name in (BUNDLED, str(bundled_path())) else self.name


@dataclass(frozen=True)
class Progress:
    """How the latest load stands."""

    state: Literal["idle", "vocabulary", "download", "weights", "ready", "failed"] = "idle"
    asked: str = ""  # the name that was asked for
    done: int = 0  # bytes of weights downloaded or read
    total: int = 0  # bytes of weights in all; 0: not known yet
    error: NeoxjpError | None = None  # set with "failed"

    @property
    def name(self) -> str:
        return short_name(self.asked)

    @property
    def busy(self) -> bool:
        return self.state in ("vocabulary", "download", "weights")

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total if self.total else 0


@dataclass(frozen=True)
class Limits:
    """How much one request may ask for. The page states them; handlers enforce them."""

    characters: int = 1_000_000  # of a text to tokenize
    compared: int = 1_000_000  # characters of a text that /compare puts into its spellings
    drawn_pieces: int = 3_000  # token boxes drawn in one view; the rest is counted, not drawn
    new_tokens: int | None = None  # of one generation; None: until the context is full
    running: int = 8  # requests that the engine works on at once
    waiting: int = 16  # requests in line behind them


def short_name(name: str) -> str:
    """The last part of a folder or Hub id."""
    return Path(name).name or name


def public_limits(memory_bytes: int, cache_bytes_per_token: int = 0, context: int = 2048) -> Limits:
    """Bounds for a page that anybody may open, from the memory that is free once the model is loaded.

    Half of it may go to key-value caches (see `cache_budget`; the engine counts each request's before it lets it run), an eighth
    to the texts that `THREADS` visitors have tokenized at a time (about 300 bytes a character while it is worked on).
    """
    per_request = max(1, cache_bytes_per_token * min(512, context))  # a prompt and its continuation, as visitors ask for them
    running = max(1, min(8, memory_bytes // 2 // per_request))
    characters = max(2_000, min(200_000, memory_bytes // 8 // THREADS // 300))
    compared = min(20_000, characters)
    return Limits(characters, compared, new_tokens=min(512, context), running=running, waiting=4 * running)


def cache_budget(memory_bytes: int, cache_bytes_per_token: int, context: int) -> tuple[int, int]:
    """Of the memory that is free once the model is loaded: bytes for all caches, and of them for kept prompts.

    Half and an eighth; at least one full context, which was counted before the model was loaded.
    """
    return max(memory_bytes // 2, cache_bytes_per_token * (context + 256)), memory_bytes // 8


@dataclass
class Playground:
    """The one state of the process: what is loaded, what is loading, what is allowed."""

    public: bool = False  # visitors cannot load models or name paths
    loaded: Loaded | None = None
    progress: Progress = field(default_factory=Progress)
    limits: Limits = field(default_factory=Limits)
    options: tuple[Option, ...] = OPTIONS  # the sampling options that a visitor can set
    _compat: "tuple[GPTNeoXJapaneseTokenizer, GPTNeoXJapaneseTokenizer] | None" = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)  # one load at a time

    @classmethod
    def create(cls, *, public: bool) -> "Playground":
        """A playground with nothing loaded; a public one is bounded by this machine's free memory from the start."""
        return cls(public=public, limits=public_limits(free_memory()) if public else Limits())

    @property
    def serial(self) -> int:
        """Counts up whenever something else is loaded; 0: nothing yet."""
        return self.loaded.serial if self.loaded else 0

    @property
    def tokenizer(self) -> "GPTNeoXJapaneseTokenizer":
        """The tokenizer.

        Raises:
            NotReady: none is loaded yet, or loading failed.
        """
        if self.loaded:
            return self.loaded.tokenizer
        if self.progress.busy:
            raise NotReady("The vocabulary is still being loaded.", ja="語彙を読み込んでいます。")
        raise NotReady("No vocabulary is loaded: load one in the Model tab.", ja="語彙がありません。モデルのタブで読み込めます。")

    def compat(self) -> "GPTNeoXJapaneseTokenizer":
        """The loaded vocabulary as transformers reads it, kept until another one is loaded."""
        ours = self.tokenizer
        if self._compat is None or self._compat[0] is not ours:
            self._compat = (ours, type(ours)(*ours.vocabulary.files, compat="transformers"))
        return self._compat[1]

    def wait_for(self, needed: Need | None, seconds: float) -> None:
        """Return when a vocabulary or a model is there; one that is being loaded is waited for, at most so many seconds.

        Raises:
            NotReady: it is still being loaded then, or nothing is loaded and nothing is being loaded.
        """
        end = time.monotonic() + seconds
        while needed is not None:
            busy = self.progress.busy  # before the look: a load may end in between
            try:
                _ = self.ready if needed == "model" else self.tokenizer
                return
            except NotReady:
                if not busy or time.monotonic() > end:
                    raise
            time.sleep(POLL_SECONDS)

    @property
    def ready(self) -> Loaded:
        """What is loaded, its model and engine included.

        Raises:
            NotReady: the model is not there yet, or loading failed.
        """
        if self.loaded and self.loaded.model is not None and self.loaded.engine is not None:
            return self.loaded
        if self.progress.busy:
            raise NotReady("The model is still being loaded.", ja="モデルを読み込んでいます。")
        raise NotReady("No model is loaded: load one in the Model tab.", ja="モデルがありません。モデルのタブで読み込めます。")

    def start(self, choice: Choice, *, unload_first: bool = False) -> threading.Thread:
        """Load beside the page; `progress` tells how it goes. An expected error ends in `progress`, any other also in the log."""
        thread = threading.Thread(target=self._load_quietly, args=(choice, unload_first), name="neoxjp-load", daemon=True)
        self.progress = Progress("vocabulary", choice.name)
        thread.start()
        return thread

    def load(self, choice: Choice, *, unload_first: bool = False) -> Loaded:
        """Load and swap in; waits for a load that is under way.

        Args:
            choice: what to load.
            unload_first: give the old model's memory back before the new one is read; where the new one then fails, the old one
                is loaded again.

        Raises:
            NeoxjpError: it cannot be loaded; NoRoom: it does not fit into memory. What was there before is there again.
        """
        with self._lock:
            before = self.loaded.choice if self.loaded and self.loaded.model is not None else None
            if unload_first:
                self._unload()
            try:
                fresh = self._read(choice)
            except Exception as error:
                traceback.clear_frames(error.__traceback__)  # they hold the weights that were read so far
                if unload_first and before is not None:
                    self._put(self._read(before))
                self.progress = Progress("failed", choice.name, error=error if isinstance(error, NeoxjpError) else None)
                raise
            old = self.loaded
            self._put(fresh)
            if old is not None:
                _close(old)
            self.progress = Progress("ready", choice.name)
            return self.loaded  # type: ignore[return-value]

    def _unload(self) -> None:
        """Give the model's memory back; its vocabulary stays."""
        if self.loaded is not None:
            _close(self.loaded)
            self._put(replace(self.loaded, model=None, engine=None, logits=_nothing_kept()))
        gc.collect()

    def _read(self, choice: Choice) -> Loaded:
        """Vocabulary, then weights, then the engine. Where nothing was loaded, the vocabulary is used while weights are read."""
        from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

        self.progress = Progress("vocabulary", choice.name)
        hub: dict[str, Any] = {"revision": choice.revision, "local_files_only": choice.offline}
        tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(choice.name, **hub)
        loaded = Loaded(choice, tokenizer)
        if self.loaded is None:
            self._put(loaded)
        model, folder = self._read_model(choice)
        return replace(loaded, model=model, folder=folder, engine=self._start_engine(model, tokenizer))

    def _read_model(self, choice: Choice) -> "tuple[GPTNeoXJapaneseForCausalLM, Path]":
        import torch

        from neoxjp.model import load_model

        def on_bytes(done: int, total: int) -> None:
            self.progress = replace(self.progress, done=done, total=total)

        def before_reading(folder: Path, dtype: "torch.dtype | None", quantization: str | None) -> None:
            present = self.loaded.model if self.loaded else None
            check_memory(choice.name, folder, dtype, choice.device, present, quantization)
            self.progress = Progress("weights", choice.name)

        self.progress = Progress("download", choice.name)
        on_cpu = choice.device == "auto" and not torch.cuda.is_available()
        return load_model(
            choice.name,
            revision=choice.revision,
            dtype=choice.dtype,
            quantization=choice.quantization,
            device="cpu" if on_cpu else choice.device,
            offline=choice.offline,
            progress=on_bytes,
            before_reading=before_reading,
        )

    def _start_engine(self, model: "GPTNeoXJapaneseForCausalLM", tokenizer: "GPTNeoXJapaneseTokenizer") -> "Engine":
        from neoxjp.engine import Engine

        free, context = free_memory(str(model.device)), model.config.max_position_embeddings
        if self.public:
            self.limits = public_limits(free, model.cache_bytes_per_token, context)
        cache_bytes, prefix_bytes = cache_budget(free, model.cache_bytes_per_token, context)
        engine = Engine(
            model,
            tokenizer,
            max_batch=self.limits.running,
            max_waiting=self.limits.waiting,
            cache_bytes=cache_bytes,
            prefix_bytes=prefix_bytes,
        )
        engine.start()
        return engine

    def _put(self, loaded: Loaded) -> None:
        self.loaded = replace(loaded, serial=self.serial + 1)

    def _load_quietly(self, choice: Choice, unload_first: bool) -> None:
        try:
            self.load(choice, unload_first=unload_first)
        except NeoxjpError as error:
            log.warning("%s", error)
        except Exception as error:  # a fault of ours: the page must say so instead of waiting for ever
            log.exception("loading %r", choice.name)
            fault = NeoxjpError(f"Loading {choice.name!r} failed: {type(error).__name__}: {error}")
            self.progress = Progress("failed", choice.name, error=fault)


def _close(loaded: Loaded) -> None:
    if loaded.engine is not None:
        loaded.engine.close()
