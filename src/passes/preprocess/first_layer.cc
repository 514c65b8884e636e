// SPDX-License-Identifier: Apache-2.0
//   y = conv(x * a + b, w)  =  conv(x, w * a) + sum of w * b         without padding
//                           =  conv(pad(x, -b/a), w * a) + ...       with padding, -b/a being one number
//                           =  conv(x - (-b/a), w * a)               with padding, else
#include "passes/preprocess/first_layer.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "edgesmith/ops/op_info.h"
#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;
using ir::Tensor;

// Numbers that differ by less than this share are one number written in two ways (127 as 0.498039 * 255).
constexpr double kSameShare = 1e-6;

/// The layer that reads an input, and which of its input features are which channels.
struct FirstLayer {
  ir::Node* node = nullptr;
  bool channels = false;  ///< features are channels; else only what holds for every channel can be moved
};

/// The one operand that sees the numbers of `value`; null when there are several, or none. Exporters leave a Shape
/// beside it, which asks for the batch.
const ir::Use* only_reader(const ir::Value& value) {
  const ir::Use* reader = nullptr;
  for (const ir::Use& use : value.uses()) {
    if (use.node->is(OpKind::shape) || use.node->is(OpKind::size)) continue;
    if (reader != nullptr) return nullptr;
    reader = &use;
  }
  return reader;
}

/// Follows the only reader of `value` through operators that do not change numbers.
std::optional<FirstLayer> find_layer(ir::Value& value, int axis) {
  ir::Value* at = &value;
  while (is_plain(*at)) {
    const ir::Use* reader = only_reader(*at);
    if (reader == nullptr || reader->index != 0 || reader->node->num_outputs() != 1) return std::nullopt;
    ir::Node& node = *reader->node;
    if (node.is(OpKind::conv)) return FirstLayer{&node, axis == 1};
    if (node.is(OpKind::gemm) || node.is(OpKind::mat_mul)) {
      const bool last = at->type().rank() > 0 && axis == at->type().rank() - 1;
      return FirstLayer{&node, last};
    }
    if (node.is(OpKind::transpose)) {
      const ir::Ints perm = node.attributes().get_ints("perm");
      const auto place = std::find(perm.begin(), perm.end(), axis);
      axis = axis < 0 || place == perm.end() ? -1 : static_cast<int>(place - perm.begin());
    } else if (node.is(OpKind::reshape) || node.is(OpKind::flatten) || node.is(OpKind::squeeze) ||
               node.is(OpKind::unsqueeze)) {
      axis = -1;
    } else if (!node.is(OpKind::identity)) {
      return std::nullopt;
    }
    at = &node.output();
  }
  return std::nullopt;
}

/// Weights as [outputs, features of one output, taps], whatever their layout is in the file.
class WeightView {
 public:
  static std::optional<WeightView> of(const ir::Node& node) {
    const Tensor* weight = plain_constant(node, 1);
    if (weight == nullptr || weight->dtype() != ir::DType::f32 || weight->encoding() != ir::Encoding::dense) {
      return std::nullopt;
    }
    const ir::Dims& dims = weight->dims();
    if (weight->rank() < 2 || weight->size() == 0) return std::nullopt;
    WeightView view;
    view.weight_ = weight;
    if (node.is(OpKind::conv)) {
      view.outputs_ = dims[0], view.features_ = dims[1], view.groups_ = node.attributes().get_int("group", 1);
      view.taps_ = weight->size() / (dims[0] * dims[1]);
      return view.outputs_ % view.groups_ == 0 ? std::optional(view) : std::nullopt;
    }
    if (weight->rank() != 2) return std::nullopt;
    const bool product = node.is(OpKind::mat_mul);
    view.turned_ = product || node.attributes().get_int("transB", 0) == 0;
    const bool plain =
        product || (node.attributes().get_float("alpha", 1) == 1 && node.attributes().get_float("beta", 1) == 1 &&
                    node.attributes().get_int("transA", 0) == 0);
    view.outputs_ = view.turned_ ? dims[1] : dims[0], view.features_ = view.turned_ ? dims[0] : dims[1];
    return plain ? std::optional(view) : std::nullopt;
  }

  int64_t outputs() const { return outputs_; }
  int64_t features() const { return features_ * groups_; }  ///< of the layer's operand
  int64_t groups() const { return groups_; }

