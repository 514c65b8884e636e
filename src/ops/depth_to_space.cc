// SPDX-License-Identifier: Apache-2.0
// depth_to_space: blocks of channels become squares of blocksize x blocksize positions: [N, C, H, W] -> [N, C / b^2, H
// * b, W * b]. Attributes blocksize and mode: DCR (default; the channel is block row, block column, depth), CRD (depth
// first). Any element type.
#include <string>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/slices.h"
#include "ops/space_blocks.h"

namespace edgesmith::ops::depth_to_space_op {
namespace {

// The size of axis d (1 to 3) of the result, from that of the input.
Result<ir::Dim> resized(const ir::Node& node, size_t d, const ir::Dim& dim) {
  const int64_t block = node.attributes().get_int("blocksize", 0);
  if (!dim.known()) return ir::Dim();
  if (d == 1 && dim.value() % (block * block) != 0) {
    return invalid_error("input has " + dim.text() + " channels, not a multiple of blocksize squared, " +
                         std::to_string(block * block));
  }
  int64_t size = dim.value() / (block * block);
  if (d > 1 && __builtin_mul_overflow(dim.value(), block, &size)) return invalid_error("the output is too large");
  return ir::Dim(size);
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"blocksize", AttributeKind::integer}, {"mode", AttributeKind::text}}));
  const std::string mode = node.attributes().get_string("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") return invalid_error("mode is '" + mode + "', must be DCR or CRD");
  return verify_blocks(node);
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return infer_blocks(node, resized); }

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto dims = block_dims(node, x, resized);
  if (!dims) return dims.error();
  const int64_t block = node.attributes().get_int("blocksize", 0);
  const int64_t n = x.dims()[0], depth = (*dims)[1], h = x.dims()[2], w = x.dims()[3];
  const bool depth_first = node.attributes().get_string("mode", "DCR") == "CRD";
  const ir::Dims split = depth_first ? ir::Dims{n, depth, block, block, h, w} : ir::Dims{n, block, block, depth, h, w};
  const ir::Ints perm = depth_first ? ir::Ints{0, 1, 4, 2, 5, 3} : ir::Ints{0, 3, 4, 1, 5, 2};
  auto y = permute(x.reshaped(split), perm);
  if (!y) return y.error();
  return std::vector{y->reshaped(*dims)};
}

// SpaceToDepth makes blocks of channels by block position; mode CRD wants them by depth.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const int64_t block = node.attributes().get_int("blocksize", 0), blocks = block * block;
  ir::Value& back = build.append(ir::OpKind::space_to_depth, {outputs[0]}, {{"blocksize", block}});
  if (node.attributes().get_string("mode", "DCR") == "DCR") return std::vector{&back};
  const ir::Dim& channels = (*node.input(0)->type().shape)[1];
  if (!channels.known()) return unsupported_error("the number of channels is not known, which its gradient needs");
  const int64_t depth = channels.value() / blocks;
  ir::Ints order;
  for (int64_t c = 0; c < channels.value(); ++c) order.push_back(c % blocks * depth + c / blocks);
  return std::vector{&build.append(ir::OpKind::gather, {&back, &build.ints(order)}, {{"axis", int64_t{1}}})};
}

// DCR: a channel is block position, then depth; CRD: depth, then block position.
std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  const int64_t block = node.attributes().get_int("blocksize", 0), positions = block * block;
  if (axis != 1) return axis == 0 ? same_slices(node, 0) : std::nullopt;
  const bool depth_first = node.attributes().get_string("mode", "DCR") == "CRD";
  const SliceUnits from = {.outer = depth_first ? 1 : positions, .inner = depth_first ? positions : 1};
  const auto depth = size_along(node.output(), 1);
  if (!depth) return std::nullopt;
  return ChannelRelation{.links = {{.operand = 0, .axis = 1, .from = from, .count = *depth}}, .mixing = {}};
}

}  // namespace

extern const OpInfo depth_to_space_info = {.kind = ir::OpKind::depth_to_space,
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

}  // namespace edgesmith::ops::depth_to_space_op
