// SPDX-License-Identifier: Apache-2.0
// Smaller models derived from a teacher: what goes, what stays, and that fitted weights are worth it.
#include "passes/student/student.h"

#include <gtest/gtest.h>

#include <cmath>

#include "edgesmith/ir/text.h"
#include "edgesmith/ir/verifier.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/runtime/executor.h"
#include "pictures.h"
#include "support/zoo.h"

namespace edgesmith::passes {
namespace {

ir::Graph parsed(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

// Two blocks of 8 channels and one of 16, behind a layer that changes the shape.
constexpr const char* kTeacher = R"(graph @net(%x: f32[N,3,8,8]) -> (scores) {
  %ws = constant random(seed=1) : f32[8,3,3,3]
  %wa = constant random(seed=2) : f32[8,8,3,3]
  %wb = constant random(seed=3) : f32[8,8,3,3]
  %wc = constant random(seed=4) : f32[8,8,3,3]
  %wd = constant random(seed=5) : f32[8,8,3,3]
  %we = constant random(seed=6) : f32[16,8,3,3]
  %wf = constant random(seed=7) : f32[16,16,3,3]
  %wg = constant random(seed=8) : f32[5,16]
  %bs = constant random(seed=9) : f32[8]
  %b = constant random(seed=10) : f32[5]
  %tiny = constant {0.1} : f32[1]
  %s0 = conv %x, %ws, %bs {pads=[1,1,1,1]} @"stem"
  %s = relu %s0
  %a0 = conv %s, %wa {pads=[1,1,1,1]} @"a"
  %a1 = relu %a0
  %a2 = conv %a1, %wb {pads=[1,1,1,1]} @"b"
  %a3 = mul %a2, %tiny
  %a4 = add %a3, %s
  %a = relu %a4
  %c0 = conv %a, %wc {pads=[1,1,1,1]} @"c"
  %c1 = relu %c0
  %c2 = conv %c1, %wd {pads=[1,1,1,1]} @"d"
  %c3 = mul %c2, %tiny
  %c4 = add %a, %c3
  %c = relu %c4
  %e0 = conv %c, %we {pads=[1,1,1,1], strides=[2,2]} @"e"
  %e = relu %e0
  %f0 = conv %e, %wf {pads=[1,1,1,1]} @"f"
  %f1 = add %f0, %e
  %g = global_average_pool %f1
  %h = flatten %g
  %y = gemm %h, %wg, %b {transB=1} @"last"
  return %y
})";

struct Lent {
  ThreadPool pool{2};
  ProgressSink progress;
  PassContext context;

