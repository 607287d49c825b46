// The windows of a convolution over maps x [N, C, H, W], as rows of a matrix [N * L, D] for each group of channels,
// where L = h * w are the positions and D = C / groups * kh * kw the values of one window.
#pragma once

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/Exception.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "cpu/gemm/gemm_tile.h"
#include "cpu/gemm/tensor_dtype.h"

namespace fbn {

// The geometry of a convolution; index 0 is vertical, 1 horizontal.
struct Window {
  int64_t kernel[2], stride[2], padding[2], dilation[2];
};

class Patches {
 public:
  Patches(const torch::stable::Tensor& x, const Window& window, int64_t groups)
      : data_(static_cast<std::byte*>(x.data_ptr())), window_(window) {
    STD_TORCH_CHECK(x.is_cpu() && x.dim() == 4, "expected a map [N, C, H, W] on the CPU");
    STD_TORCH_CHECK(groups >= 1 && x.size(1) % groups == 0, "expected groups that divide the channels");
    dtype = dtype_of(x);
    N = x.size(0), channels = x.size(1) / groups;
    for (int axis : {0, 1}) {
      size_[axis] = x.size(2 + axis);
      const int64_t room =
          size_[axis] + 2 * window.padding[axis] - window.dilation[axis] * (window.kernel[axis] - 1) - 1;
      STD_TORCH_CHECK(window.kernel[axis] >= 1 && window.stride[axis] >= 1 && window.padding[axis] >= 0 &&
                          window.dilation[axis] >= 1 && room >= 0,
                      "expected a kernel that fits into the padded map");
      output[axis] = room / window.stride[axis] + 1;
    }
    for (int axis = 0; axis < 4; ++axis) strides_[axis] = x.stride(axis);
    L = output[0] * output[1], R = N * L;
    taps_ = window.kernel[0] * window.kernel[1];
    D = channels * taps_;
    is_pointwise = taps_ == 1 && window.padding[0] == 0 && window.padding[1] == 0;
  }

  Dtype dtype;
  int64_t N, channels, L, R, D;
  int64_t output[2];
  // Every window is a single position of the map.
  bool is_pointwise;

  // Copies up to PANEL rows of a group into `memory`, which has room for PANEL * D elements, and returns a view of
  // them.
  MatrixView gather(int64_t group, int64_t row, int64_t count, void* memory) const {
    switch (element_bytes(dtype)) {
      case 2:
        return gather_elements(group, row, count, static_cast<uint16_t*>(memory));
      case 4:
        return gather_elements(group, row, count, static_cast<uint32_t*>(memory));
      default:
        return gather_elements(group, row, count, static_cast<uint64_t*>(memory));
    }
  }

  // Adds `columns` [D, PANEL], the gradients of up to PANEL rows, to the map, for channels `first` to `last` - 1 of the
  // group. The map's values must be of type T.
  template <typename T>
  void scatter(int64_t group, int64_t row, int64_t count, int64_t first, int64_t last, const T* columns) const {
    const Corners corners(*this, row, count);
    for (int64_t tap = 0; tap < taps_; ++tap) {
      const Offsets at(*this, corners, tap, count);
      for (int64_t c = first; c < last; ++c) {
        T* const plane = reinterpret_cast<T*>(data_) + (group * channels + c) * strides_[1];
        const T* const from = columns + (c * taps_ + tap) * PANEL;
        if (at.is_run) {
          for (int64_t j = 0; j < count; ++j) plane[at.offsets[0] + j] += from[j];
        } else {
          for (int64_t j = 0; j < count; ++j) {
            if (at.offsets[j] >= 0) plane[at.offsets[j]] += from[j];
          }
        }
      }
    }
  }

 private:
  // The top left corners of the windows of consecutive rows.
  struct Corners {
    int64_t image[PANEL], top[PANEL], left[PANEL];

    Corners(const Patches& patches, int64_t row, int64_t count) {
      for (int64_t j = 0; j < count; ++j) {
        const int64_t position = (row + j) % patches.L;
        image[j] = (row + j) / patches.L * patches.strides_[0];
        top[j] = position / patches.output[1] * patches.window_.stride[0] - patches.window_.padding[0];
        left[j] = position % patches.output[1] * patches.window_.stride[1] - patches.window_.padding[1];
      }
    }

    // Offset of the value at `tap` of window j from the beginning of its channel, or -1 in the padding.
    int64_t offset(const Patches& patches, int64_t j, int64_t tap) const {
      const int64_t y = top[j] + tap / patches.window_.kernel[1] * patches.window_.dilation[0];
      const int64_t x = left[j] + tap % patches.window_.kernel[1] * patches.window_.dilation[1];
      const bool inside = y >= 0 && y < patches.size_[0] && x >= 0 && x < patches.size_[1];
      return inside ? image[j] + y * patches.strides_[2] + x * patches.strides_[3] : -1;
    }
  };

  // Offsets of the values at `tap` of `count` windows within a channel; `is_run` if they are contiguous.
  struct Offsets {
    int64_t offsets[PANEL];
    bool is_run;

    Offsets(const Patches& patches, const Corners& corners, int64_t tap, int64_t count) {
      is_run = true;
      for (int64_t j = 0; j < count; ++j) {
        offsets[j] = corners.offset(patches, j, tap);
        is_run = is_run && offsets[j] >= 0 && offsets[j] == offsets[0] + j;
      }
    }
  };

  template <typename Element>
  MatrixView gather_elements(int64_t group, int64_t row, int64_t count, Element* memory) const {
    const Corners corners(*this, row, count);
    const Element* const channel = reinterpret_cast<const Element*>(data_) + group * channels * strides_[1];
    if (is_pointwise && strides_[1] == 1) {
      for (int64_t j = 0; j < count; ++j) {
        std::memcpy(memory + j * D, channel + corners.offset(*this, j, 0), D * sizeof(Element));
      }
      return {memory, dtype, D, 1};
    }
    for (int64_t tap = 0; tap < taps_; ++tap) {
      const Offsets at(*this, corners, tap, count);
      for (int64_t c = 0; c < channels; ++c) {
        const Element* const plane = channel + c * strides_[1];
        Element* const to = memory + (c * taps_ + tap) * PANEL;
        if (at.is_run) {
          std::memcpy(to, plane + at.offsets[0], count * sizeof(Element));
        } else {
          for (int64_t j = 0; j < count; ++j) to[j] = at.offsets[j] < 0 ? Element(0) : plane[at.offsets[j]];
        }
      }
    }
    return {memory, dtype, 1, PANEL};
  }

  std::byte* data_;
  Window window_;
  int64_t size_[2], strides_[4], taps_;
};

}  // namespace fbn
