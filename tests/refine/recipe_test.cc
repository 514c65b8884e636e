// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/refine/recipe.h"

#include <gtest/gtest.h>

#include "edgesmith/passes/pass.h"

namespace edgesmith::refine {
namespace {

constexpr const char* kRecipe = R"(model = "m.onnx"
target = "ort-x86"
output = "out.onnx"
seed = 7

[data]
calib = { path = "calib.npz", limit = 64, preprocess = { scale = 0.5, mean = [1, 2.5], std = [3.0] } }
eval = "eval.toml"

[gate]
metric = "top1"
max_drop = 1
targets = ["ort-arm", "openvino-x86"]
on_fail = "fail"

[[step]]
pass = "simplify"
max_drop = 0.25

[[step]]
pass = "fold-constants"
max_bytes = 4096
)";

Result<Recipe> parse(const std::string& text, const std::vector<std::string>& overrides = {}) {
  std::vector<Override> typed;
  for (const std::string& set : overrides) typed.push_back({set, "/here"});
  return parse_recipe(text, "r.toml", "/models", typed);
}

std::string error_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const auto recipe = parse(text, overrides);
  if (recipe.ok()) return "no error";
  EXPECT_EQ(recipe.error().kind, ErrorKind::usage);
  return recipe.error().text();
}

TEST(Recipe, ReadsEveryPart) {
  const auto recipe = parse(kRecipe);
  ASSERT_TRUE(recipe.ok()) << recipe.error().text();
  EXPECT_EQ(recipe->model, "/models/m.onnx");
  EXPECT_EQ(recipe->output, "/models/out.onnx");
  EXPECT_EQ(recipe->seed, 7u);
  ASSERT_TRUE(recipe->data.calib.has_value());
  EXPECT_EQ(recipe->data.calib->path, "/models/calib.npz");
  EXPECT_EQ(recipe->data.calib->limit, 64);
  EXPECT_EQ(recipe->data.calib->seed, 7u);
  ASSERT_EQ(recipe->data.calib->preprocess.size(), 1u);
  EXPECT_EQ(recipe->data.calib->preprocess[0].second.mean, (std::vector<double>{1, 2.5}));
  EXPECT_EQ(recipe->data.eval->path, "/models/eval.toml");
  EXPECT_FALSE(recipe->data.test.has_value());
  EXPECT_EQ(recipe->gate.max_drop, 1.0);
  EXPECT_EQ(recipe->gate.on_fail, OnFail::fail);
  EXPECT_EQ(recipe->gate.undecided, OnUndecided::accept);
  ASSERT_EQ(recipe->steps.size(), 2u);
  EXPECT_EQ(recipe->steps[0].pass, "simplify");
  EXPECT_EQ(recipe->steps[0].max_drop, 0.25);
  EXPECT_EQ(recipe->steps[1].max_bytes, 4096);
}

TEST(Recipe, PrintsAsARecipeThatMeansTheSame) {
  const auto recipe = parse(kRecipe);
  ASSERT_TRUE(recipe.ok());
  const std::string text = print_recipe(*recipe);
  const auto again = parse(text);
  ASSERT_TRUE(again.ok()) << again.error().text() << "\n" << text;
  EXPECT_EQ(print_recipe(*again), text);
  EXPECT_EQ(text, R"(model = "/models/m.onnx"
target = "ort-x86"
output = "/models/out.onnx"
seed = 7

[data]
calib = { path = "/models/calib.npz", limit = 64, preprocess = { scale = 0.5, mean = [1.0, 2.5], std = [3.0] } }
eval = "/models/eval.toml"

[gate]
metric = "top1"
max_drop = 1.0
targets = ["ort-arm", "openvino-x86"]
on_fail = "fail"

[[step]]
pass = "simplify"
max_drop = 0.25

[[step]]
pass = "fold-constants"
max_bytes = 4096
)");
}

