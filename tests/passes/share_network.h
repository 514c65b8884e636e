// SPDX-License-Identifier: Apache-2.0
// A small network, and passes run on it through their rows of the pass table.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "pictures.h"

namespace edgesmith::passes {

using Settings = std::vector<std::pair<std::string, std::string>>;

inline ir::Graph parsed(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

inline ir::Graph network() {
  return parsed(R"(graph @net(%x: f32[N,4,8,8]) -> (scores) {
  %w1 = constant random(seed=1) : f32[20,4,3,3]
  %b1 = constant random(seed=2) : f32[20]
  %w2 = constant random(seed=3) : f32[20,1,3,3]
  %w3 = constant random(seed=4) : f32[40,20,1,1]
  %w4 = constant random(seed=5) : f32[10,40]
  %w5 = constant random(seed=7) : f32[10,30]
  %c1 = conv %x, %w1, %b1 {pads=[1,1,1,1]} : f32[N,20,8,8] @"first"
  %r1 = relu %c1 : f32[N,20,8,8]
  %c2 = conv %r1, %w2 {group=20, pads=[1,1,1,1]} : f32[N,20,8,8] @"depthwise"
  %c3 = conv %c2, %w3 : f32[N,40,8,8] @"point"
  %r2 = relu %c3 : f32[N,40,8,8]
  %g = global_average_pool %r2 : f32[N,40,1,1]
  %f = flatten %g : f32[N,40]
  %h = gemm %f, %w4 {transB=1} : f32[N,10] @"hidden"
  %y = mat_mul %h, %w5 : f32[N,30] @"classifier"
  return %y
}
)");
}

inline Result<Change> run_named(const char* name, ir::Graph& graph, const data::Dataset* calib,
                                const Settings& settings, int threads = 2, std::vector<std::string>* notes = nullptr) {
  const PassInfo& pass = *find_pass(name);
  Options options(pass.options());
  for (const auto& [option, value] : settings) {
    const Status status = options.set_text(option, value);
    if (!status.ok()) return status.error();
  }
  ThreadPool pool(threads);
  ProgressSink progress;
  const auto target = targets::load_target("ort-x86");
  EXPECT_TRUE(target.ok());
  PassContext context;
  context.calib = calib;
  context.target = &*target;
  context.original = &graph;
  context.pool = &pool;
  context.progress = &progress;
  auto change = run_pass(pass, graph, options, context);
  if (notes != nullptr) *notes = context.notes;
  return change;
}

inline Result<Change> share_weights(ir::Graph& graph, const data::Dataset* calib, const Settings& settings,
                                    int threads = 2) {
  return run_named("share", graph, calib, settings, threads);
}

inline const ir::Tensor& weight_of(const ir::Graph& graph, const std::string& name) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.name() == name) return *node.input(1)->constant();
  }
  ADD_FAILURE() << "no node " << name;
  static const ir::Tensor none;
  return none;
}

inline constexpr const char* kLayers[] = {"first", "point", "hidden", "classifier"};

}  // namespace edgesmith::passes
