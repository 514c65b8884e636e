// SPDX-License-Identifier: Apache-2.0
// From constants to parameters and back: the graph keeps its results, constants keep their forms.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "edgesmith/base/random.h"
#include "edgesmith/ir/short_floats.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ir/verifier.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/runtime/executor.h"
#include "edgesmith/train/differentiate.h"
#include "train/parameters.h"

namespace edgesmith::train {
namespace {

ir::Graph parsed(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

// Half of %w2 is masked, the Add's scale and the norm's statistics are no weights.
constexpr const char* kNetwork = R"(graph @net(%x: f32[N,3,6,6]) -> (scores) {
  %mean3 = constant {0.1, 0.2, 0.3} : f32[3,1,1]
  %w1 = constant random(seed=1) : f32[8,3,3,3]
  %b1 = constant random(seed=2) : f32[8]
  %scale = constant random(seed=3) : f32[8]
  %zeros = constant {0.0, 0, 0, 0, 0, 0, 0, 0} : f32[8]
  %ones = constant {1.0, 1, 1, 1, 1, 1, 1, 1} : f32[8]
  %w2 = constant {0.5, 0, 0, -1.5, 2, 0, 0, 0.25, 0, 0, 1, -0.75, 0.5, 0, 0, 0.125} : f32[2,8]
  %b2 = constant {0.0, 0.5} : f32[2]
  %centred = sub %x, %mean3
  %c1 = conv %centred, %w1, %b1 {pads=[1,1,1,1]} @"first"
  %n1 = batch_normalization %c1, %scale, %zeros, %zeros, %ones
  %r1 = relu %n1
  %p1 = global_average_pool %r1
  %f1 = flatten %p1
  %h = gemm %f1, %w2 {transB=1} @"last"
  %y = add %h, %b2
  return %y
})";

ir::Tensor random_input(const ir::Dims& dims, uint64_t seed) {
  Random random(seed);
  ir::Tensor tensor = ir::Tensor::zeros(ir::DType::f32, dims);
  for (float& value : tensor.mutable_data<float>()) value = static_cast<float>(random.normal());
  return tensor;
}

std::vector<float> run(const ir::Graph& graph, const std::vector<ir::Tensor>& inputs) {
  const auto executor = runtime::Executor::create(graph);
  EXPECT_TRUE(executor.ok()) << executor.error().text();
  const auto results = (*executor)->make_session()->run(inputs);
  EXPECT_TRUE(results.ok()) << results.error().text();
  return (*results)[0].to_floats();
}

/// The trainable form of a student, and what it gives for `x`.
struct Trained {
  ir::Graph graph;
  std::vector<Parameter> parameters;

  explicit Trained(const ir::Graph& student, const TrainableOptions& options = {}) : graph(student.clone()) {
    auto made = make_trainable(graph, options);
    EXPECT_TRUE(made.ok()) << made.error().text();
    parameters = std::move(*made);
    const Status valid = ir::verify(graph);
    EXPECT_TRUE(valid.ok()) << valid.error().text();
  }
  std::vector<float> run(const ir::Tensor& x) const {
    std::vector<ir::Tensor> inputs = {x};
    for (const Parameter& parameter : parameters) inputs.push_back(parameter.value);
    return train::run(graph, inputs);
  }
  Parameter& parameter(const std::string& name) {
    for (Parameter& parameter : parameters) {
      if (parameter.name == name) return parameter;
    }
    ADD_FAILURE() << "no parameter " << name;
    return parameters.front();
  }
  /// Every number moves, also those that a mask keeps at zero.
  void disturb(double size) {
    Random random(7);
    for (Parameter& parameter : parameters) {
      std::vector<float> numbers = parameter.value.to_floats();
      for (float& number : numbers)
        number = static_cast<float>(number * (1 + 0.3 * size * random.normal()) + size * 0.1 * random.normal());
      if (parameter.name.ends_with(".step")) {
        const std::vector<float> before = parameter.value.to_floats();
        for (size_t i = 0; i < numbers.size(); ++i)
          numbers[i] = before[i] * static_cast<float>(1 + 0.2 * size * random.uniform());
      }
      parameter.value = ir::Tensor::of<float>(parameter.value.dims(), numbers);
    }
  }
};

std::vector<std::string> names_of(const std::vector<Parameter>& parameters) {
  std::vector<std::string> names;
  for (const Parameter& parameter : parameters) names.push_back(parameter.name);
  return names;
}

const ir::Tensor& constant(const ir::Graph& graph, const std::string& name) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::constant) && node.output().name() == name) return node.tensor();
  }
  ADD_FAILURE() << "no constant " << name;
  static const ir::Tensor none;
  return none;
}

