// SPDX-License-Identifier: Apache-2.0
// A zero Pad whose only reader is a convolution is left to that: the padded copy is never written.
//
//   %p = pad %x, {0,0,1,1, 0,0,1,1}
//   %y = conv %p, %w {pads=[0,0,0,0]}     runs as     %y = conv %x, %w {pads=[1,1,1,1]}
//
// The graph stays as it is (the pass fuse-pad changes it for good); observers are still shown %p.
#include "runtime/fuse_pad.h"

#include <algorithm>

namespace edgesmith::runtime {

using ir::OpKind;

namespace {

// The tensor of a value that is known, or null.
const ir::Tensor* known_tensor(const Program& program, const ir::Value* value) {
  return value != nullptr && program.known(*value) ? &program.constants[static_cast<size_t>(value->id())] : nullptr;
}

// Whether zeros are put around it, as far as that is known now.
bool pads_with_zeros(const Program& program, const ir::Node& pad) {
  if (pad.attributes().get_string("mode", "constant") != "constant") return false;
  if (pad.input(2) == nullptr) return true;
  const ir::Tensor* value = known_tensor(program, pad.input(2));
  return value != nullptr && value->size() == 1 && value->to_floats()[0] == 0.0F;
}

// The conv that alone reads what `pad` makes, when a kernel runs it and its pads are numbers.
const ir::Node* reader_of(const Program& program, const ir::Node& pad) {
  const ir::Value& value = pad.output();
  if (value.uses().size() != 1 || value.uses()[0].index != 0) return nullptr;
  const ir::Node& reader = *value.uses()[0].node;
  const bool counted = reader.is(OpKind::conv) && reader.attributes().get_string("auto_pad", "NOTSET") == "NOTSET";
  return counted && find_kernel(reader, program.isa) != nullptr ? &reader : nullptr;
}

}  // namespace

std::optional<ir::Ints> pads_of_reader(const Program& program, const ir::Node& pad) {
  if (!pad.is(OpKind::pad) || pad.input(0)->type().rank() < 3 || !pads_with_zeros(program, pad)) return std::nullopt;
  const ir::Node* reader = reader_of(program, pad);
  const ir::Tensor* amounts = known_tensor(program, pad.input(1));
  const ir::Tensor* axes = known_tensor(program, pad.input(3));
  if (reader == nullptr || amounts == nullptr || (pad.input(3) != nullptr && axes == nullptr)) return std::nullopt;
  const int64_t rank = pad.input(0)->type().rank();
  const std::vector<int64_t> given = amounts->to_int64s();
  const size_t count = given.size() / 2, spatial = static_cast<size_t>(rank) - 2;
  if (given.size() != 2 * (axes == nullptr ? static_cast<size_t>(rank) : static_cast<size_t>(axes->size()))) {
    return std::nullopt;
  }
  ir::Ints pads = reader->attributes().get_ints("pads");
  pads.resize(2 * spatial, 0);
  for (size_t i = 0; i < count; ++i) {
    int64_t axis = axes == nullptr ? static_cast<int64_t>(i) : axes->to_int64s()[i];
    axis = axis < 0 ? axis + rank : axis;
    const int64_t begin = given[i], end = given[count + i];
    if (axis < 0 || axis >= rank || begin < 0 || end < 0) return std::nullopt;
    if (begin == 0 && end == 0) continue;
    if (axis < 2) return std::nullopt;
    pads[static_cast<size_t>(axis) - 2] += begin;
    pads[spatial + static_cast<size_t>(axis) - 2] += end;
  }
  return pads;
}

PaddedConv with_pads(const Program& program, const ir::Node& conv, const ir::Node& pad, const ir::Ints& pads) {
  auto graph = std::make_shared<ir::Graph>();
  std::vector<ir::Value*> operands;
  for (int i = 0; i < conv.num_inputs(); ++i) {
    const ir::Value* value = i == 0 ? pad.input(0) : conv.input(i);
    const ir::Tensor* known = known_tensor(program, value);
    // Constants as the graph has them: on codes, weights are their codes.
    const ir::Tensor* constant = value == nullptr || value->constant() == nullptr ? known : value->constant();
    operands.push_back(value == nullptr      ? nullptr
                       : constant != nullptr ? &graph->add_constant(*constant)
                                             : &graph->add_input("operand" + std::to_string(i), value->type()));
  }
  ir::Node& node = graph->append(OpKind::conv, operands);
  for (const auto& [name, value] : conv.attributes()) node.attributes().set(name, value);
  node.attributes().set("pads", pads);
  node.output().set_type(conv.output().type());
  return {graph, &node};
}

}  // namespace edgesmith::runtime
