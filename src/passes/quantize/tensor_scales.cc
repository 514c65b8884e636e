// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/tensor_scales.h"

#include <algorithm>
#include <cmath>

#include "passes/quantize/network_error.h"
#include "passes/quantize/node_form.h"

namespace edgesmith::passes::quantize {
namespace {

/// Half the error or more could be saved, in outputs that are not near the float ones: at 25 dB CNNs still give nearly
/// every answer.
constexpr double kMuchDb = 3, kWeakDb = 25;

/// Largest magnitude in each channel.
std::vector<double> channel_ranges(const ir::Node& node) {
  const ir::Tensor& weight = *weight_of(node)->constant();
  const ir::Dims& dims = weight.dims();
  const auto axis = static_cast<size_t>(weight_axis(node));
  int64_t inner = 1;
  for (size_t d = axis + 1; d < dims.size(); ++d) inner *= dims[d];
  std::vector<double> ranges(static_cast<size_t>(dims[axis]), 0);
  const std::vector<float> numbers = weight.to_floats();
  for (size_t i = 0; i < numbers.size(); ++i) {
    double& range = ranges[static_cast<size_t>(static_cast<int64_t>(i) / inner % dims[axis])];
    range = std::max(range, std::fabs(static_cast<double>(numbers[i])));
  }
  return ranges;
}

StretchedLayer describe(const LayerGroup& layer, const WeightCodes& by_channel) {
  const ir::Node& node = *layer.nodes[0];
  std::vector<double> ranges = channel_ranges(node);
  const auto largest = std::max_element(ranges.begin(), ranges.end());
  StretchedLayer result{.node = node.name().empty() ? node.output().name() : node.name(),
                        .channel = largest - ranges.begin(),
                        .largest = *largest,
                        .tensor_db = layer.plain.sqnr_db,
                        .channels_db = by_channel.sqnr_db};
  const auto middle = ranges.begin() + static_cast<std::ptrdiff_t>(ranges.size() / 2);
  std::nth_element(ranges.begin(), middle, ranges.end());
  result.median = *middle;
  return result;
}

}  // namespace

Result<std::optional<TensorScaleCost>> measure_tensor_scales(const ir::Graph& graph, const Plan& plan,
                                                             const Assignment& assignment,
                                                             const std::vector<LayerGroup>& layers,
                                                             const std::vector<WeightCodes>& by_channel,
                                                             const Stream& samples, const ReferenceOutputs& reference) {
  if (layers.empty()) return std::optional<TensorScaleCost>();
  Assignment other = assignment;
  for (size_t l = 0; l < layers.size(); ++l) {
    for (const ir::Node* node : layers[l].nodes) other.layers[node->id()] = &by_channel[l];
  }
  ir::Graph with_tensors = graph.clone(), with_channels = graph.clone();
  apply(assignment, plan, with_tensors);
  apply(other, plan, with_channels);
  const auto errors = OutputErrors(graph, samples, &reference).measure({&with_tensors, &with_channels});
  if (!errors) return errors.error();
  TensorScaleCost cost{.tensor_db = decibels((*errors)[0]), .channels_db = decibels((*errors)[1])};
  if (!(cost.tensor_db < kWeakDb && cost.channels_db - cost.tensor_db >= kMuchDb)) {
    return std::optional<TensorScaleCost>();
  }
  double furthest = -1;
  for (size_t l = 0; l < layers.size(); ++l) {
    StretchedLayer layer = describe(layers[l], by_channel[l]);
    const double apart = layer.largest / std::max(layer.median, 1e-6 * layer.largest);
    if (layer.largest == 0 || apart <= furthest) continue;
    furthest = apart;
    cost.worst = std::move(layer);
  }
  return std::optional(cost);
}

}  // namespace edgesmith::passes::quantize
