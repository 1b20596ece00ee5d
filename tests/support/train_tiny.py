"""Tiny runs of training, for the tests: a config, settings, the losses that a run wrote down."""

import csv
from pathlib import Path

from neoxjp.model import GPTNeoXJapaneseConfig
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.settings import TrainSettings

TEXTS = ["吾輩は猫である。名前はまだない。", "東京大学の犬と猫です。", "私は大学生である。\n住まいは東京都です。"] * 20


def tiny_config(tokenizer: GPTNeoXJapaneseTokenizer, **changes: float) -> GPTNeoXJapaneseConfig:
    return GPTNeoXJapaneseConfig(
        **{
            "vocab_size": tokenizer.vocab_size,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "max_position_embeddings": 64,
            "attention_dropout": 0.0,
            "bos_token_id": tokenizer.eos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            **changes,
        }  # type: ignore[arg-type]
    )


def settings(**changes: object) -> TrainSettings:
    values = {
        "steps": 8,
        "rows": 4,
        "length": 16,
        "final_length": 32,
        "final_share": 0.25,
        "warmup_steps": 2,
        "mixed_precision": "no",
    }
    return TrainSettings(**{**values, **changes})  # type: ignore[arg-type]


def losses(folder: Path) -> list[str]:
    with (folder / "log.csv").open(encoding="utf-8") as file:
        return [row["loss"] for row in csv.DictReader(file)]
