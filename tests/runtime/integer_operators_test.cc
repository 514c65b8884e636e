// SPDX-License-Identifier: Apache-2.0
// Operators on integer tensors, as models of other tools have them, by kernels against ops::eval.
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

template <typename T>
ir::Tensor random_codes(const ir::Dims& dims, uint64_t seed) {
  Random random(seed);
  std::vector<T> codes(static_cast<size_t>(ir::num_elements(dims)));
  for (T& code : codes) code = static_cast<T>(random.below(256));
  return ir::Tensor::of<T>(dims, codes);
}

std::string list_of(const ir::Tensor& tensor) {
  std::string text;
  for (const int64_t number : tensor.to_int64s()) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return "{" + text + "} : " + tensor.type().text();
}

// Integers are exact on every instruction set.
void check_exact(const std::string& text, const std::vector<ir::Tensor>& fed) {
  SCOPED_TRACE(text.substr(0, 200));
  const ir::Graph graph = parse_graph(text);
  EXPECT_TRUE(runs_by_kernels(graph));
  const std::vector<ir::Tensor> results = check_graph(graph, fed, 0);
  for (const Isa isa : {Isa::avxvnni, Isa::avx512vnni, Isa::neondot}) {
    if (!cpu_has(isa)) continue;
    const std::vector<ir::Tensor> own = run_graph(graph, fed, isa);
    ASSERT_EQ(own.size(), results.size());
    for (size_t i = 0; i < own.size(); ++i) EXPECT_TRUE(own[i].identical_to(results[i])) << isa_word(isa);
  }
}

template <typename A, typename B>
void check_product(const ir::Dims& a, int64_t columns, const std::string& zeros, const std::string& operands) {
  const ir::Tensor left = random_codes<A>(a, 3), right = random_codes<B>({a.back(), columns}, 5);
  check_exact("graph @g(%a: " + left.type().text() + ") -> (y) {\n  %b = constant " + list_of(right) + "\n" + zeros +
                  "  %y = mat_mul_integer %a, %b" + operands + "\n  return %y\n}",
              {left});
}

TEST(IntegerOperators, MatMulIntegerOfAllSizesAndTypes) {
  for (const int64_t k : {1, 3, 4, 17, 33}) {
    for (const int64_t columns : {1, 7, 16, 33}) {
      check_product<uint8_t, int8_t>({5, k}, columns, "  %z = constant {131} : u8[]\n", ", %z");
      check_product<int8_t, int8_t>({2, 3, k}, columns, "", "");
      check_product<uint8_t, uint8_t>({k}, columns, "  %z = constant {7} : u8[1]\n  %w = constant {200} : u8[]\n",
                                      ", %z, %w");
    }
  }
  check_product<int8_t, uint8_t>({4, 9}, 3, "  %z = constant {-100} : i8[]\n  %w = constant {0, 128, 255} : u8[3]\n",
                                 ", %z, %w");
  check_product<uint8_t, int8_t>({0, 4}, 3, "", "");
}

TEST(IntegerOperators, ALongSumOfTheLargestCodes) {
  std::vector<uint8_t> most(512, 255);
  std::string weights;
  for (int i = 0; i < 512; ++i) weights += i == 0 ? "-128" : ", -128";
  check_exact("graph @g(%a: u8[1,512]) -> (y) {\n  %b = constant {" + weights +
                  "} : i8[512,1]\n  %y = mat_mul_integer %a, %b\n  return %y\n}",
              {ir::Tensor::of<uint8_t>({1, 512}, most)});
}

template <typename X, typename W>
void check_convolution(const ir::Dims& x, const ir::Dims& weight, const std::string& attributes,
                       const std::string& zeros = "", const std::string& operands = "") {
  const ir::Tensor input = random_codes<X>(x, 3), weights = random_codes<W>(weight, 5);
  check_exact("graph @g(%x: " + input.type().text() + ") -> (y) {\n  %w = constant " + list_of(weights) + "\n" + zeros +
                  "  %y = conv_integer %x, %w" + operands + " {" + attributes + "}\n  return %y\n}",
              {input});
}

