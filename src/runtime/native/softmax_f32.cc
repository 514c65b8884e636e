// SPDX-License-Identifier: Apache-2.0
// Softmax and LogSoftmax of float32 tensors: rows where the axis is the last one, else vectors across what lies behind
// the axis. Scratch: for the latter, a maximum, a sum and a power for each line.
#include <algorithm>

#include "edgesmith/ops/lines.h"
#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"
#include "runtime/native/split.h"

namespace edgesmith::runtime::native {

namespace {

struct BoundLines : Prepared {
  ops::Lines lines;
};

std::optional<ir::Dims> output_dims(const ir::Node&, OperandDims inputs) { return *inputs[0]; }

Result<std::shared_ptr<const Prepared>> bind(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&,
                                             Isa) {
  const auto lines = ops::lines_of(node, *inputs[0]);
  if (!lines) return lines.error();
  auto out = std::make_shared<BoundLines>();
  out->lines = *lines;
  return std::shared_ptr<const Prepared>(std::move(out));
}

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&, Isa) {
  const auto lines = ops::lines_of(node, *inputs[0]);
  if (!lines) return lines.error();
  return lines->inner == 1 ? 0 : 3 * round_up(lines->inner, 16) * 4;
}

// All lines that begin in one run of `inner` numbers.
void run_across(const NativeTable& table, const ops::Lines& l, bool log, const float* in, float* out, float* scratch,
                const Epilogue& epilogue) {
  float* largest = scratch;
  float* sums = largest + round_up(l.inner, 16);
  float* power = sums + round_up(l.inner, 16);
  std::copy_n(in, l.inner, largest);
  for (int64_t i = 1; i < l.length; ++i) table.max_into(in + i * l.inner, largest, l.inner);
  std::fill_n(sums, l.inner, 0.0F);
  for (int64_t i = 0; i < l.length; ++i) {
    float* row = out + i * l.inner;
    table.binary(Binary::sub, in + i * l.inner, 1, largest, 1, row, l.inner, {});
    float* powers = log ? power : row;
    table.unary(Unary::exp, row, 0, powers, l.inner, {});
    table.add_into(powers, sums, l.inner);
  }
  if (log) table.unary(Unary::log, sums, 0, sums, l.inner, {});
  for (int64_t i = 0; i < l.length; ++i) {
    float* row = out + i * l.inner;
    table.binary(log ? Binary::sub : Binary::div, row, 1, sums, 1, row, l.inner, epilogue);
  }
}

// An exponential takes about as long as this many multiplications.
constexpr int64_t kProductsOfExp = 20;

template <bool Log>
Status run(const KernelCall& call) {
  const ops::Lines& l = static_cast<const BoundLines&>(*call.bound).lines;
  const NativeTable& table = native_table(call.isa);
  const float* in = call.inputs[0]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  const int64_t block = l.length * l.inner;
  if (block == 0) return {};
  split(call, l.outer, l.outer * block * kProductsOfExp / kFloatProductsNs,
        [&](int64_t first, int64_t end, std::byte* scratch) {
          for (int64_t o = first; o < end; ++o) {
            if (l.inner == 1) {
              table.softmax_row(in + o * block, l.length, Log, out + o * block, call.epilogue);
            } else {
              run_across(table, l, Log, in + o * block, out + o * block, reinterpret_cast<float*>(scratch),
                         call.epilogue);
            }
          }
        });
  return {};
}

constexpr Kernel row(std::string_view name, ir::OpKind op, Status (*run)(const KernelCall&)) {
  return {.provider = "native",
          .name = name,
          .op = op,
          .epilogue = true,
          .splits = true,
          .supports = all_float,
          .output_dims = output_dims,
          .scratch_bytes = scratch_bytes,
          .bind = bind,
          .run = run};
}

}  // namespace

const Kernel kSoftmaxF32 = row("softmax_f32", ir::OpKind::softmax, run<false>);
const Kernel kLogSoftmaxF32 = row("log_softmax_f32", ir::OpKind::log_softmax, run<true>);

}  // namespace edgesmith::runtime::native
