"""Rules of the section "heat map", without a browser: its handlers, /heat_map and /compare_texts, against the records."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import gradio as gr
import pytest

from neoxjp.engine import Step, score
from neoxjp.errors import NeoxjpError
from neoxjp.labs.common import heat as records
from neoxjp.labs.common.heat import heat_of_steps
from neoxjp.labs.common.spans import spans_of
from neoxjp.labs.heat_map import section as heat
from neoxjp.labs.heat_map import view as views
from neoxjp.labs.heat_map.strings import words
from neoxjp.page_parts.session.playground import Limits, NotReady, Playground
from neoxjp.page_parts.text.editing import typed
from neoxjp.page_parts.text.main_text import changed_notice, source_above
from neoxjp.page_parts.text.state import Text, VisitorState
from neoxjp.page_parts.text.stream import scorer
from tests.support.near import near

EN, JA = words("en"), words("ja")
TEXT = "東京都の大学です。é猫😀"


def written(playground: Playground, prompt: str, more: str) -> VisitorState:
    """A visitor who wrote `prompt`, and whose model wrote `more`."""
    tokenizer = playground.tokenizer
    steps = tuple(Step(id, "", -1.0, 1, 0.5, (), 0.0, None) for id in tokenizer.encode(more))
    return VisitorState(Text(prompt, tuple(tokenizer.encode(prompt)), steps, 0, 1, playground.serial))


def test_an_end_token_has_no_characters(playground: Playground) -> None:
    loaded = playground.ready
    end = loaded.model.config.eos_token_id
    ids = [*loaded.tokenizer.encode("猫です"), end]
    found = heat.heat_of_written(playground, scorer(playground), ids)
    assert found.text == "猫です"
    assert found.pieces[-1].start == found.pieces[-1].end == 3


def heat_of_ids(loaded: Any, ids: Sequence[int]) -> records.Heat:
    return heat_of_steps(*spans_of(ids, loaded.tokenizer), score(loaded.model, ids))


def shown(playground: Playground, writing: VisitorState, text: str = "") -> heat.Shown:
    return heat.heat_of(playground, scorer(playground), writing, text)


def update(shown: Any, name: str) -> dict[str, Any]:
    """A property of an update of the editor, such as its patch."""
    return json.loads(shown._constructor_args[0][name])


def coloured(playground: Playground, found: heat.Shown, measure: Any = "logprob") -> tuple[heat.HeatText, list[list[Any]]]:
    """The text of the section when it shows a result, and its pieces."""
    text = heat.HeatText(shown=found)
    return text, update(heat.patched(playground, text, measure), "patch")["pieces"]


def level_of(piece: list[Any]) -> int | None:
    """The colour of a piece as the page receives it."""
    return int(piece[6][1:]) if len(piece) > 6 else None


def step(id: int, p: float, rank: int = 1, entropy: float = 1.0) -> Step:
    return Step(id, "", math.log(p), rank, entropy, (), 0.0, None)


# ---------------------------------------------------------------- the text


def test_the_text_of_the_field_is_scored_after_bos(playground: Playground) -> None:
    loaded = playground.ready
    assert shown(playground, VisitorState(), text=TEXT).heat == records.heat(loaded.model, loaded.tokenizer, TEXT)


def test_a_written_text_is_scored_by_its_own_ids(playground: Playground) -> None:
    loaded, writing = playground.ready, written(playground, "東", "京都")  # cut anew, 東京 would be one token
    assert writing.text is not None
    found = shown(playground, writing)
    assert found.source == (loaded.serial, writing.text.ids)
    assert found.heat == heat_of_ids(loaded, writing.text.ids)
    assert [piece.ids for piece in found.heat.pieces] == [(id,) for id in writing.text.ids]
    assert found.heat.pieces[0].bits is None


def test_before_anything_is_written_the_prompt_is_scored(playground: Playground) -> None:
    opening = VisitorState()
    typed(playground, opening, "猫が")
    found = shown(playground, opening)
    assert (found.heat.text, found.source) == ("猫が", (playground.serial, tuple(playground.tokenizer.encode("猫が"))))
    with pytest.raises(NeoxjpError, match="press Generate, or enter a prompt"):
        shown(playground, VisitorState())


def test_a_result_for_an_earlier_text_says_so_until_that_text_is_back(playground: Playground) -> None:
    def notice(writing: VisitorState, of: Any) -> Any:
        return changed_notice(playground, writing, of, EN, "heat_map_changed")

    opening, first, second = VisitorState(), written(playground, "東", "京"), written(playground, "東", "京都")
    of = source_above(playground, first)
    assert notice(first, of) == ""
    assert "The main text has changed" in notice(second, of)
    typed(playground, opening, "猫が")
    of = source_above(playground, opening)
    assert notice(opening, of) == ""
    for text in ("猫を", ""):
        typed(playground, opening, text)
        assert "The main text has changed" in notice(opening, of)
    assert "The main text has changed" in notice(first, of)
    assert notice(first, None) == gr.skip()  # nothing is on show
    first.running = True
    assert notice(first, of) == gr.skip()  # not before the new text is there


def test_a_text_of_another_model_is_refused(playground: Playground) -> None:
    writing = VisitorState(Text("猫", (1,), (), 0, 1, serial=99))
    with pytest.raises(NeoxjpError, match="Another model generated this text"):
        shown(playground, writing)


def test_a_text_that_is_too_long_is_refused_with_its_length(playground: Playground) -> None:
    with pytest.raises(NeoxjpError, match="257 tokens; up to 256") as refused:
        shown(playground, VisitorState(), text="猫" * 257)
    assert "257 トークン" in refused.value.ja
    shown(playground, VisitorState(), text="猫" * 256)


def test_each_piece_has_the_numbers_of_its_record(playground: Playground) -> None:
    found = shown(playground, VisitorState(), text=TEXT)
    text, pieces = coloured(playground, found)
    assert [piece[0] for piece in pieces] == [piece.surface for piece in found.heat.pieces]
    at = 0
    for piece, painted in zip(found.heat.pieces, pieces, strict=True):
        assert piece.entropy is not None
        assert piece.logprob is not None
        told = update(heat.details(text, {"at": at, "revision": 1}, EN), "details")
        assert told["probability"] == pytest.approx(math.exp(piece.logprob))
        assert told["entropy"] == pytest.approx(piece.entropy / math.log(2))
        assert told["rank"] == piece.rank
        assert painted[1] == list(piece.ids)
        assert level_of(painted) == views.level_of(piece, "logprob")
        at += len(piece.ids)


def test_a_token_with_nothing_before_it_has_no_colour_and_a_reason(playground: Playground) -> None:
    text, pieces = coloured(playground, shown(playground, written(playground, "猫が", "犬")))
    assert level_of(pieces[0]) is None
    assert update(heat.details(text, {"at": 0, "revision": 1}, EN), "details")["note"] == "Not scored: nothing comes before it."


def test_an_edit_makes_a_text_of_the_visitors_own_whose_tokens_wait_for_their_colours(playground: Playground) -> None:
    text, _ = coloured(playground, shown(playground, VisitorState(), text="犬猫"))
    answer, line = heat.edited(playground, text, {"text": "犬猫私"}, EN)
    assert [(piece[0], level_of(piece)) for piece in update(answer, "patch")["pieces"]] == [
        ("犬", None),
        ("猫", None),
        ("私", None),
    ]
    assert "Press Colour to update" in line
    assert text.own
    assert "Press Colour" in update(heat.details(text, {"at": 0, "revision": 1}, EN), "details")["note"]
    heat.edited(playground, text, {"text": ""}, EN)
    assert not text.own  # an empty field is the text above


def test_the_same_text_again_keeps_its_colours(playground: Playground) -> None:
    text, pieces = coloured(playground, shown(playground, VisitorState(), text="犬猫"))
    answer, _ = heat.edited(playground, text, {"text": "犬猫"}, EN)
    assert update(answer, "patch")["pieces"] == pieces


def test_a_text_of_too_many_characters_is_refused(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playground, "limits", Limits(characters=3))
    text = heat.HeatText()
    assert "the limit is 3" in update(heat.edited(playground, text, {"text": "犬猫私人"}, EN)[0], "patch")["message"]
    assert text.document.text == ""


@pytest.mark.parametrize(("measure", "levels"), [("logprob", [0, 1, 4, 5]), ("rank", [0, 1, 3, 5]), ("entropy", [1, 1, 0, 5])])
def test_levels_follow_the_chosen_measure(measure: Any, levels: list[int]) -> None:
    steps = [step(1, 0.5, 1, 1.0), step(2, 0.3, 2, 1.0), step(3, 0.001, 21, 0.0), step(4, 1e-6, 5000, 10.0)]
    found = heat_of_steps("abcd", [(0, 1), (1, 2), (2, 3), (3, 4)], steps)
    assert [views.level_of(piece, measure) for piece in found.pieces] == levels
    painted = [heat.piece_of(piece, views.level_of(piece, measure)).wire for piece in found.pieces]
    assert [level_of(piece) for piece in painted] == levels


def test_the_legend_has_a_number_for_each_of_six_levels() -> None:
    def legend_of(measure: Any, t: Any) -> str:
        view = views.view(heat_of_steps("", [], []), measure, t)
        return view[view.index("prob-scale") : view.index("lab-fold")]

    legend = legend_of("logprob", EN)
    assert re.findall(r'class="l(\d)"', legend) == list("012345")
    assert "≥ 50 %（≤ 1）" in legend
    assert "10–50 %（1–3.3）" in legend
    assert "&lt; 0.05 %（&gt; 11）" in legend
    assert "101–1,000" in legend_of("rank", EN)
    assert "≥ 9" in legend_of("entropy", JA)


def test_the_curve_has_a_bar_for_each_piece_as_high_as_its_bits() -> None:
    found = heat_of_steps("abc", [(0, 1), (1, 2), (2, 3)], [step(1, 0.5), step(2, 0.25), step(3, 1 / 16)])
    drawn = views.view(found, "logprob", EN)
    heights = [100 - float(y) for y in re.findall(r"M[\d.]+ 100V([\d.]+)", drawn)]
    assert [height / heights[0] for height in heights] == pytest.approx([1, 2, 4], rel=0.02)
    assert "3 tokens, maximum 4.0" in drawn


def test_a_long_text_has_a_curve_of_means_and_says_how_many_pieces_are_not_drawn(playground: Playground) -> None:
    n = 5000
    found = heat_of_steps("あ" * n, [(i, i + 1) for i in range(n)], [step(1, 0.25)] * n)
    view = heat.view_of(playground, heat.Shown(found, None, 0), "logprob", EN)
    _, pieces = coloured(playground, heat.Shown(found, None, 0))
    assert sum(bool(piece[1]) for piece in pieces) == playground.limits.drawn_pieces == 3000
    assert "".join(piece[0] for piece in pieces) == found.text
    assert "The other 2,000 are counted" in view
    assert "each bar is the mean of 11 tokens" in view


def test_numbers_and_the_most_surprising_are_those_of_the_record(playground: Playground) -> None:
    found = shown(playground, VisitorState(), text=TEXT)
    view = heat.view_of(playground, found, "rank", EN)
    assert f"<dd>{found.heat.bits_per_character:.2f}</dd>" in view
    assert f"<dd>{found.heat.perplexity_per_token:,.1f}</dd>" in view
    assert f"<dd>{found.heat.perplexity_per_character:,.1f}</dd>" in view
    assert [int(place) for place in re.findall(r'data-go="(\d+)"', view)] == list(found.heat.surprising)


def test_nothing_a_user_typed_becomes_markup(playground: Playground) -> None:
    text = "<script>${x}</script><img src=x>\ud800\u202e\u200b"
    view = heat.view_of(playground, shown(playground, VisitorState(), text=text), "logprob", EN)
    view += views.pair(heat.compared(playground, scorer(playground), text, "<b>"), EN)
    for forbidden in ("<script", "<img", "<b>猫", "\ud800", "\u202e"):
        assert forbidden not in view


def test_an_unready_page_says_so() -> None:
    with pytest.raises(NotReady):
        heat.heat_of_text(Playground(), lambda *_: [], "猫")


# ---------------------------------------------------------------- two texts


def test_two_texts_of_the_page_give_the_record_of_compare_texts(playground: Playground) -> None:
    loaded = playground.ready
    found = heat.compared(playground, scorer(playground), "犬が猫", "犬を猫")
    assert found == records.compare_texts(loaded.model, loaded.tokenizer, "犬が猫", "犬を猫")


def test_the_verdict_names_the_likelier_text_and_the_bits() -> None:
    def text(surface: str, *ps: float) -> records.Heat:
        places = [(i, i + 1) for i in range(len(surface))]
        return heat_of_steps(surface, places, [step(ord(c), p) for c, p in zip(surface, ps, strict=True)])

    found = records.pair_of(text("猫が", 0.5, 0.125), text("猫は", 0.5, 0.5))
    said = views.pair(found, EN)
    assert "Text 2 is more probable, by 2.00 bits (about 4 times as probable)." in said
    table = views.pair(found, EN)
    assert "text 2: 2.00" in table
    assert "no difference" in table
    longer = records.pair_of(text("猫が", 0.5, 0.5), text("猫", 0.3))
    assert "Text 2 is more probable" in views.pair(longer, EN)
    assert "Per character, however, text 1 is more probable" in views.pair(longer, EN)
    assert "equally probable" in views.pair(records.pair_of(text("猫", 0.5), text("犬", 0.5)), EN)


def test_spellings_of_one_id_are_reported_as_indistinguishable(playground: Playground) -> None:
    first, second = "慶応", "慶應"
    assert playground.tokenizer.encode(first) == playground.tokenizer.encode(second)
    view = views.pair(heat.compared(playground, scorer(playground), first, second), EN)
    assert "the model cannot distinguish their spellings" in view
    assert "heat-map-stretches" not in view
    same = views.pair(heat.compared(playground, scorer(playground), first, first), JA)
    assert "2 つの文は同一です" in same


# ---------------------------------------------------------------- the API


@pytest.fixture(scope="module")
def client(page_url: str) -> Any:
    from gradio_client import Client

    return Client(page_url, verbose=False)


def plain(record: Any) -> Any:
    """As JSON brings it."""
    if isinstance(record, dict):
        return {key: plain(value) for key, value in record.items()}
    return [plain(value) for value in record] if isinstance(record, list | tuple) else record


def test_heat_answers_with_the_record(client: Any, playground: Playground) -> None:
    loaded = playground.ready
    answer = client.predict(text=TEXT, api_name="/heat_map")
    assert answer == near(plain(asdict(records.heat(loaded.model, loaded.tokenizer, TEXT))))
    ids = loaded.tokenizer.encode("東京都")
    by_ids = client.predict(ids=ids, api_name="/heat_map")
    assert by_ids == near(plain(asdict(heat_of_ids(loaded, ids))))


def test_compare_texts_answers_with_the_record(client: Any, playground: Playground) -> None:
    loaded = playground.ready
    answer = client.predict(first="犬が猫", second="犬を猫", api_name="/compare_texts")
    assert answer == near(plain(asdict(records.compare_texts(loaded.model, loaded.tokenizer, "犬が猫", "犬を猫"))))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"text": "猫", "ids": [1]}, "give one of the two"),
        ({"ids": [10**9]}, "not in this model's vocabulary"),
        ({"ids": ["x"]}, "must be one sequence of whole numbers"),
        ({"text": 3}, "expected a string"),
        ({"text": "猫" * 300}, "up to 256 can be scored"),
    ],
)
def test_heat_refuses_what_it_cannot_answer(client: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        client.predict(**given, api_name="/heat_map")
