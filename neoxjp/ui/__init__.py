"""The Gradio page: one file a tab, each with a dataclass of its components, `build` (draws it) and `connect` (wires it).

`page.py` puts the tabs together, `session.py` holds what is loaded, `strings.py` every word in Japanese and English,
`theme.py` and `assets/` the looks. Handlers are plain functions: tests call them without a browser.
"""
