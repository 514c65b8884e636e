// SPDX-License-Identifier: Apache-2.0
// Two graphs, one of which was made of the other:
//
//   match     which node is which                                                          match.cc
//   observe   every value of both, and each counterpart on the float model's own values   errors.cc
//   alone     the float model with one unit as in the other graph, for every unit         substitute.cc
//   causes    what the numbers say of each                                                causes.cc
//   advice    changes that were tried, and what they gave                                 advice.cc
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "edgesmith/ir/node_text.h"
#include "edgesmith/ir/structural.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/inner_cost.h"
#include "edgesmith/passes/pass.h"
#include "edgesmith/targets/target.h"
#include "passes/quantize/network_error.h"
#include "refine/diagnose/causes.h"
#include "refine/diagnose/work.h"

namespace edgesmith::refine {

using namespace diagnose;
using passes::quantize::OutputErrors;
using passes::quantize::Stream;

namespace {

// Samples whose values are looked at: sums of squares settle soon.
constexpr int64_t kObservedSamples = 128;
// Multiply-accumulates that go into running the model once for every node and sample, and the samples that result.
constexpr double kAloneMacs = 2e11;
constexpr int64_t kFewestAlone = 8, kMostAlone = 64, kAdviceSamples = 64;
// Graphs that are run side by side: each has buffers of its own.
constexpr size_t kSideBySide = 8;
constexpr double kMostDb = 200;

Result<ir::Graph> simplified(const ir::Graph& graph) {
  ir::Graph clean = graph.clone();
  passes::PassContext context;
  context.target = targets::find_target("ort-x86");  // any: nothing that simplify does depends on it
  const passes::PassInfo& simplify = *passes::find_pass("simplify");
  const auto change = passes::run_pass(simplify, clean, passes::Options(simplify.options()), context);
  if (!change) return change.error();
  return clean;
}

/// Two forms of the models that are most alike.
struct Forms {
  ir::Graph original, other;
  Match match;
  bool simplified = false;

  int unmatched() const { return match.unmatched_float + match.unmatched_other; }
};

Result<Forms> find_forms(const ir::Graph& original, const ir::Graph& other) {
  Forms best{original.clone(), other.clone(), match_graphs(original, other), false};
  if (best.unmatched() == 0) return best;
  auto clean = simplified(original);
  if (!clean) return clean.error();
  Forms half{clean->clone(), other.clone(), match_graphs(*clean, other), true};
  if (half.unmatched() < best.unmatched()) best = std::move(half);
  if (best.unmatched() == 0) return best;
  auto both = simplified(other);
  if (!both) return both.error();
  Forms full{std::move(*clean), std::move(*both), {}, true};
  full.match = match_graphs(full.original, full.other);
  if (full.unmatched() < best.unmatched()) best = std::move(full);
  return best;
}

/// How often every name occurs, of nodes and values alike: selectors look at both.
std::map<std::string, int> count_names(const ir::Graph& graph) {
  std::map<std::string, int> count;
  for (const ir::Node& node : graph.nodes()) {
    if (ir::is_structural(node)) continue;
    std::vector<std::string> names = {node.name()};
    for (int i = 0; i < node.num_outputs(); ++i) names.push_back(node.output(i).name());
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    for (const std::string& name : names) ++count[name];
  }
  return count;
}

std::string selector_of(const ir::Node& node, const std::map<std::string, int>& count) {
  for (const std::string& name : {node.name(), node.output().name()}) {
    if (!name.empty() && count.at(name) == 1) return name;
  }
  return "";
}

std::string describe_operator(const ir::Node& node) {
  if (node.is(ir::OpKind::opaque)) return node.opaque_op;
  return is_depthwise(node) ? "Conv, depthwise" : std::string(ir::onnx_name(node.op()));
}

std::string command_of(const ir::Graph& other) {
  bool shared = false, halves = false, codes = false;
  for (const ir::Node& node : other.nodes()) {
    if (passes::is_dynamic(node)) return "quantize --dynamic";
    if (!node.is(ir::OpKind::constant)) continue;
    codes = codes || node.tensor().encoding() == ir::Encoding::affine;
    shared = shared || node.tensor().as_palette() != nullptr;
    halves = halves || node.tensor().dtype() == ir::DType::f16 || node.tensor().dtype() == ir::DType::bf16;
  }
  return codes ? "quantize" : shared ? "share" : halves ? "convert" : "prune";
}

class Diagnoser {
 public:
  Diagnoser(const data::Dataset& data, const DiagnoseContext& context) : data_(data), context_(context) {}

