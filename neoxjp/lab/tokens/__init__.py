"""The tokenizer lab's questions, answered as records; their commands."""
