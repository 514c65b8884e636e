// SPDX-License-Identifier: Apache-2.0
// What to do: changes of the compressed model that its causes suggest, each tried on samples. Only what helps is said.
#include <algorithm>
#include <map>

#include "edgesmith/ops/op_info.h"
#include "passes/quantize/layer_codes.h"
#include "passes/quantize/network_error.h"
#include "passes/quantize/node_form.h"
#include "refine/diagnose/work.h"

namespace edgesmith::refine::diagnose {
namespace {

using passes::quantize::quantize_weight;
using passes::quantize::weight_of;

// What a change must give to be said, and the nodes that a list of --skip has at most.
constexpr double kWorthDb = 1;
constexpr size_t kMostSkips = 4;
// A longer list of nodes must give so much more than a shorter one.
constexpr double kWorthMoreDb = 1;
// An operator is named as a whole when its nodes make this share of all errors.
constexpr double kMostOfIt = 0.3;

struct Trial {
  Advice advice;
  ir::Graph graph;
};

class Adviser {
 public:
  Adviser(const Diagnosis& diagnosis, const Work& work) : diagnosis_(diagnosis), work_(work) {}

  Status collect() {
    EDGESMITH_TRY(requantized(true));
    EDGESMITH_TRY(requantized(false));
    whole_ranges();
    operators();
    skips();
    return {};
  }

  std::vector<Trial> trials;
  size_t first_skip = 0;  ///< trials from here on are lists of nodes, each longer than the one before

 private:
  // Weights of one scale a tensor with one a channel, or of few bits with eight.
  Status requantized(bool per_channel) {
    ir::Graph graph = diagnosis_.other.clone();
    std::vector<ir::Node*> nodes(at(graph.num_node_ids()), nullptr);
    for (ir::Node& node : graph.nodes()) nodes[at(node.id())] = &node;
    int count = 0;
    for (const Unit& unit : work_.units.list) {
      const ir::Value* weight = weight_of(unit.node());
      if (weight == nullptr || unit.other == nullptr || unit.other->op() != unit.node().op()) continue;
      const int operand = ops::quant_facts(unit.node()).weight_operand;
      const ir::Tensor* coded =
          unit.other->input(operand) != nullptr ? unit.other->input(operand)->constant() : nullptr;
      if (coded == nullptr || coded->encoding() != ir::Encoding::affine) continue;
      if (coded->dims() != weight->constant()->dims() || coded->rank() < 2) continue;
      const bool wide = ir::dtype_bits(coded->quant().dtype) >= 8;
      const int64_t channels = coded->dims()[at(passes::quantize::weight_axis(unit.node()))];
      if (per_channel ? !coded->quant().per_tensor() || channels < 2 || !wide : wide) continue;
      const passes::quantize::WeightSettings plain{.compensate = false, .correct_bias = false};
      auto codes = quantize_weight(unit.node(), plain, nullptr, {});
      if (!codes) return codes.error();
      ir::Node& node = *nodes[at(unit.other->id())];
      graph.set_input(node, operand, &graph.add_constant(codes->weight, "", nullptr));
      set_bias(graph, node, unit.node(), codes->weight);
      ++count;
    }
    if (count == 0) return {};
    Advice advice;
    if (per_channel) {
      advice.leave_out = "--per-tensor";
      advice.why = "a scale for every output channel of the weights of " + std::to_string(count) + " nodes";
    } else {
      advice.flags = "--weights int8";
      advice.why = "8 bits for the weights of " + std::to_string(count) + " nodes";
    }
    trials.push_back({std::move(advice), std::move(graph)});
    return {};
  }

  // The bias made up for what the old codes did to the mean result, or for nothing; now it does for the new ones, as
  // quantize would have it.
  void set_bias(ir::Graph& graph, ir::Node& node, const ir::Node& original, const ir::Tensor& codes) const {
    const int operand = ops::quant_facts(original).bias_operand;
    if (operand < 0 || (original.input(operand) != nullptr && original.input(operand)->constant() == nullptr)) return;
    std::vector<double> shift = mean_errors(original, codes);
    const ir::Tensor* reals = original.input(operand) != nullptr ? original.input(operand)->constant() : nullptr;
    if (shift.empty() || (reals != nullptr && reals->size() != static_cast<int64_t>(shift.size()))) {
      if (reals != nullptr) graph.set_input(node, operand, &graph.add_constant(*reals, "", nullptr));
      return;
    }
    std::vector<float> bias;
    const std::vector<float> before = reals != nullptr ? reals->to_floats() : std::vector<float>(shift.size(), 0.0F);
    for (size_t c = 0; c < shift.size(); ++c) bias.push_back(static_cast<float>(before[c] + shift[c]));
    const ir::Dims dims = reals != nullptr ? reals->dims() : ir::Dims{static_cast<int64_t>(bias.size())};
    graph.set_input(node, operand, &graph.add_constant(ir::Tensor::of<float>(dims, bias), "", nullptr));
  }

