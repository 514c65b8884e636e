// SPDX-License-Identifier: Apache-2.0
// The contract of `bench`: its JSON, its inputs, the hash that it shares with `infer`, limits and wrong usage. How fast
// anything is, is not tested.
#include "cli/tool_test.h"

namespace edgesmith::testing {
namespace {

// Convolution and classifier: unlike the tiny model, its outputs are no copies of its inputs.
constexpr const char* kNet = R"(graph @net(%x: f32[N,1,6,6]) -> (scores: f32[N,3], norm: f32[N,1,1,1]) {
  %w = constant random(seed=1) : f32[4,1,3,3]
  %v = constant random(seed=2) : f32[64,3]
  %c = conv %x, %w, _
  %r = relu %c
  %p = global_average_pool %x
  %f = flatten %r {axis=1}
  %y = mat_mul %f, %v
  return %y, %p
}
)";

class BenchCommand : public ToolTest {
 protected:
  void SetUp() override {
    write_model(kNet, folder_ / "m.onnx");
    write_model(kTinyModel, folder_ / "t.onnx");
    write_data(folder_ / "d.npz", 60, 1);
  }
};

void expect_latency(const Json& latency) {
  EXPECT_GT(latency["min"].get<double>(), 0);
  EXPECT_LE(latency["min"].get<double>(), latency["median"].get<double>());
  EXPECT_LE(latency["median"].get<double>(), latency["p90"].get<double>());
  EXPECT_GE(latency["mean"].get<double>(), latency["min"].get<double>());
}

TEST_F(BenchCommand, WritesTheDocumentedJson) {
  const Json json = json_of({"bench", "m.onnx", "--runs", "20", "--warmup", "3"});
  EXPECT_EQ(json["schema"], "edgesmith.bench/1");
  EXPECT_EQ(json["output_sha256"].get<std::string>().size(), 64u);
  expect_latency(json["latency_us"]);
  EXPECT_EQ(json["runs"], 20);
  EXPECT_EQ(json["warmup"], 3);
  EXPECT_EQ(json["threads"], 1);
  EXPECT_EQ(json["batch"], 1);
  EXPECT_EQ(json["denormals"], "flushed");
  EXPECT_TRUE(json["pinned"].is_boolean());
  EXPECT_GT(json["samples_per_second"].get<double>(), 0);
  EXPECT_GT(json["seconds"].get<double>(), 0);
  EXPECT_EQ(json["inputs"]["seed"], 0);
  EXPECT_EQ(json["model"]["path"], "m.onnx");
  EXPECT_TRUE(json["tool"].contains("isa"));
  EXPECT_TRUE(json["tool"].contains("cpu"));
  ASSERT_GE(json["kernels"].size(), 4u);
  for (const Json& kernel : json["kernels"]) {
    for (const char* key : {"node", "op", "kernel"}) EXPECT_FALSE(kernel[key].get<std::string>().empty()) << key;
    EXPECT_FALSE(kernel.contains("median_us"));
  }
}

TEST_F(BenchCommand, TimesNodes) {
  const Json json = json_of({"bench", "m.onnx", "--runs", "5", "--per-node"});
  int timed = 0;
  for (const Json& kernel : json["kernels"]) timed += kernel.contains("median_us") ? 1 : 0;
  EXPECT_GE(timed, 4);
  const ToolResult text = run({"bench", "m.onnx", "--runs", "5", "--per-node"});
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_NE(text.out.find("all nodes"), std::string::npos);
}

