"""Sampling trace: how each filter changed the candidates for one token, and which one was drawn (records.py, no Gradio)."""
