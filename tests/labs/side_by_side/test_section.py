"""Columns side by side and the sweep without a browser: what is written, what each view shows, and the endpoints."""

import csv
import html
import io
import pickle
import re
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from neoxjp.compare import to_csv, to_frame
from neoxjp.engine import Engine, Step
from neoxjp.errors import ParameterError, PromptTooLong
from neoxjp.labs.common.glyphs import glyphs
from neoxjp.labs.common.measures import measure
from neoxjp.labs.side_by_side import view as columns_view
from neoxjp.labs.side_by_side.records import MAX_COLUMNS, Column, ColumnState, Sample, compare, side_by_side, to_row
from neoxjp.labs.side_by_side.records import sweep as records
from neoxjp.labs.side_by_side.section import Section, second_model, sweep
from neoxjp.labs.side_by_side.section.columns import (
    LOADED,
    SECOND,
    ColumnSettings,
    choose,
    column_seconds,
    column_streamer,
    fields_for_link,
    fields_from_link,
    read_fields,
    run_columns,
    suggest,
    values_of,
)
from neoxjp.labs.side_by_side.section.sweep import Samples
from neoxjp.labs.side_by_side.strings import strings
from neoxjp.model import ModelTooLarge
from neoxjp.page_parts.answers import Run
from neoxjp.page_parts.session.playground import Limits, NotReady, Playground
from neoxjp.page_parts.text.settings import Settings
from neoxjp.sampling import SamplingParams
from tests.support.loops import in_loop

EN = strings.words("en")
SET = Settings.set(temperature=0.9, max_new_tokens=12, seed="5")


def shown(
    playground: Playground,
    chosen: list[ColumnSettings],
    *,
    prompt: str = "東京",
    settings: Settings = SET,
    other: Playground | None = None,
    differs: str = "custom",
    lang: Any = "en",
) -> list[tuple[str, str]]:
    streamer, t = column_streamer(playground, other), strings.words(lang)
    return list(run_columns(playground, other, streamer, Run(), prompt, settings, chosen, differs, t))


def visible(text: str) -> str:
    """What one reads of HTML."""
    return html.unescape(re.sub(r"<[^>]*>", "", text))


def step(text: str, id: int, logprob: float = -1.0) -> Step:
    return Step(id, text, logprob, 1, 0.5, (), 0.0, None)


def grown(*steps: Step, finish: Any = "length", failed: str = "") -> ColumnState:
    text = "".join(one.text for one in steps)
    return ColumnState((1,), steps, text, None if failed else finish, 7, 0, 1, failed, "壊れた" if failed else "")


def drawn(columns_: list[ColumnState], over: bool = True, same: bool = True, prompt: str = "", lang: Any = "en") -> str:
    own: list[list[tuple[str, str]]] = [[("seed", str(number))] for number in range(len(columns_))]
    found = compare(columns_, same)
    shared = [("top-p", "1")]
    names = [lambda id, name=name: f"<{id} of {name}>" for name in "abcd"[: len(columns_)]]
    return columns_view.columns(columns_, found, own, shared, prompt, over, same, strings.words(lang), names)


def cards(text: str) -> list[str]:
    return re.findall(r'<section class="side-by-side-column".*?</section>', text, re.S)


# ---------------------------------------------------------------- what is written


@pytest.mark.parametrize("differs", ["temperature", "top_p", "repetition_penalty"])
def test_the_first_column_is_as_the_tab_is_set_and_the_others_differ_in_one_thing(differs: Any) -> None:
    for value in (0.8, 0.5, 1.0, 1.2):
        found = suggest(SET.change(**{differs: value}), differs)
        first = found[0]
        assert (first.temperature, first.top_p, first.repetition_penalty, first.seed) == (
            SET.change(**{differs: value})["temperature"],
            SET.change(**{differs: value})["top_p"],
            SET.change(**{differs: value})["repetition_penalty"],
            "5",
        )
        assert len({getattr(one, differs) for one in found}) == 4
        assert {replace(one, **{differs: value}) for one in found} == {first}