TEST(Recipe, KeepsEveryBudgetAndTheProgram) {
  const std::string text = R"(model = "/models/m.onnx"
target = "ort-x86"
seed = 0
preprocess = { scale = 0.5, "a b" = { mean = [1.0] } }

[data]
eval = { path = "/models/t.csv", labels = "y", features = ["a", "b"] }

[gate]
metric = "boxes"
metric_command = "python3 map.py"
metric_timeout = 90.0
metric_better = "lower"
max_ram = 262144
max_latency_us = 800.0
min_speedup = 1.5
)";
  const auto recipe = parse(text);
  ASSERT_TRUE(recipe.ok()) << recipe.error().text();
  EXPECT_EQ(print_recipe(*recipe), text);
  const auto units =
      parse("[gate]\nmax_bytes = \"300 kB\"\nmax_ram = \"256 KiB\"\nmetric_command = \"p\"\nmetric_timeout = \"2m\"\n");
  ASSERT_TRUE(units.ok()) << units.error().text();
  EXPECT_EQ(units->gate.max_ram, 262144);
  EXPECT_EQ(units->gate.max_bytes, 300000);
  EXPECT_EQ(units->gate.metric_timeout, 120);
  EXPECT_FALSE(units->gate.metric_lower);
}

TEST(Recipe, RefusesMetricsThatAreNotClear) {
  EXPECT_EQ(error_of("[gate]\nmetric = \"top1\"\nmetric_command = \"p\"\n"),
            "r.toml: line 2: metric 'top1' is one of ours, and not a program's; give what metric_command computes "
            "another name");
  EXPECT_EQ(error_of("[gate]\nmetric_command = \"\"\n"),
            "r.toml: line 2: metric_command is empty; say what it is, or leave the key out");
  EXPECT_EQ(error_of("[gate]\nmetric = \"\"\n"),
            "r.toml: line 2: metric is empty; say what it is, or leave the key out");
  EXPECT_EQ(error_of("[gate]\nmetric_better = \"lower\"\n"),
            "r.toml: line 2: key 'metric_better' in [gate] is for a metric of your own; add metric_command = \"...\"");
  EXPECT_EQ(error_of("[gate]\nmax_ram = \"much\"\n"),
            "r.toml: line 2: key 'max_ram' in [gate] cannot be 'much'; write bytes as 262144 or \"256 KiB\"");
  EXPECT_EQ(error_of("[gate]\nmetric_command = \"p\"\nmetric_timeout = \"soon\"\n"),
            "r.toml: line 3: key 'metric_timeout' in [gate] cannot be 'soon'; write a time as 90 or \"10m\"");
}

TEST(Recipe, QuotesWhatTomlWouldMisread) {
  const auto recipe = parse("model = 'a\"b\\c.onnx'\n");
  ASSERT_TRUE(recipe.ok());
  const auto again = parse(print_recipe(*recipe));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->model, "/models/a\"b\\c.onnx");
}

TEST(Recipe, LetsTheCommandLineReplaceKeys) {
  const auto recipe = parse(kRecipe, {"gate.max_drop=2.5", "step.simplify.max_drop=3", "step.2.max_bytes=1",
                                      "data.eval=other.npz", "seed=9", "gate.undecided=fail"});
  ASSERT_TRUE(recipe.ok()) << recipe.error().text();
  EXPECT_EQ(recipe->gate.max_drop, 2.5);
  EXPECT_EQ(recipe->gate.undecided, OnUndecided::fail);
  EXPECT_EQ(recipe->steps[0].max_drop, 3.0);
  EXPECT_EQ(recipe->steps[1].max_bytes, 1);
  EXPECT_EQ(recipe->data.eval->path, "/here/other.npz");
  EXPECT_EQ(recipe->seed, 9u);
}

