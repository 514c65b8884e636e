// SPDX-License-Identifier: Apache-2.0
// Channel relations against the operators themselves: changing one slice of an operand changes the slices of the result
// that the relation names, and no others.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "edgesmith/base/random.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {
namespace {

ir::Tensor noise(const ir::Dims& dims, Random& random) {
  std::vector<float> numbers(static_cast<size_t>(ir::num_elements(dims)));
  for (float& x : numbers) x = static_cast<float>(random.uniform() + 0.5);
  return ir::Tensor::of<float>(dims, numbers);
}

int64_t size_along(const ir::Tensor& tensor, int axis) { return tensor.dims()[static_cast<size_t>(axis)]; }

// Which slice along `axis` each element is in.
std::vector<int64_t> slice_of_elements(const ir::Dims& dims, int axis) {
  int64_t inner = 1;
  for (size_t d = static_cast<size_t>(axis) + 1; d < dims.size(); ++d) inner *= dims[d];
  std::vector<int64_t> slices;
  for (int64_t i = 0; i < ir::num_elements(dims); ++i) slices.push_back(i / inner % dims[static_cast<size_t>(axis)]);
  return slices;
}

class Channels : public testing::Test {
 protected:
  // The graph's last node before the output is the operator.
  void load(const std::string& inputs, const std::string& body) {
    auto graph = ir::parse("graph @g(" + inputs + ") -> (y) {\n" + body + "\n  return %y\n}");
    ASSERT_TRUE(graph.ok()) << graph.error().text();
    graph_ = std::move(*graph);
    ASSERT_TRUE(infer_types(graph_).ok());
    node_ = &graph_.output_node().input(0)->node();
    operands_.clear();
    Random random(1);
    for (int i = 0; i < node_->num_inputs(); ++i) {
      const ir::Value* value = node_->input(i);
      operands_.push_back(value == nullptr               ? ir::Tensor()
                          : value->constant() != nullptr ? value->constant()->dense()
                                                         : noise(*value->type().static_dims(), random));
    }
  }

  ir::Tensor run(int output = 0) const {
    std::vector<const ir::Tensor*> inputs;
    for (const ir::Tensor& operand : operands_) inputs.push_back(operand.valid() ? &operand : nullptr);
    auto outputs = eval_node(*node_, inputs);
    EXPECT_TRUE(outputs.ok()) << (outputs.ok() ? "" : outputs.error().text());
    return outputs.ok() ? outputs->at(static_cast<size_t>(output)) : ir::Tensor();
  }