def test_other_seeds_count_up_and_other_models_take_turns() -> None:
    assert [one.seed for one in suggest(SET, "seed")] == ["5", "6", "7", "8"]
    assert [one.seed for one in suggest(SET.change(seed=""), "seed")] == [""] * 4
    assert [one.model for one in suggest(SET, "model")] == [LOADED, SECOND, LOADED, SECOND]
    assert read_fields([0.5, 0.9, None, "3", LOADED, 1.0, 1.0, 1.0, "", SECOND]) == [
        ColumnSettings(0.5, 0.9, 1.1, "3"),
        ColumnSettings(1.0, 1.0, 1.0, "", SECOND),
    ]


def test_a_field_that_is_not_what_it_was_filled_with_was_set_by_hand() -> None:
    filled = [value for setting in suggest(SET, "top_p") for value in asdict(setting).values()]
    now = SET.change(temperature=1.3)  # the tab was set anew since: fields nobody touched follow it
    assert choose("top_p", now, filled, filled) == ("top_p", suggest(now, "top_p"))
    touched = [0.5, *filled[1:]]
    assert choose("top_p", now, touched, filled) == ("custom", read_fields(touched))
    assert choose("custom", now, filled, filled) == ("custom", read_fields(filled))


def test_columns_set_by_hand_come_back_from_a_link() -> None:
    by_hand = values_of([replace(ColumnSettings(), temperature=0.3, seed="7")] * MAX_COLUMNS)
    filled = values_of([ColumnSettings()] * MAX_COLUMNS)
    assert fields_from_link(fields_for_link(by_hand, filled)) == by_hand
    assert fields_for_link(by_hand, by_hand) == ""
    for wrong in ("", "[", "[" * 5_000, "{}", "[1]"):
        assert fields_from_link(wrong) is None
    for place, value in ((0, "x"), (0, 1e300), (0, None), (0, True), (0, [1]), (3, "9" * 41), (4, "other")):
        assert fields_from_link(fields_for_link([*by_hand[:place], value, *by_hand[place + 1 :]], filled)) is None


def test_the_page_writes_what_the_records_say(playground: Playground) -> None:
    chosen = suggest(SET, "temperature")[:3]
    *_, (line, last) = shown(playground, chosen)
    asked = [
        replace(SET.params(12), temperature=one.temperature, top_p=one.top_p, repetition_penalty=one.repetition_penalty, seed=5)
        for one in chosen
    ]
    engine = Engine(playground.ready.model, playground.tokenizer)
    *_, update = side_by_side({"": engine}, "東京", [Column(params) for params in asked])
    found = compare(update.columns)
    for card, column, measures in zip(cards(last), update.columns, found.measures, strict=True):
        text = re.search(r'<p class="side-by-side-text"[^>]*>(.*?)</p>', card, re.S)[1]  # type: ignore[index]
        text = re.sub(r'<span class="side-by-side-sign".*?</span></span>', "", text)
        assert visible(text) == "".join(sign for sign, _ in glyphs("東京" + column.text))
        numbers = re.findall(r"<dd>.*?<b>(.*?)</b>", card)
        assert numbers[:2] == [f"{measures.tokens:,}", f"{measures.distinct_2:.2f}"]
        assert numbers[2].split()[0] == str(measures.repeats)
        assert numbers[3:] == [f"{measures.mean_logprob:.2f}", f"{measures.bits_per_character:.2f}"]
    rows = re.findall(r'<tr><th scope="row">(\d+)</th>', last)
    assert [int(row) for row in rows] == list(range(1, len(found.rows) + 1))
    total = sum(len(column.steps) for column in update.columns)
    assert visible(line) == f"Generated 3 columns, {total} tokens in total. ≠ marks where they first differ."


def test_an_empty_seed_is_one_for_all_columns_or_another_for_each(playground: Playground) -> None:
    fresh = SET.change(seed="")
    *_, (_, together) = shown(playground, suggest(fresh, "temperature")[:2], settings=fresh, differs="temperature")
    assert re.search(r"In all columns:.* Seed \d+", together)
    *_, (_, apart) = shown(playground, suggest(fresh, "seed")[:3], settings=fresh, differs="seed")
    seeds = [int(found) for found in re.findall(r"<span>Seed <b>(\d+)</b></span>", apart)]
    assert seeds == list(range(seeds[0], seeds[0] + 3))


