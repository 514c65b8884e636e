// SPDX-License-Identifier: Apache-2.0
// space_to_depth: squares of blocksize x blocksize positions become blocks of channels: [N, C, H, W] -> [N, C * b^2, H
// / b, W / b]; the new channel is block row, block column, old channel. Attribute blocksize. Any element type.
#include <string>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/slices.h"
#include "ops/space_blocks.h"

namespace edgesmith::ops::space_to_depth_op {
namespace {

// The size of axis d (1 to 3) of the result, from that of the input.
Result<ir::Dim> resized(const ir::Node& node, size_t d, const ir::Dim& dim) {
  const int64_t block = node.attributes().get_int("blocksize", 0);
  if (!dim.known()) return ir::Dim();
  if (d > 1 && dim.value() % block != 0) {
    return invalid_error("input has " + dim.text() + " positions on axis " + std::to_string(d) +
                         ", not a multiple of blocksize " + std::to_string(block));
  }
  int64_t size = dim.value() / block;
  if (d == 1 && __builtin_mul_overflow(dim.value(), block * block, &size)) {
    return invalid_error("the output is too large");
  }
  return ir::Dim(size);
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"blocksize", AttributeKind::integer}}));
  return verify_blocks(node);
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return infer_blocks(node, resized); }

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto dims = block_dims(node, x, resized);
  if (!dims) return dims.error();
  const int64_t block = node.attributes().get_int("blocksize", 0);
  const int64_t n = x.dims()[0], depth = x.dims()[1], h = (*dims)[2], w = (*dims)[3];
  auto y = permute(x.reshaped({n, depth, h, block, w, block}), ir::Ints{0, 3, 5, 1, 2, 4});
  if (!y) return y.error();
  return std::vector{y->reshaped(*dims)};
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const int64_t block = node.attributes().get_int("blocksize", 0);
  return std::vector{&build.append(ir::OpKind::depth_to_space, {outputs[0]}, {{"blocksize", block}})};
}

std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  const int64_t block = node.attributes().get_int("blocksize", 0);
  if (axis != 1) return axis == 0 ? same_slices(node, 0) : std::nullopt;
  return ChannelRelation{.links = {{.operand = 0, .axis = 1, .to = {.outer = block * block}}}, .mixing = {}};
}

}  // namespace

extern const OpInfo space_to_depth_info = {.kind = ir::OpKind::space_to_depth,
                                           .min_inputs = 1,
                                           .max_inputs = 1,
                                           .min_outputs = 1,
                                           .max_outputs = 1,
                                           .verify = verify,
                                           .infer = infer,
                                           .eval = eval,
                                           .cost = no_cost,
                                           .quant = transparent_one,
                                           .channels = channels,
                                           .gradient = gradient};

}  // namespace edgesmith::ops::space_to_depth_op
