// SPDX-License-Identifier: Apache-2.0
// 1 to 18: structure and identity.
#include <gtest/gtest.h>

#include "edgesmith/base/file.h"
#include "nasty/row.h"

namespace edgesmith::nasty {
namespace {

using ::onnx::AttributeProto;
using ::onnx::GraphProto;
using ::onnx::TensorProto;

/// Two convolutions and a dense layer.
constexpr const char* kNet = R"(g (float[N,3,6,6] x) => (float[N,5] y)
  <float[4,3,3,3] w1, float[4] b1, float[8,4,3,3] w2, float[8] b2, float[8,5] w3> {
    c1 = Conv<pads = [1,1,1,1]>(x, w1, b1)
    r1 = Relu(c1)
    c2 = Conv(r1, w2, b2)
    r2 = Relu(c2)
    p = GlobalAveragePool(r2)
    f = Flatten(p)
    y = MatMul(f, w3)
  })";

/// What a command writes of the model without the names of its nodes, and without the hash of the model they are in.
std::string without_node_names(Model model) {
  for (auto& entry : *model.mutable_metadata_props()) {
    if (entry.key() == "edgesmith.provenance") entry.clear_value();
  }
  for (auto& node : *model.mutable_graph()->mutable_node()) node.clear_name();
  return model.SerializeAsString();
}

/// Names the nodes of the original and expects that nothing but names comes out differently.
void same_with_names(Ran& ran) {
  Model named = ran.original;
  int number = 0;
  for (auto& node : *named.mutable_graph()->mutable_node()) node.set_name("node" + std::to_string(number++));
  ASSERT_TRUE(write_file(ran.folder + "/named.onnx", named.SerializeAsString()).ok());
  const Model simple = ran.written({"simplify", "named.onnx", "-o", "s2.onnx"}, "s2.onnx");
  const Model int8 = ran.written({"quantize", "named.onnx", "-o", "q2.onnx", "--calib", "data"}, "q2.onnx");
  EXPECT_EQ(without_node_names(simple), without_node_names(ran.simple));
  EXPECT_EQ(without_node_names(int8), without_node_names(ran.int8));
}

/// Makes every initializer an input too, as IR 3 wants it.
void list_initializers_as_inputs(Model& model) {
  model.set_ir_version(3);
  for (const TensorProto& tensor : model.graph().initializer()) {
    auto& input = *model.mutable_graph()->add_input();
    input.set_name(tensor.name());
    auto& type = *input.mutable_type()->mutable_tensor_type();
    type.set_elem_type(tensor.data_type());
    for (const int64_t dim : tensor.dims()) type.mutable_shape()->add_dim()->set_dim_value(dim);
  }
}

/// The inputs of embeddings: rows of the table.
void token_inputs(const std::string& folder) {
  TensorProto ids;
  ids.set_name("ids");
  ids.set_data_type(TensorProto::INT64);
  ids.add_dims(2);
  ids.add_dims(4);
  for (const int64_t id : {3, 1, 4, 1, 5, 9, 2, 6}) ids.add_int64_data(id);
  write_input(ids, folder, 0);
}

std::vector<Row> name_rows() {
  return {
      {.number = "1", .title = "every node name is empty", .text = kNet, .check = same_with_names},
      {.number = "2a",
       .title = "every node name is equal",
       .text = kNet,
       .edit =
           [](Model& model) {
             for (auto& node : *model.mutable_graph()->mutable_node()) node.set_name("node");
           },
       .check =
           [](Ran& ran) {
             const Model skipped =
                 ran.written({"quantize", "m.onnx", "--skip", "node", "-o", "s.onnx", "--calib", "data"}, "s.onnx");
             EXPECT_EQ(count_nodes(skipped, "QuantizeLinear"), 0) << "the name stands for all of them";
           }},
      {.number = "2b",
       .title = "two tensors differ in case only",
       .text = R"(g (float[N,4] x) => (float[N,4] Y, float[N,4] y)
        <float[4,4] w, float[4,4] W> {
          t = MatMul(x, w)
          T = MatMul(x, W)
          y = Relu(t)
          Y = Relu(T)
        })"},
      {.number = "3",
       .title = "names that a quantizer would make up are taken",
       .text = R"(g (float[N,3,6,6] x) => (float[N,4,6,6] y)
        <float[4,3,3,3] w, float[4,4,3,3] w_quantized, float[4,4,1,1] w_scale, float[4] b, float[4] b0, float[1,4,1,1] y_zero_point> {
          x_scale = Conv<pads = [1,1,1,1]>(x, w, b)
          x_quantized = Conv<pads = [1,1,1,1]>(x_scale, w_quantized, b)
          x_zero_point = Conv(x_quantized, w_scale, b0)
          y_scale = Sigmoid(x_zero_point)
          y = Add(y_scale, y_zero_point)
        })"},
      {.number = "4a",
       .title = "absent operands in the middle of Clip and Resize",
       .text = R"(g (float[1,2,4,4] x) => (float[1,2,8,8] y)
        <float[2,2,1,1] w, float high = {0.5}, float[4] scales = {1, 1, 2, 2}, float[1,2,4,4] table> {
          bounded = Clip(table, , high)
          s = Add(x, bounded)
          c = Conv(s, w)
          k = Clip(c, , high)
          y = Resize<mode = "nearest">(k, , scales)
        })",
       .check = [](Ran& ran) { EXPECT_EQ(count_nodes(ran.simple, "Clip"), 1) << "the constant one folds"; }},
      {.number = "4b",
       .title = "absent sequence lengths of an LSTM",
       .text = R"(g (float[T,N,4] x, float[1,N,6] h0, float[1,N,6] c0)
          => (float[T,1,N,6] y, float[1,N,6] h, float[1,N,6] c)
        <float[1,24,4] W, float[1,24,6] R, float[1,48] B> {
          y, h, c = LSTM<hidden_size = 6>(x, W, R, B, , h0, c0)
        })"},
  };
}

