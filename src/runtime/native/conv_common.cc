// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/conv_common.h"

#include <string>

namespace edgesmith::runtime::native {

bool all_float(const ir::Node& node) {
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (node.input(i) != nullptr && node.input(i)->type().dtype != ir::DType::f32) return false;
  }
  for (int i = 0; i < node.num_outputs(); ++i) {
    if (node.output(i).type().dtype != ir::DType::f32) return false;
  }
  return node.num_outputs() > 0;
}

bool is_float_conv(const ir::Node& node) {
  if (!all_float(node) || node.input(1) == nullptr) return false;
  const int rank = node.input(1)->type().rank();
  return rank == 3 || rank == 4;
}

bool is_depthwise(const ir::Node& node) {
  const auto weight = node.input(1)->type().static_dims();
  return weight && (*weight)[1] == 1 && node.attributes().get_int("group", 1) > 1;
}

Result<ops::Window> conv_window(const ir::Node& node, const ir::Dims& input, const ir::Dims& weight) {
  const int64_t group = node.attributes().get_int("group", 1);
  if (input.size() != weight.size() || input.size() < 3) {
    return invalid_error("input of rank " + std::to_string(input.size()) + ", weight of rank " +
                         std::to_string(weight.size()));
  }
  if (group < 1 || input[1] != weight[1] * group || weight[0] % group != 0) {
    return invalid_error("input has " + std::to_string(input[1]) + " channels, weight is for " + std::to_string(group) +
                         " groups of " + std::to_string(weight[1]) + " with " + std::to_string(weight[0]) + " outputs");
  }
  return ops::resolve_window(node, ir::Dims(input.begin() + 2, input.end()),
                             ir::Dims(weight.begin() + 2, weight.end()));
}

std::optional<ir::Dims> conv_output_dims(const ir::Node& node, OperandDims inputs) {
  const auto window = conv_window(node, *inputs[0], *inputs[1]);
  if (!window) return std::nullopt;
  ir::Dims out = {(*inputs[0])[0], (*inputs[1])[0]};
  out.insert(out.end(), window->output.begin(), window->output.end());
  return out;
}

bool is_one_number(const ir::Type& type) {
  const auto dims = type.static_dims();
  return dims && ir::num_elements(*dims) == 1;
}

}  // namespace edgesmith::runtime::native
