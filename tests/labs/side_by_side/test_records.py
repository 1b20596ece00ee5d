"""Columns side by side and the sweep: one batch, one text each, honest numbers; and what cancels them."""

import csv
import io
import itertools
import threading

import pytest
import torch

from neoxjp.compare import to_csv, to_frame
from neoxjp.engine import Engine
from neoxjp.errors import ParameterError
from neoxjp.labs.common.measures import measure
from neoxjp.labs.side_by_side.records import (
    Column,
    compare,
    shares_vocabulary,
    side_by_side,
    sweep,
    to_row,
)
from neoxjp.sampling import SamplingParams
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from tests.support.fake_model import Fake
from tests.support.tiny_model import ours


@pytest.fixture(scope="module")
def tokenizer(tiny_vocabulary) -> GPTNeoXJapaneseTokenizer:
    return GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)


def model(tokenizer, seed=0):
    return ours(seed, vocab_size=tokenizer.vocab_size, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)


@pytest.fixture
def engine(tokenizer):
    return Engine(model(tokenizer), tokenizer)


def drawing(seed: int = 1, new: int = 12, **changes) -> SamplingParams:
    return SamplingParams(**({"do_sample": True, "top_k": 0, "seed": seed, "max_new_tokens": new} | changes))


COLUMNS = [Column(drawing(1)), Column(drawing(2)), Column(drawing(1, temperature=0.3)), Column(SamplingParams(max_new_tokens=5))]


@pytest.mark.parametrize("threaded", [False, True])
def test_each_column_is_what_it_would_be_alone(engine, tokenizer, threaded):
    alone = [[s.id for s in Engine(engine.model, tokenizer).submit(tokenizer.encode("東京"), c.params)] for c in COLUMNS]
    if threaded:
        engine.start()
    updates = list(side_by_side({"": engine}, "東京", COLUMNS))
    last = updates[-1]
    assert last.over
    assert not any(update.over for update in updates[:-1])
    for place, column in enumerate(last.columns):
        assert [step.id for step in column.steps] == alone[place]
        for before, after in itertools.pairwise(update.columns[place].steps for update in updates):
            assert after[: len(before)] == before
        assert column.text == "".join(step.text for step in column.steps)
        assert column.finish in ("length", "eos")
        assert column.prompt_ids == tuple(tokenizer.encode("東京"))
    assert [column.seed for column in last.columns[:3]] == [1, 2, 1]
    assert (engine.running, engine.waiting) == (0, 0)
    engine.close()


def test_updates_come_no_faster_than_asked_and_lose_nothing(engine):
    updates = list(side_by_side({"": engine}, "東京", COLUMNS, every=3600))
    assert len(updates) == 2  # the first at once, and the last
    *_, whole = side_by_side({"": engine}, "東京", COLUMNS)
    assert [[step.id for step in column.steps] for column in updates[-1].columns] == [
        [step.id for step in column.steps] for column in whole.columns
    ]


def test_a_long_prompt_reports_how_much_of_it_is_processed(tokenizer):
    fake = Fake(lambda ids: torch.zeros(tokenizer.vocab_size), 200, tokenizer.vocab_size, 0, 1)
    engine = Engine(fake, tokenizer, max_batch=1)
    updates = list(side_by_side({"": engine}, [5] * 150, [Column(drawing(new=2)), Column(drawing(new=2))]))
    assert [update.columns[0].prefilled for update in updates][:3] == [64, 128, 150]
    assert updates[0].columns[1].waiting == 1


def test_all_columns_of_a_model_share_its_forwards(tokenizer):
    fake = Fake(lambda ids: torch.zeros(tokenizer.vocab_size), 60, tokenizer.vocab_size, 0, 1)
    columns = [Column(drawing(seed, new=8, eos_token_id=())) for seed in range(3)]
    updates = list(side_by_side({"": Engine(fake, tokenizer, speculate=False)}, [5], columns))
    assert fake.batches.count(3) >= 7  # but for the prompt, which is read once or beside the first ids
    for before, after in itertools.pairwise(updates):  # the columns grow token by token, together
        grown = [len(new.steps) - len(old.steps) for old, new in zip(before.columns, after.columns, strict=True)]
        assert sum(grown) <= 3