  // By output channel: the mean operand times what rounding takes from the weights. Empty where means are not known.
  std::vector<double> mean_errors(const ir::Node& node, const ir::Tensor& codes) const {
    const ValueFacts& facts = work_.facts.values[at(node.input(0)->id())];
    const std::vector<float> reals = weight_of(node)->constant()->to_floats(), rounded = codes.to_floats();
    const auto inputs = facts.channel_sum.size();
    const ir::Dims& dims = codes.dims();
    const int axis = passes::quantize::weight_axis(node);
    const auto group = static_cast<size_t>(node.attributes().get_int("group", 1));
    if (inputs == 0 || (axis != 0 && axis != 1) || node.is(ir::OpKind::conv_transpose)) return {};
    const auto outputs = static_cast<size_t>(dims[at(axis)]), own = static_cast<size_t>(dims[at(1 - axis)]);
    if (own * group != inputs || outputs % group != 0) return {};
    size_t inner = 1;
    for (size_t d = 2; d < dims.size(); ++d) inner *= static_cast<size_t>(dims[d]);
    const double rows = static_cast<double>(facts.count) / static_cast<double>(inputs);
    std::vector<double> shift(outputs, 0.0);
    for (size_t i = 0; i < reals.size(); ++i) {
      const size_t row = i / inner / static_cast<size_t>(dims[1]), column = i / inner % static_cast<size_t>(dims[1]);
      const size_t output = axis == 0 ? row : column, input = axis == 0 ? column : row;
      const double mean = facts.channel_sum[output / (outputs / group) * own + input] / rows;
      shift[output] += mean * (static_cast<double>(reals[i]) - static_cast<double>(rounded[i]));
    }
    return shift;
  }

  // Codes that reach as far as the numbers do.
  void whole_ranges() {
    ir::Graph graph = diagnosis_.other.clone();
    int count = 0;
    for (ir::Node& node : graph.nodes()) {
      for (int i = 0; i < node.num_outputs(); ++i) {
        ir::Value& value = node.output(i);
        const bool counted = at(value.id()) < work_.match.float_value.size();
        const int id = counted ? work_.match.float_value[at(value.id())] : -1;
        if (id < 0 || !value.quant() || !value.quant()->per_tensor() || value.constant() != nullptr) continue;
        const ValueFacts& facts = work_.facts.values[at(id)];
        if (facts.clipped == 0) continue;
        const ir::Quant& old = *value.quant();
        const bool symmetric = old.zero_point[0] == 0 && ir::min_code(old.dtype) < 0;
        value.set_quant(passes::quantize::activation_quant({facts.min, facts.max}, {}, old.dtype, "minmax", symmetric));
        ++count;
      }
    }
    if (count == 0) return;
    trials.push_back({{.flags = "--calibrator minmax",
                       .why = "nothing is clipped any more in " + std::to_string(count) + " results"},
                      std::move(graph)});
  }

  // All nodes of an operator, where it is not one that everything is made of.
  void operators() {
    std::map<std::string, std::vector<size_t>> units;
    for (size_t u = 0; u < work_.units.list.size(); ++u) {
      const Unit& unit = work_.units.list[u];
      if (unit.differs && weight_of(unit.node()) == nullptr) {
        units[std::string(ir::onnx_name(unit.node().op()))].push_back(u);
      }
    }
    for (const auto& [op, list] : units) {
      double share = 0;
      for (const size_t u : list) share += diagnosis_.nodes[u].share;
      if (list.size() < 2 || share < kMostOfIt || op.empty()) continue;
      trials.push_back({{.flags = "--skip-op " + op, .why = "the " + std::to_string(list.size()) + " nodes stay float"},
                        leave_float(diagnosis_, work_, list)});
    }
  }

  void skips() {
    first_skip = trials.size();
    std::vector<size_t> units;
    for (const Move& move : skip_order(work_.units, work_.facts, work_.alone)) {
      if (units.size() + move.size() > kMostSkips) break;
      units.insert(units.end(), move.begin(), move.end());
      const std::string flags = skip_flags(diagnosis_, units);
      if (flags.empty()) break;
      trials.push_back(
          {{.flags = flags,
            .why = std::to_string(units.size()) + (units.size() == 1 ? " node stays" : " nodes stay") + " float"},
           leave_float(diagnosis_, work_, units)});
    }
  }

  const Diagnosis& diagnosis_;
  const Work& work_;
};

}  // namespace

Status find_advice(Diagnosis& diagnosis, const Work& work, const passes::quantize::Stream& stream) {
  Adviser adviser(diagnosis, work);
  EDGESMITH_TRY(adviser.collect());
  passes::quantize::OutputErrors errors(diagnosis.original, stream);
  std::vector<const ir::Graph*> graphs = {&diagnosis.other};
  for (Trial& trial : adviser.trials) {
    EDGESMITH_TRY(ops::infer_types(trial.graph));
    graphs.push_back(&trial.graph);
  }
  auto measured = errors.measure(graphs);
  if (!measured) return measured.error();
  const double before = ratio_db((*measured)[0]);
  const Advice* skip = nullptr;
  for (size_t t = 0; t < adviser.trials.size(); ++t) {
    Advice& advice = adviser.trials[t].advice;
    advice.before_db = before;
    advice.after_db = ratio_db((*measured)[t + 1]);
    if (advice.after_db < before + kWorthDb) continue;
    if (t < adviser.first_skip) {
      diagnosis.advice.push_back(advice);
    } else if (skip == nullptr || advice.after_db >= skip->after_db + kWorthMoreDb) {
      skip = &advice;
    }
  }
  if (skip != nullptr) diagnosis.advice.push_back(*skip);
  // What keeps every node on codes comes first, then what helps most.
  const auto leaves_float = [](const Advice& advice) { return advice.flags.rfind("--skip", 0) == 0; };
  std::stable_sort(diagnosis.advice.begin(), diagnosis.advice.end(), [&](const Advice& a, const Advice& b) {
    if (leaves_float(a) != leaves_float(b)) return leaves_float(b);
    return a.after_db > b.after_db;
  });
  return {};
}

}  // namespace edgesmith::refine::diagnose