  /// Calls `visit(output, feature of the operand, place)` for every weight.
  template <typename Visit>
  void each(Visit visit) const {
    for (int64_t o = 0; o < outputs_; ++o) {
      const int64_t first = o / (outputs_ / groups_) * features_;
      for (int64_t f = 0; f < features_; ++f) {
        for (int64_t t = 0; t < taps_; ++t) visit(o, first + f, place(o, f, t));
      }
    }
  }
  /// Where the weight of another feature is; for one group.
  size_t place(int64_t output, int64_t feature, int64_t tap) const {
    return static_cast<size_t>(turned_ ? feature * outputs_ + output : (output * features_ + feature) * taps_ + tap);
  }
  int64_t taps() const { return taps_; }

 private:
  const Tensor* weight_ = nullptr;
  int64_t outputs_ = 0, features_ = 0, groups_ = 1, taps_ = 1;
  bool turned_ = false;  ///< [features, outputs]
};

/// The bias of the layer, zeros when it has none; nullopt where it is not constant, or the layer cannot have one.
std::optional<std::vector<double>> bias_of(const ir::Node& node, int64_t outputs) {
  if (node.is(OpKind::mat_mul)) return std::nullopt;
  if (node.input(2) == nullptr) return std::vector<double>(static_cast<size_t>(outputs), 0.0);
  const Tensor* bias = plain_constant(node, 2);
  if (bias == nullptr) return std::nullopt;
  return node.is(OpKind::gemm) ? per_channel(*bias, 2, 1, outputs) : per_channel(*bias, 1, 0, outputs);
}

/// What a convolution adds around its operand.
enum class Padding { none, known, computed };
Padding padding_of(const ir::Node& node) {
  if (!node.is(OpKind::conv)) return Padding::none;
  const std::string auto_pad = node.attributes().get_string("auto_pad", "NOTSET");
  if (auto_pad == "VALID") return Padding::none;
  if (auto_pad != "NOTSET") return Padding::computed;
  const ir::Ints pads = node.attributes().get_ints("pads");
  return std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad == 0; }) ? Padding::none : Padding::known;
}

/// The x that makes every channel 0, when it is one number.
std::optional<double> common_zero(const InputArithmetic& arithmetic) {
  const size_t channels = std::max(arithmetic.factor.size(), arithmetic.shift.size());
  double low = arithmetic.zero_at(0), high = low;
  for (size_t c = 1; c < channels; ++c) {
    low = std::min(low, arithmetic.zero_at(c));
    high = std::max(high, arithmetic.zero_at(c));
  }
  const double middle = (low + high) / 2;
  if (high - low > kSameShare * std::abs(middle)) return std::nullopt;
  // What was written with six digits means the integer next to it: a picture has no other zero.
  const double whole = std::round(middle);
  return std::abs(middle - whole) <= kSameShare * std::abs(middle) ? whole : middle;
}

double at(const std::vector<double>& numbers, int64_t c) {
  return numbers.size() == 1 ? numbers[0] : numbers[static_cast<size_t>(c)];
}

void set_private_constant(ir::Graph& graph, ir::Node& node, int index, Tensor tensor) {
  ir::Value* old = node.input(index);
  if (old != nullptr && old->uses().size() == 1) {
    graph.set_tensor(old->node(), std::move(tensor));
    return;
  }
  graph.set_input(node, index, &graph.add_constant(std::move(tensor), {}, &node));
}

/// weights * factor, in the channels' new places; with `shift`, the bias takes the sum of weights * shift.
void rewrite_layer(ir::Graph& graph, ir::Node& node, const WeightView& view, const InputArithmetic& arithmetic,
                   const std::optional<std::vector<double>>& bias) {
  const Tensor& weight = *node.input(1)->constant();
  const auto old = weight.data<float>();
  Tensor changed = Tensor::zeros(ir::DType::f32, weight.dims());
  const auto out = changed.mutable_data<float>();
  std::vector<double> sums(static_cast<size_t>(view.outputs()), 0.0);
  view.each([&](int64_t o, int64_t c, size_t place) {
    size_t to = place;
    if (!arithmetic.source.empty()) {
      const auto tap = static_cast<int64_t>(place) % view.taps();
      to = view.place(o, arithmetic.source[static_cast<size_t>(c)], tap);
    }
    const double number = old[place];
    out[to] = static_cast<float>(number * at(arithmetic.factor, c));
    sums[static_cast<size_t>(o)] += number * at(arithmetic.shift, c);
  });
  set_private_constant(graph, node, 1, std::move(changed));
  if (!bias) return;
  std::vector<float> numbers(sums.size());
  for (size_t o = 0; o < sums.size(); ++o) numbers[o] = static_cast<float>((*bias)[o] + sums[o]);
  set_private_constant(graph, node, 2, Tensor::of<float>({view.outputs()}, numbers));
}