def test_two_models_continue_one_text_each_with_its_own_ids(tokenizer, tiny_vocabulary):
    compat = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary, compat="transformers")
    engines = {"a": Engine(model(tokenizer, 1), tokenizer), "b": Engine(model(tokenizer, 2), tokenizer)}
    *_, last = side_by_side(engines, "東京,", [Column(drawing(), "a"), Column(drawing(), "b")])
    assert last.columns[0].steps != last.columns[1].steps
    assert shares_vocabulary(list(engines.values()))
    other = Engine(model(tokenizer), compat)
    assert shares_vocabulary([engines["a"], other]) == (compat.vocabulary.spellings == tokenizer.vocabulary.spellings)


def test_ids_for_two_vocabularies_and_wrong_columns_are_refused(engine, tokenizer, tiny_vocabulary, tmp_path):
    for name in ("vocab.txt", "emoji.json"):
        text = (tiny_vocabulary / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("である\n", "であった\n"), encoding="utf-8")
    other = Engine(model(tokenizer), GPTNeoXJapaneseTokenizer.from_pretrained(tmp_path))
    pair = [Column(drawing(), "a"), Column(drawing(), "b")]
    with pytest.raises(ParameterError, match="prompt as text"):
        next(side_by_side({"a": engine, "b": other}, [1, 2], pair))
    next(side_by_side({"a": engine, "b": other}, "東京", pair))
    for columns in ([], COLUMNS[:1], [*COLUMNS, COLUMNS[0]]):
        with pytest.raises(ParameterError, match="2 to 4") as caught:
            next(side_by_side({"": engine}, "東京", columns))
        assert "2〜4" in caught.value.ja
    with pytest.raises(ParameterError, match="no model 'x'"):
        next(side_by_side({"": engine}, "東京", [Column(drawing(), "x"), COLUMNS[0]]))


def test_closing_frees_every_slot_and_so_does_a_refused_column(engine):
    running = side_by_side({"": engine}, "東京", COLUMNS)
    next(running)
    assert engine.running == 4
    running.close()
    assert (engine.running, engine.waiting) == (0, 0)
    with pytest.raises(ParameterError, match="id 99999"):
        next(side_by_side({"": engine}, "東京", [COLUMNS[0], Column(drawing(eos_token_id=99999))]))
    assert engine.running == 0


def test_a_column_whose_filters_leave_nothing_fails_alone(tokenizer):
    fake = Fake(lambda ids: torch.zeros(2), 40, 2, 0, 1)
    columns = [Column(drawing(eos_token_id=(), new=6, no_repeat_ngram_size=1)), Column(drawing(eos_token_id=(), new=6))]
    *_, last = side_by_side({"": Engine(fake, tokenizer)}, [0], columns)
    assert "no_repeat_ngram_size=1 leaves none" in last.columns[0].failed
    assert (last.columns[1].failed, last.columns[1].finish, len(last.columns[1].steps)) == ("", "length", 6)


def test_columns_are_compared_with_the_first(engine):
    *_, last = side_by_side({"": engine}, "東京", [*COLUMNS[:2], COLUMNS[0], COLUMNS[3]])
    found = compare(last.columns)
    ids = [[step.id for step in column.steps] for column in last.columns]
    assert found.measures == tuple(measure(column.steps) for column in last.columns)
    assert found.first_different_token[0] is found.first_different_token[2] is None  # the same settings and seed
    at = found.first_different_token[1]
    assert at is not None
    assert ids[0][:at] == ids[1][:at]
    assert ids[0][at] != ids[1][at]
    assert len(found.rows) == max(map(len, ids))
    for place, cells in enumerate(found.rows):
        for column, cell in zip(ids, cells, strict=True):
            assert (cell is None) == (place >= len(column))
            if cell is not None:
                assert cell.id == column[place]
                assert cell.same == (place < len(ids[0]) and column[place] == ids[0][place])
    texts = [column.text for column in last.columns]
    at = found.first_different_character[1]
    assert at is not None
    assert texts[0][:at] == texts[1][:at]
    strangers = compare(last.columns, same_vocabulary=False)
    assert strangers.first_different_token == (None,) * 4
    assert strangers.first_different_character == found.first_different_character
    assert not any(cell.same for cells in strangers.rows for cell in cells if cell)


