"""Rules of shared links: any view comes back, a link stays short, and what a stranger wrote into one does nothing but be read."""

import json
import random
import re
import urllib.parse
import zlib
from base64 import urlsafe_b64encode
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neoxjp.errors import ParameterError
from neoxjp.labs.branches.records import AUTHORS
from neoxjp.labs.share_link import section as links
from neoxjp.labs.share_link.strings import words
from neoxjp.page_parts import link_address as address
from neoxjp.page_parts.link_address import DamagedLink, LinkedRun, View
from neoxjp.page_parts.session.playground import Choice, Limits, Loaded, Playground
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.ui import generate, tokenize
from tests.support.loops import in_loop
from tests.support.texts import ODD, texts

EN, JA = words("en"), words("ja")
NOVEL = "吾輩は猫である。名前はまだ無い。"
NASTY = "<script>alert(1)</script> ${alert(1)} {{value}} &amp; \" ' <img src=x onerror=alert(1)>"

NAMES = st.sampled_from(["tokens", "matrix", "why", "row", "rows", "ids"])
VALUES = st.one_of(
    st.booleans(),
    st.integers(-9, 9),
    st.floats(allow_nan=False, allow_infinity=False),
    ODD,
    st.lists(st.text(max_size=5), max_size=4),
)
CHOICES = st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=3), max_size=3)


# ---------------------------------------------------------------- what a link holds


RUNS = st.lists(st.tuples(st.sampled_from(AUTHORS), st.none() | st.lists(st.integers(0, 32_000), max_size=4)), max_size=4)


@given(st.one_of(texts(), ODD, st.text(max_size=40)), st.sampled_from(["matrix", "why", "corpus"]), CHOICES, RUNS)
def test_any_view_comes_back(text: str, section: str, choices: dict[str, dict[str, Any]], runs: list[tuple[Any, Any]]) -> None:
    made = [LinkedRun(0, author, None if ids is None else tuple(ids)) for author, ids in runs]
    made = [replace(made[0], characters=len(text)), *made[1:]] if made else []
    view = View(text, section, choices, tuple(made), "0123abcd" if made else "", 3 if made else None)
    assert address.read(address.write(view)) == view


def test_the_ids_of_a_hundred_tokens_take_five_characters_each_at_most_and_those_of_the_encoding_none() -> None:
    draw = random.Random(1)
    text = "".join(chr(draw.randrange(0x4E00, 0x9FFF)) for _ in range(150))
    short = address.write(View(text, "why"))
    ids = tuple(draw.randrange(16_000) for _ in range(100))
    with_ids = address.write(View(text, "why", {}, (LinkedRun(150, "model", ids),), "0123abcd"))
    assert len(with_ids) - len(short) < 520  # ids of prose: about 280
    without = address.write(View(text, "why", {}, (LinkedRun(150, "model"),), "0123abcd"))
    assert len(without) - len(short) < 80


def test_a_link_of_an_earlier_version_still_opens() -> None:
    value = "1q1YqUbJSeta67Vl75-PGFY8bep73rH7c0Kuko1QMlEhKTcwtBrKTlayqldJT81KLEktSQeyS1NwCEKe0CMg11DOqra0FAAacf187"
    assert address.read(value) == View("慶應と「猫」", "beams", {"generate": {"temperature": 1.2}})


@given(texts())
def test_a_link_needs_no_percent_encoding_and_ends_in_a_letter_or_digit(text: str) -> None:
    value = address.write(View(text, "why"))
    assert urllib.parse.quote(value, safe="") == value
    assert value[-1].isalnum()
    assert urllib.parse.parse_qs(address.query(View(text, "why"))[1:])["lab"] == [value]


def test_a_link_survives_line_breaks_of_mail_and_the_full_stop_behind_it() -> None:
    view = View(NOVEL, "why")
    value = address.write(view)
    broken = "\r\n ".join(value[i : i + 20] for i in range(0, len(value), 20))
    for received in (broken, f"{value}。", f"{value}>", f"{value})."):
        assert address.read(received) == view