  Lent() {
    context.pool = &pool;
    context.progress = &progress;
  }
};

Result<ir::Graph> derive(const ir::Graph& teacher, const std::string& text, const data::Dataset* data = nullptr,
                         std::vector<std::string>* notes = nullptr) {
  auto options = parse_student(text);
  if (!options) return options.error();
  Lent lent;
  auto student = derive_student(teacher, *options, data, lent.context);
  if (notes != nullptr) *notes = lent.context.notes;
  if (student.ok()) {
    EXPECT_TRUE(ir::verify(*student).ok());
    EXPECT_EQ(student->output_names(), teacher.output_names());
    EXPECT_EQ(student->inputs()[0]->type(), teacher.inputs()[0]->type());
    EXPECT_EQ(student->output_node().input(0)->type(), teacher.output_node().input(0)->type());
  }
  return student;
}

ir::Dims dims_of(const ir::Graph& graph, const std::string& node) {
  for (const ir::Node& other : graph.nodes()) {
    if (other.name() == node) return other.input(1)->constant()->dims();
  }
  return {};
}

/// Mean squared difference of what two models give for pictures that no fit has seen.
double difference(const ir::Graph& a, const ir::Graph& b, const ir::Dims& dims) {
  Pictures pictures(dims, 64);
  const auto first = runtime::Executor::create(a), second = runtime::Executor::create(b);
  EXPECT_TRUE(first.ok() && second.ok());
  const auto one = (*first)->make_session(), two = (*second)->make_session();
  double sum = 0;
  for (int64_t i = 1000; i < 1032; ++i) {
    const auto sample = pictures.sample(i);
    const auto x = one->run(sample->inputs), y = two->run(sample->inputs);
    EXPECT_TRUE(x.ok() && y.ok());
    const std::vector<float> p = (*x)[0].to_floats(), q = (*y)[0].to_floats();
    for (size_t k = 0; k < p.size(); ++k) sum += std::pow(static_cast<double>(p[k]) - q[k], 2);
  }
  return sum;
}

TEST(Student, WidthNarrowsCoupledChannels) {
  std::vector<std::string> notes;
  const auto student = derive(parsed(kTeacher), "width=0.5,weights=teacher", nullptr, &notes);
  ASSERT_TRUE(student.ok()) << student.error().text();
  EXPECT_EQ(dims_of(*student, "stem"), (ir::Dims{4, 3, 3, 3}));
  EXPECT_EQ(dims_of(*student, "b"), (ir::Dims{4, 4, 3, 3}));
  EXPECT_EQ(dims_of(*student, "f"), (ir::Dims{8, 8, 3, 3}));
  EXPECT_EQ(dims_of(*student, "last"), (ir::Dims{5, 8}));
  ASSERT_FALSE(notes.empty());
  EXPECT_NE(notes.back().find("of the teacher's"), std::string::npos);
}

TEST(Student, DepthDropsBlocksOfEqualShapes) {
  const ir::Graph teacher = parsed(kTeacher);
  EXPECT_EQ(find_residual_blocks(teacher).size(), 3U);
  const auto student = derive(teacher, "depth=0.5,weights=teacher");
  ASSERT_TRUE(student.ok()) << student.error().text();
  // One of the two blocks of 8 channels; a half of one block is rounded up.
  EXPECT_TRUE(dims_of(*student, "a").empty());
  EXPECT_EQ(dims_of(*student, "c"), (ir::Dims{8, 8, 3, 3}));
  EXPECT_EQ(dims_of(*student, "f"), (ir::Dims{16, 16, 3, 3}));
}

TEST(Student, KeepsBlocksAtEqualDistances) {
  EXPECT_EQ(kept_blocks(4, 0.5), (std::vector<bool>{false, true, false, true}));
  EXPECT_EQ(kept_blocks(3, 0.34), (std::vector<bool>{false, false, true}));
  EXPECT_EQ(kept_blocks(8, 0.99), std::vector<bool>(8, true));
  EXPECT_EQ(kept_blocks(2, 0.1), (std::vector<bool>{false, false}));
}

// A sum of two things that do not depend on each other, one whose branch is read elsewhere, and one within another.
TEST(Student, OnlyInnermostBranchesAreBlocks) {
  const ir::Graph graph = parsed(R"(graph @net(%x: f32[N,4,8,8], %z: f32[N,4,8,8]) -> (y, q) {
  %w = constant random(seed=1) : f32[4,4,1,1]
  %a = add %x, %z
  %b0 = conv %a, %w
  %b = add %b0, %a
  %c0 = conv %b, %w
  %d0 = conv %c0, %w
  %d = add %d0, %c0
  %e = add %d, %b
  %q = relu %b0
  return %e, %q
})");
  const std::vector<ResidualBlock> blocks = find_residual_blocks(graph);
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(blocks[0].add->output().name(), "d");
  EXPECT_EQ(blocks[0].shortcut->name(), "c0");
}

TEST(Student, FittedWeightsAreNearerToTheTeacher) {
  const ir::Graph teacher = parsed(kTeacher);
  const ir::Dims dims = {1, 3, 8, 8};
  const Pictures pictures(dims, 256);
  for (const std::string what : {"width=0.5", "depth=0.5", "width=0.75,depth=0.5"}) {
    SCOPED_TRACE(what);
    const auto fitted = derive(teacher, what, &pictures), plain = derive(teacher, what + ",weights=teacher"),
               fresh = derive(teacher, what + ",weights=fresh");
    ASSERT_TRUE(fitted.ok() && plain.ok() && fresh.ok()) << (fitted.ok() ? "" : fitted.error().text());
    EXPECT_LT(difference(*fitted, teacher, dims), 0.5 * difference(*plain, teacher, dims));
    EXPECT_LT(difference(*fitted, teacher, dims), 0.5 * difference(*fresh, teacher, dims));
  }
}

TEST(Student, FreshWeightsHaveHesVariance) {
  ir::Graph graph = parsed(R"(graph @net(%x: f32[N,32,8,8]) -> (y) {
  %w = constant random(seed=1) : f32[64,32,3,3]
  %v = constant random(seed=2) : f32[32,64,1,1]
  %b = constant random(seed=3) : f32[64]
  %c0 = conv %x, %w, %b {pads=[1,1,1,1]}
  %c1 = relu %c0
  %c2 = conv %c1, %v
  %c = add %c2, %x
  return %c
})");
  Random random(1);
  set_fresh_weights(graph, random);
  const auto variance = [&](const std::string& name) {
    double sum = 0;
    size_t count = 0;
    for (const ir::Node& node : graph.nodes()) {
      if (!node.is(ir::OpKind::constant) || node.output().name() != name) continue;
      for (const float number : node.tensor().to_floats()) sum += static_cast<double>(number) * number;
      count = static_cast<size_t>(node.tensor().size());
    }
    return sum / static_cast<double>(count);
  };
  EXPECT_NEAR(variance("w"), 2.0 / 288, 0.05 * 2 / 288);
  EXPECT_NEAR(variance("v"), 2.0 / 64, 0.15 * 2 / 64);
  EXPECT_EQ(variance("b"), 0);
}

