// SPDX-License-Identifier: Apache-2.0
// Interval arithmetic and value numbering, channel by channel.
#include "passes/channels/channel_values.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "passes/channels/layer_weights.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;
using Bounds = ChannelBounds;

// Bounds this close to each other, as a share of the number, are one number (float32 rounds by 6e-8 of it).
constexpr double kSame = 1e-7;

bool one_of(const ir::Node& node, std::initializer_list<OpKind> ops) {
  return std::find(ops.begin(), ops.end(), node.op()) != ops.end();
}

// An unknown end is of an unknown, but finite number.
double times(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }

Bounds product(const Bounds& a, const Bounds& b) {
  const std::initializer_list<double> ends = {times(a.lo, b.lo), times(a.lo, b.hi), times(a.hi, b.lo),
                                              times(a.hi, b.hi)};
  return {std::min(ends), std::max(ends)};
}

Bounds sum(const Bounds& a, const Bounds& b) { return {a.lo + b.lo, a.hi + b.hi}; }

Bounds with_zero(const Bounds& a) { return {std::min(a.lo, 0.0), std::max(a.hi, 0.0)}; }

// Element-wise functions that never fall where their operand rises.
bool rises(const ir::Node& node) {
  if (node.is(OpKind::leaky_relu) || node.is(OpKind::hard_sigmoid))
    return node.attributes().get_float("alpha", 0.01F) >= 0;
  if (node.is(OpKind::elu) || node.is(OpKind::celu)) return node.attributes().get_float("alpha", 1.0F) > 0;
  return one_of(node, {OpKind::relu, OpKind::clip, OpKind::sigmoid, OpKind::tanh, OpKind::softplus, OpKind::softsign,
                       OpKind::exp, OpKind::erf, OpKind::floor, OpKind::ceil, OpKind::round, OpKind::sqrt, OpKind::log,
                       OpKind::atan, OpKind::asinh, OpKind::sinh});
}

// Other functions of one element.
bool is_function(const ir::Node& node) {
  return one_of(node, {OpKind::abs, OpKind::neg, OpKind::gelu, OpKind::hard_swish, OpKind::mish, OpKind::sin,
                       OpKind::cos, OpKind::reciprocal, OpKind::sign, OpKind::selu, OpKind::thresholded_relu});
}

// Moves numbers, or takes the largest or an average of some: no result is beyond its operand's bounds.
bool keeps_bounds(const ir::Node& node) {
  if (node.is(OpKind::resize)) {
    const std::string mode = node.attributes().get_string("mode", "nearest");
    const std::string at = node.attributes().get_string("coordinate_transformation_mode", "half_pixel");
    return mode != "cubic" && at != "tf_crop_and_resize";
  }
  return one_of(node,
                {OpKind::identity, OpKind::concat, OpKind::flatten, OpKind::reshape, OpKind::squeeze, OpKind::unsqueeze,
                 OpKind::transpose, OpKind::slice, OpKind::max_pool, OpKind::average_pool, OpKind::global_average_pool,
                 OpKind::global_max_pool, OpKind::reduce_mean, OpKind::reduce_max, OpKind::reduce_min});
}

class Walk {
 public:
  Walk(const ir::Graph& graph, const ChannelMap& map) : graph_(graph), map_(map) {
    values_.bounds.resize(static_cast<size_t>(map.num_channels()));
    values_.classes.resize(static_cast<size_t>(map.num_channels()));
  }

  ChannelValues run() {
    for (const ir::Node& node : graph_.nodes()) {
      const ops::ChannelRelation* relation = map_.relation(node);
      if (relation == nullptr) continue;
      relation->mixing ? visit_layer(node, *relation->mixing) : visit_links(node, *relation);
    }
    return std::move(values_);
  }

 private:
  Bounds& bounds(int channel) { return values_.bounds[static_cast<size_t>(channel)]; }
  int& class_of(int channel) { return values_.classes[static_cast<size_t>(channel)]; }