void expect_close(const std::vector<float>& a, const std::vector<float>& b, double tolerance = 1e-5) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], tolerance * (1 + std::fabs(b[i]))) << i;
}

/// What holds for every student: equal results, constants that come back, and a step's results that the student gives
/// too after it was written back.
void expect_round_trip(ir::Graph student, const ir::Tensor& x, double tolerance = 1e-4) {
  Trained trained(student);
  const std::vector<float> before = run(student, {x});
  expect_close(trained.run(x), before);
  const std::string text = ir::print(student);
  ASSERT_TRUE(write_back(trained.parameters, student).ok());
  EXPECT_EQ(ir::print(student), text);
  trained.disturb(1);
  const Status status = write_back(trained.parameters, student);
  ASSERT_TRUE(status.ok()) << status.error().text();
  EXPECT_NE(ir::print(student), text);
  const std::vector<float> after = run(student, {x});
  double moved = 0;
  for (size_t i = 0; i < after.size(); ++i) moved += std::fabs(after[i] - before[i]);
  EXPECT_GT(moved, 1e-3);
  expect_close(trained.run(x), after, tolerance);
  // What was written is where training goes on.
  Trained again(student);
  EXPECT_EQ(names_of(again.parameters), names_of(trained.parameters));
  expect_close(again.run(x), after);
}

TEST(Parameters, AreTheConstantsThatLayersLearn) {
  Trained trained(parsed(kNetwork));
  EXPECT_EQ(names_of(trained.parameters), (std::vector<std::string>{"w1", "b1", "scale", "zeros", "w2", "b2"}));
  EXPECT_TRUE(trained.parameter("w1").decay);
  EXPECT_FALSE(trained.parameter("b1").decay);
  EXPECT_FALSE(trained.parameter("scale").decay);
  EXPECT_TRUE(trained.parameter("w2").decay);
}

TEST(Parameters, RoundTripKeepsResults) { expect_round_trip(parsed(kNetwork), random_input({5, 3, 6, 6}, 3)); }

// Some exporters leave weights transposed; an embedding may be read again, transposed, by the last layer.
TEST(Parameters, AreFoundBehindOperatorsThatOnlyChangeDims) {
  const ir::Graph student = parsed(R"(graph @g(%x: f32[N,4]) -> (y) {
  %w1 = constant random(seed=1) : f32[6,4]
  %t1 = transpose %w1 {perm=[1, 0]}
  %h = mat_mul %x, %t1
  %back = mat_mul %h, %w1
  %again = mat_mul %back, %t1
  %r = relu %again
  %flat = constant random(seed=2) : f32[30]
  %dims = constant {6, 5} : i64[2]
  %w2 = reshape %flat, %dims
  %s = mat_mul %r, %w2
  %w3 = constant random(seed=3) : f32[5,3]
  %y = mat_mul %s, %w3
  return %y
})");
  EXPECT_EQ(names_of(Trained(student).parameters), (std::vector<std::string>{"w1", "flat", "w3"}));
  expect_round_trip(student.clone(), random_input({5, 4}, 3));
}

TEST(Parameters, OfElementWiseOperatorsAreFoundThereToo) {
  const ir::Graph student = parsed(R"(graph @g(%x: f32[N,4,3]) -> (y) {
  %axes = constant {1} : i64[1]
  %g = constant random(seed=1) : f32[4]
  %scale = unsqueeze %g, %axes
  %first = constant random(seed=4) : f32[3,3]
  %h = mat_mul %x, %first
  %scaled = mul %h, %scale
  %s = constant random(seed=2) : f32[4]
  %slope = unsqueeze %s, %axes
  %r = prelu %scaled, %slope
  %w = constant random(seed=3) : f32[4,5]
  %e = einsum %r, %w {equation="nct,cd->ndt"}
  %mask = constant {0, -10000, 0} : f32[3]
  %y = add %e, %mask
  return %y
})");
  EXPECT_EQ(names_of(Trained(student).parameters), (std::vector<std::string>{"first", "g", "s", "w"}))
      << "and a mask is none";
  expect_round_trip(student.clone(), random_input({5, 4, 3}, 3));
}

TEST(Parameters, MasksKeepTheirZerosAndOtherZerosLearn) {
  ir::Graph student = parsed(kNetwork);
  Trained trained(student);
  trained.disturb(1);
  ASSERT_TRUE(write_back(trained.parameters, student).ok());
  const std::vector<float> before = constant(parsed(kNetwork), "w2").to_floats(),
                           after = constant(student, "w2").to_floats();
  for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(before[i] == 0, after[i] == 0) << i;
  const std::vector<float> bias = constant(student, "b2").to_floats();
  EXPECT_NE(bias[0], 0);
}

