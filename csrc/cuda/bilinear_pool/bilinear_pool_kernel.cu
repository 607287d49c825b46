// fbn::bilinear_pool and its backward on CUDA: a batched product and fused kernels after or before it, in portions of
// the batch whose Gram matrices stay in the L2 cache. birdnet_cli/core/ops/bilinear_pool.py has the formulas, and the
// guarantees that every implementation gives.

#include <tuple>

#include <torch/csrc/stable/library.h>

#include "cuda/bilinear_pool/signed_root_gradient.cuh"

namespace {

using namespace fbn;

int64_t descriptor_size(int64_t C, bool packed) { return packed ? C * (C + 1) / 2 : C * C; }

void check_map(const char* op, const Tensor& x) {
  STD_TORCH_CHECK(x.dim() == 3, op, ": expected a feature map [N, C, L], got ", x.dim(), " dimensions");
}

void check_like(const char* op, const char* name, const Tensor& tensor, const Tensor& x, int64_t numel) {
  STD_TORCH_CHECK(tensor.device() == x.device() && tensor.scalar_type() == accumulation_dtype(x.scalar_type()), op,
                  ": expected ", name, " on the device of x and in float32 (float64 for float64)");
  STD_TORCH_CHECK(tensor.numel() == numel && tensor.dim() >= 1 && tensor.size(0) == x.size(0), op, ": expected ", numel,
                  " values of ", x.size(0), " images in ", name, ", got ", tensor.numel());
}

template <typename T>
void pool_images(const Tensor& x, bool nonnegative, bool packed, const Tensor& gram, const Tensor& partials,
                 const Tensor& descriptor, const Tensor& scale) {
  using A = typename Accumulator<T>::type;
  const int64_t N = x.size(0), C = x.size(1), L = x.size(2);
  const cudaStream_t stream = current_stream(x);
  A* totals = values_of<A>(partials);
  A* s = values_of<A>(scale);
  A* u = values_of<A>(descriptor);
  const A* g = values_of<const A>(gram);
  int64_t count = row_pairs(C);

  multiply(x, torch::stable::transpose(x, 1, 2), gram);
  if (nonnegative) {
    count = ceil_div(L, STRIP);
    launch(strip_totals_kernel<T, A>, dim3(count, N), dim3(WARP, STRIP_WARPS), stream, values_of<const T>(x), Layout(x),
           C, L, totals);
  } else {
    launch(row_totals_kernel<A>, dim3(ceil_div(count, ROOT_WARPS), N), dim3(WARP, ROOT_WARPS), stream, g, C, totals);
  }
  const int64_t rows = packed ? row_pairs(C) : C;
  launch(packed ? root_kernel<A, true> : root_kernel<A, false>, dim3(ceil_div(rows, ROOT_WARPS), N),
         dim3(WARP, ROOT_WARPS), stream, g, totals, count, C, u, s);
}

// x [N, C, L] -> descriptor [N, C(C+1)/2 or C*C] and scale [N].
std::tuple<Tensor, Tensor> bilinear_pool(const Tensor& x, bool nonnegative, bool packed) {
  check_map("bilinear_pool", x);
  const torch::stable::accelerator::DeviceGuard guard(x.get_device_index());
  const int64_t N = x.size(0), C = x.size(1), L = x.size(2);
  const ScalarType dtype = accumulation_dtype(x.scalar_type());
  const Tensor descriptor = torch::stable::new_empty(x, {N, descriptor_size(C, packed)}, dtype);
  const Tensor scale = torch::stable::new_empty(x, {N}, dtype);
  if (N == 0 || C == 0) {
    return {descriptor, scale};
  }
  const int64_t portion = images_per_portion(x, C * C * int64_t(descriptor.element_size()));
  const Tensor gram = torch::stable::new_empty(x, {portion, C, C}, dtype);
  const Tensor partials = torch::stable::new_empty(x, {portion, std::max(row_pairs(C), ceil_div(L, STRIP))}, dtype);
  for (int64_t start = 0; start < N; start += portion) {
    const int64_t count = std::min(portion, N - start);
    dispatch("bilinear_pool", x.scalar_type(), [&](auto dtype) {
      pool_images<typename decltype(dtype)::type>(images(x, start, count), nonnegative, packed, images(gram, 0, count),
                                                  partials, images(descriptor, start, count),
                                                  images(scale, start, count));
    });
  }
  return {descriptor, scale};
}

template <typename T>
void differentiate_images(const Tensor& grad, const Tensor& x, const Tensor& descriptor, const Tensor& scale,
                          bool packed, const Tensor& h, const Tensor& product, const Tensor& workspace,
                          const Tensor& result) {
  using A = typename Accumulator<T>::type;
  const int64_t N = x.size(0), C = x.size(1), D = descriptor.numel() / N, spans = ceil_div(D, SPAN);
  const cudaStream_t stream = current_stream(x);
  const A* u = values_of<const A>(descriptor);
  const A* du = values_of<const A>(grad);
  A* deltas = values_of<A>(workspace);
  A* bounds = deltas + N * spans;
  A* delta = bounds + N * spans;
  A* inner = delta + N;
  A* outer = inner + N;

  launch(span_kernel<A, std::is_same_v<T, Half>>, dim3(spans, N), dim3(WARP, SPAN_WARPS), stream, u, du, D, deltas,
         bounds);
  launch(split_kernel<T, A>, dim3(N), dim3(WARP), stream, deltas, bounds, spans, values_of<const A>(scale), delta,
         inner, outer);
  const dim3 tiles(ceil_div(C, TILE), N, ceil_div(C, TILE));
  launch(packed ? pair_gradient_kernel<T, A, true> : pair_gradient_kernel<T, A, false>, tiles, dim3(WARP, TILE_WARPS),
         stream, u, du, delta, inner, C, values_of<T>(h));
  if constexpr (std::is_same_v<T, Half>) {
    multiply(h, x, product);
    rescale<A, T>(product, result, outer, stream);
  } else {
    multiply(h, x, result);
    rescale<T, T>(result, result, outer, stream);
  }
}

// Gradient of `descriptor` -> gradient of x [N, C, L].
Tensor bilinear_pool_backward(const Tensor& grad, const Tensor& x, const Tensor& descriptor, const Tensor& scale,
                              bool packed) {
  check_map("bilinear_pool_backward", x);
  const int64_t N = x.size(0), C = x.size(1), D = descriptor_size(C, packed);
  check_like("bilinear_pool_backward", "grad", grad, x, N * D);
  check_like("bilinear_pool_backward", "descriptor", descriptor, x, N * D);
  check_like("bilinear_pool_backward", "scale", scale, x, N);
  const torch::stable::accelerator::DeviceGuard guard(x.get_device_index());
  const Tensor result = torch::stable::empty_like(x);
  if (x.numel() == 0) {
    return result;
  }
  const bool half = x.scalar_type() == ScalarType::Half;
  const Tensor du = torch::stable::contiguous(grad), u = torch::stable::contiguous(descriptor);
  const Tensor s = torch::stable::contiguous(scale);
  // u and du are read twice; H is written and read, and so is the product where it is not the result.
  const int64_t bytes = 2 * D * int64_t(u.element_size()) + C * C * int64_t(x.element_size()) +
                        (half ? C * x.size(2) * int64_t(u.element_size()) : 0);
  const int64_t portion = images_per_portion(x, bytes);
  const Tensor h = torch::stable::new_empty(x, {portion, C, C});
  const Tensor product = half ? empty_map(images(result, 0, portion), u.scalar_type()) : result;
  const Tensor workspace = torch::stable::new_empty(u, {portion * (2 * ceil_div(D, SPAN) + 3)});
  for (int64_t start = 0; start < N; start += portion) {
    const int64_t count = std::min(portion, N - start);
    dispatch("bilinear_pool_backward", x.scalar_type(), [&](auto dtype) {
      differentiate_images<typename decltype(dtype)::type>(
          images(du, start, count), images(x, start, count), images(u, start, count), images(s, start, count), packed,
          images(h, 0, count), images(product, 0, count), workspace, images(result, start, count));
    });
  }
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(fbn, CUDA, m) {
  m.impl("bilinear_pool", TORCH_BOX(&bilinear_pool));
  m.impl("bilinear_pool_backward", TORCH_BOX(&bilinear_pool_backward));
}