TEST_F(BenchCommand, GivesTheHashThatInferGivesForTheSameInputs) {
  for (const char* batch : {"1", "7"}) {
    const Json bench = json_of(
        {"bench", "m.onnx", "--runs", "3", "--batch", batch, "--save-input", "in.npz", "--force", "--seed", "5"});
    const Json infer = json_of({"infer", "m.onnx", "--data", "in.toml", "-o", "out.npz", "--force"});
    EXPECT_EQ(bench["output_sha256"], infer["output_sha256"]) << batch;
    EXPECT_EQ(infer["samples"], bench["batch"]);
  }
  const Json bench =
      json_of({"bench", "t.onnx", "--runs", "3", "--data", "d.npz", "--data-limit", "12", "--batch", "4"});
  const Json infer = json_of({"infer", "t.onnx", "--data", "d.npz", "--data-limit", "12", "-o", "t.npz"});
  EXPECT_EQ(bench["output_sha256"], infer["output_sha256"]);
  EXPECT_EQ(bench["inputs"]["samples"], 12);
  EXPECT_EQ(json_of({"bench", "t.onnx", "--runs", "3", "--data", "d.npz"})["inputs"]["samples"], 32);
}

TEST_F(BenchCommand, ReassociatesSumsAsInferDoesUnlessToldNotTo) {
  write_model(R"(graph @g(%x: f32[N,16,12,12]) -> (y) {
  %w = constant random(seed=1) : f32[16,16,3,3]
  %y = conv %x, %w, _ {pads=[1,1,1,1]}
  return %y
}
)",
              folder_ / "c.onnx");
  const Json fast = json_of({"bench", "c.onnx", "--runs", "3", "--save-input", "in.npz"});
  const Json plain = json_of({"bench", "c.onnx", "--runs", "3", "--no-reassociate"});
  EXPECT_NE(fast["kernels"][0]["kernel"].get<std::string>().find("winograd"), std::string::npos);
  EXPECT_EQ(plain["kernels"][0]["kernel"].get<std::string>().find("winograd"), std::string::npos);
  EXPECT_NE(fast["output_sha256"], plain["output_sha256"]);
  EXPECT_EQ(json_of({"infer", "c.onnx", "--data", "in.toml", "-o", "a.npz"})["output_sha256"], fast["output_sha256"]);
  EXPECT_EQ(json_of({"infer", "c.onnx", "--data", "in.toml", "-o", "b.npz", "--no-reassociate"})["output_sha256"],
            plain["output_sha256"]);
}

TEST_F(BenchCommand, FeedsWhatTheModelTakesAlthoughItRemembersPreprocessing) {
  ASSERT_EQ(run({"simplify", "m.onnx", "-o", "p.onnx", "--eval", "in.npz"}).exit_code, 5) << "no such file yet";
  ASSERT_EQ(run({"bench", "m.onnx", "--runs", "1", "--save-input", "in.npz", "--batch", "2"}).exit_code, 0);
  ASSERT_EQ(run({"simplify", "m.onnx", "-o", "p.onnx", "--eval", "in.npz", "--scale", "0.5"}).exit_code, 0);
  const Json bench = json_of({"bench", "p.onnx", "--runs", "3", "--batch", "2"});
  EXPECT_EQ(bench["output_sha256"], json_of({"infer", "p.onnx", "--data", "in.toml", "-o", "a.npz"})["output_sha256"]);
  EXPECT_NE(bench["output_sha256"], json_of({"infer", "p.onnx", "--data", "in.npz", "-o", "b.npz"})["output_sha256"])
      << "there the preprocessing is done";
}

TEST_F(BenchCommand, TheHashDependsOnTheSeedAloneNotOnThreads) {
  const Json one = json_of({"bench", "m.onnx", "--runs", "3"});
  EXPECT_EQ(json_of({"bench", "m.onnx", "--runs", "3", "--threads", "2"})["output_sha256"], one["output_sha256"]);
  EXPECT_EQ(json_of({"bench", "m.onnx", "--runs", "3", "--parallel", "2"})["output_sha256"], one["output_sha256"]);
  EXPECT_NE(json_of({"bench", "m.onnx", "--runs", "3", "--seed", "1"})["output_sha256"], one["output_sha256"]);
}

TEST_F(BenchCommand, TimesSeveralBatchSizes) {
  const Json json = json_of({"bench", "m.onnx", "--runs", "4", "--batch", "2,1,5"});
  ASSERT_EQ(json["throughput"].size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(json["throughput"][i]["batch"], (std::vector{2, 1, 5})[i]);
    expect_latency(json["throughput"][i]["latency_us"]);
  }
  EXPECT_EQ(json["batch"], 2);
  EXPECT_EQ(json["output_sha256"], json["throughput"][0]["output_sha256"]);
}

