"""The measures of the report: worked out by hand, against slow obvious counts, and against the package tokenization-scorer."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp.compare import Characters, Peer, Piece, Utf8Bytes, builtin_peers, open_peer, own_peer
from neoxjp.documents import Sentence
from neoxjp.errors import ParameterError, PeerUnavailable
from neoxjp.labs.round_trip.records import roundtrip
from neoxjp.labs.tokenizer_report.measuring import MAX_DOMAINS, PIECE, TextPart, measure, pieces
from neoxjp.labs.tokenizer_report.records import OpenedTokenizer, Progress, Report, Row
from neoxjp.labs.tokenizer_report.row_meter import renyi_efficiency
from neoxjp.labs.tokenizer_report.spelled import changed_borders, spelled_lines
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from tests.support import tiny_peers

SAMPLES = [
    "慶應の大学 と\u3000国",
    "1１①、日夲\r\n猫\r犬\n",
    "𩸽é×→—−,",
    "👋🏻😀(^_^) 私",
    "ｱｲ <SP><BR>x\n",
    "吾輩は猫である。\t",
]
# 慶應義塾 | は | 東京 | 都, by long units 慶應義塾 | は | 東京都, by bunsetsu 慶應義塾は | 東京都
KEIO = Sentence(
    "慶應義塾は東京都", ((0, 4), (4, 5), (5, 7), (7, 8)), {"long": frozenset({0, 4, 5}), "bunsetsu": frozenset({0, 5})}, 1
)


@pytest.fixture(scope="module")
def tokenizer(tiny_vocabulary: Path) -> GPTNeoXJapaneseTokenizer:
    return GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)


@dataclass(frozen=True)
class Cutting:
    """Cuts each text as a table says; a text that it does not have is refused."""

    table: dict[str, list[str]]
    name: str = "cutting"

    def pieces(self, text: str) -> list[Piece]:
        if text not in self.table:
            raise PeerUnavailable(f"no cut of {text!r}", ja=f"{text!r} は分割できません")
        found, start = [], 0
        for part in self.table[text]:
            found.append(Piece(part, start, start + len(part), None))
            start += len(part)
        return found


def run(texts: Sequence[TextPart], peers: Sequence[Peer], **options: Any) -> Report:
    *_, last = measure(texts, [OpenedTokenizer(str(place), peer.name, peer) for place, peer in enumerate(peers)], **options)
    assert isinstance(last, Report)
    return last


def row(text: str, peer: Peer, **options: Any) -> Row:
    return run([TextPart("a", text)] if text else [], [peer], **options).rows[0]


# ---------------------------------------------------------------- length, bytes, losses, ids


def test_length_is_counted_by_domain_in_characters_and_bytes() -> None:
    texts = [TextPart("本", "東京都"), TextPart("web", "abc", last=False), TextPart("web", "猫"), TextPart("本", "猫")]
    found = run(texts, [Utf8Bytes(), Characters()], spelled=0)
    assert [(each.name, each.documents, each.characters, each.utf8_bytes) for each in found.domains] == [
        ("本", 2, 4, 12),
        ("web", 1, 4, 6),
    ]
    assert found.rows[0].characters_per_token == {"本": 4 / 12, "web": 4 / 6}
    assert found.rows[1].bytes_per_token == {"本": 3.0, "web": 1.5}
    assert [each.tokens for each in found.rows] == [18, 8]


def slow(tokenizer: GPTNeoXJapaneseTokenizer, text: str) -> tuple[int, int]:
    """Tokens, and characters that became bytes, token by token."""
    tokens = tokenizer.analyze(text)
    spans = groupby(tokens, key=lambda token: (token.start, token.end))
    return len(tokens), sum(len(list(group)) > 1 for _, group in spans)  # a character of one byte is one token


@settings(max_examples=30)
@given(st.lists(st.sampled_from(SAMPLES), min_size=1, max_size=8).map("".join))
def test_fast_counts_of_ours_are_the_slow_ones(tokenizer: GPTNeoXJapaneseTokenizer, text: str) -> None:
    ours, compat, *_ = builtin_peers(tokenizer)
    for peer in (ours, compat):
        used = getattr(peer, "tokenizer")  # noqa: B009
        found = row(text, peer, spelled=0)
        tokens, in_bytes = slow(used, text)
        assert (found.tokens, found.byte_fallback) == (tokens, in_bytes / len(text))
        assert found.ids_unused == 1 - len(set(used.encode(text))) / len(used.vocabulary)
        if peer is ours:
            assert found.lost == pytest.approx(roundtrip(tokenizer, text).changed / len(text))


def test_blanks_at_the_ends_that_come_back_are_not_lost(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    text = "\u2028\xa0é"
    assert row(text, own_peer(tokenizer), spelled=0).lost == roundtrip(tokenizer, text).changed / len(text)


def test_ids_may_have_gaps(tokenizer: GPTNeoXJapaneseTokenizer, tmp_path: Path) -> None:
    model = {"type": "BPE", "vocab": {"[UNK]": 0, "猫": 7}, "merges": [], "unk_token": "[UNK]"}
    (tmp_path / "tokenizer.json").write_text(json.dumps({"version": "1.0", "model": model}))
    peer = open_peer(str(tmp_path), tokenizer)
    assert peer.vocabulary_size == 8  # type: ignore[attr-defined]
    assert row("猫犬", peer, spelled=0).ids_unused == 6 / 8


def test_what_another_tokenizer_normalises_is_lost(tokenizer: GPTNeoXJapaneseTokenizer, tmp_path: Path) -> None:
    (tmp_path / "nfkc.model").write_bytes(tiny_peers.sentencepiece_model("nmt_nfkc"))
    peer = open_peer(str(tmp_path / "nfkc.model"), tokenizer)
    assert row("猫㍿です東京", peer, spelled=0).lost == 1 / 6  # 株式会社; the characters around it are found again
    assert row("猫です東京", peer, spelled=0).lost == 0


def test_characters_that_become_bytes_are_counted_for_other_tokenizers_too(
    tokenizer: GPTNeoXJapaneseTokenizer, tmp_path: Path
) -> None:
    (tmp_path / "a.tiktoken").write_bytes(tiny_peers.rank_file())
    peer = open_peer(str(tmp_path / "a.tiktoken"), tokenizer)
    assert row("𩸽a", peer, spelled=0).byte_fallback == 0.5
    assert row("𩸽a猫", Utf8Bytes(), spelled=0).byte_fallback == 2 / 3
    assert row("𩸽a猫", Characters(), spelled=0).byte_fallback == 0


def test_words_of_a_dictionary_have_neither_ids_nor_losses() -> None:
    found = row("猫と犬", Cutting({"猫と犬": ["猫", "と", "犬"]}), spelled=0)
    assert (found.tokens, found.vocabulary, found.byte_fallback, found.lost, found.ids_unused) == (3, None, None, None, None)
    assert found.renyi == pytest.approx(1.0)


# ---------------------------------------------------------------- Rényi efficiency


def test_the_renyi_efficiency_is_that_of_two_published_examples() -> None:
    """Those of the README of zouharvi/tokenization-scorer, which are of power 3."""
    for text, efficiency in (
        ("pick @@ed pick @@l @@ed pick @@les", 0.8031528501359657),
        ("pick @@e @@d pick @@l @@e @@d pick @@l @@e @@s", 0.9105681923824472),
    ):
        assert renyi_efficiency(list(Counter(text.split()).values()), alpha=3) == pytest.approx(efficiency, abs=1e-9)


@given(st.lists(st.integers(0, 500), min_size=2, max_size=200).filter(lambda counts: sum(count > 0 for count in counts) > 1))
def test_the_renyi_efficiency_is_that_of_tokenization_scorer(counts: list[int]) -> None:
    metrics = pytest.importorskip("tokenization_scorer.metrics", reason="the package tokenization-scorer is not installed")
    text = [[str(token)] * count for token, count in enumerate(counts)]
    assert renyi_efficiency(counts) == pytest.approx(float(metrics.get_metric("renyi")(text, power=2.5)), abs=1e-9)


def test_equal_frequencies_have_efficiency_one_and_one_token_has_none() -> None:
    assert renyi_efficiency([7, 7, 7, 0]) == pytest.approx(1.0)
    assert renyi_efficiency([9]) is None
    assert renyi_efficiency([]) is None


def test_the_efficiency_of_a_row_is_that_of_its_ids(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    text = "吾輩は猫である。猫の東京。" * 20
    counts = list(Counter(tokenizer.encode(text)).values())
    assert row(text, own_peer(tokenizer), spelled=0).renyi == pytest.approx(renyi_efficiency(counts))


# ---------------------------------------------------------------- boundaries


def test_boundaries_are_compared_with_those_set_by_hand() -> None:
    """Cut as 慶應 | 義塾 | は東 | 京都: boundaries after 2, 4 and 6; by hand short 4, 5, 7, long 4, 5, bunsetsu 5."""
    found = row("", Cutting({KEIO.text: ["慶應", "義塾", "は東", "京都"]}), sentences=[KEIO])
    assert found.boundaries is not None
    assert [vars_of(found.boundaries[unit]) for unit in ("short", "long", "bunsetsu")] == [
        (1 / 3, 1 / 3, 1 / 3),
        (1 / 3, 1 / 2, 2 / 5),
        (0, 0, 0),
    ]
    assert found.words_whole == 0  # 慶應義塾 and 東京 are cut; は and 都 have one character


def vars_of(agreement: Any) -> tuple[float | None, ...]:
    return agreement.precision, agreement.recall, agreement.f1


def test_characters_find_every_boundary_and_keep_no_word_whole() -> None:
    found = row("", Characters(), sentences=[KEIO])
    assert found.boundaries is not None
    assert vars_of(found.boundaries["short"]) == (3 / 7, 1.0, 6 / 10)
    assert found.words_whole == 0


def test_a_sentence_as_one_token_has_no_precision_and_all_words_whole() -> None:
    found = row("", Cutting({KEIO.text: [KEIO.text]}), sentences=[KEIO])
    assert found.boundaries is not None
    assert vars_of(found.boundaries["short"]) == (None, 0, 0)
    assert found.words_whole == 1


def test_a_word_with_a_character_in_bytes_is_not_whole(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    sentence = Sentence("東京東鰯", ((0, 2), (2, 4)), {}, 1)
    found = row("", own_peer(tokenizer), sentences=[sentence])
    assert [piece.tokens for piece in own_peer(tokenizer).pieces(sentence.text)] == [1, 1, 3]
    assert found.words_whole == 0.5


def test_blanks_between_words_do_not_matter() -> None:
    """A token that begins with the blank, as of GPT, and one that ends with it cut at the same place."""
    sentence = Sentence("New York へ", ((0, 3), (4, 8), (9, 10)), {}, 1)
    for cut in (["New", " York", " へ"], ["New ", "York ", "へ"], ["New", " ", "York", " ", "へ"]):
        found = row("", Cutting({sentence.text: cut}), sentences=[sentence])
        assert found.boundaries is not None
        assert vars_of(found.boundaries["short"]) == (1, 1, 1), cut
        assert found.words_whole == 1


def test_units_that_the_file_does_not_mark_are_not_measured() -> None:
    found = run([], [Characters()], sentences=[Sentence("猫と犬", ((0, 1), (1, 2), (2, 3)), {}, 1)])
    assert found.rows[0].boundaries is not None
    assert list(found.rows[0].boundaries) == ["short"]
    assert found.units == {"short": 3, "long": 0, "bunsetsu": 0}


# ---------------------------------------------------------------- translations, spellings


def test_parity_is_japanese_tokens_over_english_ones() -> None:
    assert row("", Characters(), pairs=[("猫がいる", "a cat"), ("犬", "dog")]).parity == 5 / 8
    assert row("猫", Characters()).parity is None


def test_spellings_of_a_line_correspond_where_they_are_compared() -> None:
    (line,) = spelled_lines("\n国語の本\n\n")
    assert (line.written, line.hiragana, line.katakana) == ("国語の本", "こくごのほん", "コクゴノホン")
    assert (line.halfwidth, line.old_kanji) == ("ｺｸｺﾞﾉﾎﾝ", "國語の本")
    assert changed_borders(line.written, line.old_kanji) == {1}
    assert changed_borders("あいう", "アイウ") == {1, 2}


def test_stability_is_tokens_over_those_as_written_and_the_share_of_common_cuts() -> None:
    table = {
        "国語の本": ["国語", "の", "本"],
        "國語の本": ["國", "語", "の", "本"],
        "こくごのほん": ["こくご", "の", "ほん"],
        "コクゴノホン": ["コクゴ", "ノホ", "ン"],
        "ｺｸｺﾞﾉﾎﾝ": list("ｺｸｺﾞﾉﾎﾝ"),
        "の": ["の"],
        "ノ": ["ノ"],
        "ﾉ": ["ﾉ"],
        "国語の本\nの\n": ["国語の本\nの\n"],
    }
    found = row("国語の本\nの\n", Cutting(table))
    # の is a line of its own that hiragana and old kanji do not change: only its half-width spelling counts
    assert found.spelling == {"hiragana": 3 / 3, "old_kanji": 4 / 3, "halfwidth": (7 + 1) / (3 + 1)}
    # 国|語: cut in old kanji only. Hiragana is cut at 3, 4; katakana at 3, 5
    assert found.cuts == {"old_kanji": 0, "kana": 2 / 4}


def test_ours_reads_old_kanji_of_one_id_as_the_new_ones(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    found = row("慶応の猫\n", own_peer(tokenizer))
    assert tokenizer.encode("慶応") == tokenizer.encode("慶應")
    assert found.spelling is not None
    assert found.spelling["old_kanji"] == 1.0
    assert found.cuts is not None
    assert found.cuts["old_kanji"] == 1.0


def test_only_the_beginning_of_a_domain_is_spelled() -> None:
    found = run([TextPart("a", "国\n" * 50), TextPart("b", "猫")], [Characters()], spelled=10)
    assert [domain.spelled for domain in found.domains] == [10, 1]
    assert run([TextPart("a", "国")], [Characters()], spelled=0).rows[0].spelling == dict.fromkeys(
        ("hiragana", "halfwidth", "old_kanji")
    )


# ---------------------------------------------------------------- refusals, progress, memory


def test_a_tokenizer_that_refuses_a_text_has_a_row_with_the_reason_and_the_others_go_on() -> None:
    closed = OpenedTokenizer("b", "b", problem=PeerUnavailable("not installed", ja="ありません"))
    opened = [OpenedTokenizer("a", "a", Cutting({})), closed, OpenedTokenizer("c", "c", Characters())]
    *_, last = measure([TextPart("x", "猫")], opened, spelled=0)
    assert isinstance(last, Report)
    assert [(each.problem, each.problem_ja, each.tokens) for each in last.rows] == [
        ("no cut of '猫'", "'猫' は分割できません", None),
        ("not installed", "ありません", None),
        ("", "", 1),
    ]


@pytest.mark.parametrize("texts", [[], [TextPart("a", "")]])
def test_empty_texts_are_refused(texts: list[TextPart]) -> None:
    with pytest.raises(ParameterError, match="the texts are empty"):
        run(texts, [Characters()])


def test_too_many_sources_are_refused() -> None:
    texts = (TextPart(str(place), "猫") for place in range(1_000_000))
    with pytest.raises(ParameterError, match=f"more than {MAX_DOMAINS} sources"):
        run(texts, [Characters()], spelled=0)  # type: ignore[arg-type]


def test_a_report_can_be_stopped_at_any_piece() -> None:
    def endless() -> Iterator[TextPart]:
        while True:
            yield TextPart("a", "猫" * 100)

    steps = measure(endless(), [OpenedTokenizer("c", "c", Characters())], spelled=0)
    assert [next(steps), next(steps)] == [Progress("texts", 100), Progress("texts", 200)]
    steps.close()


@given(st.text(alphabet="猫\n", max_size=40), st.integers(1, 9))
def test_pieces_join_to_the_text_and_end_with_a_line_where_there_is_one(text: str, size: int) -> None:
    found = list(pieces(text, size))
    assert "".join(found) == text
    assert all(0 < len(piece) <= size for piece in found)
    assert all(piece.endswith("\n") or "\n" not in piece for piece in found[:-1])


def test_a_long_text_is_measured_in_pieces(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    text = "吾輩は猫である。慶應の大学。\n" * 6_000
    assert len(text) > 2 * PIECE
    found = row(text, own_peer(tokenizer), spelled=0)
    assert found.tokens == len(tokenizer.encode(text))
    assert found.lost == pytest.approx(1 / 15)
    assert found.megabytes_per_second is not None


MEMORY = """
import json, resource, sys
from pathlib import Path
from neoxjp.compare import builtin_peers
from neoxjp.labs.tokenizer_report.measuring import measure
from neoxjp.labs.tokenizer_report.records import OpenedTokenizer
from neoxjp.labs.tokenizer_report.sources import find_files, read_texts
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

