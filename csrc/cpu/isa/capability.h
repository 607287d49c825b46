// Which instruction set the CPU kernels of this process use.
#pragma once

namespace fbn {

// Each includes those before it.
enum class Capability { portable, avx2, avx512, avx512_bf16 };

// The most that the processor has, or the one that the environment variable FBN_CPU_CAPABILITY names: default (the
// portable code), avx2, avx512 or avx512_bf16. Read at every call of an op, so that one process can compare them.
// Throws std::runtime_error for another name and for one that this processor lacks.
Capability cpu_capability();

}  // namespace fbn
