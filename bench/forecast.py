"""Compare the forecast of `align-eval run --dry-run` with the real time of the utterances.

Also prints the measured utterances behind the forecast. With --clock cpu both times are processor time of this process,
which other work on the machine does not lengthen.
"""

from __future__ import annotations

import argparse
import time

from align_eval.engine.forecast import forecast
from align_eval.engine.job import prepare_job
from align_eval.engine.utterance import attempt, process
from align_eval.options import RunOptions

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", default="demo")
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--source", action="append")
    parser.add_argument("--context", default="full")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    arguments = parser.parse_args()
    clock = CLOCKS[arguments.clock]
    options = RunOptions(sources=arguments.source, context=arguments.context)
    job = prepare_job(arguments.corpus, arguments.model, options)
    predicted = forecast(job, clock=clock)
    for m in predicted.measured:
        print(f"  {m.id}: {m.n_frames} frames, {m.n_tokens} tokens, {m.n_masks} masks, {m.seconds:.2f} s")
    began = clock()
    for u in job.utterances:
        attempt(u, lambda u: process(u, job.plan, job.model))
    real_s = clock() - began
    print(
        f"{len(job.utterances)} utterances, {arguments.clock} time: forecast {predicted.seconds:.1f} s, "
        f"real {real_s:.1f} s, ratio {predicted.seconds / real_s:.2f}"
    )


if __name__ == "__main__":
    main()
