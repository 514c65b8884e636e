// SPDX-License-Identifier: Apache-2.0
// What of a student is held against what of its teacher.
#include "train/objective.h"

#include <gtest/gtest.h>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::train {
namespace {

/// Three scores, and what `end` makes of them.
ir::Graph classifier(const std::string& end, const std::string& dims = "[N,4]") {
  auto graph = ir::parse("graph @net(%x: f32" + dims + R"() -> (y) {
  %w = constant random(seed=1) : f32[4,3]
  %scores = mat_mul %x, %w
)" + end + "\n  return %y\n}");
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

const char *const kScores = "  %y = identity %scores", *const kSoftmax = "  %y = softmax %scores",
                  *const kFirstAxis = "  %y = softmax %scores {axis=1}",
                  *const kReshaped = "  %p = softmax %scores\n  %y = flatten %p",
                  *const kSigmoid = "  %y = sigmoid %scores";

Objective objective(const ir::Graph& student, const ir::Graph& teacher, const std::string& loss) {
  auto made = make_objective(student, teacher, {.losses = {loss}});
  EXPECT_TRUE(made.ok()) << made.error().text();
  return std::move(*made);
}

std::string refused(const ir::Graph& student, const ir::Graph& teacher, const ObjectiveOptions& options) {
  const auto made = make_objective(student, teacher, options);
  return made.ok() ? "" : made.error().text();
}

bool is_softmax(const ir::Graph& graph, int id) { return find_value(graph, id)->node().is(ir::OpKind::softmax); }

TEST(Objective, TakesScoresBeforeASoftmaxOfEitherSide) {
  for (const char* loss : {"mse", "kl"}) {
    for (const char* student : {kScores, kSoftmax}) {
      for (const char* teacher : {kScores, kSoftmax}) {
        const ir::Graph a = classifier(student), b = classifier(teacher);
        const Objective made = objective(a, b, loss);
        ASSERT_EQ(made.pairs.size(), 1u);
        EXPECT_FALSE(is_softmax(a, made.pairs[0].student));
        EXPECT_FALSE(is_softmax(b, made.pairs[0].teacher));
        EXPECT_EQ(student_value(a, made.pairs[0]).id(), made.pairs[0].student);
        EXPECT_EQ(made.notes.size(), student == teacher ? 0u : 1u) << "said where only one has a softmax";
      }
    }
  }
}

TEST(Objective, HoldsProbabilitiesAgainstProbabilities) {
  const ir::Graph softmax = classifier(kSoftmax), reshaped = classifier(kReshaped), sigmoid = classifier(kSigmoid);
  for (const ir::Graph* other : {&reshaped, &sigmoid}) {
    const Objective made = objective(softmax, *other, "mse");
    EXPECT_TRUE(is_softmax(softmax, made.pairs[0].student));
    EXPECT_FALSE(made.pairs[0].scores);
    EXPECT_NE(refused(softmax, *other, {.losses = {"kl"}}).find("'y' holds probabilities that no Softmax at its end"),
              std::string::npos);
    EXPECT_NE(refused(*other, softmax, {.losses = {"kl"}}).find("use --loss mse"), std::string::npos);
  }
}

TEST(Objective, TakesClassesAlongTheAxisOfTheSoftmax) {
  const std::string map = "[N,5,6,4]";
  const ir::Graph last = classifier(kSoftmax, map), first = classifier(kFirstAxis, map),
                  none = classifier(kScores, map);
  EXPECT_EQ(objective(last, last, "kl").pairs[0].class_axis, 3);
  EXPECT_EQ(objective(last, last, "kl").pairs[0].classes, 3);
  EXPECT_EQ(objective(none, last, "kl").pairs[0].class_axis, 3);
  EXPECT_EQ(objective(first, none, "kl").pairs[0].class_axis, 1);
  EXPECT_EQ(objective(none, none, "kl").pairs[0].class_axis, 1);
  EXPECT_NE(refused(first, last, {.losses = {"kl"}}).find("over axis 1, that of the teacher over axis 3"),
            std::string::npos);
}

TEST(Objective, GivesLabelsToTheFirstOutput) {
  auto graph = ir::parse(R"(graph @two(%x: f32[N,4]) -> (p, q) {
  %w = constant random(seed=1) : f32[4,3]
  %v = constant random(seed=2) : f32[4,2]
  %p = mat_mul %x, %w
  %q = mat_mul %x, %v
  return %p, %q
})");
  ASSERT_TRUE(graph.ok());
  ASSERT_TRUE(ops::infer_types(*graph).ok());
  const std::vector<std::string> losses = {"cross-entropy", "mse"};
  const auto made = make_objective(*graph, *graph, {.losses = losses, .match = {"q=q", "p=p"}});
  ASSERT_TRUE(made.ok()) << made.error().text();
  EXPECT_EQ(made->pairs[0].name, "p");
  for (const LossTerm& term : made->terms) {
    EXPECT_TRUE(!term.loss->needs_labels || made->pairs[term.pair].name == "p");
  }
  EXPECT_NE(
      refused(*graph, *graph, {.losses = losses, .match = {"q=q"}}).find("labels belong to the first output, 'p'"),
      std::string::npos);
}

TEST(Objective, RefusesTheSameTwice) {
  const ir::Graph graph = classifier(kScores);
  EXPECT_NE(refused(graph, graph, {.losses = {"mse", "mse=2"}}).find("loss 'mse' is given twice"), std::string::npos);
  EXPECT_NE(refused(graph, graph, {.match = {"y=y", "y=y"}}).find("output 'y' of the student is given twice"),
            std::string::npos);
  EXPECT_NE(refused(graph, graph, {.losses = {"mse=inf"}}).find("has no weight above 0"), std::string::npos);
}

}  // namespace
}  // namespace edgesmith::train
