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
    text += std::string(ir::dtype_name(operands[i]->dtype())) + ":" + std::to_string(operands[i]->rank());
    text += constant[i] ? "c " : " ";
  }
  return text;
}

std::unique_ptr<const Body> compile_body(const ir::Graph& graph, Operands operands, const std::vector<bool>& constant,
                                         const Program& around) {
  std::vector<ops::KnownInput> known;
  for (size_t i = 0; i < operands.size(); ++i) {
    const ir::Type free = {operands[i]->dtype(), ir::Shape(static_cast<size_t>(operands[i]->rank()))};
    known.push_back({constant[i] ? operands[i]->type() : free, constant[i] ? operands[i] : nullptr});
  }
  auto typed = ops::typed_body(graph, known);
  if (!typed) return nullptr;
  auto body = std::make_unique<Body>();
  body->graph = std::move(*typed);
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
    for (const ir::Tensor* operand : operands) fed.push_back(*operand);
    return session->run(fed, nullptr);
  }

 private:
  const Body* find(const ir::Graph& body, Operands operands) {
    if (operands.size() < body.inputs().size()) return nullptr;
    std::vector<bool> constant;
    for (const ir::Tensor* operand : operands) {
      if (operand == nullptr) return nullptr;
      constant.push_back(std::find(constant_.begin(), constant_.end(), operand) != constant_.end());
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
