// SPDX-License-Identifier: Apache-2.0
#include "ir/store.h"

#include <gtest/gtest.h>

#include "edgesmith/ir/text.h"

namespace edgesmith::ir {
namespace {

Graph parsed(const char* text) {
  auto graph = parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  return std::move(*graph);
}

constexpr const char* kModel = R"(graph @m(%x: f32[N,3]) -> (y: f32[N,3]) {
  %w = constant {0.5, 0, 0, 0, 0.5, 0, 0, 0, 0.5} : f32[3,3]
  %b = constant {1, 2, 3} : f32[3]
  %h = mat_mul %x, %w : f32[N,3] q(u8, scale=0.02, zp=3)
  %s = add %h, %b : f32[N,3]
  %y = leaky_relu %s {alpha=0.1} : f32[N,3]
  return %y
}
)";

struct Stored {
  std::string bytes;
  std::shared_ptr<std::string> owner = std::make_shared<std::string>();
  bool known = false;
};

Stored store(const Graph& graph, const StoredParts& parts) {
  BinaryWriter out;
  Stored stored;
  stored.known = store_graph(graph, parts, out);
  *stored.owner = out.take();
  stored.bytes = *stored.owner;
  return stored;
}

std::optional<Graph> restore(const Stored& stored, const StoredParts& parts) {
  BinaryReader in(std::as_bytes(std::span<const char>(*stored.owner)));
  auto graph = restore_graph(in, parts, stored.owner);
  if (graph && !in.done()) return std::nullopt;
  return graph;
}

Node& find(Graph& graph, std::string_view value) {
  for (Node& node : graph.nodes()) {
    if (node.num_outputs() > 0 && node.output().name() == value) return node;
  }
  ADD_FAILURE() << "no value " << value;
  return graph.output_node();
}

/// Text, ids, use order and everything that the text leaves out.
void expect_same(const Graph& a, const Graph& b) {
  EXPECT_EQ(print(a, {0}), print(b, {0}));
  EXPECT_EQ(a.num_node_ids(), b.num_node_ids());
  EXPECT_EQ(a.num_value_ids(), b.num_value_ids());
  EXPECT_EQ(a.metadata, b.metadata);
  EXPECT_EQ(a.output_names(), b.output_names());
  EXPECT_EQ(a.declared_outputs, b.declared_outputs);
  auto other = b.nodes().begin();
  for (const Node& node : a.nodes()) {
    const Node& twin = *other;
    ++other;
    EXPECT_EQ(node.id(), twin.id());
    EXPECT_EQ(node.name(), twin.name());
    EXPECT_EQ(node.doc, twin.doc);
    EXPECT_EQ(node.foreign, twin.foreign);
    for (int i = 0; i < node.num_outputs(); ++i) {
      const Value &value = node.output(i), &twin_value = twin.output(i);
      EXPECT_EQ(value.id(), twin_value.id());
      EXPECT_EQ(value.quant().has_value(), twin_value.quant().has_value());
      if (value.quant()) {
        EXPECT_EQ(value.quant()->method, twin_value.quant()->method);
      }
      ASSERT_EQ(value.uses().size(), twin_value.uses().size());
      for (size_t u = 0; u < value.uses().size(); ++u) {
        EXPECT_EQ(value.uses()[u].node->id(), twin_value.uses()[u].node->id());
      }
    }
    if (node.is(OpKind::constant)) {
      EXPECT_TRUE(node.tensor().identical_to(twin.tensor()));
    }
  }
}

TEST(GraphStore, ComesBackAsItWas) {
  const Graph source = parsed(kModel);
  const StoredParts parts(source);
  Graph graph = source.clone();
  graph.set_metadata("key", "value");
  graph.doc = "words";
  find(graph, "s").doc = "of a node";
  Quant quant{DType::u8, {0.1f}, {7}, -1, 0, "mse"};
  find(graph, "s").output().set_quant(quant);
  // Holes among the ids, and nodes that are not in the order of their ids.
  Node& relu = find(graph, "y");
  Node& added = graph.insert_before(relu, OpKind::relu, {&find(graph, "s").output()});
  added.output().set_type(find(graph, "s").output().type());
  graph.set_input(relu, 0, &added.output());
  Node& gone = graph.insert_before(relu, OpKind::split, {&added.output()}, 3);
  graph.insert_before(relu, OpKind::relu, {&added.output()}).output().set_name("kept");
  graph.erase(gone);
  graph = graph.clone();
  const Stored stored = store(graph, parts);
  ASSERT_TRUE(stored.known);
  const auto restored = restore(stored, parts);
  ASSERT_TRUE(restored.has_value());
  expect_same(graph, *restored);
  EXPECT_EQ(store(*restored, parts).bytes, stored.bytes) << "the hash of a graph is that of what came back";
}

