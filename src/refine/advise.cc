// SPDX-License-Identifier: Apache-2.0
#include "refine/advise.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>

namespace edgesmith::refine {
namespace {

/// A layer below the first that loses at least the second is worth an experiment; both by experience with CNNs, where
/// 25 dB still give nearly every answer.
constexpr double kWeakDb = 25, kMuchDb = 1;
/// Codes that hold the values as they are (pixels) have no error to lose more than; their ratio is a stand-in.
constexpr double kExactDb = 150;

using SqnrByName = std::map<std::string, double>;

/// The lowest SQNR among the nearest described values upstream of `value`.
class Upstream {
 public:
  Upstream(const ir::Graph& graph, const SqnrByName& sqnr)
      : sqnr_(sqnr), seen_(static_cast<size_t>(graph.num_value_ids()), false) {}

  std::optional<double> weakest_input(const ir::Value& value) {
    std::fill(seen_.begin(), seen_.end(), false);
    weakest_.reset();
    walk_inputs(value.node());
    return weakest_;
  }

 private:
  void walk_inputs(const ir::Node& first) {
    std::vector<const ir::Node*> todo = {&first};
    while (!todo.empty()) {
      const ir::Node* node = todo.back();
      todo.pop_back();
      for (int i = 0; i < node->num_inputs(); ++i) {
        const ir::Value* input = node->input(i);
        if (input == nullptr || seen_[static_cast<size_t>(input->id())]) continue;
        seen_[static_cast<size_t>(input->id())] = true;
        const auto known = sqnr_.find(input->name());
        if (known == sqnr_.end()) {
          todo.push_back(&input->node());
        } else {
          weakest_ = std::min(weakest_.value_or(known->second), known->second);
        }
      }
    }
  }

  const SqnrByName& sqnr_;
  std::vector<bool> seen_;
  std::optional<double> weakest_;
};

std::string decibels(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f dB", value);
  return text;
}

}  // namespace

void add_losses(const ir::Graph& graph, std::vector<passes::LayerRecord>& layers) {
  SqnrByName sqnr;
  for (const passes::LayerRecord& layer : layers) {
    const auto number = layer.numbers.find("sqnr_db");
    if (number != layer.numbers.end() && !layer.value.empty()) sqnr[layer.value] = number->second;
  }
  std::map<std::string, const ir::Value*> values;
  for (const ir::Node& node : graph.nodes()) {
    for (int o = 0; o < node.num_outputs(); ++o) values[node.output(o).name()] = &node.output(o);
  }
  Upstream upstream(graph, sqnr);
  for (passes::LayerRecord& layer : layers) {
    const auto own = layer.numbers.find("sqnr_db");
    const auto value = values.find(layer.value);
    if (own == layer.numbers.end() || layer.value.empty() || value == values.end()) continue;
    const auto input = upstream.weakest_input(*value->second);
    if (!input) continue;
    const double lost = *input - own->second;
    const bool from_exact = *input > kExactDb;
    if (!from_exact) layer.numbers["lost_db"] = lost;
    if (own->second >= kWeakDb || lost < kMuchDb || !layer.advice.empty() || layer.node.empty()) continue;
    layer.reason += (layer.reason.empty() ? "" : "; ") +
                    (from_exact ? "what it reads is exact" : "loses " + decibels(lost) + " against what it reads");
    layer.advice = "--skip '" + layer.node + "' keeps it float";
  }
}

}  // namespace edgesmith::refine