// The norm's bias and mean are one constant; only the bias learns.
TEST(Parameters, ConstantsSharedWithStatisticsAreSplit) {
  ir::Graph student = parsed(kNetwork);
  Trained trained(student);
  trained.parameter("zeros").value = ir::Tensor::of<float>({8}, std::vector<float>(8, 0.5F));
  ASSERT_TRUE(write_back(trained.parameters, student).ok());
  for (const ir::Node& node : student.nodes()) {
    if (!node.is(ir::OpKind::batch_normalization)) continue;
    EXPECT_EQ(node.input(2)->constant()->to_floats(), std::vector<float>(8, 0.5F));
    EXPECT_EQ(node.input(3)->constant()->to_floats(), std::vector<float>(8, 0.0F));
  }
  trained.parameter("zeros").value = ir::Tensor::of<float>({8}, std::vector<float>(8, 0.75F));
  ASSERT_TRUE(write_back(trained.parameters, student).ok());
  EXPECT_EQ(names_of(Trained(student).parameters), names_of(trained.parameters));
}

TEST(Parameters, OfFrozenNodesStayConstants) {
  const ir::Graph student = parsed(kNetwork);
  TrainableOptions options;
  options.trained.assign(static_cast<size_t>(student.num_node_ids()), true);
  for (const ir::Node& node : student.nodes()) {
    if (node.name() == "first") options.trained[static_cast<size_t>(node.id())] = false;
  }
  EXPECT_EQ(names_of(Trained(student, options).parameters), (std::vector<std::string>{"scale", "zeros", "w2", "b2"}));
}

/// A layer whose weights are in two codebooks of four entries, one of which is zero.
ir::Graph shared_network(bool coded, bool scaled) {
  ir::Graph graph = parsed(R"(graph @net(%x: f32[N,4,5,5]) -> (y) {
  %w1 = constant random(seed=1) : f32[8,4,3,3]
  %b1 = constant random(seed=2) : f32[8]
  %c = conv %x, %w1, %b1 @"first"
  return %c
})");
  Random random(11);
  ir::Tensor indices = ir::Tensor::zeros(ir::DType::u4, {8, 4, 3, 3});
  for (std::byte& byte : indices.mutable_bytes()) byte = static_cast<std::byte>(random.below(4) | random.below(4) << 4);
  const std::vector<int8_t> codes = {-127, 0, 40, 100, -90, -30, 0, 127};
  std::vector<float> reals;
  for (const int8_t code : codes) reals.push_back(0.01F * static_cast<float>(code));
  ir::Tensor weight;
  if (coded) {
    ir::Quant quant{.dtype = ir::DType::i8, .axis = 0, .method = "codebook"};
    for (int c = 0; c < 8; ++c)
      quant.scale.push_back((c < 4 ? 0.01F : 0.02F) * (scaled ? 1.0F + 0.1F * static_cast<float>(c) : 1.0F));
    quant.zero_point.assign(8, 0);
    weight = ir::Tensor::affine(ir::Tensor::palette(indices, ir::Tensor::of<int8_t>({2, 4}, codes), 0), quant);
  } else {
    weight = ir::Tensor::palette(indices, ir::Tensor::of<float>({2, 4}, reals), 0);
  }
  for (ir::Node& node : graph.nodes()) {
    if (node.output().name() == "w1") {
      graph.set_tensor(node, weight);
      break;
    }
  }
  return graph;
}

TEST(Parameters, CodebooksRoundTrip) { expect_round_trip(shared_network(false, false), random_input({2, 4, 5, 5}, 5)); }

TEST(Parameters, CodebooksKeepTheirSizeIndicesAndZeros) {
  ir::Graph student = shared_network(false, false);
  const ir::Tensor before = constant(student, "w1");
  Trained trained(student);
  EXPECT_EQ(trained.parameter("w1").value.dims(), (ir::Dims{2, 4}));
  trained.disturb(1);
  ASSERT_TRUE(write_back(trained.parameters, student).ok());
  const ir::Tensor& after = constant(student, "w1");
  ASSERT_EQ(after.encoding(), ir::Encoding::palette);
  EXPECT_TRUE(after.codes().identical_to(before.codes()));
  const std::vector<float> entries = after.codebooks().to_floats();
  EXPECT_EQ(entries[1], 0);
  EXPECT_EQ(entries[6], 0);
  EXPECT_NE(entries[0], before.codebooks().to_floats()[0]);
}

