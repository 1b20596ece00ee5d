"""The vocabulary section without a browser: what its handlers show, what its API answers, what a public page refuses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from neoxjp.compare import to_csv, to_frame
from neoxjp.errors import CheckpointError, ParameterError
from neoxjp.labs.common.measures import percent
from neoxjp.labs.vocabulary_browser import difference, records, section
from neoxjp.labs.vocabulary_browser.difference import open_other
from neoxjp.labs.vocabulary_browser.records import Entry, Spelling
from neoxjp.labs.vocabulary_browser.section import (
    FILTERS,
    ROWS,
    SIGNS,
    Page,
    difference_page,
    entry_html,
    list_page,
    random_id,
    statistics_html,
    view,
)
from neoxjp.labs.vocabulary_browser.statistics import Group, Usage
from neoxjp.labs.vocabulary_browser.strings import STRINGS, strings
from neoxjp.page_parts.session.playground import Choice, Limits, Loaded, NotReady, Playground
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from tests.support.tiny import LINES

EN, JA = strings.words("en"), strings.words("ja")
HOSTILE = "<script>hacked = 1</script> ${x} \u202e\ud800"


@pytest.fixture(scope="module")
def playground(tiny_vocabulary: Path) -> Playground:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    return Playground(loaded=Loaded(Choice(str(tiny_vocabulary)), tokenizer, serial=1))


def filters(**given: Any) -> list[Any]:
    """What the controls hold when nothing was chosen, but for the given ones."""
    untouched = {"query": "", "match": "contains", "script": "all", "kind": "all", "length": "", "spellings": "", "ids": ""}
    return list((untouched | {"reach": "all", "sort": "id", "descending": False} | given).values())


def test_the_list_shows_a_page_of_the_entries_and_says_which(playground: Playground) -> None:
    page = list_page(playground, 0, filters(), EN)
    assert page.html.count("<tr data-entry=") == ROWS
    assert f"1–{ROWS} of {len(LINES)} entries" in page.html
    assert (page.number, page.last) == (0, (len(LINES) - 1) // ROWS)
    page = list_page(playground, 10**6, filters(), EN)
    assert page.number == page.last
    assert f'data-entry="{len(LINES) - 1}"' in page.html


def test_a_pager_turns_only_where_there_is_a_page() -> None:
    pager = section.Pager(gr.HTML(), "")
    buttons = pager.previous, pager.next
    turns = [[pager.show(Page("", number, 2))[button].interactive for button in buttons] for number in range(3)]
    assert turns == [[False, True], [True, True], [True, False]]
    assert set(pager.show(Page(""))) == set(pager.components)


def test_a_row_shows_the_spelling_that_was_found(playground: Playground) -> None:
    html = list_page(playground, 0, filters(query="慶應"), JA).html
    assert html.count("<tr data-entry=") == 1
    assert "慶応</button><small>≈ 慶應</small>" in html


def test_only_the_first_row_is_a_stop_of_the_tab_key(playground: Playground) -> None:
    html = list_page(playground, 0, filters(), EN).html
    assert html.count('tabindex="0"') == 1
    assert html.index('tabindex="0"') < html.index('tabindex="-1"')


@pytest.mark.parametrize("query", [HOSTILE, "あ" * 100_000, "\ud800"])
def test_a_query_without_result_gets_a_sentence_and_is_no_markup(playground: Playground, query: str) -> None:
    page = list_page(playground, 3, filters(query=query), JA)
    assert f"{len(LINES)} 件のうち、条件に合うものはありません" in page.html
    assert "<script" not in page.html
    assert page.number == page.last == 0


def test_tags_of_the_vocabulary_are_escaped(playground: Playground) -> None:
    html = list_page(playground, 0, filters(query="<BR>"), EN).html
    assert "&lt;BR&gt;" in html
    assert "<BR>" not in html


def test_an_emptied_control_filters_nothing(playground: Playground) -> None:
    assert list_page(playground, 0, [None] * len(FILTERS), EN) == list_page(playground, 0, filters(), EN)


def test_a_range_that_is_none_is_said_in_both_languages(playground: Playground) -> None:
    with pytest.raises(ParameterError, match="ids='x'") as caught:
        list_page(playground, 0, filters(ids="x"), EN)
    assert "範囲として読めません" in caught.value.ja


def test_an_entry_shows_spellings_to_press_and_neighbours_to_open(playground: Playground) -> None:
    id = playground.tokenizer.encode("慶應")[0]
    html, use = entry_html(playground, str(id), EN)
    assert 'data-add="慶應"' in html
    assert 'data-use="慶応"' in html
    assert f'data-entry="{id - 1}"' in html
    assert f'data-entry="{id + 1}"' in html
    assert use
    for nothing in ("", " 　"):
        html, use = entry_html(playground, nothing, JA)
        assert "行を選ぶか" in html
        assert not use


def test_an_id_is_read_as_it_is_typed(playground: Playground) -> None:
    for typed in ("2", " ２　", "0002"):
        assert 'data-id="2"' in entry_html(playground, typed, EN)[0]
    for typed in ("-1", "1.5", "猫", "1 2", "9" * 30):
        with pytest.raises(ParameterError, match="is not an id: enter an integer"):
            entry_html(playground, typed, EN)


@pytest.mark.parametrize("piece", ["<|byte240|>", "<SP>", "<|emoji1|>", ",", "<|endoftext|>"])
def test_every_kind_of_entry_can_be_drawn(playground: Playground, piece: str) -> None:
    html, _ = entry_html(playground, str(playground.tokenizer.vocabulary.ids[piece]), JA)
    assert html.count("<article") == 1


def test_an_id_out_of_range_is_said_without_a_path(playground: Playground) -> None:
    with pytest.raises(ParameterError, match="id 99999 is not in this vocabulary") as caught:
        entry_html(playground, "99999", EN)
    assert "/" not in str(caught.value)


def test_spellings_past_two_hundred_are_folded() -> None:
    spellings = tuple(Spelling(f"字{n}", (1,)) for n in range(250))
    found = Entry(1, "字0", "word", "kanji", 2, "字0", "E5", spellings, True, ((0, "<b>"),))
    html = view("entry", EN, found=found, text="字0", signs=SIGNS, limit=200)
    assert "<summary>50 more</summary>" in html
    assert html.index("字199") < html.index("<details>") < html.index("字200")
    assert "&lt;b&gt;" in html


def test_a_random_entry_comes_from_what_is_listed(playground: Playground) -> None:
    chosen = {random_id(playground, filters(kind="blank")) for _ in range(60)}
    assert chosen == {str(playground.tokenizer.vocabulary.ids[tag]) for tag in ("<SP>", "<BR>", "<TAB>")}
    assert random_id(playground, filters(query="麒麟")) == ""


def test_the_csv_holds_what_is_listed_and_opens_as_no_formula(playground: Playground) -> None:
    def lines(**given: Any) -> list[str]:
        found = records.csv_records(playground.tokenizer, section.filters_of(filters(**given)))
        return to_csv(to_frame(found)).decode("utf-8").split("\r\n")

    listed = lines(kind="special")
    assert listed[0] == "\ufeffid,piece,kind,script,length,spellings,all_spellings"
    assert [line.split(",")[1] for line in listed[1:-1]] == ["<|startoftext|>", "<|separator|>", "<|nottoken|>", "<|endoftext|>"]
    assert len(lines()) == len(LINES) + 2


def test_the_numbers_follow_the_text(playground: Playground) -> None:
    stats, usage = statistics_html(playground, "猫と猫", EN)
    assert f"<dd>{len(LINES)}</dd><dt>ids</dt>" in stats
    assert f"3 tokens with 2 different ids: 0.4 % of the {len(LINES)}" in usage
    assert '<div class="bar"><b>0 / 255</b></div>' in usage
    assert "Enter a text above" in statistics_html(playground, "", EN)[1]
    with pytest.raises(ParameterError, match="This text has 3 characters; the limit is 2"):
        statistics_html(Playground(loaded=playground.loaded, limits=Limits(characters=2)), "猫と猫", EN)


def test_a_share_that_is_not_nothing_never_reads_as_nothing() -> None:
    shown = [percent(share, 1) for share in (0, 1e-9, 0.00049, 0.0005, 0.612, 1)]
    assert shown == ["0.0 %", "< 0.1 %", "< 0.1 %", "0.1 %", "61.2 %", "100.0 %"]
    assert [percent(share, 2) for share in (0, 4e-5, 6e-5, 0.0123)] == ["0.00 %", "< 0.01 %", "0.01 %", "1.23 %"]
    used = Usage(tokens=1, ids=1, of=32_000, once=1, covering=(), by_kind=(Group("word", 31_000, 1),), by_script=(), frequent=())
    usage = view("usage", EN, used=used, signs=SIGNS)
    assert "1 tokens with 1 different ids: &lt; 0.1 % of the 32,000" in usage
    assert "1 of 31000 (&lt; 0.1 %)" in usage


def test_another_folder_stands_beside_the_loaded_vocabulary(playground: Playground, tmp_path: Path) -> None:
    folder = tmp_path / "<b>"
    playground.tokenizer.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(["麒麟", *LINES[1:]]), encoding="utf-8")
    summary, page = difference_page(playground, 0, ["folder", str(folder), "only_there", ""], EN)
    assert "only in &lt;b&gt;" in summary
    assert "麒麟" in page.html
    assert "<b></th>" not in page.html
    assert page.number == 0
    assert "No spelling matches" in difference_page(playground, 0, ["folder", str(folder), "moved", None], EN)[1].html
    once = open_other(playground.tokenizer, "folder", str(folder))
    assert open_other(playground.tokenizer, "folder", f" {folder} ") is once
    (folder / "vocab.txt").write_text("\n".join(["象", *LINES[1:]]), encoding="utf-8")
    assert open_other(playground.tokenizer, "folder", str(folder)).spellings(0) == ("象",)


def test_a_vocabulary_beside_itself_says_so(playground: Playground) -> None:
    folder = playground.tokenizer.vocabulary.files[0].parent
    summary, page = difference_page(playground, 0, ["folder", str(folder), "moved", ""], JA)
    assert "現在の語彙と同じです" in summary
    assert page == Page("")


@pytest.mark.parametrize(
    ("against", "folder", "kind", "message"),
    [
        ("folder", "", ParameterError, "give the folder"),
        ("folder", "/no/such", CheckpointError, "'/no/such' is not a folder"),
        ("folder", "\0", CheckpointError, "is not a folder"),
        ("else", "", ParameterError, "against='else': choose"),
    ],
)
def test_a_wrong_folder_gets_a_sentence(playground: Playground, against: str, folder: str, kind: type, message: str) -> None:
    with pytest.raises(kind, match=message):
        open_other(playground.tokenizer, against, folder)


def test_a_public_page_opens_no_folder(playground: Playground, tiny_vocabulary: Path) -> None:
    with pytest.raises(ParameterError, match="cannot be opened on a public page"):
        open_other(playground.tokenizer, "folder", str(tiny_vocabulary), public=True)
    assert open_other(playground.tokenizer, "bundled", public=True).vocab_size == 8000


def test_only_few_other_vocabularies_are_kept(playground: Playground, tmp_path: Path) -> None:
    for name in "abcd":
        playground.tokenizer.save_pretrained(tmp_path / name)
        open_other(playground.tokenizer, "folder", str(tmp_path / name))
    assert difference._open_folder.cache_info().currsize == difference.MAX_OPENED


def test_before_the_vocabulary_is_there_the_page_says_so() -> None:
    with pytest.raises(NotReady, match="No vocabulary is loaded"):
        list_page(Playground(), 0, filters(), EN)


def test_both_languages_have_the_same_fields() -> None:
    import re

    for key, (ja, en) in STRINGS.items():
        assert sorted(set(re.findall(r"\{\w+\}", ja))) == sorted(set(re.findall(r"\{\w+\}", en))), key


def test_every_string_is_used() -> None:
    """Keys that are made from parts count by their first part."""
    folder = Path(section.__file__).parent
    source = "".join((folder / name).read_text(encoding="utf-8") for name in ("section.py", "view.html"))
    parts = {"col", "n", "sort", "side"} | {*records.MATCHES, *records.REACHES, *difference.SIDES, "same", "bundled", "folder"}
    for key in STRINGS:
        name = key.removeprefix("vocabulary_browser_").removesuffix("_help").removesuffix("_placeholder")
        assert (
            key in source or f'"{name}"' in source or {name, name.split("_")[0]} & parts or name in ("tab", "title", "intro")
        ), key


# ---------------------------------------------------------------- the API


@pytest.fixture(scope="module")
def client(page_url: str) -> Iterator[Client]:
    with_page = Client(page_url, verbose=False)
    yield with_page
    with_page.close()


def test_the_api_lists_opens_counts_and_compares(client: Client) -> None:
    found = client.predict(query="慶應", api_name="/vocabulary")
    assert (found["total"], found["rows"][0]["piece"], found["rows"][0]["found"]) == (1, "慶応", ["慶應"])
    part = client.predict(sort="spellings", descending=True, start=1, limit=2, api_name="/vocabulary")
    assert part["total"] == len(LINES)
    assert [row["spellings"] for row in part["rows"]] == [3, 2]
    entry = client.predict(id=found["rows"][0]["id"], api_name="/vocabulary_entry")
    assert [spelling["text"] for spelling in entry["spellings"]] == ["慶応", "慶應"]
    stats = client.predict(text="猫と猫", api_name="/vocabulary_stats")
    assert (stats["vocabulary"]["ids"], stats["usage"]["ids"]) == (len(LINES), 2)
    assert client.predict(api_name="/vocabulary_stats")["usage"] is None
    compared = client.predict(side="only_there", query="吾輩", limit=3, api_name="/vocabulary_diff")
    assert compared["counts"]["ids_there"] == 8000
    assert all("吾輩" in row["spelling"] for row in compared["rows"])


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("/vocabulary", {"limit": 1001}, "limit=1001 must be an integer from 1 to 1000"),
        ("/vocabulary", {"start": -1}, "start=-1"),
        ("/vocabulary", {"ids": "3-x"}, "ids='3-x'"),
        ("/vocabulary", {"script": "runes"}, "script='runes': choose one of"),
        ("/vocabulary_entry", {"id": 10**6}, "is not in this vocabulary"),
        ("/vocabulary_diff", {"side": "left"}, "side='left': choose one of"),
        ("/vocabulary_diff", {"against": "/no/such"}, "is not a folder"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(client: Client, name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(AppError, match=message):
        client.predict(**given, api_name=name)


def test_records_are_plain_json(client: Client) -> None:
    json.dumps(client.predict(query="<|byte1", api_name="/vocabulary"), allow_nan=False)