  Result<Diagnosis> run(const ir::Graph& original, const ir::Graph& other) {
    auto forms = find_forms(original, other);
    if (!forms) return forms.error();
    EDGESMITH_TRY(check(*forms));
    auto work = std::make_shared<Work>();
    work_ = work.get();
    work_->match = std::move(forms->match);
    diagnosis_.original = std::move(forms->original);
    diagnosis_.other = std::move(forms->other);
    diagnosis_.simplified = forms->simplified;
    diagnosis_.unmatched_float = work_->match.unmatched_float;
    diagnosis_.unmatched_other = work_->match.unmatched_other;
    diagnosis_.command = command_of(diagnosis_.other);
    work_->units = find_units(diagnosis_.original, diagnosis_.other, work_->match);
    describe_units();
    EDGESMITH_TRY(observe_values());
    EDGESMITH_TRY(measure_alone());
    rank();
    for (size_t u = 0; u < diagnosis_.nodes.size(); ++u) {
      find_causes(work_->units, u, work_->facts, diagnosis_.nodes, diagnosis_.nodes[u]);
    }
    const Stream stream(data_, diagnosis_.original, *context_.pool, *context_.progress, kAdviceSamples);
    EDGESMITH_TRY(find_advice(diagnosis_, *work_, stream));
    diagnosis_.work = std::move(work);
    return std::move(diagnosis_);
  }

 private:
  static Status check(const Forms& forms) {
    if (std::none_of(forms.match.float_node.begin(), forms.match.float_node.end(), [](int id) { return id >= 0; })) {
      return invalid_error("the models have no node in common",
                           "give the float model that the other one was made from");
    }
    if (forms.original.num_outputs() != forms.other.num_outputs()) {
      return invalid_error("the models have " + std::to_string(forms.original.num_outputs()) + " and " +
                               std::to_string(forms.other.num_outputs()) + " results",
                           "give the float model that the other one was made from");
    }
    for (int i = 0; i < forms.original.num_outputs(); ++i) {
      if (forms.original.output_node().input(i)->type().dtype == ir::DType::f32) return {};
    }
    return unsupported_error("no result of the models is float32, so that errors cannot be compared",
                             "make the scores before the last operator a result");
  }

  void describe_units() {
    const std::map<std::string, int> names = count_names(diagnosis_.original);
    for (const Unit& unit : work_->units.list) {
      NodeDiagnosis node;
      node.id = unit.node().id();
      node.node = ir::name_or_label(unit.node());
      node.op = describe_operator(unit.node());
      node.value = unit.result().name();
      node.selector = selector_of(unit.node(), names);
      node.differs = unit.differs;
      diagnosis_.nodes.push_back(std::move(node));
    }
  }

  Status observe_values() {
    std::vector<size_t> own;
    for (size_t u = 0; u < work_->units.list.size(); ++u) {
      const Unit& unit = work_->units.list[u];
      if (unit.own_constants && unit.fits && unit.node().num_outputs() == 1) own.push_back(u);
    }
    std::vector<bool> chosen(at(diagnosis_.original.num_node_ids()), false);
    for (const size_t u : own) chosen[at(work_->units.list[u].node().id())] = true;
    const Twins twins = add_twins(diagnosis_.original, diagnosis_.other, work_->into_original(), chosen);
    const Stream stream(data_, diagnosis_.original, *context_.pool, *context_.progress, kObservedSamples);
    diagnosis_.samples = stream.num_samples();
    auto facts = observe(diagnosis_.original, twins, diagnosis_.other, work_->match, work_->units.quants,
                         context_.executor, stream);
    if (!facts) return facts.error();
    work_->facts = std::move(*facts);
    for (size_t u = 0; u < diagnosis_.nodes.size(); ++u) fill_errors(work_->units.list[u], diagnosis_.nodes[u]);
    return {};
  }

  void fill_errors(const Unit& unit, NodeDiagnosis& node) const {
    const auto db = [](double noise, double signal) -> std::optional<double> {
      if (!(noise > 0)) return std::nullopt;
      return signal > 0 ? std::max(-kMostDb, ratio_db(noise / signal)) : -kMostDb;
    };
    const ValueFacts& first = work_->facts.values[at(unit.node().output().id())];
    const ValueFacts& last = work_->facts.values[at(unit.result().id())];
    if (first.twinned) node.weights_db = db(first.twin_noise, first.twin_signal);
    node.rounding_db = db(last.rounding, last.signal);
    if (!last.compared) return;
    node.accumulated_db = db(last.noise, last.signal);
    if (std::isfinite(last.cosine())) node.cosine = last.cosine();
  }

