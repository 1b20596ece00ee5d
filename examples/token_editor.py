"""A page of your own with the token editor: type a text, and see its tokens; rest on one to see what the model expected there.

python examples/token_editor.py        # then open the address that it prints
"""

import math

import gradio as gr

from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer
from neoxjp.engine import score
from neoxjp.errors import NeoxjpError
from neoxjp.page_parts.token_editor import Document, Edit, Piece, TokenEditor

model = GPTNeoXJapaneseForCausalLM.from_pretrained("bundled")
tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained("bundled")


def pieces(text: str) -> list[Piece]:
    """The tokens of a text. The byte tokens of one character come one after another and have the same place."""
    found: dict[int, list[int]] = {}
    tokens = tokenizer.analyze(text)
    for token in tokens:
        found.setdefault(token.start, []).append(token.id)
    ends = {token.start: token.end for token in tokens}
    return [Piece(text[start : ends[start]], tuple(ids), own=True) for start, ids in found.items()]


def on_edit(document: Document, event: gr.EventData) -> gr.HTML:
    try:
        edit = Edit.read(event._data)
        if not edit.whole and edit.revision != document.revision:
            return TokenEditor.show(document.unknown())
        return TokenEditor.show(document.patch(pieces(edit.apply(document.text)), answers=edit))
    except NeoxjpError as error:
        return TokenEditor.show(document.refused(str(error)))


def on_pick(document: Document, event: gr.EventData) -> gr.HTML:
    ids = [id for piece in document.pieces for id in piece.ids]
    step = score(model, ids, tokenizer, top=5)[event.at]
    if step.logprob is None:
        return TokenEditor.tell(event.at, event.revision, note="The first token: the model has read nothing yet.")
    options = [[choice.text, choice.id, math.exp(choice.logprob), None, True] for choice in step.top]
    return TokenEditor.tell(event.at, event.revision, probability=math.exp(step.logprob), rank=step.rank, alternatives=options)


with gr.Blocks(title="Token editor") as page:
    document = gr.State(Document())
    editor = TokenEditor("吾輩は猫である。名前はまだ無い。")
    editor.edit(on_edit, document, editor, queue=False, trigger_mode="multiple", show_progress="hidden")
    editor.sync(lambda document: TokenEditor.show(document.whole()), document, editor, queue=False)
    editor.pick(on_pick, document, editor, queue=False, trigger_mode="multiple", show_progress="hidden")

if __name__ == "__main__":
    page.launch()
