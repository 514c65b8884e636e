// SPDX-License-Identifier: Apache-2.0
// The models of MLPerf Tiny as graphs, and how fast boards were published to run them.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <utility>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::mlperf_tiny {

/// The MLPerf Tiny models as their descriptions say, with codes of zeros: only shapes cost.
class TinyModel {
 public:
  explicit TinyModel(ir::Dims input) {
    value_ = &graph_.add_input("x", ir::type_of(ir::DType::f32, input));
    value_->set_quant(kQuant);
  }

  ir::Value& conv(int64_t channels, ir::Dims kernel, ir::Ints strides, ir::Ints pads, bool depthwise = false) {
    const int64_t in = (*value_->type().static_dims())[1];
    ir::Node& node =
        graph_.append(ir::OpKind::conv, {value_, &weight({channels, depthwise ? 1 : in, kernel[0], kernel[1]})});
    node.attributes().set("strides", std::move(strides));
    node.attributes().set("pads", std::move(pads));
    if (depthwise) node.attributes().set("group", in);
    return finish(node);
  }
  ir::Value& dense(int64_t features) {
    const int64_t in = value_->type().static_dims()->back();
    ir::Node& node = graph_.append(ir::OpKind::gemm, {value_, &weight({features, in})});
    node.attributes().set("transB", int64_t{1});
    return finish(node);
  }
  ir::Value& add(ir::Value& other) { return finish(graph_.append(ir::OpKind::add, {value_, &other})); }
  void pool_and_flatten() {
    finish(graph_.append(ir::OpKind::global_average_pool, {value_}));
    finish(graph_.append(ir::OpKind::flatten, {value_}));
  }
  void go_back_to(ir::Value& value) { value_ = &value; }
  ir::Value& value() { return *value_; }
  ir::Graph take() {
    graph_.add_output("y", *value_);
    EXPECT_TRUE(ops::infer_types(graph_).ok());
    return std::move(graph_);
  }

 private:
  static inline const ir::Quant kQuant{.dtype = ir::DType::i8, .scale = {1}, .zero_point = {0}};

  ir::Value& weight(ir::Dims dims) {
    return graph_.add_constant(ir::Tensor::affine(ir::Tensor::zeros(ir::DType::i8, std::move(dims)), kQuant));
  }
  ir::Value& finish(ir::Node& node) {
    EXPECT_TRUE(ops::infer_types(graph_).ok());
    node.output().set_quant(kQuant);
    return *(value_ = &node.output());
  }

  ir::Graph graph_;
  ir::Value* value_ = nullptr;
};

/// ResNet-8 for CIFAR-10.
inline ir::Graph image_classification() {
  TinyModel m({1, 3, 32, 32});
  m.conv(16, {3, 3}, {1, 1}, {1, 1, 1, 1});
  for (const int64_t channels : {16, 32, 64}) {
    ir::Value& input = m.value();
    const int64_t stride = channels == 16 ? 1 : 2;
    const ir::Ints pads = stride == 1 ? ir::Ints{1, 1, 1, 1} : ir::Ints{0, 0, 1, 1};
    m.conv(channels, {3, 3}, {stride, stride}, pads);
    ir::Value& main = m.conv(channels, {3, 3}, {1, 1}, {1, 1, 1, 1});
    m.go_back_to(input);
    if (stride == 2) m.conv(channels, {1, 1}, {2, 2}, {0, 0, 0, 0});
    m.add(main);
  }
  m.pool_and_flatten();
  m.dense(10);
  return m.take();
}

/// MobileNetV1 0.25, 96 x 96.
inline ir::Graph visual_wake_words() {
  TinyModel m({1, 3, 96, 96});
  m.conv(8, {3, 3}, {2, 2}, {0, 0, 1, 1});
  const std::pair<int64_t, int64_t> blocks[] = {{16, 1},  {32, 2},  {32, 1},  {64, 2},  {64, 1},  {128, 2}, {128, 1},
                                                {128, 1}, {128, 1}, {128, 1}, {128, 1}, {256, 2}, {256, 1}};
  for (const auto& [channels, stride] : blocks) {
    const ir::Ints pads = stride == 1 ? ir::Ints{1, 1, 1, 1} : ir::Ints{0, 0, 1, 1};
    m.conv((*m.value().type().static_dims())[1], {3, 3}, {stride, stride}, pads, true);
    m.conv(channels, {1, 1}, {1, 1}, {0, 0, 0, 0});
  }
  m.pool_and_flatten();
  m.dense(2);
  return m.take();
}

/// DS-CNN, 49 x 10.
inline ir::Graph keyword_spotting() {
  TinyModel m({1, 1, 49, 10});
  m.conv(64, {10, 4}, {2, 2}, {4, 1, 5, 1});
  for (int i = 0; i < 4; ++i) {
    m.conv(64, {3, 3}, {1, 1}, {1, 1, 1, 1}, true);
    m.conv(64, {1, 1}, {1, 1}, {0, 0, 0, 0});
  }
  m.pool_and_flatten();
  m.dense(12);
  return m.take();
}

/// Fully connected auto-encoder.
inline ir::Graph anomaly_detection() {
  TinyModel m({1, 640});
  for (const int64_t features : {128, 128, 128, 128, 8, 128, 128, 128, 128, 640}) m.dense(features);
  return m.take();
}

struct Model {
  const char* name;
  ir::Graph graph;
  int64_t macs;
};
inline std::vector<Model> models() {
  std::vector<Model> models;
  models.push_back({"ResNet-8", image_classification(), 12501632});
  models.push_back({"MobileNetV1 0.25", visual_wake_words(), 7489664});
  models.push_back({"DS-CNN", keyword_spotting(), 2656768});
  models.push_back({"auto-encoder", anomaly_detection(), 264192});
  return models;
}

/// Inferences a second of the models in the results v1.1 to v1.3 (closed division), best of the board.
struct Board {
  const char* target;
  std::array<double, 4> rates;
};
inline constexpr Board kBoards[] = {{"cmsis-nn-l4r5", {6.06, 11.25, 23.16, 246.8}},
                                    {"cmsis-nn-u575", {9.59, 16.87, 34.49, 323.5}},
                                    {"cmsis-nn-h7a3", {24.48, 42.01, 88.36, 923}},
                                    {"cmsis-nn-ra8d1", {117.9, 74.7, 288.6, 1884}}};

}  // namespace edgesmith::mlperf_tiny
