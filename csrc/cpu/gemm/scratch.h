// Memory for the panels and tiles of a thread, aligned to a cache line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace fbn {

template <typename T>
class Scratch {
 public:
  explicit Scratch(int64_t count)
      : memory_(static_cast<T*>(::operator new(static_cast<size_t>(count) * sizeof(T), ALIGNMENT))) {}

  T* get() const { return memory_.get(); }

 private:
  static constexpr std::align_val_t ALIGNMENT{64};
  struct Release {
    void operator()(T* memory) const { ::operator delete(memory, ALIGNMENT); }
  };
  std::unique_ptr<T, Release> memory_;
};

}  // namespace fbn