std::vector<Row> interface_rows() {
  return {
      {.number = "5a",
       .title = "nodes out of topological order",
       .text = R"(g (float[N,4] x) => (float[N,4] y) <float[4,4] w> {
          y = Relu(a)
          a = MatMul(x, w)
        })",
       .says = "not in topological order"},
      {.number = "5b",
       .title = "an output twice",
       .text = R"(g (float[N,4] x) => (float[N,4] y, float[N,4] y) <float[4,4] w> {
          y = MatMul(x, w)
        })"},
      {.number = "5c",
       .title = "outputs that are an input and an initializer",
       .text = R"(g (float[N,4] x) => (float[N,4] x, float[4,4] w, float[N,4] y)
        <float[4,4] w> {
          y = MatMul(x, w)
        })"},
      {.number = "5d", .title = "no nodes at all", .text = "g (float[N,4] x) => (float[N,4] x) { }"},
      {.number = "6",
       .title = "an output inside of conv bn relu",
       .text = R"(g (float[N,3,6,6] x) => (float[N,4,4,4] c, float[N,4,4,4] y)
        <float[4,3,3,3] w, float[4] scale = {1, 2, 0.5, 1}, float[4] shift, float[4] mean, float[4] var> {
          c = Conv(x, w)
          b = BatchNormalization(c, scale, shift, mean, var)
          y = Relu(b)
        })"},
      {.number = "7",
       .title = "IR 3 with initializers listed as inputs",
       .text = R"(g (float[N,3,6,6] x) => (float[N,4,4,4] y)
        <float[4,3,3,3] w, float[4] scale = {1, 2, 0.5, 1}, float[4] shift, float[4] mean, float[4] var> {
          c = Conv(x, w)
          y = BatchNormalization(c, scale, shift, mean, var)
        })",
       .opset = 9,
       .edit = list_initializers_as_inputs,
       .check = [](Ran& ran) { EXPECT_EQ(count_nodes(ran.simple, "BatchNormalization"), 0); }},
  };
}

void add_sparse_constant(Model& model) {
  auto& node = *model.mutable_graph()->mutable_node(0);  // s = Constant
  node.clear_attribute();
  auto& attribute = *node.add_attribute();
  attribute.set_name("sparse_value");
  attribute.set_type(AttributeProto::SPARSE_TENSOR);
  auto& sparse = *attribute.mutable_sparse_tensor();
  *sparse.mutable_values() = float_tensor("", {3}, {0.5f, -1, 0.25f});
  sparse.mutable_indices()->set_data_type(TensorProto::INT64);
  sparse.mutable_indices()->add_dims(3);
  for (const int64_t at : {0, 5, 14}) sparse.mutable_indices()->add_int64_data(at);
  sparse.add_dims(4);
  sparse.add_dims(4);
}

