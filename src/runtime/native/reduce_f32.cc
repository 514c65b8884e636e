// SPDX-License-Identifier: Apache-2.0
// ReduceMean, ReduceSum, ReduceMax, ReduceSumSquare and ReduceL2 of float32 tensors over neighbouring axes that are
// constant. Rows are summed in
// 16 lanes where nothing lies behind those axes; else vectors lie across what does, and numbers are added in order.
// ReduceSum also over all axes but the second, as gradients of biases do: the sums of planes are added in the order of
// the samples.
#include <algorithm>
#include <limits>

#include "runtime/native/conv_common.h"
#include "runtime/native/copies.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"
#include "runtime/native/split.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

// Axes [first, end).
struct AxisRange {
  size_t first = 0, end = 0;
};

// The axes of a node whose operand has `rank` dims in rising order, when they are known; all where it names none.
std::optional<std::vector<size_t>> places_of(const ir::Node& node, size_t rank) {
  ir::Ints axes;
  if (node.input(1) != nullptr) {
    const ir::Tensor* constant = node.input(1)->constant();
    if (constant == nullptr) return std::nullopt;
    axes = constant->to_int64s();
  }
  if (axes.empty() && node.attributes().get_int("noop_with_empty_axes", 0) != 0) return std::nullopt;
  std::vector<size_t> places;
  for (const int64_t axis : axes) places.push_back(axis_index(axis, rank));
  for (size_t i = 0; axes.empty() && i < rank; ++i) places.push_back(i);
  std::sort(places.begin(), places.end());
  if (!places.empty() && places.back() >= rank) return std::nullopt;
  return places;
}

// The same when they are neighbours.
std::optional<AxisRange> axes_of(const ir::Node& node, size_t rank) {
  const auto places = places_of(node, rank);
  if (!places) return std::nullopt;
  if (places->empty()) return AxisRange{0, rank};
  for (size_t i = 0; i < places->size(); ++i) {
    if ((*places)[i] != places->front() + i) return std::nullopt;
  }
  return AxisRange{places->front(), places->front() + places->size()};
}

// Whether all axes but the second are summed, and there are some on either side of it.
bool sums_over_channel(const ir::Node& node) {
  const ir::Type& x = node.input(0)->type();
  if (x.dtype != ir::DType::f32 || x.rank() < 3) return false;
  const auto places = places_of(node, static_cast<size_t>(x.rank()));
  if (!places || places->size() + 1 != static_cast<size_t>(x.rank())) return false;
  return std::find(places->begin(), places->end(), size_t{1}) == places->end() &&
         std::adjacent_find(places->begin(), places->end()) == places->end();
}

bool supports(const ir::Node& node) {
  const ir::Type& x = node.input(0)->type();
  return x.dtype == ir::DType::f32 && x.rank() >= 0 && axes_of(node, static_cast<size_t>(x.rank())).has_value();
}

struct Sizes : Prepared {
  int64_t outer = 1, count = 1, inner = 1;
};

Result<std::shared_ptr<const Prepared>> bind_axes(const ir::Node& node, const Prepared*, OperandDims inputs,
                                                  const ir::Dims&, Isa) {
  const ir::Dims& x = *inputs[0];
  const auto axes = axes_of(node, x.size());
  if (!axes) return invalid_error("axes do not fit " + ir::type_of(ir::DType::f32, x).text());
  auto sizes = std::make_shared<Sizes>();
  for (size_t i = 0; i < x.size(); ++i)
    (i < axes->first ? sizes->outer : i < axes->end ? sizes->count : sizes->inner) *= x[i];
  return std::shared_ptr<const Prepared>(std::move(sizes));
}

enum class Reduction { mean, sum, max, sum_square, l2 };

// Rows up to this long are added number by number: real and imaginary parts are two.
constexpr int64_t kShortRow = 4;

constexpr bool squares(Reduction r) { return r == Reduction::sum_square || r == Reduction::l2; }

// For the squares of what is added at once.
template <Reduction R>
Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims& output,
                              Isa isa) {
  const auto bound = bind_axes(node, nullptr, inputs, output, isa);
  if (!bound) return bound.error();
  const auto& s = static_cast<const Sizes&>(**bound);
  return squares(R) ? round_up(s.inner == 1 ? s.count : s.inner, 16) * 4 : 0;
}

