"""The Gradio page: one file a tab, each with a dataclass of its components, `build` (draws it) and `connect` (wires it).

`page.py` puts the tabs together; what they share lies in page_parts/, such as what is loaded (session/) and the words in
Japanese and English (strings.py). Handlers are plain functions: tests call them without a browser.
"""