TEST(Parameters, ShortFloatsBesideCodesStayShort) {
  for (const bool coded : {false, true}) {
    ir::Graph student = shared_network(coded, true);
    EXPECT_FALSE(have_short_floats(student));
    for (ir::Node& node : student.nodes()) {
      if (!node.is(ir::OpKind::constant) || node.output().name() != "w1") continue;
      student.set_tensor(node, ir::with_short_floats(node.tensor()));
    }
    EXPECT_TRUE(have_short_floats(student));
    Trained trained(student);
    trained.disturb(1);
    const ir::Tensor before = constant(student, "w1"), bias = constant(student, "b1");
    ASSERT_TRUE(write_back(trained.parameters, student, {.short_floats = true}).ok());
    EXPECT_FALSE(constant(student, "w1").identical_to(before));
    EXPECT_TRUE(have_short_floats(student));
    EXPECT_TRUE(constant(student, "w1").as_palette()->codes().identical_to(before.as_palette()->codes()));
    EXPECT_NE(constant(student, "b1").to_floats(), bias.to_floats());
    for (const float number : constant(student, "b1").to_floats()) EXPECT_EQ(number, ir::short_float(number));
  }
}

TEST(Parameters, WeightsMayTakeOtherEntries) {
  const TrainableOptions options = {.learn_indices = true};
  ir::Graph student = shared_network(false, false);
  const ir::Tensor x = random_input({2, 4, 5, 5}, 5), before = constant(student, "w1");
  Trained trained(student, options);
  EXPECT_EQ(names_of(trained.parameters), (std::vector<std::string>{"w1", "w1.codebook", "b1"}));
  EXPECT_NE(trained.parameters[0].made, nullptr);
  expect_close(trained.run(x), run(student, {x}));
  const std::string text = ir::print(student);
  ASSERT_TRUE(write_back(trained.parameters, student, options).ok());
  EXPECT_EQ(ir::print(student), text);
  // Codebook 0 holds -1.27, 0, 0.4, 1: a real of 0.6 is nearest to the third of them, one of 0.8 to the last.
  std::vector<float> reals = trained.parameter("w1").value.to_floats();
  const std::vector<int64_t> old = before.codes().to_int64s();
  std::vector<size_t> moved;
  for (size_t i = 0; i < 144 && moved.size() < 2; ++i) {
    if (old[i] == 0) moved.push_back(i);
  }
  ASSERT_EQ(moved.size(), 2u);
  reals[moved[0]] = 0.6F;
  reals[moved[1]] = 0.8F;
  trained.parameter("w1").value = ir::Tensor::of<float>({8, 4, 3, 3}, reals);
  ASSERT_TRUE(write_back(trained.parameters, student, options).ok());
  const ir::Tensor& after = constant(student, "w1");
  ASSERT_EQ(after.encoding(), ir::Encoding::palette);
  EXPECT_EQ(after.codebooks().to_floats(), before.codebooks().to_floats());
  std::vector<int64_t> expected = old;
  expected[moved[0]] = 2;
  expected[moved[1]] = 3;
  EXPECT_EQ(after.codes().to_int64s(), expected);
  expect_close(trained.run(x), run(student, {x}));
}

// Entries that pass each other, zeros that are a mask: what is written gives what training saw.
TEST(Parameters, EntriesMayPassEachOther) {
  const TrainableOptions options = {.learn_indices = true};
  ir::Graph student = shared_network(false, false);
  const ir::Tensor x = random_input({2, 4, 5, 5}, 5), before = constant(student, "w1");
  Trained trained(student, options);
  trained.disturb(4);
  trained.parameter("w1.codebook").value =
      ir::Tensor::of<float>({2, 4}, std::vector<float>{1.5F, 3, 0.2F, -0.3F, -0.1F, -0.8F, 0.4F, 0.5F});
  ASSERT_TRUE(write_back(trained.parameters, student, options).ok());
  const ir::Tensor& after = constant(student, "w1");
  EXPECT_FALSE(after.codes().identical_to(before.codes()));
  expect_close(trained.run(x), run(student, {x}));
  const std::vector<float> old = before.to_floats(), now = after.to_floats();
  for (size_t i = 0; i < old.size(); ++i) {
    if (old[i] == 0) {
      EXPECT_EQ(now[i], 0) << i;
    }
  }
}

