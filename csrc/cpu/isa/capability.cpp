// Detects what the processor supports, and reads FBN_CPU_CAPABILITY.
#include "cpu/isa/capability.h"

#include <cstdlib>
#include <iterator>
#include <stdexcept>
#include <string>

namespace fbn {
namespace {

const char* const NAMES[] = {"default", "avx2", "avx512", "avx512_bf16"};

Capability detect() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c")) {
    return Capability::portable;
  }
  for (const bool has : {__builtin_cpu_supports("avx512f") != 0, __builtin_cpu_supports("avx512bw") != 0,
                         __builtin_cpu_supports("avx512dq") != 0, __builtin_cpu_supports("avx512vl") != 0}) {
    if (!has) return Capability::avx2;
  }
  return __builtin_cpu_supports("avx512bf16") ? Capability::avx512_bf16 : Capability::avx512;
#else
  return Capability::portable;
#endif
}

}  // namespace

Capability cpu_capability() {
  static const Capability best = detect();
  const char* const wanted = std::getenv("FBN_CPU_CAPABILITY");
  if (wanted == nullptr || *wanted == '\0') return best;
  for (int level = 0; level < static_cast<int>(std::size(NAMES)); ++level) {
    if (std::string(wanted) != NAMES[level]) continue;
    if (level <= static_cast<int>(best)) return static_cast<Capability>(level);
    throw std::runtime_error(std::string("FBN_CPU_CAPABILITY=") + wanted + ": this processor has no more than " +
                             NAMES[static_cast<int>(best)] + "; unset the variable, or set it to that");
  }
  throw std::runtime_error(std::string("FBN_CPU_CAPABILITY must be default, avx2, avx512 or avx512_bf16, got ") +
                           wanted);
}

}  // namespace fbn
