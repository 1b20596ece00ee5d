"""A feature of the tests: a section, an endpoint and strings, and nothing that belongs to the package."""
