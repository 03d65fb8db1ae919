"""The sections of the page: one module each, with its charts and the text of its tables."""
