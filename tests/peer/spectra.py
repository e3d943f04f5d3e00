#!/usr/bin/env python3
"""Singular values of one .npy file by the methods of NumPy, SciPy and PyTorch, timed on request.

    pip install numpy scipy torch
    python tests/peer/spectra.py FILE.npy [THREADS]

Reads the names of methods from standard input, one a line, and answers each with a line of JSON: {"seconds", "sigma"}. The benchmark
`cargo bench --bench spectrum` asks in turn with its own methods, so that all see the same machine.
"""
import json
import os
import sys
import time

path, threads = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "2"
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = threads

import numpy as np
import scipy.linalg
import torch

torch.set_num_threads(int(threads))
table = np.load(path)
METHODS = {
    "numpy.linalg.svd": lambda: np.linalg.svd(table, compute_uv=False),
    "scipy.linalg.svdvals": lambda: scipy.linalg.svdvals(table, check_finite=False),
    "torch.linalg.svdvals": lambda: torch.linalg.svdvals(torch.from_numpy(table)).numpy(),
}
print("ready", flush=True)
for line in sys.stdin:
    method = METHODS[line.strip()]
    start = time.perf_counter()
    sigma = method()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "sigma": [float(x) for x in sigma]}), flush=True)