def test_stop_keeps_what_was_written_and_frees_the_slots(playground: Playground) -> None:
    run = Run()
    stream = run_columns(
        playground, None, column_streamer(playground, None), run, "東京", SET, suggest(SET, "seed")[:2], "seed", EN
    )
    next(stream)
    run.stop()
    *_, (line, last) = stream
    assert "Stopped. The generated text is kept." in line or "Generated 2 columns" in line
    assert len(cards(last)) == 2
    engine = playground.ready.engine
    assert engine is not None
    assert (engine.running, engine.waiting, run.running) == (0, 0, False)


def test_a_prompt_that_is_too_long_is_refused_or_cut(playground: Playground) -> None:
    long = "東京" * 80
    with pytest.raises(PromptTooLong):
        shown(playground, [ColumnSettings(), ColumnSettings()], prompt=long)
    *_, (_, last) = shown(playground, [ColumnSettings(), ColumnSettings()], prompt=long, settings=replace(SET, truncate=True))
    assert len(cards(last)) == 2
    *_, (_, last) = shown(playground, [ColumnSettings(), ColumnSettings()], prompt="")
    assert len(cards(last)) == 2


def test_what_cannot_be_written_is_told_before_anything_is(playground: Playground) -> None:
    with pytest.raises(ParameterError, match="temperature=-1"):
        shown(playground, [ColumnSettings(temperature=-1), ColumnSettings()])
    with pytest.raises(ParameterError, match="'x' is not a whole number"):
        shown(playground, [ColumnSettings(seed="x"), ColumnSettings()])
    with pytest.raises(ParameterError, match="There is no second model"):
        shown(playground, [ColumnSettings(), ColumnSettings(model=SECOND)])
    with pytest.raises(NotReady):
        shown(Playground(), [ColumnSettings(), ColumnSettings()])
    bounded = replace(playground, limits=Limits(characters=3))
    with pytest.raises(ParameterError, match="4"):
        shown(bounded, [ColumnSettings(), ColumnSettings()], prompt="東京東京")
    engine = playground.ready.engine
    assert engine is not None
    assert engine.running == 0


def test_a_gpu_is_borrowed_for_the_longest_column() -> None:
    assert column_seconds("東京", [Column(SET.params(100)), Column(SET.params(400))]) == 55


def test_what_crosses_from_a_borrowed_gpu_can_be_pickled(playground: Playground) -> None:
    columns = [Column(SET.params(3), LOADED)] * 2
    *_, update = column_streamer(playground, None)(list(playground.tokenizer.encode("東京")), columns)
    assert pickle.loads(pickle.dumps((columns, update))) == (columns, update)
    progress = next(sweep.sample_streamer(playground)(playground.tokenizer.encode("東京"), [1.0], [1.0], SET.params(3), 1))
    assert pickle.loads(pickle.dumps(progress)) == progress


# ---------------------------------------------------------------- what is shown


def test_each_column_has_a_sign_where_it_leaves_the_first() -> None:
    a, b, c = step("犬", 1), step("猫", 2), step("鳥", 3)
    first, second_, third = cards(drawn([grown(a, b, c), grown(a, c), grown(a, b, c)]))
    assert re.search(r"犬<span class=\"side-by-side-sign\"[^>]*><i aria-hidden=\"true\">≠2</i>.*?</span></span>猫鳥", first)
    assert re.search(r"犬<span class=\"side-by-side-sign\"[^>]*><i aria-hidden=\"true\">≠1</i>.*?</span></span>鳥", second_)
    assert "differs from column 1 from here on" in second_
    assert "side-by-side-sign" not in third
    assert "= the same text as column 1" in third


def test_a_column_that_is_only_shorter_has_a_sign_once_all_have_ended() -> None:
    pair = [grown(step("犬", 1), step("猫", 2)), grown(step("犬", 1))]
    assert "side-by-side-sign" not in drawn(pair, over=False)
    assert drawn(pair).count("side-by-side-sign") == 2


