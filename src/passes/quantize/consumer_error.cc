// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/consumer_error.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "edgesmith/ops/op_info.h"
#include "passes/quantize/node_form.h"
#include "runtime/isa.h"
#include "runtime/native/statistics.h"
#include "runtime/quantize_value.h"

namespace edgesmith::passes::quantize {
namespace {

// One operator alone in a graph, its data operands the inputs, to be run again for every candidate.
struct Probe {
  const ir::Node* node = nullptr;
  size_t set = 0;
  std::vector<const ir::Value*> operands;  // inputs of `graph`
  std::unique_ptr<ir::Graph> graph;
  std::unique_ptr<runtime::Executor> executor;
  std::vector<std::unique_ptr<runtime::Executor::Session>> sessions;  // by thread

  // What the candidates' results are held against.
  const ir::Value& result() const { return node != nullptr ? node->output() : *operands[0]; }
};

Result<Probe> make_probe(const ir::Node& node, size_t set, int num_threads) {
  Probe probe{.node = &node, .set = set, .graph = std::make_unique<ir::Graph>()};
  std::vector<ir::Value*> inputs(static_cast<size_t>(node.num_inputs()), nullptr);
  for (int i = 0; i < node.num_inputs(); ++i) {
    const ir::Value* operand = node.input(i);
    if (operand == nullptr) continue;
    if (operand->constant() != nullptr) {
      inputs[static_cast<size_t>(i)] = &probe.graph->add_constant(*operand->constant());
      continue;
    }
    const auto known = std::find(probe.operands.begin(), probe.operands.end(), operand);
    if (known != probe.operands.end()) {
      inputs[static_cast<size_t>(i)] = probe.graph->inputs()[static_cast<size_t>(known - probe.operands.begin())];
      continue;
    }
    inputs[static_cast<size_t>(i)] = &probe.graph->add_input("x" + std::to_string(i), operand->type());
    probe.operands.push_back(operand);
  }
  ir::Node& copy = probe.graph->append(node.op(), inputs, node.num_outputs());
  copy.attributes() = node.attributes();
  probe.graph->add_output("y", copy.output());
  EDGESMITH_TRY(ops::infer_types(*probe.graph));
  auto executor = runtime::Executor::create(*probe.graph, {.observed = {false}});  // no observers
  if (!executor) return executor.error();
  probe.executor = std::move(*executor);
  for (int i = 0; i < num_threads; ++i) probe.sessions.push_back(probe.executor->make_session());
  return probe;
}

runtime::native::Squares squares_of(const ir::Tensor& reference, const ir::Tensor& other) {
  const auto x = reference.data<float>(), y = other.data<float>();
  const auto squares = runtime::native::statistics_table(*runtime::isa_in_use()).squares;
  return squares(x.data(), y.data(), static_cast<int64_t>(std::min(x.size(), y.size())));
}

Result<ir::Tensor> coded(const ir::Tensor& tensor, const ir::Quant& quant) {
  return runtime::fake_quantize(quant, tensor, *runtime::isa_in_use());
}

class ConsumerErrors {
 public:
  ConsumerErrors(const ir::Graph& graph, const Plan& plan, const std::vector<std::vector<ir::Quant>>& candidates,
                 const Stream& stream)
      : graph_(graph), plan_(plan), candidates_(candidates), stream_(stream) {}

  Result<std::vector<std::vector<double>>> run() {
    EDGESMITH_TRY(prepare());
    auto runner = Runner::create(graph_, stream_.num_threads(), {.observed = kept_});
    if (!runner) return runner.error();
    // Per probe: noise of every candidate, then the signal.
    for (const Probe& probe : probes_) sums_.emplace_back(candidates_[probe.set].size() + 1, 0.0);
    slots_.assign(Stream::kSlots, sums_);
    const auto work = [&](const Stream::Batch& batch) { return measure(*runner, batch); };
    const auto fold = [&](int batches) {
      for (int slot = 0; slot < batches; ++slot) {
        for (size_t p = 0; p < sums_.size(); ++p) {
          for (size_t c = 0; c < sums_[p].size(); ++c) sums_[p][c] += slots_[static_cast<size_t>(slot)][p][c];
        }
      }
    };
    EDGESMITH_TRY(stream_.run("try calibrators", work, fold));
    std::vector<std::vector<double>> errors;
    for (const auto& quants : candidates_) errors.emplace_back(quants.size(), 0.0);
    for (size_t p = 0; p < probes_.size(); ++p) {
      const double signal = sums_[p].back();
      if (!(signal > 0)) continue;
      std::vector<double>& of_set = errors[probes_[p].set];
      for (size_t c = 0; c < of_set.size(); ++c) of_set[c] += sums_[p][c] / signal;
    }
    return errors;
  }