  Status measure_alone() {
    work_->alone.assign(work_->units.list.size(), 0.0);
    std::vector<size_t> todo;
    double macs = 1e6;  // a node of no cost takes some time, too
    for (size_t u = 0; u < work_->units.list.size(); ++u) {
      if (work_->units.list[u].differs) todo.push_back(u);
      for (const ir::Node* node : work_->units.list[u].nodes) macs += static_cast<double>(ops::cost_of(*node).macs);
    }
    const auto affordable = static_cast<int64_t>(kAloneMacs / macs / static_cast<double>(todo.size() + 1));
    const Stream stream(data_, diagnosis_.original, *context_.pool, *context_.progress,
                        std::clamp(affordable, kFewestAlone, kMostAlone));
    diagnosis_.samples_alone = stream.num_samples();
    OutputErrors errors(diagnosis_.original, stream);
    for (size_t begin = 0; begin < todo.size(); begin += kSideBySide) {
      const size_t end = std::min(todo.size(), begin + kSideBySide);
      std::vector<ir::Graph> graphs;
      std::vector<size_t> units;
      for (size_t i = begin; i < end; ++i) {
        auto graph = alone(todo[i]);
        if (!graph) continue;
        graphs.push_back(std::move(*graph));
        units.push_back(todo[i]);
      }
      std::vector<const ir::Graph*> list;
      for (const ir::Graph& graph : graphs) list.push_back(&graph);
      if (list.empty()) continue;
      auto measured = errors.measure(list);
      if (!measured) return measured.error();
      for (size_t i = 0; i < units.size(); ++i) work_->alone[units[i]] = (*measured)[i];
    }
    auto all = errors.measure({&diagnosis_.other});
    if (!all) return all.error();
    diagnosis_.output_error = (*all)[0];
    diagnosis_.output_db = ratio_db(diagnosis_.output_error);
    return {};
  }

  /// The float model with one unit as in the other graph; nothing where its shapes do not fit (channels are gone).
  std::optional<ir::Graph> alone(size_t unit) {
    if (!work_->units.list[unit].fits) {
      diagnosis_.nodes[unit].measured = false;
      return std::nullopt;
    }
    const std::vector<bool> chosen = nodes_of(diagnosis_.original, work_->units, {unit});
    ir::Graph graph = substitute(diagnosis_.original, diagnosis_.other, work_->into_original(), chosen);
    if (ops::infer_types(graph).ok()) return graph;
    diagnosis_.nodes[unit].measured = false;
    return std::nullopt;
  }

  void rank() {
    const double sum = std::accumulate(work_->alone.begin(), work_->alone.end(), 0.0);
    std::vector<size_t> order;
    for (size_t u = 0; u < diagnosis_.nodes.size(); ++u) {
      diagnosis_.nodes[u].alone = work_->alone[u];
      diagnosis_.nodes[u].share = sum > 0 ? work_->alone[u] / sum : 0;
      if (diagnosis_.nodes[u].differs) order.push_back(u);
    }
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return work_->alone[a] > work_->alone[b]; });
    for (size_t i = 0; i < order.size(); ++i) diagnosis_.nodes[order[i]].rank = static_cast<int>(i) + 1;
    for (const size_t u : order) {
      const NodeDiagnosis& node = diagnosis_.nodes[u];
      auto known = std::find_if(diagnosis_.operators.begin(), diagnosis_.operators.end(),
                                [&](const OperatorShare& one) { return one.op == node.op; });
      if (known == diagnosis_.operators.end()) known = diagnosis_.operators.insert(known, {node.op, 0, 0});
      ++known->nodes;
      known->share += node.share;
    }
    std::stable_sort(diagnosis_.operators.begin(), diagnosis_.operators.end(),
                     [](const OperatorShare& a, const OperatorShare& b) { return a.share > b.share; });
  }

  const data::Dataset& data_;
  const DiagnoseContext& context_;
  Diagnosis diagnosis_;
  Work* work_ = nullptr;
};

}  // namespace

namespace diagnose {

double ratio_db(double noise_to_signal) {
  return noise_to_signal > 0 ? std::min(kMostDb, -10 * std::log10(noise_to_signal)) : kMostDb;
}

ir::Graph leave_float(const Diagnosis& diagnosis, const Work& work, const std::vector<size_t>& units) {
  const std::vector<bool> chosen =
      other_nodes_of(diagnosis.other, work.match, nodes_of(diagnosis.original, work.units, units));
  return substitute(diagnosis.other, diagnosis.original, work.into_other(), chosen);
}

std::string skip_flags(const Diagnosis& diagnosis, const std::vector<size_t>& units) {
  std::string flags;
  for (const size_t u : units) {
    const std::string& name = diagnosis.nodes[u].selector;
    if (name.empty()) return "";
    std::string quoted;
    for (const char c : name) quoted += c == '\'' ? "'\\''" : std::string(1, c);
    flags += (flags.empty() ? "" : " ") + ("--skip '" + quoted + "'");
  }
  return flags;
}

}  // namespace diagnose

Result<Diagnosis> diagnose_model(const ir::Graph& original, const ir::Graph& other, const data::Dataset& data,
                                 const DiagnoseContext& context) {
  auto diagnosis = Diagnoser(data, context).run(original, other);
  if (diagnosis || diagnosis.error().kind != ErrorKind::invalid || !diagnosis.error().hint.empty()) return diagnosis;
  // Nodes of the same name do not fit each other: the models have little to do with each other.
  Error error = diagnosis.error();
  error.hint = "give the float model that the other one was made from";
  return error;
}

}  // namespace edgesmith::refine
