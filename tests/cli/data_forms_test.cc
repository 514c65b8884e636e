// SPDX-License-Identifier: Apache-2.0
// Whole commands on data that are not one picture a sample: several inputs, samples of different lengths, tables.
#include <filesystem>

#include "cli/tool_test.h"

namespace edgesmith::testing {
namespace {

namespace fs = std::filesystem;

class CliDataForms : public ToolTest {
 protected:
  void put(const std::string& name, const std::string& text) { ASSERT_TRUE(write_file(folder_ / name, text).ok()); }
};

/// The class is the largest of three sums of two inputs, which come as bytes and as numbers around 50.
constexpr const char* kTwoInputs = R"(graph @two(%left: f32[N,3], %right: f32[N,3]) -> (logits: f32[N,3]) {
  %w = constant {1, 0, 0, 0, 1, 0, 0, 0, 1} : f32[3,3]
  %l = mat_mul %left, %w : f32[N,3] @"l"
  %r = mat_mul %right, %w : f32[N,3] @"r"
  %y = add %l, %r : f32[N,3] @"sum"
  return %y
}
)";

class SeveralInputs : public CliDataForms {
 protected:
  void SetUp() override {
    write_model(kTwoInputs, folder_ / "m.onnx");
    write_pairs("eval.npz", 80, 3);
    write_pairs("calib.npz", 40, 4);
    for (const std::string name : {"eval", "calib"}) {
      put(name + ".toml", "path = \"" + name + ".npz\"\n" + kPreprocess);
    }
  }

  /// Rows of bytes and of numbers in [40, 60) that weigh the same once they are scaled.
  void write_pairs(const std::string& name, int64_t count, uint64_t seed) {
    Random random(seed);
    std::vector<uint8_t> left;
    std::vector<float> right;
    std::vector<int64_t> y;
    for (int64_t i = 0; i < count; ++i) {
      double sums[3];
      int64_t best = 0;
      for (int64_t j = 0; j < 3; ++j) {
        left.push_back(static_cast<uint8_t>(random.below(256)));
        right.push_back(static_cast<float>(40 + 20 * random.uniform()));
        sums[j] = left.back() / 255.0 + (right.back() - 40) / 20;
        if (sums[j] > sums[best]) best = j;
      }
      y.push_back(best);
    }
    const std::vector<data::NamedArray> arrays = {{"left", ir::Tensor::of<uint8_t>({count, 3}, left)},
                                                  {"right", ir::Tensor::of<float>({count, 3}, right)},
                                                  {"y", ir::Tensor::of<int64_t>({count}, y)}};
    ASSERT_TRUE(data::write_npz(folder_ / name, arrays).ok());
  }

  static constexpr const char* kPreprocess =
      "[preprocess.left]\nscale = \"1/255\"\n[preprocess.right]\nmean = 40\nstd = 20\n";
};

TEST_F(SeveralInputs, EachHasItsOwnPreprocessing) {
  EXPECT_EQ(json_of({"eval", "m.onnx", "--data", "eval.toml"})["metric"]["value"], 100);
  EXPECT_LT(json_of({"eval", "m.onnx", "--data", "eval.npz"})["metric"]["value"].get<double>(), 90)
      << "as they lie in the file, bytes outweigh the rest";
}

TEST_F(SeveralInputs, AreCalibratedAndRemembered) {
  const Json report = json_of({"quantize", "m.onnx", "-o", "q.onnx", "--calib", "calib.toml", "--eval", "eval.toml"});
  EXPECT_EQ(report["data"][0]["preprocess"]["inputs"]["right"]["mean"][0], 40);
  EXPECT_GT(report["output"]["metric"]["value"].get<double>(), 95);
  EXPECT_EQ(json_of({"eval", "q.onnx", "--data", "eval.npz"})["metric"]["value"], report["output"]["metric"]["value"])
      << "what the model remembers is the default";
}

TEST_F(SeveralInputs, MoveIntoTheModelOneByOne) {
  put("r.toml", std::string("model = \"m.onnx\"\noutput = \"folded.onnx\"\n") + kPreprocess +
                    "[data]\neval = \"eval.npz\"\n[gate]\nmax_drop = 0.01\n[[step]]\npass = \"fold-preprocess\"\n");
  ASSERT_EQ(run({"run", "r.toml", "-q"}).exit_code, 0);
  EXPECT_EQ(json_of({"eval", "folded.onnx", "--data", "eval.npz"})["metric"]["value"], 100);
  EXPECT_GT(json_of({"compare", "m.onnx", "folded.onnx", "--data", "eval.npz"})["sqnr_db"].get<double>(), 100);
}

TEST_F(SeveralInputs, ATableOfAnInputThatIsNotThereIsRefused) {
  put("bad.toml", "path = \"eval.npz\"\n[preprocess.middle]\nscale = 2\n");
  const ToolResult result = run({"eval", "m.onnx", "--data", "bad.toml", "-q"});
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_NE(result.err.find("middle"), std::string::npos) << result.err;
}