# Sweep


def test_a_sweep_writes_the_grid_in_order_with_the_same_seeds(engine, tokenizer):
    found = list(sweep(engine, "東京", [0.5, 1.5], [0.9, 1], drawing(7), samples=2))
    assert [(p.done, p.total) for p in found] == [(n, 8) for n in range(1, 9)]
    grid = [(p.sample.temperature, p.sample.top_p, p.sample.seed) for p in found]
    assert grid == [(t, p, s) for t, p in itertools.product([0.5, 1.5], [0.9, 1.0]) for s in (7, 8)]
    alone = Engine(engine.model, tokenizer)
    for progress in found:
        sample = progress.sample
        params = drawing(sample.seed, temperature=sample.temperature, top_p=sample.top_p)
        steps = list(alone.submit(tokenizer.encode("東京"), params))
        assert sample.ids == tuple(step.id for step in steps)
        assert sample.text == "".join(step.text for step in steps)
        assert sample.measures.tokens == len(sample.ids)
    assert engine.running == 0


def test_a_closed_sweep_frees_its_slots_and_uses_few_at_a_time(engine):
    running = sweep(engine, "東京", [0.5, 1, 1.5], [0.5, 1], drawing(), samples=4)
    next(running)
    assert engine.running + engine.waiting <= 4
    running.close()
    assert (engine.running, engine.waiting) == (0, 0)


def test_a_sweep_reports_progress_within_a_sample(engine):
    found = list(sweep(engine, "東京", [0.5, 1.5], [1], drawing(), every=1e-9))
    plain = list(sweep(engine, "東京", [0.5, 1.5], [1], drawing()))
    assert [one for one in found if one.sample] == plain
    between = [one for one in found if not one.sample]
    assert between
    assert {(one.total, one.waiting) for one in between} == {(2, 0)}
    assert [one.done for one in between] == sorted(one.done for one in between)


def test_a_sweep_of_a_threaded_engine_can_be_closed_from_another_thread(engine):
    engine.start()
    running = sweep(engine, "東京", [0.5, 1, 1.5], [0.5, 1], drawing())
    next(running)
    leaving = threading.Thread(target=running.close)
    leaving.start()
    leaving.join(20)
    assert not leaving.is_alive()
    assert engine.running == 0
    engine.close()


@pytest.mark.parametrize(
    ("temperatures", "top_ps", "samples", "message"),
    [
        ([], [1], 1, "0 texts: 1 to 256"),
        ([1], [1], 0, "0 texts"),
        ([1] * 20, [1] * 20, 1, "400 texts"),
        ([1, -1], [1], 1, "temperature=-1"),
        ([1], [0.5, 7], 1, "top_p=7"),
    ],
)
def test_a_wrong_grid_is_refused_before_anything_is_written(engine, temperatures, top_ps, samples, message):
    with pytest.raises(ParameterError, match=message):
        next(sweep(engine, "東京", temperatures, top_ps, drawing(), samples))
    assert engine.running == 0


def test_the_table_of_a_sweep(engine):
    samples = [progress.sample for progress in sweep(engine, "東京", [0.5, 1.5], [1], drawing())]
    rows = list(csv.DictReader(io.StringIO(to_csv(to_frame(map(to_row, samples))).decode("utf-8-sig"))))
    assert [float(r["temperature"]) for r in rows] == [0.5, 1.5]
    assert list(rows[0]) == list(to_row(samples[0]))
    assert {
        "temperature",
        "top_p",
        "seed",
        "distinct_2",
        "bits_per_character",
        "mean_logprob",
        "repeats",
        "finish",
        "text",
    } <= set(rows[0])
    assert float(rows[0]["mean_logprob"]) == pytest.approx(samples[0].measures.mean_logprob)
