// SPDX-License-Identifier: Apache-2.0
#include "random_structures.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "edgesmith/base/random.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::testing {
namespace {

using ir::OpKind;
using Attributes = std::vector<std::pair<std::string, ir::Attribute>>;

class Builder {
 public:
  explicit Builder(uint64_t seed) : random_(seed) {}

 protected:
  int64_t below(int64_t n) { return static_cast<int64_t>(random_.below(static_cast<uint64_t>(n))); }
  bool coin() { return below(2) == 0; }
  int64_t one_of(const std::vector<int64_t>& numbers) {
    return numbers[static_cast<size_t>(below(static_cast<int64_t>(numbers.size())))];
  }

  ir::Value& noise(const ir::Dims& dims, double scale = 1, double around = 0) {
    std::vector<float> numbers(static_cast<size_t>(ir::num_elements(dims)));
    for (float& x : numbers) x = static_cast<float>(around + scale * random_.normal());
    return graph_.add_constant(ir::Tensor::of<float>(dims, numbers));
  }
  ir::Value& ints(const ir::Ints& numbers) {
    return graph_.add_constant(ir::Tensor::of<int64_t>({static_cast<int64_t>(numbers.size())}, numbers));
  }

  ir::Node& node(OpKind kind, const std::vector<ir::Value*>& operands, const Attributes& attributes = {},
                 int outputs = 1) {
    ir::Node& made = graph_.append(kind, operands, outputs);
    for (const auto& [name, attribute] : attributes) made.attributes().set(name, attribute);
    return made;
  }
  ir::Value& op(OpKind kind, const std::vector<ir::Value*>& operands, const Attributes& attributes = {}) {
    return node(kind, operands, attributes).output();
  }

  ir::Graph finish(ir::Value& features, int64_t width) {
    graph_.add_output("y", op(OpKind::gemm, {&features, &noise({width, 3}), &noise({3})}));
    const Status status = ops::infer_types(graph_);
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().text());
    return std::move(graph_);
  }

  Random random_;
  ir::Graph graph_;
};

class Transformer : public Builder {
 public:
  explicit Transformer(uint64_t seed) : Builder(seed) {}

  ir::Graph make() {
    width_ = one_of({6, 8});
    ir::Value* x = &graph_.add_input("x", {ir::DType::f32, ir::Shape{ir::Dim("N"), ir::Dim("T"), width_}});
    const int64_t blocks = 1 + below(3);
    for (int64_t i = 0; i < blocks; ++i) {
      ir::Value& inner = coin() ? norm(*x) : *x;
      ir::Value& made = coin() ? attend(inner) : feed_forward(inner);
      x = coin() ? &op(OpKind::add, {x, &made}) : &made;
    }
    return finish(op(OpKind::reduce_mean, {x, &ints({1})}, {{"keepdims", int64_t{0}}}), width_);
  }

 private:
  ir::Value& norm(ir::Value& x) {
    return op(OpKind::layer_normalization, {&x, &noise({width_}, 0.2, 1), &noise({width_}, 0.2)});
  }

  ir::Value& dense(ir::Value& x, int64_t from, int64_t to) {
    ir::Value& product = op(OpKind::mat_mul, {&x, &noise({from, to}, 1 / std::sqrt(static_cast<double>(from)))});
    return coin() ? op(OpKind::add, {&product, &noise({to}, 0.3)}) : product;
  }

  ir::Value& feed_forward(ir::Value& x) {
    const int64_t hidden = 4 + below(6);
    if (coin()) return dense(op(OpKind::gelu, {&dense(x, width_, hidden)}), hidden, width_);
    ir::Value *value = nullptr, *gate = nullptr;
    halves(dense(x, width_, 2 * hidden), hidden, value, gate);
    return dense(op(OpKind::mul, {value, &op(OpKind::sigmoid, {gate})}), hidden, width_);
  }

  // The two halves of the last axis.
  void halves(ir::Value& both, int64_t size, ir::Value*& first, ir::Value*& second) {
    if (coin()) {
      ir::Node& parts = node(OpKind::split, {&both}, {{"axis", int64_t{-1}}}, 2);
      first = &parts.output(0);
      second = &parts.output(1);
      return;
    }
    first = &op(OpKind::slice, {&both, &ints({0}), &ints({size}), &ints({-1})});
    second = &op(OpKind::slice, {&both, &ints({size}), &ints({INT64_MAX}), &ints({2})});
  }

  // [N, T, heads * size] as [N, heads, T, size].
  ir::Value& by_heads(ir::Value& flat, int64_t heads, int64_t size) {
    ir::Value& apart =
        op(OpKind::reshape, {&flat, &ints(coin() ? ir::Ints{0, 0, heads, size} : ir::Ints{0, 0, heads, -1})});
    return op(OpKind::transpose, {&apart}, {{"perm", ir::Ints{0, 2, 1, 3}}});
  }