def test_a_page_of_prose_fits_and_two_thousand_different_characters_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(1)
    kanji = "".join(chr(draw.randrange(0x4E00, 0x9FFF)) for _ in range(2_000))
    assert len(links.link_of(View(NOVEL * 100, "matrix"))) < 300
    assert len(links.link_of(View(kanji[:900], "matrix"))) <= 4_000
    with pytest.raises(
        ParameterError, match=r"would have \d,\d{3} characters; the limit is 4,096.* the text, which has 2,000"
    ) as caught:
        links.link_of(View(kanji, "matrix"))
    assert "文章（現在 2,000 文字）を短く" in caught.value.ja
    with pytest.raises(ParameterError, match="shorten the rows that you added or edited, or the text, which has 1 characters"):
        links.link_of(View("犬", "matrix", {"matrix": {"rows": kanji}}))


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), max_size=2_000))
def test_no_link_is_longer_than_four_thousand_characters(text: str) -> None:
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SPACE_ID", "someone/something")
            link = links.link_of(View(text, "matrix"))
    except ParameterError:
        assert len(address.query(View(text, "matrix"))) + 48 > address.LONGEST
    else:
        assert len(link) <= address.LONGEST


# ---------------------------------------------------------------- damaged and hostile links


def test_any_single_change_is_noticed() -> None:
    value = address.write(View("慶應と慶応", "why"))
    for i in range(len(value)):
        other = "A" if value[i] != "A" else "B"
        for damaged in (value[:i] + other + value[i + 1 :], value[:i] + value[i + 1 :], value[:i]):
            with pytest.raises(DamagedLink):
                address.read(damaged)


@given(st.text(max_size=200))
def test_whatever_stands_there_a_sentence_is_the_worst(value: str) -> None:
    with suppress(DamagedLink):
        address.read(value)


def packed(plain: bytes) -> str:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = deflate.compress(plain) + deflate.flush()
    return f"1{urlsafe_b64encode(body).decode().rstrip('=')}{zlib.crc32(body) & 0xFFFFFF:06x}"


@pytest.mark.parametrize(
    "plain",
    [
        b"[]", b"1", b"null", b'{"t":1,"s":"why"}', b'{"t":"x"}', b'{"t":"x","s":["why"]}', b'{"t":"x","s":"why","c":[]}',
        b'{"t":"x","s":"why","c":NaN}', b'{"t":"x","s":"why","c":{"a":{"b":Infinity}}}', b"{", b"\xff\xfe", b"",
        b'{"t":"x","s":"why","v":1}', b'{"t":"x","s":"why","a":"1"}', b'{"t":"x","s":"why","a":-1}',
        b'{"t":"x","s":"why","a":true}',
        b'{"t":"x","s":"why","r":{}}', b'{"t":"x","s":"why","r":[1]}', b'{"t":"x","s":"why","r":[[1]]}',
        b'{"t":"x","s":"why","r":[[2,0]]}', b'{"t":"x","s":"why","r":[[1,4]]}', b'{"t":"x","s":"why","r":[[-1,0],[2,0]]}',
        b'{"t":"x","s":"why","r":[[1,0,"1"]]}', b'{"t":"x","s":"why","r":[[1,0,[-1]]]}',
        b'{"t":"x","s":"why","r":[[1,0,[true]]]}',
        b'{"t":"x","s":"why","r":[[1,0,[1.5]]]}', b'{"t":"x","s":"why","r":[[1,0,[9999999999999]]]}',
        b'{"t":"x","s":"why","r":[[1,0,[1],[1]]]}', b'{"t":"x","s":"why","r":[[1,0,[' + b"1," * 100 + b"1]]]}",
        b'{"t":"x","s":"why","r":[[1,0],' + b"[0,1]," * 1_000 + b"[0,1]]}",
        b'{"t":"x","s":"why","c":{"a":{"b":[' + b"[]," * 100_000 + b"[]]}}}",
        b"[" * 100_000, b'{"t":"x","s":"why","c":' + b'{"a":' * 50_000, b'{"t":' + b"9" * 5_000 + b',"s":"why"}',
    ],
)  # fmt: skip
def test_what_is_well_packed_but_no_view_is_damaged(plain: bytes) -> None:
    with pytest.raises(DamagedLink):
        address.read(packed(plain))


def test_millions_of_ids_are_not_unpacked() -> None:
    value = packed(b'{"t":"x","s":"why","r":[[1,0,[' + b"1," * 2_000_000 + b"1]]]}")
    assert len(value) < 2 * address.LONGEST
    with pytest.raises(DamagedLink):
        address.read(value)


def test_a_bomb_is_not_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    original = json.loads
    monkeypatch.setattr(address.json, "loads", lambda text, **more: sizes.append(len(text)) or original(text, **more))
    value = packed(b'{"s":"why","t":"' + b"a" * 4_000_000 + b'"}')
    assert len(value) < 2 * address.LONGEST
    with pytest.raises(DamagedLink):
        address.read(value)
    assert sizes == []  # refused before it was parsed
    with pytest.raises(DamagedLink):
        address.read(value + "A" * 100_000)


