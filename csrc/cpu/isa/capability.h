// Which instruction set the CPU kernels of this process use.
#pragma once

namespace fbn {

// In ascending order: a processor with one of these has all that come before it.
enum class Capability { portable, avx2, avx512, avx512_bf16 };

// The highest capability of the processor, or the capability that the environment variable FBN_CPU_CAPABILITY names:
// default (the portable code), avx2, avx512 or avx512_bf16. The variable is read at every call of an op, so that one
// process can compare instruction sets. Throws std::runtime_error for an unknown name, and for an instruction set that
// this processor lacks.
Capability cpu_capability();

}  // namespace fbn
