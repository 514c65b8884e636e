// SPDX-License-Identifier: Apache-2.0
// The contract of pack and unpack: the same bytes come back; nothing is written when something is wrong.
#include "cli/tool_test.h"

namespace edgesmith::testing {
namespace {

namespace fs = std::filesystem;

class CliPack : public ToolTest {
 protected:
  void SetUp() override { write_model(kTinyModel, folder_ / "m.onnx"); }
};

TEST_F(CliPack, TheSameBytesComeBack) {
  const Json packed = json_of({"pack", "m.onnx", "-o", "m.esm"});
  EXPECT_EQ(packed["schema"], "edgesmith.pack/1");
  EXPECT_EQ(packed["packed"]["bytes"], fs::file_size(folder_ / "m.esm"));
  EXPECT_EQ(packed["model"]["bytes"], fs::file_size(folder_ / "m.onnx"));
  EXPECT_EQ(packed["tensors"]["count"], 1);
  EXPECT_LT(fs::file_size(folder_ / "m.esm"), fs::file_size(folder_ / "m.onnx"));
  const Json unpacked = json_of({"unpack", "m.esm", "-o", "back.onnx"});
  EXPECT_EQ(unpacked["command"], "unpack");
  EXPECT_EQ(*read_file(folder_ / "back.onnx"), *read_file(folder_ / "m.onnx"));
}

TEST_F(CliPack, OutputsAreNotOverwrittenUnasked) {
  ASSERT_EQ(run({"pack", "m.onnx", "-o", "m.esm"}).exit_code, 0);
  EXPECT_EQ(run({"pack", "m.onnx", "-o", "m.esm"}).exit_code, 2);
  EXPECT_EQ(run({"pack", "m.onnx", "-o", "m.esm", "--force"}).exit_code, 0);
  EXPECT_EQ(run({"pack", "m.onnx", "-o", "m.onnx", "--force"}).exit_code, 2) << "the input";
  EXPECT_EQ(run({"unpack", "m.esm", "-o", "m.onnx"}).exit_code, 2);
  EXPECT_EQ(run({"unpack", "m.esm", "-o", "m.esm", "--force"}).exit_code, 2) << "the input";
  expect_error({"pack", "m.onnx"}, 2, "pack: no output given; add -o OUT.esm");
  expect_error({"unpack", "m.esm"}, 2, "unpack: no output given; add -o MODEL.onnx");
}

TEST_F(CliPack, DamagedFilesWriteNothing) {
  ASSERT_EQ(run({"pack", "m.onnx", "-o", "m.esm"}).exit_code, 0);
  std::string bytes = *read_file(folder_ / "m.esm");
  ASSERT_TRUE(write_file(folder_ / "cut.esm", bytes.substr(0, bytes.size() / 2)).ok());
  bytes[bytes.size() / 2] ^= 4;
  ASSERT_TRUE(write_file(folder_ / "flipped.esm", bytes).ok());
  bytes[4] = 9;
  ASSERT_TRUE(write_file(folder_ / "later.esm", bytes).ok());
  ASSERT_TRUE(write_file(folder_ / "empty.esm", "").ok());
  const std::string wrong = " is damaged: the checksum is wrong; copy or pack it again";
  expect_error({"unpack", "cut.esm", "-o", "x.onnx"}, 3, "cut.esm:" + wrong);
  expect_error({"unpack", "flipped.esm", "-o", "x.onnx"}, 3, "flipped.esm:" + wrong);
  expect_error({"unpack", "later.esm", "-o", "x.onnx"}, 3,
               "later.esm: has version 9 of the format, this program knows version 4; unpack it with the edgesmith "
               "that packed it");
  for (const char* name : {"m.onnx", "empty.esm"}) {
    expect_error({"unpack", name, "-o", "x.onnx"}, 3,
                 std::string(name) + ": is no packed model; unpack takes what pack wrote");
  }
  EXPECT_EQ(run({"unpack", "missing.esm", "-o", "x.onnx"}).exit_code, 5);
  EXPECT_FALSE(fs::exists(folder_ / "x.onnx"));
}

TEST_F(CliPack, OtherCommandsSayToUnpackFirst) {
  ASSERT_EQ(run({"pack", "m.onnx", "-o", "m.esm"}).exit_code, 0);
  expect_error({"inspect", "m.esm"}, 3,
               "m.esm: not an ONNX model: is a packed model; restore it first: edgesmith unpack");
  expect_error({"pack", "m.esm", "-o", "n.esm"}, 3, "m.esm: is a packed model; restore it first: edgesmith unpack");
}

TEST_F(CliPack, ExternalDataComeBackBesideTheModel) {
  const std::string data = std::string(1000, '\1');
  const auto field = [](int number, const std::string& bytes) {
    return std::string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(bytes.size()) + bytes;
  };
  const std::string weight =
      "\x08\x0a"
      "\x10\x01" +
      field(8, "w") + field(13, field(1, "location") + field(2, "d/w.bin")) + std::string("\x70\x01", 2);
  ASSERT_TRUE(
      write_file(folder_ / "e.onnx", "\x08\x08" + field(7, field(1, field(4, "Relu")) + field(5, weight))).ok());
  expect_error({"pack", "e.onnx", "-o", "e.esm"}, 3,
               "e.onnx: external data 'd/w.bin' are missing; put the file beside the model");
  fs::create_directory(folder_ / "d");
  ASSERT_TRUE(write_file(folder_ / "d/w.bin", data).ok());
  ASSERT_EQ(run({"pack", "e.onnx", "-o", "e.esm"}).exit_code, 0);
  EXPECT_EQ(run({"unpack", "e.esm", "-o", "back.onnx"}).exit_code, 2) << "the data are there";
  EXPECT_FALSE(fs::exists(folder_ / "back.onnx"));
  fs::create_directory(folder_ / "new");
  ASSERT_EQ(run({"unpack", "e.esm", "-o", "new/e.onnx"}).exit_code, 0);
  EXPECT_EQ(*read_file(folder_ / "new/d/w.bin"), data);
  EXPECT_EQ(*read_file(folder_ / "new/e.onnx"), *read_file(folder_ / "e.onnx"));
  fs::create_directory(folder_ / "linked");
  fs::create_directory_symlink(folder_ / "d", folder_ / "linked/d");
  EXPECT_EQ(run({"unpack", "e.esm", "-o", "linked/e.onnx", "--force"}).exit_code, 3);
}

TEST_F(CliPack, InspectCountsExternalData) {
  const auto field = [](int number, const std::string& bytes) {
    return std::string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(bytes.size()) + bytes;
  };
  const std::string weight = "\x08\x0a\x08\x19\x10\x01" + field(8, "w") +
                             field(13, field(1, "location") + field(2, "w.bin")) + std::string("\x70\x01", 2);
  const std::string node = field(1, "w") + field(2, "y") + field(4, "Relu");
  const std::string result = field(1, "y") + field(2, field(1, "\x08\x01"));
  const std::string model =
      "\x08\x08" + field(8, "\x10\x0d") + field(7, field(1, node) + field(5, weight) + field(12, result));
  ASSERT_TRUE(write_file(folder_ / "e.onnx", model).ok());
  ASSERT_TRUE(write_file(folder_ / "w.bin", std::string(1000, '\1')).ok());
  const Json json = json_of({"inspect", "e.onnx"});
  EXPECT_EQ(json["model"]["bytes"], model.size() + 1000);
  EXPECT_EQ(json["weights"][0]["elements"], 250);
  EXPECT_EQ(json["weights"][0]["distinct"], 1);
  for (const Json& line : json["forecast"]) EXPECT_GE(line["saves"], 0) << line;
}

// Every command that writes a model packs it where the output's name asks for that; budgets judge the packed bytes.
TEST_F(CliPack, OutputsNamedEsmArePacked) {
  write_model(kTinyModel, folder_ / "tiny.onnx");
  ASSERT_EQ(run({"simplify", "tiny.onnx", "-o", "plain.onnx", "--no-provenance", "-q"}).exit_code, 0);
  const Json json = json_of({"simplify", "tiny.onnx", "-o", "tiny.esm"});
  EXPECT_EQ(json["output"]["bytes"], fs::file_size(folder_ / "tiny.esm"));
  ASSERT_EQ(run({"unpack", "tiny.esm", "-o", "again.onnx"}).exit_code, 0);
  EXPECT_EQ(*read_file(folder_ / "again.onnx"), *read_file(folder_ / "plain.onnx"));
  const std::string packed = std::to_string(fs::file_size(folder_ / "tiny.esm"));
  EXPECT_EQ(run({"simplify", "tiny.onnx", "-o", "tiny.esm", "--force", "--max-bytes", packed, "-q"}).exit_code, 0);
  for (const std::string& name : folder_.names()) EXPECT_EQ(name.find(".part."), std::string::npos) << name;
}

}  // namespace
}  // namespace edgesmith::testing
