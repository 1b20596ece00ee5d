"""Every word of the page, in Japanese and English, and how each place gets its language.

Labels of components: `label(key)`, which Gradio translates in the browser. HTML that a handler writes:
`words(language(request))`. HTML that stands on the page before any handler ran: `both(key)`, of which the style sheet shows one.
"""

from collections.abc import Callable
from html import escape
from typing import Literal

import gradio as gr

Lang = Literal["ja", "en"]
Words = Callable[..., str]
"""`say("tokens", n=34)` → "34 トークン"."""

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    # the frame
    "tab_generate": ("文章生成", "Generate"),
    "tab_tokenize": ("トークン", "Tokens"),
    "tab_model": ("モデル", "Model"),
    "tagline": ("日本語の GPT-NeoX を、ひと切れずつ見る", "GPT-NeoX for Japanese, piece by piece"),
    "ready": ("準備完了", "ready"),
    "loading": ("{name} を読み込み中", "loading {name}"),
    "loading_vocabulary": ("{name} の語彙を読み込み中", "loading the vocabulary of {name}"),
    "loading_weights": ("{name} の重みを読み込み中 {percent} %（トークン化はもう使えます）",
                        "loading the weights of {name} {percent} % (tokenizing works already)"),
    "failed": ("読み込めませんでした", "could not be loaded"),
    "nothing_loaded": ("モデルはまだありません", "no model yet"),
    "tokenizer_only": ("語彙だけ", "vocabulary only"),
    "wait_vocabulary": ("語彙を読み込んでいます…", "The vocabulary is being loaded…"),
    "no_vocabulary": ("語彙を読み込めていません。「モデル」タブで別のフォルダーを選んでください。",
                      "No vocabulary is loaded. Choose another folder in the Model tab."),
    "wait_model": ("モデルを読み込んでいます。終わるまで少しお待ちください。",
                   "The model is still being loaded. Please wait a moment."),
    "unexpected": ("予期しない問題が起きました。もう一度お試しください。", "Something unexpected went wrong. Please try again."),
    "attention": ("注意機構", "attention"),
    # Tokenize tab
    # Generate tab
    # Model tab
}
# fmt: on


def translations() -> gr.I18n:
    """For `launch(i18n=...)`: the whole table, by the browser's locale."""
    return gr.I18n(ja={key: ja for key, (ja, _) in STRINGS.items()}, en={key: en for key, (_, en) in STRINGS.items()})


def label(key: str) -> str:
    """A component's label, info, placeholder or choice, which the browser translates. Typed as the string it stands for."""
    if key not in STRINGS:
        raise KeyError(key)
    return gr.I18n()(key)  # type: ignore[return-value]


def words(lang: Lang) -> Words:
    """A function from key and values to the sentence in `lang`. Not escaped: that is render's work."""

    def say(key: str, **values: object) -> str:
        ja, en = STRINGS[key]
        return (ja if lang == "ja" else en).format(**values)

    return say


def both(key: str, **values: object) -> str:
    """HTML with both sentences, of which the style sheet shows the visitor's."""
    ja, en = (escape(words(lang)(key, **values)) for lang in ("ja", "en"))
    return f'<span class="only-ja" lang="ja">{ja}</span><span class="only-en" lang="en">{en}</span>'


def language(request: gr.Request | None) -> Lang:
    """The visitor's language from the first of the Accept-Language header: what the browser shows labels in, too."""
    header = str(request.headers.get("accept-language", "")) if request is not None else ""
    return "ja" if header.strip().lower().startswith("ja") else "en"
