// fbn::compact_bilinear_pool and its backward on CUDA: a batched product and the Tensor Sketch of its result, in
// portions of the batch whose Gram matrices stay in the L2 cache. birdnet_cli/core/ops/compact_bilinear_pool.py has the
// formulas, and the guarantees that every implementation gives.

#include <torch/csrc/stable/library.h>

#include "cuda/compact_bilinear_pool/sketch.cuh"

namespace {

using namespace fbn;

void check_arguments(const char* op, const Tensor& x, const Tensor& buckets, const Tensor& signs, int64_t dim) {
  STD_TORCH_CHECK(x.dim() == 3, op, ": expected a feature map [N, C, L], got ", x.dim(), " dimensions");
  STD_TORCH_CHECK(buckets.scalar_type() == ScalarType::Long && buckets.device() == x.device(), op,
                  ": expected int64 buckets on the device of x");
  STD_TORCH_CHECK(signs.device() == x.device(), op, ": expected signs on the device of x");
  for (const Tensor* hashes : {&buckets, &signs}) {
    STD_TORCH_CHECK(hashes->dim() == 2 && hashes->size(0) == 2 && hashes->size(1) == x.size(1), op,
                    ": expected buckets and signs of shape [2, ", x.size(1), "]");
  }
  STD_TORCH_CHECK(dim >= 1, op, ": expected dim >= 1, got ", dim);
}

Tensor contiguous_as(const Tensor& tensor, ScalarType dtype) {
  return torch::stable::contiguous(torch::stable::to(tensor, dtype));
}

template <typename T>
void sketch_images(const Tensor& x, const Tensor& buckets, const Tensor& signs, const Tensor& links, int64_t dim,
                   const Tensor& gram, const Tensor& slices, const Tensor& sketch) {
  using A = typename Accumulator<T>::type;
  const int64_t N = x.size(0), C = x.size(1), count = ceil_div(C, SLICE);
  const int64_t windows = ceil_div(dim, WINDOW_BYTES / int64_t(sizeof(A)));
  const cudaStream_t stream = current_stream(x);
  A* y = values_of<A>(sketch);
  A* parts = count == 1 ? y : values_of<A>(slices);

  multiply(x, torch::stable::transpose(x, 1, 2), gram);
  launch(sketch_rows_kernel<A>, dim3(windows, N, count), dim3(SKETCH_THREADS), stream, values_of<const A>(gram),
         values_of<const int64_t>(buckets), values_of<const A>(signs), values_of<const int64_t>(links), C, dim, parts);
  if (count > 1) {
    launch(sum_slices_kernel<A>, dim3(ceil_div(dim, SKETCH_THREADS), N), dim3(SKETCH_THREADS), stream, parts, count,
           dim, y);
  }
}

// x [N, C, L] -> sketch [N, dim].
Tensor compact_bilinear_pool(const Tensor& x, const Tensor& buckets, const Tensor& signs, int64_t dim) {
  check_arguments("compact_bilinear_pool", x, buckets, signs, dim);
  const torch::stable::accelerator::DeviceGuard guard(x.get_device_index());
  const int64_t N = x.size(0), C = x.size(1);
  const ScalarType dtype = accumulation_dtype(x.scalar_type());
  Tensor sketch = torch::stable::new_empty(x, {N, dim}, dtype);
  if (N == 0 || C == 0) {
    return torch::stable::zero_(sketch);
  }
  const Tensor hashes = torch::stable::contiguous(buckets), factors = contiguous_as(signs, dtype);
  const Tensor links = torch::stable::new_empty(hashes, {2, C});
  launch(link_columns_kernel, dim3(ceil_div(C, LINK_WARPS)), dim3(WARP, LINK_WARPS), current_stream(x),
         values_of<const int64_t>(hashes), C, dim, values_of<int64_t>(links));

  const int64_t slice_values = ceil_div(C, SLICE) * dim;
  const int64_t portion = images_per_portion(x, (C * C + slice_values) * int64_t(sketch.element_size()));
  const Tensor gram = torch::stable::new_empty(x, {portion, C, C}, dtype);
  const Tensor slices = torch::stable::new_empty(x, {C > SLICE ? portion * slice_values : 0}, dtype);
  for (int64_t start = 0; start < N; start += portion) {
    const int64_t count = std::min(portion, N - start);
    dispatch("compact_bilinear_pool", x.scalar_type(), [&](auto dtype) {
      sketch_images<typename decltype(dtype)::type>(images(x, start, count), hashes, factors, links, dim,
                                                    images(gram, 0, count), slices, images(sketch, start, count));
    });
  }
  return sketch;
}

template <typename T>
void differentiate_images(const Tensor& grad, const Tensor& x, const Tensor& buckets, const Tensor& signs,
                          const Tensor& h, const Tensor& product, const Tensor& split, const Tensor& result) {
  using A = typename Accumulator<T>::type;
  const int64_t N = x.size(0), C = x.size(1), dim = grad.size(1);
  const cudaStream_t stream = current_stream(x);
  const A* dy = values_of<const A>(grad);
  A* inner = nullptr;
  A* outer = nullptr;
  if constexpr (std::is_same_v<T, Half>) {
    inner = values_of<A>(split);
    outer = inner + N;
    launch(sketch_split_kernel<A>, dim3(N), dim3(WARP), stream, dy, dim, inner, outer);
  }
  launch(sketch_gradient_kernel<T, A>, dim3(ceil_div(C, GRADIENT_ROWS), N), dim3(SKETCH_THREADS), stream, dy,
         values_of<const int64_t>(buckets), values_of<const A>(signs), inner, C, dim, values_of<T>(h));
  if constexpr (std::is_same_v<T, Half>) {
    multiply(h, x, product);
    rescale<A, T>(product, result, outer, stream);
  } else {
    multiply(h, x, result);
  }
}

// Gradient [N, dim] of the sketch -> gradient of x [N, C, L].
Tensor compact_bilinear_pool_backward(const Tensor& grad, const Tensor& x, const Tensor& buckets, const Tensor& signs) {
  STD_TORCH_CHECK(grad.dim() == 2 && grad.size(0) == x.size(0) && grad.device() == x.device() &&
                      grad.scalar_type() == accumulation_dtype(x.scalar_type()),
                  "compact_bilinear_pool_backward: expected grad [N, dim] on the device of x, in float32 (float64 for "
                  "float64)");
  check_arguments("compact_bilinear_pool_backward", x, buckets, signs, grad.size(1));
  const torch::stable::accelerator::DeviceGuard guard(x.get_device_index());
  const Tensor result = torch::stable::empty_like(x);
  if (x.numel() == 0) {
    return result;
  }
  const int64_t N = x.size(0), C = x.size(1);
  const bool half = x.scalar_type() == ScalarType::Half;
  const Tensor dy = torch::stable::contiguous(grad), hashes = torch::stable::contiguous(buckets);
  const Tensor factors = contiguous_as(signs, grad.scalar_type());
  const int64_t bytes = C * C * int64_t(x.element_size()) + (half ? C * x.size(2) * int64_t(grad.element_size()) : 0);
  const int64_t portion = images_per_portion(x, bytes);
  const Tensor h = torch::stable::new_empty(x, {portion, C, C});
  const Tensor product = half ? empty_map(images(result, 0, portion), grad.scalar_type()) : result;
  const Tensor split = torch::stable::new_empty(grad, {2 * portion});
  for (int64_t start = 0; start < N; start += portion) {
    const int64_t count = std::min(portion, N - start);
    dispatch("compact_bilinear_pool_backward", x.scalar_type(), [&](auto dtype) {
      differentiate_images<typename decltype(dtype)::type>(images(dy, start, count), images(x, start, count), hashes,
                                                           factors, images(h, 0, count), images(product, 0, count),
                                                           split, images(result, start, count));
    });
  }
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(fbn, CUDA, m) {
  m.impl("compact_bilinear_pool", TORCH_BOX(&compact_bilinear_pool));
  m.impl("compact_bilinear_pool_backward", TORCH_BOX(&compact_bilinear_pool_backward));
}