TEST_F(BenchCommand, ComparesTwoModelsInTurns) {
  ASSERT_EQ(run({"simplify", "m.onnx", "-o", "s.onnx"}).exit_code, 0);
  const Json json = json_of({"bench", "m.onnx", "s.onnx", "--runs", "30"});
  EXPECT_EQ(json["schema"], "edgesmith.bench/1");
  EXPECT_EQ(json["a"]["output_sha256"], json["b"]["output_sha256"]);
  expect_latency(json["a"]["latency_us"]);
  expect_latency(json["b"]["latency_us"]);
  const double ratio = json["ratio"];
  EXPECT_NEAR(ratio, json["b"]["latency_us"]["median"].get<double>() / json["a"]["latency_us"]["median"].get<double>(),
              1e-9);
  EXPECT_LE(json["ci95"][0].get<double>(), ratio);
  EXPECT_GE(json["ci95"][1].get<double>(), ratio);
  const ToolResult text = run({"bench", "m.onnx", "s.onnx", "--runs", "30"});
  EXPECT_NE(text.out.find("B takes "), std::string::npos);
  expect_error({"bench", "m.onnx", "s.onnx", "--batch", "1,2"}, 2,
               "bench: two models are compared at one batch size; give --batch one number");
}

TEST_F(BenchCommand, RunsBehindACamera) {
  const Json json = json_of(
      {"bench", "t.onnx", "--pipeline", "--data", "d.npz", "--data-limit", "12", "--fps", "500", "--runs", "30"});
  const Json& camera = json["pipeline"];
  EXPECT_EQ(json["schema"], "edgesmith.bench/1");
  EXPECT_EQ(camera["fps"], 500.0);
  EXPECT_EQ(camera["frames"], 30);
  EXPECT_LE(camera["latency_us"]["p50"].get<double>(), camera["latency_us"]["p99"].get<double>());
  EXPECT_LE(camera["latency_us"]["p99"].get<double>(), camera["latency_us"]["max"].get<double>());
  EXPECT_EQ(camera["deadline_us"], 2000.0);
  EXPECT_GE(camera["missed"].get<int>(), 0);
  EXPECT_LE(camera["missed"].get<int>(), 30);
  EXPECT_GT(camera["possible_fps"].get<double>(), 0);
  double shares = 0;
  std::vector<std::string> names;
  for (const Json& stage : camera["stages"]) {
    names.push_back(stage["stage"]);
    shares += stage["share"].get<double>();
  }
  EXPECT_EQ(names, (std::vector<std::string>{"decode", "resize", "preprocess", "model"}));
  EXPECT_NEAR(shares, 1, 1e-9);
  EXPECT_GE(json["seconds"].get<double>(), 29.0 / 500) << "frames arrive in their time";
  const Json infer = json_of({"infer", "t.onnx", "--data", "d.npz", "--data-limit", "12", "-o", "o.npz"});
  EXPECT_EQ(json["output_sha256"], infer["output_sha256"]);
  EXPECT_NE(run({"bench", "t.onnx", "--pipeline", "--data", "d.npz", "--fps", "500", "--runs", "5"}).out.find("missed"),
            std::string::npos);
}

TEST_F(BenchCommand, RefusesACameraWithoutPicturesOrWithMoreThanOneModel) {
  expect_error({"bench", "t.onnx", "--pipeline"}, 2, "bench --pipeline: no data given; add --data D");
  expect_error({"bench", "t.onnx", "--fps", "30"}, 2, "--fps is the rate of a camera; add --pipeline");
  for (const std::vector<std::string>& more : std::vector<std::vector<std::string>>{
           {"t.onnx"}, {"--batch", "2"}, {"--per-node"}, {"--threads", "2"}, {"--parallel", "2"}}) {
    std::vector<std::string> args = {"bench", "t.onnx"};
    args.insert(args.end(), more.begin(), more.end());
    args.insert(args.end(), {"--pipeline", "--data", "d.npz"});
    expect_error(args, 2,
                 "bench --pipeline: one model, one frame at a time, on two threads; leave out OTHER, --batch, "
                 "--per-node, --warmup, --threads and --parallel");
  }
  EXPECT_EQ(run({"bench", "t.onnx", "--pipeline", "--data", "d.npz", "--fps", "0"}).exit_code, 2);
}