std::vector<Row> weight_rows() {
  return {
      {.number = "8",
       .title = "weights in Constant nodes of every kind",
       .text = R"(g (float[N,4] x) => (float[N,4] y) {
          s = Constant<value = float[1] {0}>()
          w = Constant<value = float[4,4] {1, 2, 3, 4, -1, -2, 0, 1, 0.5, 0.25, 1, 1, 2, -2, 1, 0}>()
          half = Constant<value_float = 0.5>()
          shape = Constant<value_ints = [-1, 4]>()
          a = MatMul(x, w)
          b = MatMul(a, s)
          m = Mul(b, half)
          y = Reshape(m, shape)
        })",
       .edit = add_sparse_constant,
       .check =
           [](Ran& ran) {
             EXPECT_EQ(count_nodes(ran.simple, "Constant"), 0);
             EXPECT_EQ(
                 count_initializers(ran.int8, TensorProto::INT8) + count_initializers(ran.int8, TensorProto::UINT8) > 0,
                 true);
           }},
      {.number = "9a",
       .title = "a weight behind Identity Transpose Cast and Reshape",
       .text = R"(g (float[N,4] x) => (float[N,6] y)
        <double[3,8] stored = {1,2,3,4,5,6,7,8,-1,-2,-3,-4,-5,-6,-7,-8,0.5,1.5,2.5,3.5,-0.5,-1.5,-2.5,9}, int64[2] shape = {4, 6}> {
          i = Identity(stored)
          t = Transpose(i)
          c = Cast<to = 1>(t)
          w = Reshape(c, shape)
          y = MatMul(x, w)
        })",
       .check =
           [](Ran& ran) {
             EXPECT_EQ(ran.simple.graph().node_size(), 1);
             EXPECT_EQ(count_nodes(ran.int8, "Transpose"), 0);
           }},
      {.number = "9b",
       .title = "a weight behind DequantizeLinear",
       .text = R"(g (float[N,4] x) => (float[N,4] y)
        <int8[4,4] codes = {1,2,3,4,5,6,7,8,-1,-2,-3,-4,-5,-6,-7,127}, float step = {0.02}, int8 zero = {0}> {
          w = DequantizeLinear(codes, step, zero)
          y = MatMul(x, w)
        })",
       .check =
           [](Ran& ran) {
             EXPECT_EQ(count_nodes(ran.simple, "DequantizeLinear"), 1) << "codes stay codes";
             EXPECT_EQ(count_initializers(ran.simple, TensorProto::FLOAT), 1) << "the scale";
           }},
      {.number = "10a",
       .title = "one weight in two convs of which one has a BN",
       .text = R"(g (float[N,3,6,6] x) => (float[N,3,2,2] y)
        <float[3,3,3,3] w, float[3] scale = {1, 2, 0.5}, float[3] shift, float[3] mean, float[3] var> {
          a = Conv(x, w)
          b = BatchNormalization(a, scale, shift, mean, var)
          r = Relu(b)
          y = Conv(r, w)
        })"},
      {.number = "10b",
       .title = "one weight in two convs with different BNs",
       .text = R"(g (float[N,3,6,6] x) => (float[N,3,2,2] y)
        <float[3,3,3,3] w, float[3] scale = {1, 2, 0.5}, float[3] shift, float[3] mean, float[3] var,
         float[3] scale2 = {3, 0.2, 1}, float[3] shift2, float[3] mean2, float[3] var2> {
          a = Conv(x, w)
          b = BatchNormalization(a, scale, shift, mean, var)
          r = Relu(b)
          c = Conv(r, w)
          y = BatchNormalization(c, scale2, shift2, mean2, var2)
        })"},
      {.number = "11",
       .title = "an embedding tied to the output projection",
       .text = R"(g (int64[N,T] ids) => (float[N,T,64] y)
        <float[64,32] table, float[32,32] w> {
          e = Gather(table, ids)
          h = MatMul(e, w)
          r = Relu(h)
          back = Transpose<perm = [1,0]>(table)
          y = MatMul(r, back)
        })",
       .check =
           [](Ran& ran) {
             // One copy of the table, in 8 bits: the file is less than half of the original.
             EXPECT_LT(2 * ran.int8.ByteSizeLong(), ran.original.ByteSizeLong());
           },
       .inputs = token_inputs},
  };
}

/// What simplify wrote, and quantize where it did.
std::vector<const Model*> written_by(const Ran& ran) {
  std::vector<const Model*> models = {&ran.simple};
  if (ran.int8.has_graph()) models.push_back(&ran.int8);
  return models;
}