TEST(Parameters, CodedCodebooksStayCodes) {
  for (const bool scaled : {false, true}) {
    ir::Graph student = shared_network(true, scaled);
    const ir::Tensor x = random_input({2, 4, 5, 5}, 5), before = constant(student, "w1");
    Trained trained(student);
    expect_close(trained.run(x), run(student, {x}));
    const std::string text = ir::print(student);
    ASSERT_TRUE(write_back(trained.parameters, student).ok());
    EXPECT_EQ(ir::print(student), text);
    trained.disturb(1);
    ASSERT_TRUE(write_back(trained.parameters, student).ok());
    const ir::Tensor& after = constant(student, "w1");
    ASSERT_EQ(after.encoding(), ir::Encoding::affine);
    ASSERT_NE(after.as_palette(), nullptr);
    EXPECT_TRUE(after.as_palette()->codes().identical_to(before.as_palette()->codes()));
    EXPECT_EQ(after.as_palette()->codebooks().dims(), (ir::Dims{2, 4}));
    // Entries are rounded to 1/254 of the largest one.
    expect_close(run(student, {x}), trained.run(x), 0.05);
  }
}

TEST(Parameters, OfOtherModelsAreRefused) {
  ir::Graph student = parsed(kNetwork);
  const auto refusal = [&](Parameter parameter) {
    const std::vector<Parameter> parameters = {std::move(parameter)};
    const Status status = write_back(parameters, student);
    return status.ok() ? std::string() : status.error().message;
  };
  EXPECT_EQ(refusal({.name = "w9", .value = ir::Tensor::scalar(1.0F)}), "the student has no parameter 'w9'");
  EXPECT_EQ(refusal({.name = "b2", .value = ir::Tensor::scalar(1.0F)}),
            "parameter 'b2' is f32[], the student needs f32[2]");
  EXPECT_EQ(refusal({.name = "b2", .value = ir::Tensor::of<float>({2}, std::vector<float>{1, NAN})}),
            "parameter 'b2' holds NaN or infinity");
}

TEST(Parameters, NeedSomethingToTrain) {
  ir::Graph graph = parsed("graph @net(%x: f32[N,3]) -> (y) {\n  %y = relu %x\n  return %y\n}");
  const auto made = make_trainable(graph);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().kind, ErrorKind::unsupported);
}

/// Layers as `quantize` leaves them: annotated values, int8 and 3-bit weights, int32 biases.
ir::Graph quantized_network() {
  ir::Graph graph = parsed(R"(graph @net(%x: f32[N,4,6,6]) -> (scores) {
  %w1 = constant random(seed=1) : f32[8,4,3,3]
  %b1 = constant random(seed=2) : f32[8]
  %w2 = constant random(seed=3) : f32[3,72]
  %b2 = constant random(seed=4) : f32[3]
  %low = constant {0.0} : f32[]
  %high = constant {6.0} : f32[]
  %c1 = conv %x, %w1, %b1 {pads=[1,1,1,1]} @"first"
  %r1 = clip %c1, %low, %high
  %p1 = max_pool %r1 {kernel_shape=[2,2], strides=[2,2]}
  %f1 = flatten %p1
  %h = gemm %f1, %w2, %b2 {transB=1} @"last"
  return %h
})");
  const auto activation = [](float scale, int32_t zero) {
    return ir::Quant{.dtype = ir::DType::u8, .scale = {scale}, .zero_point = {zero}, .method = "min-max"};
  };
  constexpr float kInput = 0.03F, kHidden = 6.0F / 256;
  std::vector<float> scales1, scales2;
  for (ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::output)) continue;
    const std::string& name = node.output().name();
    if (name == "x") node.output().set_quant(activation(kInput, 120));
    if (name == "r1" || name == "p1" || name == "f1") node.output().set_quant(activation(kHidden, 0));
    if (name != "w1" && name != "w2" && name != "b1" && name != "b2") continue;
    const std::vector<float> numbers = node.tensor().to_floats();
    const ir::Dims dims = node.tensor().dims();
    const auto channels = static_cast<size_t>(dims[0]), width = numbers.size() / channels;
    const bool weight = name[0] == 'w', small = name == "w2";
    ir::Quant quant{.dtype = small ? ir::DType::i4 : ir::DType::i8, .axis = 0, .method = "max"};
    std::vector<int32_t> codes;
    for (size_t c = 0; c < channels; ++c) {
      float largest = 0;
      for (size_t k = 0; k < width; ++k) largest = std::max(largest, std::fabs(numbers[c * width + k]));
      float scale =
          weight ? largest / (small ? 3.4F : 127.0F) : (name == "b1" ? kInput * scales1[c] : kHidden * scales2[c]);
      quant.scale.push_back(scale);
      quant.zero_point.push_back(0);
      // Channel 1 of the 3-bit weights has codes -3 to 4, the others -4 to 3.
      const float low = small ? (c == 1 ? -3.0F : -4.0F) : -1e9F, high = small ? (c == 1 ? 4.0F : 3.0F) : 1e9F;
      for (size_t k = 0; k < width; ++k) {
        codes.push_back(static_cast<int32_t>(
            std::clamp(std::nearbyint(numbers[c * width + k] / scale * (small ? 1.3F : 1.0F)), low, high)));
      }
    }
    if (name == "w1") scales1 = quant.scale;
    if (name == "w2") scales2 = quant.scale;
    if (!weight) quant.dtype = ir::DType::i32;
    ir::Tensor tensor;
    if (!weight) {
      tensor = ir::Tensor::of<int32_t>(dims, codes);
    } else if (small) {
      tensor = ir::Tensor::zeros(ir::DType::i4, dims);
      const auto bytes = tensor.mutable_bytes();
      for (size_t i = 0; i < codes.size(); ++i) {
        bytes[i / 2] |= static_cast<std::byte>((codes[i] & 15) << (i % 2 * 4));
      }
    } else {
      tensor = ir::Tensor::of<int8_t>(dims, std::vector<int8_t>(codes.begin(), codes.end()));
    }
    graph.set_tensor(node, ir::Tensor::affine(tensor, quant));
  }
  EXPECT_TRUE(ops::infer_types(graph).ok());
  return graph;
}

