"""A visitor's text: its state, how it is edited, generated and drawn."""
