"""Rules of the section "inside", without a browser: its views and endpoints, against the records."""

import html
import json
import math
import re
from dataclasses import asdict, replace
from typing import Any

import pytest

from neoxjp.engine import LN2
from neoxjp.errors import NeoxjpError
from neoxjp.labs.inside import section as inside
from neoxjp.labs.inside import view as render_inside
from neoxjp.labs.inside.heads import heads
from neoxjp.labs.inside.records import attention, lens
from neoxjp.labs.inside.salience import LeftOut, salience
from neoxjp.labs.inside.strings import words
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.text.editing import typed
from neoxjp.page_parts.text.state import Text, VisitorState
from tests.labs.heat_map.test_section import plain, written
from tests.support.near import near

EN, JA = words("en"), words("ja")
TEXT = "東京都の大学です。"


def views(playground: Playground, prompt: str, at: Any = None, layer: Any = 0, head: Any = 0) -> tuple[str, str]:
    """Attention and lens of a text that nobody generated."""
    return views_of(playground, with_text(playground, prompt), at, layer, head)


def with_text(playground: Playground, text: str) -> VisitorState:
    writing = VisitorState()
    typed(playground, writing, text)
    return writing


def views_of(playground: Playground, writing: VisitorState, at: Any = None, layer: Any = 0, head: Any = 0) -> tuple[str, str]:
    models, asked = inside.Readers(playground), inside.Asked.of(playground, writing, at)
    return inside.attention_view(models, asked, layer, head)(EN), inside.lens_view(models, asked)(EN)


def test_the_table_has_the_guesses_of_each_layer(playground: Playground) -> None:
    loaded = playground.ready
    ids = loaded.tokenizer.encode(TEXT)
    found = lens(loaded.model, loaded.tokenizer, ids, 2)
    table = html.unescape(views(playground, TEXT, at=3)[1])
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", table, re.S)
    assert [row.split("<")[0] for row in rows] == ["embedding", "after 1 of 2", "after 2 of 2"]
    for row, layer in zip(rows, found.layers, strict=True):
        shown = re.findall(r"<small>([^<]*) %</small>", row)
        assert [float(share) for share in shown] == pytest.approx([100 * guess.probability for guess in layer.top], rel=0.06)
        assert f"<td>{layer.answer_rank:,}</td>" in row
        assert f"{layer.divergence / LN2:.2f}" in row
        assert f"<td>{layer.entropy / LN2:.2f}</td>" in row
    assert f"After token 3, “{found.texts[2]}”" in table
    assert f"The text continues with “{found.texts[3]}”" in table


def test_the_last_token_is_the_query_token_unless_another_is_chosen(playground: Playground) -> None:
    n = len(playground.tokenizer.encode(TEXT))
    shown, table = views(playground, TEXT)
    assert f"After token {n}, " in table
    assert "The text continues" not in table
    assert re.search(r'class="w l\d inside-query"[^>]*data-at="(\d+)"', shown)[1] == str(n)  # type: ignore[index]
    assert views(playground, TEXT, at=0) == (shown, table)
    shown, _ = views(playground, TEXT, at=2)
    assert shown.count('class="w none inside-later"') == n - 2


def test_the_weights_are_those_of_the_record_and_the_ten_largest_are_listed(playground: Playground) -> None:
    loaded = playground.ready
    ids = loaded.tokenizer.encode(TEXT * 3)
    (weights,) = attention(loaded.model, loaded.tokenizer, ids, 1, 2, len(ids) - 1).weights
    shown, _ = views(playground, TEXT * 3, layer=1, head=2)
    spoken = re.findall(r'aria-label="[^"]*weight ([\d.e-]+) %', shown)
    assert [float(share) for share in spoken] == pytest.approx([100 * weight for weight in weights], rel=0.06)
    levels = [int(level) for level in re.findall(r'role="option" class="w l(\d)', shown)]
    assert levels == [render_inside.level(weight) for weight in weights]
    largest = sorted(range(len(weights)), key=lambda place: -weights[place])[:10]
    assert [int(place) for place in re.findall(r'data-go="(\d+)"', shown)] == largest


def test_each_view_explains_in_three_lines_what_it_shows_and_what_not(playground: Playground) -> None:
    for view in views(playground, TEXT):
        lines = re.search(r'<ul class="lab-explained">(.*?)</ul>', view, re.S)
        assert lines is not None
        assert lines[1].count("<li>") == 3
        assert "does not show" in lines[1]


def test_a_written_text_is_read_by_its_own_ids(playground: Playground) -> None:
    writing = written(playground, "東", "京")
    assert writing.text is not None
    shown, _ = views_of(playground, writing)
    assert shown.count('role="option"') == len(writing.text.ids) == 2


