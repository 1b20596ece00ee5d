"""Tokens in a notebook: valid HTML without script, every character of the text, marks and titles."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neoxjp import GPTNeoXJapaneseTokenizer
from neoxjp.hub import bundled_path


@pytest.fixture(scope="module")
def tokenizer():
    return GPTNeoXJapaneseTokenizer.from_pretrained(bundled_path())


class Reader(HTMLParser):
    """The tags, the spans (style, title, text) and all text of a piece of HTML."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.spans, self.text, self.open = set(), [], "", []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.open.append(tag)
        if tag == "span":
            values = dict(attributes)
            self.spans.append([values["style"], values["title"], ""])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open[-1:] == ["span"]:
            self.spans[-1][2] += data


def shown(tokenizer, text):
    return Reader(tokenizer.analyze(text)._repr_html_())


def test_each_token_is_a_span_with_its_id_in_the_title(tokenizer):
    tokens = tokenizer.analyze("吾輩は猫である")
    page = Reader(tokens._repr_html_())
    assert [text for _, _, text in page.spans] == [token.piece for token in tokens]
    assert all(title.startswith(f"id {token.id}, piece ") for (_, title, _), token in zip(page.spans, tokens, strict=True))
    assert f"{len(tokens)} tokens, 7 characters" in page.text


def test_analyze_still_gives_a_list(tokenizer):
    tokens = tokenizer.analyze("猫だ")
    assert isinstance(tokens, list)
    assert tokens == list(tokens)
    assert tokens.text == "猫だ"


def test_a_variant_a_loss_and_bytes_are_marked(tokenizer):
    folded = next(t for line in tokenizer.vocabulary.spellings if len(line) > 1 for t in tokenizer.analyze(line[1]) if t.folded)
    variant = shown(tokenizer, tokenizer.vocabulary.spellings[folded.id][1]).spans
    assert any("dotted" in style and "another spelling of the same id" in title for style, title, _ in variant)
    ((style, title, _),) = shown(tokenizer, "—").spans
    assert "wavy" in style
    assert "decoding writes 'ー'" in title
    spans = shown(tokenizer, "𩸽").spans
    assert [text for _, _, text in spans] == ["F0", "A9", "B8", "BD"]
    assert all("dashed" in style and "one UTF-8 byte of '𩸽'" in title for style, title, _ in spans)


def test_blanks_are_visible(tokenizer):
    assert [text for _, _, text in shown(tokenizer, " \u3000\t\n").spans] == ["␣", "□", "⇥\t", "↵\n"]


def test_text_and_titles_are_escaped(tokenizer):
    page = shown(tokenizer, '<script>alert("猫")</script>&\'')
    assert page.tags == {"div", "span"}
    assert "".join(text for _, _, text in page.spans) == '<script>alert("猫")</script>&\''


@given(st.text())
def test_any_text_can_be_shown(tokenizer, text):
    html = tokenizer.analyze(text)._repr_html_()
    html.encode()
    assert Reader(html).tags <= {"div", "span"}