ours, _, in_bytes, _ = builtin_peers(GPTNeoXJapaneseTokenizer.from_pretrained(sys.argv[1]))
peaks = []
for path in sys.argv[2:]:
    opened = [OpenedTokenizer("ours", "ours", ours), OpenedTokenizer("bytes", "bytes", in_bytes)]
    *_, last = measure(read_texts(find_files([Path(path)]), "text", ""), opened, spelled=500)
    peaks.append([last.domains[0].utf8_bytes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss])
print(json.dumps(peaks))
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_texts(tiny_vocabulary: Path, tmp_path: Path) -> None:
    line = "吾輩は猫である。名前はまだ無い。どこで生れたか頓と見当がつかぬ。\n"
    for name, lines in (("small.txt", 20_000), ("large.txt", 200_000)):
        with (tmp_path / name).open("w", encoding="utf-8") as file:
            for _ in range(lines // 1_000):
                file.write(line * 1_000)
    names = [tmp_path / "small.txt", tmp_path / "large.txt"]
    done = subprocess.run([sys.executable, "-c", MEMORY, tiny_vocabulary, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (small, before), (large, after) = json.loads(done.stdout)
    assert (small, large) == (1_940_000, 19_400_000)
    assert after - before < 10_000  # KiB; the text alone would take more
