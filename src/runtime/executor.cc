// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/runtime/executor.h"

#include "runtime/choices.h"
#include "runtime/program.h"
#include "runtime/session.h"

namespace edgesmith::runtime {

struct Executor::Impl {
  Program program;
};

struct Executor::Session::Impl {
  Impl(const Program& program, ThreadPool* pool) : state(program, pool) {}
  SessionState state;
};

Executor::Executor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Executor::~Executor() = default;

Result<std::unique_ptr<Executor>> Executor::create(const ir::Graph& graph, const ExecutorOptions& options) {
  const Result<Isa>& isa = isa_in_use();
  if (!isa) return isa.error();
  auto program = compile(graph, options, *isa);
  if (!program) return program.error();
  auto impl = std::make_unique<Impl>();
  impl->program = std::move(*program);
  return std::unique_ptr<Executor>(new Executor(std::move(impl)));
}

const ir::Graph& Executor::graph() const { return *impl_->program.graph; }

std::unique_ptr<Executor::Session> Executor::make_session(ThreadPool* pool) const {
  return std::unique_ptr<Session>(new Session(std::make_unique<Session::Impl>(impl_->program, pool)));
}

Executor::Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Executor::Session::~Session() = default;

Result<std::vector<ir::Tensor>> Executor::Session::run(std::span<const ir::Tensor> inputs, const Observer* observer,
                                                       const StepTimer* timer) {
  return impl_->state.run(inputs, observer, timer);
}

Status Executor::Session::run_into(std::span<const ir::Tensor> inputs, std::vector<ir::Tensor>& outputs,
                                   const Observer* observer, const StepTimer* timer) {
  return impl_->state.run_into(inputs, outputs, observer, timer);
}

int64_t Executor::Session::arena_bytes() const { return impl_->state.arena_bytes(); }

std::vector<std::pair<const ir::Node*, std::string>> Executor::kernels() const {
  std::vector<std::pair<const ir::Node*, std::string>> out;
  for (const Step& step : impl_->program.steps) {
    const std::string text = step.kernel_text(impl_->program.isa);
    if (step.pad != nullptr) out.emplace_back(step.pad, text);
    out.emplace_back(step.node, text);
    if (step.add != nullptr) out.emplace_back(step.add, text);
    if (step.activation != nullptr) out.emplace_back(step.activation, text);
  }
  return out;
}

std::vector<StepInfo> Executor::steps() const {
  std::vector<StepInfo> out;
  for (const Step& step : impl_->program.steps) {
    out.push_back({step.node, &step.last(), step.pad, step.add, step.choice_name(),
                   step.kernel_text(impl_->program.isa), options_of(impl_->program, step)});
  }
  return out;
}

}  // namespace edgesmith::runtime