  // q, k, v as [N, heads, T, size].
  std::vector<ir::Value*> project(ir::Value& x, int64_t heads, int64_t size) {
    const int64_t all = heads * size;
    switch (below(4)) {
      case 0: {  // three layers
        std::vector<ir::Value*> out;
        for (int i = 0; i < 3; ++i) out.push_back(&by_heads(dense(x, width_, all), heads, size));
        return out;
      }
      case 1: {  // one layer, cut
        ir::Node& parts =
            node(OpKind::split, {&dense(x, width_, 3 * all), &ints({all, all, all})}, {{"axis", int64_t{2}}}, 3);
        return {&by_heads(parts.output(0), heads, size), &by_heads(parts.output(1), heads, size),
                &by_heads(parts.output(2), heads, size)};
      }
      case 2: {  // one layer as [N, T, 3, heads, size]
        ir::Value& apart = op(OpKind::reshape, {&dense(x, width_, 3 * all), &ints({0, 0, 3, heads, size})});
        ir::Value& turned = op(OpKind::transpose, {&apart}, {{"perm", ir::Ints{2, 0, 3, 1, 4}}});
        std::vector<ir::Value*> out;
        for (int64_t i = 0; i < 3; ++i) {
          ir::Value& index = graph_.add_constant(ir::Tensor::of<int64_t>({}, ir::Ints{i}));
          out.push_back(&op(OpKind::gather, {&turned, &index}, {{"axis", int64_t{0}}}));
        }
        return out;
      }
      default: {  // one layer as [N, T, heads, 3 * size]
        ir::Value& apart = op(OpKind::reshape, {&dense(x, width_, 3 * all), &ints({0, 0, heads, 3 * size})});
        ir::Value& turned = op(OpKind::transpose, {&apart}, {{"perm", ir::Ints{0, 2, 1, 3}}});
        ir::Node& parts = node(OpKind::split, {&turned}, {{"axis", int64_t{3}}}, 3);
        return {&parts.output(0), &parts.output(1), &parts.output(2)};
      }
    }
  }

  // Keys or values of fewer heads, each for `shared` of q.
  ir::Value& repeated(ir::Value& x, int64_t heads, int64_t shared, int64_t size) {
    ir::Value& apart = op(OpKind::unsqueeze, {&by_heads(dense(x, width_, heads * size), heads, size), &ints({2})});
    ir::Value& many = op(OpKind::expand, {&apart, &ints({1, heads, shared, 1, size})});
    // T stays where it is: only one dim may be copied or left over.
    return op(OpKind::reshape, {&op(OpKind::transpose, {&many}, {{"perm", ir::Ints{0, 3, 1, 2, 4}}}),
                                &ints({0, 0, heads * shared, size})});
  }

  ir::Value& attend(ir::Value& x) {
    const int64_t heads = one_of({2, 3, 4}), size = one_of({2, 4});
    const int64_t all = heads * size;
    if (below(3) == 0) return dense(whole_attention(x, heads, size), all, width_);
    std::vector<ir::Value*> qkv;
    if (heads == 4 && coin()) {
      ir::Value& keys = repeated(x, 2, 2, size);
      ir::Value& values = repeated(x, 2, 2, size);
      qkv = {&by_heads(dense(x, width_, all), heads, size),
             &op(OpKind::transpose, {&keys}, {{"perm", ir::Ints{0, 2, 1, 3}}}),
             &op(OpKind::transpose, {&values}, {{"perm", ir::Ints{0, 2, 1, 3}}})};
    } else {
      qkv = project(x, heads, size);
    }
    if (coin()) {  // a norm of every head
      qkv[0] = &op(OpKind::layer_normalization, {qkv[0], &noise({size}, 0.2, 1), &noise({size}, 0.2)});
    }
    ir::Value& turned = op(OpKind::transpose, {qkv[1]}, {{"perm", ir::Ints{0, 1, 3, 2}}});
    ir::Value* scores = &op(OpKind::mat_mul, {qkv[0], &turned});
    if (coin()) scores = &op(OpKind::mul, {scores, &noise({heads, 1, 1}, 0.2, 0.5)});  // a temperature a head
    ir::Value& weights = op(OpKind::softmax, {scores}, {{"axis", int64_t{-1}}});
    ir::Value& seen = op(OpKind::mat_mul, {&weights, qkv[2]});
    ir::Value& back = op(OpKind::transpose, {&seen}, {{"perm", ir::Ints{0, 2, 1, 3}}});
    return dense(op(OpKind::reshape, {&back, &ints(coin() ? ir::Ints{0, 0, all} : ir::Ints{0, 0, -1})}), all, width_);
  }

