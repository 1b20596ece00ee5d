"""The sections of the tokenizer lab, one question a file: components and wires. What is drawn is in render/, the words in words/."""
