// SPDX-License-Identifier: Apache-2.0
// reverse_sequence: of every batch entry b the first sequence_lens[b] steps in reverse order. Attributes: batch_axis =
// 1, time_axis = 0, one of them 0 and the other 1. Operands: x of two dims or more, sequence_lens i64 [batch]. Any
// element type.
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"
#include "ops/places.h"

namespace edgesmith::ops::reverse_sequence_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(
      check_attributes(node, {{"batch_axis", AttributeKind::integer}, {"time_axis", AttributeKind::integer}}));
  const int64_t batch = node.attributes().get_int("batch_axis", 1), time = node.attributes().get_int("time_axis", 0);
  if ((batch != 0 && batch != 1) || time != 1 - batch) {
    return invalid_error("batch_axis is " + std::to_string(batch) + " and time_axis " + std::to_string(time) +
                         ", must be 0 and 1 or 1 and 0");
  }
  return {};
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return std::vector{node.input(0)->type()}; }

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  if (x.rank() < 2) return invalid_error("x is " + x.type().text() + ", needs two dims or more");
  const auto lengths = read_ints(*inputs[1], "sequence_lens");
  if (!lengths) return lengths.error();
  const auto batch = static_cast<size_t>(node.attributes().get_int("batch_axis", 1)), time = 1 - batch;
  if (static_cast<int64_t>(lengths->size()) != x.dims()[batch]) {
    return invalid_error("there are " + std::to_string(lengths->size()) + " lengths for " +
                         std::to_string(x.dims()[batch]) + " sequences");
  }
  for (const int64_t length : *lengths) {
    if (length < 0 || length > x.dims()[time]) {
      return invalid_error("a length is " + std::to_string(length) + " of " + std::to_string(x.dims()[time]));
    }
  }
  const ir::Dims strides = strides_of(x.dims());
  std::vector<int64_t> places(static_cast<size_t>(x.size()));
  for (size_t i = 0; i < places.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const int64_t length = (*lengths)[static_cast<size_t>(at / strides[batch] % x.dims()[batch])];
    const int64_t step = at / strides[time] % x.dims()[time];
    places[i] = step < length ? at + (length - 1 - 2 * step) * strides[time] : at;
  }
  auto y = take_places(x, std::move(places), x.dims());
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

// The reverse of the reverse.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Node& back = build.append_node(ir::OpKind::reverse_sequence, {outputs[0], node.input(1)}, 1);
  for (const auto& [name, value] : node.attributes()) back.attributes().set(name, value);
  return std::vector{&back.output()};
}

}  // namespace

extern const OpInfo reverse_sequence_info = {.kind = ir::OpKind::reverse_sequence,
                                             .min_inputs = 2,
                                             .max_inputs = 2,
                                             .min_outputs = 1,
                                             .max_outputs = 1,
                                             .verify = verify,
                                             .infer = infer,
                                             .eval = eval,
                                             .cost = no_cost,
                                             .quant = transparent_one,
                                             .gradient = gradient};

}  // namespace edgesmith::ops::reverse_sequence_op