def test_the_token_table_marks_equal_and_other_ids_and_names_what_is_no_text() -> None:
    table = drawn([grown(step("犬", 1), step("", 9)), grown(step("猫", 2), step("", 9), step("鳥", 3))])
    table = table[table.index("<details") :]
    assert "<details" in table
    assert "<i>≠</i>" in table
    assert "<i>=</i>" in table
    assert "&lt;9 of a&gt;" in table
    assert "&lt;9 of b&gt;" in table  # each id is named by its own model's vocabulary
    assert "36.8 %" in table
    assert ">ended<" in table
    strangers = drawn([grown(step("犬", 1)), grown(step("犬", 1))], same=False)
    assert "<i>=</i>" not in strangers
    assert "The vocabularies differ" in strangers
    assert "<details" not in drawn([grown(step("犬", 1)), grown(step("犬", 1))], over=False)


def test_a_column_says_how_it_stands_in_both_languages() -> None:
    waiting = replace(grown(), finish=None, waiting=3)
    reading = replace(grown(), finish=None, prefilled=2, prompt_ids=(1, 2, 3))
    page = drawn([waiting, reading], over=False)
    assert EN("generate_waiting", n=3) in page
    assert "processing the prompt: 2 of 3" in page
    for finish in ("length", "eos", "stop", "cancelled", "deadline", "error"):
        assert EN(f"side_by_side_finish_{finish}") in drawn([grown(step("犬", 1), finish=finish)] * 2)
    broken = [grown(step("犬", 1), failed="it broke"), grown(step("犬", 1))]
    assert "it broke" in drawn(broken)
    assert "壊れた" in drawn(broken, lang="ja")


def test_a_text_that_goes_in_a_circle_is_called_that() -> None:
    circle = grown(*[step("犬", number % 2) for number in range(80)])
    page = drawn([circle, grown(step("犬", 1))])
    assert "↻ loop" in page
    assert page.count("↻ loop") == 1


def test_nothing_that_was_written_becomes_markup() -> None:
    bad = "<script>x</script>${1}\n"
    page = drawn([grown(step(bad, 1)), grown(step("<img>", 2))], prompt=bad * 9)
    assert "<script" not in page
    assert "<img" not in page


def test_a_long_token_table_says_what_it_leaves_out() -> None:
    steps = [step("犬", number) for number in range(columns_view.MAX_ROWS + 5)]
    page = drawn([grown(*steps), grown(*steps)])
    assert page.count('<tr><th scope="row">') == columns_view.MAX_ROWS
    assert "The first 300 rows are shown; 5 more are not." in page


# ---------------------------------------------------------------- the second model


@pytest.fixture
def other() -> Iterator[Playground]:
    other = Playground()
    yield other
    second_model.unload(other)


def test_a_second_model_writes_columns_beside_the_first(playground: Playground, other: Playground, tiny_folder: Path) -> None:
    lines = list(second_model.load(playground, other, f" {tiny_folder} ", EN))
    assert "is ready" in lines[-1]
    *_, (_, page) = shown(playground, suggest(SET, "model")[:2], other=other, differs="model")
    one, two = cards(page)
    assert "= the same text as column 1" in two  # the same folder
    assert one.count("model <b>") == 0  # the same name: nothing tells them apart
    second_model.unload(other)
    assert other.loaded is None
    with pytest.raises(ParameterError, match="There is no second model"):
        shown(playground, suggest(SET, "model")[:2], other=other, differs="model")


def test_a_second_model_that_is_not_there_or_too_large_is_refused(
    playground: Playground, other: Playground, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ParameterError, match="Enter a folder"):
        next(second_model.load(playground, other, " ", EN))
    with pytest.raises(Exception, match="nowhere"):
        list(second_model.load(playground, other, str(tmp_path / "nowhere"), EN))
    monkeypatch.setattr("neoxjp.model.memory.free_memory", lambda device="cpu": 10)
    with pytest.raises(ModelTooLarge):
        next(second_model.load(playground, other, str(tiny_folder), EN))
    assert other.loaded is None


@pytest.mark.parametrize("public", [False, True])
def test_a_public_page_offers_no_second_model(public: bool) -> None:
    def build() -> Section:
        with gr.Blocks():
            return Section(Playground(public=public))

    section = in_loop(build)
    assert (section.second is None) == public
    assert ("model" in [key for _, key in section.differs.choices]) == (not public)


# ---------------------------------------------------------------- the sweep


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.4, 0.8", [0.4, 0.8]), ("０．４、1　1.2;", [0.4, 1.0, 1.2]), ("1 1 1", [1.0])],
)
def test_numbers_are_read_as_people_type_them(text: str, expected: list[float]) -> None:
    assert sweep.parse_numbers(text, "x") == expected


