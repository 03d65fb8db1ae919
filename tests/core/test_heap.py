"""Memory that a process keeps is not given to it page by page a second time."""

import platform
import subprocess
import sys

import pytest

SIZE = 100 * 2**20
TWICE = f"""
import resource
import numpy as np
{{before}}
def faults():
    start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones({SIZE} // 8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start
print(faults(), faults())
"""


def faults_of(before: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", TWICE.format(before=before)], capture_output=True, text=True, check=True
    )
    return [int(number) for number in done.stdout.split()]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is no glibc here to be told")
def test_a_matrix_that_follows_a_freed_one_takes_its_pages():
    """Left to itself glibc maps each anew. Pages may be larger than 4 kB: how many there are is not what counts."""
    kept = faults_of("from align_eval.engine.malloc import keep_freed_memory; assert keep_freed_memory()")
    anew = faults_of("")
    assert kept[1] < anew[1] / 10
    assert kept[0] > anew[1] / 2  # it is the second that is spared