  void visit_layer(const ir::Node& node, const ops::Mixing& mixing) {
    const ChannelSpace& result = *map_.space(&node.output());
    const ChannelSpace* input = map_.mixed(node, mixing);
    const LayerWeights weights = layer_weights(node, mixing);
    const std::vector<float> bias = layer_bias(node, mixing, weights.outputs);
    for (int64_t m = 0; m < weights.outputs; ++m) {
      Bounds total = {bias[static_cast<size_t>(m)], bias[static_cast<size_t>(m)]};
      for (int64_t c = 0; c < weights.inputs; ++c) {
        const Bounds x = input != nullptr ? bounds(input->first + static_cast<int>(c)) : Bounds{};
        for (int64_t tap = 0; tap < weights.taps; ++tap) {
          const double w = weights.of(m, c)[tap];
          const Bounds part = product({w, w}, x);
          total = sum(total, mixing.uniform ? part : with_zero(part));
        }
      }
      bounds(result.first + static_cast<int>(m)) = total;
    }
    number_rows(result, weights, bias);
  }

  // Outputs with the same weights and bias are equal.
  void number_rows(const ChannelSpace& result, const LayerWeights& weights, const std::vector<float>& bias) {
    const auto row_bytes = static_cast<size_t>(weights.inputs * weights.taps) * sizeof(float);
    std::vector<int64_t> rows(static_cast<size_t>(weights.outputs));
    for (size_t m = 0; m < rows.size(); ++m) rows[m] = static_cast<int64_t>(m);
    const auto compare = [&](int64_t a, int64_t b) {
      const int order = std::memcmp(weights.of(a, 0), weights.of(b, 0), row_bytes);
      if (order != 0) return order;
      return std::memcmp(&bias[static_cast<size_t>(a)], &bias[static_cast<size_t>(b)], sizeof(float));
    };
    std::sort(rows.begin(), rows.end(), [&](int64_t a, int64_t b) {
      const int order = compare(a, b);
      return order != 0 ? order < 0 : a < b;
    });
    for (size_t i = 0; i < rows.size(); ++i) {
      if (i == 0 || compare(rows[i - 1], rows[i]) != 0) ++last_class_;
      class_of(result.first + static_cast<int>(rows[i])) = last_class_;
    }
  }

  // One operand of one result channel.
  struct Part {
    Bounds bounds;
    std::string key;  ///< equal keys: equal numbers
  };

  // Slice `s` of an operand.
  Part part_of(const ir::Node& node, const ops::SliceLink& link, int64_t s) {
    if (const ChannelSpace* operand = map_.linked(node, link)) {
      const int channel = operand->first + static_cast<int>(s);
      return {bounds(channel), "c" + std::to_string(class_of(channel))};
    }
    const ir::Value& value = *node.input(link.operand);
    if (value.constant() != nullptr) {
      Part part = constant_part(*value.constant(), link.axis, s);
      if (!part.key.empty()) return part;
    }
    return {{}, "v" + std::to_string(value.id()) + "." + std::to_string(s)};
  }

  // Slice `s` of a constant; all of it for an axis of -1.
  static Part constant_part(const ir::Tensor& tensor, int axis, int64_t s) {
    if (tensor.dtype() != ir::DType::f32 || tensor.encoding() != ir::Encoding::dense || tensor.size() == 0)
      return {{}, {}};
    int64_t inner = 1, size = 1;
    for (int d = axis + 1; axis >= 0 && d < tensor.rank(); ++d) inner *= tensor.dims()[static_cast<size_t>(d)];
    if (axis >= 0) size = tensor.dims()[static_cast<size_t>(axis)];
    if (axis < 0) inner = tensor.size();
    Part part = {{INFINITY, -INFINITY}, "k"};
    const auto data = tensor.data<float>();
    for (int64_t i = s * inner; i < tensor.size(); i += size * inner) {
      for (int64_t j = i; j < i + inner; ++j) {
        const float number = data[static_cast<size_t>(j)];
        part.bounds = {std::min<double>(part.bounds.lo, number), std::max<double>(part.bounds.hi, number)};
        part.key.append(reinterpret_cast<const char*>(&number), sizeof number);
      }
    }
    return part;
  }