def test_a_damaged_link_gets_a_sentence_in_both_languages(playground: Playground) -> None:
    with pytest.raises(ParameterError, match="a part of it is missing or was changed") as caught:
        links.opened(playground, "1abc")
    assert "読み取れません" in caught.value.ja


def test_a_text_longer_than_the_page_takes_is_refused(playground: Playground) -> None:
    small = Playground(loaded=playground.loaded, limits=Limits(characters=5))
    with pytest.raises(ParameterError, match="the limit is 5"):
        links.opened(small, address.write(View("犬" * 6, "why")))


@pytest.mark.parametrize(
    ("component", "good", "bad"),
    [
        (gr.Checkbox, [True, False], [1, "true", [True]]),
        (lambda: gr.Number(minimum=0, maximum=9), [0, 9, 4.5], [-1, 10, "4", True, float("inf"), 10**400]),
        (lambda: gr.Slider(1, 5), [1, 5], [0, 6, [1]]),
        (lambda: gr.Textbox(max_length=3), ["", "abc"], ["abcd", 1, ["a"]]),
        (gr.Textbox, [NASTY], ["x" * 201, {"a": 1}]),
        (lambda: gr.Radio([("A", "a"), ("One", 1)]), ["a", 1], ["A", "b", True, 1.0, ["a"]]),
        (lambda: gr.Dropdown(["a", "b"]), ["a"], ["c", ["a"]]),
        (lambda: gr.Dropdown(["a"], allow_custom_value=True), ["a", "anything"], ["x" * 501, 1]),
        (lambda: gr.Dropdown(["a", "b"], multiselect=True), [[], ["a", "b"]], ["a", ["c"], ["a"] * 65]),
        (lambda: gr.CheckboxGroup(["a", "b"]), [["b"]], ["b", [["b"]]]),
        (lambda: gr.HTML(), [], ["<b>", {}]),
    ],
)
def test_a_value_that_its_component_could_not_have_is_ignored(component: Any, good: list[Any], bad: list[Any]) -> None:
    made = component()
    assert [value for value in good if not links.accepts(made, value, 200)] == []
    assert [value for value in [*bad, None] if links.accepts(made, value, 200)] == []


def test_only_changed_choices_are_in_a_link() -> None:
    parts = [
        ("tokens", "ids", gr.Checkbox(False)),
        ("matrix", "second", gr.Radio(["none", "bytes"], value="none")),
        ("matrix", "row", gr.Textbox()),
    ]
    assert links.changed(parts, (False, "none", "")) == {}
    assert links.changed(parts, (True, "bytes", "x")) == {"tokens": {"ids": True}, "matrix": {"second": "bytes", "row": "x"}}


@pytest.mark.parametrize(
    ("tab", "sections"),
    [
        ("tokenize", {"corpus", "round_trip", "spellings", "tokenizer_report", "tokens", "vocabulary_browser", "why_this_cut"}),
        ("generate", {"beams", "generate", "heat_map", "inside", "patching", "side_by_side"}),
    ],
)
def test_whatever_a_section_links_is_of_a_kind_that_a_link_restores(tab: str, sections: set[str]) -> None:
    def linked() -> list[tuple[str, str, Any]]:
        with gr.Blocks():
            return list({"tokenize": tokenize, "generate": generate}[tab].build(Playground()).linked(gr.Tabs()).parts())

    parts = in_loop(linked)
    assert {section for section, _, _ in parts} == sections
    assert links.changed(parts, tuple(component.value for _, _, component in parts)) == {}
    for section, name, component in parts:
        value = {gr.Number: 1}.get(type(component)) if component.value is None else component.value
        assert value is None or links.accepts(component, value, 1_000), f"{section}.{name}: {value!r}"
        assert not links.accepts(component, {"a": 1}, 1_000), f"{section}.{name}"


def test_a_slider_that_follows_the_model_takes_what_a_larger_model_allows() -> None:
    length, top_k = gr.Slider(1, 512, 100), gr.Slider(0, 200, 0)
    growing: dict[gr.Slider, int | None] = {length: None}  # no model is loaded yet
    found = links.restored(length, 2_000, 200, growing)
    assert (found["value"], found["maximum"]) == (2_000, 2_000)
    assert links.restored(length, 300, 200, growing)["maximum"] == 512
    for component, value in ((top_k, 201), (length, 0), (length, 10**7), (length, "9"), (length, None)):
        assert links.restored(component, value, 200, growing) == gr.skip()


