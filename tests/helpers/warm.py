"""Imports, and nothing else, of all that a run imports on its way: for processes that are forked from one that has."""

import torch.fx.experimental.symbolic_shapes  # noqa: F401  # what torch's gradients import, sympy included
from whisper.tokenizer import get_tokenizer

import align_eval.alignment.viterbi
import align_eval.cli
import align_eval.corpus.bundled
import align_eval.corpus.second
import align_eval.engine.run
import align_eval.model.load
import align_eval.relevance.attention
import align_eval.relevance.gradient
import align_eval.report.table
import align_eval.scoring.protocol_file  # noqa: F401

get_tokenizer(multilingual=False)
