// fbn::fb_quadratic and its backward on the CPU; birdnet_cli/core/ops/fb_quadratic.py has their formulas.
#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <vector>

#include "cpu/fb_quadratic/factor_sum.h"
#include "cpu/fb_quadratic/form_pass.h"
#include "cpu/fb_quadratic/gradient_pass.h"
#include "cpu/fb_quadratic/patches.h"
#include "cpu/gemm/tensor_dtype.h"

namespace fbn {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

Window read_window(const Tensor& weight, const std::vector<int64_t>& stride, const std::vector<int64_t>& padding,
                   const std::vector<int64_t>& dilation) {
  STD_TORCH_CHECK(
      weight.is_cpu() && weight.dim() == 5 && stride.size() == 2 && padding.size() == 2 && dilation.size() == 2,
      "expected a weight [O, K, C/groups, kh, kw] on the CPU, and two values of each setting");
  return {
      {weight.size(3), weight.size(4)}, {stride[0], stride[1]}, {padding[0], padding[1]}, {dilation[0], dilation[1]}};
}

// The checked arguments of both directions; the weight must be contiguous.
template <typename T>
struct Problem {
  Problem(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& given_scale, const Window& window,
          int64_t groups)
      : patches(x, window, groups), scale(given_scale, patches.N, weight.size(1)), O(weight.size(0)), groups(groups) {
    STD_TORCH_CHECK(dtype_of(weight) == patches.dtype, "expected map and weight of one dtype");
    STD_TORCH_CHECK(O % groups == 0 && weight.size(2) == patches.channels,
                    "expected groups that divide the classes, and C / groups channels in the weight");
    factors = {static_cast<const std::byte*>(weight.data_ptr()), patches.dtype, weight.size(1), patches.D,
               scale.kept()};
  }

  Patches patches;
  Scale<T> scale;
  FactorRows factors;
  int64_t O, groups;

  bool is_empty() const { return patches.R == 0 || factors.per_class() == 0 || O == 0; }

  FactorSum<T> form() const { return {patches, factors, scale, O, groups, true, false}; }

  // sum_k s_k f_ok^2 [O, D], for scales that the batch shares.
  Tensor sum_squares(const Tensor& like) const {
    const Tensor squares =
        torch::stable::new_zeros(like, {O, patches.D}, sizeof(T) == 8 ? ScalarType::Double : ScalarType::Float);
    T* const sums = static_cast<T*>(squares.data_ptr());
    torch::stable::parallel_for(0, O, 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin * factors.per_class(); row < end * factors.per_class(); ++row) {
        add_squares(row, sums + row / factors.per_class() * patches.D);
      }
    });
    return squares;
  }

  void add_squares(int64_t row, T* sums) const {
    const T s = scale.at(0, factors.kept[row % factors.per_class()]);
    factors.with_values<T>(row, [&](const auto* values) {
      for (int64_t d = 0; d < patches.D; ++d) {
        const T value = static_cast<T>(values[d]);
        sums[d] += s * value * value;
      }
    });
  }

  // Subtracts the diagonal's share of the weight's gradient: f_ok s_k times `moments` [O, D], which include the
  // factor 2.
  void subtract_moments(const T* moments, T* weight_grad) const {
    torch::stable::parallel_for(0, O, 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin * factors.per_class(); row < end * factors.per_class(); ++row) {
        const T s = scale.at(0, factors.kept[row % factors.per_class()]);
        const T* const from = moments + row / factors.per_class() * patches.D;
        T* const to = weight_grad + factors.source_row(row) * patches.D;
        factors.with_values<T>(row, [&](const auto* values) {
          for (int64_t d = 0; d < patches.D; ++d) to[d] -= s * static_cast<T>(values[d]) * from[d];
        });
      }
    });
  }

  // Calls use(sum) with the sum that is the diagonal.
  template <class Use>
  void with_diagonal(const Tensor& like, Use&& use) const {
    if (scale.by_sample) return use(FactorSum<T>{patches, factors, scale, O, groups, false, false});
    const Tensor squares = sum_squares(like);
    const Scale<T> ones(std::nullopt, patches.N, 1);
    const FactorRows rows{static_cast<const std::byte*>(squares.data_ptr()), DTYPE_OF<T>, 1, patches.D, {0}};
    FactorSum<T> sum{patches, rows, scale, O, groups, false, true};
    use(sum);
  }
};

template <typename T>
std::tuple<Tensor, Tensor> compute(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& scale,
                                   const Window& window, int64_t groups, bool diagonal, bool keep) {
  const Problem<T> problem(x, weight, scale, window, groups);
  const Patches& patches = problem.patches;
  const ScalarType wide = sizeof(T) == sizeof(double) ? ScalarType::Double : ScalarType::Float;
  STD_TORCH_CHECK(!keep || !scale.has_value(), "products are kept only without a scale");
  const std::vector<int64_t> shape{patches.N, problem.O, patches.output[0], patches.output[1]};
  const std::vector<int64_t> product_shape =
      keep ? std::vector<int64_t>{problem.O, problem.factors.K, patches.R} : std::vector<int64_t>{0};
  Tensor products = torch::stable::new_empty(x, product_shape, wide);
  if (problem.is_empty()) return {torch::stable::new_zeros(x, shape, wide), products};
  const Tensor out = torch::stable::new_empty(x, shape, wide);
  T* const values = static_cast<T*>(out.data_ptr());
  const Capability capability = cpu_capability();
  const FactorSum<T> form = problem.form();
  FormPass<T>(tile_kernels<T>(capability, patches.dtype), form)
      .compute(x, false, values, keep ? static_cast<T*>(products.data_ptr()) : nullptr);
  if (!diagonal) {
    problem.with_diagonal(x, [&](const FactorSum<T>& sum) {
      FormPass<T>(tile_kernels<T>(capability), sum).compute(x, true, values, nullptr);
    });
  }
  return {out, products};
}

