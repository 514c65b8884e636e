// SPDX-License-Identifier: Apache-2.0
// The profiles that are part of the program.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include "edgesmith/base/file.h"
#include "edgesmith/targets/target.h"
#include "edgesmith/targets/target_names.h"

namespace edgesmith::targets {
namespace {

TEST(Profiles, AreAllFilesOfTheFolderInOrderOfName) {
  std::set<std::string> files, names;
  for (const auto& entry : std::filesystem::directory_iterator(EDGESMITH_SOURCE_DIR "/src/targets/profiles")) {
    files.insert(entry.path().stem().string());
  }
  for (const Target& target : all_targets()) names.insert(target.name);
  EXPECT_EQ(names, files);
  EXPECT_EQ(target_names(), std::vector<std::string>(names.begin(), names.end()));
  EXPECT_TRUE(std::is_sorted(all_targets().begin(), all_targets().end(),
                             [](const Target& a, const Target& b) { return a.name < b.name; }));
}

TEST(Profiles, AreTheOnesThatTheDocumentsPromise) {
  for (const char* name : {"host", "ort-x86", "ort-x86-vnni", "ort-arm", "openvino-x86", "tensorrt-orin",
                           "tflite-xnnpack-a53", "tflite-xnnpack-a72", "tflite-xnnpack-a76", "cmsis-nn-l4r5",
                           "cmsis-nn-h7a3", "cmsis-nn-u575", "cmsis-nn-ra8d1"}) {
    EXPECT_NE(find_target(name), nullptr) << name;
  }
  EXPECT_NE(find_target(kDefaultTarget), nullptr);
  EXPECT_EQ(find_target("toaster"), nullptr);
}

TEST(Profiles, AreReadFromTheFilesAsTheyAre) {
  for (const Target& target : all_targets()) {
    const auto read = load_target(EDGESMITH_SOURCE_DIR "/src/targets/profiles/" + target.name + ".toml");
    ASSERT_TRUE(read.ok()) << read.error().text();
    EXPECT_EQ(read->summary, target.summary);
    EXPECT_EQ(read->integer_ops, target.integer_ops);
    EXPECT_EQ(read->device.ram_bytes, target.device.ram_bytes);
  }
}

// Every line with a number under [device] and [cost] says where the number is from: on the line, or in a comment above.
TEST(Profiles, NameTheSourceOfEveryNumber) {
  for (const Target& target : all_targets()) {
    const auto text = read_file(EDGESMITH_SOURCE_DIR "/src/targets/profiles/" + target.name + ".toml");
    ASSERT_TRUE(text.ok());
    std::string table, line;
    bool explained = false;  // by the line before
    std::istringstream lines(*text);
    while (std::getline(lines, line)) {
      if (line.starts_with("[")) table = line.substr(0, line.find(']') + 1);
      const bool number = line.find('=') != std::string::npos && line.find_first_of("0123456789") != std::string::npos;
      const bool numbers_matter = table == "[device]" || table == "[cost]";
      const bool names = line.starts_with("name") || line.starts_with("isa");
      if (numbers_matter && number && !names && !line.starts_with("cores")) {
        EXPECT_TRUE(explained || line.find('#') != std::string::npos) << target.name << ": " << line;
      }
      explained = line.starts_with("#") || (explained && number && line.find('#') == std::string::npos);
    }
  }
}

TEST(Profiles, KeepTheRulesThatRuntimesState) {
  // ONNX Runtime on x86 wants unsigned activations; without VNNI its pairs saturate.
  EXPECT_EQ(find_target("ort-x86")->activation_dtype, ir::DType::u8);
  EXPECT_EQ(find_target("ort-x86")->pair_rule, PairRule::pairs_to_128);
  EXPECT_EQ(find_target("openvino-x86")->pair_rule, PairRule::pairs_to_128);
  EXPECT_EQ(find_target("ort-x86-vnni")->pair_rule, PairRule::none);
  // TensorRT: zero points are 0, biases float.
  EXPECT_TRUE(find_target("tensorrt-orin")->symmetric_activations);
  EXPECT_TRUE(find_target("tensorrt-orin")->float_bias);
  // TensorFlow Lite: signed, weights without -128, fixed outputs; microcontrollers have no floats.
  for (const char* name : {"tflite-xnnpack-a53", "cmsis-nn-l4r5"}) {
    const Target& target = *find_target(name);
    EXPECT_EQ(target.activation_dtype, ir::DType::i8);
    EXPECT_EQ(target.weight_min, -127);
    EXPECT_EQ(target.fixed_output(ir::OpKind::softmax)->zero_point, -128);
    EXPECT_EQ(target.limits.integer_only, target.arithmetic == Arithmetic::tflite);
  }
  EXPECT_EQ(find_target("cmsis-nn-l4r5")->device.ram_bytes, 640 * 1024);
}

TEST(Profiles, ComputeTheSameOnIntegersInAllOfOnnxRuntime) {
  const Target& x86 = *find_target("ort-x86");
  EXPECT_TRUE(x86.runs_integer(ir::OpKind::conv));
  EXPECT_FALSE(x86.runs_integer(ir::OpKind::hard_swish));
  for (const char* name : {"ort-x86-vnni", "ort-arm"}) EXPECT_EQ(find_target(name)->integer_ops, x86.integer_ops);
}

TEST(ProfileKeys, AreDocumented) {
  EXPECT_GT(profile_keys().size(), 40u);
  for (const ProfileKey& key : profile_keys()) {
    EXPECT_FALSE(key.kind.empty() || key.help.empty()) << key.table << "." << key.key;
  }
}

}  // namespace
}  // namespace edgesmith::targets
