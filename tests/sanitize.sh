#!/usr/bin/env bash
# Run the CPU kernels' tests with the kernels compiled under AddressSanitizer and UndefinedBehaviorSanitizer.
#
#   tests/sanitize.sh                     # the ops' tests
#   tests/sanitize.sh tests/core/ops/test_bilinear_pool.py -k gradient      # any arguments of pytest
#
# Needs g++ with libasan and libubsan (Debian, Ubuntu: part of g++). Only the kernels are instrumented, not PyTorch:
# what is found is a read or write outside a block that malloc gave out (tensors' memory included), a use after free, or
# undefined behaviour in csrc/cpu. The first finding ends the run with a report on stderr and a non-zero exit code.
# Leaks are not looked for: Python and PyTorch keep memory until the end on purpose.
set -euo pipefail
cd "$(dirname "$0")/.."

CXX=${CXX:-g++}
export CXX FBN_OPS=native
export FBN_CXXFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
export FBN_CACHE_DIR="${FBN_CACHE_DIR:-$PWD/.pytest_cache/d/fbn}"
# Compiled before the sanitizers' runtime is preloaded, so that it is not loaded into the compiler too.
python -c 'from birdnet_cli.core.ops.kernel_builds import build_kernels; print(build_kernels(["cpu"])[0].path)'

libraries=$("$CXX" -print-file-name=libasan.so):$("$CXX" -print-file-name=libubsan.so)
export ASAN_OPTIONS=detect_leaks=0:halt_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
# Tests that start compilers or other processes are about the build, not about the kernels. A finding ends the process at
# once, so nothing may be captured, and the last name written is the test's.
exec env LD_PRELOAD="$libraries" PYTHONMALLOC=malloc python -m pytest -v --capture=no -p no:cacheprovider \
  "${@:-tests/core/ops}" --ignore tests/core/ops/native --ignore tests/core/ops/test_library.py \
  --ignore tests/core/ops/test_csrc.py
