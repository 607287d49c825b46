// Panels whose unit is one plain value, for the vectors of every instruction set.
#pragma once

#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include <cstdint>

namespace fbn {
namespace {

using torch::headeronly::BFloat16;
using torch::headeronly::Half;

// V, which derives from this, loads `width` elements of any dtype as values of type T.
template <class V, typename T>
struct PlainUnits {
  using Scalar = T;
  using Unit = T;
  static constexpr int64_t depth_per_unit = 1;

  // `width` units of one row, from consecutive depths.
  template <class Element>
  static auto load_along(const Element* from) {
    return V::load(from);
  }
  // One unit of `width` consecutive rows; `next` is the same at the next depth, for units that hold two.
  template <class Element>
  static auto load_across(const Element* from, const Element* /*next*/) {
    return V::load(from);
  }
  template <class Element>
  static T unit(const Element* from, const Element* /*next*/) {
    return static_cast<T>(*from);
  }
};

}  // namespace
}  // namespace fbn
