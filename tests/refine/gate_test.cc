// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/refine/gate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace edgesmith::refine {
namespace {

const data::MetricInfo& top1() { return *data::find_metric("top1"); }

StepEvidence evidence(double drop, double low, double high) {
  StepEvidence e;
  const data::PairedDifference difference{drop, {low, high}};
  e.drops = {{"", difference, difference}};
  e.samples = 10000;
  e.bytes = 1000;
  return e;
}

Gate gate(double max_drop) {
  Gate g;
  g.max_drop = max_drop;
  return g;
}

TEST(Gate, AcceptsADropWhoseIntervalLiesBelowTheBudget) {
  const Decision d = decide(gate(0.5), {}, {}, &top1(), evidence(0.1, -0.1, 0.3));
  EXPECT_EQ(d.status, StepStatus::accepted);
  EXPECT_TRUE(d.kept);
  EXPECT_FALSE(d.refused);
  EXPECT_TRUE(d.decided);
}

TEST(Gate, RollsBackADropBeyondTheBudget) {
  const Decision d = decide(gate(0.5), {}, {}, &top1(), evidence(1.2, 0.9, 1.5));
  EXPECT_EQ(d.status, StepStatus::rolled_back);
  EXPECT_FALSE(d.kept);
  EXPECT_TRUE(d.refused);
  EXPECT_TRUE(d.decided);
  EXPECT_EQ(d.reason, "top1 drops by 1.20 points against the original, the budget is 0.50 points");
}

TEST(Gate, SaysThatErrorsRise) {
  const Decision d = decide(gate(0.5), {}, {}, data::find_metric("mae"), evidence(1.25, 0.9, 1.5));
  EXPECT_EQ(d.reason, "mae rises by 1.25 against the original, the budget is 0.5");
}

TEST(Gate, RollsBackAWeightThatIsNoNumberWithoutAnyBudget) {
  StepEvidence e;
  e.broken_weight = "weight 'w' of gemm 'y' holds NaN or infinity";
  const Decision d = decide(Gate(), {}, {}, nullptr, e);
  EXPECT_EQ(d.status, StepStatus::rolled_back);
  EXPECT_TRUE(d.refused);
  EXPECT_EQ(d.reason, e.broken_weight);
}

TEST(Gate, AGainIsNotCalledADrop) {
  const Decision d = decide(gate(0.5), {}, {}, &top1(), evidence(-0.2, -1.0, 0.6));
  EXPECT_EQ(d.status, StepStatus::undecided);
  EXPECT_EQ(d.reason, "top1 is better by 0.20 points than the original, the budget is a drop of 0.50 points");
}

TEST(Gate, FailsInsteadOfRollingBackWhenAskedTo) {
  Gate g = gate(0.5);
  g.on_fail = OnFail::fail;
  EXPECT_EQ(decide(g, {}, {}, &top1(), evidence(1.2, 0.9, 1.5)).status, StepStatus::failed);
}

TEST(Gate, LetsThePointEstimateDecideWhenTheSamplesCannotTell) {
  const Decision d = decide(gate(0.5), {}, {}, &top1(), evidence(0.3, 0.0, 0.6));
  EXPECT_EQ(d.status, StepStatus::undecided);
  EXPECT_TRUE(d.kept);
  EXPECT_FALSE(d.refused);
  EXPECT_FALSE(d.decided);
  // The half-width of 0.3 must shrink to the distance of 0.2: (0.3 / 0.2)^2 times the samples.
  EXPECT_EQ(d.samples_needed, 22500);
}

TEST(Gate, RollsBackAnUndecidedDropBeyondTheBudget) {
  const Decision d = decide(gate(0.5), {}, {}, &top1(), evidence(0.6, 0.3, 0.9));
  EXPECT_EQ(d.status, StepStatus::rolled_back);
  EXPECT_FALSE(d.decided);
  EXPECT_NEAR(static_cast<double>(d.samples_needed), 90000, 1);
}

TEST(Gate, RefusesAnUndecidedStepWhenAskedTo) {
  Gate g = gate(0.5);
  g.undecided = OnUndecided::fail;
  const Decision d = decide(g, {}, {}, &top1(), evidence(0.3, 0.0, 0.6));
  EXPECT_EQ(d.status, StepStatus::undecided);
  EXPECT_TRUE(d.refused);
  EXPECT_FALSE(d.kept);
}

TEST(Gate, NamesNoNumberOfSamplesForADropThatIsTheBudget) {
  const Decision d = decide(gate(0.5), {}, {}, &top1(), evidence(0.5, 0.2, 0.8));
  EXPECT_EQ(d.status, StepStatus::undecided);
  EXPECT_EQ(d.samples_needed, 0);
}

TEST(Gate, IsSureOfEqualOutputs) {
  StepEvidence e = evidence(0.0, -0.3, 0.3);
  e.drops[0].same_outputs = true;
  const Decision d = decide(gate(0.1), {}, {}, &top1(), e);
  EXPECT_EQ(d.status, StepStatus::accepted);
  EXPECT_TRUE(d.decided);
  EXPECT_TRUE(d.reason.empty());
}

TEST(Gate, RefusesADropThatIsNoNumber) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(decide(gate(0.5), {}, {}, &top1(), evidence(nan, nan, nan)).status, StepStatus::rolled_back);
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(decide(gate(0.5), {}, {}, &top1(), evidence(inf, inf, inf)).status, StepStatus::rolled_back);
}

