// SPDX-License-Identifier: Apache-2.0
// LayerNormalization and RMSNormalization of rows of float32 numbers whose scale (and bias) is as long as they are;
// InstanceNormalization and GroupNormalization of planes. Sums have 16 lanes on every instruction set (isa/rows.h).
// Scratch: a row, for the squares.
#include <cmath>

#include "runtime/native/conv_common.h"
#include "runtime/native/copies.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"
#include "runtime/native/split.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

struct Rows : Prepared {
  int64_t count = 0, length = 0;     // rows, and numbers of one
  int64_t channels = 0, groups = 0;  // of group normalization: a row is channels / groups planes
};

double epsilon_of(const ir::Node& node) { return static_cast<double>(node.attributes().get_float("epsilon", 1e-5F)); }

size_t first_axis(const ir::Node& node, size_t rank) { return axis_index(node.attributes().get_int("axis", -1), rank); }

// Whether an operand has the dims that are normalized, and at most ones before them.
bool spans_row(const ir::Value* value, const ir::Node& node) {
  if (value == nullptr) return true;
  const ir::Type& x = node.input(0)->type();
  const auto dims = value->type().static_dims();
  if (!dims || x.rank() < 1 || dims->size() > x.shape->size()) return false;
  const size_t first = first_axis(node, x.shape->size()), skipped = x.shape->size() - dims->size();
  if (first < skipped || first >= x.shape->size()) return false;  // it may be shorter than the row
  for (size_t d = 0; d < dims->size(); ++d) {
    const ir::Dim& dim = (*x.shape)[skipped + d];
    if (d + skipped < first ? (*dims)[d] != 1 : !dim.known() || dim.value() != (*dims)[d]) return false;
  }
  return true;
}

bool supports_rows(const ir::Node& node) {
  return all_float(node) && node.num_outputs() == 1 && spans_row(node.input(1), node) && spans_row(node.input(2), node);
}

bool supports_groups(const ir::Node& node) { return all_float(node) && node.input(0)->type().rank() >= 2; }

Result<std::shared_ptr<const Prepared>> bind_rows(const ir::Node& node, const Prepared*, OperandDims inputs,
                                                  const ir::Dims&, Isa) {
  auto rows = std::make_shared<Rows>();
  const size_t first = first_axis(node, inputs[0]->size());
  rows->count = rows->length = 1;
  for (size_t d = 0; d < inputs[0]->size(); ++d) (d < first ? rows->count : rows->length) *= (*inputs[0])[d];
  for (size_t i = 1; i < inputs.size(); ++i) {
    if (inputs[i] != nullptr && ir::num_elements(*inputs[i]) != rows->length) {
      return invalid_error("scale or bias has not as many numbers as are normalized together");
    }
  }
  return std::shared_ptr<const Prepared>(std::move(rows));
}

Result<std::shared_ptr<const Prepared>> bind_groups(const ir::Node& node, const Prepared*, OperandDims inputs,
                                                    const ir::Dims&, Isa) {
  const ir::Dims& x = *inputs[0];
  auto rows = std::make_shared<Rows>();
  rows->channels = x[1];
  rows->groups = node.is(ir::OpKind::group_normalization) ? node.attributes().get_int("num_groups", 1) : x[1];
  if (rows->groups < 1 || x[1] % rows->groups != 0 || *inputs[1] != ir::Dims{x[1]} || *inputs[2] != ir::Dims{x[1]}) {
    return invalid_error("channels, groups, scale and bias do not fit each other");
  }
  rows->count = x[0] * rows->groups;
  rows->length = rows->count == 0 ? 0 : ir::num_elements(x) / rows->count;
  return std::shared_ptr<const Prepared>(std::move(rows));
}

int64_t row_length(const ir::Node& node, const ir::Dims& x) {
  const bool groups = node.is(ir::OpKind::instance_normalization) || node.is(ir::OpKind::group_normalization);
  int64_t length = 1;
  for (size_t d = groups ? 1 : first_axis(node, x.size()); d < x.size(); ++d) length *= x[d];
  return length;  // of group normalization the groups together: enough
}

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&, Isa) {
  return round_up(row_length(node, *inputs[0]), 16) * 4;
}