template <Reduction R>
Status run(const KernelCall& call) {
  const auto& s = static_cast<const Sizes&>(*call.bound);
  const NativeTable& table = native_table(call.isa);
  const float* in = call.inputs[0]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  const int64_t block = s.count * s.inner;
  split(call, s.outer, s.outer * block * 4 / kBytesNs, [&](int64_t first, int64_t end, std::byte* scratch) {
    const auto squared = [&](const float* numbers, int64_t count) {
      if (!squares(R)) return numbers;
      auto* out_of = reinterpret_cast<float*>(scratch);
      table.unary(Unary::square, numbers, 0, out_of, count, {});
      return static_cast<const float*>(out_of);
    };
    for (int64_t o = first; o < end; ++o) {
      const float* from = in + o * block;
      float* to = out + o * s.inner;
      if (squares(R) && s.inner == 1 && s.count <= kShortRow) {
        float sum = 0;
        for (int64_t i = 0; i < s.count; ++i) sum += from[i] * from[i];
        *to = sum;
      } else if (s.inner == 1) {
        *to = R == Reduction::max ? table.row_max(from, s.count) : table.row_sum(squared(from, s.count), s.count);
      } else {
        std::fill_n(to, s.inner, R == Reduction::max ? -std::numeric_limits<float>::infinity() : 0.0F);
        for (int64_t i = 0; i < s.count; ++i) {
          (R == Reduction::max ? table.max_into : table.add_into)(squared(from + i * s.inner, s.inner), to, s.inner);
        }
      }
    }
    float* to = out + first * s.inner;
    const int64_t results = (end - first) * s.inner;
    if (R == Reduction::mean) {
      const auto count = static_cast<float>(s.count);
      table.binary(Binary::div, to, 1, &count, 0, to, results, call.epilogue);
    } else if (R == Reduction::l2) {
      table.unary(Unary::square_root, to, 0, to, results, call.epilogue);
    } else if (!call.epilogue.empty()) {
      table.apply_epilogue(call.epilogue, to, to, results);
    }
  });
  return {};
}

Status sum_channels(const KernelCall& call) {
  const ir::Dims& x = call.inputs[0]->dims();
  const NativeTable& table = native_table(call.isa);
  const float* in = call.inputs[0]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  const int64_t channels = x[1], plane = x[0] * x[1] == 0 ? 0 : call.inputs[0]->size() / (x[0] * x[1]);
  std::fill_n(out, channels, 0.0F);
  for (int64_t n = 0; n < x[0]; ++n) {
    for (int64_t c = 0; c < channels; ++c, in += plane) out[c] += table.row_sum(in, plane);
  }
  if (!call.epilogue.empty()) table.apply_epilogue(call.epilogue, out, out, channels);
  return {};
}

template <Reduction R>
constexpr Kernel row(std::string_view name, ir::OpKind op) {
  return {.provider = "native",
          .name = name,
          .op = op,
          .epilogue = true,
          .splits = true,
          .supports = supports,
          .scratch_bytes = squares(R) ? scratch_bytes<R> : nullptr,
          .bind = bind_axes,
          .run = run<R>};
}

}  // namespace

const Kernel kReduceMeanF32 = row<Reduction::mean>("reduce_mean_f32", ir::OpKind::reduce_mean);
const Kernel kReduceSumF32 = row<Reduction::sum>("reduce_sum_f32", ir::OpKind::reduce_sum);
const Kernel kReduceSumSquareF32 = row<Reduction::sum_square>("reduce_sum_square_f32", ir::OpKind::reduce_sum_square);
const Kernel kReduceL2F32 = row<Reduction::l2>("reduce_l2_f32", ir::OpKind::reduce_l2);
const Kernel kSumOverChannelF32 = {.provider = "native",
                                   .name = "sum_over_channel_f32",
                                   .op = ir::OpKind::reduce_sum,
                                   .epilogue = true,
                                   .supports = sums_over_channel,
                                   .run = sum_channels};
const Kernel kReduceMaxF32 = row<Reduction::max>("reduce_max_f32", ir::OpKind::reduce_max);

}  // namespace edgesmith::runtime::native
