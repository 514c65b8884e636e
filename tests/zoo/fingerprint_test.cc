// SPDX-License-Identifier: Apache-2.0
// Whatever a run reads changes its fingerprint when it changes, and nothing else does.
#include "zoo/fingerprint.h"

#include "support/tiny_model.h"

namespace edgesmith::zoo {
namespace {

namespace fs = std::filesystem;

class Fingerprint : public ::testing::Test {
 protected:
  void put(const std::string& name, const std::string& text) { ASSERT_TRUE(write_file(folder_ / name, text).ok()); }
  /// Of a job on model.onnx with `data` for evaluation.
  std::string of(const std::string& data) {
    Job job{"model", {}};
    job.recipe.model = folder_ / "model.onnx";
    job.recipe.data.eval = data::DataSpec{};
    job.recipe.data.eval->path = folder_ / data;
    std::string text;
    for (const JobInput& input : Fingerprints().of(job)) text += input.role + " " + input.sha256 + "\n";
    return text;
  }
  testing::TemporaryFolder folder_;
};

TEST_F(Fingerprint, FollowsTheModelAndItsExternalData) {
  const std::string entry("\x0a\x08location\x12\x05w.bin", 17);
  put("model.onnx", std::string(100, 'x') + entry + "rest");
  put("eval.npz", "data");
  const std::string none = of("eval.npz");
  put("w.bin", "1");
  const std::string first = of("eval.npz");
  EXPECT_NE(first, none) << "what was missing is there";
  EXPECT_EQ(of("eval.npz"), first);
  put("unrelated.bin", "1");
  EXPECT_EQ(of("eval.npz"), first);
  put("w.bin", "2");
  EXPECT_NE(of("eval.npz"), first);
}

TEST_F(Fingerprint, FindsANameAcrossTwoPieces) {
  const std::string entry("\x0a\x08location\x12\x05w.bin", 17);
  for (const size_t cut : {1, 5, 12, 16}) {
    put("model.onnx", std::string(kPieceBytes - cut, 'x') + entry);
    put("eval.npz", "data");
    put("w.bin", "1");
    const std::string first = of("eval.npz");
    put("w.bin", "2");
    EXPECT_NE(of("eval.npz"), first) << cut;
  }
}

TEST_F(Fingerprint, FollowsFoldersListsAndDescriptions) {
  put("model.onnx", "model");
  fs::create_directories(folder_ / "pictures/cat");
  put("pictures/cat/1.png", "1");
  put("list.csv", "path,label\npictures/cat/1.png,0\n");
  put("described.toml", "path = \"pictures\"\n");
  put("x-images-idx3-ubyte", "i");
  put("x-labels-idx1-ubyte", "l");
  const auto all = [&] {
    return std::vector<std::string>{of("pictures"), of("list.csv"), of("described.toml"), of("x-images-idx3-ubyte")};
  };
  const auto before = all();
  EXPECT_EQ(all(), before);
  put("pictures/cat/1.png", "2");
  const auto after = all();
  for (size_t i = 0; i < 3; ++i) EXPECT_NE(after[i], before[i]) << i;
  EXPECT_EQ(after[3], before[3]);
  put("x-labels-idx1-ubyte", "m");
  EXPECT_NE(all()[3], before[3]);
  put("pictures/cat/2.png", "new");
  EXPECT_NE(of("pictures"), after[0]);
  EXPECT_EQ(of("list.csv"), after[1]) << "it does not name the new one";
}

TEST_F(Fingerprint, EndsForADescriptionThatDescribesItself) {
  put("model.onnx", "model");
  put("a.toml", "path = \"b.toml\"\n");
  put("b.toml", "path = \"a.toml\"\n");
  EXPECT_EQ(of("a.toml"), of("a.toml"));
}

TEST_F(Fingerprint, SaysThatAFileIsMissing) {
  EXPECT_EQ(Fingerprints().file(folder_ / "none"), "missing");
  EXPECT_NE(of("none.npz").find("model missing\n"), std::string::npos);
}

}  // namespace
}  // namespace edgesmith::zoo