@pytest.mark.parametrize(("text", "message"), [("", "x: enter 1 to 5"), ("1,2,3,4,5,6", "1 to 5"), ("a", "“a” is not a number")])
def test_numbers_that_are_none_or_too_many_are_told(text: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        sweep.parse_numbers(text, "x")


def test_the_grid_shows_the_samples_of_the_record_as_they_come(playground: Playground) -> None:
    grid = Samples()
    stream = sweep.run_grid(playground, sweep.sample_streamer(playground), grid, "東京", ("0.5, 1.5", "0.9 1"), SET, EN)
    pages = list(stream)
    engine = Engine(playground.ready.model, playground.tokenizer)
    expected = [p.sample for p in records(engine, "東京", [0.5, 1.5], [0.9, 1.0], SET.params(12))]
    assert [(one.temperature, one.top_p, one.seed, one.ids) for one in grid.samples] == [
        (one.temperature, one.top_p, one.seed, one.ids) for one in expected
    ]
    assert [count for count, _ in groupby(page.count('class="side-by-side-none"') for _, page in pages)] == [4, 3, 2, 1, 0]
    last = pages[-1][1]
    for sample in expected:
        assert f"distinct-2 {sample.measures.distinct_2:.2f}, {sample.measures.bits_per_character:.2f} bits/character" in last
    assert "Generated 4 samples (seed 5)." in pages[-1][0]
    assert all('max="4"' in line for line, _ in pages[:-1])
    rows = list(csv.DictReader(io.StringIO(to_csv(to_frame(map(to_row, grid.samples))).decode("utf-8-sig"))))
    assert [float(row["temperature"]) for row in rows] == [0.5, 0.5, 1.5, 1.5]


def test_columns_and_grid_are_drawn_again_in_the_other_language(playground: Playground) -> None:
    ja, run, grid = strings.words("ja"), Run(), Samples()
    streamer, chosen = column_streamer(playground, None), suggest(SET, "temperature")[:2]
    *_, shown_en = run_columns(playground, None, streamer, run, "東京", SET, chosen, "temperature", EN)
    samples = sweep.sample_streamer(playground)
    *_, grid_en = sweep.run_grid(playground, samples, grid, "東京", ("0.5", "0.9"), SET, EN)
    for found, english in ((run, shown_en), (grid, grid_en)):
        assert found.translated(EN) is None
        japanese = found.translated(ja)
        assert japanese is not None
        assert all(one != other for one, other in zip(japanese, english, strict=True))
        assert "Generated" in english[0]
        assert "生成しました" in japanese[0]
        assert found.translated(EN) == english


def test_a_stopped_sweep_keeps_its_samples_and_frees_its_slots(playground: Playground) -> None:
    grid = Samples()
    stream = sweep.run_grid(playground, sweep.sample_streamer(playground), grid, "東京", ("0.5 1 1.5", "0.9 1"), SET, EN)
    while not grid.samples:
        next(stream)
    grid.stop()
    *_, (line, _) = stream
    kept = len(grid.samples)
    assert kept < 6
    assert f"Stopped. The {kept} samples generated are kept." in line
    engine = playground.ready.engine
    assert engine is not None
    assert (engine.running, grid.running) == (0, False)


def test_a_sweep_in_the_waiting_line_says_its_place_and_can_be_stopped_there(playground: Playground) -> None:
    engine: Any = playground.ready.engine
    held = [engine.submit([1], SamplingParams(max_new_tokens=60, min_new_tokens=60)) for _ in range(engine.max_batch)]
    hold, advance = threading.Event(), engine._advance
    engine._advance = lambda rows: (hold.wait(10), advance(rows))
    grid = Samples()
    stream = sweep.run_grid(playground, sweep.sample_streamer(playground), grid, "東京", ("0.5", "0.9 1"), SET, EN)
    try:
        assert any(EN("generate_waiting", n=1) in line for line, _ in stream)
        grid.stop()
        *_, (line, _) = stream
        assert "Stopped. The 0 samples generated are kept." in line
        assert engine.waiting == 0
    finally:
        hold.set()
        engine._advance = advance
        for request in held:
            request.cancel()


def test_nothing_sampled_becomes_markup() -> None:
    text = "<script>x</script>"
    sample = Sample(0.5, 1.0, 1, text, (1,), "length", measure([step(text, 1)]))
    page = columns_view.grid({(0.5, 1.0): sample}, [0.5], [1.0], EN, "<script>opening")
    assert "<script" not in page


def test_a_sweep_names_the_opening_that_it_went_on_from() -> None:
    assert "猫が</span> …</p>" in columns_view.grid({}, [0.5], [1.0], EN, "猫が")
    assert "…" + "猫" * 24 in columns_view.grid({}, [0.5], [1.0], EN, "猫" * 99)
    assert "side-by-side-prompt" not in columns_view.grid({}, [0.5], [1.0], EN)


# ---------------------------------------------------------------- the API


@pytest.fixture(scope="module")
def client(page_url: str) -> Any:
    from gradio_client import Client

    return Client(page_url, verbose=False)


def test_side_by_side_streams_the_records(client: Any, playground: Playground) -> None:
    asked = [{"temperature": 0, "seed": 1}, {"temperature": 1.3, "seed": 1}]
    answers = list(client.submit(prompt="東京", columns=asked, max_new_tokens=12, api_name="/side_by_side"))
    last = answers[-1]
    assert last["over"]
    assert not any("comparison" in answer for answer in answers[:-1])
    engine = Engine(playground.ready.model, playground.tokenizer)
    base = Settings.set(max_new_tokens=12).params(12, 1)
    *_, update = side_by_side({"": engine}, "東京", [Column(replace(base, temperature=one["temperature"])) for one in asked])
    found = compare(update.columns)
    assert [column["ids"] for column in last["columns"]] == [[s.id for s in column.steps] for column in update.columns]
    assert last["comparison"]["first_different_token"] == list(found.first_different_token)
    assert last["comparison"]["measures"][1]["distinct_2"] == found.measures[1].distinct_2
    assert [cell["id"] for cell in last["comparison"]["rows"][0]] == [cell.id for cell in found.rows[0] if cell]


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"columns": [{}]}, "2 to 4 objects"),
        ({"columns": [{}, 3]}, "2 to 4 objects"),
        ({"columns": [{}, {"heat": 1}]}, "'heat' is not a sampling option"),
        ({"columns": [{}, {"top_p": 7}]}, "top_p=7"),
        ({"columns": [{}, {"stop": 3}]}, "expected a list of strings"),
        ({"columns": [{}, {}], "max_new_tokens": 0}, "max_new_tokens=0"),
    ],
)
def test_side_by_side_refuses_what_it_cannot_write(client: Any, given_: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        client.submit(**{"prompt": "東京"} | given_, api_name="/side_by_side").result()


def test_sweep_streams_the_samples(client: Any, playground: Playground) -> None:
    asked = {"temperatures": [0.5, 1.5], "top_ps": [1], "max_new_tokens": 10, "samples_each": 2, "seed": 3}
    answers = list(client.submit(prompt="東京", **asked, api_name="/sweep"))
    engine = Engine(playground.ready.model, playground.tokenizer)
    expected = [p.sample for p in records(engine, "東京", [0.5, 1.5], [1], Settings().params(10, 3), 2)]
    assert [(answer["done"], answer["total"]) for answer in answers] == [(n, 4) for n in range(1, 5)]
    assert [answer["sample"]["ids"] for answer in answers] == [list(sample.ids) for sample in expected]
    assert answers[0]["sample"]["distinct_2"] == expected[0].measures.distinct_2


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"temperatures": []}, "temperatures: expected a list of 1 to 5"),
        ({"top_ps": [0.1] * 6}, "top_ps: expected a list of 1 to 5"),
        ({"max_new_tokens": 41}, "from 1 to 40"),
        ({"samples_each": 9}, "from 1 to 4"),
        ({"temperatures": [-1]}, "temperature=-1"),
        ({"seed": -4}, "seed=-4"),
    ],
)
def test_sweep_refuses_a_wrong_grid(client: Any, given_: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        client.submit(**{"prompt": "東京", "temperatures": [1], "top_ps": [1]} | given_, api_name="/sweep").result()
