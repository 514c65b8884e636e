// SPDX-License-Identifier: Apache-2.0
// normalization_gradient of float32 rows. A row stays in the first-level cache from its mean to its gradient; x and dy
// are read once, dx is written once. Sums over the rows are added in their order, sums of a row have 16 lanes on every
// instruction set (isa/rows.h). Threads share the rows only where nothing is summed over them. Scratch: two rows.
#include <algorithm>
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
  int64_t count = 1, length = 1;
};

Result<std::shared_ptr<const Prepared>> bind(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&,
                                             Isa) {
  const ir::Dims& x = *inputs[1];
  auto rows = std::make_shared<Rows>();
  const size_t first = axis_index(node.attributes().get_int("axis", -1), x.size());
  for (size_t d = 0; d < x.size(); ++d) (d < first ? rows->count : rows->length) *= x[d];
  if (*inputs[0] != x || (inputs.size() > 2 && inputs[2] != nullptr && ir::num_elements(*inputs[2]) != rows->length)) {
    return invalid_error("the gradient or the scale does not fit " + ir::type_of(ir::DType::f32, x).text());
  }
  return std::shared_ptr<const Prepared>(std::move(rows));
}

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared* prepared, OperandDims inputs,
                              const ir::Dims& output, Isa isa) {
  const auto rows = bind(node, prepared, inputs, output, isa);
  if (!rows) return rows.error();
  return 2 * round_up(static_cast<const Rows&>(**rows).length, 16) * 4;
}

// What all rows share.
struct Job {
  const NativeTable& table;
  int64_t length;
  bool centered;
  double epsilon;
  const float* scale;  // or null
};

// 1 / sqrt(mean of squares + epsilon) of what `z` becomes: the row, less its mean where centered, times that.
float standardize(const Job& job, const float* x, float* z, float* squares) {
  const auto n = static_cast<float>(job.length);
  const float mean = job.centered ? job.table.row_sum(x, job.length) / n : 0.0F;
  job.table.binary(Binary::sub, x, 1, &mean, 0, z, job.length, {});
  job.table.unary(Unary::square, z, 0, squares, job.length, {});
  const double variance = static_cast<double>(job.table.row_sum(squares, job.length)) / static_cast<double>(job.length);
  const auto factor = static_cast<float>(1 / std::sqrt(variance + job.epsilon));
  job.table.unary(Unary::scale, z, factor, z, job.length, {});
  return factor;
}

// dx = factor * (g - <g> - z * <g * z>). `product`: scratch.
void differentiate(const Job& job, float factor, const float* dy, const float* z, float* product, float* dx) {
  const NativeTable& table = job.table;
  const int64_t n = job.length;
  const float* g = dy;
  if (job.scale != nullptr) {
    table.binary(Binary::mul, dy, 1, job.scale, 1, dx, n, {});
    g = dx;
  }
  table.binary(Binary::mul, g, 1, z, 1, product, n, {});
  const float tilt = table.row_sum(product, n) / static_cast<float>(n);
  const float shift = job.centered ? table.row_sum(g, n) / static_cast<float>(n) : 0.0F;
  table.unary(Unary::scale, z, tilt, product, n, {});
  table.binary(Binary::sub, g, 1, product, 1, dx, n, {});
  table.scale_shift(dx, factor, -shift * factor, dx, n, {});
}

// A pass over a number takes about as long as this many bytes.
constexpr int64_t kBytesOfNumber = 48;

Status run(const KernelCall& call) {
  const auto& rows = static_cast<const Rows&>(*call.bound);
  const bool scaled = call.inputs.size() > 2 && call.inputs[2] != nullptr;
  const Job job = {.table = native_table(call.isa),
                   .length = rows.length,
                   .centered = call.node.attributes().get_int("centered", 1) != 0,
                   .epsilon = static_cast<double>(call.node.attributes().get_float("epsilon", 1e-5F)),
                   .scale = scaled ? call.inputs[2]->data<float>().data() : nullptr};
  const float *dy = call.inputs[0]->data<float>().data(), *x = call.inputs[1]->data<float>().data();
  float* dx = call.outputs[0].as<float>();
  float* sums[2] = {nullptr, nullptr};  // dscale, dbias
  for (size_t i = 1; i < call.outputs.size(); ++i) {
    sums[i - 1] = call.outputs[i].as<float>();
    if (sums[i - 1] != nullptr) std::fill_n(sums[i - 1], rows.length, 0.0F);
  }
  const int64_t n = rows.length;
  if (n == 0) return {};
  const bool alone = sums[0] != nullptr || sums[1] != nullptr;
  split(call, rows.count, alone ? 0 : rows.count * n * kBytesOfNumber / kBytesNs,
        [&](int64_t first, int64_t end, std::byte* scratch) {
          auto* z = reinterpret_cast<float*>(scratch);
          float* product = z + round_up(n, 16);
          for (int64_t r = first; r < end; ++r) {
            const float factor = standardize(job, x + r * n, z, product);
            if (sums[0] != nullptr) {
              job.table.binary(Binary::mul, dy + r * n, 1, z, 1, product, n, {});
              job.table.add_into(product, sums[0], n);
            }
            if (sums[1] != nullptr) job.table.add_into(dy + r * n, sums[1], n);
            differentiate(job, factor, dy + r * n, z, product, dx + r * n);
          }
        });
  return {};
}

}  // namespace

const Kernel kNormalizationGradientF32 = {.provider = "native",
                                          .name = "normalization_gradient_f32",
                                          .op = ir::OpKind::normalization_gradient,
                                          .splits = true,
                                          .supports = all_float,
                                          .scratch_bytes = scratch_bytes,
                                          .bind = bind,
                                          .run = run};

}  // namespace edgesmith::runtime::native
