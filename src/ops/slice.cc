// SPDX-License-Identifier: Apache-2.0
// slice: along each of `axes` the entries start, start + step, ... before end. Operands: x, starts, ends, and
// optionally axes (default 0, 1, ...) and steps (default 1; may be negative), all i32 or i64 vectors of one length.
// Negative starts and ends count from the end of the axis; then they are clamped to it. Any element type.
#include <algorithm>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <string>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"
#include "ops/slices.h"

namespace edgesmith::ops::slice_op {
namespace {

// What is taken along one axis.
struct Cut {
  size_t axis = 0;
  int64_t start = 0, end = 0, step = 1;

  // The entries taken from an axis of size `dim`, as (first, count).
  std::pair<int64_t, int64_t> over(int64_t dim) const {
    if (dim == 0) return {0, 0};
    const auto from_front = [dim](int64_t position) {
      return position < 0 ? std::max(position, -dim - 1) + dim : position;
    };
    const int64_t first = std::clamp<int64_t>(from_front(start), 0, step > 0 ? dim : dim - 1);
    // As ONNX Runtime has it, the largest integers mean "to the end" backwards too.
    const bool to_end = end == std::numeric_limits<int64_t>::max() || end == std::numeric_limits<int32_t>::max();
    const int64_t last =
        step < 0 && to_end ? -1 : std::clamp<int64_t>(from_front(end), step > 0 ? 0 : -1, step > 0 ? dim : dim - 1);
    const int64_t distance = step > 0 ? last - first : first - last;
    return {first, distance > 0 ? (distance - 1) / std::abs(step) + 1 : 0};
  }
  // True when every entry is taken whatever the size.
  bool keeps_all() const { return step == 1 && start == 0 && end >= std::numeric_limits<int32_t>::max(); }
};

Result<std::vector<Cut>> make_cuts(size_t rank, const ir::Ints& starts, const ir::Ints& ends,
                                   const std::optional<ir::Ints>& axes, const std::optional<ir::Ints>& steps) {
  ir::Ints counted(starts.size());
  std::iota(counted.begin(), counted.end(), 0);
  const auto normalized = normalize_axes(axes ? *axes : counted, static_cast<int>(rank));
  if (!normalized) return normalized.error();
  if (ends.size() != starts.size() || normalized->size() != starts.size() ||
      (steps && steps->size() != starts.size())) {
    return invalid_error("there are " + std::to_string(starts.size()) + " starts, " + std::to_string(ends.size()) +
                         " ends, " + std::to_string(normalized->size()) + " axes and " +
                         std::to_string(steps ? steps->size() : starts.size()) + " steps");
  }
  std::vector<Cut> cuts;
  for (size_t i = 0; i < starts.size(); ++i) {
    cuts.push_back({static_cast<size_t>((*normalized)[i]), starts[i], ends[i], steps ? (*steps)[i] : 1});
    if (cuts.back().step == 0) return invalid_error("a step is 0");
    cuts.back().step = std::max<int64_t>(cuts.back().step, -std::numeric_limits<int64_t>::max());
  }
  return cuts;
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(no_attributes(node));
  return check_same_dtype(node, {1, 2, 3, 4});
}

// The cuts when all of the operands are known; the outer optional is empty when they are not.
Result<std::optional<std::vector<Cut>>> known_cuts(const ir::Node& node, size_t rank, const InferContext& context) {
  std::optional<ir::Ints> lists[4];
  const char* names[4] = {"starts", "ends", "axes", "steps"};
  for (int i = 0; i < 4; ++i) {
    auto ints = known_ints(node, i + 1, context, names[i]);
    if (!ints) return ints.error();
    if (!*ints && node.input(i + 1) != nullptr) return std::optional<std::vector<Cut>>();
    lists[i] = std::move(*ints);
  }
  auto cuts = make_cuts(rank, *lists[0], *lists[1], lists[2], lists[3]);
  if (!cuts) return cuts.error();
  return std::optional<std::vector<Cut>>(std::move(*cuts));
}

// Which dims may change when starts or ends are not known: those of the axes if these are known, else all.
ir::Shape unknown_cuts(const ir::Node& node, ir::Shape shape, const InferContext& context) {
  const ir::Tensor* axes = context.constant(node, 3);
  const auto length = known_length(node, 1);
  for (size_t d = 0; d < shape.size(); ++d) {
    bool cut = axes != nullptr || node.input(3) != nullptr || !length || static_cast<int64_t>(d) < *length;
    if (axes != nullptr) {
      const ir::Ints named = axes->to_int64s();
      const auto at = static_cast<int64_t>(d);
      cut = std::any_of(named.begin(), named.end(),
                        [&](int64_t axis) { return axis == at || axis == at - static_cast<int64_t>(shape.size()); });
    }
    if (cut) shape[d] = ir::Dim();
  }
  return shape;
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  const ir::Type& x = node.input(0)->type();
  ir::Type type = x;
  if (!x.shape) return std::vector{type};
  auto cuts = known_cuts(node, x.shape->size(), context);
  if (!cuts) return cuts.error();
  if (!*cuts) {
    type.shape = unknown_cuts(node, *x.shape, context);
    return std::vector{type};
  }
  for (const Cut& cut : **cuts) {
    ir::Dim& dim = (*type.shape)[cut.axis];
    if (cut.keeps_all()) continue;
    dim = dim.known() ? ir::Dim(cut.over(dim.value()).second) : ir::Dim();
  }
  const auto contents = context.contents(node, 0);
  if (contents && x.rank() == 1) {
    ir::Shape kept = *contents;
    for (const Cut& cut : **cuts) {
      const auto [first, count] = cut.over(static_cast<int64_t>(contents->size()));
      kept.clear();
      for (int64_t i = 0; i < count; ++i) kept.push_back((*contents)[static_cast<size_t>(first + i * cut.step)]);
    }
    context.set_contents(node, 0, std::move(kept));
  }
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  std::optional<ir::Ints> lists[4];
  const char* names[4] = {"starts", "ends", "axes", "steps"};
  for (size_t i = 0; i < 4; ++i) {
    const ir::Tensor* tensor = operand(inputs, i + 1);
    if (tensor == nullptr) continue;
    auto ints = read_ints(*tensor, names[i]);
    if (!ints) return ints.error();
    lists[i] = std::move(*ints);
  }
  const auto cuts = make_cuts(x.dims().size(), *lists[0], *lists[1], lists[2], lists[3]);
  if (!cuts) return cuts.error();
  auto maps = identity_maps(x.dims());
  for (const Cut& cut : *cuts) {
    const auto [first, count] = cut.over(x.dims()[cut.axis]);
    maps[cut.axis].clear();
    for (int64_t i = 0; i < count; ++i) maps[cut.axis].push_back(first + i * cut.step);
  }
  auto y = take(x, maps);
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

// Axes that are not cut, and neighbouring entries of one that is.
std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  const int rank = node.input(0)->type().rank();
  std::optional<ir::Ints> lists[4];
  for (int i = 0; i < 4; ++i) {
    const ir::Value* list = node.input(i + 1);
    if (list != nullptr && list->constant() == nullptr && (i == 0 || i == 2)) return std::nullopt;
    if (list != nullptr && list->constant() != nullptr) lists[i] = list->constant()->to_int64s();
  }
  ir::Ints cut(lists[0]->size());
  std::iota(cut.begin(), cut.end(), 0);
  const auto positive = normalize_axes(lists[2] ? *lists[2] : cut, rank);
  if (rank < 0 || !positive) return std::nullopt;
  const auto times = std::count(positive->begin(), positive->end(), axis);
  const auto size = size_along(*node.input(0), axis), left = size_along(node.output(), axis);
  const bool known = lists[1] && (lists[3] || node.input(4) == nullptr);
  if (times != 1 || !known || !size || !left || *left == 0) return untouched_slices(node, axis, times > 0);
  const auto cuts = make_cuts(static_cast<size_t>(rank), *lists[0], *lists[1], lists[2], lists[3]);
  if (!cuts) return std::nullopt;
  const auto own = std::find_if(cuts->begin(), cuts->end(),
                                [&](const Cut& entry) { return entry.axis == static_cast<size_t>(axis); });
  if (own->step != 1) return std::nullopt;
  const SliceUnits from = {.first = own->over(*size).first};
  return ChannelRelation{.links = {{.operand = 0, .axis = axis, .from = from, .count = *left}}, .mixing = {}};
}

// Number `at` of a list operand as i64 [1].
ir::Value& number_of(GradientBuilder& build, const ir::Node& node, int index, size_t at) {
  ir::Value& list = *node.input(index);
  const auto first = static_cast<int64_t>(at);
  if (const ir::Tensor* known = list.constant()) return build.ints({known->to_int64s()[at]});
  ir::Value& number =
      build.append(ir::OpKind::slice, {&list, &build.ints({first}), &build.ints({first + 1}), &build.ints({0})});
  return *cast(build.term(number, list.type().dtype), ir::DType::i64).value;
}

// Which entries of an axis of size `size` (i64 [1]) a cut takes, found when the graph runs: the same cut of 0, 1, 2,
// ...
ir::Value& taken_entries(GradientBuilder& build, ir::Value& start, ir::Value& end, int64_t step, ir::Value& size) {
  ir::Value& entries = positions(build, size);
  return build.append(ir::OpKind::slice, {&entries, &start, &end, &build.ints({0}), &build.ints({step})});
}

// Zeros in the place of what was cut away: by padding where whole ends were cut off, else by adding at positions.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Value& x = *node.input(0);
  const ir::Shape& shape = *x.type().shape;
  const auto length = known_length(node, 1);
  if (!length) return unsupported_error("the number of its starts is not known, which its gradient needs");
  std::optional<ir::Ints> axes, steps;
  for (int i = 3; i < 5; ++i) {
    if (node.input(i) == nullptr) continue;
    auto numbers = constant_ints(node, i, i == 3 ? "axes" : "steps");
    if (!numbers) return numbers.error();
    (i == 3 ? axes : steps) = *std::move(numbers);
  }
  // Starts and ends that are not known take part as zeros.
  const bool known = node.input(1)->constant() != nullptr && node.input(2)->constant() != nullptr;
  const ir::Ints zeros(static_cast<size_t>(*length), 0);
  const auto cuts = make_cuts(shape.size(), known ? node.input(1)->constant()->to_int64s() : zeros,
                              known ? node.input(2)->constant()->to_int64s() : zeros, axes, steps);
  if (!cuts) return cuts.error();
  ir::Value* dx = outputs[0];
  ir::Ints pads(2 * shape.size(), 0);
  for (size_t i = 0; i < cuts->size(); ++i) {
    const Cut& cut = (*cuts)[i];
    const ir::Dim& dim = shape[cut.axis];
    if (known && cut.keeps_all()) continue;
    if (known && dim.known() && cut.step == 1) {
      const auto [first, count] = cut.over(dim.value());
      pads[cut.axis] = first;
      pads[shape.size() + cut.axis] = dim.value() - first - count;
      continue;
    }
    ir::Value& size = build.size_of(x, static_cast<int>(cut.axis));
    ir::Value& entries =
        taken_entries(build, number_of(build, node, 1, i), number_of(build, node, 2, i), cut.step, size);
    dx = &build.append(ir::OpKind::gather_gradient, {dx, &entries, &size}, {{"axis", static_cast<int64_t>(cut.axis)}});
  }
  if (std::any_of(pads.begin(), pads.end(), [](int64_t pad) { return pad != 0; })) {
    dx = &build.append(ir::OpKind::pad, {dx, &build.ints(pads)});
  }
  return std::vector{dx};
}

}  // namespace

extern const OpInfo slice_info = {.kind = ir::OpKind::slice,
                                  .min_inputs = 3,
                                  .max_inputs = 5,
                                  .min_outputs = 1,
                                  .max_outputs = 1,
                                  .verify = verify,
                                  .infer = infer,
                                  .eval = eval,
                                  .cost = no_cost,
                                  .quant = transparent_one,
                                  .channels = channels,
                                  .gradient = gradient};

}  // namespace edgesmith::ops::slice_op
