"""A seeded fuzzer: damaged copies of good files go through every public reader (``python -m tests.fuzz.run --help``).

``mutations`` damages bytes; ``targets`` and ``own_targets`` have the good files and their readers; ``oracle`` tells
whether a call did what it may; ``run`` makes the cases and keeps those that fail.
"""
