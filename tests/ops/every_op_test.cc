// SPDX-License-Identifier: Apache-2.0
// What holds for every operator, tried on random nodes (any types, shapes, attributes, also nonsense): nothing crashes,
// every failure is an error of the right kind, and where a node runs, inference has said nothing false about its
// results: neither from types alone, nor with symbols for dims, nor with constants for operands.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "edgesmith/base/random.h"
#include "eval_helper.h"

namespace edgesmith::ops {
namespace {

using ir::DType;
using ir::OpKind;

int64_t pick(Random& random, const std::vector<int64_t>& from) { return from[random.below(from.size())]; }
bool chance(Random& random, double probability) { return random.uniform() < probability; }

ir::Dims random_dims(Random& random) {
  ir::Dims dims(random.below(5));
  for (int64_t& dim : dims) dim = pick(random, {1, 1, 2, 2, 3, 4, 4, 5, 0});
  return dims;
}

DType random_dtype(Random& random) {
  static const std::vector<DType> kUsual = {DType::f32, DType::f32, DType::f32, DType::i64, DType::f16, DType::boolean};
  if (chance(random, 0.8)) return kUsual[random.below(kUsual.size())];
  return static_cast<DType>(1 + random.below(26));
}

ir::Tensor random_tensor(Random& random, DType dtype, const ir::Dims& dims) {
  if (dtype == DType::string) {
    return ir::Tensor::strings(dims, std::vector<std::string>(static_cast<size_t>(ir::num_elements(dims)), "s"));
  }
  ir::Tensor tensor = ir::Tensor::zeros(dtype, dims);
  if (dtype == DType::f32) {
    for (float& x : tensor.mutable_data<float>()) x = static_cast<float>(3 * random.normal());
    if (chance(random, 0.1) && tensor.size() > 0) tensor.mutable_data<float>()[0] = std::nanf("");
    if (chance(random, 0.1) && tensor.size() > 0) tensor.mutable_data<float>()[0] = -3e38f;
  } else if (dtype == DType::i64) {
    const std::vector<int64_t> values = {-3, -2, -1, -1, 0, 0, 1, 1, 1, 2, 2, 3, 4, 6};
    for (int64_t& x : tensor.mutable_data<int64_t>()) x = pick(random, values);
    if (chance(random, 0.05) && tensor.size() > 0) {
      tensor.mutable_data<int64_t>()[0] = pick(random, {INT64_MIN, INT64_MAX, int64_t{1} << 40, -(int64_t{1} << 33)});
    }
  } else if (dtype == DType::i32) {
    for (int32_t& x : tensor.mutable_data<int32_t>()) x = static_cast<int32_t>(pick(random, {-2, -1, 0, 1, 2, 3}));
  } else if (dtype == DType::boolean) {
    for (bool& x : tensor.mutable_data<bool>()) x = chance(random, 0.5);
  } else {
    for (std::byte& byte : tensor.mutable_bytes()) byte = static_cast<std::byte>(random.next() & 0xFF);
  }
  return tensor;
}

/// Attributes of all operators with the values that they like, and some that they do not.
std::vector<NamedAttribute> random_attributes(Random& random, OpKind op) {
  static const std::vector<std::string> kInts = {"axis",
                                                 "keepdims",
                                                 "noop_with_empty_axes",
                                                 "select_last_index",
                                                 "allowzero",
                                                 "start",
                                                 "end",
                                                 "fmod",
                                                 "group",
                                                 "ceil_mode",
                                                 "count_include_pad",
                                                 "storage_order",
                                                 "transA",
                                                 "transB",
                                                 "blocksize",
                                                 "to",
                                                 "saturate",
                                                 "num_outputs",
                                                 "p",
                                                 "batch_dims",
                                                 "block_size",
                                                 "output_dtype",
                                                 "antialias",
                                                 "exclude_outside",
                                                 "training_mode",
                                                 "k",
                                                 "upper",
                                                 "largest",
                                                 "sorted",
                                                 "batch_axis",
                                                 "time_axis",
                                                 "exclusive",
                                                 "reverse",
                                                 "dtype",
                                                 "num_groups",
                                                 "size",
                                                 "detect_positive",
                                                 "center_point_box",
                                                 "ignore_index",
                                                 "align_corners",
                                                 "output_height",
                                                 "sampling_ratio",
                                                 "periodic",
                                                 "linear_before_reset",
                                                 "layout",
                                                 "is_causal",
                                                 "q_num_heads",
                                                 "kv_num_heads",
                                                 "num_heads",
                                                 "qk_matmul_output_mode",
                                                 "left_window_size",
                                                 "interleaved",
                                                 "inverse",
                                                 "onesided"};
  static const std::vector<std::string> kLists = {"kernel_shape", "strides",        "pads",         "dilations",
                                                  "perm",         "output_padding", "output_shape", "axes"};
  static const std::vector<std::pair<std::string, std::vector<std::string>>> kTexts = {
      {"auto_pad", {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", "?"}},
      {"mode", {"nearest", "linear", "cubic", "constant", "reflect", "edge", "wrap", "DCR", "CRD"}},
      {"coordinate_transformation_mode", {"half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"}},
      {"nearest_mode", {"floor", "ceil", "round_prefer_floor"}},
      {"approximate", {"none", "tanh"}},
      {"direction", {"LEFT", "RIGHT", "UP", "forward", "reverse", "bidirectional"}},
      {"padding_mode", {"zeros", "border", "reflection"}},
      {"reduction", {"none", "add", "mul", "max", "min", "mean", "sum"}},
      {"equation", {"...->...", "ij,jk->ik", "ij,jk", "ii->i", "...i,...i->...", "i->", "a,b", "i,i->j", "i-"}}};
  const auto operands = static_cast<size_t>(find_op(op)->min_inputs);
  const int outputs = find_op(op)->min_outputs;
  std::vector<NamedAttribute> attributes;
  const auto known = [&](const NamedAttribute& attribute) {
    // Most attributes belong to other operators: keep nearly only those that verify does not call unknown.
    OneNode one(op, std::vector<ir::Type>(operands, ir::Type{DType::f32, std::nullopt}), {attribute}, outputs);
    const Status status = verify_node(*one.node);
    return status.ok() || status.error().message.find("not known") == std::string::npos || chance(random, 0.003);
  };
  const auto add = [&](NamedAttribute attribute) {
    if (known(attribute)) attributes.push_back(std::move(attribute));
  };
  for (const std::string& name : kInts) {
    if (chance(random, 0.25)) add({name, pick(random, {-2, -1, 0, 0, 1, 1, 1, 2, 3, 7, INT64_MAX})});
  }
  for (const std::string& name : kLists) {
    if (!chance(random, 0.25)) continue;
    ir::Ints list(1 + random.below(4));
    for (int64_t& value : list) value = pick(random, {0, 1, 1, 1, 2, 2, 3, -1});
    if (chance(random, 0.02)) list[0] = int64_t{1} << 62;
    add({name, list});
  }
  for (const auto& [name, values] : kTexts) {
    if (chance(random, 0.3)) add({name, values[random.below(values.size())]});
  }
  return attributes;
}

std::vector<ir::Tensor> random_operands(Random& random, const OpInfo& op) {
  const int most = op.max_inputs < 0 ? op.min_inputs + 2 : op.max_inputs;
  const auto count = static_cast<size_t>(op.min_inputs) + random.below(static_cast<uint64_t>(most - op.min_inputs) + 1);
  const ir::Dims common = random_dims(random);
  const DType dtype = random_dtype(random);
  std::vector<ir::Tensor> operands;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0 && chance(random, 0.3)) {  // axes, shapes, sizes
      operands.push_back(random_tensor(random, DType::i64, {static_cast<int64_t>(random.below(5))}));
    } else if (i >= static_cast<size_t>(op.min_inputs) && chance(random, 0.2)) {
      operands.emplace_back();
    } else {
      operands.push_back(random_tensor(random, chance(random, 0.85) ? dtype : random_dtype(random),
                                       chance(random, 0.6) ? common : random_dims(random)));
    }
  }
  return operands;
}

/// The type of `tensor` as a model might declare it: some dims as symbols (the same name for the same number), some
/// unknown, or no rank at all.
ir::Type blurred(Random& random, const ir::Tensor& tensor) {
  ir::Type type = tensor.type();
  if (chance(random, 0.1)) type.shape.reset();
  if (!type.shape) return type;
  for (ir::Dim& dim : *type.shape) {
    if (chance(random, 0.3)) dim = ir::Dim("D" + std::to_string(dim.value()));
    if (chance(random, 0.1)) dim = ir::Dim();
  }
  return type;
}

/// What inference says of the outputs; operands are constants with probability `constant`, otherwise inputs of blurred
/// types. Fails the test where it contradicts `results`.
void expect_inference_agrees(Random& random, OpKind op, const std::vector<ir::Tensor>& operands,
                             const std::vector<NamedAttribute>& attributes, const std::vector<ir::Tensor>& results,
                             double constant) {
  ir::Graph graph;
  std::vector<ir::Value*> values;
  for (const ir::Tensor& operand : operands) {
    if (!operand.valid()) {
      values.push_back(nullptr);
    } else if (chance(random, constant)) {
      values.push_back(&graph.add_constant(operand));
    } else {
      values.push_back(&graph.add_input("x", blurred(random, operand)));
    }
  }
  ir::Node& node = graph.append(op, values, static_cast<int>(results.size()));
  for (const auto& [name, value] : attributes) node.attributes().set(name, value);
  const Status status = infer_types(graph);
  ASSERT_TRUE(status.ok()) << "it runs, but inference says: " << status.error().text();
  for (size_t i = 0; i < results.size(); ++i) {
    const ir::Type inferred = node.output(static_cast<int>(i)).type();
    const auto merged = ir::merge(inferred, results[i].type());
    EXPECT_TRUE(merged.has_value()) << "inferred " << inferred.text() << ", is " << results[i].type().text();
    if (!merged || !inferred.shape) continue;
    for (size_t d = 0; d < inferred.shape->size(); ++d) {
      const ir::Dim& dim = (*inferred.shape)[d];
      if (dim.symbolic() && dim.symbol()[0] == 'D') {
        EXPECT_EQ(dim.symbol(), "D" + std::to_string(results[i].dims()[d])) << inferred.text();
      }
    }
  }
}

std::string describe(OpKind op, const std::vector<ir::Tensor>& operands,
                     const std::vector<NamedAttribute>& attributes) {
  std::string text(ir::op_name(op));
  for (const ir::Tensor& operand : operands) {
    text += " " + (operand.valid() ? operand.type().text() : std::string("-"));
    if (!operand.valid() || operand.dtype() != DType::i64 || operand.size() > 8) continue;
    for (int64_t value : operand.to_int64s()) text += " " + std::to_string(value);
  }
  for (const auto& [name, value] : attributes) {
    text += " " + name;
    if (const auto* number = std::get_if<int64_t>(&value)) text += "=" + std::to_string(*number);
    if (const auto* word = std::get_if<std::string>(&value)) text += "=" + *word;
    if (const auto* list = std::get_if<ir::Ints>(&value)) {
      for (int64_t number : *list) text += "," + std::to_string(number);
    }
  }
  return text;
}

/// Runs `count` random nodes of one operator; returns how many ran to the end.
int try_operator(OpKind kind, const OpInfo& op, int count) {
  Random random(1000 + static_cast<uint64_t>(kind));
  int num_run = 0;
  for (int attempt = 0; attempt < count && !testing::Test::HasFailure(); ++attempt) {
    const std::vector<ir::Tensor> operands = random_operands(random, op);
    const std::vector<NamedAttribute> attributes = random_attributes(random, kind);
    SCOPED_TRACE(describe(kind, operands, attributes));
    if (std::getenv("EDGESMITH_TEST_TRACE") != nullptr) {
      std::fprintf(stderr, "%s\n", describe(kind, operands, attributes).c_str());  // finds the node that crashes
    }
    const int num_outputs = op.max_outputs < 0 ? 2 : op.min_outputs;
    const auto results = run_op(kind, operands, attributes, num_outputs);
    if (!results.ok()) {
      const ErrorKind error = results.error().kind;
      EXPECT_TRUE(error == ErrorKind::invalid || error == ErrorKind::unsupported || error == ErrorKind::io)
          << results.error().text();
      EXPECT_FALSE(results.error().message.empty());
      continue;
    }
    ++num_run;
    expect_inference_agrees(random, kind, operands, attributes, *results, 0);
    expect_inference_agrees(random, kind, operands, attributes, *results, 0.5);
    expect_inference_agrees(random, kind, operands, attributes, *results, 1);
  }
  return num_run;
}

TEST(EveryOp, SurvivesRandomNodesAndAgreesWithItsInference) {
  const char* attempts = std::getenv("EDGESMITH_TEST_ATTEMPTS");
  const int count = attempts != nullptr ? std::atoi(attempts) : 300;
  for (int kind = 0; kind < ir::num_op_kinds() && !HasFailure(); ++kind) {
    const OpInfo* op = find_op(static_cast<OpKind>(kind));
    if (op == nullptr) continue;
    const int num_run = try_operator(static_cast<OpKind>(kind), *op, count);
    RecordProperty(std::string(ir::op_name(op->kind)), num_run);
    if (attempts != nullptr)
      std::printf("%-20s %d of %d ran\n", std::string(ir::op_name(op->kind)).c_str(), num_run, count);
  }
}

TEST(EveryOp, HasARowThatNamesItself) {
  for (int kind = 0; kind < ir::num_op_kinds(); ++kind) {
    const OpInfo* op = find_op(static_cast<OpKind>(kind));
    if (op == nullptr) continue;
    EXPECT_EQ(op->kind, static_cast<OpKind>(kind)) << ir::op_name(static_cast<OpKind>(kind));
    EXPECT_NE(op->infer, nullptr) << ir::op_name(op->kind);
    EXPECT_NE(op->eval, nullptr) << ir::op_name(op->kind);
    EXPECT_TRUE(op->max_inputs < 0 || op->max_inputs >= op->min_inputs) << ir::op_name(op->kind);
  }
}

}  // namespace
}  // namespace edgesmith::ops
