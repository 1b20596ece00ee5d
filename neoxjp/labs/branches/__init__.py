"""Branches: a tree of texts by ids (records.py, files.py: no Gradio), and what a visitor does with them (actions.py)."""