def test_a_long_text_is_truncated_and_the_page_says_so(playground: Playground) -> None:
    shown, table = views(playground, "猫" * 70)
    assert "Only the first 64 of 70 tokens are used" in shown
    assert "After token 64, " in table
    with pytest.raises(NeoxjpError, match="up to 64 can be inspected"):
        views(playground, "猫" * 70, at=65)


@pytest.mark.parametrize("at", [-1, 99, 1.5])
def test_a_place_that_is_not_there_is_refused(playground: Playground, at: Any) -> None:
    with pytest.raises(NeoxjpError, match="must be an integer from 1 to 2") as refused:
        views(playground, "犬猫", at=at)
    assert "1 から 2 まで" in refused.value.ja


def test_a_layer_that_is_not_there_leaves_the_lens(playground: Playground) -> None:
    shown, table = views(playground, TEXT, layer=7)
    assert 'role="alert"' in shown
    assert "layer=7" in shown
    assert "inside-table" in table


# ---------------------------------------------------------------- the selected token


def test_the_selected_token_of_a_generated_text_is_counted_with_the_prompt(playground: Playground) -> None:
    writing = written(playground, "東京都の", "大学です")
    assert writing.text is not None
    prompt, everything = len(writing.text.prompt_ids), len(writing.text.ids)
    assert inside.selected_number(writing, prompt, 7) == prompt + 1
    assert inside.selected_number(writing, 1, 7) == 2
    for at, number in ((2, 2), (everything, everything), (everything + 1, 0), (-1, 0), (None, 0)):
        assert inside.selected_number(writing, -1, at) == number  # none is selected: the field stays where it can
    assert inside.selected_number(VisitorState(), -1, 9) == 9


