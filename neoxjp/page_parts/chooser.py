"""A control for a small JSON file, which the browser reads itself: `neoxjp.readJson` in page.js hands on its text."""

from neoxjp.labs.common import html as render
from neoxjp.page_parts.strings import both, words


def json_chooser(section: str, elem_id: str, most: int) -> str:
    """The control as HTML. Its words are the section's: file, file_note, file_large, file_read, file_failed.

    most: bytes that are read; a larger file gets a sentence.
    """
    keys = [f"{section}_file_{name}" for name in ("large", "read", "failed")]
    sentences = {lang: [words(lang)(key, size="{size}", name="{name}") for key in keys] for lang in ("ja", "en")}
    facts = render.attributes(data_facts=render.data({"most": most, "words": sentences}))
    return (
        f'<div class="r-file"{facts}><label><b>{both(f"{section}_file")}</b>'
        f'<input type="file" id="{elem_id}" accept=".json,application/json"></label>'
        f'<p class="r-note" role="status">{both(f"{section}_file_note")}</p></div>'
    )
