"""Running a plan over a corpus: one pure function an utterance, and what goes around it."""
