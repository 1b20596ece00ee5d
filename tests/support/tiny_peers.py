"""Tiny tokenizers of each kind that can be compared with, trained here in a moment: the bytes of their files."""

import base64
import io
from collections.abc import Callable
from functools import cache
from typing import Any

import sentencepiece
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

CORPUS = [
    "東京都に住んでいる猫は株式会社の猫です。",
    "国境の長いトンネルを抜けると雪国であった。",
    "I am a cat; the cat is in Tokyo, 123.",
    "テストとガギグ、慶應と慶応、１２３と①",
] * 30
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def byte_level() -> bytes:
    """As Qwen, Llama 3 and GPT-4o: byte pairs over NFC, with a template that would add a special token in front."""
    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    options: dict[str, Any] = {"initial_alphabet": alphabet, "special_tokens": ["<|endoftext|>"], "show_progress": False}
    made.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=320, **options))
    front = processors.TemplateProcessing(single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)])
    made.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), front])
    made.enable_truncation(8)
    made.enable_padding(length=8)
    return made.to_str().encode()


def byte_fallback() -> bytes:
    """As Gemma: pairs of characters, ▁ for a blank, the bytes of what is unknown."""
    made = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    options: dict[str, Any] = {"special_tokens": ["<unk>", "<s>", *BYTES], "show_progress": False}
    made.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, **options))
    return made.to_str().encode()


def unigram() -> bytes:
    """As many a Japanese model's: Unigram over NFKC, ▁ put in front."""
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    options: dict[str, Any] = {"special_tokens": ["<unk>", "<s>"], "unk_token": "<unk>", "show_progress": False}
    made.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=150, **options))
    return made.to_str().encode()


def wordpiece() -> bytes:
    """As BERT's: lower case, accents and blanks dropped."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    options: dict[str, Any] = {"special_tokens": ["[UNK]"], "show_progress": False}
    made.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=200, **options))
    return made.to_str().encode()


@cache
def tokenizer_json(kind: Callable[[], bytes]) -> bytes:
    return kind()


@cache
def sentencepiece_model(rule: str = "nmt_nfkc", fallback: bool = True) -> bytes:
    """As rinna's and T5's. `rule` is the normalisation: "nmt_nfkc" or "identity"."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_writer=written,
        vocab_size=350 if fallback else 90,
        hard_vocab_limit=False,
        byte_fallback=fallback,
        normalization_rule_name=rule,
        minloglevel=2,
    )
    return written.getvalue()


@cache
def rank_file(*words: str) -> bytes:
    """tiktoken's format: the 256 bytes, then the beginnings of each word, two bytes and longer."""
    tokens = [bytes([byte]) for byte in range(256)]
    for word in words or ("東京", "猫", "です", "、猫"):
        data = word.encode()
        tokens += [data[:end] for end in range(2, len(data) + 1) if data[:end] not in tokens]
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens))