const ir::Value& value(const ir::Graph& graph, const std::string& name) {
  for (const ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (node.output(i).name() == name) return node.output(i);
    }
  }
  ADD_FAILURE() << "no value " << name;
  return graph.output_node().input(0)->node().output();
}

TEST(Parameters, OfQuantizedLayersAreRealsAndSteps) {
  Trained trained(quantized_network());
  EXPECT_EQ(names_of(trained.parameters),
            (std::vector<std::string>{"w1", "w1.step", "b1", "w2", "w2.step", "b2", "r1.step"}));
  // 36 weights share a step of 127 codes, 8 * 6 * 6 numbers one of 255.
  EXPECT_NEAR(trained.parameter("w1.step").rate, 1 / std::sqrt(36.0 * 127), 1e-6);
  EXPECT_NEAR(trained.parameter("r1.step").rate, 1 / std::sqrt(288.0 * 255), 1e-6);
  EXPECT_FALSE(trained.parameter("w1.step").decay);
  TrainableOptions fixed;
  fixed.learn_steps = false;
  EXPECT_EQ(names_of(Trained(quantized_network(), fixed).parameters),
            (std::vector<std::string>{"w1", "b1", "w2", "b2"}));
}

// Biases of the student are on coarse grids, 0.007 between two of them.
TEST(Parameters, QuantizedLayersRoundTrip) {
  expect_round_trip(quantized_network(), random_input({4, 4, 6, 6}, 5), 0.01);
}

TEST(Parameters, QuantizedLayersStayOnTheirGrids) {
  ir::Graph student = quantized_network();
  Trained trained(student);
  trained.disturb(2);
  const float step = trained.parameter("r1.step").value.to_floats()[0];
  ASSERT_TRUE(write_back(trained.parameters, student).ok());
  const ir::Tensor &w1 = constant(student, "w1"), &b1 = constant(student, "b1"), &w2 = constant(student, "w2");
  ASSERT_EQ(w1.encoding(), ir::Encoding::affine);
  EXPECT_EQ(w1.quant().dtype, ir::DType::i8);
  EXPECT_EQ(w2.quant().dtype, ir::DType::i4);
  const std::vector<int64_t> codes = w2.codes().to_int64s();
  for (size_t i = 0; i < codes.size(); ++i) {
    EXPECT_GE(codes[i], i / 72 == 1 ? -3 : -4);
    EXPECT_LE(codes[i], i / 72 == 1 ? 4 : 3);
  }
  // The clip at 6 is a code at most: the step cannot grow.
  EXPECT_GT(step, 6.0F / 256);
  const float hidden = value(student, "r1").quant()->scale[0];
  EXPECT_LE(hidden * 255, 6.0F);
  EXPECT_GT(hidden * 255, 5.999F);
  EXPECT_EQ(value(student, "p1").quant()->scale[0], hidden);
  EXPECT_EQ(value(student, "f1").quant()->scale[0], hidden);
  EXPECT_EQ(value(student, "x").quant()->scale[0], 0.03F);
  ASSERT_EQ(b1.encoding(), ir::Encoding::affine);
  EXPECT_EQ(b1.quant().dtype, ir::DType::i32);
  for (size_t c = 0; c < 8; ++c) EXPECT_EQ(b1.quant().scale[c], 0.03F * w1.quant().scale[c]);
  const ir::Tensor& b2 = constant(student, "b2");
  for (size_t c = 0; c < 3; ++c) EXPECT_EQ(b2.quant().scale[c], hidden * w2.quant().scale[c]);
}