  void visit_links(const ir::Node& node, const ops::ChannelRelation& relation) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (const ChannelSpace* result = map_.space(&node.output(i))) visit_result(node, relation, i, *result);
    }
  }

  // Numbers of one part and another.
  static void join(Part& part, const Part& more) {
    part.bounds = {std::min(part.bounds.lo, more.bounds.lo), std::max(part.bounds.hi, more.bounds.hi)};
    part.key += more.key;
  }

  void visit_result(const ir::Node& node, const ops::ChannelRelation& relation, int output,
                    const ChannelSpace& result) {
    std::vector<std::map<int, Part>> parts(static_cast<size_t>(result.size));  // by operand
    std::vector<size_t> place(parts.size(), 0);                                // within what a unit becomes
    for (const ops::SliceLink& link : relation.links) {
      for (int64_t unit = 0; link.output == output && unit < link.count; ++unit) {
        Part part = {{INFINITY, -INFINITY}, {}};
        const std::vector<int64_t> from = link.from.of(unit, link.count), to = link.to.of(unit, link.count);
        for (const int64_t s : from) {
          from.size() == 1 ? void(part = part_of(node, link, s)) : join(part, part_of(node, link, s));
        }
        for (size_t i = 0; i < to.size(); ++i) {
          const auto at = static_cast<size_t>(to[i]);
          parts[at][link.operand] = part;
          place[at] = std::max(place[at], i);
        }
      }
    }
    std::map<std::string, int> classes;
    for (size_t m = 0; m < parts.size(); ++m) {
      const int channel = result.first + static_cast<int>(m);
      bounds(channel) = result_bounds(node, parts[m]);
      std::string key = std::to_string(place[m]);
      for (const auto& [operand, part] : parts[m])
        key += "/" + (node.is(OpKind::concat) ? "" : std::to_string(operand)) + part.key;
      const auto [found, is_new] = classes.emplace(std::move(key), last_class_ + 1);
      if (is_new) ++last_class_;
      class_of(channel) = found->second;
    }
  }

  // Bounds of operand `index`, whether it varies by channel or not.
  Bounds operand(const ir::Node& node, const std::map<int, Part>& parts, int index) const {
    const auto found = parts.find(index);
    if (found != parts.end()) return found->second.bounds;
    const ir::Value* value = node.input(index);
    if (value == nullptr || value->constant() == nullptr) return {};
    return constant_part(*value->constant(), -1, 0).bounds;
  }

  Bounds result_bounds(const ir::Node& node, const std::map<int, Part>& parts) const {
    const auto at = [&](int index) { return operand(node, parts, index); };
    if (rises(node)) return {evaluate(node, at(0).lo, -INFINITY), evaluate(node, at(0).hi, INFINITY)};
    if (is_function(node)) {
      const auto number = at(0).constant();
      return number ? Bounds{evaluate(node, *number, -INFINITY), evaluate(node, *number, INFINITY)} : Bounds{};
    }
    if (keeps_bounds(node)) {
      Bounds all = {INFINITY, -INFINITY};
      for (const auto& [index, part] : parts)
        all = {std::min(all.lo, part.bounds.lo), std::max(all.hi, part.bounds.hi)};
      return node.is(OpKind::average_pool) && node.attributes().get_int("count_include_pad", 0) != 0 ? with_zero(all)
                                                                                                     : all;
    }
    switch (node.op()) {
      case OpKind::add: return sum(at(0), at(1));
      case OpKind::sub: return sum(at(0), {-at(1).hi, -at(1).lo});
      case OpKind::mul: return product(at(0), at(1));
      case OpKind::div: return at(1).lo > 0 || at(1).hi < 0 ? product(at(0), {1 / at(1).hi, 1 / at(1).lo}) : Bounds{};
      case OpKind::max:
      case OpKind::min: return extreme(node, parts);
      case OpKind::prelu: return at(1).lo >= 0 ? piecewise(at(0), at(1)) : Bounds{};
      case OpKind::batch_normalization: return normalized(node, at(0), at(1), at(2), at(3), at(4));
      case OpKind::pad: return parts.empty() ? padding(node) : padded(node, at(0));
      case OpKind::conv: return depthwise(node, at(0), parts);
      case OpKind::softmax: return {0, 1};
      default: return {};
    }
  }

  Bounds extreme(const ir::Node& node, const std::map<int, Part>& parts) const {
    Bounds out = operand(node, parts, 0);
    for (int i = 1; i < node.num_inputs(); ++i) {
      const Bounds next = operand(node, parts, i);
      out = node.is(OpKind::max) ? Bounds{std::max(out.lo, next.lo), std::max(out.hi, next.hi)}
                                 : Bounds{std::min(out.lo, next.lo), std::min(out.hi, next.hi)};
    }
    return out;
  }

  // x where it is not negative, slope * x elsewhere; the slope is not negative.
  static Bounds piecewise(const Bounds& x, const Bounds& slope) {
    return {x.lo >= 0 ? x.lo : times(x.lo, slope.hi), x.hi >= 0 ? x.hi : times(x.hi, slope.lo)};
  }

  static Bounds normalized(const ir::Node& node, const Bounds& x, const Bounds& scale, const Bounds& shift,
                           const Bounds& mean, const Bounds& variance) {
    const double epsilon = node.attributes().get_float("epsilon", 1e-5F);
    const double factor = scale.lo / std::sqrt(variance.lo + epsilon);
    if (scale.lo != scale.hi || variance.lo != variance.hi || !std::isfinite(factor)) return {};
    return sum(product({factor, factor}, sum(x, {-mean.hi, -mean.lo})), shift);
  }

  // A channel that is all padding.
  static Bounds padding(const ir::Node& node) {
    if (node.input(2) == nullptr) return {0, 0};
    const ir::Tensor* number = node.input(2)->constant();
    if (number == nullptr) return {};
    const double value = number->to_floats()[0];
    return {value, value};
  }

  static Bounds padded(const ir::Node& node, const Bounds& x) {
    if (node.attributes().get_string("mode", "constant") != "constant") return x;
    if (node.input(2) == nullptr) return with_zero(x);
    const ir::Tensor* number = node.input(2)->constant();
    if (number == nullptr) return {};
    const double value = number->to_floats()[0];
    return {std::min(x.lo, value), std::max(x.hi, value)};
  }

  // One channel of a convolution whose weight is linked: the sum over the taps. The weight's slice is in its key.
  static Bounds depthwise(const ir::Node& node, const Bounds& x, const std::map<int, Part>& parts) {
    const auto weight = parts.find(1);
    if (weight == parts.end() || weight->second.key.empty() || weight->second.key[0] != 'k') return {};
    const auto bias = parts.find(2);
    Bounds total = bias == parts.end() ? Bounds{0, 0} : bias->second.bounds;
    const ir::Ints pads = node.attributes().get_ints("pads");
    const bool may_pad = node.attributes().get_string("auto_pad", "NOTSET") != "NOTSET" ||
                         std::any_of(pads.begin(), pads.end(), [](int64_t pad) { return pad != 0; });
    for (size_t i = 1; i + sizeof(float) <= weight->second.key.size(); i += sizeof(float)) {
      float w = 0;
      std::memcpy(&w, weight->second.key.data() + i, sizeof w);
      const Bounds part = product({w, w}, x);
      total = sum(total, may_pad ? with_zero(part) : part);
    }
    return total;
  }

  // The function of `node` at one number; `unknown` when it has no value there.
  static double evaluate(const ir::Node& node, double number, double unknown) {
    const ir::Tensor x = ir::Tensor::of<float>({1}, std::vector<float>{static_cast<float>(number)});
    std::vector<const ir::Tensor*> inputs = {&x};
    for (int i = 1; i < node.num_inputs(); ++i) {
      const ir::Value* value = node.input(i);
      if (value != nullptr && value->constant() == nullptr) return unknown;
      inputs.push_back(value == nullptr ? nullptr : value->constant());
    }
    const auto outputs = ops::eval_node(node, inputs);
    if (!outputs) return unknown;
    const double result = outputs->at(0).to_floats()[0];
    return std::isnan(result) ? unknown : result;
  }

  const ir::Graph& graph_;
  const ChannelMap& map_;
  ChannelValues values_;
  int last_class_ = 0;
};

}  // namespace

std::optional<double> ChannelBounds::constant() const {
  if (!std::isfinite(lo) || !std::isfinite(hi) || hi - lo > kSame * magnitude()) return std::nullopt;
  return lo == hi ? lo : (lo + hi) / 2;
}

double ChannelBounds::magnitude() const { return std::max(std::abs(lo), std::abs(hi)); }

ChannelValues find_channel_values(const ir::Graph& graph, const ChannelMap& map) { return Walk(graph, map).run(); }

}  // namespace edgesmith::passes
