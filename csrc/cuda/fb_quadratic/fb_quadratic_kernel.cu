// fbn::fb_quadratic and its backward on CUDA: matrix products through ATen and fused kernels around them, for portions
// of the images and of the classes whose products f_ok . x stay in the L2 cache, and all products,
// [O, K, N * L], are stored only if `keep` is set. birdnet_cli/core/ops/fb_quadratic_reference.py has the formulas.

#include <optional>
#include <tuple>
#include <vector>

#include <torch/csrc/stable/library.h>

#include "cuda/fb_quadratic/form.cuh"

namespace {

using namespace fbn;

template <typename T>
void form_portion(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& scale, const Form& form,
                  const Tensor& products, int64_t start, int64_t classes, const Tensor& out) {
  using A = typename Accumulator<T>::type;
  const int64_t n = x.size(0), M = n * form.L;
  const ScalarType dtype = accumulation_dtype(x.scalar_type());
  const cudaStream_t stream = current_stream(x);
  const auto [S, s] = scale_of<A>(scale, form.K, start, n);
  const auto [columns, squares] = columns_of<T, T, A>(x, form, x.scalar_type());
  for (int64_t first = 0; first < form.O; first += std::min(classes, form.each - first % form.each)) {
    const int64_t group = first / form.each, count = std::min(classes, form.each - first % form.each);
    const Tensor f = images(weight, first, count);  // [count, K, D]
    Tensor kept =
        products.numel() == 0 ? torch::stable::new_empty(x, {count, form.K, M}, dtype) : images(products, first, count);
    Tensor y = as_matrix(kept);
    y = products.numel() == 0 ? y : torch::stable::narrow(y, 2, start * form.L, M);
    multiply(as_matrix(f), images(columns, group, 1), y);
    Tensor diagonal;
    if (!form.diagonal) {
      diagonal = torch::stable::new_empty(x, {S, count, M / S}, dtype);
      multiply(square_weights<T, A>(f, s, S, dtype), by_sample(images(squares, group, 1), S), diagonal);
    }
    launch(sum_squares_kernel<A>, grid_of(count, M), dim3(COLUMN_THREADS), stream, values_of<const A>(y), y.stride(1),
           s, form.diagonal ? nullptr : values_of<const A>(diagonal), S, count, M, form.O, form.L,
           values_of<A>(out) + first * form.L);
  }
}

// x [N, C, H, W], weight [O, K, C/groups, kh, kw] -> out [N, O, h, w] and, to keep, products [O, K, N * L].
std::tuple<Tensor, Tensor> fb_quadratic(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& scale,
                                        const std::vector<int64_t>& stride, const std::vector<int64_t>& padding,
                                        const std::vector<int64_t>& dilation, int64_t groups, bool diagonal,
                                        bool keep) {
  const char* op = "fb_quadratic";
  const Form form = read_form(op, x, weight, stride, padding, dilation, groups, diagonal);
  const torch::stable::accelerator::DeviceGuard guard(x.get_device_index());
  const ScalarType dtype = accumulation_dtype(x.scalar_type());
  Tensor out = torch::stable::new_empty(x, {form.N, form.O, form.window.output[0], form.window.output[1]}, dtype);
  const Tensor products = keep ? torch::stable::new_empty(x, {form.O, form.K, form.N * form.L}, dtype)
                               : torch::stable::new_empty(x, {0}, dtype);
  if (out.numel() == 0 || form.K == 0 || form.D == 0) {
    return {torch::stable::zero_(out), products};
  }
  const std::optional<Tensor> s = read_scale(op, scale, x, form);
  const Tensor f = torch::stable::view(torch::stable::contiguous(weight), {form.O, form.K, form.D});
  const Portions portions = plan(x, form, int64_t(out.element_size()));
  for (int64_t start = 0; start < form.N; start += portions.images) {
    const int64_t count = std::min(portions.images, form.N - start);
    dispatch(op, x.scalar_type(), [&](auto type) {
      form_portion<typename decltype(type)::type>(images(x, start, count), f, s, form, products, start,
                                                  portions.classes, images(out, start, count));
    });
  }
  return {out, products};
}

// Adds the gradient of these images to weight_grad [O, K, D], and writes that of x; either may have no values.
template <typename T>
void differentiate_portion(const Tensor& grad, const Tensor& x, const Tensor& weight,
                           const std::optional<Tensor>& scale, const std::optional<Tensor>& products, const Form& form,
                           int64_t start, int64_t classes, const Tensor& x_grad, const Tensor& weight_grad) {
  using A = typename Accumulator<T>::type;
  // For float16, the gradient of a product may leave float16's range, so its factors are float32.
  using P = std::conditional_t<std::is_same_v<T, Half>, A, T>;
  const int64_t n = x.size(0), D = form.D, M = n * form.L;
  const bool wants_x = x_grad.numel() > 0, wants_weight = weight_grad.numel() > 0;
  const ScalarType dtype = accumulation_dtype(x.scalar_type()), factors = weight.scalar_type();
  const cudaStream_t stream = current_stream(x);
  const dim3 threads(COLUMN_THREADS);
  const auto [S, s] = scale_of<A>(scale, form.K, start, n);
  const auto [columns, squares] = columns_of<T, P, A>(x, form, factors);
  const Tensor columns_grad = torch::stable::new_empty(x, {wants_x ? form.groups : 0, D, M}, dtype);
  const Tensor doubled = torch::stable::new_empty(x, {form.O, M}, dtype);
  launch(double_gradient_kernel<A>, grid_of(form.O, M), threads, stream, values_of<const A>(grad), form.O, form.L, M,
         values_of<A>(doubled));
  for (int64_t first = 0; first < form.O; first += std::min(classes, form.each - first % form.each)) {
    const int64_t group = first / form.each, count = std::min(classes, form.each - first % form.each);
    const Tensor f = images(weight, first, count);  // [count, K, D]
    const Tensor own_columns = images(columns, group, 1);
    const A* g = values_of<const A>(doubled) + first * M;
    Tensor y = products.has_value() ? as_matrix(images(*products, first, count))
                                    : torch::stable::new_empty(x, {1, count * form.K, M}, dtype);
    if (products.has_value()) {
      y = torch::stable::narrow(y, 2, start * form.L, M);
    } else {
      multiply(as_matrix(f), own_columns, y);
    }
    const bool in_place = factors == dtype && !products.has_value();
    const Tensor p = in_place ? y : torch::stable::new_empty(x, {1, count * form.K, M}, factors);
    launch(product_gradient_kernel<A, P>, grid_of(count, M), threads, stream, values_of<const A>(y), y.stride(1), s, g,
           S, count, M, values_of<P>(p));
    // 2 g as [S, count, M / S].
    const Tensor g_samples = by_sample(torch::stable::view(images(doubled, first, count), {1, count, M}), S);
    if (wants_x) {
      const Tensor part = torch::stable::new_empty(x, {1, D, M}, dtype);
      multiply(torch::stable::transpose(as_matrix(f), 1, 2), p, part);
      Tensor again;
      if (!form.diagonal) {
        again = torch::stable::new_empty(x, {S, D, M / S}, dtype);
        multiply(torch::stable::transpose(square_weights<P, A>(f, s, S, dtype), 1, 2), g_samples, again);
      }
      launch(add_columns_kernel<P, A>, grid_of(D, M), threads, stream, values_of<const A>(part),
             values_of<const P>(own_columns), form.diagonal ? nullptr : values_of<const A>(again), S, D, M,
             first % form.each == 0, values_of<A>(columns_grad) + group * D * M);
    }
    if (wants_weight) {
      const Tensor part = torch::stable::new_empty(x, {1, count * form.K, D}, dtype);
      multiply(p, torch::stable::transpose(own_columns, 1, 2), part);
      Tensor moments;
      if (!form.diagonal) {
        moments = torch::stable::new_empty(x, {S, count, D}, dtype);
        const Tensor samples = by_sample(images(squares, group, 1), S);
        multiply(g_samples, torch::stable::transpose(samples, 1, 2), moments);
      }
      launch(add_weights_kernel<P, A>, grid_of(count * form.K, D), threads, stream, values_of<const A>(part),
             values_of<const P>(f), form.diagonal ? nullptr : values_of<const A>(moments), s, S, count, D, start == 0,
             values_of<A>(weight_grad) + first * form.K * D);
    }
  }
  if (wants_x) {
    launch(fold_kernel<T, A>, grid_of(n * form.C, form.window.input[0] * form.window.input[1]), threads, stream,
           values_of<const A>(columns_grad), MapLayout(x_grad), form.window, n, form.C, values_of<T>(x_grad));
  }
}

// Gradient [N, O, h, w] of out -> gradients of x and of the weight, each without values unless wanted.
std::tuple<Tensor, Tensor> fb_quadratic_backward(
    const Tensor& grad, const Tensor& x, const Tensor& weight, const std::optional<Tensor>& scale,
    const std::optional<Tensor>& products, const std::vector<int64_t>& stride, const std::vector<int64_t>& padding,
    const std::vector<int64_t>& dilation, int64_t groups, bool diagonal, const std::vector<bool>& wanted) {
  const char* op = "fb_quadratic_backward";
  const Form form = read_form(op, x, weight, stride, padding, dilation, groups, diagonal);
  const ScalarType dtype = accumulation_dtype(x.scalar_type());
  STD_TORCH_CHECK(wanted.size() == 2, op, ": expected two values of wanted");
  for (const Tensor* tensor : {&grad, products.has_value() ? &*products : &grad}) {
    STD_TORCH_CHECK(tensor->device() == x.device() && tensor->scalar_type() == dtype, op,
                    ": expected grad and products on the device of x, in float32 (float64 for float64)");
  }
  STD_TORCH_CHECK(grad.numel() == form.N * form.O * form.L, op, ": expected grad of the shape of the output");
  STD_TORCH_CHECK(!products.has_value() || products->numel() == form.O * form.K * form.N * form.L, op,
                  ": expected products [O, K, N * L]");
  const torch::stable::accelerator::DeviceGuard guard(x.get_device_index());
  Tensor x_grad = wanted[0] ? torch::stable::empty_like(x) : torch::stable::new_empty(x, {0});
  Tensor weight_grad = torch::stable::new_empty(weight, {wanted[1] ? form.O : 0, form.K, form.D}, dtype);
  const auto with_shape = [&](const Tensor& values) {
    const Tensor cast = torch::stable::to(values, weight.scalar_type());
    return wanted[1] ? torch::stable::view(cast, weight.sizes()) : torch::stable::view(cast, {0});
  };
  if (grad.numel() == 0 || form.K == 0 || form.D == 0) {
    return {torch::stable::zero_(x_grad), with_shape(torch::stable::zero_(weight_grad))};
  }
  const std::optional<Tensor> s = read_scale(op, scale, x, form);
  const std::optional<Tensor> kept =
      products.has_value() ? std::make_optional(torch::stable::contiguous(*products)) : std::nullopt;
  const Tensor g = torch::stable::view(torch::stable::contiguous(grad), {form.N, form.O, form.L});
  const ScalarType factors = x.scalar_type() == ScalarType::Half ? ScalarType::Float : x.scalar_type();
  const Tensor f =
      torch::stable::view(torch::stable::contiguous(torch::stable::to(weight, factors)), {form.O, form.K, form.D});
  const Portions portions = plan(x, form, int64_t(grad.element_size()));
  for (int64_t start = 0; start < form.N; start += portions.images) {
    const int64_t count = std::min(portions.images, form.N - start);
    dispatch(op, x.scalar_type(), [&](auto type) {
      differentiate_portion<typename decltype(type)::type>(
          images(g, start, count), images(x, start, count), f, s, kept, form, start, portions.classes,
          wanted[0] ? images(x_grad, start, count) : x_grad, weight_grad);
    });
  }
  return {x_grad, with_shape(weight_grad)};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(fbn, CUDA, m) {
  m.impl("fb_quadratic", TORCH_BOX(&fb_quadratic));
  m.impl("fb_quadratic_backward", TORCH_BOX(&fb_quadratic_backward));
}