  // Slices of a result along `axis` that change when some slices of an operand are moved up.
  std::vector<bool> changed(int axis, const SliceLink& link, const std::vector<int64_t>& moved) {
    ir::Tensor& operand = operands_[static_cast<size_t>(link.operand)];
    const ir::Tensor before = run(link.output), kept = operand;
    std::vector<float> numbers = kept.to_floats();
    const std::vector<int64_t> slices = slice_of_elements(kept.dims(), link.axis);
    Random random(2);  // not all by the same: norms would not see that
    for (size_t i = 0; i < numbers.size(); ++i) {
      const bool moves = std::find(moved.begin(), moved.end(), slices[i]) != moved.end();
      numbers[i] += moves ? 1.0F + static_cast<float>(random.uniform()) : 0.0F;
    }
    operand = ir::Tensor::of<float>(kept.dims(), numbers);
    const ir::Tensor after = run(link.output);
    operand = kept;
    std::vector<bool> out(static_cast<size_t>(size_along(before, axis)), false);
    const std::vector<int64_t> of_result = slice_of_elements(before.dims(), axis);
    const std::vector<float> a = before.to_floats(), b = after.to_floats();
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i] != b[i]) out[static_cast<size_t>(of_result[i])] = true;
    }
    return out;
  }

  void check_link(int axis, SliceLink link) {
    const int64_t size = size_along(operands_[static_cast<size_t>(link.operand)], link.axis);
    if (link.count == 0) link.count = size;
    std::vector<bool> read(static_cast<size_t>(size), false);
    for (int64_t unit = 0; unit < link.count; ++unit) {
      const std::vector<int64_t> from = link.from.of(unit, link.count), to = link.to.of(unit, link.count);
      const std::vector<bool> actual = changed(axis, link, from);
      for (size_t m = 0; m < actual.size(); ++m) {
        const bool named = std::find(to.begin(), to.end(), static_cast<int64_t>(m)) != to.end();
        EXPECT_EQ(actual[m], named) << "operand " << link.operand << ", unit " << unit << ", result " << m;
      }
      for (const int64_t s : from) read.at(static_cast<size_t>(s)) = true;
    }
    for (int64_t s = 0; s < size; ++s) {
      if (read[static_cast<size_t>(s)]) continue;
      for (const bool any : changed(axis, link, {s}))
        EXPECT_FALSE(any) << "operand " << link.operand << ", slice " << s;
    }
  }

  // Along every axis; `related` are the axes that must have a relation.
  void check(const std::string& inputs, const std::string& body, const std::vector<int>& related) {
    SCOPED_TRACE(body);
    load(inputs, body);
    if (HasFatalFailure()) return;
    std::vector<int> found;
    for (int axis = 0; axis < node_->output().type().rank(); ++axis) {
      const auto relation = channel_relation(*node_, axis);
      if (!relation) continue;
      SCOPED_TRACE("axis " + std::to_string(axis));
      found.push_back(axis);
      for (const SliceLink& link : relation->links) check_link(axis, link);
      if (!relation->mixing) continue;
      const Mixing& mixing = *relation->mixing;
      check_link(axis, {.operand = mixing.weight, .axis = mixing.weight_out_axis});
      if (mixing.bias >= 0 && node_->input(mixing.bias) != nullptr)
        check_link(axis, {.operand = mixing.bias, .axis = 0});
      EXPECT_EQ(size_along(operands_[static_cast<size_t>(mixing.input)], mixing.input_axis),
                size_along(operands_[static_cast<size_t>(mixing.weight)], mixing.weight_in_axis));
    }
    EXPECT_EQ(found, related);
  }

  ir::Graph graph_;
  ir::Node* node_ = nullptr;
  std::vector<ir::Tensor> operands_;
};

TEST_F(Channels, OfLayers) {
  const std::string x = "%x: f32[2,4,5,5]";
  check(x,
        "  %w = constant random(seed=1) : f32[3,4,3,3]\n  %b = constant random(seed=2) : f32[3]\n"
        "  %y = conv %x, %w, %b {pads=[1,1,1,1]}",
        {1});
  check(x,
        "  %w = constant random(seed=1) : f32[8,1,3,3]\n  %b = constant random(seed=2) : f32[8]\n"
        "  %y = conv %x, %w, %b {group=4}",
        {1});
  check(x, "  %w = constant random(seed=1) : f32[6,2,3,3]\n  %y = conv %x, %w {group=2}", {1});
  check(x, "  %w = constant random(seed=1) : f32[4,3,2,2]\n  %y = conv_transpose %x, %w", {1});
  check(x,
        "  %w = constant random(seed=1) : f32[4,3,2,2]\n  %b = constant random(seed=2) : f32[6]\n"
        "  %y = conv_transpose %x, %w, %b {group=2}",
        {1});
  check("%x: f32[2,4]",
        "  %w = constant random(seed=1) : f32[3,4]\n  %b = constant random(seed=2) : f32[3]\n"
        "  %y = gemm %x, %w, %b {transB=1}",
        {1});
  check("%x: f32[2,4]", "  %w = constant random(seed=1) : f32[4,3]\n  %y = gemm %x, %w {alpha=2.0}", {});
  check("%x: f32[2,5,4]", "  %w = constant random(seed=1) : f32[4,3]\n  %y = mat_mul %x, %w", {0, 1, 2});
  check("%x: f32[2,3,5,4], %z: f32[2,1,4,6]", "  %y = mat_mul %x, %z", {0, 1, 2, 3});
  check("%x: f32[5,4], %z: f32[2,4,6]", "  %y = mat_mul %x, %z", {0, 1, 2});
}