/// Takes the padding out of a convolution and puts a Pad of `value` before it.
void pad_before(ir::Graph& graph, ir::Node& conv, double value) {
  const ir::Ints own = conv.attributes().get_ints("pads");
  const size_t spatial = own.size() / 2;
  ir::Ints pads(2 * (spatial + 2), 0);
  for (size_t d = 0; d < spatial; ++d) {
    pads[2 + d] = own[d];
    pads[spatial + 4 + d] = own[spatial + d];
  }
  ir::Value& amounts = graph.add_constant(Tensor::of<int64_t>({static_cast<int64_t>(pads.size())}, pads), {}, &conv);
  ir::Value& zero = graph.add_constant(Tensor::scalar(static_cast<float>(value)), {}, &conv);
  ir::Node& pad = graph.insert_before(conv, OpKind::pad, {conv.input(0), &amounts, &zero});
  graph.set_input(conv, 0, &pad.output());
  conv.attributes().set("pads", ir::Ints(own.size(), 0));
}

}  // namespace

bool InputArithmetic::scales() const {
  return std::any_of(factor.begin(), factor.end(), [](double f) { return f != 1; });
}
bool InputArithmetic::shifts() const {
  return std::any_of(shift.begin(), shift.end(), [](double s) { return s != 0; });
}
double InputArithmetic::zero_at(size_t c) const {
  const auto channel = static_cast<int64_t>(c);
  return -at(shift, channel) / at(factor, channel);
}

Remainder move_into_first_layer(ir::Graph& graph, ir::Value& input, int axis, const InputArithmetic& arithmetic) {
  Remainder left{arithmetic, "", ""};
  const auto layer = find_layer(input, axis);
  if (!layer) {
    left.why = "no Conv, Gemm or MatMul is its only reader";
    return left;
  }
  ir::Node& node = *layer->node;
  const auto view = WeightView::of(node);
  if (!view) {
    left.why = "the weights of " + node.label() + " are no plain float constants";
    return left;
  }
  const bool by_channel = !arithmetic.uniform() || !arithmetic.source.empty();
  const auto channels = static_cast<int64_t>(std::max(arithmetic.factor.size(), arithmetic.shift.size()));
  const bool fits = channels == 1 || channels == view->features();
  if (by_channel && (!layer->channels || !fits || (!arithmetic.source.empty() && view->groups() != 1))) {
    left.why = "the inputs of " + node.label() + " are not the channels";
    return left;
  }

  InputArithmetic moved = arithmetic;
  const auto bias = arithmetic.shifts() ? bias_of(node, view->outputs()) : std::nullopt;
  const Padding padding = padding_of(node);
  const auto zero = arithmetic.shifts() ? common_zero(arithmetic) : std::nullopt;
  const bool takes_shift = bias && (padding == Padding::none || (padding == Padding::known && zero));
  left.arithmetic = {{1}, {0}, {}};
  if (arithmetic.shifts() && !takes_shift) {
    // y = (x - zero) * factor, on x as it comes in.
    std::vector<double>& shift = left.arithmetic.shift;
    shift.assign(static_cast<size_t>(channels), 0);
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t from = arithmetic.source.empty() ? c : arithmetic.source[static_cast<size_t>(c)];
      shift[static_cast<size_t>(from)] = -arithmetic.zero_at(static_cast<size_t>(c));
    }
    left.why = bias ? "the padding of " + node.label() + " stands for another number in each channel"
                    : node.label() + " has no constant bias";
    moved.shift = {0};
  }
  if (takes_shift && padding == Padding::known) pad_before(graph, node, *zero);
  rewrite_layer(graph, node, *view, moved, takes_shift ? bias : std::nullopt);
  left.into = node.label();
  return left;
}

}  // namespace edgesmith::passes
