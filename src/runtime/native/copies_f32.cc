// SPDX-License-Identifier: Apache-2.0
// Operators that only move float32 numbers: Concat, Pad with a constant, Slice, Transpose.
#include <algorithm>
#include <string>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

ir::Dims row_major(const ir::Dims& dims) {
  ir::Dims strides(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strides;
}

// out[sum i_k * out_strides[k]] = in[sum i_k * in_strides[k]] for all i below `dims`.
void copy_block(const float* in, const ir::Dims& in_strides, float* out, const ir::Dims& out_strides,
                const ir::Dims& dims, size_t axis = 0) {
  if (dims.empty()) {
    *out = *in;
    return;
  }
  const int64_t count = dims[axis], from = in_strides[axis], to = out_strides[axis];
  if (axis + 1 < dims.size()) {
    for (int64_t i = 0; i < count; ++i)
      copy_block(in + i * from, in_strides, out + i * to, out_strides, dims, axis + 1);
  } else if (from == 1 && to == 1) {
    std::copy(in, in + count, out);
  } else {
    for (int64_t i = 0; i < count; ++i) out[i * to] = in[i * from];
  }
}

size_t axis_index(int64_t axis, size_t rank) {
  return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis);
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

Error does_not_fit(const KernelCall& call) {
  return invalid_error(call.inputs[0]->type().text() + " does not give " +
                       ir::type_of(ir::DType::f32, *call.outputs[0].dims).text());
}

bool float_data(const ir::Node& node) {
  return node.input(0)->type().dtype == ir::DType::f32 && node.num_outputs() == 1 &&
         node.output().type().dtype == ir::DType::f32;
}

Status run_concat(const KernelCall& call) {
  const ir::Dims& dims = *call.outputs[0].dims;
  const size_t axis = axis_index(call.node.attributes().get_int("axis", 0), dims.size());
  int64_t outer = 1, inner = 1, joined = 0;
  for (size_t i = 0; i < dims.size(); ++i) (i < axis ? outer : inner) *= i == axis ? 1 : dims[i];
  for (const ir::Tensor* part : call.inputs) {
    if (part->rank() != static_cast<int>(dims.size())) return does_not_fit(call);
    joined += part->dims()[axis];
    if (part->size() != outer * part->dims()[axis] * inner) return does_not_fit(call);
  }
  if (joined != dims[axis]) return does_not_fit(call);
  float* out = call.outputs[0].as<float>();
  for (int64_t o = 0; o < outer; ++o) {
    for (const ir::Tensor* part : call.inputs) {
      const int64_t run = part->dims()[axis] * inner;
      out = std::copy_n(part->data<float>().data() + o * run, run, out);
    }
  }
  return {};
}

bool supports_pad(const ir::Node& node) {
  return float_data(node) && node.attributes().get_string("mode", "constant") == "constant";
}

Status run_pad(const KernelCall& call) {
  const ir::Tensor& x = *call.inputs[0];
  const ir::Dims& dims = *call.outputs[0].dims;
  const size_t rank = dims.size();
  const auto pads = integers(call, 1);
  if (!pads || pads->size() % 2 != 0 || x.dims().size() != rank) return does_not_fit(call);
  const auto axes = axes_of(call, 3, pads->size() / 2, rank);
  if (!axes) return axes.error();
  const auto value =
      call.inputs.size() > 2 && call.inputs[2] != nullptr ? call.inputs[2]->to_floats() : std::vector<float>{0};
  if (value.size() != 1) return does_not_fit(call);
  // The part of x that stays (pads may be negative), and where it goes.
  ir::Dims kept = x.dims();
  int64_t from = 0, to = 0;
  const ir::Dims in_strides = row_major(x.dims()), out_strides = row_major(dims);
  for (size_t i = 0; i < axes->size(); ++i) {
    const size_t axis = (*axes)[i];
    const int64_t begin = (*pads)[i], end = (*pads)[i + axes->size()];
    if (x.dims()[axis] + begin + end != dims[axis]) return does_not_fit(call);
    kept[axis] += std::min<int64_t>(begin, 0) + std::min<int64_t>(end, 0);
    from += std::max<int64_t>(-begin, 0) * in_strides[axis];
    to += std::max<int64_t>(begin, 0) * out_strides[axis];
  }
  float* out = call.outputs[0].as<float>();
  std::fill_n(out, ir::num_elements(dims), value[0]);
  for (const int64_t dim : kept) {
    if (dim <= 0) return {};
  }
  copy_block(x.data<float>().data() + from, in_strides, out + to, out_strides, kept);
  return {};
}

Status run_slice(const KernelCall& call) {
  const ir::Tensor& x = *call.inputs[0];
  const ir::Dims& dims = *call.outputs[0].dims;
  const size_t rank = dims.size();
  const auto starts = integers(call, 1), steps = integers(call, 4);
  if (!starts || x.dims().size() != rank) return does_not_fit(call);
  if (ir::num_elements(dims) == 0) return {};
  const auto axes = axes_of(call, 3, starts->size(), rank);
  if (!axes) return axes.error();
  ir::Dims strides = row_major(x.dims());
  int64_t from = 0;
  for (size_t i = 0; i < axes->size(); ++i) {
    const size_t axis = (*axes)[i];
    const int64_t dim = x.dims()[axis], step = steps && i < steps->size() ? (*steps)[i] : 1;
    int64_t start = (*starts)[i] < 0 ? (*starts)[i] + dim : (*starts)[i];
    start = std::clamp<int64_t>(start, 0, dim - 1);  // a result that is not empty starts inside
    const int64_t last = start + (dims[axis] - 1) * step;
    if (last < 0 || last >= dim) return does_not_fit(call);
    from += start * strides[axis];
    strides[axis] *= step;
  }
  copy_block(x.data<float>().data() + from, strides, call.outputs[0].as<float>(), row_major(dims), dims);
  return {};
}

Status run_transpose(const KernelCall& call) {
  const ir::Tensor& x = *call.inputs[0];
  const ir::Dims& dims = *call.outputs[0].dims;
  const ir::Ints perm = call.node.attributes().get_ints("perm");
  const ir::Dims strides = row_major(x.dims());
  if (x.dims().size() != dims.size() || (!perm.empty() && perm.size() != dims.size())) return does_not_fit(call);
  ir::Dims in_strides;
  for (size_t i = 0; i < dims.size(); ++i) {
    const size_t axis = perm.empty() ? dims.size() - 1 - i : axis_index(perm[i], dims.size());
    if (axis >= dims.size() || x.dims()[axis] != dims[i]) return does_not_fit(call);
    in_strides.push_back(strides[axis]);
  }
  if (x.size() > 0) copy_block(x.data<float>().data(), in_strides, call.outputs[0].as<float>(), row_major(dims), dims);
  return {};
}

constexpr Kernel row(std::string_view name, ir::OpKind op, bool (*supports)(const ir::Node&),
                     Status (*run)(const KernelCall&)) {
  return {.provider = "native", .name = name, .op = op, .supports = supports, .run = run};
}

}  // namespace

const Kernel kConcatF32 = row("concat_f32", ir::OpKind::concat, all_float, run_concat);
const Kernel kPadF32 = row("pad_f32", ir::OpKind::pad, supports_pad, run_pad);
const Kernel kSliceF32 = row("slice_f32", ir::OpKind::slice, float_data, run_slice);
const Kernel kTransposeF32 = row("transpose_f32", ir::OpKind::transpose, float_data, run_transpose);

}  // namespace edgesmith::runtime::native
