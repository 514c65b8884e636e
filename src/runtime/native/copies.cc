// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/copies.h"

#include <algorithm>
#include <numeric>
#include <string>

namespace edgesmith::runtime::native {

namespace {

// Axes [axis, ...) of a copy whose last axis lies closest together.
template <typename T>
void copy_block(const BlockCopy& copy, const T* in, T* out, size_t axis) {
  if (axis == copy.dims.size()) {
    *out = *in;
    return;
  }
  const int64_t count = copy.dims[axis], from = copy.in_strides[axis], to = copy.out_strides[axis];
  if (axis + 1 < copy.dims.size()) {
    for (int64_t i = 0; i < count; ++i) copy_block(copy, in + i * from, out + i * to, axis + 1);
  } else if (from == 1 && to == 1) {
    std::copy(in, in + count, out);
  } else {
    for (int64_t i = 0; i < count; ++i) out[i * to] = in[i * from];
  }
}

// Integers of operand `index`, or nothing when it is absent.
std::optional<std::vector<int64_t>> integers(const KernelCall& call, size_t index) {
  if (index >= call.inputs.size() || call.inputs[index] == nullptr) return std::nullopt;
  return call.inputs[index]->to_int64s();
}

// The axes that an operand names, or the first `count` ones. Errors: invalid.
Result<std::vector<size_t>> axes_of(const KernelCall& call, size_t index, size_t count, size_t rank) {
  std::vector<size_t> out;
  const auto named = integers(call, index);
  for (size_t i = 0; i < count; ++i) {
    out.push_back(named && i < named->size() ? axis_index((*named)[i], rank) : i);
    if (out.back() >= rank)
      return invalid_error("axis " + std::to_string(out.back()) + " of rank " + std::to_string(rank));
  }
  return out;
}

}  // namespace

size_t axis_index(int64_t axis, size_t rank) {
  return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis);
}

Error does_not_fit(const KernelCall& call) {
  return invalid_error(call.inputs[0]->type().text() + " does not give " +
                       ir::type_of(call.inputs[0]->dtype(), *call.outputs[0].dims).text());
}

ir::Dims strides_of(const ir::Dims& dims, Layout layout) {
  ir::Dims strides(dims.size(), 1);
  const bool last = layout == Layout::channels_last && dims.size() > 2;
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  if (!last) return strides;
  for (size_t i = 2; i < dims.size(); ++i) strides[i] *= dims[1];
  strides[1] = 1;
  return strides;
}

template <typename T>
void BlockCopy::run(const T* in, T* out) const {
  if (std::any_of(dims.begin(), dims.end(), [](int64_t dim) { return dim <= 0; })) return;
  std::vector<size_t> order(dims.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return out_strides[a] > out_strides[b]; });
  BlockCopy sorted;
  for (const size_t axis : order) {
    sorted.dims.push_back(dims[axis]);
    sorted.in_strides.push_back(in_strides[axis]);
    sorted.out_strides.push_back(out_strides[axis]);
  }
  copy_block(sorted, in + from, out + to, 0);
}

template void BlockCopy::run(const float* in, float* out) const;
template void BlockCopy::run(const std::byte* in, std::byte* out) const;

Result<BlockCopy> pad_copy(const KernelCall& call, Layout layout) {
  const ir::Tensor& x = *call.inputs[0];
  const ir::Dims& dims = *call.outputs[0].dims;
  const size_t rank = dims.size();
  const auto pads = integers(call, 1);
  if (!pads || pads->size() % 2 != 0 || x.dims().size() != rank) return does_not_fit(call);
  const auto axes = axes_of(call, 3, pads->size() / 2, rank);
  if (!axes) return axes.error();
  // The part of x that stays (pads may be negative), and where it goes.
  BlockCopy copy = {x.dims(), strides_of(x.dims(), layout), strides_of(dims, layout)};
  for (size_t i = 0; i < axes->size(); ++i) {
    const size_t axis = (*axes)[i];
    const int64_t begin = (*pads)[i], end = (*pads)[i + axes->size()];
    if (x.dims()[axis] + begin + end != dims[axis]) return does_not_fit(call);
    copy.dims[axis] += std::min<int64_t>(begin, 0) + std::min<int64_t>(end, 0);
    copy.from += std::max<int64_t>(-begin, 0) * copy.in_strides[axis];
    copy.to += std::max<int64_t>(begin, 0) * copy.out_strides[axis];
  }
  return copy;
}

Result<BlockCopy> slice_copy(const KernelCall& call, Layout layout) {
  const ir::Tensor& x = *call.inputs[0];
  const ir::Dims& dims = *call.outputs[0].dims;
  const size_t rank = dims.size();
  const auto starts = integers(call, 1), steps = integers(call, 4);
  if (!starts || x.dims().size() != rank) return does_not_fit(call);
  BlockCopy copy = {dims, strides_of(x.dims(), layout), strides_of(dims, layout)};
  if (ir::num_elements(dims) == 0) return copy;
  const auto axes = axes_of(call, 3, starts->size(), rank);
  if (!axes) return axes.error();
  for (size_t i = 0; i < axes->size(); ++i) {
    const size_t axis = (*axes)[i];
    const int64_t dim = x.dims()[axis], step = steps && i < steps->size() ? (*steps)[i] : 1;
    int64_t start = (*starts)[i] < 0 ? (*starts)[i] + dim : (*starts)[i];
    start = std::clamp<int64_t>(start, 0, dim - 1);  // a result that is not empty starts inside
    const int64_t last = start + (dims[axis] - 1) * step;
    if (last < 0 || last >= dim) return does_not_fit(call);
    copy.from += start * copy.in_strides[axis];
    copy.in_strides[axis] *= step;
  }
  return copy;
}

}  // namespace edgesmith::runtime::native