/// Three levels: If in Loop in If, each reading `w` of the outermost graph; `w` is shadowed nowhere, `t` in both
/// branches.
constexpr const char* kNested = R"(g (bool flag, float[2,2] x) => (float[2,2] y) <float[2,2] w, float[2,2] v> {
    h = MatMul(x, v)
    y0 = If(flag) <
      then_branch = a () => (float[2,2] t) {
        trips = Constant<value = int64 {2}>()
        go = Constant<value = bool {1}>()
        t = Loop(trips, go, h) <
          body = b (int64 i, bool c, float[2,2] s) => (bool c2, float[2,2] s2) {
            c2 = Identity(c)
            s2 = If(c) <
              then_branch = d () => (float[2,2] u) { u = MatMul(s, w) },
              else_branch = e () => (float[2,2] u) { u = Add(s, w) }
            >
          }
        >
      },
      else_branch = f () => (float[2,2] t) { t = Add(h, w) }
    >
    y = Relu(y0)
  })";

std::vector<Row> scope_rows() {
  return {
      {.number = "12",
       .title = "bodies three deep read outer weights",
       .text = kNested,
       .check =
           [](Ran& ran) {
             EXPECT_NE(find_initializer(ran.simple, "w"), nullptr) << "captured three levels down";
             // Simplified inside, too: answers are compared for every row.
             EXPECT_EQ(ran.simple.graph().node(1).op_type(), "If");
             EXPECT_LT(ran.simple.graph().node(1).ByteSizeLong(), ran.original.graph().node(1).ByteSizeLong());
           }},
      {.number = "13a",
       .title = "nested local functions",
       .text = R"(<ir_version: 8, opset_import: ["" : 17, "local" : 1]>
        g (float[N,4] x) => (float[N,4] y) <float[4,4] w> {
          h = MatMul(x, w)
          y = local.four(h)
        }
        <domain: "local", opset_import: ["" : 17, "local" : 1]>
        four (a) => (b) { t = local.twice(a) b = local.twice(t) }
        <domain: "local", opset_import: ["" : 17]>
        twice (a) => (b) { b = Add(a, a) })",
       .check =
           [](Ran& ran) {
             for (const Model* model : written_by(ran)) {
               EXPECT_TRUE(model->functions_size() == 2 || count_nodes(*model, "four") == 0) << "kept or inlined";
             }
           }},
      {.number = "13b",
       .title = "a function whose domain is not imported",
       .text = R"(<ir_version: 8, opset_import: ["" : 17]>
        g (float[N,4] x) => (float[N,4] y) <float[4,4] w> {
          h = MatMul(x, w)
          y = local.twice(h)
        }
        <domain: "local", opset_import: ["" : 17]>
        twice (a) => (b) { b = Add(a, a) })",
       .check =
           [](Ran& ran) {
             for (const Model* model : written_by(ran)) {
               EXPECT_TRUE(model->functions_size() == 1 || count_nodes(*model, "twice") == 0) << "kept or inlined";
             }
           }},
      {.number = "13c",
       .title = "a function of two overloads",
       .text = R"(<ir_version: 10, opset_import: ["" : 17, "local" : 1]>
        g (float[N,4] x) => (float[N,4] y) {
          h = local.f(x)
          y = local.f(h)
        }
        <domain: "local", opset_import: ["" : 17]>
        f (a) => (b) { b = Add(a, a) }
        <domain: "local", opset_import: ["" : 17]>
        f (a) => (b) { b = Mul(a, a) })",
       .edit =
           [](Model& model) {  // NodeProto.overload = 8, FunctionProto.overload = 13: newer than our protobuf classes
             auto& node = *model.mutable_graph()->mutable_node(1);
             node.GetReflection()->MutableUnknownFields(&node)->AddLengthDelimited(8, "square");
             auto& function = *model.mutable_functions(1);
             function.GetReflection()->MutableUnknownFields(&function)->AddLengthDelimited(13, "square");
           },
       .check =
           [](Ran& ran) {
             for (const float y : Ran::floats(ran.answers, "y")) EXPECT_GE(y, 0) << "the second call is of the square";
             for (const Model* model : written_by(ran)) {
               if (count_nodes(*model, "f") == 0) continue;  // inlined
               EXPECT_EQ(model->functions_size(), 2);
               EXPECT_NE(model->graph().node(1).SerializeAsString().find("square"), std::string::npos);
             }
           }},
  };
}

