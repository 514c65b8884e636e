// SPDX-License-Identifier: Apache-2.0
#include "plant_channels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::testing {
namespace {

using ir::OpKind;

bool owns_float(const ir::Node& node, int index) {
  const ir::Value* value = node.input(index);
  return value != nullptr && value->constant() != nullptr && value->type().dtype == ir::DType::f32 && !value->quant() &&
         value->constant()->encoding() == ir::Encoding::dense && value->uses().size() == 1;
}

bool is_layer(const ir::Node& node) {
  if (!owns_float(node, 1) || (node.input(2) != nullptr && !owns_float(node, 2)) || node.output().quant()) return false;
  if (node.is(OpKind::conv)) return node.attributes().get_int("group", 1) == 1;
  return node.is(OpKind::gemm) && node.attributes().get_float("alpha", 1) == 1 &&
         node.attributes().get_float("beta", 1) == 1 && node.attributes().get_int("transA", 0) == 0;
}

bool is_depthwise(const ir::Node& node) {
  return node.is(OpKind::conv) && owns_float(node, 1) && (node.input(2) == nullptr || owns_float(node, 2)) &&
         node.input(1)->constant()->dims()[1] == 1 &&
         node.attributes().get_int("group", 1) == node.input(1)->constant()->dims()[0];
}

int out_axis(const ir::Node& node) {
  return node.is(OpKind::conv) || node.attributes().get_int("transB", 0) != 0 ? 0 : 1;
}

bool keeps_zero(const ir::Node& node) {
  for (const OpKind op : {OpKind::relu, OpKind::leaky_relu, OpKind::tanh, OpKind::hard_swish, OpKind::max_pool,
                          OpKind::average_pool, OpKind::global_average_pool, OpKind::flatten}) {
    if (node.is(op) && node.num_outputs() == 1) return true;
  }
  if (!node.is(OpKind::clip) || node.input(1) == nullptr || node.input(1)->constant() == nullptr) return false;
  return node.input(1)->constant()->to_floats()[0] == 0;
}

struct Chain {
  ir::Node *first = nullptr, *last = nullptr;
  std::vector<ir::Node*> depthwise;
  std::vector<ir::Value*> values;
  int64_t repeat = 1;  // columns of `last` that one channel has
};

std::optional<Chain> chain_from(ir::Node& layer) {
  Chain chain{.first = &layer};
  ir::Value* value = &layer.output();
  for (;;) {
    if (value->uses().size() != 1 || value->quant() || value->uses()[0].index != 0) return std::nullopt;
    chain.values.push_back(value);
    ir::Node& next = *value->uses()[0].node;
    if (next.is(OpKind::output)) return std::nullopt;
    if (is_layer(next)) {
      chain.last = &next;
      return chain;
    }
    if (is_depthwise(next)) {
      chain.depthwise.push_back(&next);
    } else if (!keeps_zero(next)) {
      return std::nullopt;
    }
    if (next.is(OpKind::flatten)) {
      const auto dims =
          ir::Type{ir::DType::f32, ir::Shape(value->type().shape->begin() + 2, value->type().shape->end())}
              .static_dims();
      if (!dims || next.attributes().get_int("axis", 1) != 1) return std::nullopt;
      chain.repeat = ir::num_elements(*dims);
    }
    value = &next.output();
  }
}

// `count` slices along `axis` before slice `at`; `number(i, index)` gives number i of new slice `index`, where i walks
// over the other axes.
template <typename Number>
void insert(ir::Node& node, int operand, int axis, int64_t at, int64_t count, Number&& number) {
  const ir::Tensor& tensor = *node.input(operand)->constant();
  ir::Dims dims = tensor.dims();
  int64_t inner = 1;
  for (size_t d = static_cast<size_t>(axis) + 1; d < dims.size(); ++d) inner *= dims[d];
  const int64_t size = dims[static_cast<size_t>(axis)], outer = tensor.size() / (size * inner);
  std::vector<float> out;
  const auto data = tensor.data<float>();
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t s = 0; s <= size; ++s) {
      for (int64_t c = 0; s == at && c < count; ++c) {
        for (int64_t i = 0; i < inner; ++i) out.push_back(number(o * inner + i, c));
      }
      for (int64_t i = 0; s < size && i < inner; ++i)
        out.push_back(data[static_cast<size_t>((o * size + s) * inner + i)]);
    }
  }
  dims[static_cast<size_t>(axis)] += count;
  node.graph().set_tensor(node.input(operand)->node(), ir::Tensor::of<float>(dims, out));
}