 private:
  Status prepare() {
    kept_.assign(static_cast<size_t>(graph_.num_value_ids()), false);
    for (size_t s = 0; s < plan_.sets.size(); ++s) {
      if (candidates_[s].size() < 2) continue;
      std::vector<const ir::Node*> readers;
      for (const ir::Value* value : plan_.sets[s].values) {
        for (const ir::Use& use : value->uses()) {
          if (plan_.of(*use.node).role == Role::integer) readers.push_back(use.node);
        }
      }
      std::sort(readers.begin(), readers.end(), [](const ir::Node* a, const ir::Node* b) { return a->id() < b->id(); });
      readers.erase(std::unique(readers.begin(), readers.end()), readers.end());
      for (const ir::Node* reader : readers) {
        auto probe = make_probe(*reader, s, stream_.num_threads());
        if (!probe) return probe.error();
        for (const ir::Value* operand : probe->operands) kept_[static_cast<size_t>(operand->id())] = true;
        kept_[static_cast<size_t>(reader->output().id())] = true;
        probes_.push_back(std::move(*probe));
      }
      if (!readers.empty()) continue;
      probes_.push_back({.node = nullptr, .set = s, .operands = {plan_.sets[s].values[0]}});
      kept_[static_cast<size_t>(plan_.sets[s].values[0]->id())] = true;
    }
    return {};
  }

  Status measure(Runner& runner, const Stream::Batch& batch) {
    std::map<int, ir::Tensor> floats;  // of this batch only
    const runtime::Observer keep = [&](const ir::Value& value, const ir::Tensor& tensor) {
      if (tensor.dtype() != ir::DType::f32) return;
      const ir::Tensor dense = tensor.dense();
      floats.emplace(value.id(), ir::Tensor::of<float>(dense.dims(), dense.data<float>()));
    };
    auto outputs = runner.run(batch, &keep);
    if (!outputs) return outputs.error();
    for (size_t p = 0; p < probes_.size(); ++p) {
      EDGESMITH_TRY(measure_probe(probes_[p], floats, batch, slots_[static_cast<size_t>(batch.slot)][p]));
    }
    return {};
  }

  Status measure_probe(Probe& probe, const std::map<int, ir::Tensor>& floats, const Stream::Batch& batch,
                       std::vector<double>& sums) {
    const ir::Tensor& reference = floats.at(probe.result().id());
    const std::vector<ir::Quant>& quants = candidates_[probe.set];
    for (size_t c = 0; c < quants.size(); ++c) {
      std::vector<ir::Tensor> feeds;
      for (const ir::Value* operand : probe.operands) {
        feeds.push_back(floats.at(operand->id()));
        if (plan_.set_index(*operand) != static_cast<int>(probe.set)) continue;
        auto codes = coded(feeds.back(), quants[c]);
        if (!codes) return codes.error();
        feeds.back() = std::move(*codes);
      }
      if (probe.node != nullptr) {
        auto results = probe.sessions[static_cast<size_t>(batch.thread)]->run(feeds);
        if (!results) return results.error();
        feeds[0] = (*results)[0].dense();
      }
      const auto squares = squares_of(reference, feeds[0]);
      sums[c] = squares.noise;
      sums.back() = squares.signal;
    }
    return {};
  }

  const ir::Graph& graph_;
  const Plan& plan_;
  const std::vector<std::vector<ir::Quant>>& candidates_;
  const Stream& stream_;
  std::vector<bool> kept_;  // by value id
  std::vector<Probe> probes_;
  std::vector<std::vector<double>> sums_;
  std::vector<std::vector<std::vector<double>>> slots_;
};

}  // namespace

Result<std::vector<std::vector<double>>> measure_consumers(const ir::Graph& graph, const Plan& plan,
                                                           const std::vector<std::vector<ir::Quant>>& candidates,
                                                           const Stream& stream) {
  return ConsumerErrors(graph, plan, candidates, stream).run();
}

}  // namespace edgesmith::passes::quantize
