"""Train and fine-tune models: texts packed into ids, runs with checkpoints, evaluation in bits per character, vocabularies.

    corpus = pack(read_documents("mine.txt"), "bundled-folder", "packed")
    train(model, [corpus], [1.0], "my-run", TrainSettings(steps=100))

`run_job` is all of `neoxjp train`; `neoxjp.train.ray` tokenizes a corpus of any size. Everything is loaded at its first use;
`JobOptions` and `TextOptions` need no torch.
"""

from typing import TYPE_CHECKING

from neoxjp import lazy_names

if TYPE_CHECKING:
    from neoxjp.train.acceptability import AcceptabilityReport, Auc, score_judgments
    from neoxjp.train.choices import ChoicesReport, score_questions
    from neoxjp.train.corpus import Packed, open_packed, pack
    from neoxjp.train.duplicates import find_duplicates
    from neoxjp.train.evaluate import TextScore, bits_per_character
    from neoxjp.train.job import run_job
    from neoxjp.train.loop import PROCESS_TIMEOUT, fresh_model, train
    from neoxjp.train.minimal_pairs import PairCounter, PairCounts, PairReport, score_pairs
    from neoxjp.train.ngram import Ngram, baselines, train_ngram
    from neoxjp.train.options import CHARACTERS, TEXTS, JobOptions, TextOptions
    from neoxjp.train.plot import ticks
    from neoxjp.train.runs import export_run, read_curve
    from neoxjp.train.scorers import (
        counted_unigrams,
        first_token_unigrams,
        model_options_scorer,
        model_scorer,
        ngram_options_scorer,
        ngram_scorer,
        ngram_unigrams,
    )
    from neoxjp.train.settings import TrainSettings
    from neoxjp.train.shards import ShardSettings
    from neoxjp.train.statistics import Accuracy, McNemar
    from neoxjp.train.vocabulary import build_vocabulary
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "acceptability": ("AcceptabilityReport", "Auc", "score_judgments"),
            "choices": ("ChoicesReport", "score_questions"),
            "corpus": ("Packed", "open_packed", "pack"),
            "duplicates": ("find_duplicates",),
            "evaluate": ("TextScore", "bits_per_character"),
            "job": ("run_job",),
            "loop": ("PROCESS_TIMEOUT", "fresh_model", "train"),
            "minimal_pairs": ("PairCounter", "PairCounts", "PairReport", "score_pairs"),
            "ngram": ("Ngram", "baselines", "train_ngram"),
            "options": ("CHARACTERS", "TEXTS", "JobOptions", "TextOptions"),
            "plot": ("ticks",),
            "runs": ("export_run", "read_curve"),
            "scorers": (
                "counted_unigrams",
                "first_token_unigrams",
                "model_options_scorer",
                "model_scorer",
                "ngram_options_scorer",
                "ngram_scorer",
                "ngram_unigrams",
            ),
            "settings": ("TrainSettings",),
            "shards": ("ShardSettings",),
            "statistics": ("Accuracy", "McNemar"),
            "vocabulary": ("build_vocabulary",),
        },
    )

__all__ = [
    "CHARACTERS", "PROCESS_TIMEOUT", "TEXTS", "AcceptabilityReport", "Accuracy", "Auc", "ChoicesReport", "JobOptions", "McNemar",
    "Ngram", "Packed", "PairCounter", "PairCounts", "PairReport", "ShardSettings", "TextOptions", "TextScore", "TrainSettings",
    "baselines", "bits_per_character", "build_vocabulary", "counted_unigrams", "export_run", "find_duplicates",
    "first_token_unigrams", "fresh_model", "model_options_scorer", "model_scorer", "ngram_options_scorer",
    "ngram_scorer", "ngram_unigrams", "open_packed", "pack", "read_curve", "run_job", "score_judgments", "score_pairs",
    "score_questions", "ticks", "train", "train_ngram",
]  # fmt: skip