TEST(Recipe, TakesPathsThatAreSetFromWhereTheyWereTyped) {
  const auto recipe = parse(kRecipe + std::string("[[step]]\npass = \"distill\"\nteacher = \"t.onnx\"\n"),
                            {"model=a/m.onnx", "output=../o.onnx", "data.calib.path=c.npz",
                             "data.test={path=\"e.npz\", limit=3}", "step.distill.second_teacher=s.onnx"});
  ASSERT_TRUE(recipe.ok()) << recipe.error().text();
  EXPECT_EQ(recipe->model, "/here/a/m.onnx");
  EXPECT_EQ(recipe->output, "/o.onnx");
  EXPECT_EQ(recipe->data.calib->path, "/here/c.npz");
  EXPECT_EQ(recipe->data.calib->limit, 64);
  EXPECT_EQ(recipe->data.test->path, "/here/e.npz");
  EXPECT_EQ(recipe->steps[2].options.word("second_teacher"), "/here/s.onnx");
  EXPECT_EQ(recipe->steps[2].options.word("teacher"), "/models/t.onnx") << "what the recipe names lies beside it";
  const auto absolute = parse(kRecipe, {"data.eval=/data/e.npz"});
  ASSERT_TRUE(absolute.ok()) << absolute.error().text();
  EXPECT_EQ(absolute->data.eval->path, "/data/e.npz");
}

TEST(Recipe, RefusesOverridesThatMeanNothing) {
  EXPECT_EQ(error_of(kRecipe, {"step.quantise.bits=4"}),
            "--set step.quantise.bits=4: the recipe has no step 'quantise'; its steps: simplify, fold-constants");
  EXPECT_EQ(error_of(kRecipe, {"gate.max_drop"}),
            "--set gate.max_drop: has no key and value; write key=value, such as gate.max_drop=0.5");
  EXPECT_EQ(error_of(kRecipe, {"seed.x=1"}), "--set seed.x=1: 'seed' is not a table in this recipe");
  EXPECT_EQ(error_of(kRecipe, {"gate.max_dorp=1"}),
            "r.toml, with what is set: unknown key 'max_dorp' in [gate]; did you mean 'max_drop'?");
  EXPECT_EQ(error_of(kRecipe, {"data.test={path=\"e.npz\", limt=3}"}),
            "r.toml, with what is set: data.test: unknown key 'limt'; did you mean 'limit'?");
}

TEST(Recipe, NamesTheLineAndTheNearestKeyOfAMistake) {
  EXPECT_EQ(error_of("model = \"m.onnx\"\n[gate]\nmax_dorp = 1\n"),
            "r.toml: line 3: unknown key 'max_dorp' in [gate]; did you mean 'max_drop'?");
  EXPECT_EQ(error_of("modle = \"m.onnx\"\n"),
            "r.toml: line 1: unknown key 'modle' in the recipe; did you mean 'model'?");
  EXPECT_EQ(error_of("[[step]]\npass = \"simplfy\"\n"),
            "r.toml: line 2: unknown pass 'simplfy'; did you mean 'simplify'?");
  EXPECT_EQ(error_of("[gate]\nmetric = \"top2\"\n"), "r.toml: line 2: unknown metric 'top2'; did you mean 'top1'?");
  EXPECT_EQ(error_of("target = \"ort-x87\"\n"), "r.toml: line 1: unknown target 'ort-x87'; did you mean 'ort-x86'?");
  EXPECT_EQ(error_of("[data.eval]\npath = \"x\"\n\nlimt = 3\n"),
            "r.toml: line 4: data.eval: unknown key 'limt'; did you mean 'limit'?");
  EXPECT_EQ(error_of("[data]\n\neval = { path = \"x\", preprocess = { left = { men = 3 } } }\n"),
            "r.toml: line 3: data.eval.preprocess.left: unknown key 'men'; did you mean 'mean'?");
  EXPECT_EQ(error_of("[preprocess]\nscale = 2\n[preprocess.left]\nmen = 3\n"),
            "r.toml: line 4: preprocess.left: unknown key 'men'; did you mean 'mean'?");
  EXPECT_EQ(error_of("[data.eval]\n"), "r.toml: line 1: data.eval: no 'path'; say where the data are: path = \"...\"");
  EXPECT_EQ(error_of(kRecipe, {"data.calib.limt=3"}),
            "r.toml, with what is set: data.calib: unknown key 'limt'; did you mean 'limit'?");
  EXPECT_EQ(error_of("[data]\nvalid = \"x\"\n").substr(0, 42), "r.toml: line 2: unknown key 'valid' in [da");
}

