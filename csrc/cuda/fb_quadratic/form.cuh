// The arguments of a Factorized Bilinear form: their checks, portions of images and classes, and the tensors that both
// directions compute from the map and the weight.
#pragma once

#include <optional>
#include <tuple>
#include <vector>

#include "cuda/fb_quadratic/squared_factors.cuh"

namespace fbn {

// Sizes of a form. A factor has D = C / groups * kh * kw weights, a group has `each` classes.
struct Form {
  Window window;
  int64_t N, C, O, K, D, L, groups, each;
  bool diagonal;
};

inline Form read_form(const char* op, const Tensor& x, const Tensor& weight, const std::vector<int64_t>& stride,
                      const std::vector<int64_t>& padding, const std::vector<int64_t>& dilation, int64_t groups,
                      bool diagonal) {
  STD_TORCH_CHECK(x.dim() == 4 && weight.dim() == 5, op, ": expected a map [N, C, H, W] and a weight [O, K, C/groups, ",
                  "kh, kw], got ", x.dim(), " and ", weight.dim(), " dimensions");
  STD_TORCH_CHECK(weight.scalar_type() == x.scalar_type() && weight.device() == x.device(), op,
                  ": expected map and weight of one dtype and device");
  STD_TORCH_CHECK(stride.size() == 2 && padding.size() == 2 && dilation.size() == 2, op,
                  ": expected two values of stride, padding and dilation");
  STD_TORCH_CHECK(groups >= 1 && x.size(1) == weight.size(2) * groups && weight.size(0) % groups == 0, op,
                  ": expected groups that divide the classes, and C / groups channels in the weight");
  Form form{};
  form.N = x.size(0), form.C = x.size(1), form.O = weight.size(0), form.K = weight.size(1);
  form.groups = groups, form.each = form.O / groups, form.diagonal = diagonal;
  for (int axis : {0, 1}) {
    Window& window = form.window;
    window.kernel[axis] = weight.size(3 + axis), window.input[axis] = x.size(2 + axis);
    window.stride[axis] = stride[axis], window.padding[axis] = padding[axis], window.dilation[axis] = dilation[axis];
    STD_TORCH_CHECK(window.kernel[axis] >= 1 && stride[axis] >= 1 && padding[axis] >= 0 && dilation[axis] >= 1, op,
                    ": expected kernel, stride and dilation of at least 1 and padding of at least 0");
    const int64_t room = window.input[axis] + 2 * padding[axis] - dilation[axis] * (window.kernel[axis] - 1) - 1;
    STD_TORCH_CHECK(room >= 0, op, ": the kernel does not fit into the padded map");
    window.output[axis] = room / stride[axis] + 1;
  }
  form.D = weight.size(2) * form.window.taps(), form.L = form.window.positions();
  return form;
}

// Numbers of images and of classes in a portion. The columns of the images fit into half of the L2 cache, and so do the
// products of the classes with them, unless a matrix product of this size would be inefficient.
struct Portions {
  int64_t images, classes;
};

inline Portions plan(const Tensor& x, const Form& form, int64_t bytes_per_value) {
  constexpr int64_t LEAST_POSITIONS = 2048, LEAST_ROWS = 128;
  const int64_t cache = device_attribute(x, cudaDevAttrL2CacheSize) / 2;
  const auto equal_parts = [](int64_t total, int64_t most) {
    return ceil_div(total, ceil_div(total, std::min(std::max(most, int64_t(1)), total)));
  };
  const int64_t column_bytes = form.groups * form.D * form.L * bytes_per_value;
  const int64_t images = equal_parts(form.N, std::max(cache / column_bytes, LEAST_POSITIONS / form.L));
  const int64_t product_bytes = form.K * images * form.L * bytes_per_value;
  return {images, equal_parts(form.each, std::max(cache / product_bytes, LEAST_ROWS / form.K))};
}

// S of a scale [K] or [N, K] for n images, and the scale of the images from `start` on.
template <typename A>
std::tuple<int64_t, Scale<A>> scale_of(const std::optional<Tensor>& scale, int64_t K, int64_t start, int64_t n) {
  if (!scale.has_value()) {
    return {1, Scale<A>{nullptr, K}};
  }
  const A* values = values_of<const A>(*scale);
  return scale->dim() == 2 ? std::make_tuple(n, Scale<A>{values + start * K, K})
                           : std::make_tuple(int64_t(1), Scale<A>{values, K});
}

inline std::optional<Tensor> read_scale(const char* op, const std::optional<Tensor>& scale, const Tensor& x,
                                        const Form& form) {
  if (!scale.has_value()) {
    return std::nullopt;
  }
  const bool fits = (scale->dim() == 1 || (scale->dim() == 2 && scale->size(0) == form.N)) &&
                    scale->size(scale->dim() - 1) == form.K && scale->device() == x.device();
  STD_TORCH_CHECK(fits, op, ": expected a scale of shape [K] or [N, K] on the device of x");
  return torch::stable::contiguous(torch::stable::to(*scale, accumulation_dtype(x.scalar_type())));
}

// [a, b, c] -> [1, a * b, c]: a batch of a single matrix.
inline Tensor as_matrix(const Tensor& tensor) {
  return torch::stable::view(tensor, {1, tensor.size(0) * tensor.size(1), tensor.size(2)});
}

// [1, D, S * m] -> [S, D, m]: the columns of each group of samples.
inline Tensor by_sample(const Tensor& columns, int64_t S) {
  return torch::stable::transpose(torch::stable::view(columns, {columns.size(1), S, columns.size(2) / S}), 0, 1);
}

// The columns [groups, D, M] of x as P, and their squares unless the diagonal is kept.
template <typename T, typename P, typename A>
std::tuple<Tensor, Tensor> columns_of(const Tensor& x, const Form& form, ScalarType dtype) {
  const int64_t M = x.size(0) * form.L, rows = form.groups * form.D;
  const Tensor columns = torch::stable::new_empty(x, {form.groups, form.D, M}, dtype);
  const Tensor squares =
      torch::stable::new_empty(x, {form.diagonal ? 0 : form.groups, form.D, M}, accumulation_dtype(x.scalar_type()));
  launch(columns_kernel<T, P, A>, grid_of(rows, M), dim3(COLUMN_THREADS), current_stream(x), values_of<const T>(x),
         MapLayout(x), form.window, form.C, M, values_of<P>(columns), form.diagonal ? nullptr : values_of<A>(squares));
  return {columns, squares};
}

// sum over k of s f^2 [S, classes, D], for f [classes, K, D].
template <typename P, typename A>
Tensor square_weights(const Tensor& f, Scale<A> s, int64_t S, ScalarType dtype) {
  const int64_t classes = f.size(0), D = f.size(2);
  const Tensor sums = torch::stable::new_empty(f, {S, classes, D}, dtype);
  launch(square_weights_kernel<P, A>, grid_of(S * classes, D), dim3(COLUMN_THREADS), current_stream(f),
         values_of<const P>(f), s, S, classes, D, values_of<A>(sums));
  return sums;
}

}  // namespace fbn
