"""The generation lab's questions, answered as records; their commands."""