@pytest.mark.parametrize(("value", "most", "shown"), [(12, 63, 12), (63, 63, 63), (100, 63, 63), (1, 0, 0)])
def test_a_slider_that_follows_the_model_ends_where_the_loaded_model_does(value: int, most: int, shown: int) -> None:
    slider = gr.Slider(0, 512, 100)
    found = links.restored(slider, value, 200, {slider: most})
    assert (found["value"], found["maximum"]) == (shown, most)


def test_a_link_to_the_generate_tab_has_a_name_and_sentences_of_its_own(playground: Playground) -> None:
    view = View(NOVEL, "beams", {"generate": {"temperature": 1.2, "stop": "。\n\\n"}})
    found = links.link_of(view, "generate")
    assert found.startswith("?gen=1")
    assert len(found) < 200
    assert links.opened(playground, found.removeprefix("?gen="), "generate") == view
    kanji = "".join(chr(0x4E00 + i * 7919 % 20_000) for i in range(2_500))
    with pytest.raises(ParameterError, match="Please shorten the text, which has 2,500") as caught:
        links.link_of(View(kanji, "heat"), "generate")
    assert "文章（現在 2,500 文字）を短く" in caught.value.ja
    with pytest.raises(ParameterError, match="Please shorten the stop strings, the texts in the fields of the lab, or the text"):
        links.link_of(View("犬", "heat", {"heat": {"text": kanji}}), "generate")
    small = Playground(loaded=playground.loaded, limits=Limits(characters=5))
    with pytest.raises(ParameterError, match="The prompt has 6 characters; the limit is 5"):
        links.opened(small, address.write(View("犬" * 6, "heat")), "generate")


# ---------------------------------------------------------------- the Space's address


def test_on_a_space_the_link_is_the_spaces_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "someone/some.thing-1")
    assert links.link_of(View("犬", "why")).startswith("https://huggingface.co/spaces/someone/some.thing-1?lab=1")
    monkeypatch.delenv("SPACE_ID")
    assert links.link_of(View("犬", "why")).startswith("?lab=1")


@pytest.mark.parametrize("space", ["", "x", "a/b/c", "a/b?c", "javascript:alert(1)", "a/<b>", "//evil/x"])
def test_what_is_no_spaces_name_is_no_address(space: str) -> None:
    assert address.space_address(space) == ""


# ---------------------------------------------------------------- copies, as the page and the API give them


@pytest.fixture(scope="module")
def playground(tiny_vocabulary: Path) -> Playground:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    return Playground(loaded=Loaded(Choice(str(tiny_vocabulary)), tokenizer, serial=1))


def test_a_copy_says_how_much_is_in_it(playground: Playground) -> None:
    short = links.copy_of(playground, "markdown", "慶應と", "│", False, JA)
    assert short == {"value": "≈`慶應` `と`\n\n2 トークン · ≈ 別の表記と同じ ID になる", "n": 2, "all": 2}
    small = Playground(loaded=playground.loaded, limits=Limits(drawn_pieces=2))
    cut = links.copy_of(small, "html", "犬𩸽猫猫", "│", False, EN)
    assert (cut["n"], cut["all"]) == (5, 7)
    assert "the first 5 of 7 tokens" in cut["value"]


def test_a_copy_can_go_through_json_whatever_the_text(playground: Playground) -> None:
    copied = links.copy_of(playground, "text", "犬\ud800", "\udfff", False, EN)
    assert json.loads(json.dumps(copied, ensure_ascii=False).encode()) == copied


@pytest.fixture(scope="module")
def client(page_url: str) -> Any:
    from gradio_client import Client

    return Client(page_url, verbose=False)


def test_the_api_copies_too(client: Any) -> None:
    from gradio_client.exceptions import AppError

    assert client.predict(text="慶應と", format="text", separator="/", api_name="/copy") == "≈慶應/と"
    assert "<script" not in client.predict(text=NASTY, api_name="/copy")
    assert re.fullmatch(r"`a` \(\d+\)\n\n1 token", client.predict(text="a", format="markdown", ids=True, api_name="/copy"))
    assert client.predict(text="é", format="text", api_name="/copy") == "é²"
    assert client.predict(text="é", format="text", compat=True, api_name="/copy") == "≠é²"
    with pytest.raises(AppError, match="choose 'text', 'markdown', 'html'"):
        client.predict(text="a", format="pdf", api_name="/copy")
