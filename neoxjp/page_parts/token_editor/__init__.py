"""`TokenEditor`: one Gradio component that is both the text one edits and the tokens one looks at.

A program gives it pieces (records.py) and answers its events (editor.py). It knows no tokenizer and no model, so it works in any
Gradio app: examples/token_editor.py is a small one.
"""

from neoxjp.page_parts.token_editor.editor import WORDS, Call, TokenEditor
from neoxjp.page_parts.token_editor.records import Document, Edit, Piece

__all__ = ["WORDS", "Call", "Document", "Edit", "Piece", "TokenEditor"]
