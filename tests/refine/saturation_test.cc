// SPDX-License-Identifier: Apache-2.0
// One model through the whole chain: at full range it loses accuracy where 16-bit pair sums saturate, `check` says so,
// and quantized for such a machine it is safe without losing anything.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "edgesmith/base/log.h"
#include "edgesmith/base/text.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/refine/runner.h"
#include "edgesmith/refine/target_check.h"
#include "support/tiny_model.h"

namespace edgesmith::refine {
namespace {

constexpr int64_t kFeatures = 32, kClasses = 10;
using Prototypes = std::array<std::array<float, kFeatures>, kClasses>;

/// Every class has a point in [0, 1]; large features of a class have large weights of one sign, so that the right
/// class is the one whose sums saturate.
Prototypes prototypes() {
  Random random(11);
  Prototypes points;
  for (auto& point : points) {
    for (float& x : point) x = static_cast<float>(random.uniform());
  }
  return points;
}

/// The nearest point: x . (2 p - 1) - |p|^2 is largest where |x - p|^2 is least.
std::string nearest_point_model(const Prototypes& points) {
  std::vector<std::string> weights, biases;
  for (const auto& point : points) {
    float bias = 0;
    for (const float x : point) {
      weights.push_back(shortest(2 * x - 1));
      bias -= x * x;
    }
    biases.push_back(shortest(bias));
  }
  return "graph @nearest(%x: f32[N,32]) -> (logits: f32[N,10]) {\n  %w = constant {" + join(weights, ", ") +
         "} : f32[10,32]\n  %b = constant {" + join(biases, ", ") +
         "} : f32[10]\n  %y = gemm %x, %w, %b {transB=1} : f32[N,10]\n  return %y\n}\n";
}

/// Points with noise, and the class that each came from.
void write_samples(const Prototypes& points, int64_t count, uint64_t seed, const std::string& path) {
  Random random(seed);
  std::vector<float> x;
  std::vector<int64_t> y;
  for (int64_t i = 0; i < count; ++i) {
    y.push_back(static_cast<int64_t>(random.below(kClasses)));
    for (const float value : points[static_cast<size_t>(y.back())]) {
      x.push_back(std::clamp(value + 0.35f * static_cast<float>(random.normal()), 0.0f, 1.0f));
    }
  }
  const std::vector<data::NamedArray> arrays = {{"x", ir::Tensor::of({count, kFeatures}, x)},
                                                {"y", ir::Tensor::of({count}, y)}};
  ASSERT_TRUE(data::write_npz(path, arrays).ok());
}

class Saturation : public ::testing::Test {
 protected:
  void SetUp() override {
    log::set_level(log::Level::off);
    const Prototypes points = prototypes();
    testing::write_model(nearest_point_model(points), folder_ / "m.onnx");
    write_samples(points, 256, 1, folder_ / "calib.npz");
    write_samples(points, 10000, 2, folder_ / "eval.npz");
  }
  void TearDown() override {
    log::take_warnings();
    log::set_level(log::Level::info);
  }

  /// The model quantized for `target`, measured with exact sums and with saturating ones.
  StepReport quantized_for(const std::string& target) {
    RunOptions options;
    options.threads = 2;
    options.force = true;
    const auto recipe = parse_recipe("model = \"m.onnx\"\noutput = \"out.onnx\"\ntarget = \"" + target +
                                         "\"\n[data]\ncalib = \"calib.npz\"\neval = \"eval.npz\"\n[gate]\n"
                                         "targets = [\"ort-x86-vnni\", \"openvino-x86\"]\n[[step]]\npass = "
                                         "\"quantize\"\n",
                                     "r.toml", folder_.path());
    EXPECT_TRUE(recipe.ok()) << recipe.error().text();
    const auto report = run_recipe(*recipe, options);
    EXPECT_TRUE(report.ok()) << report.error().text();
    return report->steps[0];
  }
  bool may_saturate() const {
    const auto graph = onnx::import_file(folder_ / "out.onnx");
    EXPECT_TRUE(graph.ok());
    const TargetCheck check = check_target(*graph, *targets::find_target("ort-x86"));
    return std::any_of(check.violations.begin(), check.violations.end(),
                       [](const Finding& finding) { return finding.rule == "saturation"; });
  }

  testing::TemporaryFolder folder_;
};

TEST_F(Saturation, IsCaughtAndGoneWithoutLossOfAccuracy) {
  const StepReport full = quantized_for("ort-x86-vnni");
  ASSERT_EQ(full.targets.size(), 2u);
  const double exact = full.targets[0].metric.value;
  EXPECT_GT(exact, 90);
  EXPECT_LT(full.targets[1].metric.value, exact - 0.9) << "points lost where pairs saturate";
  EXPECT_TRUE(may_saturate());

  const StepReport safe = quantized_for("ort-x86");
  EXPECT_EQ(safe.targets[0].metric.value, safe.targets[1].metric.value) << "one accuracy on every CPU";
  EXPECT_NEAR(safe.targets[1].metric.value, exact, 0.1);
  EXPECT_FALSE(may_saturate());
  RecordProperty("exact", std::to_string(exact));
  RecordProperty("saturating", std::to_string(full.targets[1].metric.value));
  RecordProperty("safe", std::to_string(safe.targets[1].metric.value));
}

}  // namespace
}  // namespace edgesmith::refine
