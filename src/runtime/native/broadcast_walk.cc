// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/broadcast_walk.h"

#include <algorithm>

namespace edgesmith::runtime::native {

std::optional<ir::Dims> broadcast_dims(OperandDims inputs) {
  ir::Dims out;
  for (const ir::Dims* dims : inputs) {
    if (dims->size() > out.size()) out.insert(out.begin(), dims->size() - out.size(), 1);
    for (size_t i = 0; i < dims->size(); ++i) {
      int64_t& size = out[out.size() - 1 - i];
      const int64_t own = (*dims)[dims->size() - 1 - i];
      if (size != own && size != 1 && own != 1) return std::nullopt;
      if (size == 1) size = own;
    }
  }
  return out;
}

BroadcastWalk broadcast_walk(OperandDims inputs, const ir::Dims& output) {
  BroadcastWalk walk;
  walk.total = ir::num_elements(output);
  for (size_t i = 0; i < output.size(); ++i) {
    if (output[i] == 1) continue;
    BroadcastWalk::Axis axis = {output[i], 0};
    for (size_t k = 0; k < inputs.size(); ++k) {
      const size_t missing = output.size() - inputs[k]->size();
      if (i >= missing && (*inputs[k])[i - missing] != 1) axis.moves |= uint32_t{1} << k;
    }
    if (!walk.axes.empty() && walk.axes.back().moves == axis.moves) {
      walk.axes.back().size *= axis.size;
    } else {
      walk.axes.push_back(axis);
    }
  }
  if (walk.axes.empty()) walk.axes.push_back({1, ~uint32_t{0}});
  return walk;
}

std::optional<ir::Dims> broadcast_output_dims(const ir::Node&, OperandDims inputs) { return broadcast_dims(inputs); }

Result<std::shared_ptr<const Prepared>> bind_broadcast(const ir::Node&, const Prepared*, OperandDims inputs,
                                                       const ir::Dims&, Isa) {
  const auto dims = broadcast_dims(inputs);
  if (!dims) {
    std::string text;
    for (const ir::Dims* one : inputs) text += (text.empty() ? "" : " and ") + ir::type_of(ir::DType::f32, *one).text();
    return invalid_error("operands " + text + " do not fit each other");
  }
  return std::shared_ptr<const Prepared>(std::make_shared<BroadcastWalk>(broadcast_walk(inputs, *dims)));
}

}  // namespace edgesmith::runtime::native
