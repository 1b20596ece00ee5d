"""The vocabulary explorer's records: filters against a slow obvious oracle, entries, statistics, two vocabularies compared."""

import gc
import shutil
import weakref
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neoxjp.errors import ParameterError
from neoxjp.labs.vocabulary_browser import difference, records, statistics
from neoxjp.labs.vocabulary_browser.records import (
    KINDS,
    MATCHES,
    SCRIPTS,
    Filters,
    checked_filters,
    entry,
    parse_range,
    reached_ids,
    rows_of,
    select,
    text_for,
)
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer, script_of
from tests.support.tiny import LINES, write_tiny_vocabulary


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> GPTNeoXJapaneseTokenizer:
    """The tiny vocabulary with one spelling more that stands on two lines."""
    folder = write_tiny_vocabulary(tmp_path_factory.mktemp("twice"))
    lines = ["京都,キョウ", *LINES]
    (folder / "vocab.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return GPTNeoXJapaneseTokenizer.from_pretrained(folder)


def within(value: int, span: records.Range) -> bool:
    return (span[0] is None or value >= span[0]) and (span[1] is None or value <= span[1])


def oracle(tokenizer: GPTNeoXJapaneseTokenizer, filters: Filters) -> list[int]:
    """The ids that pass, one by one."""
    found = []
    for id in range(tokenizer.vocab_size):
        spellings, kind = tokenizer.spellings(id), tokenizer.vocabulary.kinds[id]
        scripts = {script_of(character) for character in spellings[0]}
        script: str = scripts.pop() if len(scripts) == 1 else "mixed"
        if kind != "word":
            script = {"emoji": "emoji", "blank": "space", "symbol": "symbol"}.get(kind, "other")
        never = all(tokenizer.encode(spelling) != [id] for spelling in spellings)
        if (
            any(
                {"contains": filters.query in s, "starts": s.startswith(filters.query), "ends": s.endswith(filters.query)}.get(
                    filters.match, s == filters.query or not filters.query
                )
                for s in spellings
            )
            and within(id, filters.ids)
            and within(len(spellings[0]), filters.length)
            and within(len(spellings), filters.spellings)
            and filters.kind in (None, kind)
            and filters.script in (None, script)
            and filters.reach in ("all", "never" if never else "reached")
        ):
            found.append(id)
    keys = {
        "id": lambda id: id,
        "length": lambda id: len(tokenizer.spellings(id)[0]),
        "spellings": lambda id: len(tokenizer.spellings(id)),
    }
    sign = -1 if filters.descending else 1
    return sorted(found, key=lambda id: (sign * keys[filters.sort](id), id))


bound = st.none() | st.integers(0, 500)
small = st.none() | st.integers(0, 5)
queries = st.text(st.sampled_from("キョウ京都応應ア<|byte1>,、\n\ud800ー"), max_size=3) | st.sampled_from(
    ["", *LINES[:30], "<|byte", "慶應"]
)


@given(
    filters=st.builds(
        Filters,
        query=queries,
        match=st.sampled_from([*MATCHES]),
        ids=st.tuples(bound, bound),
        length=st.tuples(small, small),
        spellings=st.tuples(small, small),
        script=st.none() | st.sampled_from(SCRIPTS),
        kind=st.none() | st.sampled_from(KINDS),
        reach=st.sampled_from(records.REACHES),
        sort=st.sampled_from(records.SORTS),
        descending=st.booleans(),
    )
    | st.builds(
        Filters,
        query=queries,
        match=st.sampled_from([*MATCHES]),
        sort=st.sampled_from(records.SORTS),
        descending=st.booleans(),
    )
)
def test_filters_find_what_looking_at_every_entry_finds(tokenizer: GPTNeoXJapaneseTokenizer, filters: Filters) -> None:
    assert [row.id for row in select(tokenizer, filters)] == oracle(tokenizer, filters)


def test_nothing_restricted_lists_every_id(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    assert [row.id for row in select(tokenizer, Filters())] == list(range(tokenizer.vocab_size))


@pytest.mark.parametrize("query", ["<script>alert(1)</script>", "${x}", "あ" * 100_000, "\ud800", "猫\n犬", "\u202e"])
def test_hostile_queries_find_nothing_and_harm_nothing(tokenizer: GPTNeoXJapaneseTokenizer, query: str) -> None:
    assert select(tokenizer, Filters(query)) == []


def test_a_row_names_the_other_spelling_that_was_found(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    listed = select(tokenizer, Filters("應"))
    assert [(row.piece, row.found, row.spellings) for row in listed] == [("慶応", ("慶應",), 2), ("応", ("應",), 2)]


def test_width_and_kana_are_compared_as_typed(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    assert [row.piece for row in select(tokenizer, Filters("ｱ"))] == ["ア"]
    assert select(tokenizer, Filters("ﾄ")) == []


def test_the_comma_is_an_entry_and_no_separator(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    found = select(tokenizer, Filters(","))
    assert [tokenizer.spellings(row.id) for row in found] == [(",",)]
    assert text_for(entry(tokenizer, found[0].id)) == ","


def test_a_spelling_on_two_lines_belongs_to_the_later(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    first, later = (row.id for row in select(tokenizer, Filters("キョウ", "whole")))
    mine = {spelling.text: spelling.ids for spelling in entry(tokenizer, first).spellings}
    assert mine == {"京都": (first,), "キョウ": (later,)}
    assert statistics.statistics(tokenizer).twice == 1


def test_an_entry_tells_all_about_its_id(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    id = tokenizer.encode("慶應")[0]
    found = entry(tokenizer, id)
    assert (found.piece, found.kind, found.script, found.length, found.writes) == ("慶応", "word", "kanji", 2, "慶応")
    assert found.bytes == "E6 85 B6 E5 BF 9C"
    assert [spelling.text for spelling in found.spellings] == ["慶応", "慶應"]
    assert [near for near, _ in found.neighbours] == [near for near in range(id - 5, id + 6) if near != id]
    assert dict(found.neighbours)[id + 1] == tokenizer.spellings(id + 1)[0]


@pytest.mark.parametrize(
    ("piece", "text", "shown"), [("<SP>", " ", "20"), ("<|byte240|>", "<|byte240|>", "F0"), ("<|emoji1|>", "😀", "F0 9F 98 80")]
)
def test_what_is_put_into_a_text_gives_the_id_again(
    tokenizer: GPTNeoXJapaneseTokenizer, piece: str, text: str, shown: str
) -> None:
    found = entry(tokenizer, tokenizer.vocabulary.ids[piece])
    assert (text_for(found), found.bytes) == (text, shown)
    assert tokenizer.encode(text) == [found.id]


def test_every_reached_entry_can_be_typed(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    for id in range(0, tokenizer.vocab_size, 7):
        found = entry(tokenizer, id)
        if found.spellings[0].ids == (id,):
            assert tokenizer.encode(text_for(found)) == [id]


@pytest.mark.parametrize("id", [-1, 10**9, True, 1.5, "3", None])
def test_an_id_that_is_none_is_refused_without_naming_a_file(tokenizer: GPTNeoXJapaneseTokenizer, id: object) -> None:
    with pytest.raises(ParameterError, match=r"is not in this vocabulary \(0 to ") as caught:
        entry(tokenizer, id)  # type: ignore[arg-type]
    assert "vocab.txt" not in str(caught.value)
    assert "この語彙にありません" in caught.value.ja


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", (None, None)),
        ("3", (3, 3)),
        ("3-5", (3, 5)),
        ("３〜５", (3, 5)),
        (" 3 – ", (3, None)),
        ("-50", (None, 50)),
        ("1,000..2,000", (1000, 2000)),
        ("ー5", (None, 5)),
    ],
)
def test_ranges_are_read_as_people_type_them(typed: str, expected: records.Range) -> None:
    assert parse_range(typed, "ids") == expected


@pytest.mark.parametrize("typed", ["x", "1-2-3", "1.5", "99999999999", "<script>", "1" * 200])
def test_what_is_no_range_is_named(typed: str) -> None:
    with pytest.raises(ParameterError, match=r"ids=.*one number or a range"):
        parse_range(typed, "ids")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"query": 3}, "query='3': expected a string"),
        ({"descending": "yes"}, "expected true or false"),
        ({"ids": "x"}, "ids='x'"),
    ],
)
def test_what_a_caller_sends_is_checked(given: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        checked_filters(**given)


@pytest.mark.parametrize("given", [{"script": "runes"}, {"kind": "verb"}, {"sort": "age"}, {"match": "like"}, {"reach": "far"}])
def test_a_choice_that_does_not_exist_is_named_with_the_others(tokenizer: GPTNeoXJapaneseTokenizer, given: dict) -> None:
    with pytest.raises(ParameterError, match=f"{next(iter(given))}='{next(iter(given.values()))}': choose one of"):
        select(tokenizer, checked_filters(**given))


def test_all_and_nothing_chosen_are_the_same() -> None:
    assert checked_filters(script="all", kind="") == Filters()


def test_rows_are_made_once_and_go_with_their_tokenizer(tiny_vocabulary: Path) -> None:
    mine = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    assert rows_of(mine) is rows_of(mine)
    assert reached_ids(mine) is reached_ids(mine)
    assert statistics.statistics(mine) is statistics.statistics(mine)
    alive = weakref.ref(mine)
    del mine
    gc.collect()
    assert alive() is None


# ---------------------------------------------------------------- in numbers


def test_statistics_count_every_entry_once(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    counted = statistics.statistics(tokenizer)
    words = next(group.ids for group in counted.by_kind if group.name == "word")
    assert sum(group.ids for group in counted.by_kind) == sum(group.ids for group in counted.by_spellings) == counted.ids
    assert sum(group.ids for group in counted.by_script) == sum(group.ids for group in counted.by_length) == words
    assert counted.spellings == sum(len(tokenizer.spellings(id)) for id in range(counted.ids))
    assert counted.never == len(select(tokenizer, Filters(reach="never")))
    assert counted.largest[0][1:] == ("1", 3)


def test_usage_of_a_text_by_hand(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    times = statistics.count_ids(tokenizer, ["猫と猫", "", "猫"])
    used = statistics.usage(tokenizer, times)
    cat = tokenizer.encode("猫")[0]
    assert (used.tokens, used.ids, used.of, used.once) == (4, 2, tokenizer.vocab_size, 1)
    assert used.frequent[0] == (cat, "猫", 3)
    assert used.covering == ((0.5, 1), (0.9, 2), (0.99, 2))
    assert next(group.used for group in used.by_script if group.name == "kanji") == 1


def test_usage_of_no_text_is_nothing(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    used = statistics.usage(tokenizer, statistics.count_ids(tokenizer, []))
    assert (used.tokens, used.ids, used.covering, used.frequent) == (0, 0, (), ())


def test_a_text_in_parts_is_counted_as_a_whole(tokenizer: GPTNeoXJapaneseTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["慶應大学", "é", "猫" * 30, ""]
    whole = statistics.count_ids(tokenizer, texts)
    monkeypatch.setattr(statistics, "BATCH", 1)
    assert statistics.count_ids(tokenizer, texts) == whole
    assert whole.total() == sum(len(tokenizer.encode(text)) for text in texts)


# ---------------------------------------------------------------- side by side


def test_two_vocabularies_differ_where_they_do(tokenizer: GPTNeoXJapaneseTokenizer, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(tokenizer.vocabulary.files[0].parent, folder)
    lines = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    changed = [{"慶応,慶應": "慶応", "猫": "犬", "犬": "猫"}.get(line, line) for line in lines]
    (folder / "vocab.txt").write_text("\n".join(["麒麟", *changed[1:]]), encoding="utf-8")
    other = GPTNeoXJapaneseTokenizer.from_pretrained(folder)
    compared = difference.compare(tokenizer, other)
    a, b = tokenizer.vocabulary.ids, other.vocabulary.ids
    expectations: dict[difference.Side, set[str]] = {
        "only_here": {s for s in a if s not in b},
        "only_there": {s for s in b if s not in a},
        "moved": {s for s in a if s in b and a[s] != b[s]},
    }
    for side, expected in expectations.items():
        found = compared.select(side)
        assert {row.spelling for row in found} == expected, side
        assert [(row.here, row.there) for row in found] == [(a.get(row.spelling), b.get(row.spelling)) for row in found]
        ids = [-1 if id is None else id for id in (row.there if side == "only_there" else row.here for row in found)]
        assert ids == sorted(ids)
    assert [row.spelling for row in compared.lists["only_here"]] == ["京都", "慶應"]
    assert [row.spelling for row in compared.lists["only_there"]] == ["麒麟"]
    assert {row.spelling for row in compared.lists["moved"]} == {"猫", "犬"}
    assert compared.counts["same"] == len(a) - 4
    assert [row.spelling for row in compared.select("moved", "犬")] == ["犬"]
    assert difference.compare(tokenizer, other) is compared


def test_a_vocabulary_does_not_differ_from_itself(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    compared = difference.compare(tokenizer, tokenizer)
    assert not any(compared.lists.values())
    assert compared.select("moved", "猫") == []
    with pytest.raises(ParameterError, match="side='left': choose one of only_here, only_there, moved"):
        compared.select("left")  # type: ignore[arg-type]


# ---------------------------------------------------------------- the original vocabulary


def test_the_last_ids_the_comma_and_the_doubles_of_the_original_vocabulary(abeja_vocabulary: Path) -> None:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(abeja_vocabulary)
    last = [entry(tokenizer, id) for id in range(31996, 32000)]
    assert [(found.piece, found.kind) for found in last] == [
        (name, "special") for name in ("<|startoftext|>", "<|separator|>", "<|nottoken|>", "<|endoftext|>")
    ]
    assert all(found.reached for found in last)
    assert [near for near, _ in last[-1].neighbours] == [31994, 31995, 31996, 31997, 31998]
    assert [row.id for row in select(tokenizer, Filters(","))] == [31596]
    assert [row.id for row in select(tokenizer, Filters("きぃ", "whole"))] == [26391, 26396]
    counted = statistics.statistics(tokenizer)
    assert (counted.ids, counted.spellings, counted.shared, counted.twice, counted.never) == (32000, 155788, 13913, 7, 10684)
    most = select(tokenizer, Filters(sort="spellings", descending=True))[:2]
    assert [row.spellings for row in most] == [169, 169]