TEST(Gate, JudgesNothingWithoutABudget) {
  EXPECT_EQ(decide(Gate(), {}, {}, &top1(), evidence(50, 40, 60)).status, StepStatus::accepted);
  StepEvidence unmeasured;
  EXPECT_EQ(decide(gate(0.5), {}, {}, nullptr, unmeasured).status, StepStatus::accepted);
}

TEST(Gate, HoldsAStepToItsOwnBudgetAgainstTheModelBeforeIt) {
  StepEvidence e = evidence(0.4, 0.35, 0.45);
  e.drops[0].from_previous = data::PairedDifference{0.05, {0.0, 0.09}};
  EXPECT_EQ(decide(gate(0.5), 0.1, {}, &top1(), e).status, StepStatus::accepted);
  e.drops[0].from_previous = data::PairedDifference{0.3, {0.25, 0.35}};
  const Decision d = decide(gate(0.5), 0.1, {}, &top1(), e);
  EXPECT_EQ(d.status, StepStatus::rolled_back);
  EXPECT_EQ(d.reason, "top1 drops by 0.30 points against the model before the step, the budget is 0.10 points");
}

TEST(Gate, HoldsEveryTargetToTheBudgetAndNamesTheOneThatBreaksIt) {
  StepEvidence e = evidence(0.1, 0.0, 0.2);
  e.drops[0].target = "ort-x86-vnni";
  e.drops.push_back({"openvino-x86", {1.2, {0.9, 1.5}}, {1.2, {0.9, 1.5}}});
  const Decision d = decide(gate(0.5), {}, {}, &top1(), e);
  EXPECT_EQ(d.status, StepStatus::rolled_back);
  EXPECT_EQ(d.reason, "top1 drops by 1.20 points against the original on openvino-x86, the budget is 0.50 points");
  e.drops[1].from_original = {0.2, {0.1, 0.3}};
  EXPECT_EQ(decide(gate(0.5), {}, {}, &top1(), e).status, StepStatus::accepted);
  EXPECT_EQ(decide(Gate(), 0.5, {}, &top1(), e).reason,
            "top1 drops by 1.20 points against the model before the step on openvino-x86, the budget is 0.50 points");
}

TEST(Gate, IsUndecidedWhenOneTargetIs) {
  StepEvidence e = evidence(0.0, -0.3, 0.3);
  e.drops[0].same_outputs = true;
  EXPECT_EQ(decide(gate(0.1), {}, {}, &top1(), e).status, StepStatus::accepted);
  e.drops.push_back({"cmsis-nn-l4r5", {0.3, {0.0, 0.6}}, {0.3, {0.0, 0.6}}});
  const Decision d = decide(gate(0.5), {}, {}, &top1(), e);
  EXPECT_EQ(d.status, StepStatus::undecided);
  EXPECT_EQ(d.samples_needed, 22500);
}

