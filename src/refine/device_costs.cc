// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/refine/device_costs.h"

#include <algorithm>
#include <map>

#include "edgesmith/data/seeded_inputs.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::refine {
namespace {

using passes::Costs;
using passes::NodeCosts;

// Sides of pictures of 16 channels whose conversion is timed, and the runs of each.
constexpr int64_t kSmallSide = 4, kLargeSide = 64, kChannels = 16;
constexpr int64_t kConversionRuns = 200;

bool is_conversion(const NodeTime& time) {
  return time.kernel == "quantize" || time.kernel == "dequantize" || time.kernel == "change layout";
}

bool is_quantized(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (node.output(i).quant() && node.output(i).constant() == nullptr) return true;
    }
  }
  return false;
}

/// The fastest whole run: on a busy machine, medians of runs that are longer than a slice of time are those of waiting.
double whole_us(const BenchResult& result) { return result.latency.min; }

/// By what the times of kernels are multiplied, so that they add up to the whole run at most: reading the clock between
/// them takes time too.
double kernel_scale(const BenchResult& result) {
  double sum = 0;
  for (const NodeTime& time : result.nodes) sum += time.median_us.value_or(0);
  return sum > whole_us(result) ? whole_us(result) / sum : 1;
}

/// The key of the node whose kernel does the one of row `i` too: a Pad stands before it, an activation after it.
std::string host_of(const BenchResult& result, const std::vector<std::string>& keys, size_t i) {
  const auto timed_alike = [&](size_t j) {
    return result.nodes[j].median_us && result.nodes[j].kernel == result.nodes[i].kernel;
  };
  const bool leads = result.nodes[i].node->is(ir::OpKind::pad);
  const size_t j = leads ? i + 1 : i - 1;
  return j < result.nodes.size() && timed_alike(j) ? keys[static_cast<size_t>(result.nodes[j].node->id())] : "";
}

std::map<std::string, passes::NodeTime> times_by_key(const ir::Graph& graph, const BenchResult& result) {
  const std::vector<std::string> keys = passes::node_keys(graph);
  const double scale = kernel_scale(result);
  std::map<std::string, passes::NodeTime> times;
  for (size_t i = 0; i < result.nodes.size(); ++i) {
    const NodeTime& row = result.nodes[i];
    if (is_conversion(row)) continue;
    passes::NodeTime time;
    if (row.median_us) time.us = *row.median_us * scale;
    if (!row.median_us) time.inside = host_of(result, keys, i);
    times[keys[static_cast<size_t>(row.node->id())]] = time;
  }
  return times;
}

/// Microseconds of one QuantizeLinear and one DequantizeLinear of kChannels pictures of side `side`.
Result<std::pair<double, double>> time_conversions(int64_t side, const runtime::ExecutorOptions& executor) {
  const std::string type =
      "f32[1," + std::to_string(kChannels) + "," + std::to_string(side) + "," + std::to_string(side) + "]";
  const std::string codes = " : " + type + " q(u8, scale=0.01, zp=128)\n";
  auto graph =
      ir::parse("graph @conversions(%x: " + type + ") -> (y) {\n  %q = identity %x" + codes +
                "  %p = max_pool %q {kernel_shape=[1, 1]}" + codes + "  %y = sqrt %p : " + type + "\n  return %y\n}\n");
  if (!graph) return graph.error();
  EDGESMITH_TRY(ops::infer_types(*graph));
  const auto inputs = data::seeded_inputs(*graph, {.memory_limit = executor.memory_limit});
  if (!inputs) return inputs.error();
  BenchOptions options{.runs = kConversionRuns, .per_node = true, .executor = executor};
  const std::vector<BenchModel> models = {{&*graph, {*inputs}}};
  const auto report = bench(models, options);
  if (!report) return report.error();
  double quantize = 0, dequantize = 0;
  for (const NodeTime& time : report->results[0].nodes) {
    const double us = time.median_us.value_or(0) * kernel_scale(report->results[0]);
    if (time.kernel == "dequantize") {
      dequantize += us;
    } else if (time.kernel == "quantize" || time.kernel == "change layout") {
      quantize += us;
    }
  }
  return std::pair(quantize, dequantize);
}

passes::ConversionTime line_through(double small_us, double large_us) {
  const auto small = static_cast<double>(kChannels * kSmallSide * kSmallSide);
  const auto large = static_cast<double>(kChannels * kLargeSide * kLargeSide);
  passes::ConversionTime time;
  time.us_per_element = std::max(0.0, (large_us - small_us) / (large - small));
  time.us = std::max(0.0, small_us - time.us_per_element * small);
  return time;
}

}  // namespace

Status check_cost_models(const ir::Graph& float_graph, const ir::Graph& int8_graph) {
  if (!is_quantized(float_graph) && is_quantized(int8_graph)) return {};
  return usage_error("costs need a float model first and its quantized form second",
                     "give the two files in this order");
}

Result<Costs> device_costs(const ir::Graph& float_graph, const BenchResult& float_result, const ir::Graph& int8_graph,
                           const BenchResult& int8_result, const runtime::ExecutorOptions& executor) {
  Costs costs;
  costs.float32.us = whole_us(float_result);
  costs.int8.us = whole_us(int8_result);
  const auto float_times = times_by_key(float_graph, float_result), int8_times = times_by_key(int8_graph, int8_result);
  const auto add = [&](const ir::Graph& graph, bool only_new) {
    const std::vector<std::string> keys = passes::node_keys(graph);
    for (const ir::Node& node : graph.nodes()) {
      const std::string& key = keys[static_cast<size_t>(node.id())];
      const auto in_float = float_times.find(key), in_int8 = int8_times.find(key);
      const bool known = in_float != float_times.end();
      if ((!known && in_int8 == int8_times.end()) || (only_new && known)) continue;
      NodeCosts row{key, std::string(ir::onnx_name(node.op())), {}, {}};
      if (known) row.float32 = in_float->second;
      if (in_int8 != int8_times.end()) row.int8 = in_int8->second;
      costs.nodes.push_back(std::move(row));
    }
  };
  add(float_graph, false);
  add(int8_graph, true);
  const auto small = time_conversions(kSmallSide, executor);
  if (!small) return small.error();
  const auto large = time_conversions(kLargeSide, executor);
  if (!large) return large.error();
  costs.quantize = line_through(small->first, large->first);
  costs.dequantize = line_through(small->second, large->second);
  return costs;
}

}  // namespace edgesmith::refine