TEST_F(Channels, OfElementWiseOperators) {
  const std::string x = "%x: f32[2,4,3,3]";
  check(x, "  %y = sigmoid %x", {0, 1, 2, 3});
  check(x, "  %s = constant random(seed=1) : f32[4,1,1]\n  %y = mul %x, %s", {0, 1, 2, 3});
  check(x + ", %z: f32[2,4,1,1]", "  %y = add %x, %z", {0, 1, 2, 3});
  check(x,
        "  %k = constant {0.9, 0.9, 0.9, 0.9} : f32[4]\n"
        "  %y = batch_normalization %x, %k, %k, %k, %k",
        {1});
  check(x, "  %y = softmax %x {axis=1}", {0, 2, 3});
  check(x, "  %y = softmax %x {axis=2, coerce_2d=1}", {0, 1});
}

TEST_F(Channels, OfWhatMovesOrPools) {
  const std::string x = "%x: f32[2,4,3,3]";
  check(x, "  %y = average_pool %x {kernel_shape=[2,2]}", {0, 1});
  check(x, "  %y = global_average_pool %x", {0, 1});
  check(x, "  %a = constant {2, 3} : i64[2]\n  %y = reduce_mean %x, %a {keepdims=0}", {0, 1});
  check(x, "  %a = constant {0, 0, 1, 1, 0, 0, 1, 1} : i64[8]\n  %y = pad %x, %a", {0, 1, 2, 3});
  check(x, "  %a = constant {0, 2, 0, 0, 0, 3, 0, 0} : i64[8]\n  %y = pad %x, %a", {0, 1, 2, 3});
  check(x, "  %a = constant {0, 2, 0, 0, 0, 1, 0, 0} : i64[8]\n  %y = pad %x, %a {mode=\"reflect\"}", {0, 2, 3});
  check(x,
        "  %s = constant {1} : i64[1]\n  %e = constant {3} : i64[1]\n  %a = constant {-1} : i64[1]\n"
        "  %y = slice %x, %s, %e, %a",
        {0, 1, 2, 3});
  check(x,
        "  %s = constant {-3} : i64[1]\n  %e = constant {99} : i64[1]\n  %a = constant {1} : i64[1]\n"
        "  %t = constant {2} : i64[1]\n  %y = slice %x, %s, %e, %a, %t",
        {0, 2, 3});
  check(x, "  %i = constant {2} : i64[]\n  %y = gather %x, %i {axis=2}", {0, 1, 2});
  check(x, "  %i = constant {2, 0, 1, 1} : i64[2,2]\n  %y = gather %x, %i {axis=1}", {0, 3, 4});
  check(x, "  %t = constant {2, 1, 1, 3} : i64[4]\n  %y = expand %x, %t", {0, 1, 2, 3});
  check("%x: f32[4,1,3]", "  %t = constant {2, 4, 5, 3} : i64[4]\n  %y = expand %x, %t", {1, 3});
  check("%x: f32[1,8,2,3]", "  %y = depth_to_space %x {blocksize=2}", {0, 1});
  check("%x: f32[1,8,2,3]", "  %y = depth_to_space %x {blocksize=2, mode=\"CRD\"}", {0, 1});
  check("%x: f32[1,2,4,6]", "  %y = space_to_depth %x {blocksize=2}", {0, 1});
  check(x, "  %y = transpose %x {perm=[0,2,3,1]}", {0, 1, 2, 3});
  check(x, "  %y = flatten %x", {0, 1});
  check(x, "  %t = constant {2, -1} : i64[2]\n  %y = reshape %x, %t", {0, 1});
  check(x, "  %t = constant {2, 2, 2, 3, 3} : i64[5]\n  %y = reshape %x, %t", {0, 1, 2, 3, 4});
  check("%x: f32[2,24]", "  %t = constant {0, 2, 3, 4} : i64[4]\n  %y = reshape %x, %t", {0, 1, 2, 3});
  check("%x: f32[2,2,3,4]", "  %t = constant {2, 6, -1} : i64[3]\n  %y = reshape %x, %t", {0, 1, 2});
  check("%x: f32[6,4]", "  %t = constant {4, 6} : i64[2]\n  %y = reshape %x, %t", {});
  check("%x: f32[4,6,1]", "  %t = constant {2, 12} : i64[2]\n  %y = reshape %x, %t", {0, 1});
  check("%x: f32[2,4,1,1]", "  %a = constant {2, 3} : i64[2]\n  %y = squeeze %x, %a", {0, 1});
  check("%x: f32[2,4]", "  %a = constant {1, 3} : i64[2]\n  %y = unsqueeze %x, %a", {0, 2});
  check(x + ", %z: f32[2,2,3,3]", "  %y = concat %x, %z {axis=1}", {0, 1, 2, 3});
}