TEST(Gate, JudgesTheBytesOfTheFinishedModelOnly) {
  Gate g;
  g.max_bytes = 500;
  StepEvidence e = evidence(0, 0, 0);
  e.last = false;
  EXPECT_EQ(decide(g, {}, {}, &top1(), e).status, StepStatus::accepted);
  e.last = true;
  const Decision d = decide(g, {}, {}, &top1(), e);
  EXPECT_EQ(d.status, StepStatus::rolled_back);
  EXPECT_EQ(d.reason, "the model takes 1,000 bytes, the budget is 500");
  // Bytes are no matter of samples, also where those cannot tell of the drop.
  g.max_drop = 0.5;
  e = evidence(0.6, -1, 2.2);
  e.last = true;
  const Decision both = decide(g, {}, {}, &top1(), e);
  EXPECT_EQ(both.status, StepStatus::rolled_back);
  EXPECT_EQ(both.reason, d.reason);
  EXPECT_TRUE(both.decided);
  EXPECT_EQ(both.samples_needed, 0);
  e.last = false;
  EXPECT_EQ(decide(Gate(), {}, 999, &top1(), e).status, StepStatus::rolled_back) << "a step's own budget holds at once";
}

TEST(Gate, JudgesMemoryAndTimeOfTheFinishedModel) {
  Gate g;
  g.max_ram = 1000;
  g.max_latency_us = 50;
  g.min_speedup = 2;
  StepEvidence e = evidence(0, 0, 0);
  e.needs = {.ram_bytes = 1000, .latency_us = 50, .speedup = 2, .measured = true};
  EXPECT_EQ(decide(g, {}, {}, &top1(), e).status, StepStatus::accepted);
  const auto reason = [&](const TargetNeeds& needs) {
    e.needs = needs;
    e.last = false;
    EXPECT_EQ(decide(g, {}, {}, &top1(), e).status, StepStatus::accepted) << "others may still come";
    e.last = true;
    const Decision d = decide(g, {}, {}, &top1(), e);
    EXPECT_EQ(d.status, StepStatus::rolled_back);
    return d.reason;
  };
  EXPECT_EQ(reason({.ram_bytes = 1001, .latency_us = 50, .speedup = 2}),
            "the model needs 1,001 bytes of memory, the budget is 1,000");
  EXPECT_EQ(
      reason({.latency_us = 50, .speedup = 2}),
      "the model has shapes that are known only while it runs, and so has the memory it needs; the budget is 1,000");
  EXPECT_EQ(reason({.ram_bytes = 10, .latency_us = 51.25, .speedup = 2}),
            "the model takes 51.2 us by the target's cost model, the budget is 50.0 us");
  EXPECT_EQ(reason({.ram_bytes = 10, .latency_us = 5, .speedup = 1.5, .measured = true}),
            "the model is 1.50 times as fast as the original as measured here, the budget is 2.00 times");
}

TEST(Gate, LetsANumberWithoutAnIntervalDecide) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(decide(gate(0.5), {}, {}, &top1(), evidence(0.4, none, none)).status, StepStatus::accepted);
  EXPECT_EQ(decide(gate(0.5), {}, {}, &top1(), evidence(0.6, none, none)).status, StepStatus::rolled_back);
}

TEST(Gate, CallsAStepWithoutEffectUnchanged) {
  StepEvidence e;
  e.changed = false;
  const Decision d = decide(gate(0.5), {}, {}, &top1(), e);
  EXPECT_EQ(d.status, StepStatus::unchanged);
  EXPECT_FALSE(d.refused);
}

TEST(Gate, WritesNumbersForPeople) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(-1234567), "-1,234,567");
  EXPECT_EQ(metric_text(top1(), 88.4), "88.40 %");
  EXPECT_EQ(difference_text(top1(), 0.1), "0.10 points");
  EXPECT_EQ(metric_text(*data::find_metric("sqnr"), 31.256), "31.26 dB");
  EXPECT_EQ(metric_text(*data::find_metric("mse"), 0.000123456), "0.00012346");
}

}  // namespace
}  // namespace edgesmith::refine