  ir::Value& whole_attention(ir::Value& x, int64_t heads, int64_t size) {
    const int64_t shared = heads % 2 == 0 ? one_of({1, 2}) : 1;
    ir::Value& q = dense(x, width_, heads * size);
    ir::Value& k = dense(x, width_, heads / shared * size);
    ir::Value& v = dense(x, width_, heads / shared * size);
    return op(OpKind::attention, {&q, &k, &v}, {{"q_num_heads", heads}, {"kv_num_heads", heads / shared}});
  }

  int64_t width_ = 8;
};

class GroupedNet : public Builder {
 public:
  explicit GroupedNet(uint64_t seed) : Builder(seed) {}

  ir::Graph make() {
    x_ = &graph_.add_input("x", {ir::DType::f32, ir::Shape{ir::Dim("N"), 4, 8, 8}});
    channels_ = 4;
    layer(8 + 4 * below(3), 1);
    const int64_t steps = 2 + below(4);
    for (int64_t i = 0; i < steps; ++i) step();
    return finish(op(OpKind::flatten, {&op(OpKind::global_average_pool, {x_})}), channels_);
  }

 private:
  void layer(int64_t to, int64_t groups) {
    const bool wide = coin();
    const int64_t kernel = wide ? 3 : 1, inputs = channels_ / groups * kernel * kernel;
    std::vector<ir::Value*> operands = {
        x_, &noise({to, channels_ / groups, kernel, kernel}, 1 / std::sqrt(static_cast<double>(inputs)))};
    if (coin()) operands.push_back(&noise({to}, 0.3));
    x_ = &op(OpKind::conv, operands, {{"group", groups}, {"pads", ir::Ints(4, kernel / 2)}});
    channels_ = to;
    if (coin()) x_ = &op(OpKind::relu, {x_});
  }

  void step() {
    switch (below(8)) {
      case 0: return layer(channels_, 2);
      case 1: return layer(2 * channels_, 4);
      case 2: return layer(8 + 4 * below(3), 1);
      case 3: return shuffle(2);
      case 4: {
        ir::Value& shortcut = *x_;
        layer(channels_, one_of({1, 2, 4}));
        x_ = &op(OpKind::add, {x_, &shortcut});
        return;
      }
      case 5: return branches();
      case 6: {
        const int64_t groups = one_of({2, 4});
        ir::Value &scale = noise({channels_}, 0.2, 1), &bias = noise({channels_}, 0.2);
        x_ = coin() ? &op(OpKind::instance_normalization, {x_, &scale, &bias})
                    : &op(OpKind::group_normalization, {x_, &scale, &bias}, {{"num_groups", groups}});
        return;
      }
      default: return move();
    }
  }

  void shuffle(int64_t groups) {
    ir::Value& shape = ints({0, groups, channels_ / groups, side_, side_});
    ir::Value& apart = op(OpKind::reshape, {x_, &shape});
    ir::Value& turned = op(OpKind::transpose, {&apart}, {{"perm", ir::Ints{0, 2, 1, 3, 4}}});
    x_ = &op(OpKind::reshape, {&turned, &ints({0, coin() ? -1 : channels_, side_, side_})});
  }

  // One half goes through a layer.
  void branches() {
    const int64_t half = channels_ / 2, all = channels_;
    ir::Node& parts = node(OpKind::split, {x_}, {{"axis", int64_t{1}}}, 2);
    x_ = &parts.output(1);
    channels_ = half;
    layer(8, 1);
    layer(half, 1);
    x_ = &op(OpKind::concat, {&parts.output(0), x_}, {{"axis", int64_t{1}}});
    channels_ = all;
    if (coin()) shuffle(2);
  }

  void move() {
    if (side_ < 8) {
      x_ =
          &op(OpKind::depth_to_space, {x_}, {{"blocksize", int64_t{2}}, {"mode", std::string(coin() ? "DCR" : "CRD")}});
      channels_ /= 4;
      side_ *= 2;
      return layer(8, 1);
    }
    x_ = &op(OpKind::space_to_depth, {x_}, {{"blocksize", int64_t{2}}});
    channels_ *= 4;
    side_ /= 2;
    if (coin()) return;
    const int64_t to = 4;  // of each of two groups
    x_ = &op(OpKind::conv_transpose, {x_, &noise({channels_, to, 2, 2}, 0.3), &noise({2 * to}, 0.3)},
             {{"group", int64_t{2}}, {"strides", ir::Ints{2, 2}}});
    channels_ = 2 * to;
    side_ *= 2;
  }

  ir::Value* x_ = nullptr;
  int64_t channels_ = 4, side_ = 8;
};

}  // namespace

ir::Graph random_transformer(uint64_t seed) { return Transformer(seed).make(); }
ir::Graph random_grouped_net(uint64_t seed) { return GroupedNet(seed).make(); }

}  // namespace edgesmith::testing
