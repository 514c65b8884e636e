// SPDX-License-Identifier: Apache-2.0
// Units of channels are taken out of random nets: the results are those of the whole net in which nothing reads them.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "edgesmith/base/random.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "golden_run.h"
#include "graph_compare.h"
#include "passes/channels/layer_weights.h"
#include "passes/channels/remove_channels.h"
#include "passes/prune/structured/groups.h"
#include "pictures.h"
#include "plant_channels.h"
#include "random_structures.h"

namespace edgesmith::testing {
namespace {

using passes::ChannelMap;
using passes::GroupedConvs;

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
void read_no_more(ir::Graph& graph, const std::vector<bool>& removed, GroupedConvs grouped) {
  const ChannelMap map(graph, grouped);
  for (ir::Node& node : graph.nodes()) {
    const ops::ChannelRelation* relation = map.relation(node);
    if (relation == nullptr || !relation->mixing) continue;
    const passes::ChannelSpace* input = map.mixed(node, *relation->mixing);
    if (input == nullptr) continue;
    passes::LayerWeights weights = passes::layer_weights(node, *relation->mixing);
    for (int64_t m = 0; m < weights.outputs; ++m) {
      const int64_t group = m * passes::mixing_groups(node) / weights.outputs;
      for (int64_t c = 0; c < weights.inputs; ++c) {
        if (removed[static_cast<size_t>(input->first + group * weights.inputs + c)])
          std::fill_n(weights.of(m, c), static_cast<size_t>(weights.taps), 0.0F);
      }
    }
    const ir::Value& operand = *node.input(relation->mixing->weight);
    graph.set_tensor(operand.node(), passes::weight_tensor(*operand.constant(), *relation->mixing, weights));
  }
}

// Attentions that have fewer heads in `pruned`.
int64_t count_fewer_heads(const ir::Graph& before, const ir::Graph& pruned) {
  const auto heads = [](const ir::Graph& graph) {
    std::vector<int64_t> out;
    for (const ir::Node& node : graph.nodes()) {
      if (node.is(ir::OpKind::softmax)) out.push_back((*node.output().type().shape)[1].value());
      if (node.is(ir::OpKind::attention)) out.push_back(node.attributes().get_int("q_num_heads", 0));
    }
    return out;
  };
  const std::vector<int64_t> whole = heads(before), left = heads(pruned);
  int64_t count = 0;
  for (size_t i = 0; i < whole.size(); ++i) count += left.at(i) < whole[i] ? 1 : 0;
  return count;
}

struct Gone {
  int64_t channels = 0, heads = 0;
};

// What went.
Gone check(const ir::Graph& before, uint64_t seed, GroupedConvs grouped = GroupedConvs::whole) {
  Random random(seed);
  ir::Graph pruned = before.clone(), whole = before.clone();
  const ChannelMap map(pruned, grouped);
  const std::vector<bool> all(static_cast<size_t>(pruned.num_node_ids()), true);
  const auto layers = passes::prune::find_layers(pruned, map);
  const std::vector<bool> removed = choose(map, passes::prune::find_groups(map, layers, all), random);
  read_no_more(whole, removed, grouped);
  const Status status = passes::remove_channels(pruned, map, removed);
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().text());
  EXPECT_EQ(pruned.output_node().input(0)->type(), before.output_node().input(0)->type());
  EXPECT_EQ(compare_by_running(whole, pruned, 1e-5), "");
  return {std::count(removed.begin(), removed.end(), true), count_fewer_heads(before, pruned)};
}

ir::Graph prune(const ir::Graph& before, const char* share, const data::Dataset* calib = nullptr, int threads = 1,
                const char* groups = "whole", const char* only = nullptr) {
  ir::Graph graph = before.clone();
  const passes::PassInfo& prune = *passes::find_pass("prune");
  passes::Options options(prune.options());
  for (const auto& [name, value] : {std::pair{"channels", share},
                                    {"repair", calib == nullptr ? "none" : "reconstruct"},
                                    {"multiple", "1"},
                                    {"groups", groups}}) {
    EXPECT_TRUE(options.set_text(name, value).ok());
  }
  if (only != nullptr) {
    EXPECT_TRUE(options.set_text("only", only).ok());
  }
  ThreadPool pool(threads);
  ProgressSink progress;
  passes::PassContext context;
  context.pool = &pool;
  context.progress = &progress;
  context.calib = calib;
  const auto change = passes::run_pass(prune, graph, options, context);
  EXPECT_TRUE(change.ok()) << (change.ok() ? "" : change.error().text());
  return graph;
}

// The pass itself at its limit: every layer keeps something, and the results have their shapes.
void take_most(const ir::Graph& before, const char* groups = "whole") {
  const ir::Graph graph = prune(before, "0.99", nullptr, 1, groups);
  for (const ir::Node& node : graph.nodes()) {
    EXPECT_FALSE(node.is(ir::OpKind::constant) && node.tensor().size() == 0);
  }
  EXPECT_EQ(graph.output_node().input(0)->type(), before.output_node().input(0)->type());
  EXPECT_EQ(compare_by_running(before, graph, 1e30), "");
}

// The first and the last unit of every group change places, one group after another: the results stay. False when a
// group refused.
bool exchange(const ir::Graph& before) {
  ir::Graph graph = before.clone();
  const std::vector<bool> all(static_cast<size_t>(graph.num_node_ids()), true);
  bool agreed = true;
  const size_t count = [&] {
    const ChannelMap map(graph);
    return passes::prune::find_groups(map, passes::prune::find_layers(graph, map), all).size();
  }();
  for (size_t g = 0; g < count; ++g) {
    const ChannelMap map(graph);
    const auto groups = passes::prune::find_groups(map, passes::prune::find_layers(graph, map), all);
    if (!groups[g].reason.empty()) continue;
    std::vector<std::vector<int64_t>> order;
    for (const passes::ChannelSpace& space : map.spaces()) {
      std::vector<int64_t>& own = order.emplace_back(static_cast<size_t>(space.size));
      for (int64_t c = 0; c < space.size; ++c) own[static_cast<size_t>(c)] = c;
      std::vector<size_t> first, last;
      for (const auto& [unit, places] :
           {std::pair{&groups[g].units.front(), &first}, {&groups[g].units.back(), &last}}) {
        for (const int channel : *unit) {
          if (channel >= space.first && channel < space.first + space.size)
            places->push_back(static_cast<size_t>(channel - space.first));
        }
      }
      for (size_t i = 0; i < first.size(); ++i) std::swap(own[first[i]], own[last[i]]);
    }
    const auto moved = passes::reorder_channels(graph, map, order);
    EXPECT_TRUE(moved.ok());
    agreed = agreed && moved.ok() && *moved;
  }
  EXPECT_EQ(compare_by_running(before, graph, 1e-5), "");
  return agreed;
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
  Gone gone;
  int agreed = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const ir::Graph graph = random_transformer(seed);
    const Gone now = check(graph, seed);
    gone.channels += now.channels;
    gone.heads += now.heads;
    take_most(graph);
    plant(graph, seed);
    agreed += exchange(graph) ? 1 : 0;
    if (HasFailure()) return;
  }
  EXPECT_GT(gone.channels, 2000);
  EXPECT_GT(gone.heads, 100);
  EXPECT_EQ(agreed, 200);
}

