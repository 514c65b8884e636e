// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/runtime/executor.h"

#include <algorithm>

#include "ops/dispatch.h"
#include "runtime/choices.h"
#include "runtime/program.h"
#include "runtime/session.h"
#include "runtime/widen_halves.h"

namespace edgesmith::runtime {

struct Executor::Impl {
  const ir::Graph* graph = nullptr;     // as it was given
  std::optional<WidenedGraph> widened;  // what the program runs, where the graph has half floats
  std::vector<const ir::Node*> nodes;   // of `graph`, by id, then
  std::vector<const ir::Value*> values;
  Program program;

  bool is_half(const ir::Value& value) const {
    return value.type().dtype == ir::DType::f16 || value.type().dtype == ir::DType::bf16;
  }
  const ir::Node* node_of(const ir::Node* node) const {
    return node == nullptr || !widened ? node : nodes[static_cast<size_t>(node->id())];
  }
};

struct Executor::Session::Impl {
  Impl(const Executor::Impl& executor, ThreadPool* pool) : executor(executor), state(executor.program, pool) {}

  /// As SessionState::run_into, with the half floats of the graph in and out.
  Status run_widened(std::span<const ir::Tensor> inputs, std::vector<ir::Tensor>& outputs, const Observer* observer,
                     const StepTimer* timer);

  const Executor::Impl& executor;
  SessionState state;
  std::vector<ir::Tensor> wide_outputs;
};

Executor::Executor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Executor::~Executor() = default;

Result<std::unique_ptr<Executor>> Executor::create(const ir::Graph& graph, const ExecutorOptions& options) {
  const Result<Isa>& isa = isa_in_use();
  if (!isa) return isa.error();
  auto impl = std::make_unique<Impl>();
  impl->graph = &graph;
  if (!options.reference) impl->widened = widen_halves(graph);
  std::vector<ir::DType> rounding;
  if (impl->widened) {
    rounding = impl->widened->rounding;
    impl->nodes.resize(static_cast<size_t>(graph.num_node_ids()));
    impl->values.resize(static_cast<size_t>(graph.num_value_ids()));
    for (const ir::Node& node : graph.nodes()) {
      impl->nodes[static_cast<size_t>(node.id())] = &node;
      for (int i = 0; i < node.num_outputs(); ++i) {
        impl->values[static_cast<size_t>(node.output(i).id())] = &node.output(i);
      }
    }
  }
  auto program = compile(impl->widened ? impl->widened->graph : graph, options, *isa, std::move(rounding));
  if (!program) return program.error();
  impl->program = std::move(*program);
  return std::unique_ptr<Executor>(new Executor(std::move(impl)));
}

const ir::Graph& Executor::graph() const { return *impl_->graph; }

std::unique_ptr<Executor::Session> Executor::make_session(ThreadPool* pool) const {
  return std::unique_ptr<Session>(new Session(std::make_unique<Session::Impl>(*impl_, pool)));
}

Executor::Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Executor::Session::~Session() = default;

Result<std::vector<ir::Tensor>> Executor::Session::run(std::span<const ir::Tensor> inputs, const Observer* observer,
                                                       const StepTimer* timer) {
  std::vector<ir::Tensor> outputs;
  EDGESMITH_TRY(run_into(inputs, outputs, observer, timer));
  return outputs;
}

Status Executor::Session::run_into(std::span<const ir::Tensor> inputs, std::vector<ir::Tensor>& outputs,
                                   const Observer* observer, const StepTimer* timer) {
  return impl_->executor.widened ? impl_->run_widened(inputs, outputs, observer, timer)
                                 : impl_->state.run_into(inputs, outputs, observer, timer);
}

Status Executor::Session::Impl::run_widened(std::span<const ir::Tensor> inputs, std::vector<ir::Tensor>& outputs,
                                            const Observer* observer, const StepTimer* timer) {
  const std::vector<ir::Value*> formal = executor.graph->inputs();
  std::vector<ir::Tensor> fed(inputs.begin(), inputs.end());
  for (size_t i = 0; i < std::min(fed.size(), formal.size()); ++i) {
    // Another dtype than the graph's is left for the check of what is fed, which says so.
    if (!executor.is_half(*formal[i])) continue;
    if (fed[i].dtype() != formal[i]->type().dtype) {
      return invalid_error("input '" + formal[i]->name() + "' is fed " + fed[i].type().text() + ", the model takes " +
                           formal[i]->type().text());
    }
    fed[i] = ops::widen_half(fed[i].dense());
  }
  const Observer show_halves = [&](const ir::Value& wide, const ir::Tensor& tensor) {
    const ir::Value& value = *executor.values[static_cast<size_t>(wide.id())];
    (*observer)(value, executor.is_half(value) ? ops::round_to_half(tensor, value.type().dtype) : tensor);
  };
  const StepTimer time = [&](const ir::Node& node, const std::string& kernel, int64_t nanoseconds) {
    (*timer)(*executor.node_of(&node), kernel, nanoseconds);
  };
  EDGESMITH_TRY(state.run_into(fed, wide_outputs, observer != nullptr ? &show_halves : nullptr,
                               timer != nullptr ? &time : nullptr));
  const ir::Node& results = executor.graph->output_node();
  outputs.resize(wide_outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const ir::Value& value = *results.input(static_cast<int>(i));
    outputs[i] = executor.is_half(value) ? ops::round_to_half(wide_outputs[i], value.type().dtype) : wide_outputs[i];
  }
  return {};
}

int64_t Executor::Session::arena_bytes() const { return impl_->state.arena_bytes(); }

std::vector<std::pair<const ir::Node*, std::string>> Executor::kernels() const {
  std::vector<std::pair<const ir::Node*, std::string>> out;
  for (const Step& step : impl_->program.steps) {
    const std::string text = step.kernel_text(impl_->program.isa);
    for (const ir::Node* node : {step.pad, step.node, step.add, step.activation}) {
      if (node != nullptr) out.emplace_back(impl_->node_of(node), text);
    }
  }
  return out;
}

std::vector<StepInfo> Executor::steps() const {
  std::vector<StepInfo> out;
  for (const Step& step : impl_->program.steps) {
    out.push_back({impl_->node_of(step.node), impl_->node_of(&step.last()), impl_->node_of(step.pad),
                   impl_->node_of(step.add), step.choice_name(), step.kernel_text(impl_->program.isa),
                   options_of(impl_->program, step)});
  }
  return out;
}

}  // namespace edgesmith::runtime