/// The class is the largest mean over time of three channels.
constexpr const char* kSeries = R"(graph @series(%x: f32[N,T,3]) -> (logits: f32[N,3]) {
  %w = constant {1, 0, 0, 0, 1, 0, 0, 0, 1} : f32[3,3]
  %time = constant {1} : i64[1]
  %h = mat_mul %x, %w : f32[N,T,3] @"mix"
  %r = relu %h : f32[N,T,3]
  %y = reduce_mean %r, %time {keepdims=0} : f32[N,3]
  return %y
}
)";

class VaryingLength : public CliDataForms {
 protected:
  void SetUp() override {
    write_model(kSeries, folder_ / "m.onnx");
    write_series("eval", 45, 7);
    write_series("calib", 21, 8);
  }

  static void write_sample(const std::string& path, ir::Tensor tensor) {
    const std::vector<data::NamedArray> arrays = {{"x", std::move(tensor)}};
    ASSERT_TRUE(data::write_npz(path, arrays).ok());
  }
  /// A folder for each class, with an array [length, 3] for each sample.
  void write_series(const std::string& name, int count, uint64_t seed) {
    Random random(seed);
    for (int i = 0; i < count; ++i) {
      const int label = i % 3;
      const auto length = static_cast<int64_t>(1 + random.below(9));
      std::vector<float> values;
      for (int64_t t = 0; t < length; ++t) {
        for (int j = 0; j < 3; ++j) values.push_back(static_cast<float>(random.uniform() + (j == label ? 1 : 0)));
      }
      fs::create_directories(folder_ / name + "/" + std::to_string(label));
      const std::string path = folder_ / name + "/" + std::to_string(label) + "/" + std::to_string(i) + ".npz";
      write_sample(path, ir::Tensor::of<float>({length, 3}, values));
    }
  }
};

TEST_F(VaryingLength, SamplesAreMeasuredOneByOne) {
  const Json measured = json_of({"eval", "m.onnx", "--data", "eval"});
  EXPECT_EQ(measured["metric"]["value"], 100);
  EXPECT_EQ(measured["samples"], 45);
  ASSERT_EQ(run({"infer", "m.onnx", "--data", "eval", "-o", "answers.npz", "-q"}).exit_code, 0);
  const auto answers = data::read_npz(folder_ / "answers.npz");
  ASSERT_TRUE(answers.ok()) << answers.error().text();
  EXPECT_EQ((*answers)[0].tensor.dims(), (ir::Dims{45, 3}));
}

TEST_F(VaryingLength, QuantizesAndGivesTheSameBytesForAnyNumberOfThreads) {
  for (const std::string threads : {"1", "3"}) {
    const Json report = json_of({"quantize", "m.onnx", "-o", "q" + threads + ".onnx", "--calib", "calib", "--eval",
                                 "eval", "--threads", threads});
    EXPECT_GT(report["output"]["metric"]["value"].get<double>(), 95);
    EXPECT_EQ(report["data"][0]["samples"], 21);
  }
  EXPECT_EQ(*read_file(folder_ / "q1.onnx"), *read_file(folder_ / "q3.onnx"));
  EXPECT_GT(json_of({"compare", "m.onnx", "q1.onnx", "--data", "eval"})["sqnr_db"].get<double>(), 20);
}

TEST_F(VaryingLength, AnotherNumberOfChannelsIsNamed) {
  write_sample(folder_ / "eval/0/odd.npz", ir::Tensor::zeros(ir::DType::f32, {2, 4}));
  const ToolResult result = run({"eval", "m.onnx", "--data", "eval", "-q"});
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_NE(result.err.find("odd.npz"), std::string::npos) << result.err;
}

/// Rows of a table whose class is the largest of columns a, b, c; or whose answer is their sum.
std::string table_text(int rows, uint64_t seed, bool regression) {
  std::string text = "id,a,b,c,answer\n";
  Random random(seed);
  for (int i = 0; i < rows; ++i) {
    double row[3], sum = 0;
    int best = 0;
    for (int j = 0; j < 3; ++j) {
      row[j] = random.uniform();
      sum += row[j];
      if (row[j] > row[best]) best = j;
    }
    text += std::to_string(i);
    for (const double value : row) text += "," + std::to_string(value);
    text += "," + (regression ? std::to_string(sum + 0.0005) : std::to_string(best)) + "\n";
  }
  return text;
}

