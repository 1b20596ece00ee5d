"""A page whose model has damaged weights: each visitor reads a sentence, and the page goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from neoxjp import GPTNeoXJapaneseTokenizer
from tests.gateway.test_fair import Visitor, engine_of
from tests.support.page import serve, wait_for_model
from tests.support.tiny_model import ours


@pytest.fixture(scope="module")
def broken_url(tiny_vocabulary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    folder = tmp_path_factory.mktemp("broken-model")
    end = tokenizer.eos_token_id
    model = ours(vocab_size=tokenizer.vocab_size, bos_token_id=end, eos_token_id=end)
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(float("nan"))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    with serve(folder, "--public") as url:
        wait_for_model(url)
        yield url


@pytest.mark.parametrize(("lang", "sentence"), [("en", "not numbers (NaN or infinite)"), ("ja", "NaN または無限大")])
def test_nan_weights_are_a_sentence_for_the_visitor_and_the_page_goes_on(broken_url: str, lang: str, sentence: str) -> None:
    who = Visitor(broken_url, "127.0.0.11", lang)
    for name, values in (("generate", {"prompt": "猫"}), ("score", {"text": "猫"})):
        kind, value = who.run(name, **values)
        assert kind == "error"
        assert sentence in str(value)
        assert "Traceback" not in str(value)
    assert engine_of(broken_url)["running"] == 0
    assert b"error" not in who.tokenize("猫")[:20]