// 1 / sqrt(mean of squares + epsilon).
float factor_of(const NativeTable& table, const float* row, int64_t length, double epsilon, float* squares) {
  table.unary(Unary::square, row, 0, squares, length, {});
  const auto mean = static_cast<double>(table.row_sum(squares, length)) / static_cast<double>(length);
  return static_cast<float>(1 / std::sqrt(mean + epsilon));
}

// out = row less its mean.
void centre(const NativeTable& table, const float* row, int64_t length, float* out) {
  const float mean = table.row_sum(row, length) / static_cast<float>(length);
  table.binary(Binary::sub, row, 1, &mean, 0, out, length, {});
}

// A pass over a number takes about as long as this many bytes.
constexpr int64_t kBytesOfNumber = 24;

template <bool Centred>
Status run_rows(const KernelCall& call) {
  const auto& rows = static_cast<const Rows&>(*call.bound);
  const NativeTable& table = native_table(call.isa);
  const double epsilon = epsilon_of(call.node);
  const float* in = call.inputs[0]->data<float>().data();
  const float* scale = call.inputs[1]->data<float>().data();
  const bool biased = call.inputs.size() > 2 && call.inputs[2] != nullptr;
  float* out = call.outputs[0].as<float>();
  const int64_t n = rows.length;
  split(call, rows.count, rows.count * n * kBytesOfNumber / kBytesNs,
        [&](int64_t first, int64_t end, std::byte* scratch) {
          for (int64_t r = first; r < end; ++r) {
            const float* from = in + r * n;
            float* to = out + r * n;
            if (Centred) {
              centre(table, from, n, to);
              from = to;
            }
            const float factor = factor_of(table, from, n, epsilon, reinterpret_cast<float*>(scratch));
            table.unary(Unary::scale, from, factor, to, n, {});
            table.binary(Binary::mul, to, 1, scale, 1, to, n, biased ? Epilogue() : call.epilogue);
            if (biased) table.binary(Binary::add, to, 1, call.inputs[2]->data<float>().data(), 1, to, n, call.epilogue);
          }
        });
  return {};
}

Status run_groups(const KernelCall& call) {
  const auto& rows = static_cast<const Rows&>(*call.bound);
  const NativeTable& table = native_table(call.isa);
  const double epsilon = epsilon_of(call.node);
  const float* in = call.inputs[0]->data<float>().data();
  const auto scale = call.inputs[1]->data<float>(), bias = call.inputs[2]->data<float>();
  float* out = call.outputs[0].as<float>();
  const int64_t n = rows.length, per_group = rows.channels / rows.groups, plane = n / per_group;
  if (n == 0) return {};
  split(call, rows.count, rows.count * n * kBytesOfNumber / kBytesNs,
        [&](int64_t first, int64_t end, std::byte* scratch) {
          for (int64_t r = first; r < end; ++r) {
            float* to = out + r * n;
            centre(table, in + r * n, n, to);
            const float factor = factor_of(table, to, n, epsilon, reinterpret_cast<float*>(scratch));
            for (int64_t c = 0; c < per_group; ++c) {
              const auto channel = static_cast<size_t>(r % rows.groups * per_group + c);
              float* own = to + c * plane;
              table.scale_shift(own, factor * scale[channel], bias[channel], own, plane, call.epilogue);
            }
          }
        });
  return {};
}

constexpr Kernel row(std::string_view name, ir::OpKind op, bool groups, Status (*run)(const KernelCall&)) {
  return {.provider = "native",
          .name = name,
          .op = op,
          .epilogue = true,
          .splits = true,
          .supports = groups ? supports_groups : supports_rows,
          .output_dims = [](const ir::Node&, OperandDims inputs) { return std::optional(*inputs[0]); },
          .scratch_bytes = scratch_bytes,
          .bind = groups ? bind_groups : bind_rows,
          .run = run};
}

}  // namespace

const Kernel kLayerNormalizationF32 =
    row("layer_normalization_f32", ir::OpKind::layer_normalization, false, run_rows<true>);
const Kernel kRmsNormalizationF32 = row("rms_normalization_f32", ir::OpKind::rms_normalization, false, run_rows<false>);
const Kernel kInstanceNormalizationF32 =
    row("instance_normalization_f32", ir::OpKind::instance_normalization, true, run_groups);
const Kernel kGroupNormalizationF32 = row("group_normalization_f32", ir::OpKind::group_normalization, true, run_groups);

}  // namespace edgesmith::runtime::native
