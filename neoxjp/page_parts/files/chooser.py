"""A control for a small JSON file, which the browser reads itself: `neoxjp.readJson` in page.js passes on its text."""

from markupsafe import Markup

from neoxjp.labs.common.templates import render
from neoxjp.page_parts.strings import Strings


def json_chooser(strings: Strings, section: str, elem_id: str, most: int) -> str:
    """The control as HTML. Its label and note are the section's strings `<section>_file` and `<section>_file_note`.

    most: bytes that are read; a larger file gets a sentence.
    """
    keys = ("file_large", "file_read", "file_failed")
    sentences = {
        lang: [strings.words(lang)(key, size="{size}", name="{name}", most=most // 2**20) for key in keys]
        for lang in ("ja", "en")
    }
    return render(
        "labs/common/macros.html",
        "json_chooser",
        strings.words("en"),
        elem_id=elem_id,
        facts={"most": most, "words": sentences},
        label=Markup(strings.both(f"{section}_file")),
        note=Markup(strings.both(f"{section}_file_note")),
    )
