// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/after_simplify.h"

#include "passes/prune/structured/candidates.h"
#include "passes/selectors.h"

namespace edgesmith::passes::prune {

std::string simplify_hint(const ir::Graph& graph, const Options& options, const ChannelSettings& settings,
                          const PassContext& context) {
  ir::Graph copy = graph.clone();
  const PassInfo& simplify = *find_pass("simplify");
  Options how(simplify.options());
  if (!how.set_text("verify", "never").ok()) return "";
  PassContext own = context;
  if (!run_pass(simplify, copy, how, own).ok()) return "";
  const auto selected = select_nodes(copy, read_selectors(options));
  if (!selected) return "";
  const Candidates candidates(copy, settings, context.target, *selected);
  int64_t channels = 0;
  for (size_t g = 0; g < candidates.groups.size(); ++g) {
    if (candidates.steps[g].size() > 1) channels += static_cast<int64_t>(candidates.groups[g].units.size());
  }
  if (channels == 0) return "";
  return "; of the simplified model " + std::to_string(channels) +
         " may: first 'edgesmith simplify MODEL -o SIMPLE.onnx'";
}

}  // namespace edgesmith::passes::prune
