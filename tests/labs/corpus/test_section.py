"""Rules of the section corpus, without a browser: a look at a file, a count and its end, the drawn report, the endpoint."""

import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from neoxjp.compare import to_csv, to_frame
from neoxjp.documents.encodings import Confidence
from neoxjp.errors import ParameterError
from neoxjp.labs.corpus import section
from neoxjp.labs.corpus.command import rows
from neoxjp.labs.corpus.losses import REASONS
from neoxjp.labs.corpus.records import Corpus, Source, analyse
from neoxjp.labs.corpus.section import count_file, describe_file, parse_file, report
from neoxjp.labs.corpus.strings import STRINGS, strings
from neoxjp.page_parts.answers import Run
from neoxjp.page_parts.files import uploads
from neoxjp.page_parts.session.playground import Choice, Loaded, Playground
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

EN, JA = strings.words("en"), strings.words("ja")
TEXT = "吾輩は猫である。慶應の大学。\n"
HOSTILE = "<script>x</script>${x}\u202e\u200b"


@pytest.fixture(scope="module")
def playground(tiny_vocabulary: Path) -> Playground:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    return Playground(loaded=Loaded(Choice(str(tiny_vocabulary)), tokenizer, serial=1))


@pytest.fixture(autouse=True)
def empty_store() -> Iterator[None]:
    yield
    assert len(uploads.store) == 0
    assert uploads.queue.position("test") == 0
    uploads.queue.leave("test")


def uploaded(data: bytes) -> str:
    """The key of an uploaded file."""
    key, file = uploads.store.open()
    file.write(data)
    uploads.store.complete(key)
    return key


def counted(playground: Playground, data: bytes, name: str = "a.txt", **options: Any) -> tuple[list[str], Corpus, str]:
    asked = {"column": "", "encoding": "", "tokenizers": [], "t": EN} | options
    *steps, last = count_file(playground, uploaded(data), name, **asked)
    assert last.corpus
    t = asked["t"]
    done, html = last.drawn(t)
    assert "deleted" in done or "削除しました" in done
    return [step.status for step in steps], last.corpus, html.removesuffix(report(last.corpus, t))


def test_a_file_is_described_by_the_encoding_the_columns_and_the_first_characters() -> None:
    key = uploaded("番号,本文\n1,吾輩は猫である。\n".encode("cp932"))
    drawn, columns, column = describe_file(key, "a.csv", "", EN)
    assert "Shift_JIS (CP932) (likely)" in drawn
    assert "columns: 番号, 本文" in drawn
    assert "吾輩は猫" in drawn
    assert (column, columns) == ("本文", ["番号", "本文"])
    assert "EUC-JP（選択）" in describe_file(key, "a.csv", "euc_jp", JA)[0]
    uploads.store.delete(key)


def test_a_count_ends_with_the_corpus_and_the_file_is_gone(playground: Playground) -> None:
    told, found, notes = counted(playground, TEXT.encode("euc_jp") * 9000, tokenizers=["bytes", "compat"])
    assert found.characters == 9000 * len(TEXT)
    assert [cost.name for cost in found.costs[1:]] == ["UTF-8 bytes", "as in transformers"]
    assert all("<progress" in html for html in told)
    assert notes == ""


def test_a_count_that_is_closed_deletes_the_file(playground: Playground) -> None:
    steps = count_file(playground, uploaded(TEXT.encode()), "a.txt", "", "", ["bytes"], EN)
    next(steps)
    assert len(uploads.store) == 1
    steps.close()


def test_a_stopped_count_ends_with_that_message(playground: Playground) -> None:
    run_ = Run()
    steps = count_file(playground, uploaded(TEXT.encode()), "a.txt", "", "", ["bytes"], EN, run=run_)
    next(steps)
    run_.stop()
    *_, last = steps
    assert "Stopped. The file is deleted." in last.status
    assert last.corpus is None


def test_stop_ends_the_wait_in_the_queue(playground: Playground) -> None:
    run_ = Run()
    uploads.queue.position("someone")
    steps = count_file(playground, uploaded(TEXT.encode()), "a.txt", "", "", [], EN, run=run_)
    next(steps)
    run_.stop()
    *_, last = steps
    assert "Stopped. The file is deleted." in last.status
    uploads.queue.leave("someone")


def test_another_count_waits_and_sees_its_position(playground: Playground) -> None:
    uploads.queue.position("someone")
    steps = count_file(playground, uploaded(b"x"), "a.txt", "", "", [], EN)
    assert "waiting: 1 ahead of you" in next(steps).status
    uploads.queue.leave("someone")
    *_, last = steps
    assert last.corpus


