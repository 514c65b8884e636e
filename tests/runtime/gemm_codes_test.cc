// SPDX-License-Identifier: Apache-2.0
// Matrix products on codes against the formula, on every table of vectors.
#include "runtime/codes.h"
#include "runtime/native/gemm_i8.h"
#include "runtime/native/kernels.h"
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

using ir::DType;

struct Case {
  ir::Dims input;  // [.., k]
  int64_t outputs;
  bool gemm = true, transposed = true;
  DType code = DType::u8, weight = DType::i8;
  int32_t zero_point = 3;
  int limit = 127;
  bool smallest_weights = false;  // every weight is -128
};

void check(const Case& c, Arithmetic arithmetic) {
  const int64_t k = c.input.back(), rows = k == 0 ? 0 : ir::num_elements(c.input) / k;
  SCOPED_TRACE("rows " + std::to_string(rows) + " k " + std::to_string(k) + " outputs " + std::to_string(c.outputs) +
               " limit " + std::to_string(c.limit) + " " + std::string(arithmetic_word(arithmetic)));
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", ir::type_of(DType::f32, c.input));
  x.set_quant(per_tensor(c.code, 0.02F, c.zero_point));
  const ir::Dims dims = c.transposed ? ir::Dims{c.outputs, k} : ir::Dims{k, c.outputs};
  ir::Tensor weight = random_weight(dims, c.transposed ? 0 : 1, c.limit, 2, c.weight);
  if (c.smallest_weights) {
    const std::vector<int8_t> codes(static_cast<size_t>(c.outputs * k), -128);
    weight = ir::Tensor::affine(ir::Tensor::of<int8_t>(dims, codes), weight.quant());
  }
  std::vector<ir::Value*> operands = {&x, &graph.add_constant(std::move(weight))};
  if (c.gemm) operands.push_back(&graph.add_constant(random_tensor({c.outputs}, 3)));
  ir::Node& node = graph.append(c.gemm ? ir::OpKind::gemm : ir::OpKind::mat_mul, operands);
  if (c.transposed) node.attributes().set("transB", int64_t{1});
  node.output().set_quant(per_tensor(c.code, 0.01F * std::sqrt(static_cast<float>(k) + 1), c.zero_point));
  graph.add_output("y", node.output());
  ASSERT_TRUE(ops::infer_types(graph).ok());
  integer::Form form;
  form.node = &node;
  form.arithmetic = arithmetic;
  form.operands.resize(operands.size());
  form.operands[0] = integer::code_type(&*x.quant());
  form.result = *integer::code_type(&*node.output().quant());
  const Kernel* kernel = find_kernel(form, Isa::scalar, false);
  ASSERT_EQ(kernel, c.gemm ? &native::kGemmI8 : &native::kMatMulI8);
  const auto layer = integer::make_weight_layer(form);
  ASSERT_TRUE(layer.ok()) << layer.error().text();
  const CodeBuffer codes = random_codes(rows * k, 1);
  const ir::Tensor input = codes.tensor(c.code, c.input);
  std::vector<int32_t> expected;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t m = 0; m < c.outputs; ++m) {
      int32_t sum = layer->bias[static_cast<size_t>(m)];
      for (int64_t j = 0; j < k; ++j) {
        sum += (code_at(codes, c.code, i * k + j) - c.zero_point) * layer->weight[static_cast<size_t>(m * k + j)];
      }
      expected.push_back(layer->requantize.code(sum, m));
    }
  }
  const auto output = kernel->output_dims(node, std::vector<const ir::Dims*>{&c.input, &dims});
  ASSERT_TRUE(output);
  ASSERT_EQ(*output, *node.output().type().static_dims());
  for (const NamedTable& t : code_tables()) {
    const auto prepared = native::prepare_gemm_i8(form, *t.table);
    ASSERT_TRUE(prepared.ok()) << prepared.error().text();
    std::vector<const ir::Tensor*> inputs(operands.size(), nullptr);
    inputs[0] = &input;
    const auto count = static_cast<int64_t>(expected.size());
    const CodeBuffer y = run_row(*kernel, node, prepared->get(), inputs, *output, count, t.isa);
    int64_t wrong = 0;
    for (int64_t i = 0; i < count; ++i) wrong += code_at(y, c.code, i) != expected[static_cast<size_t>(i)] ? 1 : 0;
    EXPECT_EQ(wrong, 0) << "of " << count << " codes, " << t.name;
  }
}

void check(const Case& c) {
  check(c, Arithmetic::exact_i32);
  check(c, Arithmetic::tflite);
}

TEST(GemmCodes, AreTheFormulaForOddSizes) {
  for (const int64_t k : {1, 3, 7, 8, 15, 17, 31, 33, 100}) {
    for (const int64_t outputs : {1, 8, 10, 17, 31, 33, 100}) {
      for (const int64_t rows : {0, 1, 2, 7, 9}) check({.input = {rows, k}, .outputs = outputs});
    }
  }
}

TEST(GemmCodes, AreTheFormulaForSignedCodesAnyWeightsAndManyRows) {
  for (const DType code : {DType::u8, DType::i8}) {
    for (const int limit : {64, 127}) {
      for (const int64_t rows : {1, 40, 200}) {
        Case c = {.input = {rows, 600}, .outputs = 20, .code = code, .limit = limit};
        c.zero_point = code == DType::i8 ? -128 : 255;
        check(c);
        c.weight = DType::u8;
        check(c);
      }
    }
  }
}

// Two products of -128 by -128 do not fit 16 signed bits. The zero point is the mean of the codes: sums lie around 0.
TEST(GemmCodes, AreTheFormulaForTheSmallestWeights) {
  check({.input = {40, 600}, .outputs = 20, .zero_point = 140, .smallest_weights = true});
}

TEST(GemmCodes, AreTheFormulaForWeightsByColumnsAndStacksOfRows) {
  check({.input = {5, 33}, .outputs = 19, .transposed = false});
  check({.input = {2, 3, 4, 21}, .outputs = 50, .gemm = false, .transposed = false});
  check({.input = {2, 0, 21}, .outputs = 50, .gemm = false, .transposed = false});
}

}  // namespace
}  // namespace edgesmith::runtime