// A layer that was pruned and then quantized keeps its zeros; codes that rounding made zero may change.
TEST(Parameters, CodesKeepAMask) {
  for (const bool masked : {true, false}) {
    ir::Graph student = quantized_network();
    std::vector<int8_t> codes;
    Random random(3);
    for (int i = 0; i < 8 * 36; ++i) {
      codes.push_back(
          static_cast<int8_t>(masked ? (i % 3 == 0 ? 5 + i % 7 : 0) : static_cast<int>(random.below(5)) - 2));
    }
    for (ir::Node& node : student.nodes()) {
      if (node.is(ir::OpKind::output) || node.output().name() != "w1") continue;
      student.set_tensor(node, ir::Tensor::affine(ir::Tensor::of<int8_t>({8, 4, 3, 3}, codes), node.tensor().quant()));
    }
    const ir::Tensor before = constant(student, "w1");
    Trained trained(student);
    trained.disturb(3);
    ASSERT_TRUE(write_back(trained.parameters, student).ok());
    const std::vector<int64_t> old = before.codes().to_int64s(), now = constant(student, "w1").codes().to_int64s();
    bool filled = false;
    for (size_t i = 0; i < old.size(); ++i) filled = filled || (old[i] == 0 && now[i] != 0);
    EXPECT_EQ(filled, !masked);
  }
}

// Neighbours that sum to 128 at most still do where all did, so that 16-bit sums never overflow.
TEST(Parameters, PairsThatDidNotOverflowStillDoNot) {
  ir::Graph student = parsed(R"(graph @net(%x: f32[N,4]) -> (y) {
  %w = constant random(seed=1) : f32[3,4]
  %y = gemm %x, %w {transB=1}
  return %y
})");
  for (const bool held : {true, false}) {
    const std::vector<int8_t> codes = {127, 1, -64, -64, 100, 28, 3, -127, static_cast<int8_t>(held ? 60 : 100),
                                       68,  0, 127};
    const ir::Quant quant{.dtype = ir::DType::i8, .scale = {0.01F, 0.01F, 0.01F}, .zero_point = {0, 0, 0}, .axis = 0};
    for (ir::Node& node : student.nodes()) {
      if (!node.is(ir::OpKind::constant)) continue;
      student.set_tensor(node, ir::Tensor::affine(ir::Tensor::of<int8_t>({3, 4}, codes), quant));
      break;
    }
    Trained trained(student);
    trained.parameter("w").value = ir::Tensor::of<float>(
        {3, 4}, std::vector<float>{1.27F, 0.5F, -0.7F, -0.65F, 1, 0.28F, 0.03F, -1.27F, 0.6F, 0.68F, 0.2F, 1.2F});
    ir::Graph after = student.clone();
    ASSERT_TRUE(write_back(trained.parameters, after).ok());
    EXPECT_EQ(constant(after, "w").codes().to_int64s(),
              held ? (std::vector<int64_t>{78, 50, -63, -65, 100, 28, 3, -127, 60, 68, 20, 108})
                   : (std::vector<int64_t>{127, 50, -70, -65, 100, 28, 3, -127, 60, 68, 20, 120}));
  }
}

TEST(Parameters, BlocksHaveStepsOfTheirOwn) {
  ir::Graph student = parsed(R"(graph @net(%x: f32[N,8]) -> (y) {
  %w = constant random(seed=1) : f32[3,8]
  %y = gemm %x, %w {transB=1}
  return %y
})");
  ir::Quant quant{.dtype = ir::DType::u4, .axis = 1, .block_size = 4, .method = "max"};
  std::vector<uint8_t> packed;
  for (int i = 0; i < 6; ++i) {
    quant.scale.push_back(0.1F * static_cast<float>(i + 1));
    quant.zero_point.push_back(i + 4);
  }
  ir::Tensor codes = ir::Tensor::zeros(ir::DType::u4, {3, 8});
  for (size_t i = 0; i < 12; ++i) codes.mutable_bytes()[i] = static_cast<std::byte>(i * 23 + 7);
  for (ir::Node& node : student.nodes()) {
    if (node.is(ir::OpKind::constant)) {
      student.set_tensor(node, ir::Tensor::affine(codes, quant));
      break;
    }
  }
  Trained trained(student);
  EXPECT_EQ(trained.parameter("w.step").value.dims(), (ir::Dims{3, 2, 1}));
  expect_round_trip(student.clone(), random_input({4, 8}, 2));
  ASSERT_TRUE(write_back(trained.parameters, student).ok());
  EXPECT_TRUE(constant(student, "w").codes().identical_to(codes));
}