TEST_F(CliDataForms, TablesAreCalibratedOnAndJudged) {
  write_model(kTinyModel, folder_ / "m.onnx");
  put("calib.csv", table_text(40, 1, false));
  put("eval.csv", table_text(60, 2, false));
  const std::vector<std::string> quantize = {"quantize", "m.onnx",   "-o",         "q.onnx", "--calib",     "calib.csv",
                                             "--eval",   "eval.csv", "--features", "a,b,c",  "--label",     "answer",
                                             "--metric", "f1",       "--max-drop", "0.2",    "--max-bytes", "5000"};
  const Json report = json_of(quantize);
  EXPECT_EQ(report["baseline"]["metric"], "f1");
  EXPECT_EQ(report["baseline"]["value"], 1);
  EXPECT_GT(report["output"]["metric"]["value"].get<double>(), 0.8);
}

constexpr const char* kRegression = R"(graph @sum(%x: f32[N,3]) -> (total: f32[N,1]) {
  %w = constant {1, 1, 1} : f32[3,1]
  %y = mat_mul %x, %w : f32[N,1]
  return %y
}
)";

TEST_F(CliDataForms, TablesOfNumbersAreRegressedOn) {
  write_model(kRegression, folder_ / "m.onnx");
  put("t.csv", table_text(50, 5, true));
  const std::vector<std::string> columns = {"--features", "a,b,c", "--label", "answer"};
  std::vector<std::string> eval = {"eval", "m.onnx", "--data", "t.csv", "--metric", "r2", "--metric", "mae"};
  eval.insert(eval.end(), columns.begin(), columns.end());
  const Json measured = json_of(eval);
  EXPECT_GT(measured["metric"]["value"].get<double>(), 0.9999);
  EXPECT_LT(measured["metric"]["value"].get<double>(), 1);
  EXPECT_NEAR(measured["metrics"][1]["value"].get<double>(), 0.0005, 1e-5);
}

// Without a single labelled box (or pixel) the number would be 0 of every model, and no gate would ever say no.
TEST_F(CliDataForms, AMetricOfNothingIsRefused) {
  write_model("graph @boxes(%x: f32[N,1,6]) -> (found: f32[N,1,6]) {\n  %y = relu %x : f32[N,1,6]\n  return %y\n}\n",
              folder_ / "m.onnx");
  const std::vector<float> found = {0, 0, 9, 9, 1, 0}, none = {0, 0, 0, 0, -1};
  const std::vector<data::NamedArray> arrays = {{"x", ir::Tensor::of<float>({1, 1, 6}, found)},
                                                {"y", ir::Tensor::of<float>({1, 1, 5}, none)}};
  ASSERT_TRUE(data::write_npz(folder_ / "d.npz", arrays).ok());
  expect_error({"eval", "m.onnx", "--data", "d.npz", "--metric", "map", "-q"}, 3,
               "m.onnx: map: the data hold nothing that it measures; 'edgesmith metrics' says what labels it wants");
}

TEST_F(CliDataForms, CompareAsksAProgramForItsMetric) {
  write_model(kTinyModel, folder_ / "m.onnx");
  write_data(folder_ / "eval.npz", 60, 1, 6);
  write_data(folder_ / "calib.npz", 30, 2);
  ASSERT_EQ(run({"quantize", "m.onnx", "-o", "q.onnx", "--calib", "calib.npz", "-q"}).exit_code, 0);
  // The bytes of the answers, which differ, and for each sample nothing.
  put("mine.sh", "printf '{\"value\": %s}' $(cksum <\"$1\" | cut -c1-5)\n");
  std::vector<std::string> compare = {"compare",  "m.onnx",           "q.onnx",    "--data",
                                      "eval.npz", "--metric-command", "sh mine.sh"};
  const Json changed = json_of(compare);
  EXPECT_EQ(changed["a"]["metric"]["name"], "command");
  EXPECT_NE(changed["drop"], 0);
  EXPECT_TRUE(changed["ci95"][0].is_null()) << "without numbers for each sample there is no interval";
  EXPECT_EQ(changed["drop"].get<double>(),
            changed["a"]["metric"]["value"].get<double>() - changed["b"]["metric"]["value"].get<double>());
  EXPECT_GT(changed["cosine"].get<double>(), 0.99) << "the others are measured beside it";
  compare.insert(compare.end(), {"--metric", "checksum", "--metric-better", "lower"});
  const ToolResult named = run(compare);
  EXPECT_EQ(named.exit_code, 0) << named.err;
  EXPECT_NE(named.out.find("checksum of A"), std::string::npos) << named.out;
  EXPECT_NE(named.out.find("no interval, 60 samples"), std::string::npos) << named.out;
  EXPECT_EQ(json_of(compare)["drop"].get<double>(), -changed["drop"].get<double>());
  EXPECT_EQ(run({"compare", "m.onnx", "q.onnx", "--data", "eval.npz", "--metric-better", "lower"}).exit_code, 2);
  expect_error({"compare", "m.onnx", "q.onnx", "--data", "eval.npz", "-q", "--metric-command", "yes"}, 3,
               "m.onnx: the metric program 'yes' printed more than 256 MiB; it must print one JSON object "
               "{\"value\": ..., \"per_sample\": [...]} on stdout");
}

}  // namespace
}  // namespace edgesmith::testing