TEST(Recipe, RefusesValuesOfTheWrongKind) {
  EXPECT_EQ(error_of("model = 3\n"), "r.toml: line 1: key 'model' in the recipe wants a text, not 3");
  EXPECT_EQ(error_of("seed = -1\n"),
            "r.toml: line 1: key 'seed' in the recipe wants a whole number of at least 0, not -1");
  EXPECT_EQ(error_of("[gate]\ntargets = [\"ort-x68\"]\n"),
            "r.toml: line 2: unknown target 'ort-x68'; did you mean 'ort-x86'?");
  EXPECT_EQ(error_of("[gate]\ntargets = \"ort-x86\"\n"),
            "r.toml: line 2: key 'targets' in [gate] wants a list of texts, not \"ort-x86\"");
  EXPECT_EQ(error_of("[gate]\nmax_drop = \"much\"\n"),
            "r.toml: line 2: key 'max_drop' in [gate] wants a number of at least 0, not \"much\"");
  EXPECT_EQ(error_of("[gate]\nmax_drop = nan\n"),
            "r.toml: line 2: key 'max_drop' in [gate] wants a number of at least 0, not nan");
  EXPECT_EQ(error_of("[gate]\non_fail = \"ignore\"\n"),
            "r.toml: line 2: key 'on_fail' in [gate] has no value 'ignore'; known: rollback, fail");
  EXPECT_EQ(error_of("[[step]]\nbits = 4\n"),
            "r.toml: line 1: step 1 has no pass; add pass = \"...\"; see 'edgesmith passes'");
  EXPECT_EQ(error_of("step = 3\n"), "r.toml: line 1: 'step' wants a list of tables; write [[step]]");
  EXPECT_EQ(error_of("gate = 3\n"), "r.toml: line 1: [gate] wants a table");
  EXPECT_EQ(error_of("[data]\neval = 3\n"), "r.toml: line 2: data.eval wants a path or a table, not 3");
}

TEST(Recipe, LeavesNoOptionOfAPassUnreachable) {
  for (const passes::PassInfo& pass : passes::all_passes()) {
    for (const passes::OptionRow& row : pass.options()) {
      for (const char* key : {"pass", "max_drop", "max_bytes"}) EXPECT_NE(row.name, key) << pass.name;
    }
  }
}

TEST(Recipe, ReadsTheRecipesOfTheDemo) {
  const auto recipe = load_recipe(EDGESMITH_SOURCE_DIR "/models/fashion-mnist/int8.toml");
  ASSERT_TRUE(recipe.ok()) << recipe.error().text();
  EXPECT_EQ(recipe->steps.back().pass, "quantize");
}

TEST(Recipe, ExplainsWhatIsNotToml) {
  const std::string error = error_of("model = \n");
  EXPECT_EQ(error.substr(0, 25), "r.toml: line 1: not TOML:") << error;
  const std::string bare = error_of("seed = 1\nmodel = fashion-cnn.onnx\n");
  EXPECT_EQ(bare.substr(0, 25), "r.toml: line 2: not TOML:") << bare;
  EXPECT_NE(bare.find("; texts want quotes: model = \"fashion-cnn.onnx\""), std::string::npos) << bare;
}

TEST(Recipe, SuggestsWhatTheGateAsksOfAStep) {
  const std::string step = "[[step]]\npass = \"simplify\"\n";
  EXPECT_EQ(error_of(step + "max_dropp = 1\n"),
            "r.toml: line 3: simplify: unknown option 'max_dropp'; did you mean 'max_drop'?");
}

TEST(Recipe, NamesTheMissingFile) {
  const auto recipe = load_recipe("/nonexistent/recipe.toml");
  ASSERT_FALSE(recipe.ok());
  EXPECT_EQ(recipe.error().kind, ErrorKind::io);
}

}  // namespace
}  // namespace edgesmith::refine