TEST_F(BenchCommand, RefusesWrongUsage) {
  expect_error({"bench", "m.onnx", "--run", "3"}, 2, "bench: unknown option '--run'; did you mean '--runs'?");
  expect_error({"bench", "m.onnx", "t.onnx", "more"}, 2,
               "bench: unexpected argument 'more'; usage: edgesmith bench MODEL [OTHER] [options]");
  expect_error({"bench", "m.onnx", "--save-input", "in.bin"}, 2, "in.bin: inputs are saved as .npz; name it so");
  expect_error({"bench", "t.onnx", "--data", "d.npz", "--save-input", "in.npz"}, 2,
               "--save-input is for seeded inputs, not for --data");
  expect_error({"bench", "t.onnx", "--data", "d.npz", "--batch", "7"}, 2,
               "d.npz: 32 samples are no whole number of batches of 7; give --data-limit a multiple of the batch");
  expect_error({"bench", "m.onnx", "--save-input", "d.npz"}, 2,
               "d.npz: exists already; name another file, or add --force to overwrite it");
  expect_error({"bench", "m.onnx", "--runs", "1000000000000"}, 2, "--runs: at most 10000000, not 1000000000000");
  expect_error({"bench", "none.onnx"}, 5, "none.onnx: cannot open: No such file or directory; check the path");
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"bench"},
                                             {"bench", "m.onnx", "--runs", "0"},
                                             {"bench", "m.onnx", "--batch", "0"},
                                             {"bench", "m.onnx", "--batch", "x"},
                                             {"bench", "m.onnx", "--batch", "1,"},
                                             {"bench", "m.onnx", "--batch", "1 2"},
                                             {"bench", "m.onnx", "--threads", "0"},
                                             {"bench", "m.onnx", "--parallel", "0"}}) {
    EXPECT_EQ(run(args).exit_code, 2);
  }
}

TEST_F(BenchCommand, RefusesABatchThatAModelDoesNotTake) {
  std::string fixed = kNet;
  for (size_t at = fixed.find("[N"); at != std::string::npos; at = fixed.find("[N")) fixed.replace(at, 2, "[2");
  write_model(fixed, folder_ / "two.onnx");
  expect_error({"bench", "two.onnx", "--batch", "3"}, 2,
               "two.onnx: input 'x' f32[2,1,6,6] takes 2 samples at a time, not 3; leave --batch out");
  EXPECT_EQ(json_of({"bench", "two.onnx", "--runs", "3"})["batch"], 2);
}

TEST_F(BenchCommand, TakesSizesOfFreeDims) {
  write_model("graph @g(%x: f32[N,1,H,W]) -> (y) {\n  %y = max_pool %x {kernel_shape=[2,2]}\n  return %y\n}\n",
              folder_ / "h.onnx");
  expect_error(
      {"bench", "h.onnx", "-q"}, 3,
      "h.onnx: max_pool producing 'y': spatial axis 0: a window of 2 does not fit into 1 elements and pads of 0 "
      "and 0; free dims are 1 unless --dim NAME=N says otherwise; or give samples with --data");
  EXPECT_EQ(run({"bench", "h.onnx", "--dim", "H=4", "--dim", "W=6", "--runs", "1", "-q"}).exit_code, 0);
  expect_error({"bench", "h.onnx", "--dim", "K=4"}, 2, "h.onnx: no input has a dim 'K'; they have N, H, W");
  for (const char* text : {"H", "H=", "=4", "H=x", "H=-1", "H=4x"}) {
    expect_error({"bench", "h.onnx", "--dim", text}, 2,
                 "--dim: '" + std::string(text) + "' is no name with a size; write H=64");
  }
  expect_error({"bench", "t.onnx", "--dim", "N=4", "--data", "d.npz"}, 2, "--dim is for seeded inputs, not for --data");
}