TEST(GraphStore, KeepsEveryEncodingOfATensor) {
  const Graph source = parsed(kModel);
  const StoredParts parts(source);
  const Tensor dense = Tensor::of<float>({2, 2}, std::vector<float>{1, 2, 3, 4});
  const Tensor indices = Tensor::of<uint8_t>({2, 2}, std::vector<uint8_t>{0, 1, 2, 3});
  const Tensor codebook = Tensor::of<float>({1, 4}, std::vector<float>{0, 0.5, 1, 2});
  const Tensor i8_codebook = Tensor::of<int8_t>({1, 4}, std::vector<int8_t>{0, 5, -1, 2});
  const Quant quant{DType::i8, {0.1f, 0.2f}, {0, 0}, 0, 0, "mse"};
  const std::vector<Tensor> tensors = {
      dense,
      Tensor::affine(Tensor::of<int8_t>({2, 2}, std::vector<int8_t>{1, 2, -3, 4}), quant),
      Tensor::palette(indices, codebook, 0),
      Tensor::affine(Tensor::palette(indices, i8_codebook, 0), quant),
      Tensor::sparse({2, 2}, Tensor::of<float>({1}, std::vector<float>{5}),
                     Tensor::of<int64_t>({1}, std::vector<int64_t>{3})),
      Tensor::strings({2}, {"a", "bc"}),
      Tensor::zeros(DType::f32, {0})};
  for (const Tensor& tensor : tensors) {
    Graph graph = source.clone();
    graph.set_tensor(find(graph, "w"), tensor);
    const Stored stored = store(graph, parts);
    ASSERT_TRUE(stored.known);
    auto restored = restore(stored, parts);
    ASSERT_TRUE(restored.has_value()) << tensor.type().text();
    EXPECT_TRUE(find(*restored, "w").tensor().identical_to(tensor)) << tensor.type().text();
    EXPECT_EQ(find(*restored, "w").tensor().as_palette() != nullptr, tensor.as_palette() != nullptr);
  }
}

TEST(GraphStore, SharesWhatTheSourceHas) {
  const Graph source = parsed(kModel);
  const StoredParts parts(source);
  Graph graph = source.clone();
  Node& b = find(graph, "b");
  graph.set_tensor(b, b.tensor().reshaped({1, 3}));
  auto restored = restore(store(graph, parts), parts);
  ASSERT_TRUE(restored.has_value());
  EXPECT_EQ(find(*restored, "w").tensor().bytes().data(), find(graph, "w").tensor().bytes().data());
  EXPECT_EQ(find(*restored, "b").tensor().dims(), (Dims{1, 3}));
}

TEST(GraphStore, RefusesWhatItDoesNotKnow) {
  struct Strange : Foreign {};
  const Graph source = parsed(kModel);
  const StoredParts parts(source);
  Graph graph = source.clone();
  find(graph, "y").foreign = std::make_shared<const Strange>();
  EXPECT_FALSE(store(graph, parts).known);
}

TEST(GraphStore, RefusesDamagedBytes) {
  const Graph source = parsed(kModel);
  const StoredParts parts(source);
  const Stored whole = store(source, parts);
  for (size_t length = 0; length < whole.bytes.size(); length += 7) {
    Stored cut = whole;
    *(cut.owner = std::make_shared<std::string>()) = whole.bytes.substr(0, length);
    EXPECT_FALSE(restore(cut, parts).has_value()) << length;
  }
}

TEST(GraphStore, SubgraphsThatThePassMadeAreStoredWhole) {
  const Graph source = parsed(kModel);
  const StoredParts parts(source);
  Graph graph = source.clone();
  auto inside = std::make_shared<Subgraphs>();
  inside->num_inputs = 1;
  inside->rewritten = true;
  inside->input_axes = {1, 0};
  inside->graphs.push_back(parsed("graph @g(%a: f32[N]) -> (b) {\n  %b = relu %a : f32[N]\n  return %b\n}\n"));
  Node& node = graph.insert_before(find(graph, "y"), OpKind::opaque, {&find(graph, "s").output()}, 1);
  node.opaque_op = "com.acme::Ramp";
  node.subgraphs = inside;
  graph = graph.clone();
  const Stored stored = store(graph, parts);
  ASSERT_TRUE(stored.known);
  const auto back = restore(stored, parts);
  ASSERT_TRUE(back.has_value());
  expect_same(graph, *back);
  for (const Node& twin : back->nodes()) {
    if (!twin.is(OpKind::opaque)) continue;
    ASSERT_NE(twin.subgraphs, nullptr);
    EXPECT_TRUE(twin.subgraphs->rewritten);
    EXPECT_EQ(twin.subgraphs->input_axes, (Ints{1, 0}));
    EXPECT_EQ(print(twin.subgraphs->graphs[0], {0}), print(inside->graphs[0], {0}));
  }
  // Cut off anywhere, it is no graph.
  for (size_t length = 0; length < stored.bytes.size(); length += 7) {
    Stored cut = stored;
    cut.owner = std::make_shared<std::string>(stored.bytes.substr(0, length));
    EXPECT_FALSE(restore(cut, parts).has_value()) << length;
  }
}

}  // namespace
}  // namespace edgesmith::ir