TEST(Student, IsReadFromText) {
  const auto both = parse_student("width=0.5,depth=2/3,weights=fresh");
  ASSERT_TRUE(both.ok());
  EXPECT_EQ(both->width, 0.5);
  EXPECT_EQ(both->depth, 2.0 / 3);
  EXPECT_EQ(both->weights, StudentWeights::fresh);
  const auto refusal = [](const char* text) {
    const auto read = parse_student(text);
    EXPECT_FALSE(read.ok()) << text;
    if (read.ok()) return std::string();
    EXPECT_EQ(read.error().kind, ErrorKind::usage);
    return read.error().message;
  };
  EXPECT_EQ(refusal("widht=0.5"), "student: unknown word 'widht'");
  EXPECT_EQ(refusal("width=2"), "student: width is '2', must be a share above 0 and at most 1");
  EXPECT_EQ(refusal("depth"), "student: depth is '', must be a share above 0 and at most 1");
  EXPECT_EQ(refusal("width=0.5,weights=old"), "student: weights are 'old', must be fitted, teacher or fresh");
  EXPECT_EQ(refusal("width=1"), "student: nothing is to be smaller than the teacher");
  EXPECT_EQ(refusal(""), "student: unknown word ''");
}

TEST(Student, SaysWhatCannotBeSmaller) {
  const ir::Graph teacher = parsed(kTeacher);
  const auto no_data = derive(teacher, "width=0.5");
  ASSERT_FALSE(no_data.ok());
  EXPECT_EQ(no_data.error().message, "student: weights are fitted to data, and there are none");
  const auto none = derive(teacher, "depth=0.9,weights=teacher");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().message,
            "student: depth 0.9 drops none of the 3 residual blocks with equal input and output shapes");
  // The only layer makes the result.
  const ir::Graph flat = parsed(R"(graph @net(%x: f32[N,8]) -> (y) {
  %w = constant random(seed=1) : f32[8,4]
  %y = mat_mul %x, %w
  return %y
})");
  const auto narrow = derive(flat, "width=0.5,weights=teacher");
  ASSERT_FALSE(narrow.ok());
  EXPECT_EQ(narrow.error().kind, ErrorKind::usage);
  EXPECT_EQ(narrow.error().message.find("student: width 0.5 takes out no channels"), 0U) << narrow.error().message;
}

TEST(StudentZoo, ResNet20HalvesInWidthAndDepth) {
  const std::string path = testing::zoo_folder() + "/resnet20-cifar10.onnx";
  const auto teacher = onnx::import_file(path);
  if (!teacher.ok()) GTEST_SKIP() << "no " << path << " (set EDGESMITH_ZOO)";
  const auto weights = [](const ir::Graph& graph) {
    int64_t count = 0;
    for (const ir::Node& node : graph.nodes()) {
      if (node.is(ir::OpKind::constant) && node.tensor().dtype() == ir::DType::f32) count += node.tensor().size();
    }
    return static_cast<double>(count);
  };
  const auto narrow = derive(*teacher, "width=0.5,weights=fresh");
  ASSERT_TRUE(narrow.ok()) << narrow.error().text();
  EXPECT_NEAR(weights(*narrow) / weights(*teacher), 0.25, 0.02);
  const auto shallow = derive(*teacher, "depth=0.5,weights=teacher");
  ASSERT_TRUE(shallow.ok()) << shallow.error().text();
  EXPECT_LT(weights(*shallow), 0.65 * weights(*teacher));
  const auto sample = Pictures({1, 3, 32, 32}, 4).sample(0);
  for (const ir::Graph* graph : {&*narrow, &*shallow}) {
    const auto executor = runtime::Executor::create(*graph);
    ASSERT_TRUE(executor.ok());
    const auto results = (*executor)->make_session()->run(sample->inputs);
    ASSERT_TRUE(results.ok());
    for (const float score : (*results)[0].to_floats()) EXPECT_LT(std::fabs(score), 1000);
  }
}

}  // namespace
}  // namespace edgesmith::passes
