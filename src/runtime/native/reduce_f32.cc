// SPDX-License-Identifier: Apache-2.0
// ReduceMean, ReduceSum and ReduceMax of float32 tensors over neighbouring axes that are constant. Rows are summed in
// 16 lanes where nothing lies behind those axes; else vectors lie across what does, and numbers are added in order.
#include <algorithm>
#include <limits>

#include "runtime/native/conv_common.h"
#include "runtime/native/copies.h"
#include "runtime/native/kernels.h"
#include "runtime/native/split.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

// Axes [first, end).
struct AxisRange {
  size_t first = 0, end = 0;
};

// The axes of a node whose operand has `rank` dims, when they are known and neighbours.
std::optional<AxisRange> axes_of(const ir::Node& node, size_t rank) {
  ir::Ints axes;
  if (node.input(1) != nullptr) {
    const ir::Tensor* constant = node.input(1)->constant();
    if (constant == nullptr) return std::nullopt;
    axes = constant->to_int64s();
  }
  if (axes.empty()) {
    if (node.attributes().get_int("noop_with_empty_axes", 0) != 0) return std::nullopt;
    return AxisRange{0, rank};
  }
  std::vector<size_t> places;
  for (const int64_t axis : axes) places.push_back(axis_index(axis, rank));
  std::sort(places.begin(), places.end());
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i] >= rank || places[i] != places[0] + i) return std::nullopt;
  }
  return AxisRange{places[0], places[0] + places.size()};
}

bool supports(const ir::Node& node) {
  const ir::Type& x = node.input(0)->type();
  return x.dtype == ir::DType::f32 && x.rank() >= 0 && axes_of(node, static_cast<size_t>(x.rank())).has_value();
}

struct Sizes : Prepared {
  int64_t outer = 1, count = 1, inner = 1;
};

Result<std::shared_ptr<const Prepared>> bind(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&,
                                             Isa) {
  const ir::Dims& x = *inputs[0];
  const auto axes = axes_of(node, x.size());
  if (!axes) return invalid_error("axes do not fit " + ir::type_of(ir::DType::f32, x).text());
  auto sizes = std::make_shared<Sizes>();
  for (size_t i = 0; i < x.size(); ++i)
    (i < axes->first ? sizes->outer : i < axes->end ? sizes->count : sizes->inner) *= x[i];
  return std::shared_ptr<const Prepared>(std::move(sizes));
}

enum class Reduction { mean, sum, max };

template <Reduction R>
Status run(const KernelCall& call) {
  const auto& s = static_cast<const Sizes&>(*call.bound);
  const NativeTable& table = native_table(call.isa);
  const float* in = call.inputs[0]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  const int64_t block = s.count * s.inner;
  split(call, s.outer, s.outer * block * 4 / kBytesNs, [&](int64_t first, int64_t end, std::byte*) {
    for (int64_t o = first; o < end; ++o) {
      const float* from = in + o * block;
      float* to = out + o * s.inner;
      if (s.inner == 1) {
        *to = R == Reduction::max ? table.row_max(from, s.count) : table.row_sum(from, s.count);
      } else {
        std::fill_n(to, s.inner, R == Reduction::max ? -std::numeric_limits<float>::infinity() : 0.0F);
        for (int64_t i = 0; i < s.count; ++i) {
          (R == Reduction::max ? table.max_into : table.add_into)(from + i * s.inner, to, s.inner);
        }
      }
    }
    float* to = out + first * s.inner;
    const int64_t results = (end - first) * s.inner;
    if (R == Reduction::mean) {
      const auto count = static_cast<float>(s.count);
      table.binary(Binary::div, to, 1, &count, 0, to, results, call.epilogue);
    } else if (!call.epilogue.empty()) {
      table.apply_epilogue(call.epilogue, to, to, results);
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
          .supports = supports,
          .bind = bind,
          .run = run};
}

}  // namespace

const Kernel kReduceMeanF32 = row("reduce_mean_f32", ir::OpKind::reduce_mean, run<Reduction::mean>);
const Kernel kReduceSumF32 = row("reduce_sum_f32", ir::OpKind::reduce_sum, run<Reduction::sum>);
const Kernel kReduceMaxF32 = row("reduce_max_f32", ir::OpKind::reduce_max, run<Reduction::max>);

}  // namespace edgesmith::runtime::native