TEST(CoupledChannels, OfRandomGroupedNetsGoTogether) {
  Gone gone;
  int agreed = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const ir::Graph graph = random_grouped_net(seed);
    const Gone now = check(graph, seed);
    gone.channels += now.channels;
    gone.heads += now.heads;
    take_most(graph);
    plant(graph, seed);
    agreed += exchange(graph) ? 1 : 0;
    if (HasFailure()) return;
  }
  EXPECT_GT(gone.channels, 2000);
  EXPECT_EQ(agreed, 200);
}

// Channels for each group of the Conv's weight.
std::vector<int64_t> channels_of_groups(const ir::Graph& graph) {
  std::vector<int64_t> sizes;
  for (const ir::Node& node : graph.nodes()) {
    const int64_t groups = passes::mixing_groups(node);
    if (groups > 1) sizes.push_back(node.input(1)->constant()->dims()[1]);
  }
  return sizes;
}

TEST(CoupledChannels, OfEveryGroupTheSameGo) {
  int64_t gone = 0, narrower = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const ir::Graph graph = random_grouped_net(seed);
    gone += check(graph, seed, GroupedConvs::even).channels;
    take_most(graph, "even");
    const std::vector<int64_t> before = channels_of_groups(graph);
    const std::vector<int64_t> after = channels_of_groups(prune(graph, "0.5", nullptr, 1, "even"));
    for (size_t i = 0; before.size() == after.size() && i < before.size(); ++i)
      narrower += after[i] < before[i] ? 1 : 0;
    if (HasFailure()) return;
  }
  EXPECT_GT(gone, 2000);
  EXPECT_GT(narrower, 20);
}

// Channels of a group depend on each other: what goes is made up for by the rest of its group, and by no other's.
TEST(CoupledChannels, OfAGroupAreMadeUpForByTheRestOfIt) {
  auto graph = ir::parse(R"(graph @net(%x: f32[N,3,8,8]) -> (y) {
  %w1 = constant random(seed=1) : f32[24,3,1,1]
  %w2 = constant random(seed=2) : f32[12,6,3,3]
  %w3 = constant random(seed=3) : f32[5,12,1,1]
  %a = conv %x, %w1 : f32[N,24,8,8]
  %b = conv %a, %w2 {group=4, pads=[1,1,1,1]} : f32[N,12,8,8]
  %c = relu %b : f32[N,12,8,8]
  %y = conv %c, %w3 : f32[N,5,8,8]
  return %y
}
)");
  ASSERT_TRUE(graph.ok());
  ASSERT_TRUE(ops::infer_types(*graph).ok());
  const passes::Pictures calib({1, 3, 8, 8}, 64), others({1, 3, 8, 8}, 90);
  const ir::Graph one = prune(*graph, "0.5", &calib, 1, "even", "a"),
                  two = prune(*graph, "0.5", &calib, 2, "even", "a");
  passes::expect_identical(one, two);
  EXPECT_EQ(channels_of_groups(one), std::vector<int64_t>{3});
  // Six channels of a group are maps of three colours: three are enough.
  EXPECT_LT(passes::relative_error(*graph, one, others), 1e-4);
  EXPECT_GT(passes::relative_error(*graph, prune(*graph, "0.5", nullptr, 1, "even", "a"), others), 0.05);
}

TEST(CoupledChannels, OfTransformersAreMadeUpForByWhatIsLeft) {
  double plain = 0, repaired = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const ir::Graph graph = random_transformer(seed);
    const int64_t width = (*graph.inputs()[0]->type().shape)[2].value();
    const passes::Pictures calib({1, 16, width}, 64), others({1, 16, width}, 90);
    const ir::Graph one = prune(graph, "0.25", &calib), two = prune(graph, "0.25", &calib, 2);
    passes::expect_identical(one, two);
    plain += passes::output_error(graph, prune(graph, "0.25"), others);
    repaired += passes::output_error(graph, one, others);
  }
  EXPECT_LT(repaired, 0.5 * plain);
}

}  // namespace
}  // namespace edgesmith::testing
