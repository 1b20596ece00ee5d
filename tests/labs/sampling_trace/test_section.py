"""The section "this token" without a browser: what it shows, against the records, and the endpoint /sampling_trace."""

import html
import re
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import gradio as gr
import pytest
import torch

from neoxjp.engine import LogitsCache, logits_after, next_logits
from neoxjp.errors import NeoxjpError
from neoxjp.labs.branches.actions import recall
from neoxjp.labs.branches.files import to_json
from neoxjp.labs.common.fingerprints import vocabulary_fingerprint
from neoxjp.labs.common.measures import percent
from neoxjp.labs.sampling_trace import section as trace
from neoxjp.labs.sampling_trace import view as views
from neoxjp.labs.sampling_trace.records import StepTrace, trace_at, trace_of_logits
from neoxjp.labs.sampling_trace.section import NO_FILTERS, TextStep, logits_reader, recompute_logits, step_at
from neoxjp.labs.sampling_trace.strings import words
from neoxjp.page_parts.session.playground import Choice, Playground
from neoxjp.page_parts.strings import Strings, option_strings
from neoxjp.page_parts.text.editing import typed
from neoxjp.page_parts.text.settings import Settings
from neoxjp.page_parts.text.state import Text, VisitorState
from neoxjp.page_parts.text.stream import scorer, stream
from neoxjp.page_parts.text.writing import Mode, write
from neoxjp.sampling import SamplingParams, Stage, filter_options
from tests.support.tiny_model import ours
from tests.support.written import frames

EN, JA = words("en"), words("ja")
TRIED = [option.name for option in filter_options()]
LIVELY = Settings.set(temperature=1.5, top_p=0.9, max_new_tokens=12, seed="3", min_new_tokens=12)


def written(playground: Playground, *modes: Mode, settings: Settings = LIVELY, prompt: str = "猫は東京に") -> Text:
    writing = VisitorState()
    for mode in modes or ("new",):
        frames(playground, writing, mode, prompt, settings)
    assert writing.text is not None
    return writing.text


def record_of(playground: Playground, step: TextStep, params: SamplingParams | None = None) -> StepTrace:
    """The record that the section shows."""
    loaded = playground.ready
    at, was = step.position - step.part.start, step.part.params
    more: dict[str, Any] = {"seed": was.seed, "store": loaded.logits, "show": trace.ROWS}
    return trace_at(loaded.model, loaded.tokenizer, step.prompt, step.ids, at, params or was, **more)


def shown(playground: Playground, text: Text | None, position: float = 1, t: Any = EN, **changes: Any) -> tuple[Any, ...]:
    step = None if text is None else step_at(text, position)
    params = replace(step.part.params, **changes) if step and changes else None
    return trace.shown_of(playground, text, step, params, t)


# ---------------------------------------------------------------- how a step was drawn


def test_every_step_draws_what_stands_in_the_text(playground):
    text = written(playground, "new", "continue", "again")
    assert len(text.parts) == 2
    for position in range(1, len(text.steps) + 1):
        record = record_of(playground, step_at(text, position))
        assert record.stored_logits
        assert record.drawn == record.written == text.steps[position - 1].id


def test_each_part_keeps_its_own_settings(playground):
    writing = VisitorState()
    paints = stream(playground)
    typed(playground, writing, "猫")
    list(write(playground, paints, writing, "new", LIVELY, EN))
    list(write(playground, paints, writing, "continue", LIVELY.change(temperature=0.5, seed="8"), EN))
    text = writing.text
    assert text is not None
    assert [part.start for part in text.parts] == [0, text.base]
    assert [(part.params.temperature, part.params.seed) for part in text.parts] == [(1.5, 3), (0.5, 8)]
    assert text.params is text.parts[1].params
    for position in (0, text.base - 1, text.base, len(text.steps) - 1):
        assert step_at(text, position + 1).part is text.parts[position >= text.base]


def test_a_text_that_lost_its_beginning_is_seen_as_the_model_saw_it(playground):
    text = written(playground, settings=replace(LIVELY, truncate=True), prompt="東京都の猫です。" * 40)
    assert text.truncated_tokens > 0
    step = step_at(text, 4)
    assert step.prompt == text.prompt_ids[text.truncated_tokens :]
    record = record_of(playground, step)
    assert (record.stored_logits, record.drawn) == (True, text.steps[3].id)


# ---------------------------------------------------------------- what is shown