@pytest.mark.parametrize(
    ("data", "name", "column", "message"),
    [
        (b"\x89PNG\r\n", "a.png", "", "テキストファイルではありません"),
        (b"a,b\n1,2\n", "a.csv", "c", "列 'c' はありません"),
        (b"[\n1\n]", "a.jsonl", "", "どれにもテキストがありません"),
    ],
)
def test_an_expected_error_deletes_the_file_too(
    playground: Playground, data: bytes, name: str, column: str, message: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        list(count_file(playground, uploaded(data), name, column, "", [], JA))
    assert message in caught.value.ja


def test_without_a_file_it_says_so(playground: Playground) -> None:
    for key, message in (("", "Choose a file first"), ("gone", "send it again")):
        with pytest.raises(ParameterError, match=message):
            list(count_file(playground, key, "a.txt", "", "", [], EN))
    assert parse_file("{") == parse_file("[1]") == parse_file("") == ("", "")
    assert parse_file('{"file": "k", "name": "a.txt"}') == ("k", "a.txt")


def test_a_tokenizer_that_cannot_be_opened_does_not_spoil_the_rest(playground: Playground) -> None:
    public = Playground(public=True, loaded=playground.loaded)
    _, found, notes = counted(public, b"abc", tokenizers=["/etc/passwd", "characters"])
    assert [cost.key for cost in found.costs] == ["neoxjp", "characters"]
    assert "/etc/passwd: no tokenizer" in notes


def test_a_public_count_has_an_end(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section, "PUBLIC_SECONDS", 0)
    public = Playground(public=True, loaded=playground.loaded)
    with pytest.raises(ParameterError, match="may take 0 s"):
        list(count_file(public, uploaded(TEXT.encode() * 20_000), "a.txt", "", "", [], EN))
    with pytest.raises(ParameterError, match="count with 8 at a time"):
        list(count_file(public, uploaded(b"x"), "a.txt", "", "", list("123456789"), EN))


@pytest.mark.parametrize("t", [EN, JA])
def test_a_report_is_escaped_and_complete(playground: Playground, t: Any) -> None:
    data = json.dumps({HOSTILE: HOSTILE + "慶應Ж"}).encode() + b'\n{"<b>": 1}\n'
    _, found, _ = counted(playground, data, "<img>.jsonl", tokenizers=["compat"], t=t)
    html = report(found, t)
    assert "<script" not in html
    assert "<img" not in html
    assert "<b>:" not in html
    assert "&lt;img&gt;.jsonl" in html
    assert "U+0416" in html
    assert html.count("<section") == html.count("</section")
    for key in ("frequent", "longest", "losses", "scripts", "by_tokenizer"):
        assert t(f"corpus_{key}") in html
    assert HOSTILE in to_csv(to_frame(rows(found))).decode("utf-8-sig")


def test_every_reason_and_every_confidence_has_a_string() -> None:
    assert all(f"corpus_reason_{reason}" in STRINGS for reason in REASONS)
    assert all(f"corpus_confidence_{confidence}" in STRINGS for confidence in get_args(Confidence))


def test_a_report_of_nothing_is_drawn(tiny_vocabulary: Path) -> None:
    import io

    *_, found = analyse([Source("a.txt", io.BytesIO())], GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary))
    assert "Every character is restored" in report(found, EN)


# ---------------------------------------------------------------- over the wire


@pytest.fixture(scope="module")
def client(page_url: str) -> Iterator[Client]:
    with_page = Client(page_url, verbose=False)
    yield with_page
    with_page.close()


def sent(url: str, data: bytes, kind: str = "application/octet-stream") -> str:
    request = urllib.request.Request(f"{url}/neoxjp/file", data, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(json.load(answer)["file"])


def test_the_endpoint_counts_a_text_and_a_file_and_keeps_neither(client: Client, page_url: str) -> None:
    text = client.predict(text=TEXT, tokenizers=["characters"], api_name="/corpus")
    assert [(cost["key"], cost["tokens"]) for cost in text["costs"]][1] == ("characters", len(TEXT))
    cache = Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio")
    before = {*cache.rglob("*")} if cache.exists() else set()
    key = sent(page_url, f"id,body\n1,{TEXT.strip()}\n".encode("cp932"))
    file = client.predict(file=key, name="a.csv", api_name="/corpus")
    assert file["files"][0]["encoding"] == "Shift_JIS (CP932)"
    assert file["costs"][0]["tokens"] == text["costs"][0]["tokens"] - 1  # the end of the line
    assert ({*cache.rglob("*")} if cache.exists() else set()) == before
    with pytest.raises(AppError, match="send it again"):
        client.predict(file=key, api_name="/corpus")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "either text or the key of a file"),
        ({"text": "x", "file": "y"}, "either text or the key of a file"),
        ({"text": "x", "tokenizers": "bytes"}, "expected a list of keys"),
        ({"text": "a,b\n1,2\n", "name": "a.csv", "column": "c"}, "no column 'c'"),
    ],
)
def test_the_endpoint_refuses_in_one_sentence(client: Client, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(AppError, match=message):
        client.predict(**asked, api_name="/corpus")


def test_uploads_that_are_too_large_or_of_another_type_are_refused(page_url: str) -> None:
    too_much = urllib.request.Request(
        f"{page_url}/neoxjp/file", b"x", {"Content-Type": "application/octet-stream", "Content-Length": "50000001"}
    )
    with pytest.raises(urllib.error.HTTPError, match="413"):
        urllib.request.urlopen(too_much, timeout=30)
    with pytest.raises(urllib.error.HTTPError, match="415"):
        sent(page_url, b"x", "text/plain")


def test_a_report_is_drawn_again_in_the_other_language(playground: Playground) -> None:
    asked = {"column": "", "encoding": "", "tokenizers": ["bytes", "characters", "no-such"], "t": EN}
    *_, last = count_file(playground, uploaded(TEXT.encode()), "a.txt", **asked)
    (english, report_en), (japanese, report_ja) = last.drawn(EN), last.drawn(JA)
    assert "deleted" in english
    assert "削除しました" in japanese
    assert "UTF-8 bytes" in report_en
    assert "UTF-8 バイト" in report_ja
    assert "UTF-8 bytes" not in report_ja
    assert "no-such" in report_en
    assert "no-such" in report_ja
