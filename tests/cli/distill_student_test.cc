// SPDX-License-Identifier: Apache-2.0
// distill --student and --augment.
#include "cli/tool_test.h"

namespace edgesmith::testing {
namespace {

class DistillStudent : public ToolTest {
 protected:
  void SetUp() override {
    write_model(R"(graph @teacher(%x: f32[N,3]) -> (logits: f32[N,3]) {
  %w1 = constant random(seed=4) : f32[3,16]
  %w2 = constant random(seed=5) : f32[16,3]
  %h = mat_mul %x, %w1 : f32[N,16] @"first"
  %r = relu %h : f32[N,16]
  %y = mat_mul %r, %w2 : f32[N,3]
  return %y
}
)",
                folder_ / "t.onnx");
    write_data(folder_ / "train.npz", 300, 1);
  }
  std::vector<std::string> command(std::vector<std::string> more) {
    std::vector<std::string> args = {"distill", "t.onnx", "-o", "o.onnx", "--train", "train.npz", "--epochs", "5"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
};

TEST_F(DistillStudent, TrainsASmallerModelAgainstTheOneGiven) {
  for (const char* weights : {"fitted", "teacher", "fresh"}) {
    const Json json = json_of(
        command({"--student", std::string("width=0.5,weights=") + weights, "--augment", "noise=0.01", "--force"}));
    const Json& step = json["steps"][0];
    EXPECT_EQ(step["status"], "accepted") << step.dump(1);
    EXPECT_NE(step.dump().find("the student has 48 of the teacher's 96 parameters"), std::string::npos) << step.dump(1);
  }
}

TEST_F(DistillStudent, RefusesOtherWords) {
  expect_error(command({"--student", "widht=0.5"}), 2, "t.onnx: student: unknown word 'widht'; did you mean 'width'?");
  expect_error(command({"--student", "width=0.5", "--augment", "flop"}), 2,
               "t.onnx: augment: unknown word 'flop'; did you mean 'flip'?");
  expect_error(
      command({"--student", "depth=0.5,weights=teacher", "-q"}), 2,
      "t.onnx: student: depth 0.5 drops none of the 0 residual blocks with equal input and output shapes; take a "
      "smaller depth, or width");
}

}  // namespace
}  // namespace edgesmith::testing