def test_only_a_small_model_runs_without_a_press(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = written(playground, "東", "京")
    assert inside.follows(playground, writing, None)
    assert not inside.follows(playground, VisitorState(), None)  # a text without a generation that was never shown
    assert inside.follows(playground, VisitorState(), (playground.serial, (1, 2)))
    writing.running = True
    assert not inside.follows(playground, writing, None)
    writing.running = False
    monkeypatch.setattr(inside.calls, "SMALL", playground.ready.model.num_parameters - 1)  # type: ignore[union-attr]
    assert not inside.follows(playground, writing, None)


# ---------------------------------------------------------------- heads and salience


def test_the_heads_are_numbers_and_levels_that_the_script_draws(playground: Playground) -> None:
    loaded = playground.ready
    found = heads(loaded.model, loaded.tokenizer, loaded.tokenizer.encode("東京東京東"), cells=render_inside.CELLS)
    view = render_inside.heads(found, EN)
    rows = json.loads(html.unescape(re.search(r'data-rows="([^"]*)"', view)[1]))  # type: ignore[index]
    assert len(rows) == len(found.scores) == 8
    for row, score in zip(rows, found.scores, strict=True):
        assert row[:2] == [score.layer, score.head]
        assert row[2:7] == pytest.approx([score.itself, score.previous, score.first, score.induction, score.entropy], abs=1e-4)
        cells = [weight for line in score.picture for weight in line]
        assert row[7] == "".join(str(render_inside.level(weight)) for weight in cells)


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_each_score_is_defined_on_the_page_with_its_source(playground: Playground, lang: Any) -> None:
    loaded = playground.ready
    view = render_inside.heads(heads(loaded.model, loaded.tokenizer, loaded.tokenizer.encode("犬猫犬")), words(lang))
    for name in render_inside.SCORES:
        assert f'data-sort="{name}"' in view
        assert words(lang)(f"inside_means_{name}", n=2, repeated=1) in html.unescape(view)
    for source in ("2209.11895", "2309.17453", "transformer-circuits.pub"):
        assert source in view


def test_a_text_without_repetition_has_no_induction_score(playground: Playground) -> None:
    loaded = playground.ready
    view = render_inside.heads(heads(loaded.model, loaded.tokenizer, loaded.tokenizer.encode("犬猫")), EN)
    rows = json.loads(html.unescape(re.search(r'data-rows="([^"]*)"', view)[1]))  # type: ignore[index]
    assert [row[5] for row in rows] == [None] * 8


def test_an_effect_has_a_colour_a_number_and_for_the_other_direction_another_sign(playground: Playground) -> None:
    loaded = playground.ready
    ids = loaded.tokenizer.encode("犬猫私東京")
    found = salience(loaded.model, loaded.tokenizer, ids)
    effects = (3.04, -0.76, 0.1)
    texts = zip("犬猫私", effects, strict=True)
    left_out = tuple(LeftOut(at, at + 1, text, 5.0 + bits, bits) for at, (text, bits) in enumerate(texts))
    view = render_inside.salience(replace(found, surprisal=5.0, left_out=left_out), EN)
    boxes = re.findall(r'<span role="option" class="([^"]*)"[^>]*aria-label="([^"]*)">(.*?)</span>', view, re.S)
    assert [classes for classes, _, _ in boxes] == ["w l4", "w l2 lab-against", "w l0"]
    assert [label.split("\n")[1] for _, label, _ in boxes] == [
        "token 1 · without it 8.04 bits (+3.04)",
        "token 2 · without it 4.24 bits (−0.76)",
        "token 3 · without it 5.10 bits (+0.10)",
    ]
    assert [re.findall(r'<sup data-bits="(.*?)">', inner) for _, _, inner in boxes] == [["+3.0"], ["−0.8"], []]
    assert "Without “犬” it would have 8.04 bits" in view
    assert re.findall(r'data-go="(\d)"', view) == ["0", "1", "2"]  # the largest first, whichever its sign
    lines = re.search(r'<ul class="lab-explained">(.*?)</ul>', view, re.S)
    assert lines is not None
    assert lines[1].count("<li>") == 2
    assert "the last 64 at most" in lines[1]
    assert "does not show" in lines[1]


def test_what_is_never_left_out_is_shown_pale(playground: Playground) -> None:
    loaded = playground.ready
    found = salience(loaded.model, loaded.tokenizer, loaded.tokenizer.encode("犬猫私"), most=1)
    view = render_inside.salience(found, EN)
    assert re.search(r'<span class="inside-context"[^>]*>犬</span>', view)
    assert view.count('role="option"') == 1


def test_the_first_token_gets_a_sentence_instead_of_an_error(playground: Playground) -> None:
    asked = inside.Asked.of(playground, with_text(playground, "犬猫"), 1)
    for t, sentence in ((EN, "nothing precedes the first token"), (JA, "最初のトークン")):
        view = inside.salience_view(inside.Readers(playground), asked)(t)
        assert sentence in view
        assert "alert" not in view


def test_a_newer_request_takes_over_only_the_views_that_it_fills() -> None:
    shown = inside.Views()
    first, second = shown.begin(inside.VIEWS), shown.begin(["attention"])
    assert shown.newest == {"heads": first, "attention": second, "lens": first, "salience": first}
    third = shown.begin(inside.VIEWS[1:])
    assert shown.newest == {"heads": first, "attention": third, "lens": third, "salience": third}


def test_views_are_drawn_again_in_another_language_but_those_that_show_nothing() -> None:
    shown = inside.Views()
    assert shown.translated(JA) is None
    shown.results["lens"].show(lambda t: (t.lang,), EN)
    assert shown.translated(EN) is None
    assert [html for html in shown.translated(JA) or () if isinstance(html, str)] == ["ja"]
    shown.trim()
    assert shown.translated(EN) is None


def test_without_a_text_the_page_says_what_to_do(playground: Playground) -> None:
    with pytest.raises(NeoxjpError, match="press Generate"):
        views(playground, "")
    foreign = VisitorState(Text("猫", (1,), (), 0, 1, serial=99))
    with pytest.raises(NeoxjpError, match="Another model"):
        views_of(playground, foreign)


def test_nothing_a_user_typed_becomes_markup(playground: Playground) -> None:
    text = "<script>${x}</script>\u202e<img src=x>"
    asked = inside.Asked.of(playground, with_text(playground, text), None)
    for view in (*views(playground, text), inside.salience_view(inside.Readers(playground), asked)(EN)):
        for forbidden in ("<script", "<img", "\u202e"):
            assert forbidden not in view


def test_the_answer_is_settled_from_where_it_keeps_first_place(playground: Playground) -> None:
    loaded = playground.ready
    found = lens(loaded.model, loaded.tokenizer, loaded.tokenizer.encode(TEXT))
    for ranks, settled in (((1, 1, 1), 0), ((1, 4, 1), 2), ((9, 1, 1), 1)):
        layers = tuple(replace(layer, answer_rank=rank) for layer, rank in zip(found.layers, ranks, strict=True))
        assert render_inside.settled(replace(found, layers=layers)) == settled


def test_a_larger_divergence_is_drawn_higher_and_does_not_flatten_the_others(playground: Playground) -> None:
    loaded = playground.ready
    found = lens(loaded.model, loaded.tokenizer, loaded.tokenizer.encode(TEXT))
    bits = [44.7, 3.0, 0.0]
    layers = [replace(layer, divergence=kl * LN2) for layer, kl in zip(found.layers, bits, strict=True)]
    view = render_inside.lens(replace(found, layers=tuple(layers)), EN)
    bars = [float(share) for share in re.findall(r"\* ([\d.]+)\)", view)]
    heights = [float(y) for y in re.findall(r'<circle cx="[\d.]+" cy="([\d.]+)"', view)]
    bottom, top = heights[2], heights[0]
    for drawn in (bars, [(bottom - y) / (bottom - top) for y in heights]):
        assert drawn == pytest.approx([1.0, math.log(4.0) / math.log(45.7), 0.0], abs=0.01)  # heights as log(1 + bits)
    assert re.findall(r">([\d.]+)</text>", view.split('class="dots"')[1]) == ["44.7", "3.0", "0.0"]
    ticks = re.findall(r'<text x="38" y="([\d.]+)" text-anchor="end">([\d.]+)</text>', view)
    assert [value for _, value in ticks] == ["0", "1", "3", "10", "30"]
    assert float(ticks[2][0]) == pytest.approx(heights[1] + 4, abs=0.2)  # 3 bits stand at the line of 3
    assert "44.70" in view
    assert "log scale" in view


def test_the_curve_names_its_axes_and_its_values(playground: Playground) -> None:
    loaded = playground.ready
    found = lens(loaded.model, loaded.tokenizer, loaded.tokenizer.encode(TEXT))
    view = render_inside.lens(found, EN)
    values = ", ".join(f"{layer.divergence / LN2:.2f}" for layer in found.layers)
    assert f'aria-label="KL divergence from the output (bits), 3 points from the embedding to the last layer: {values}"' in view
    for name in ("↑ KL from the output, bits, log scale", "layers passed →"):
        assert f">{name}</text>" in view
    assert view.count("<circle") == 3
    many = replace(found, layers=found.layers * 6)
    assert 'class="curve"' in render_inside.lens(many, EN)
    assert "<circle" not in render_inside.lens(many, EN)  # values would stand on each other


# ---------------------------------------------------------------- the API


@pytest.fixture(scope="module")
def client(page_url: str) -> Any:
    from gradio_client import Client

    return Client(page_url, verbose=False)


def test_heads_and_salience_answer_with_the_records(client: Any, playground: Playground) -> None:
    loaded = playground.ready
    ids = loaded.tokenizer.encode(TEXT)
    answer = client.predict(text=TEXT, cells=3, api_name="/heads")
    assert answer == near(plain(asdict(heads(loaded.model, loaded.tokenizer, ids, 3))))
    assert client.predict(text=TEXT, api_name="/heads")["scores"][0]["picture"] == []
    answer = client.predict(text=TEXT, at=2, api_name="/salience")
    assert answer == near(plain(asdict(salience(loaded.model, loaded.tokenizer, ids, 2))))


def test_lens_and_attention_answer_with_the_records(client: Any, playground: Playground) -> None:
    loaded = playground.ready
    ids = loaded.tokenizer.encode(TEXT)
    answer = client.predict(text=TEXT, at=1, top=3, api_name="/lens")
    assert answer == near(plain(asdict(lens(loaded.model, loaded.tokenizer, ids, 1, 3))))
    answer = client.predict(text=TEXT, layer=1, head=3, api_name="/attention")
    assert answer == near(plain(asdict(attention(loaded.model, loaded.tokenizer, ids, 1, 3))))
    assert len(client.predict(text=TEXT, layer=0, head=0, at=-1, api_name="/attention")["weights"]) == 1


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("/lens", {"text": "猫" * 65}, "up to 64"),
        ("/lens", {"text": "猫", "top": 0}, "top=0 must be 1 or more"),
        ("/lens", {"text": "猫", "at": 5}, "at=5 must be 0 to 0"),
        ("/lens", {"text": "猫", "at": 0.5}, "must be a whole number"),
        ("/attention", {"text": "猫", "layer": 2, "head": 0}, "layer=2 must be 0 to 1"),
        ("/attention", {"text": "猫", "layer": 0, "head": "x"}, "must be a whole number"),
        ("/heads", {"text": "猫" * 65}, "up to 64"),
        ("/heads", {"text": "猫", "cells": 0.5}, "must be a whole number"),
        ("/salience", {"text": "猫"}, "nothing precedes the first token"),
        ("/salience", {"text": "猫", "at": 3}, "at=3 must be 0 to 0"),
    ],
)
def test_what_is_not_there_is_refused(client: Any, name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        client.predict(**given, api_name=name)
