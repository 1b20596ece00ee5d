"""A model in another process: the same results to the last bit, and what happens when it goes, comes back, or is another one."""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from neoxjp.engine import Step
from neoxjp.errors import EngineAway, NeoxjpError, ParameterError, PromptTooLong
from neoxjp.gateway import Operations
from neoxjp.labs.side_by_side import records as side_by_side
from neoxjp.page_parts.remote.records import arguments_of, decode, encode, result_of
from neoxjp.page_parts.remote.watch import Watch
from neoxjp.page_parts.session import calls
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import COMMON
from neoxjp.page_parts.text.editing import prompt_text
from neoxjp.page_parts.text.settings import Settings
from neoxjp.page_parts.text.state import VisitorState, tree_with_prompt
from neoxjp.page_parts.text.stream import scorer, stream
from neoxjp.page_parts.text.writing import write
from neoxjp.sampling import SamplingParams
from neoxjp.ui import model as model_tab
from neoxjp.ui.page import head_line
from tests.page_parts.remote.conftest import KEY, engine, page_of, until

EN, JA = COMMON.words("en"), COMMON.words("ja")
TEXT = "猫が東京の大学で犬を見た。"
DRAW = SamplingParams(do_sample=True, temperature=0.9, top_p=0.9, repetition_penalty=1.1, max_new_tokens=12, seed=7)


@pytest.fixture(scope="module", params=["tiny", "bundled"])
def pair(request: pytest.FixtureRequest, tiny_folder: Path) -> Iterator[SimpleNamespace]:
    """The same model here and elsewhere."""
    with engine(tiny_folder if request.param == "tiny" else "bundled") as server, page_of(server.url) as page:
        loaded = page.ready
        yield SimpleNamespace(
            here=server.playground, page=page, ids=tuple(loaded.tokenizer.encode(TEXT)), url=server.url, server=server
        )


def untimed(found: Any) -> Any:
    """Steps without their times."""
    steps = isinstance(found, list) and found and isinstance(found[0], Step)
    return [dataclasses.replace(each, seconds=0.0) for each in found] if steps else found


CASES: dict[str, tuple[Any, ...]] = {
    "score": (5, True),
    "beams": (3, 5, 0.5),
    "lens": (2, 4),
    "attention": (1, 0, None),
    "heads": (4,),
    "salience": (-1,),
    "patch": ((2, 3, 4), None),
    "logits_after": (3,),
    "stored_logits": (),
    "missing_logits": ((1, 2, 4),),
    "setup": (),
}


@pytest.mark.parametrize("name", list(calls.CALLS))
def test_every_function_of_the_table_has_the_same_bits_here_and_elsewhere(pair: SimpleNamespace, name: str) -> None:
    call, given = calls.CALLS[name], (() if name == "setup" else (pair.ids, *CASES[name]))
    here, there = pair.here.ready.call(call, *given), pair.page.ready.call(call, *given)
    assert type(there) is type(here)
    if isinstance(here, np.ndarray):
        assert (here.dtype, here.shape, here.tobytes()) == (there.dtype, there.shape, there.tobytes())
    else:
        assert untimed(there) == untimed(here)


def test_texts_have_the_same_bits_with_everything_that_a_step_has(pair: SimpleNamespace) -> None:
    prompts: list[dict[str, Any]] = [
        {"params": DRAW, "top": 5},
        {"params": DRAW, "top": 0, "drawn": 4},
        {"params": SamplingParams(max_new_tokens=5, seed=1), "top": 2},
        {"params": dataclasses.replace(DRAW, stop=("東", "。")), "top": 1},
    ]
    for given in prompts:
        here = pair.here.ready.engine.submit(pair.ids, **given)
        expected = list(here)  # not beside the other: numbers may depend on concurrent requests
        there = pair.page.ready.engine.submit(pair.ids, **given)
        assert untimed(list(there)) == untimed(expected)
        assert (there.finish, there.seed, there.ids) == (here.finish, here.seed, here.ids)
        assert there.stats.tokens == here.stats.tokens
    assert pair.page.ready.engine.running == 0


