// SPDX-License-Identifier: Apache-2.0
// Units of channels are taken out of random nets: the results are those of the whole net in which nothing reads them.
#include <gtest/gtest.h>

#include "edgesmith/base/random.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "golden_run.h"
#include "passes/channels/layer_weights.h"
#include "passes/channels/remove_channels.h"
#include "passes/prune/structured/groups.h"
#include "plant_channels.h"
#include "random_structures.h"

namespace edgesmith::testing {
namespace {

using passes::ChannelMap;

// Some units of every group that may lose some; by channel id.
std::vector<bool> choose(const ChannelMap& map, const std::vector<passes::prune::ChannelGroup>& groups,
                         Random& random) {
  std::vector<bool> removed(static_cast<size_t>(map.num_channels()), false);
  for (const passes::prune::ChannelGroup& group : groups) {
    if (!group.reason.empty()) continue;
    const size_t stays = random.below(group.units.size());
    for (size_t unit = 0; unit < group.units.size(); ++unit) {
      for (const int channel : group.units[unit])
        removed[static_cast<size_t>(channel)] = unit != stays && (unit + stays) % 2 == 1;
    }
  }
  return removed;
}

// Weights of layers for these channels become zero.
void read_no_more(ir::Graph& graph, const std::vector<bool>& removed) {
  const ChannelMap map(graph);
  for (ir::Node& node : graph.nodes()) {
    const ops::ChannelRelation* relation = map.relation(node);
    if (relation == nullptr || !relation->mixing) continue;
    const passes::ChannelSpace* input = map.mixed(node, *relation->mixing);
    if (input == nullptr) continue;
    passes::LayerWeights weights = passes::layer_weights(node, *relation->mixing);
    for (int64_t m = 0; m < weights.outputs; ++m) {
      for (int64_t c = 0; c < weights.inputs; ++c) {
        if (removed[static_cast<size_t>(input->first + c)])
          std::fill_n(weights.of(m, c), static_cast<size_t>(weights.taps), 0.0F);
      }
    }
    const ir::Value& operand = *node.input(relation->mixing->weight);
    graph.set_tensor(operand.node(), passes::weight_tensor(*operand.constant(), *relation->mixing, weights));
  }
}

// Returns how many channels went.
int64_t check(const ir::Graph& before, uint64_t seed) {
  Random random(seed);
  ir::Graph pruned = before.clone(), whole = before.clone();
  const ChannelMap map(pruned);
  const std::vector<bool> all(static_cast<size_t>(pruned.num_node_ids()), true);
  const auto layers = passes::prune::find_layers(pruned, map);
  const std::vector<bool> removed = choose(map, passes::prune::find_groups(map, layers, all), random);
  read_no_more(whole, removed);
  const Status status = passes::remove_channels(pruned, map, removed);
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().text());
  EXPECT_EQ(pruned.output_node().input(0)->type(), before.output_node().input(0)->type());
  EXPECT_EQ(compare_by_running(whole, pruned, 1e-5), "");
  return std::count(removed.begin(), removed.end(), true);
}

// The pass itself at its limit: every layer keeps something, and the results have their shapes.
void take_most(const ir::Graph& before) {
  ir::Graph graph = before.clone();
  const passes::PassInfo& prune = *passes::find_pass("prune");
  passes::Options options(prune.options());
  for (const auto& [name, value] : {std::pair{"channels", "0.99"}, {"repair", "none"}, {"multiple", "1"}}) {
    EXPECT_TRUE(options.set_text(name, value).ok());
  }
  ThreadPool pool(1);
  ProgressSink progress;
  passes::PassContext context;
  context.pool = &pool;
  context.progress = &progress;
  const auto change = passes::run_pass(prune, graph, options, context);
  ASSERT_TRUE(change.ok()) << change.error().text();
  for (const ir::Node& node : graph.nodes()) {
    EXPECT_FALSE(node.is(ir::OpKind::constant) && node.tensor().size() == 0);
  }
  EXPECT_EQ(graph.output_node().input(0)->type(), before.output_node().input(0)->type());
  EXPECT_EQ(compare_by_running(before, graph, 1e30), "");
}

// Dead channels planted beside them come out again, and nothing else.
void plant(const ir::Graph& before, uint64_t seed) {
  Random random(seed);
  const auto clean = [](ir::Graph& graph) {
    passes::PassContext context;
    const passes::PassInfo& pass = *passes::find_pass("eliminate-dead-channels");
    EXPECT_TRUE(passes::run_pass(pass, graph, passes::Options(pass.options()), context).ok());
  };
  ir::Graph graph = before.clone();
  clean(graph);
  EXPECT_EQ(compare_by_running(before, graph, 1e-5), "");
  const int64_t parameters = count_parameters(graph);
  plant_channels(graph, random);
  clean(graph);
  EXPECT_EQ(count_parameters(graph), parameters);
  EXPECT_EQ(compare_by_running(before, graph, 1e-5), "");
}

TEST(CoupledChannels, OfRandomTransformersGoTogether) {
  int64_t gone = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const ir::Graph graph = random_transformer(seed);
    gone += check(graph, seed);
    take_most(graph);
    plant(graph, seed);
    if (HasFailure()) return;
  }
  EXPECT_GT(gone, 2000);
}

TEST(CoupledChannels, OfRandomGroupedNetsGoTogether) {
  int64_t gone = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const ir::Graph graph = random_grouped_net(seed);
    gone += check(graph, seed);
    take_most(graph);
    plant(graph, seed);
    if (HasFailure()) return;
  }
  EXPECT_GT(gone, 2000);
}

}  // namespace
}  // namespace edgesmith::testing