std::tuple<Tensor, Tensor> fb_quadratic(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& scale,
                                        const std::vector<int64_t>& stride, const std::vector<int64_t>& padding,
                                        const std::vector<int64_t>& dilation, int64_t groups, bool diagonal,
                                        bool keep) {
  const Window window = read_window(weight, stride, padding, dilation);
  const Tensor f = torch::stable::contiguous(weight);
  const std::optional<Tensor> s = scale.has_value() ? std::optional(torch::stable::contiguous(*scale)) : std::nullopt;
  return dtype_of(x) == Dtype::float64 ? compute<double>(x, f, s, window, groups, diagonal, keep)
                                       : compute<float>(x, f, s, window, groups, diagonal, keep);
}

template <typename T>
std::tuple<Tensor, Tensor> compute_backward(const Tensor& grad, const Tensor& x, const Tensor& weight,
                                            const std::optional<Tensor>& scale, const std::optional<Tensor>& products,
                                            const Window& window, int64_t groups, bool diagonal, bool wants_x,
                                            bool wants_weight) {
  const Problem<T> problem(x, weight, scale, window, groups);
  const Patches& patches = problem.patches;
  const ScalarType wide = sizeof(T) == sizeof(double) ? ScalarType::Double : ScalarType::Float;
  STD_TORCH_CHECK(dtype_of(grad) == DTYPE_OF<T> && grad.dim() == 4 && grad.size(0) == patches.N &&
                      grad.size(1) == problem.O && grad.size(2) == patches.output[0] &&
                      grad.size(3) == patches.output[1],
                  "expected the gradient of the form, in the accumulating dtype");
  const T* kept = nullptr;
  if (products.has_value()) {
    STD_TORCH_CHECK(dtype_of(*products) == DTYPE_OF<T> && products->is_contiguous() && !scale.has_value() &&
                        products->numel() == problem.O * problem.factors.K * patches.R,
                    "expected the products of the forward pass");
    kept = static_cast<const T*>(products->data_ptr());
  }
  Tensor x_grad = wants_x ? torch::stable::empty_like(x) : torch::stable::new_empty(x, {0});
  const std::vector<int64_t> weight_shape{weight.size(0), weight.size(1), weight.size(2), weight.size(3),
                                          weight.size(4)};
  // The gradients are sums of several parts, which are added in the accumulating dtype.
  const bool is_wide = patches.dtype == DTYPE_OF<T>;
  Tensor x_sums =
      !wants_x || is_wide ? x_grad : torch::stable::new_empty(x, {x.size(0), x.size(1), x.size(2), x.size(3)}, wide);
  torch::stable::zero_(x_sums);
  const Tensor weight_sums =
      wants_weight ? torch::stable::new_zeros(weight, weight_shape, wide) : torch::stable::new_empty(weight, {0}, wide);
  if (!problem.is_empty() && (wants_x || wants_weight)) {
    const T* const gradient = static_cast<const T*>(grad.data_ptr());
    std::optional<Patches> target;
    if (wants_x) target.emplace(x_sums, window, groups);
    T* const target_weight = wants_weight ? static_cast<T*>(weight_sums.data_ptr()) : nullptr;
    const TileKernels<T>& kernels = tile_kernels<T>(cpu_capability());
    const auto add = [&](const FactorSum<T>& sum, T* target_weight) {
      GradientPass<T>(kernels, sum, problem.factors, gradient, kept)
          .compute(x, target ? &*target : nullptr, target_weight);
    };
    add(problem.form(), target_weight);
    if (!diagonal) {
      problem.with_diagonal(x, [&](const FactorSum<T>& sum) {
        if (!sum.summed || !wants_weight) return add(sum, target_weight);
        const Tensor moments = torch::stable::new_zeros(x, {problem.O, patches.D}, wide);
        add(sum, static_cast<T*>(moments.data_ptr()));
        problem.subtract_moments(static_cast<const T*>(moments.data_ptr()), target_weight);
      });
    }
  }
  if (wants_x && !is_wide) torch::stable::copy_(x_grad, x_sums);
  return {x_grad, is_wide ? weight_sums : torch::stable::to(weight_sums, weight.scalar_type())};
}

std::tuple<Tensor, Tensor> fb_quadratic_backward(
    const Tensor& grad, const Tensor& x, const Tensor& weight, const std::optional<Tensor>& scale,
    const std::optional<Tensor>& products, const std::vector<int64_t>& stride, const std::vector<int64_t>& padding,
    const std::vector<int64_t>& dilation, int64_t groups, bool diagonal, const std::vector<bool>& wanted) {
  const Window window = read_window(weight, stride, padding, dilation);
  STD_TORCH_CHECK(wanted.size() == 2, "expected whether the gradients of map and weight are wanted");
  const Tensor g = torch::stable::contiguous(grad);
  const Tensor f = torch::stable::contiguous(weight);
  const std::optional<Tensor> s = scale.has_value() ? std::optional(torch::stable::contiguous(*scale)) : std::nullopt;
  return dtype_of(x) == Dtype::float64
             ? compute_backward<double>(g, x, f, s, products, window, groups, diagonal, wanted[0], wanted[1])
             : compute_backward<float>(g, x, f, s, products, window, groups, diagonal, wanted[0], wanted[1]);
}

}  // namespace
}  // namespace fbn

STABLE_TORCH_LIBRARY_IMPL(fbn, CPU, m) {
  m.impl("fb_quadratic", TORCH_BOX(&fbn::fb_quadratic));
  m.impl("fb_quadratic_backward", TORCH_BOX(&fbn::fb_quadratic_backward));
}