def test_a_long_prompt_is_truncated_or_refused_as_here(pair: SimpleNamespace) -> None:
    context = pair.page.ready.model.config.max_position_embeddings
    long, params = pair.ids * (context // len(pair.ids) + 1), SamplingParams(max_new_tokens=3)
    with pair.page.ready.engine.submit(long, params, overflow="truncate") as there:
        here = pair.here.ready.engine.submit(long, params, overflow="truncate")
        assert [step.id for step in there] == [step.id for step in here]
        assert (there.truncated_tokens, there.prompt_ids, there.total) == (here.truncated_tokens, here.prompt_ids, here.total)
    faults = []
    for playground in (pair.here, pair.page):
        with pytest.raises(PromptTooLong) as refused:
            playground.ready.engine.submit(long, params)
        faults.append((refused.value.plain, refused.value.ja))
    assert faults[0] == faults[1]


def test_the_logits_that_a_text_was_sampled_from_stay_with_the_engine(pair: SimpleNamespace) -> None:
    loaded = pair.page.ready
    *_, last = stream(pair.page)(pair.ids, DRAW, False, 0, 0)
    steps = list(loaded.engine.submit(pair.ids, DRAW))
    history = (*pair.ids, steps[0].id, steps[1].id)
    assert last.done
    found, stored = loaded.logits.get(history), pair.here.ready.logits.get(history)
    assert found is not None
    assert stored is not None
    assert found[1]
    assert found[0].numpy().tobytes() == stored[0].numpy().tobytes()
    assert loaded.logits.missing(history, [1, len(history)]) == [1]


def test_columns_and_grids_are_the_same(pair: SimpleNamespace) -> None:
    columns = [side_by_side.Column(DRAW, "a"), side_by_side.Column(dataclasses.replace(DRAW, seed=8), "a")]
    texts, samples = [], []
    for playground in (pair.here, pair.page):
        text_engine = playground.ready.engine
        *_, update = side_by_side.side_by_side({"a": text_engine}, pair.ids, columns)
        texts.append([(column.text, column.finish, column.seed) for column in update.columns])
        grid = [progress.sample for progress in side_by_side.sweep(text_engine, pair.ids, [0.5, 1.0], [0.9], DRAW, 2)]
        samples.append([(sample.text, sample.ids, sample.finish, sample.seed) for sample in grid if sample])
    assert texts[0] == texts[1]
    assert samples[0] == samples[1]


def test_the_model_tab_shows_the_other_model_and_loads_none(pair: SimpleNamespace) -> None:
    here, there = (model_tab.info(playground)["model"] for playground in (pair.here, pair.page))
    assert there == here
    html = model_tab.facts(pair.page, EN)
    assert "an engine in another process" in html
    assert pair.url.removeprefix("http://") in html
    assert not model_tab.offers_bundled(pair.page)
    (line, asks), *_ = model_tab.load(pair.page, pair.page.ready.choice, False, JA)
    assert "neoxjp serve" in line
    assert not asks


def test_requests_carry_a_hash_of_their_visitor(pair: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    from neoxjp.engine import ANYONE, Visitor

    seen, engine_here = [], pair.here.ready.engine
    submit = engine_here.submit
    monkeypatch.setattr(engine_here, "submit", lambda *given, **names: seen.append(names["visitor"]) or submit(*given, **names))
    for visitor in (Visitor("192.0.2.7", "tab1"), Visitor("192.0.2.7", "tab2"), Visitor("192.0.2.8", "tab1"), ANYONE):
        list(pair.page.ready.engine.submit(pair.ids, SamplingParams(max_new_tokens=1), visitor=visitor))
    first, same, other, nobody = seen
    assert first.address == same.address != other.address
    assert first.session != same.session
    assert nobody == ANYONE
    assert "192.0.2" not in repr(seen)


def test_the_metrics_of_the_page_count_its_texts(pair: SimpleNamespace) -> None:
    page = Playground()
    page.observer = operations = Operations(page)
    watch = Watch(page, pair.url, KEY).start()
    try:
        assert len(list(page.ready.engine.submit(pair.ids, DRAW))) == 12
        with pytest.raises(PromptTooLong):
            page.ready.engine.submit(pair.ids * 999)
        until(lambda: operations.registry.get_sample_value("neoxjp_generation_tokens_total") == 12)
        ended = operations.registry.get_sample_value("neoxjp_request_success_total", {"finished_reason": "length"})
        refused = operations.registry.get_sample_value("neoxjp_requests_refused_total", {"reason": "PromptTooLong"})
        assert (ended, refused) == (1, 1)
    finally:
        watch.stop()


# ---- away, back, another one


@pytest.mark.slow
def test_an_engine_that_is_killed_leaves_the_text_so_far_and_a_sentence(slow_folder: Path) -> None:
    with engine(slow_folder) as server, page_of(server.url) as page:
        operations, writing = Operations(page), VisitorState()
        text = prompt_text(page, "猫")
        writing.type(tree_with_prompt(writing.tree_for(page.tokenizer), text), text)
        settings = Settings.set(max_new_tokens=4000, min_new_tokens=4000)
        frames = write(page, stream(page), writing, "new", settings, JA)
        for _ in frames:
            if writing.live is not None and len(writing.live.steps) > 5:
                break
        server.stop()
        *_, frame = frames
        assert not frame.running
        assert "エンジン" in frame.line
        assert writing.text is not None
        assert len(writing.text.steps) > 5
        until(lambda: operations.state()[0] == 503)
        assert operations.state()[1]["reason"] == "the engine does not answer"
        assert "does not answer" in head_line(page, EN)
        for lang, sentence in (("en", "does not answer"), ("ja", "応答がありません")):
            with pytest.raises(EngineAway) as away:
                scorer(page)(writing.text.ids, 0, False)
            assert sentence in COMMON.words(lang).message(away.value)
        before = page.serial
        with engine(slow_folder, server.port):
            until(lambda: operations.state()[0] == 200)
            assert page.serial == before  # the same model: the visitor's text can be continued
            assert len(scorer(page)(writing.text.ids, 0, False)) == len(writing.text.ids)


@pytest.mark.slow
def test_another_model_is_taken_over_with_its_vocabulary(tiny_folder: Path) -> None:
    with engine("bundled") as first, page_of(first.url) as page:
        old = page.ready
        first.stop()
        with engine(tiny_folder, first.port):
            until(lambda: page.serial > old.serial)
            fresh = page.ready
            assert fresh.tokenizer.vocab_size < old.tokenizer.vocab_size
            assert fresh.tokenizer.encode(TEXT) == fresh.tokenizer.__class__.from_pretrained(tiny_folder).encode(TEXT)
            assert page.tokenizer_as(compat=True).vocab_size == fresh.tokenizer.vocab_size
            assert (old.title("x"), fresh.title("x")) == ("x", tiny_folder.name)
            assert len(scorer(page)(fresh.tokenizer.encode(TEXT), 0, False)) > 3


def test_ids_of_another_model_are_not_sent_to_the_new_one(pair: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = pair.page.ready
    assert loaded.remote is not None
    model = loaded.remote.model
    monkeypatch.setattr(loaded.remote, "model", dataclasses.replace(model, card=dataclasses.replace(model.card, token="0")))
    for act in (lambda: loaded.engine.submit(pair.ids), lambda: loaded.call(calls.score, pair.ids, 0, False)):
        with pytest.raises(NeoxjpError, match="another model"):
            act()


def test_a_page_starts_before_its_engine(tiny_folder: Path) -> None:
    with engine(tiny_folder) as server:
        port = server.port
    with page_of(f"http://127.0.0.1:{port}", public=True) as page:
        assert Operations(page).state()[0] == 503
        assert str(port) not in head_line(page, EN) + model_tab.facts(page, EN)  # its address is not for visitors
        for read in (lambda: page.ready, lambda: page.tokenizer):
            with pytest.raises(EngineAway, match="does not answer"):
                read()
        with engine(tiny_folder, port):
            until(lambda: page.loaded is not None)
            assert page.ready.model.num_parameters > 0
            assert str(port) not in head_line(page, EN) + model_tab.facts(page, EN) + str(model_tab.info(page))


@pytest.mark.parametrize(
    ("url", "key", "sentence"),
    [
        ("{}", "a-wrong-key", "refuses the API key"),
        ("{}", "", "needs the API key"),
        ("127.0.0.1:8000", KEY, "no address of a server"),
        ("http://name:word@127.0.0.1:8000", KEY, "no address of a server"),
    ],
)
def test_a_wrong_key_or_address_is_a_sentence_at_the_start(pair: SimpleNamespace, url: str, key: str, sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        Watch(Playground(), url.format(pair.url), key).start()


def test_a_draining_page_takes_no_texts_and_cancels_the_rest(slow_folder: Path) -> None:
    with engine(slow_folder) as server, page_of(server.url) as page:
        request = page.ready.engine.submit([1, 2], SamplingParams(max_new_tokens=4000, min_new_tokens=4000))
        next(request)
        page.ready.engine.drain()
        with pytest.raises(NeoxjpError, match="shutting down"):
            page.ready.engine.submit([1])
        assert page.ready.engine.running == 1
        page.ready.engine.close()
        assert request.finish == "cancelled"
        until(lambda: server.playground.ready.engine.running == 0)


def test_a_closed_text_frees_its_place_in_the_engine(slow_folder: Path) -> None:
    with engine(slow_folder) as server, page_of(server.url) as page:
        began = time.monotonic()
        with page.ready.engine.submit([1, 2], SamplingParams(max_new_tokens=4000, min_new_tokens=4000)) as request:
            assert isinstance(next(request), Step)
        until(lambda: server.playground.ready.engine.running == 0)
        assert time.monotonic() - began < 20


# ---- what is sent


def test_floats_come_back_to_the_last_bit_also_those_that_are_no_numbers() -> None:
    values = [0.1 + 0.2, -0.0, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), float(np.float32(0.1))]
    found = decode(encode(values), list[float])
    assert np.array(found).tobytes() == np.array(values).tobytes()
    assert np.isnan(decode(encode([float("nan")]), list[float])[0])
    array = np.array([[1e-45, np.nan, -np.inf], [0.1, -0.0, 3e38]], np.float32)
    assert decode(encode(array), result_of(calls.logits_after)).tobytes() == array.tobytes()


def test_every_function_says_what_it_takes_and_gives() -> None:
    for call in calls.CALLS.values():
        assert arguments_of(call) is not None
        assert result_of(call) is not None
