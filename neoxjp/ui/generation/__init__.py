"""The sections of the generation lab, one question a file: components and wires. Drawing is in render/, words in words/."""