TEST(IntegerOperators, ConvIntegerOfAllSizesAndTypes) {
  const std::string zeros =
      "  %z = constant {131} : u8[]\n  %s = constant {-100} : i8[]\n  %u = constant {200} : u8[1]\n";
  for (const int64_t channels : {1, 3, 8, 17}) {
    for (const int64_t outputs : {1, 7, 16, 33}) {
      check_convolution<uint8_t, int8_t>({2, channels, 5, 7}, {outputs, channels, 3, 3}, "pads=[1,1,1,1]", zeros,
                                         ", %z");
      check_convolution<uint8_t, uint8_t>({1, channels, 6, 5}, {outputs, channels, 1, 1}, "strides=[2,1]", zeros,
                                          ", %z, %u");
      check_convolution<int8_t, int8_t>({1, channels, 9}, {outputs, channels, 3}, "pads=[0,2]", zeros, ", %s");
      check_convolution<int8_t, uint8_t>({1, channels, 7, 9}, {outputs, channels, 2, 3},
                                         "strides=[2,2], pads=[1,0,2,1], dilations=[2,1]");
    }
  }
  check_convolution<uint8_t, int8_t>({1, 6, 5, 5}, {8, 3, 3, 3}, "group=2, pads=[1,1,1,1]", zeros, ", %z");
  check_convolution<uint8_t, uint8_t>({1, 4, 5, 5}, {4, 1, 3, 3}, "group=4, pads=[1,1,1,1]",
                                      zeros + "  %each = constant {0, 3, 128, 255} : u8[4]\n", ", %z, %each");
  check_convolution<uint8_t, int8_t>({1, 3, 60, 400}, {5, 3, 3, 3}, "pads=[1,1,1,1]", zeros, ", %z");  // several bands
  check_convolution<uint8_t, int8_t>({0, 3, 5, 5}, {2, 3, 3, 3}, "", zeros, ", %z");
}

TEST(IntegerOperators, DynamicQuantizeLinear) {
  const auto graph_of = [](const ir::Tensor& x) {
    return "graph @g(%x: " + x.type().text() + ") -> (y, s, z) {\n  %y, %s, %z = dynamic_quantize_linear %x\n" +
           "  return %y, %s, %z\n}";
  };
  for (const int64_t size : {1, 15, 17, 33, 100}) {
    const ir::Tensor x = random_tensor({2, size}, 7);
    check_exact(graph_of(x), {x});
    ir::Tensor above = random_tensor({2, size}, 8), below = random_tensor({2, size}, 9);  // zero lies outside
    for (float& number : above.mutable_data<float>()) number += 3;
    for (float& number : below.mutable_data<float>()) number -= 3;
    check_exact(graph_of(above), {above});
    check_exact(graph_of(below), {below});
  }
  const ir::Tensor none = ir::Tensor::zeros(ir::DType::f32, {0, 3}), zeros = ir::Tensor::zeros(ir::DType::f32, {5});
  check_exact(graph_of(none), {none});
  check_exact(graph_of(zeros), {zeros});
  for (const float number : {NAN, INFINITY, -INFINITY}) {
    const ir::Tensor x = ir::Tensor::of<float>({3}, std::vector<float>{1, number, 2});
    const ir::Graph graph = parse_graph(graph_of(x));
    for (const Isa isa : float_isas()) {
      const auto program = compile(graph, {}, isa);
      ASSERT_TRUE(program.ok());
      EXPECT_FALSE(SessionState(*program).run(std::vector{x}, nullptr).ok()) << number;
    }
  }
}

TEST(IntegerOperators, CodesAndReals) {
  for (const int64_t size : {1, 15, 16, 17, 100}) {
    const std::string n = std::to_string(size);
    for (const auto& [dtype, zero] : {std::pair{"u8", "131"}, {"i8", "-3"}}) {
      const std::string constants =
          "  %s = constant {0.0078} : f32[]\n  %z = constant {" + std::string(zero) + "} : " + dtype + "[1]\n";
      check_exact("graph @g(%x: f32[2,3," + n + "]) -> (y, r) {\n" + constants + "  %y = quantize_linear %x, %s, %z\n" +
                      "  %r = dequantize_linear %y, %s, %z\n  return %y, %r\n}",
                  {random_tensor({2, 3, size}, 7)});
    }
  }
}

}  // namespace
}  // namespace edgesmith::runtime
