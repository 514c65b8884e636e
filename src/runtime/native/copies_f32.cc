// SPDX-License-Identifier: Apache-2.0
// Operators that only move float32 numbers: Concat, Pad with a constant, Slice, Split, Transpose.
#include <algorithm>
#include <string>

#include "runtime/native/conv_common.h"
#include "runtime/native/copies.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

bool float_data(const ir::Node& node) {
  return node.input(0)->type().dtype == ir::DType::f32 && node.num_outputs() == 1 &&
         node.output().type().dtype == ir::DType::f32 && node.input(0)->type().rank() <= static_cast<int>(kMostAxes);
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
  const auto copy = pad_copy(call, Layout::row_major);
  if (!copy) return copy.error();
  const ir::Tensor* value = call.inputs.size() > 2 ? call.inputs[2] : nullptr;
  if (value != nullptr && (value->size() != 1 || value->dtype() != ir::DType::f32)) return does_not_fit(call);
  float* out = call.outputs[0].as<float>();
  std::fill_n(out, ir::num_elements(*call.outputs[0].dims), value == nullptr ? 0.0F : value->data<float>()[0]);
  copy->run(call.inputs[0]->data<float>().data(), out);
  return {};
}

Status run_slice(const KernelCall& call) {
  const auto copy = slice_copy(call, Layout::row_major);
  if (!copy) return copy.error();
  copy->run(call.inputs[0]->data<float>().data(), call.outputs[0].as<float>());
  return {};
}

bool supports_split(const ir::Node& node) { return node.input(0)->type().dtype == ir::DType::f32; }

Status run_split(const KernelCall& call) {
  const ir::Dims& dims = call.inputs[0]->dims();
  const size_t axis = axis_index(call.node.attributes().get_int("axis", 0), dims.size());
  int64_t outer = 1, inner = 1, joined = 0;
  for (size_t i = 0; i < dims.size(); ++i) (i < axis ? outer : inner) *= i == axis ? 1 : dims[i];
  for (const OutputSlot& part : call.outputs) {
    if (part.dims->size() != dims.size()) return does_not_fit(call);
    joined += (*part.dims)[axis];
  }
  if (joined != dims[axis]) return does_not_fit(call);
  const float* in = call.inputs[0]->data<float>().data();
  for (int64_t o = 0; o < outer; ++o) {
    for (const OutputSlot& part : call.outputs) {
      const int64_t run = (*part.dims)[axis] * inner;
      std::copy_n(in, run, part.as<float>() + o * run);
      in += run;
    }
  }
  return {};
}

Status run_transpose(const KernelCall& call) {
  const auto copy = transpose_copy(call, Layout::row_major);
  if (!copy) return copy.error();
  copy->run(call.inputs[0]->data<float>().data(), call.outputs[0].as<float>());
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
const Kernel kSplitF32 = row("split_f32", ir::OpKind::split, supports_split, run_split);
const Kernel kTransposeF32 = row("transpose_f32", ir::OpKind::transpose, float_data, run_transpose);

}  // namespace edgesmith::runtime::native