std::vector<Row> operator_rows() {
  return {
      {.number = "14a",
       .title = "a custom operator in the default domain",
       .text = R"(g (float[N,4] x) => (float[N,4] y) <float[4,4] w, float[4,4] v> {
          h = MatMul(x, w)
          k = DCNv2_TRT(h)
          y = MatMul(k, v)
        })",
       .codes = {.quantize = 4, .infer = 4},
       .says = "DCNv2_TRT",
       .check = [](Ran& ran) { EXPECT_EQ(count_nodes(ran.simple, "DCNv2_TRT"), 1); }},
      {.number = "14b",
       .title = "a custom operator in a domain of its own",
       .text = R"(g (float[N,4] x) => (float[N,4] y) <float[4,4] w, float[4,4] v> {
          h = MatMul(x, w)
          k = com.acme.Swirl(h)
          y = MatMul(k, v)
        })",
       .codes = {.quantize = 4, .infer = 4},
       .says = "Swirl",
       .check = [](Ran& ran) { EXPECT_EQ(count_nodes(ran.simple, "Swirl"), 1); }},
      {.number = "15",
       .title = "quantized operators of com microsoft",
       .text = R"(g (float[N,4] x) => (float[N,4] y)
        <float s = {0.01}, uint8 z = {128}, float t = {0.02}, uint8[4,4] w = {1,2,3,250,5,6,7,8,9,10,11,12,200,14,15,16}> {
          a = QuantizeLinear(x, s, z)
          b = com.microsoft.QLinearAdd(a, s, z, a, s, z, t, z)
          c = com.microsoft.QGemm(b, t, z, w, s, z, , t, z)
          d = com.microsoft.QLinearSigmoid(c, t, z, s, z)
          y = DequantizeLinear(d, s, z)
        })",
       .db = 20,
       .check = [](Ran& ran) { EXPECT_LE(count_nodes(ran.simple, "QuantizeLinear"), 1); }},
      {.number = "16a",
       .title = "BatchNormalization in training mode",
       .text = R"(g (float[N,3,6,6] x) => (float[N,3,6,6] y, float[3] m, float[3] v)
        <float[3,3,1,1] w, float[3] scale = {1, 2, 0.5}, float[3] shift, float[3] mean, float[3] var> {
          c = Conv(x, w)
          y, m, v = BatchNormalization<training_mode = 1>(c, scale, shift, mean, var)
        })",
       .opset = 15,
       .codes = {.quantize = 4, .infer = 4},
       .says = "BatchNormalization",
       .check = [](Ran& ran) { EXPECT_EQ(count_nodes(ran.simple, "BatchNormalization"), 1) << "not folded"; }},
      {.number = "16b",
       .title = "Dropout in training mode",
       .text = R"(g (float[N,4] x) => (float[N,4] y)
        <float[4,4] w, float ratio = {0.5}, bool training = {1}> {
          h = MatMul(x, w)
          y = Dropout(h, ratio, training)
        })",
       .codes = {.quantize = 4, .infer = 4},
       .says = "Dropout",
       .check = [](Ran& ran) { EXPECT_EQ(count_nodes(ran.simple, "Dropout"), 1) << "not an identity"; }},
      {.number = "17",
       .title = "random numbers from constants",
       .text = R"(g (float[2,4] x) => (float[2,4] y) <float[4,4] w, float[2,4] like> {
          r = RandomNormal<shape = [2, 4], seed = 1.0>()
          u = RandomUniformLike(like)
          b = Bernoulli(like)
          a = Add(r, u)
          c = Add(a, b)
          h = MatMul(x, w)
          y = Add(h, c)
        })",
       .opset = 15,
       .codes = {.quantize = 4, .infer = 4},
       .says = "Random",
       .check =
           [](Ran& ran) {
             for (const char* op : {"RandomNormal", "RandomUniformLike", "Bernoulli"})
               EXPECT_EQ(count_nodes(ran.simple, op), 1) << op;
           }},
      {.number = "18a",
       .title = "a cycle",
       .text = R"(g (float[2] x) => (float[2] y) {
          a = Add(x, b)
          b = Relu(a)
          y = Tanh(b)
        })",
       .codes = kInvalid,
       .says = "cycle"},
      {.number = "18b",
       .title = "a tensor that nothing defines",
       .text = "g (float[2] x) => (float[2] y) { y = Add(x, ghost) }",
       .codes = kInvalid,
       .says = "'ghost'"},
      {.number = "18c",
       .title = "a tensor with two producers",
       .text = "g (float[2] x) => (float[2] y) { y = Relu(x) y = Tanh(x) }",
       .codes = kInvalid,
       .says = "'y' is defined twice"},
  };
}

}  // namespace

std::vector<Row> structure_rows() {
  std::vector<Row> rows;
  for (auto* some : {name_rows, interface_rows, weight_rows, scope_rows, operator_rows}) {
    for (Row& row : some()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace edgesmith::nasty
