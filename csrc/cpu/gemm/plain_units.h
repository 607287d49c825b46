// Panels whose unit is a single value; the base of every instruction set's vectors.
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
  // A unit of each of `width` consecutive rows; `next` points to these rows at the next depth, for units of two depths.
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
