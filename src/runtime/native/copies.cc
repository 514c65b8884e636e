// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/copies.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

// The same copy by falling stride of the result, without axes of one element, and with neighbours that move alike as
// one. False: nothing is copied.
bool simplify(const BlockCopy& copy, BlockCopy& out) {
  std::array<bool, kMostAxes> taken = {};
  for (size_t i = 0; i < copy.dims.size(); ++i) {
    if (copy.dims[i] <= 0) return false;
    size_t next = copy.dims.size();
    for (size_t axis = 0; axis < copy.dims.size(); ++axis) {
      if (!taken[axis] && (next == copy.dims.size() || copy.out_strides[axis] > copy.out_strides[next])) next = axis;
    }
    taken[next] = true;
    const int64_t count = copy.dims[next], from = copy.in_strides[next], to = copy.out_strides[next];
    if (count == 1) continue;
    const size_t last = out.dims.size() - 1;
    if (out.dims.size() > 0 && out.in_strides[last] == from * count && out.out_strides[last] == to * count) {
      out.dims[last] *= count;
      out.in_strides[last] = from;
      out.out_strides[last] = to;
      continue;
    }
    out.dims.add(count);
    out.in_strides.add(from);
    out.out_strides.add(to);
  }
  return true;
}

// Axes [axis, ...) of a simplified copy, of which the last `inner` ones are done by body(in, out).
template <typename T, typename Body>
void for_blocks(const BlockCopy& copy, size_t inner, const T* in, T* out, size_t axis, const Body& body) {
  if (axis + inner >= copy.dims.size()) return body(in, out);
  const int64_t count = copy.dims[axis], from = copy.in_strides[axis], to = copy.out_strides[axis];
  for (int64_t i = 0; i < count; ++i) for_blocks(copy, inner, in + i * from, out + i * to, axis + 1, body);
}

// A simplified copy whose last axis is copied at once.
template <typename T>
void copy_rows(const BlockCopy& copy, const T* in, T* out) {
  if (copy.dims.size() == 0) {
    *out = *in;
    return;
  }
  const size_t last = copy.dims.size() - 1;
  const int64_t count = copy.dims[last], from = copy.in_strides[last], to = copy.out_strides[last];
  for_blocks(copy, 1, in, out, 0, [=](const T* a, T* b) {
    if (from == 1 && to == 1) {
      std::copy(a, a + count, b);
    } else {
      for (int64_t i = 0; i < count; ++i) b[i * to] = a[i * from];
    }
  });
}

// Moves axis `axis` to the end.
void move_to_end(AxisNumbers& numbers, size_t axis) {
  for (; axis + 1 < numbers.size(); ++axis) std::swap(numbers[axis], numbers[axis + 1]);
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

void BlockCopy::run(const std::byte* in, std::byte* out) const {
  BlockCopy copy;
  if (simplify(*this, copy)) copy_rows(copy, in + from, out + to);
}

void BlockCopy::run(const float* in, float* out, const NativeTable& table) const {
  BlockCopy copy;
  if (!simplify(*this, copy)) return;
  in += from;
  out += to;
  const size_t rank = copy.dims.size();
  size_t across = rank;  // the axis whose elements are neighbours in the operand
  for (size_t axis = 0; axis < rank; ++axis) {
    if (copy.in_strides[axis] == 1) across = axis;
  }
  if (across + 1 >= rank || copy.out_strides[rank - 1] != 1) return copy_rows(copy, in, out);
  // Rows of the operand become columns of the result: the two axes go to the end.
  for (AxisNumbers* numbers : {&copy.dims, &copy.in_strides, &copy.out_strides}) move_to_end(*numbers, across);
  const int64_t rows = copy.dims[rank - 2], columns = copy.dims[rank - 1];
  const int64_t in_row = copy.in_strides[rank - 2], out_row = copy.out_strides[rank - 1];
  for_blocks(copy, 2, in, out, 0,
             [&](const float* a, float* b) { table.transpose(a, rows, columns, in_row, b, out_row, nullptr, {}); });
}

Result<AxisPads> pads_by_axis(const KernelCall& call) {
  const ir::Tensor& x = *call.inputs[0];
  const ir::Dims& dims = *call.outputs[0].dims;
  const size_t rank = dims.size();
  const auto pads = integers(call, 1);
  if (!pads || pads->size() % 2 != 0 || x.dims().size() != rank || rank > kMostAxes) return does_not_fit(call);
  const auto axes = axes_of(call, 3, pads->size() / 2, rank);
  if (!axes) return axes.error();
  AxisPads by_axis;
  for (size_t i = 0; i < rank; ++i) {
    by_axis.begin.add(0);
    by_axis.end.add(0);
  }
  for (size_t i = 0; i < axes->size(); ++i) {
    by_axis.begin[static_cast<size_t>((*axes)[i])] = (*pads)[i];
    by_axis.end[static_cast<size_t>((*axes)[i])] = (*pads)[i + axes->size()];
  }
  for (size_t i = 0; i < rank; ++i) {
    if (x.dims()[i] + by_axis.begin[i] + by_axis.end[i] != dims[i]) return does_not_fit(call);
  }
  return by_axis;
}

Result<BlockCopy> pad_copy(const KernelCall& call, Layout layout) {
  const auto pads = pads_by_axis(call);
  if (!pads) return pads.error();
  const ir::Dims& x = call.inputs[0]->dims();
  // The part of x that stays, and where it goes.
  BlockCopy copy = {*numbers_of(x), strides_of(x, layout), strides_of(*call.outputs[0].dims, layout)};
  for (size_t axis = 0; axis < x.size(); ++axis) {
    const int64_t begin = pads->begin[axis], end = pads->end[axis];
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