// Number i (over the other axes) of a slice.
float number_of(const ir::Tensor& tensor, int axis, int64_t slice, int64_t i) {
  int64_t inner = 1;
  for (int d = axis + 1; d < tensor.rank(); ++d) inner *= tensor.dims()[static_cast<size_t>(d)];
  const int64_t size = tensor.dims()[static_cast<size_t>(axis)];
  return tensor.data<float>()[static_cast<size_t>((i / inner * size + slice) * inner + i % inner)];
}

enum class Plant { unread, zero, repeat };

void plant(const Chain& chain, Random& random, Plant kind) {
  const int axis = out_axis(*chain.first), in_axis = 1 - out_axis(*chain.last);
  const int64_t channels = chain.first->input(1)->constant()->dims()[static_cast<size_t>(axis)];
  const auto at = static_cast<int64_t>(random.below(static_cast<uint64_t>(channels) + 1));
  const auto other = static_cast<int64_t>(random.below(static_cast<uint64_t>(channels)));
  const auto noise = [&] { return static_cast<float>(random.normal()); };
  const auto row = [&](ir::Node& node, int operand, int along) {
    const ir::Tensor before = *node.input(operand)->constant();
    insert(node, operand, along, at, 1, [&](int64_t i, int64_t) {
      if (kind == Plant::repeat) return number_of(before, along, other, i);
      return kind == Plant::zero && (&node == chain.first || operand == 2) ? 0.0F : noise();
    });
  };
  row(*chain.first, 1, axis);
  if (chain.first->input(2) != nullptr) row(*chain.first, 2, 0);
  for (ir::Node* node : chain.depthwise) {
    row(*node, 1, 0);
    if (node->input(2) != nullptr) row(*node, 2, 0);
    node->attributes().set("group", channels + 1);
  }
  // What a reader takes from a repeated channel, it takes less from the first.
  const ir::Tensor before = *chain.last->input(1)->constant();
  std::vector<float> taken;
  insert(*chain.last, 1, in_axis, at * chain.repeat, chain.repeat, [&](int64_t, int64_t) {
    taken.push_back(kind == Plant::unread ? 0.0F : noise());
    return taken.back();
  });
  if (kind != Plant::repeat) return;
  const ir::Tensor& after = *chain.last->input(1)->constant();
  std::vector<float> numbers = after.to_floats();
  int64_t inner = 1;
  for (int d = in_axis + 1; d < after.rank(); ++d) inner *= after.dims()[static_cast<size_t>(d)];
  const int64_t size = after.dims()[static_cast<size_t>(in_axis)],
                first = (other + (other >= at ? 1 : 0)) * chain.repeat;
  size_t next = 0;
  for (int64_t o = 0; o < after.size() / (size * inner); ++o) {
    for (int64_t c = 0; c < chain.repeat; ++c) {
      for (int64_t i = 0; i < inner; ++i)
        numbers[static_cast<size_t>((o * size + first + c) * inner + i)] -= taken[next++];
    }
  }
  chain.last->graph().set_tensor(chain.last->input(1)->node(), ir::Tensor::of<float>(after.dims(), numbers));
}

}  // namespace

int plant_channels(ir::Graph& graph, Random& random) {
  int planted = 0;
  EXPECT_TRUE(ops::infer_types(graph).ok());
  for (ir::Node& node : graph.nodes()) {
    const auto chain = is_layer(node) ? chain_from(node) : std::nullopt;
    if (!chain) continue;
    plant(*chain, random, static_cast<Plant>(random.below(3)));
    for (ir::Value* value : chain->values) value->set_type({ir::DType::f32, std::nullopt});
    const Status typed = ops::infer_types(graph);
    EXPECT_TRUE(typed.ok()) << (typed.ok() ? "" : typed.error().text());
    ++planted;
  }
  return planted;
}

int64_t count_parameters(const ir::Graph& graph) {
  int64_t count = 0;
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(OpKind::constant) && node.tensor().dtype() == ir::DType::f32 && !node.output().unused())
      count += node.tensor().size();
  }
  return count;
}

}  // namespace edgesmith::testing
