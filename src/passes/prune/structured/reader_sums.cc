// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/reader_sums.h"

#include "passes/prune/structured/observe_rows.h"

namespace edgesmith::passes::prune {

Result<ReaderSums> ReaderSums::observe(const ir::Graph& graph, const Candidates& candidates,
                                       const quantize::Stream& stream) {
  const std::vector<MixLayer>& layers = candidates.layers;
  std::vector<bool> reads(layers.size(), false);
  for (size_t g = 0; g < candidates.groups.size(); ++g) {
    for (const int reader : candidates.groups[g].readers) {
      if (candidates.steps[g].size() > 1) reads[static_cast<size_t>(reader)] = true;
    }
  }
  ReaderSums result;
  result.sums_.resize(layers.size());
  for (size_t first = 0; first < layers.size();) {
    std::vector<WantedRows> wanted;
    std::vector<size_t> index;
    int64_t bytes = 0;
    for (; first < layers.size(); ++first) {
      if (!reads[first]) continue;
      const int64_t width = inputs_of_row(layers[first]) + 1;
      bytes += width * width * 8;
      if (bytes > kMomentBytes && !wanted.empty()) break;
      wanted.emplace_back();
      wanted.back().layer = &layers[first];
      index.push_back(first);
    }
    if (wanted.empty()) break;
    EDGESMITH_TRY(observe_rows(graph, nullptr, wanted, stream));
    for (size_t w = 0; w < wanted.size(); ++w) result.sums_[index[w]] = std::move(wanted[w].sums);
  }
  return result;
}

std::vector<double> ReaderSums::moments(const MixLayer& layer, size_t index, const Linear& linear) const {
  const bool centred = linear.has_bias && !layer.node->is(ir::OpKind::conv_transpose);
  return damped_moments(sums_[index], linear, centred);
}

}  // namespace edgesmith::passes::prune