/// The gradients of sum(k * results) with respect to the parameters.
std::vector<std::vector<float>> gradients_of(Trained& trained, const ir::Tensor& x, const ir::Tensor& k) {
  ir::Graph& graph = trained.graph;
  ir::Value& weighted = graph.append(ir::OpKind::mul, {graph.output_node().input(0), &graph.add_constant(k)}).output();
  ir::Node& sum = graph.append(ir::OpKind::reduce_sum, {&weighted});
  sum.attributes().set("keepdims", int64_t{0});
  const std::vector<ir::Value*> inputs = graph.inputs();
  const auto gradients = differentiate(graph, sum.output(), std::vector<ir::Value*>(inputs.begin() + 1, inputs.end()));
  EXPECT_TRUE(gradients.ok()) << gradients.error().text();
  std::vector<ir::Tensor> fed = {x};
  for (const Parameter& parameter : trained.parameters) fed.push_back(parameter.value);
  for (ir::Value* gradient : *gradients) graph.add_output("d", *gradient);
  const auto executor = runtime::Executor::create(graph);
  EXPECT_TRUE(executor.ok()) << executor.error().text();
  const auto results = (*executor)->make_session()->run(fed);
  EXPECT_TRUE(results.ok()) << results.error().text();
  std::vector<std::vector<float>> out;
  for (size_t i = 1; i < results->size(); ++i) out.push_back((*results)[i].to_floats());
  return out;
}

// LSQ's rule by hand, y = x w: weights 1.1, 2.6, -9 at steps of 1 and codes -4 to 3.
TEST(Parameters, StepsHaveThePapersGradient) {
  ir::Graph student = parsed(R"(graph @net(%x: f32[1,3]) -> (y) {
  %w = constant random(seed=1) : f32[3,1]
  %y = mat_mul %x, %w
  return %y
})");
  ir::Tensor codes = ir::Tensor::zeros(ir::DType::i4, {3, 1});
  codes.mutable_bytes()[0] = std::byte{0x31};  // 1, 3
  codes.mutable_bytes()[1] = std::byte{0x0C};  // -4
  for (ir::Node& node : student.nodes()) {
    if (!node.is(ir::OpKind::constant)) continue;
    student.set_tensor(node, ir::Tensor::affine(codes, {.dtype = ir::DType::i4, .scale = {1}, .zero_point = {0}}));
    break;
  }
  Trained trained(student);
  trained.parameter("w").value = ir::Tensor::of<float>({3, 1}, std::vector<float>{1.1F, 2.6F, -9});
  const auto gradients = gradients_of(trained, ir::Tensor::of<float>({1, 3}, std::vector<float>{2, 3, 5}),
                                      ir::Tensor::of<float>({1, 1}, std::vector<float>{1}));
  EXPECT_EQ(gradients[0], (std::vector<float>{2, 3, 0}));
  // 2 (1 - 1.1) + 3 (3 - 2.6) + 5 (-4)
  ASSERT_EQ(gradients[1].size(), 1U);
  EXPECT_NEAR(gradients[1][0], -0.2 + 1.2 - 20, 1e-5);
}

TEST(Parameters, HaveGradientsThroughMasksAndCodebooks) {
  Trained masked(parsed(kNetwork));
  const ir::Tensor x = random_input({5, 3, 6, 6}, 3), k = random_input({5, 2}, 4);
  const auto gradients = gradients_of(masked, x, k);
  for (size_t i = 0; i < masked.parameters.size(); ++i) {
    if (masked.parameters[i].name != "w2") continue;
    const std::vector<float> weights = masked.parameters[i].value.to_floats();
    for (size_t j = 0; j < weights.size(); ++j) EXPECT_EQ(gradients[i][j] == 0, weights[j] == 0) << j;
  }
  // The gradient of a centroid is the sum of those of its weights: moving it moves the results by as much.
  ir::Graph student = shared_network(false, false);
  Trained shared(student), moved(student);
  const ir::Tensor picture = random_input({2, 4, 5, 5}, 5), weights = random_input({2, 8, 3, 3}, 6);
  const std::vector<float> before = moved.run(picture);
  std::vector<float> entries = moved.parameter("w1").value.to_floats();
  entries[2] += 0.5F;
  moved.parameter("w1").value = ir::Tensor::of<float>({2, 4}, entries);
  const std::vector<float> after = moved.run(picture), by = weights.to_floats();
  double change = 0;
  for (size_t i = 0; i < after.size(); ++i)
    change += static_cast<double>(by[i]) * (static_cast<double>(after[i]) - before[i]);
  EXPECT_NEAR(gradients_of(shared, picture, weights)[0][2] * 0.5, change, 1e-3 * std::fabs(change));
}

}  // namespace
}  // namespace edgesmith::train