TEST_F(Channels, OfPartsThatAreSplit) {
  const std::string x = "%x: f32[2,5,3]";
  const auto split = [&](const std::string& line) {
    for (const char* part : {"%a", "%b"}) {
      SCOPED_TRACE(part);
      load(x, line + "\n  %y = relu " + part);
      node_ = &node_->input(0)->node();
      Random random(1);
      operands_ = {noise({2, 5, 3}, random)};
      if (node_->num_inputs() > 1) operands_.push_back(node_->input(1)->constant()->dense());
      int found = 0;
      for (int axis = 0; axis < 3; ++axis) {
        const auto relation = channel_relation(*node_, axis);
        ASSERT_TRUE(relation);
        EXPECT_EQ(relation->links.size(), 2u);
        for (const SliceLink& link : relation->links) check_link(axis, link);
        ++found;
      }
      EXPECT_EQ(found, 3);
    }
  };
  split("  %s = constant {2, 3} : i64[2]\n  %a, %b = split %x, %s {axis=1}");
  split("  %a, %b = split %x {axis=-1, num_outputs=2}");
}

TEST_F(Channels, OfNorms) {
  const std::string x = "%x: f32[2,4,3,3]";
  const std::string constants =
      "  %s = constant random(seed=1) : f32[4]\n  %b = constant random(seed=2) : f32[4]\n"
      "  %t = constant random(seed=3) : f32[3]\n";
  check(x, constants + "  %y = layer_normalization %x, %t", {0, 1, 2});
  check(x, constants + "  %y = layer_normalization %x, %t, %t {axis=2}", {0, 1});
  check(x, constants + "  %y = rms_normalization %x, %t", {0, 1, 2});
  check(x, constants + "  %y = instance_normalization %x, %s, %b", {1});
  check(x, constants + "  %y = group_normalization %x, %s, %b {num_groups=2}", {1});
}

TEST_F(Channels, OfAttention) {
  const std::string flat = "%q: f32[2,3,8], %k: f32[2,5,4], %v: f32[2,5,6]";
  check(flat, "  %y = attention %q, %k, %v {q_num_heads=4, kv_num_heads=2}", {2});
  check(flat, "  %y = attention %q, %k, %v {q_num_heads=4, kv_num_heads=2, is_causal=1}", {2});
  check(flat + ", %m: f32[3,5]", "  %y = attention %q, %k, %v, %m {q_num_heads=4, kv_num_heads=2}", {2});
  check(flat + ", %m: f32[2,4,3,5]", "  %y = attention %q, %k, %v, %m {q_num_heads=4, kv_num_heads=2}", {});
  check("%q: f32[2,4,3,2], %k: f32[2,2,5,2], %v: f32[2,2,5,3]", "  %y = attention %q, %k, %v", {1});
  const std::string caches = ", %c: f32[2,3,1], %s: f32[2,3,1]";
  check("%x: f32[2,3,8]" + caches, "  %y = rotary_embedding %x, %c, %s {num_heads=4}", {2});
  check("%x: f32[2,4,3,2]" + caches, "  %y = rotary_embedding %x, %c, %s", {1});
}

}  // namespace
}  // namespace edgesmith::ops
