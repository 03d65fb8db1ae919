"""Imports, and nothing else, of all that a run imports on its way: for processes that are forked from one that has."""

import dtw  # noqa: F401
import torch.fx.experimental.symbolic_shapes  # noqa: F401  # what torch's gradients import, sympy included
from whisper.tokenizer import get_tokenizer

import align_eval.alignment.kernels
import align_eval.cli
import align_eval.corpus.bundled
import align_eval.corpus.kinds
import align_eval.corpus.second_reference
import align_eval.engine.forecast
import align_eval.engine.run
import align_eval.model.language
import align_eval.model.load
import align_eval.relevance.attention
import align_eval.relevance.gradient
import align_eval.relevance.prepare
import align_eval.reporting.terminal.scores
import align_eval.scoring.protocol_file  # noqa: F401

get_tokenizer(multilingual=False)