TEST_F(BenchCommand, RefusesInstructionSetsThatAreUnknownOrNotThere) {
  const ToolResult unknown = run({"bench", "m.onnx"}, {.environment = {{"EDGESMITH_ISA", "avx9"}}});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_NE(unknown.err.find("EDGESMITH_ISA: unknown instruction set 'avx9'"), std::string::npos) << unknown.err;
#if defined(__x86_64__)
  const ToolResult missing = run({"bench", "m.onnx"}, {.environment = {{"EDGESMITH_ISA", "neon"}}});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_NE(missing.err.find("this cpu cannot run 'neon'"), std::string::npos) << missing.err;
#endif
  const ToolResult scalar =
      run({"bench", "m.onnx", "--runs", "2", "--json", "-q"}, {.environment = {{"EDGESMITH_ISA", "scalar"}}});
  EXPECT_EQ(Json::parse(scalar.out)["tool"]["isa"], "scalar");
}

TEST_F(BenchCommand, EndsWith5WhereMemoryIsTooSmallWithTheNumbers) {
  write_model(R"(graph @big(%x: f32[N,1,1000,1000]) -> (y) {
  %w = constant random(seed=1) : f32[4,1,1,1]
  %c = conv %x, %w, _
  %y = global_average_pool %c
  return %y
}
)",
              folder_ / "big.onnx");
  const ToolResult input = run({"bench", "big.onnx", "--memory-limit", "1MB", "-q"});
  EXPECT_EQ(input.exit_code, 5);
  EXPECT_NE(input.err.find("takes 4000000 bytes, the limit is 1000000"), std::string::npos) << input.err;
  const ToolResult activations = run({"bench", "big.onnx", "--memory-limit", "10MB", "-q"});
  EXPECT_EQ(activations.exit_code, 5);
  EXPECT_NE(activations.err.find("bytes, the limit is 10000000"), std::string::npos) << activations.err;
  EXPECT_EQ(run({"bench", "big.onnx", "--memory-limit", "100MB", "--runs", "1", "--warmup", "0", "-q"}).exit_code, 0);
  const ToolResult huge = run({"bench", "big.onnx", "--batch", "1000000", "-q"});
  EXPECT_EQ(huge.exit_code, 5) << "4 TB";
  EXPECT_NE(huge.err.find("takes 4000000000000 bytes, the limit is "), std::string::npos) << huge.err;
  expect_error({"bench", "m.onnx", "--memory-limit", "lots"}, 2,
               "--memory-limit: 'lots' is no size; write 2GiB, 512MB or bytes");
}

TEST_F(BenchCommand, MemoryLimitsHoldForEvalAndInfer) {
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
           {"eval", "t.onnx", "--data", "d.npz", "-q"}, {"infer", "t.onnx", "--data", "d.npz", "-o", "o.npz", "-q"}}) {
    std::vector<std::string> limited = args;
    limited.insert(limited.end(), {"--memory-limit", "10", "--threads", "1"});
    const ToolResult result = run(limited);
    EXPECT_EQ(result.exit_code, 5) << args[0];
    EXPECT_NE(result.err.find("t.onnx: activations take "), std::string::npos) << result.err;
    EXPECT_NE(result.err.find("the limit is 10"), std::string::npos) << result.err;
    EXPECT_EQ(run(args).exit_code, 0) << args[0];
  }
}

TEST_F(BenchCommand, RunsModelsWithoutElements) {
  write_model("graph @none(%x: f32[N,0]) -> (y) {\n  %y = relu %x\n  return %y\n}\n", folder_ / "none.onnx");
  const Json json = json_of({"bench", "none.onnx", "--runs", "3"});
  EXPECT_EQ(json["output_sha256"], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
      << "the hash of no bytes";
}

}  // namespace
}  // namespace edgesmith::testing