def cells(table: str) -> list[list[str]]:
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table.split("<tbody>")[1])
    return [
        [html.unescape(re.sub("<[^>]+>", "", cell)) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows
    ]


def test_the_values_on_the_page_are_the_records(playground):
    text = written(playground, settings=LIVELY.change(top_k=20, min_p=0.01, typical_p=0.95, no_repeat_ngram_size=2))
    record = record_of(playground, step_at(text, 6))
    draw, candidates, filters, again = shown(playground, text, 6)
    assert not again
    names = [stage.name for stage in record.stages]
    assert names[0] == "model"
    assert {"repetition_penalty", "no_repeat_ngram", "min_new_tokens", "temperature", "top_k", "top_p"} <= set(names)
    rows = cells(candidates)
    assert len(rows) == len(record.candidates) + 1
    for row, candidate in zip(rows, record.candidates, strict=False):
        seen = row[1:-1]
        last = names.index(candidate.removed_by) if candidate.removed_by else len(names)
        assert seen[:last] == [percent(chance) for chance in candidate.probabilities[:last]]
        assert seen[last:] == ["× removed", *["·"] * (len(names) - last - 1)][: len(names) - last]
    assert rows[-1][1:-1] == [percent(chance) for chance in record.others.probabilities]
    assert f"{record.others.count:,}" in rows[-1][0]
    kept = [(row[1], row[2]) for row in cells(filters.split("</table>")[0])]
    assert kept[:-1] == [
        (f"{stage.tokens_left:,}", "" if stage.name == "model" else percent(stage.removed_probability)) for stage in record.stages
    ]
    assert kept[-1] == (f"{record.stages[-1].tokens_left:,}", percent(record.total_removed_probability))
    assert f"entropy {record.entropy_before:.2f} → {record.entropy_after:.2f} bits" in draw
    assert f"random number {record.uniform:.4f}" in draw


def test_the_number_line_is_full_and_the_mark_stands_in_the_drawn_interval(playground):
    text = written(playground)
    for position in (1, 5, 12):
        line = shown(playground, text, position)[0]
        parts = re.findall(r'class="(sampling-trace-interval[^"]*)"[^>]*?style="left:([\d.]+)%;width:([\d.]+)%"', line)
        assert sum(float(width) for *_, width in parts) == pytest.approx(100, abs=0.05)
        (mark,) = re.findall(r'class="sampling-trace-mark sampling-trace-\w+" style="left:([\d.]+)%"', line)
        (drawn,) = [(float(left), float(width)) for name, left, width in parts if "sampling-trace-drawn" in name]
        assert drawn[0] - 0.01 <= float(mark) <= sum(drawn) + 0.01


def test_a_removed_candidate_says_by_which_filter(playground):
    text = written(playground, settings=LIVELY.change(top_k=3))
    candidates = shown(playground, text, 2)[1]
    assert candidates.count('<i aria-hidden="true">×</i>') == candidates.count("× Top-k 3") > 0
    assert candidates.count("✓ drawn") == 1
    assert "✓ drawn (in the text)" in candidates
    assert "× top-k 3" in shown(playground, text, 2, JA)[1]


def test_no_sign_of_a_candidate_looks_like_a_control(playground):
    """○ beside a row looks like a radio button to press."""
    candidates = shown(playground, written(playground), 3, top_k=3)[1]
    assert set(re.findall(r'<th scope="row" lang="ja"><i aria-hidden="true">(.)</i>', candidates)) == {"✓", "◆", "◇", "×"}


def test_other_settings_say_what_would_have_been_drawn(playground):
    text = written(playground)
    others = 0
    for position in range(1, 13):
        step = step_at(text, position)
        for changes in ({"temperature": 0.2}, {"temperature": 0.0}, {"top_k": 1}, {"top_p": 1.0}):
            record = record_of(playground, step, replace(step.part.params, **changes))
            draw, candidates, *_ = shown(playground, text, position, **changes)
            differs = record.drawn != record.written
            others += differs
            assert ("instead of" in draw) == differs
            assert ("the same token" in draw.lower()) == (not differs)
            assert ("◆ in the text" in candidates) == differs
    assert others


def test_greedy_says_that_no_random_number_was_used(playground):
    text = written(playground, settings=LIVELY.change(temperature=0))
    draw, candidates, *_ = shown(playground, text, 3)
    assert "No random number" in draw
    assert "sampling-trace-mark " not in draw
    assert ">greedy</th>" in candidates
    assert "最も確率が高い" in shown(playground, text, 3, JA)[0]


@pytest.mark.parametrize(("number", "position"), [(None, 0), (0, 0), (-4, 0), (1, 0), (2.0, 1), (999, 11)])
def test_any_number_in_the_field_leads_to_a_token(playground, number, position):
    assert step_at(written(playground), number).position == position


def test_names_of_tokens_are_never_markup():
    logits = torch.tensor([2.0, 1.0, 0.5, 0.0])

    class Hostile:
        def decode(self, ids: list[int]) -> str:
            return ["<script>x</script>", "<b>", '" onload="x', "<|endoftext|>"][ids[0]]

    params = SamplingParams(do_sample=True, top_k=0)
    record = trace_of_logits(logits, params, [], written=0, uniform=0.1, tokenizer=Hostile())
    for t in (EN, JA):
        names = views.filter_names(params, t)
        drawn = views.draw(record, names, False, True, 0, 1, t)
        for markup in (drawn, views.candidates(record, names, t), views.filters(record, names, t)):
            assert "<script" not in markup
            assert "<b>x" not in markup
            assert 'onload="' not in markup
    assert "⏹ end of text" in views.candidates(record, views.filter_names(params, EN), EN)


# ---------------------------------------------------------------- empty and damaged


def test_nothing_written_yet_asks_for_a_text(playground):
    draw, *rest = shown(playground, None)
    assert "press Generate" in draw
    assert rest == ["", "", False]


def test_a_text_of_another_model_is_not_shown(playground):
    text = replace(written(playground), serial=99)
    assert "Another model" in shown(playground, text)[0]
    step = step_at(text, 1)
    before = len(playground.ready.logits)
    recompute_logits(playground, logits_reader(playground), text, step)
    assert len(playground.ready.logits) == before


def test_another_model_starts_with_no_logits(tiny_folder: Path):
    playground = Playground()
    playground.load(Choice(str(tiny_folder)))
    written(playground)
    first = playground.ready.logits
    assert len(first) == 12
    playground.load(Choice(str(tiny_folder)), unload_first=True)
    assert len(playground.ready.logits) == 0
    assert playground.ready.logits is not first
    assert playground.ready.engine is not None
    playground.ready.engine.close()


def test_logits_that_are_gone_are_read_again_on_request(playground):
    text = written(playground, "new", "continue")
    step = step_at(text, 15)
    exact = record_of(playground, step)
    playground.ready.logits.clear()
    draw, _, _, again = shown(playground, text, 15)
    assert again
    assert "Press Recompute" in draw
    recompute_logits(playground, logits_reader(playground), text, step)
    assert len(playground.ready.logits) == len(step.ids)  # one pass for all that this generation wrote
    record = record_of(playground, step)
    assert not record.stored_logits
    assert [row.id for row in record.candidates] == [row.id for row in exact.candidates]
    for one, two in zip(record.candidates, exact.candidates, strict=True):
        assert one.probabilities == pytest.approx(two.probabilities, abs=1e-5)
    assert "last digits" in shown(playground, text, 15)[0]


def test_no_more_is_read_again_than_the_store_can_hold(playground, monkeypatch):
    text = written(playground)
    store = LogitsCache(6 * 4 * playground.tokenizer.vocab_size)
    monkeypatch.setattr(playground, "loaded", replace(playground.ready, logits=store))
    for position in (1, 6, 12):
        store.clear()
        step = step_at(text, position)
        recompute_logits(playground, logits_reader(playground), text, step)
        assert len(store) == 3
        assert store.get(step.history) is not None


def test_a_recalled_text_knows_what_it_was_drawn_with(playground):
    writing = VisitorState(written(playground))
    later = VisitorState()
    writing.show(replace(writing.tree, vocabulary=vocabulary_fingerprint(playground.tokenizer)), writing.text)
    recall(playground, scorer(playground), later, to_json(writing.tree))
    assert step_at(later.text, 5).known
    assert step_at(later.text, 5).part == step_at(writing.text, 5).part


def test_a_text_whose_settings_are_not_known_shows_the_model_and_says_so(playground):
    again = replace(written(playground), parts=())
    step = step_at(again, 5)
    assert (step.known, step.part.params) == (False, NO_FILTERS)
    draw, candidates, *_ = shown(playground, again, 5)
    assert "settings and random number are unknown" in draw
    assert "sampling-trace-mark " not in draw
    assert "◆ in the text" in candidates
    assert "分かりません" in shown(playground, again, 5, JA)[0]
    assert "× Top-k 2" in shown(playground, again, 5, top_k=2)[1]


def test_settings_that_leave_nothing_get_a_sentence(playground):
    with pytest.raises(NeoxjpError, match="top_p=2"):
        trace.settings(NO_FILTERS, neutral(top_p=2))
    emptied = [{"temperature": 0.5, "top_k": 3}.get(name) for name in TRIED]
    assert trace.settings(NO_FILTERS, emptied) == replace(NO_FILTERS, temperature=0.5, top_k=3)


# ---------------------------------------------------------------- the handler


def updated(playground: Playground, text: Text | None, part: Any, position: float, *values: Any) -> dict[str, Any]:
    """The new values of the components, by name; an unchanged one is skipped."""
    shown: dict[str, Any] = {name: gr.HTML() for name in ("drawing", "recompute", "candidates", "filters", "part")}
    unused: dict[str, Any] = dict.fromkeys(("position", "before", "after", "reset"))
    every_word = Strings(trace.strings.table | option_strings(playground.options)).words("en")
    section: Any = SimpleNamespace(**shown, **unused, tried={name: gr.Slider() for name in TRIED})
    components = {"draw": section.drawing, "candidates": section.candidates, "filters": section.filters}
    components |= {"recompute": section.recompute, "part": section.part, **section.tried}
    found = trace.updates(section, playground, text, part, position, values, every_word)
    assert found.keys() <= set(components.values())
    return {name: found.get(component, gr.skip()) for name, component in components.items()}


def neutral(**changes: float) -> list[Any]:
    return [changes.get(name, getattr(NO_FILTERS, name)) for name in TRIED]


def test_sliders_start_at_the_settings_of_the_generation_and_then_stay_as_they_are_moved(playground):
    text = written(playground, settings=LIVELY.change(top_k=7))
    first = updated(playground, text, None, 3, *neutral())
    assert "this token was drawn" in first["draw"]
    assert first["part"] is text.parts[0]
    assert (first["temperature"].value, first["top_k"].value) == (1.5, 7)
    second = updated(playground, text, first["part"], 4, *neutral(top_k=2))
    assert "× Top-k 2" in second["candidates"]
    assert second["temperature"] == second["top_k"] == gr.skip()
    other = updated(playground, written(playground), first["part"], 4, *neutral(top_k=2))
    assert other["top_k"].value == 0


def test_a_setting_beyond_the_ends_of_its_slider_moves_the_ends(playground):
    text = written(playground, settings=LIVELY.change(temperature=7.5))
    temperature = updated(playground, text, None, 1, *neutral())["temperature"]
    assert (temperature.value, temperature.maximum) == (7.5, 7.5)


def test_every_filter_that_is_explained_can_be_tried_in_its_order():
    fields = [{"no_repeat_ngram": "no_repeat_ngram_size"}.get(stage, stage) for stage in get_args(Stage)]
    assert [field for field in fields if field not in ("model", "greedy")] == list(TRIED)


def test_the_ban_of_runs_and_the_minimum_length_can_be_tried(playground):
    text = written(playground, settings=LIVELY.change(min_new_tokens=0, max_new_tokens=8), prompt="猫は東京に猫は東京に猫は東京")
    part = updated(playground, text, None, 1, *neutral())["part"]
    found = updated(playground, text, part, 1, *neutral(no_repeat_ngram_size=3, min_new_tokens=8))
    size = playground.tokenizer.vocab_size  # less what would make the prompt's run a third time, then less the end token
    assert [row[:2] for row in cells(found["filters"].split("</table>")[0])] == [
        ["model", f"{size:,}"],
        ["No-repeat n-gram size 3", f"{size - 1:,}"],
        ["Minimum tokens 8", f"{size - 2:,}"],
        ["total", f"{size - 2:,}"],
    ]


def test_the_minimum_length_ends_at_the_length(playground):
    sliders = updated(
        playground, written(playground, settings=LIVELY.change(max_new_tokens=12, min_new_tokens=5)), None, 1, *neutral()
    )
    assert (sliders["min_new_tokens"].value, sliders["min_new_tokens"].maximum) == (5, 12)
    longest = [*neutral(min_new_tokens=12)]
    text = written(playground)
    assert 'role="alert"' not in updated(playground, text, text.parts[0], 1, *longest)["draw"]


def test_a_wrong_value_gets_a_sentence_and_no_table(playground):
    text = written(playground)
    part = text.parts[0]
    found = updated(playground, text, part, 1, *neutral(top_p=2))
    assert 'role="alert"' in found["draw"]
    assert "top_p=2" in found["draw"]
    assert (found["candidates"], found["filters"]) == ("", "")


def test_the_button_for_reading_again_is_there_only_where_it_helps(playground):
    text = written(playground)
    assert updated(playground, text, None, 1, *neutral())["recompute"].visible is False
    playground.ready.logits.clear()
    assert updated(playground, text, None, 1, *neutral())["recompute"].visible is True
    assert updated(playground, None, None, 1, *neutral())["recompute"].visible is False


# ---------------------------------------------------------------- the cost


def test_another_setting_does_not_run_the_model(playground, monkeypatch):
    text = written(playground)
    part = updated(playground, text, None, 3, *neutral())["part"]
    for way in ("forward", "forward_unpadded"):
        monkeypatch.setattr(playground.ready.model, way, lambda *given, **named: pytest.fail("the model ran"))
    for position in (1, 12):
        assert "× Top-k 2" in updated(playground, text, part, position, *neutral(top_k=2))["candidates"]
    playground.ready.logits.clear()
    with pytest.raises(pytest.fail.Exception, match="the model ran"):
        recompute_logits(playground, logits_reader(playground), text, step_at(text, 1))  # which shows that the trap catches


def test_one_pass_gives_the_logits_of_every_step():
    model = ours()
    ids = list(range(30))
    found = logits_after(model, ids, 17)
    assert found.shape == (13, 61)
    for row, end in zip(found, range(18, 31), strict=True):
        assert torch.allclose(row, next_logits(model, ids[:end])[0], atol=1e-5)
    assert torch.equal(logits_after(model, ids, 29)[0], next_logits(model, ids)[0])


# ---------------------------------------------------------------- the API


@pytest.fixture(scope="module")
def client(page_url: str) -> Any:
    from gradio_client import Client

    return Client(page_url, verbose=False)


FILTERS = {"temperature": 1.3, "top_p": 0.9, "top_k": 40, "repetition_penalty": 1.2}


def test_the_endpoint_draws_what_was_generated(client):
    end = list(client.submit(prompt="猫は", max_new_tokens=8, min_new_tokens=8, seed=4, **FILTERS, api_name="/generate"))[-1]
    for position in (0, 7):
        more: dict[str, Any] = {"seed": 4, "min_new_tokens": 8, **FILTERS, "api_name": "/sampling_trace"}
        record = client.predict(prompt="猫は", ids=end["ids"], position=position, **more)
        assert record["drawn"] == record["written"] == end["ids"][position]
        assert record["stored_logits"] is True
        total = [sum(row["probabilities"][at] for row in record["candidates"]) for at in range(len(record["stages"]))]
        for own, others in zip(total, record["others"]["probabilities"], strict=True):
            assert own + others == pytest.approx(1)


def test_the_endpoint_answers_with_the_record(client, playground):
    loaded = playground.ready
    prompt, new = (loaded.tokenizer.encode(part) for part in ("東京", "に住む"))
    record = client.predict(prompt="東京", continuation="に住む", position=1, top_k=5, seed=2, show=3, api_name="/sampling_trace")
    params = SamplingParams(do_sample=True, temperature=0.7, top_p=0.95, top_k=5, repetition_penalty=1.1)
    expected = asdict(trace_at(loaded.model, loaded.tokenizer, prompt, new, 1, params, seed=2, show=3))
    assert record["stored_logits"] is False
    assert [row["id"] for row in record["candidates"]] == [row["id"] for row in expected["candidates"]]
    assert record["stages"] == [
        pytest.approx(stage)
        if not isinstance(stage, dict)
        else {**stage, "removed_probability": pytest.approx(stage["removed_probability"])}
        for stage in expected["stages"]
    ]
    assert record["entropy_after"] == pytest.approx(expected["entropy_after"])


def test_the_next_token_of_nothing_has_a_trace_too(client):
    record = client.predict(prompt="", seed=1, api_name="/sampling_trace")
    assert record["written"] is None
    assert record["drawn"] is not None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ids": [1], "continuation": "猫"}, "not both"),
        ({"ids": [10**6]}, "outside 0 to"),
        ({"ids": ["x"]}, "whole numbers"),
        ({"position": 1}, "from 0 to 0"),
        ({"position": 0.5}, "expected a whole number"),
        ({"show": 0}, "from 1 to 200"),
        ({"temperature": -1}, "temperature=-1"),
        ({"seed": -1}, "seed=-1"),
        ({"prompt": "猫" * 500}, "context"),
    ],
)
def test_the_endpoint_refuses_what_it_cannot_answer(client, given, message):
    with pytest.raises(Exception, match=message):
        client.predict(**({"prompt": "猫"} | given), api_name="/sampling_trace")
