// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/rank.h"

#include <algorithm>

#include "edgesmith/base/progress.h"
#include "passes/prune/structured/magnitude.h"
#include "passes/prune/structured/trials.h"
#include "passes/quantize/network_error.h"

namespace edgesmith::passes::prune {
namespace {

// The numbers of a row that go with each unit.
std::vector<std::vector<int64_t>> columns_of(const ChannelGroup& group, const ChannelSpace& space, int64_t step) {
  std::vector<std::vector<int64_t>> columns(group.units.size());
  for (size_t u = 0; u < group.units.size(); ++u) {
    for (const int channel : group.units[u]) {
      const int64_t c = channel - space.first;
      for (int64_t i = 0; c >= 0 && c < space.size && i < step; ++i) columns[u].push_back(c * step + i);
    }
  }
  return columns;
}

UnitTrace trace(const ChannelGroup& group, const Candidates& candidates, const std::string& criterion,
                const ReaderSums& sums, ThreadPool& pool) {
  std::vector<Reader> readers;
  for (const int l : group.readers) {
    const MixLayer& layer = candidates.layers[static_cast<size_t>(l)];
    Reader reader;
    reader.linear = read_linear(layer);
    reader.moments = sums.moments(layer, static_cast<size_t>(l), reader.linear);
    reader.columns =
        columns_of(group, candidates.map.spaces()[static_cast<size_t>(layer.input_space)], reader.linear.step);
    const double power = output_power(reader.linear, reader.moments, pool);
    reader.scale = power > 0 ? 1 / power : 0;
    readers.push_back(std::move(reader));
  }
  return trace_units(std::move(readers), group.units.size(), criterion, pool);
}

}  // namespace

std::vector<UnitTrace> rank_units(const Candidates& candidates, const std::string& criterion, const ReaderSums& sums,
                                  ThreadPool& pool, ProgressSink& progress) {
  std::vector<UnitTrace> traces;
  progress.begin("rank channels", static_cast<int64_t>(candidates.groups.size()));
  for (size_t g = 0; g < candidates.groups.size() && !interrupted(); ++g) {
    const ChannelGroup& group = candidates.groups[g];
    if (candidates.steps[g].size() <= 1) {
      traces.emplace_back().errors.assign(group.units.size() + 1, 0.0);
    } else if (criterion == "magnitude") {
      traces.push_back(trace_by_magnitude(group, candidates.map, candidates.layers));
    } else {
      traces.push_back(trace(group, candidates, criterion, sums, pool));
    }
    progress.update(static_cast<int64_t>(g) + 1);
  }
  progress.end();
  return traces;
}

Status scale_errors(std::vector<UnitTrace>& traces, const ir::Graph& original, const Candidates& candidates,
                    const Cutter& cutter, double lost, const PassContext& context) {
  const std::vector<int64_t> wanted = lose_share(candidates.steps, candidates.groups, lost);
  std::vector<size_t> tried;
  for (size_t g = 0; g < traces.size(); ++g) {
    if (candidates.steps[g].size() > 1) tried.push_back(g);
  }
  const quantize::Stream samples = trial_samples(original, tried.size(), context);
  quantize::OutputErrors errors(original, samples);
  for (size_t first = 0; first < tried.size(); first += kSideBySide) {
    std::vector<ir::Graph> graphs;
    std::vector<int64_t> counts;
    const size_t last = std::min(tried.size(), first + kSideBySide);
    for (size_t i = first; i < last; ++i) {
      std::vector<int64_t> removed(traces.size(), 0);
      removed[tried[i]] = counts.emplace_back(std::max(wanted[tried[i]], candidates.steps[tried[i]][1]));
      graphs.push_back(original.clone());
      EDGESMITH_TRY(cutter.cut(graphs.back(), removed));
    }
    std::vector<const ir::Graph*> pointers;
    for (const ir::Graph& graph : graphs) pointers.push_back(&graph);
    auto measured = errors.measure(pointers);
    if (!measured) return measured.error();
    for (size_t i = first; i < last; ++i) {
      UnitTrace& trace = traces[tried[i]];
      const double expected = trace.errors[static_cast<size_t>(counts[i - first])];
      if (!(expected > 0)) continue;
      for (double& error : trace.errors) error *= (*measured)[i - first] / expected;
    }
  }
  return {};
}

}  // namespace edgesmith::passes::prune
