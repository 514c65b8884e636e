// SPDX-License-Identifier: Apache-2.0
#include "runtime/bodies.h"

#include <algorithm>

#include "edgesmith/ops/op_info.h"
#include "runtime/session.h"

namespace edgesmith::runtime {
namespace {

using Operands = std::span<const ir::Tensor* const>;

// What a body is compiled for.
std::string signature_of(Operands operands, const std::vector<bool>& constant) {
  std::string text;
  for (size_t i = 0; i < operands.size(); ++i) {
    if (operands[i] == nullptr) {
      text += "- ";
      continue;
    }
    text += std::string(ir::dtype_name(operands[i]->dtype())) + ":" + std::to_string(operands[i]->rank());
    if (constant[i]) text += "@" + std::to_string(reinterpret_cast<uintptr_t>(operands[i]->bytes().data()));
    text += " ";
  }
  return text;
}

// Takes the inputs out that stand for absent operands; false where something reads one.
bool take_out_absent(ir::Graph& graph, Operands operands) {
  const std::vector<ir::Value*> inputs = graph.inputs();
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (operands[i] != nullptr) continue;
    if (!inputs[i]->unused()) return false;
    graph.erase(inputs[i]->node());
  }
  return true;
}

// Results that are inputs, as they came or through Identity: finds which, and puts a number in their place.
void take_out_passed(ir::Graph& graph, std::vector<int>& passed) {
  const std::vector<ir::Value*> inputs = graph.inputs();
  ir::Node& results = graph.output_node();
  for (int i = 0; i < graph.num_outputs(); ++i) {
    const ir::Value* value = results.input(i);
    while (value->node().is(ir::OpKind::identity) && !value->quant()) value = value->node().input(0);
    const auto found = std::find(inputs.begin(), inputs.end(), value);
    passed.push_back(found == inputs.end() ? -1 : static_cast<int>(found - inputs.begin()));
    if (found != inputs.end()) graph.set_input(results, i, &graph.add_constant(ir::Tensor::scalar<float>(0)));
  }
}

bool same_memory(const ir::Tensor& a, const ir::Tensor& b) {
  return a.size() > 0 && a.encoding() == ir::Encoding::dense && b.encoding() == ir::Encoding::dense &&
         a.dtype() != ir::DType::string && a.dtype() == b.dtype() && a.dims() == b.dims() &&
         a.bytes().data() == b.bytes().data();
}

std::unique_ptr<const Body> compile_body(const ir::Graph& graph, Operands operands, const std::vector<bool>& constant,
                                         const Program& around) {
  std::vector<ops::KnownInput> known;
  for (size_t i = 0; i < operands.size(); ++i) {
    if (operands[i] == nullptr) {
      known.emplace_back();
      continue;
    }
    const ir::Type free = {operands[i]->dtype(), ir::Shape(static_cast<size_t>(operands[i]->rank()))};
    known.push_back({constant[i] ? operands[i]->type() : free, constant[i] ? operands[i] : nullptr});
  }
  auto typed = ops::typed_body(graph, known);
  if (!typed) return nullptr;
  auto body = std::make_unique<Body>();
  body->graph = std::move(*typed);
  if (!take_out_absent(body->graph, operands)) return nullptr;
  take_out_passed(body->graph, body->passed);
  ExecutorOptions options = around.options;
  options.choices.clear();
  options.observed.assign(1, false);  // nobody looks inside: no plan for observers
  auto program = compile(body->graph, options, around.isa);
  if (!program) return nullptr;
  body->program = std::move(*program);
  return body;
}

}  // namespace

const Body* Bodies::find(const ir::Graph& body, Operands operands, const std::vector<bool>& constant,
                         const Program& around) {
  const std::lock_guard lock(mutex_);
  const auto [place, fresh] = made_.try_emplace({&body, signature_of(operands, constant)});
  if (fresh) place->second = compile_body(body, operands, constant, around);
  return place->second.get();
}

// Runs bodies for the operators (ops/subgraphs.h).
class BodySessions::Runner : public ops::BodyRunner {
 public:
  Runner(BodySessions& sessions, Operands constant) : sessions_(sessions), constant_(constant) {}

  Status check(const ir::Graph& body, Operands operands) override {
    return find(body, operands) != nullptr ? Status() : plain_.check(body, operands);
  }

  Result<std::vector<ir::Tensor>> run(const ir::Graph& body, Operands operands) override {
    const Body* compiled = find(body, operands);
    if (compiled == nullptr) return plain_.run(body, operands);
    auto& session = sessions_.sessions_[compiled];
    if (session == nullptr) session = std::make_unique<SessionState>(compiled->program, sessions_.pool_);
    std::vector<ir::Tensor> fed;
    for (const ir::Tensor* operand : operands) {
      if (operand != nullptr) fed.push_back(*operand);
    }
    auto results = session->run(fed, nullptr);
    if (!results) return results;
    for (size_t i = 0; i < results->size(); ++i) {
      if (compiled->passed[i] >= 0) (*results)[i] = fed[static_cast<size_t>(compiled->passed[i])];
    }
    return results;
  }

 private:
  const Body* find(const ir::Graph& body, Operands operands) {
    if (operands.size() < body.inputs().size()) return nullptr;
    std::vector<bool> constant;
    for (const ir::Tensor* operand : operands) {
      constant.push_back(operand != nullptr &&
                         std::any_of(constant_.begin(), constant_.end(),
                                     [&](const ir::Tensor* held) { return same_memory(*held, *operand); }));
    }
    return sessions_.program_.bodies->find(body, operands, constant, sessions_.program_);
  }

  BodySessions& sessions_;
  Operands constant_;
  ops::PlainBodies plain_;
};

BodySessions::BodySessions(const Program& program, ThreadPool* pool) : program_(program), pool_(pool) {}
BodySessions::~BodySessions() = default;

Result<std::vector<ir::Tensor>> BodySessions::run(const ir::Node& node, Operands operands, Operands constant) {
  Runner runner(*this, constant);
  auto outputs = ops::eval_subgraphs(node, operands, runner);
  if (!outputs) return outputs.error().in(node.label());
  return complete(node, std::move(*outputs));
}

int64_t BodySessions::arena_bytes() const {
  int64_t bytes = 0;
  for (const auto& [body, session] : sessions_) bytes += session->arena_bytes();
  return bytes;
}

}  // namespace edgesmith::runtime
