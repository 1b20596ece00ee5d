"""`GPTNeoXJapaneseTokenizer`: text to ids and back, the span of each token in the user's text, and why it was chosen.

The algorithm is that of tanreinama/Japanese-BPEEncoder_V2 (MIT), with which the model was trained: at each place, of the
substrings of three, two and one characters that are in the vocabulary, the one with the smallest id; a tag such as `<BR>`
at once; otherwise one token for a kind of symbol, or one for each UTF-8 byte. transformers' class has bugs with commas,
in decoding and in its length; `compat="transformers"` reproduces them, the default does not.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from neoxjp.errors import ParameterError, VocabularyError
from neoxjp.tokenizer.batch import Encoding, PaddingSide, Tensors, collate, group_texts
from neoxjp.tokenizer.decode import FastDecoder, TextStream, as_array, decode_each, join_texts
from neoxjp.tokenizer.normalize import (
    AlignedText,
    EmojiTable,
    Script,
    Span,
    clean_text,
    findable_emoji,
    normalize_text,
    script_of,
)
from neoxjp.tokenizer.segment import Cut, Token, explain_cuts, iter_pieces, segment_text, tile_spans
from neoxjp.tokenizer.tokens import Tokens
from neoxjp.tokenizer.vocabulary import BOS, EOS, SPECIALS, Compat, Vocabulary, read_vocabulary

if TYPE_CHECKING:
    import numpy as np

    from neoxjp.tokenizer.fast_encode import FastEncoder
    from neoxjp.tokenizer.streaming import IdStream

FILES = ("vocab.txt", "emoji.json", "tokenizer_config.json")  # of a folder; the last may be missing
LONG = 80  # characters from which on the tables of fast_encode.py are faster than the dictionary
WORTHWHILE = 100_000  # characters that the dictionary encodes in the time of building the tables
MANY = 20_000  # ids from which on building the tables of `FastDecoder` saves time
BATCH = 1 << 20  # characters that are encoded in one pass, so that memory stays bounded


class GPTNeoXJapaneseTokenizer:
    """Text ↔ ids of a GPT-NeoX-Japanese model.

    >>> tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained("abeja/gpt-neox-japanese-2.7b")
    >>> tokenizer.decode(tokenizer.encode("慶應大学"))
    '慶応大学'
    """

    eos_token = pad_token = unk_token = EOS

    def __init__(
        self,
        vocab_file: str | Path,
        emoji_file: str | Path,
        *,
        compat: Compat | None = None,
        do_clean_text: bool = False,
        padding_side: PaddingSide = "right",
        model_max_length: int | None = None,
    ):
        """Read vocab.txt and emoji.json.

        Args:
            compat: "transformers" gives the output of transformers' class, including its bugs. Only a lone surrogate, on
                which that class raises, is encoded as U+FFFD in both modes.
            do_clean_text: what `do_clean_text=None` means in later calls.
            model_max_length: where `truncation=True` cuts and `padding="max_length"` ends without a `max_length`, in tokens.
        """
        if compat not in (None, "transformers"):
            raise ParameterError(f"compat={compat!r}: choose None (the original encoder) or 'transformers'")
        self.vocabulary: Vocabulary = read_vocabulary(vocab_file, emoji_file, compat=compat)
        self.compat: Compat | None = compat
        self.do_clean_text = do_clean_text
        self.padding_side: PaddingSide = padding_side
        self.model_max_length = model_max_length
        self.bos_token = BOS if BOS in self.vocabulary.ids else None  # no text needs it
        self.bos_token_id = self.vocabulary.ids.get(BOS)
        self.eos_token_id = self.pad_token_id = self.unk_token_id = self.vocabulary.ids[EOS]
        self.all_special_tokens = [name for name in ((BOS, EOS) if compat else SPECIALS) if name in self.vocabulary.ids]
        self.all_special_ids = [self.vocabulary.ids[name] for name in self.all_special_tokens]
        self._emoji = EmojiTable(findable_emoji(self.vocabulary.emoji))
        self._scanner: FastEncoder | Literal[False] | None = None  # None: not built yet; False: this vocabulary does not fit
        self._seen = 0  # characters of long texts that were encoded without it

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        revision: str | None = None,
        local_files_only: bool = False,
        compat: Compat | None = None,
    ) -> "GPTNeoXJapaneseTokenizer":
        """Load from a folder or from a model of the Hugging Face Hub; takes vocab.txt, emoji.json and tokenizer_config.json."""
        from neoxjp.hub import read_json, resolve_folder

        folder = resolve_folder(
            name_or_path,
            files=FILES[:2],
            optional=FILES[2:],
            revision=revision,
            local_files_only=local_files_only,
        )
        config = read_json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").exists() else {}
        length = config.get("model_max_length")
        return cls(
            folder / "vocab.txt",
            folder / "emoji.json",
            compat=compat,
            do_clean_text=config.get("do_clean_text") is True,
            padding_side="left" if config.get("padding_side") == "left" else "right",
            # transformers writes 10**30 where there is no limit
            model_max_length=length if isinstance(length, int) and 0 < length < 10**9 else None,
        )

    def save_pretrained(self, folder: str | Path) -> tuple[Path, ...]:
        """Write vocab.txt and emoji.json as they were read, and a tokenizer_config.json that transformers reads too."""
        import json

        from neoxjp.hub import atomic_folder

        folder = Path(folder)
        config = {
            "tokenizer_class": "GPTNeoXJapaneseTokenizer",
            "bos_token": self.bos_token,
            "eos_token": EOS,
            "pad_token": EOS,
            "unk_token": EOS,
            "do_clean_text": self.do_clean_text,
            "padding_side": self.padding_side,
        } | ({"model_max_length": self.model_max_length} if self.model_max_length else {})
        contents = (*self.vocabulary.contents, json.dumps(config, indent=2).encode())
        with atomic_folder(folder) as fresh:
            for name, content in zip(FILES, contents, strict=True):
                (fresh / name).write_bytes(content)
        return tuple(folder / name for name in FILES)

    # --- text to ids

    def __call__(
        self,
        text: str | Sequence[str],
        *,
        return_tensors: Tensors | None = None,
        padding: bool | str = False,
        truncation: bool | str = False,
        max_length: int | None = None,
        padding_side: PaddingSide | None = None,
        pad_to_multiple_of: int | None = None,
        do_clean_text: bool | None = None,
        add_special_tokens: bool = True,
    ) -> Encoding:
        """The ids of one text or of several, with their attention mask (1 for a token, 0 for padding).

        Args:
            return_tensors: "pt" or "np" gives int64 arrays of shape (B, T), B = 1 for one text; None gives lists.
            padding: True or "longest" pads to the longest row, "max_length" to `max_length`.
            truncation: cut rows at `max_length` tokens, at the end.
            add_special_tokens: accepted for compatibility; these models add none.

        Raises:
            ParameterError: rows of different lengths cannot become one array; an option is unknown or has no effect.
        """
        one = isinstance(text, str)
        if not one and not (isinstance(text, (list, tuple)) and all(isinstance(item, str) for item in text)):
            raise ParameterError(f"text must be a str or a list of str, not {_described(text)}")
        if max_length is not None and not truncation and padding != "max_length":
            raise ParameterError(f"max_length={max_length!r} has no effect alone: add truncation=True or padding='max_length'")
        return collate(
            [self.encode(text, do_clean_text)]
            if isinstance(text, str)
            else [ids.tolist() for ids in self.encode_batch(text, do_clean_text)],
            one=one,
            pad_id=self.pad_token_id,
            return_tensors=return_tensors,
            padding=padding,
            truncation=truncation,
            max_length=max_length if max_length is not None else self.model_max_length,
            padding_side=padding_side or self.padding_side,
            pad_to_multiple_of=pad_to_multiple_of,
        )

    def encode(self, text: str, do_clean_text: bool | None = None) -> list[int]:
        """The ids of a text: "慶應" → [17749]."""
        ids: list[int] = []
        for part, normalised in self._parts(text, do_clean_text):
            if scanner := self._scanner_for(len(part)):
                more = scanner.ids(part, normalised).tolist()
            else:
                more = segment_text(part if normalised else normalize_text(part, self._emoji), self.vocabulary)[0]
            ids.extend(more)
        return ids

    def encode_batch(self, texts: Iterable[str], do_clean_text: bool | None = None) -> "list[np.ndarray]":
        """The ids of each text, as int64 arrays of shape (T,). Many short texts are encoded in one pass."""
        import numpy as np

        def alone(text: object) -> bool:
            return cleaned or not isinstance(text, str) or bool(self.compat and _TYPED_SPECIALS.search(text))

        cleaned = self._cleaned(do_clean_text)
        result: list[np.ndarray] = []
        for group in group_texts(texts, BATCH, alone):
            scanner = None if alone(group[0]) else self._scanner_for(sum(map(len, group)) + len(group))
            result += scanner.batch(group) if scanner else [np.array(self.encode(text, cleaned), np.int64) for text in group]
        return result

    def stream_encoder(self, do_clean_text: bool | None = None) -> "IdStream":
        """A streaming encoder in constant memory: the results of `push` and `flush`, joined, are `encode` of the text."""
        from neoxjp.tokenizer.streaming import IdStream

        scanner = None if self._cleaned(do_clean_text) else self._built_scanner()
        return IdStream(
            scanner, self._emoji, lambda part: self._parts(part, False), lambda text: self.encode(text, do_clean_text)
        )

    def tokenize(self, text: str, do_clean_text: bool | None = None) -> list[str]:
        """The pieces of a text: "慶應é" → ["慶應", "<|byte195|>", "<|byte169|>"]."""
        normalised = (part if done else normalize_text(part, self._emoji) for part, done in self._parts(text, do_clean_text))
        return [piece for part in normalised for _, piece, _, _ in iter_pieces(part, self.vocabulary)]

    def analyze(self, text: str, do_clean_text: bool | None = None) -> Tokens:
        """The tokens of a text with their spans in it; distinct spans tile the text. A notebook shows them in colours."""
        found: list[tuple[int, str]] = []
        spans: list[Span] = []
        for aligned in self.aligned(text, do_clean_text):
            for id, piece, start, end in iter_pieces(aligned.text, self.vocabulary):
                found.append((id, piece))
                spans.append(aligned.span(start, end))
        spans = tile_spans(spans, len(text))
        texts = decode_each([id for id, _ in found], self.vocabulary.texts, self.vocabulary.byte_values)
        written: dict[Span, str] = {}
        for span, piece_text in zip(spans, texts, strict=True):
            written[span] = written.get(span, "") + piece_text
        tokens = (
            Token(
                id=id,
                piece=piece,
                text=piece_text,
                start=span[0],
                end=span[1],
                kind=self.vocabulary.kinds[id],
                script=self._script(id, text[span[0] : span[1]]),
                folded=piece != self.vocabulary.spellings[id][0],
                lossy=written[span] != text[span[0] : span[1]],
            )
            for (id, piece), span, piece_text in zip(found, spans, texts, strict=True)
        )
        return Tokens(tokens, text)

    def explain(self, text: str, do_clean_text: bool | None = None) -> list[Cut]:
        """For each position where the text was cut: the candidates, the winner and the rule that chose it."""
        cuts = [cut for aligned in self.aligned(text, do_clean_text) for cut in explain_cuts(aligned, self.vocabulary)]
        spans = tile_spans([(cut.start, cut.end) for cut in cuts], len(text))
        return [replace(cut, start=start, end=end) for cut, (start, end) in zip(cuts, spans, strict=True)]

    # --- ids to text

    def decode(self, ids: "int | Iterable[int]", skip_special_tokens: bool = False) -> str:
        """The text of the ids. Consecutive bytes are joined first; invalid UTF-8 becomes U+FFFD.

        Raises:
            VocabularyError: an id is outside the vocabulary.
        """
        if (array := as_array(ids, MANY, len(self.vocabulary))) is not None:
            text = self._writer.write(array, self.all_special_ids if skip_special_tokens else ())
        else:
            text = join_texts(self._checked(ids, skip_special_tokens), self.vocabulary.texts, self.vocabulary.byte_values)
        return text.strip() if self.compat else text

    def batch_decode(self, rows: Iterable[Iterable[int]], skip_special_tokens: bool = False) -> list[str]:
        """The text of each row of ids."""
        return [self.decode(row, skip_special_tokens) for row in rows]

    def stream_decoder(self, skip_special_tokens: bool = False) -> TextStream:
        """A decoder that takes one id at a time: `"".join(map(stream.push, ids)) + stream.flush() == decode(ids)`."""
        texts, byte_values = self.vocabulary.texts, self.vocabulary.byte_values
        return TextStream(texts, byte_values, lambda id: self._checked(id, skip_special_tokens), strip=self.compat is not None)

    def convert_ids_to_tokens(self, ids: "int | Iterable[int]", skip_special_tokens: bool = False) -> str | list[str]:
        """The first spelling of each id: 17749 → "慶応". compat="transformers" gives what it decodes to."""
        vocabulary = self.vocabulary
        checked = self._checked(ids, skip_special_tokens and not isinstance(ids, int))
        names = [vocabulary.texts[id] if self.compat else vocabulary.spellings[id][0] for id in checked]
        return names[0] if isinstance(ids, int) else names

    def convert_tokens_to_ids(self, tokens: str | Iterable[str]) -> int | list[int]:
        """The id of each spelling, variants included; `unk_token_id` for unknown ones."""
        ids = self.vocabulary.ids
        if isinstance(tokens, str):
            return ids.get(tokens, self.unk_token_id)
        return [ids.get(token, self.unk_token_id) for token in tokens]

    def spellings(self, id: int) -> tuple[str, ...]:
        """All spellings of an id, first the one that decoding gives: 17749 → ("慶応", "慶應", …)."""
        return self.vocabulary.spellings[self._checked(id, False)[0]]

    def get_vocab(self) -> dict[str, int]:
        """Spelling → id, with all variants. compat="transformers": line of vocab.txt → id."""
        if self.compat:
            return {",".join(spellings): id for id, spellings in enumerate(self.vocabulary.spellings)}
        return dict(self.vocabulary.ids)

    @cached_property
    def vocab_size(self) -> int:
        """The number of ids. compat="transformers" counts duplicate lines once, so there are larger ids."""
        return len(self.get_vocab()) if self.compat else len(self.vocabulary)

    def __len__(self) -> int:
        return self.vocab_size

    def __repr__(self) -> str:
        return (
            f"GPTNeoXJapaneseTokenizer({str(self.vocabulary.files[0])!r}, vocab_size={self.vocab_size}, compat={self.compat!r})"
        )

    # --- one text

    def _script(self, id: int, original: str) -> Script:
        """The script of a token, by the first character of its span in the user's text."""
        kind = self.vocabulary.kinds[id]
        if kind in ("word", "byte", "symbol"):
            return script_of(original[0])
        return "emoji" if kind == "emoji" else "space" if kind == "blank" else "other"

    def _segments(self, text: str) -> list[Span]:
        """The spans to encode separately: all of the text; compat="transformers" splits it at typed special tokens."""
        if not isinstance(text, str):
            raise ParameterError(f"text must be a str, not {_described(text)}")
        if not self.compat:
            return [(0, len(text))]
        borders = [place for match in _TYPED_SPECIALS.finditer(text) for place in match.span()]
        return [(start, end) for start, end in zip([0, *borders], [*borders, len(text)], strict=True) if start < end]

    def _cleaned(self, do_clean_text: bool | None) -> bool:
        return self.do_clean_text if do_clean_text is None else do_clean_text

    def _parts(self, text: str, do_clean_text: bool | None) -> Iterator[tuple[str, bool]]:
        """The segments of the text, and whether they are normalized already."""
        if self._cleaned(do_clean_text):
            yield from ((aligned.text, True) for aligned in self.aligned(text, True))
        else:
            for start, end in self._segments(text):
                part = text[start:end]
                yield part, part in SPECIALS

    def _scanner_for(self, length: int) -> "FastEncoder | None":
        """The tables for a text of this many characters; None if the dictionary is as fast or the vocabulary does not fit.

        They are built after so much text that building them would have saved time.
        """
        if length < LONG:
            return None
        self._seen += length
        return self._built_scanner() if self._seen >= WORTHWHILE else None

    def _built_scanner(self) -> "FastEncoder | None":
        if self._scanner is None:
            from neoxjp.tokenizer.fast_encode import FastEncoder

            fits = FastEncoder.fits(self.vocabulary, self._emoji)
            self._scanner = FastEncoder(self.vocabulary, self._emoji) if fits else False
        return self._scanner or None

    def aligned(self, text: str, do_clean_text: bool | None = None) -> Iterator[AlignedText]:
        """The text in the form of the vocabulary, with its spans: "猫 😀" → "猫<SP><|emoji1|>". In compat in segments."""
        for start, end in self._segments(text):
            aligned = AlignedText(text, start, end)
            if aligned.text not in SPECIALS:
                aligned = normalize_text(aligned, self._emoji)
                if self._cleaned(do_clean_text):
                    aligned = clean_text(aligned)
            yield aligned

    @cached_property
    def _writer(self) -> FastDecoder:
        return FastDecoder(self.vocabulary.texts, self.vocabulary.byte_values)

    def _checked(self, ids: "int | Iterable[int]", skip_special_tokens: bool) -> list[int]:
        """The ids as a list of int, checked, and without special tokens on request."""
        raw: Any = ids.tolist() if hasattr(ids, "tolist") else ids
        listed_ids = [raw] if isinstance(raw, int) else list(raw)
        for id in listed_ids:
            if not hasattr(id, "__index__"):
                hint = " (batch_decode takes several rows)" if isinstance(id, (list, tuple)) else ""
                raise ParameterError(
                    f"ids must be whole numbers, not {id!r}{hint}",
                    ja=f"トークン ID は整数で指定してください（{id!r} は整数ではありません）。",
                )
        if outside := sorted({int(id) for id in listed_ids if not 0 <= id < len(self.vocabulary)}):
            path, size = self.vocabulary.files[0], len(self.vocabulary)
            shown = ", ".join(map(str, outside[:10])) + (f" and {len(outside) - 10} more" if len(outside) > 10 else "")
            raise VocabularyError(
                f"id {shown} is outside the vocabulary: {path} has {size} lines, so ids run from 0 to {size - 1}. "
                "Ids of another model need that model's tokenizer.",
                ja=f"ID {shown} は語彙の範囲外です（0〜{size - 1}）。",
            )
        special = self.all_special_ids if skip_special_tokens else ()
        return [int(id) for id in listed_ids if id not in special]


_TYPED_SPECIALS = re.compile("|".join(re.escape(name) for name in (BOS, EOS)))


def _described(value: object) -> str:
    return f"{value!r} ({type(value).__name__})" if len(repr(value)) < 60 else type(value).__name__
