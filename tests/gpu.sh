#!/usr/bin/env bash
# Everything that needs a CUDA GPU, in one command and without a network: builds the kernels, tests them on the GPU, and
# times them. Needs torch >= 2.11 with CUDA, nvcc and pytest; says what it does without.
#
#     tests/gpu.sh [FOLDER]        # FOLDER gets what every step printed [default: gpu-results]
#
# The exit status is 0 if the kernels were built and every test passed.
set -uo pipefail
cd "$(dirname "$0")/.."
folder=${1:-gpu-results}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
python=$(command -v python3 || command -v python)
# The second lets torch's deterministic mode, which one test needs, use cuBLAS.
export PYTHONPATH=$PWD CUBLAS_WORKSPACE_CONFIG=:4096:8 FBN_OPS=native
status=0

step() { # step NAME COMMAND...: runs it, keeps its output, never stops the script
  local name=$1 code
  shift
  echo "== $name: $*"
  "$@" 2>&1 | tee "$folder/$name.txt"
  code=${PIPESTATUS[0]}
  echo "== $name: exit status $code" | tee -a "$folder/$name.txt"
  return "$code"
}

step environment "$python" - <<'PYTHON' || exit 1
import json, shutil, subprocess, sys
import torch
if not torch.cuda.is_available():
    sys.exit("no usable CUDA GPU: torch.cuda.is_available() is False")
nvcc = shutil.which("nvcc")
print(json.dumps({
    "python": sys.version.split()[0], "torch": torch.__version__, "cuda": torch.version.cuda,
    "nvcc": subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout.split("\n")[-2] if nvcc else None,
    "devices": [str(torch.cuda.get_device_properties(k)) for k in range(torch.cuda.device_count())],
}, indent=1))
PYTHON

build='
import time, torch, warnings
from birdnet_cli.core.ops import bilinear_pool
start = time.time()
bilinear_pool(torch.ones(1, 1, 1, device="cuda"))
assert torch._C._dispatch_has_kernel_for_dispatch_key("fbn::bilinear_pool", "CUDA"), "the reference ran instead"
print(f"the kernels are loaded after {time.time() - start:.1f} s")
'
if ! step build "$python" -c "$build"; then
  # The kernels can be tested even where their build system cannot run: the fixture `gpu` loads this library.
  export FBN_OPS=reference FBN_TEST_CUDA_LIBRARY=$folder/kernels.so
  torch=$("$python" -c 'import torch; print(torch.__path__[0])')
  capability=$("$python" -c 'import torch; print("%d%d" % torch.cuda.get_device_capability())')
  nvcc=${NVCC:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
  step build-by-hand "$nvcc" -shared -O3 -std=c++20 --expt-relaxed-constexpr -Xcompiler=-fPIC -DUSE_CUDA \
    -DTORCH_TARGET_VERSION=0x020b000000000000 -gencode "arch=compute_$capability,code=sm_$capability" \
    -Icsrc -isystem "$torch/include" -cudart=shared csrc/cuda/*/*.cu -o "$FBN_TEST_CUDA_LIBRARY" \
    "-L$torch/lib" -ltorch_cpu -ltorch -ltorch_cuda -lc10_cuda || exit 1
  status=1
fi

tests=(-m pytest -p no:cacheprovider --continue-on-collection-errors --strict-markers -W error -ra -m cuda tests/core/ops)
step tests "$python" "${tests[@]}" || status=1

if command -v compute-sanitizer > /dev/null; then
  few=(-q -k "kernels and gpu and (equal_the_reference or layouts or every_value) and not 131")
  # torch's allocator hides the end of a tensor from the sanitizer.
  for tool in memcheck racecheck; do
    PYTORCH_NO_CUDA_MEMORY_CACHING=1 step "sanitizer-$tool" compute-sanitizer --tool "$tool" --error-exitcode 1 \
      "$python" "${tests[@]}" "${few[@]}" || status=1
  done
else
  echo "== sanitizer: skipped, no compute-sanitizer on PATH" | tee "$folder/sanitizer.txt"
fi

step timings "$python" tests/gpu_timings.py "$folder/timings.json" || status=1

bench='from birdnet_cli.cli.app import main; main()'
if "$python" -c 'import typer, rich' 2> /dev/null; then
  "$python" -c "$bench" bench ops --device cuda --json > "$folder/bench-ops.json" 2> "$folder/bench-ops.txt"
  echo "== bench ops: exit status $?, in $folder/bench-ops.json" | tee -a "$folder/bench-ops.txt"
else
  echo "== bench ops: skipped, typer and rich are not installed" | tee "$folder/bench-ops.txt"
fi
echo "== results are in $folder; exit status $status"
exit "$status"
