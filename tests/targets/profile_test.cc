// SPDX-License-Identifier: Apache-2.0
// Reading a profile: what is in it, and every way in which one can be wrong.
#include <gtest/gtest.h>

#include <string>

#include "edgesmith/base/file.h"
#include "edgesmith/targets/target.h"

namespace edgesmith::targets {
namespace {

// 20 lines; the numbers in the tests below count on them.
const std::string kProfile = R"(name = "toaster"
summary = "a toaster"
runtime = "Toast 2"
status = "rules"
checked = "its manual"
[device]
name = "Toaster X"
isa = "rv32"
clock = "120 MHz"
ram = "640 KiB"
flash = "2 MiB"
macs_per_cycle = { f32 = 0.5, i8 = 2 }
[quantization]
arithmetic = "tflite"
activations = "i8"
weights = "i8"
per_channel = true
pair_rule = "none"
integer_ops = ["Conv", "Add"]
[limits]
)";

std::string replaced(const std::string& from, const std::string& to) {
  std::string text = kProfile;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

/// The whole line that a wrong profile is refused with.
std::string refusal(const std::string& text) {
  const auto target = parse_profile(text, "t.toml");
  EXPECT_FALSE(target.ok());
  if (target.ok()) return "";
  EXPECT_EQ(exit_code_of(target.error().kind), 2);
  return target.error().text();
}

TEST(Profile, HoldsWhatTheFileSays) {
  const auto target = parse_profile(kProfile + R"(opset = [7, 20]
batch = 1
free_dims = "batch"
rank = 4
kernel = 32
integer_only = true
weights_in = "flash"
only_ops = ["Conv", "Add", "Softmax"]
output_channels = 4
[quantization.fixed_outputs]
Softmax = [0.00390625, -128]
[cost]
element = 60
node = "3 us"
i8 = { conv = 0.35, dense = 0.21 }
)",
                                    "t.toml");
  ASSERT_TRUE(target.ok()) << target.error().text();
  EXPECT_EQ(target->name, "toaster");
  EXPECT_EQ(target->evidence, Evidence::rules);
  EXPECT_EQ(target->device.clock_hz, 120e6);
  EXPECT_EQ(target->device.ram_bytes, 640 * 1024);
  EXPECT_EQ(target->device.flash_bytes, 2 * 1024 * 1024);
  EXPECT_EQ(target->device.f32.macs_per_cycle, 0.5);
  EXPECT_EQ(target->device.i8.macs_per_cycle, 2);
  EXPECT_EQ(target->device.i8.share[static_cast<int>(Work::conv)], 0.35);
  EXPECT_EQ(target->device.i8.share[static_cast<int>(Work::dense)], 0.21);
  EXPECT_FALSE(target->device.i8.share[static_cast<int>(Work::depthwise)].has_value());
  EXPECT_DOUBLE_EQ(*target->device.node_seconds, 3e-6);
  EXPECT_EQ(target->device.cycles_per_element, 60);
  EXPECT_EQ(target->arithmetic, Arithmetic::tflite);
  EXPECT_EQ(target->activation_dtype, ir::DType::i8);
  EXPECT_FALSE(target->symmetric_activations);
  EXPECT_EQ(target->weight_min, -127);
  EXPECT_EQ(target->limits.opset, (std::pair<int64_t, int64_t>(7, 20)));
  EXPECT_EQ(target->limits.free_dims, FreeDims::batch);
  EXPECT_EQ(target->limits.kernel, 32);
  EXPECT_FALSE(target->limits.stride.has_value());
  EXPECT_TRUE(target->limits.integer_only);
  EXPECT_EQ(target->limits.weights, WeightMemory::flash);
  EXPECT_TRUE(target->runs_integer(ir::OpKind::conv));
  EXPECT_FALSE(target->runs_integer(ir::OpKind::softmax));
  EXPECT_TRUE(target->has_op(ir::OpKind::softmax));
  EXPECT_FALSE(target->has_op(ir::OpKind::relu));
  ASSERT_NE(target->fixed_output(ir::OpKind::softmax), nullptr);
  EXPECT_EQ(target->fixed_output(ir::OpKind::softmax)->zero_point, -128);
  EXPECT_EQ(target->fixed_output(ir::OpKind::tanh), nullptr);
}

TEST(Profile, LeavesOutWhatIsNotKnown) {
  const auto target =
      parse_profile(replaced("clock = \"120 MHz\"\nram = \"640 KiB\"\nflash = \"2 MiB\"\n", ""), "t.toml");
  ASSERT_TRUE(target.ok()) << target.error().text();
  EXPECT_FALSE(target->device.clock_hz || target->device.ram_bytes || target->device.watts ||
               target->device.bandwidth || target->limits.opset || target->limits.batch);
  EXPECT_TRUE(target->has_op(ir::OpKind::relu)) << "no list of operators refuses none";
}

TEST(Profile, RefusesUnknownKeysWithTheNearestKnownOne) {
  EXPECT_EQ(refusal(replaced("clock =", "clok =")),
            "t.toml: line 9: unknown key 'clok' in [device]; did you mean 'clock'?");
  EXPECT_EQ(refusal(replaced("summary =", "sumary =")),
            "t.toml: line 2: unknown key 'sumary' in the profile; did you mean 'summary'?");
  EXPECT_EQ(refusal(replaced("[limits]", "[limit]")),
            "t.toml: line 20: unknown key 'limit' in the profile; did you mean 'limits'?");
  EXPECT_EQ(refusal(replaced("i8 = 2", "i9 = 2")),
            "t.toml: line 12: unknown key 'i9' in [device.macs_per_cycle]; did you mean 'i8'?");
  EXPECT_EQ(refusal(kProfile + "zzzzzzzz = 1\n").substr(0, 63),
            "t.toml: line 21: unknown key 'zzzzzzzz' in [limits]; known: ops");
}

TEST(Profile, RefusesMissingNumbersAndSaysWhereTheyBelong) {
  EXPECT_EQ(refusal(replaced(", i8 = 2", "")),
            "t.toml: line 12: [device.macs_per_cycle] has no 'i8'; the same of 8-bit integers");
  EXPECT_EQ(refusal(replaced("isa = \"rv32\"\n", "")),
            "t.toml: line 6: [device] has no 'isa'; instruction set and the extensions that its kernels use");
  EXPECT_EQ(refusal(replaced("name = \"toaster\"\n", "")),
            "t.toml: line 1: the profile has no 'name'; what --target names");
  EXPECT_EQ(refusal(""), "t.toml: line 1: the profile has no 'name'; what --target names");
}

TEST(Profile, RefusesNonsenseUnits) {
  EXPECT_EQ(refusal(replaced("120 MHz", "120 MB")),
            "t.toml: line 9: 'clock' in [device] has no unit 'MB'; known: Hz, kHz, MHz, GHz");
  EXPECT_EQ(refusal(replaced("640 KiB", "640 furlongs")),
            "t.toml: line 10: 'ram' in [device] has no unit 'furlongs'; known: B, kB, MB, GB, KiB, MiB, GiB");
  EXPECT_EQ(refusal(replaced("\"120 MHz\"", "120")),
            "t.toml: line 9: 'clock' in [device] wants a text with a number and a unit (Hz, kHz, MHz, GHz)");
  EXPECT_EQ(refusal(replaced("120 MHz", "fast MHz")),
            "t.toml: line 9: 'clock' in [device] wants a text with a number and a unit (Hz, kHz, MHz, GHz), not 'fast "
            "MHz'");
  EXPECT_EQ(refusal(replaced("120 MHz", "120MHz")),
            "t.toml: line 9: 'clock' in [device] wants a text with a number and a unit (Hz, kHz, MHz, GHz), not "
            "'120MHz'");
}

TEST(Profile, RefusesNonsenseNumbers) {
  EXPECT_EQ(refusal(replaced("120 MHz", "-120 MHz")),
            "t.toml: line 9: 'clock' in [device] wants 1000 to 1e+10 Hz, not -1.2e+08 Hz");
  EXPECT_EQ(refusal(replaced("640 KiB", "nan KiB")),
            "t.toml: line 10: 'ram' in [device] wants 1 to 1e+15 B, not nan B");
  EXPECT_EQ(refusal(replaced("f32 = 0.5", "f32 = 0")),
            "t.toml: line 12: 'f32' in [device.macs_per_cycle] wants 0.001 to 1e+06, not 0");
  EXPECT_EQ(refusal(replaced("f32 = 0.5", "f32 = \"a half\"")),
            "t.toml: line 12: 'f32' in [device.macs_per_cycle] wants a number");
  EXPECT_EQ(refusal(kProfile + "batch = 1.5\n"), "t.toml: line 21: 'batch' in [limits] wants a whole number");
  EXPECT_EQ(refusal(kProfile + "opset = [20, 7]\n"),
            "t.toml: line 21: 'opset' in [limits] wants the least number first");
  EXPECT_EQ(refusal(kProfile + "opset = 20\n"), "t.toml: line 21: 'opset' in [limits] wants [least, largest]");
  EXPECT_EQ(refusal(kProfile + "[cost]\nf32 = { conv = 40 }\n"),
            "t.toml: line 22: 'conv' in [cost.f32] wants 1e-04 to 4, not 40");
  EXPECT_EQ(refusal(kProfile + "[quantization.fixed_outputs]\nSoftmax = [0.0, -128]\n"),
            "t.toml: line 22: 'Softmax' in [quantization.fixed_outputs] wants a scale above 0");
}

TEST(Profile, RefusesWrongKindsWordsAndOperators) {
  EXPECT_EQ(refusal(replaced("per_channel = true", "per_channel = 1")),
            "t.toml: line 17: 'per_channel' in [quantization] wants true or false");
  EXPECT_EQ(refusal(replaced("\"tflite\"", "\"tflte\"")),
            "t.toml: line 14: 'arithmetic' in [quantization] has no value 'tflte'; did you mean 'tflite'?");
  EXPECT_EQ(refusal(replaced("\"Add\"", "\"Ad\"")),
            "t.toml: line 19: 'integer_ops' names an unknown operator 'Ad'; did you mean 'Add'?");
  EXPECT_EQ(refusal(replaced("\"Add\"", "\"Conv\"")), "t.toml: line 19: 'integer_ops' names Conv twice");
  EXPECT_EQ(refusal(replaced("[\"Conv\", \"Add\"]", "\"Conv\"")),
            "t.toml: line 19: 'integer_ops' in [quantization] wants a list of ONNX operators such as [\"Conv\"]");
  EXPECT_EQ(refusal(replaced("macs_per_cycle = { f32 = 0.5, i8 = 2 }", "macs_per_cycle = 2")),
            "t.toml: line 12: 'macs_per_cycle' in [device] wants a table");
  EXPECT_EQ(refusal("name = \n").substr(0, 26), "t.toml: line 1: not TOML: ");
}

TEST(Profile, RefusesFactsThatContradictEachOther) {
  EXPECT_EQ(refusal(replaced("activations = \"i8\"", "activations = \"u8\"\nsymmetric = true")),
            "t.toml: line 16: symmetric activations cannot be u8: their zero point is 0; use activations = \"i8\"");
  EXPECT_EQ(refusal(kProfile + "only_ops = [\"Conv\"]\n"),
            "t.toml: line 19: 'integer_ops' names Add, which [limits] says it lacks");
  EXPECT_EQ(refusal(kProfile + "only_ops = [\"Conv\", \"Add\"]\nunsupported_ops = [\"Exp\"]\n"),
            "t.toml: line 22: [limits] has both 'only_ops' and 'unsupported_ops'; give one");
  EXPECT_EQ(refusal(replaced("flash = \"2 MiB\"\n", "") + "weights_in = \"flash\"\n"),
            "t.toml: line 20: weights lie in flash, but [device] lacks 'ram' or 'flash'; add both, such as flash = \"2 "
            "MiB\"");
  EXPECT_EQ(refusal(kProfile + "[quantization.fixed_outputs]\nSoftmax = [0.00390625, 200]\n"),
            "t.toml: line 22: the zero point of Softmax is 200, which the activations (i8) cannot have");
}

TEST(LoadTarget, TakesNamesAndPathsAndSuggests) {
  EXPECT_EQ(load_target("ort-x86")->name, "ort-x86");
  EXPECT_EQ(load_target("ort-x87").error().text(), "unknown target 'ort-x87'; did you mean 'ort-x86'?");
  EXPECT_EQ(load_target("zzzzzzzzzzzz").error().kind, ErrorKind::usage);
  EXPECT_EQ(load_target("/no/such/profile.toml").error().kind, ErrorKind::io);
  const std::string path = ::testing::TempDir() + "edgesmith_toaster.toml";
  ASSERT_TRUE(write_file(path, kProfile).ok());
  EXPECT_EQ(load_target(path)->name, "toaster");
  ASSERT_TRUE(write_file(path, replaced("clock", "clok")).ok());
  EXPECT_EQ(load_target(path).error().text(), path + ": line 9: unknown key 'clok' in [device]; did you mean 'clock'?");
  std::remove(path.c_str());
}

}  // namespace
}  // namespace edgesmith::targets
