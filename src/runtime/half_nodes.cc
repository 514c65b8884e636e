// SPDX-License-Identifier: Apache-2.0
#include "runtime/half_nodes.h"

#include <algorithm>

#include "edgesmith/ops/op_info.h"
#include "ops/dispatch.h"
#include "runtime/session.h"

namespace edgesmith::runtime {
namespace {

bool is_half(ir::DType dtype) { return dtype == ir::DType::f16 || dtype == ir::DType::bf16; }

ir::Tensor widened(const ir::Tensor& tensor) {
  return is_half(tensor.dtype()) ? ops::widen_half(tensor.dense()) : tensor;
}

}  // namespace

std::shared_ptr<const HalfNode> make_half_node(const Program& program, const ir::Node& node) {
  bool any = false;
  for (int i = 0; i < node.num_inputs(); ++i) any = any || (node.input(i) && is_half(node.input(i)->type().dtype));
  if (!any || node.is(ir::OpKind::opaque)) return nullptr;
  auto half = std::make_shared<HalfNode>();
  std::vector<ir::Value*> operands;
  for (int i = 0; i < node.num_inputs(); ++i) {
    const ir::Value* value = node.input(i);
    if (value == nullptr) {
      operands.push_back(nullptr);
    } else if (program.known(*value)) {
      operands.push_back(&half->graph.add_constant(widened(program.constants[static_cast<size_t>(value->id())])));
    } else {
      ir::Type type = value->type();
      if (is_half(type.dtype)) type.dtype = ir::DType::f32;
      operands.push_back(&half->graph.add_input("operand" + std::to_string(i), type));
      half->fed.push_back(static_cast<size_t>(i));
    }
  }
  ir::Node& twin = half->graph.append(node.op(), operands, node.num_outputs());
  for (const auto& [name, value] : node.attributes()) twin.attributes().set(name, value);
  for (int i = 0; i < node.num_outputs(); ++i) {
    half->results.push_back(node.output(i).type().dtype);
    half->graph.add_output("result" + std::to_string(i), twin.output(i));
  }
  if (!ops::infer_types(half->graph) || find_kernel(twin, program.isa, program.options.reassociate) == nullptr) {
    return nullptr;
  }
  for (int i = 0; i < node.num_outputs(); ++i) {
    const ir::DType wanted =
        is_half(half->results[static_cast<size_t>(i)]) ? ir::DType::f32 : node.output(i).type().dtype;
    if (twin.output(i).type().dtype != wanted) return nullptr;
  }
  auto compiled = compile(half->graph, {.reassociate = program.options.reassociate, .observed = {false}}, program.isa);
  if (!compiled) return nullptr;
  half->program = std::move(*compiled);
  return half;
}

HalfSessions::HalfSessions(ThreadPool* pool) : pool_(pool) {}
HalfSessions::~HalfSessions() = default;

Result<std::vector<ir::Tensor>> HalfSessions::run(const HalfNode& node, std::span<const ir::Tensor* const> operands) {
  auto& session = sessions_[&node];
  if (session == nullptr) session = std::make_unique<SessionState>(node.program, pool_);
  std::vector<ir::Tensor> fed;
  for (const size_t i : node.fed) fed.push_back(widened(*operands[i]));
  auto results = session->run(fed, nullptr);
  if (!results) return results;
  for (size_t i = 0; i < results->size(); ++i) {
    if (is_half(node.results[i])) (*results)[i] = ops::round_to_half((*results)[i], node.results[i]);
  }
  return results;
}

int64_t HalfSessions::arena_bytes() const {
  int64_t bytes = 0;
  for (const auto& [node, session] : sessions_) bytes += session->arena_bytes();
  return bytes;
}

}  // namespace edgesmith::runtime
