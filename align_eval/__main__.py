"""``python -m align_eval``."""

from align_eval.cli import main

main()
