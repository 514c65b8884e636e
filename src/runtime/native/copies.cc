// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/copies.h"

#include <algorithm>
#include <optional>
#include <span>
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

// The elements of a list by axis; nothing when there are too many.
std::optional<AxisNumbers> numbers_of(std::span<const int64_t> values) {
  AxisNumbers out;
  if (values.size() > out.numbers.size()) return std::nullopt;
  for (const int64_t value : values) out.add(value);
  return out;
}

// Integers of operand `index`, or nothing when it is absent.
std::optional<AxisNumbers> integers(const KernelCall& call, size_t index) {
  if (index >= call.inputs.size() || call.inputs[index] == nullptr) return std::nullopt;
  const ir::Tensor& tensor = *call.inputs[index];
  if (tensor.dtype() == ir::DType::i64 && tensor.encoding() == ir::Encoding::dense) {
    return numbers_of(tensor.data<int64_t>());
  }
  return numbers_of(tensor.to_int64s());
}

// The axes that an operand names, or the first `count` ones. Errors: invalid.
Result<AxisNumbers> axes_of(const KernelCall& call, size_t index, size_t count, size_t rank) {
  AxisNumbers out;
  const auto named = integers(call, index);
  for (size_t i = 0; i < count; ++i) {
    const size_t axis = named && i < named->size() ? axis_index((*named)[i], rank) : i;
    if (axis >= rank) return invalid_error("axis " + std::to_string(axis) + " of rank " + std::to_string(rank));
    out.add(static_cast<int64_t>(axis));
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

AxisNumbers strides_of(const ir::Dims& dims, Layout layout) {
  AxisNumbers strides;
  for (size_t i = 0; i < dims.size(); ++i) strides.add(1);
  const bool last = layout == Layout::channels_last && dims.size() > 2;
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  if (!last) return strides;
  for (size_t i = 2; i < dims.size(); ++i) strides[i] *= dims[1];
  strides[1] = 1;
  return strides;
}

template <typename T>
void BlockCopy::run(const T* in, T* out) const {
  BlockCopy sorted;  // by falling stride of the result
  std::array<bool, kMostAxes> taken = {};
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] <= 0) return;
    size_t next = dims.size();
    for (size_t axis = 0; axis < dims.size(); ++axis) {
      if (!taken[axis] && (next == dims.size() || out_strides[axis] > out_strides[next])) next = axis;
    }
    taken[next] = true;
    sorted.dims.add(dims[next]);
    sorted.in_strides.add(in_strides[next]);
    sorted.out_strides.add(out_strides[next]);
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
  if (!pads || pads->size() % 2 != 0 || x.dims().size() != rank || rank > kMostAxes) return does_not_fit(call);
  const auto axes = axes_of(call, 3, pads->size() / 2, rank);
  if (!axes) return axes.error();
  // The part of x that stays (pads may be negative), and where it goes.
  BlockCopy copy = {*numbers_of(x.dims()), strides_of(x.dims(), layout), strides_of(dims, layout)};
  for (size_t i = 0; i < axes->size(); ++i) {
    const auto axis = static_cast<size_t>((*axes)[i]);
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
  if (!starts || x.dims().size() != rank || rank > kMostAxes) return does_not_fit(call);
  BlockCopy copy = {*numbers_of(dims), strides_of(x.dims(), layout), strides_of(dims, layout)};
  if (ir::num_elements(dims) == 0) return copy;
  const auto axes = axes_of(call, 3, starts->size(), rank);
  if (!axes) return axes.error();
  for (size_t i = 0; i < axes->size(); ++i) {
    const auto axis = static_cast<size_t>((*axes)[i]);
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

Result<BlockCopy> transpose_copy(const KernelCall& call, Layout layout) {
  const ir::Dims &x = call.inputs[0]->dims(), &dims = *call.outputs[0].dims;
  const ir::Attribute* attribute = call.node.attributes().find("perm");
  const ir::Ints* perm = attribute == nullptr ? nullptr : std::get_if<ir::Ints>(attribute);
  if (perm != nullptr && perm->empty()) perm = nullptr;
  if (x.size() != dims.size() || (perm != nullptr && perm->size() != dims.size()) || dims.size() > kMostAxes) {
    return does_not_fit(call);
  }
  const AxisNumbers strides = strides_of(x, layout);
  BlockCopy copy = {*numbers_of(dims), {}, strides_of(dims, layout)};
  for (size_t i = 0; i < dims.size(); ++i) {
    const size_t axis = perm == nullptr ? dims.size() - 1 - i : axis_index((*perm)[i], dims.size());
    if (axis >= dims.size() || x[axis] != dims[i]) return does_not_fit(call);
    copy.in_strides.add(strides[axis]);
  }
  return copy;
}

}  // namespace edgesmith::runtime::native
