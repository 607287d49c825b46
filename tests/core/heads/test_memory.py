import os
import subprocess
import sys
from pathlib import Path

import pytest

# 600 rows of 100,000 float32 values are 240 MB; their kernel matrix is 1.4 MB.
FIT_A_GENERATED_SOURCE = """
from pathlib import Path
import numpy as np
import torch
from birdnet_cli.core.heads import fit_head
from birdnet_cli.core.recipe import HeadSettings

class Generated:
    rows, dim = 600, 100_000
    values = np.random.default_rng(0).normal(size=dim + 13 * rows).astype(np.float32)

    def blocks(self):
        block = np.empty((20, self.dim), np.float32)
        for start in range(0, self.rows, 20):
            for offset in range(20):
                first = 13 * (start + offset)
                block[offset] = self.values[first : first + self.dim]
            yield start, block

def peak():
    # Not ru_maxrss: a process inherits that from the one that started it.
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

labels = np.arange(600) % 3
torch.linalg.cholesky(torch.eye(300) @ torch.eye(300))
before = peak()
fit_head(Generated(), labels, num_classes=3, settings=HeadSettings(C=1.0, calibrate=False), standardize=False)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs Linux, which tells the peak in /proc")
def test_memory_beside_the_kernel_matrix_does_not_grow_with_the_rows():
    # One thread: the products' own scratch memory grows with them.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run(
        [sys.executable, "-c", FIT_A_GENERATED_SOURCE], env=environment, capture_output=True, text=True, check=True
    )

    # 128 MB held, a chunk of 32 MB, a block of 8 MB of the source's own, and what the libraries allocate.
    assert float(done.stdout) <= 195


# 50,000 rows of 20,000 float32 values are 4 GB, and so is a basis of them; a kernel matrix would be 10 GB.
STREAM_A_GENERATED_SOURCE = """
from pathlib import Path
import numpy as np
from birdnet_cli.core.heads import fit_head
from birdnet_cli.core.recipe import HeadSettings

N, D, K = 50_000, 20_000, 20
random = np.random.default_rng(0)
values = random.normal(size=D + 13 * N).astype(np.float32)
means = random.normal(size=(K, D)).astype(np.float32) / 5

class Generated:
    run = 4
    dim = D

    def __init__(self, order):
        self.order, self.rows = order, len(order)

    def reordered(self, order):
        return Generated(self.order[order])

    def blocks(self):
        block = np.empty((100, D), np.float32)
        for start in range(0, self.rows, 100):
            for offset, row in enumerate(self.order[start : start + 100]):
                np.add(values[13 * row : 13 * row + D], means[row * K // N], out=block[offset])
            yield start, block[: self.rows - start]

labels = np.arange(N) * K // N
settings = HeadSettings(C=1e-2 / D, calibrate=False)
fit = fit_head(Generated(np.arange(N)), labels, num_classes=K, settings=settings, standardize=False)
line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(fit.solver, fit.error, int(line.split()[1]) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs Linux, which tells the peak in /proc")
def test_a_streamed_head_of_4_gb_of_rows_takes_less_than_2_gb():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run(
        [sys.executable, "-c", STREAM_A_GENERATED_SOURCE], env=environment, capture_output=True, text=True, check=True
    )

    solver, gap, peak = done.stdout.split()
    assert solver == "streamed"
    assert float(gap) <= 1e-2
    assert float(peak) <= 2000
