// The error for a map with a value below 0 where the caller promised `nonnegative`.
#pragma once

#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpu/gram/feature_map.h"

namespace fbn {

template <typename Element>
bool holds_nan_of(const FeatureMap& map, int64_t image) {
  for (int64_t c = 0; c < map.C; ++c) {
    for (int64_t p = 0; p < map.L; ++p) {
      const auto value = static_cast<double>(*reinterpret_cast<const Element*>(map.at(image, c, p)));
      if (std::isnan(value)) return true;
    }
  }
  return false;
}

inline bool holds_nan(const FeatureMap& map, int64_t image) {
  switch (map.dtype) {
    case Dtype::float64:
      return holds_nan_of<double>(map, image);
    case Dtype::bfloat16:
      return holds_nan_of<torch::headeronly::BFloat16>(map, image);
    case Dtype::float16:
      return holds_nan_of<torch::headeronly::Half>(map, image);
    default:
      return holds_nan_of<float>(map, image);
  }
}

// Throws for the first image with a value below 0, with the reference's message; `bilinear_pool` in Python raises it as
// the reference's exception type. An image with a NaN is no error: its descriptor is NaN. `lowest` has `parts` equal
// entries for each image.
inline void refuse_negative(const FeatureMap& map, const std::vector<double>& lowest, int64_t parts) {
  for (int64_t image = 0; image < map.N; ++image) {
    const double value = lowest[image * parts];
    if (!(value < 0) || holds_nan(map, image)) continue;
    char shown[32];
    std::snprintf(shown, sizeof(shown), "%g", value);
    throw std::runtime_error("bilinear_pool: nonnegative=True promised a map without values below 0, but image " +
                             std::to_string(image) + " of the batch goes down to " + shown +
                             "; pass nonnegative=False for a map that does not come out of a ReLU");
  }
}

}  // namespace fbn
