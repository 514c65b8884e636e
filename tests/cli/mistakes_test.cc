// SPDX-License-Identifier: Apache-2.0
// What people type by mistake, and the one line that puts them right.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/tool_test.h"

namespace edgesmith::testing {
namespace {

namespace fs = std::filesystem;

class Mistakes : public ToolTest {
 protected:
  void SetUp() override {
    write_model(kTinyModel, folder_ / "m.onnx");
    write_data(folder_ / "d.npz", 60, 1, 6);
    ASSERT_TRUE(
        write_file(folder_ / "r.toml", "model = \"m.onnx\"\noutput = \"out.onnx\"\n[[step]]\npass = \"simplify\"\n")
            .ok());
    ASSERT_TRUE(
        write_file(folder_ / "zoo.toml", "[[model]]\npath = \"m.onnx\"\nname = \"a\"\nrecipe = \"r.toml\"\n").ok());
  }
};

TEST_F(Mistakes, AMissingArgumentIsCalledAsTheHelpCallsIt) {
  expect_error({"inspect"}, 2, "inspect: no MODEL given; usage: edgesmith inspect MODEL [OTHER] [options]");
  expect_error({"compare", "m.onnx"}, 2, "compare: no B given; usage: edgesmith compare A B [options]");
  expect_error({"eval", "m.onnx", "--data", "d.npz", "--data-limit", "1e3"}, 2,
               "eval: --data-limit: cannot read '1e3' as a number of the kind it takes; see 'edgesmith eval --help'");
}

TEST_F(Mistakes, HelpAndVersionAreWordsToo) {
  EXPECT_EQ(run({"help"}).out, run({"--help"}).out);
  EXPECT_EQ(run({"help", "quantize"}).out, run({"quantize", "--help"}).out);
  EXPECT_EQ(run({"version"}).out, run({"--version"}).out);
  expect_error({"help", "quantise"}, 2, "unknown command 'quantise'; did you mean 'quantize'?");
}

TEST_F(Mistakes, TablesShowOneRow) {
  EXPECT_EQ(run({"targets", "ort-x86"}).out, run({"targets", "show", "ort-x86"}).out);
  expect_error({"targets", "ort"}, 2, "unknown target 'ort'; did you mean 'ort-arm' or 'ort-x86' or 'ort-x86-vnni'?");
  expect_error({"targets", "host", "ort-x86"}, 2, "targets: unexpected argument 'ort-x86'; name one target");
  EXPECT_EQ(Json::parse(run({"ops", "conv", "--json"}).out)["ops"].size(), 1u);
  EXPECT_EQ(run({"ops", "Conv"}).out, run({"ops", "conv"}).out);
  expect_error({"ops", "Cnov"}, 2,
               "ops: 'Cnov' is not evaluated here, and passes through a model as it is; did you mean 'Conv'?");
  EXPECT_EQ(Json::parse(run({"metrics", "top1", "--json"}).out)["metrics"].size(), 1u);
  expect_error({"metrics", "top2"}, 2, "unknown metric 'top2'; did you mean 'top1'?");
}

TEST_F(Mistakes, OptionsThatWouldDoNothingAreRefused) {
  struct Case {
    std::vector<std::string> arguments;
    std::string error;
  };
  const std::string stays_float =
      " is about integers between operators, and those values stay float here; leave it "
      "out, or give --activations int8 and no --weights-only";
  for (const Case& slip :
       {Case{{"prune", "--sparsity", "0.5", "--lanes", "8"},
             "lanes is about the cost model of time; add --time 0.7, or leave it out"},
        Case{{"prune", "--sparsity", "0.5", "--keep-order"},
             "keep_order is about a pattern of N in M weights; give --pattern 2:4, or leave it out"},
        Case{{"quantize", "--calibrator", "mse", "--percentile", "99"},
             "percentile is for the calibrator of that name, and mse was asked for; leave it out, or give --calibrator "
             "percentile"},
        Case{{"quantize", "--weights", "int4", "--repair", "none", "--calibrator", "mse"}, "calibrator" + stays_float},
        Case{{"quantize", "--weights", "int4", "--repair", "none", "--pair-safe", "on"}, "pair_safe" + stays_float},
        Case{{"quantize", "--weights-only", "--percentile", "99"}, "percentile" + stays_float},
        Case{{"quantize", "--block", "16", "--per-tensor"},
             "block and per_tensor say two things of one scale; leave one of them out"},
        Case{{"quantize", "--weights", "int4", "--per-tensor"},
             "per_tensor is for symmetric int8 weights and integer values; leave it out"}}) {
    std::vector<std::string> arguments = slip.arguments;
    arguments.insert(arguments.begin() + 1, {"m.onnx", "-o", "o.onnx", "--calib", "d.npz"});
    expect_error(arguments, 2, slip.error);
  }
  for (std::vector<std::string> fine : {std::vector<std::string>{"--percentile", "99", "--calibrator", "auto"},
                                        {"--weights", "int4", "--activations", "int8", "--calibrator", "mse"},
                                        {"--weights-only", "--per-tensor"}}) {
    fine.insert(fine.begin(), {"quantize", "m.onnx", "-o", "o.onnx", "--force", "--calib", "d.npz", "-q"});
    const ToolResult result = run(fine);
    EXPECT_EQ(result.exit_code, 0) << result.err;
  }
}

TEST_F(Mistakes, AnOptionOfOneValueIsGivenOnce) {
  const auto twice = [&](const std::string& option, const std::string& one, const std::string& other) {
    return std::vector<std::string>{"quantize", "m.onnx", "-o", "o.onnx", "--calib",
                                    "d.npz",    option,   one,  option,   other};
  };
  expect_error(twice("--weights", "int4", "int2"), 2,
               "quantize: --weights: given more than once; leave all but one of them out");
  expect_error(twice("--metric", "top1", "top5"), 2,
               "quantize: --metric: given more than once; see 'edgesmith quantize --help'");
  EXPECT_EQ(run(twice("--skip-op", "Conv", "Relu")).exit_code, 2) << "neither is in the model";
  EXPECT_EQ(
      run({"quantize", "m.onnx", "--calib", "d.npz", "--skip-op", "Add", "--skip-op", "MatMul", "--print-recipe"}).out,
      run({"quantize", "m.onnx", "--calib", "d.npz", "--skip-op", "Add,MatMul", "--print-recipe"}).out);
}

TEST_F(Mistakes, AnErrorNamesTheFileThatIsToBeChanged) {
  expect_error({"quantize", "m.onnx", "-o", "o.onnx", "--calib", "d.npz", "--skip", "hed.*"}, 2,
               "m.onnx: --skip 'hed.*' matches nothing in the model; `edgesmith inspect -v` lists the names");
  ASSERT_TRUE(
      write_file(folder_ / "twice.toml",
                 "model = \"m.onnx\"\noutput = \"t.onnx\"\n[[step]]\npass = \"simplify\"\n"
                 "[[step]]\npass = \"quantize\"\nweights_only = true\n[[step]]\npass = \"share\"\nrepair = \"none\"\n")
          .ok());
  const ToolResult shared = run({"run", "twice.toml", "--no-cache", "-q"});
  EXPECT_EQ(shared.exit_code, 2);
  EXPECT_TRUE(shared.err.starts_with("edgesmith: error: twice.toml: line 8: step 3 (share): ")) << shared.err;
  ASSERT_TRUE(write_file(folder_ / "both.toml",
                         "model = \"m.onnx\"\noutput = \"u.onnx\"\n[[step]]\npass = \"prune\"\nlanes = 8\n"
                         "sparsity = 0.5\nrepair = \"none\"\n")
                  .ok());
  expect_error({"run", "both.toml"}, 2,
               "both.toml: line 3: step 1 (prune): lanes is about the cost model of time; add time 0.7, or leave it "
               "out");
}

TEST_F(Mistakes, PassesShowsOneInJsonToo) {
  const Json json = Json::parse(run({"passes", "quantize", "--json"}).out);
  ASSERT_EQ(json["passes"].size(), 1u);
  EXPECT_EQ(json["passes"][0]["name"], "quantize");
  expect_error({"passes", "quantize", "--markdown"}, 2, "passes: --markdown is of all passes; leave out the name");
  EXPECT_EQ(run({"passes", "quantise", "--json", "-q"}).exit_code, 2);
}

TEST_F(Mistakes, JsonIsAllThatAScriptReads) {
  const std::vector<std::vector<std::string>> commands = {{"quantize", "m.onnx", "--calib", "d.npz", "--print-recipe"},
                                                          {"run", "r.toml", "m.onnx", "--print-recipe"},
                                                          {"completion", "bash"},
                                                          {"passes", "--markdown"},
                                                          {"ops", "--markdown"},
                                                          {"metrics", "--markdown"},
                                                          {"targets", "--markdown"},
                                                          {"report", "diff", "a", "b", "--markdown"},
                                                          {"report", "diff", "a", "b", "--junit", "-"}};
  for (std::vector<std::string> command : commands) {
    command.push_back("--json");
    const ToolResult result = run(command);
    EXPECT_EQ(result.exit_code, 2) << command[0];
    EXPECT_NE(result.out.find("--json does not go with "), std::string::npos) << command[0] << ": " << result.out;
  }
}

// The command line becomes a recipe, and a recipe is UTF-8.
TEST_F(Mistakes, ANameThatIsNoUtf8IsTold) {
  write_model(kTinyModel, folder_ / "\xff.onnx");
  expect_error({"convert", "\xff.onnx", "-o", "c.onnx", "--to", "fp16"}, 2,
               "convert: not UTF-8: model = \"\\xff.onnx\"; rename the file, or give it a second name with ln -s");
}

TEST_F(Mistakes, AFolderThatIsGoneIsTold) {
  const std::string gone = folder_ / "gone";
  fs::create_directory(gone);
  const std::string script = "cd " + gone + " && rmdir " + gone + " && " + EDGESMITH_BINARY + " simplify " +
                             (folder_ / "m.onnx") + " -o s.onnx 2>" + (folder_ / "said");
  EXPECT_NE(std::system(script.c_str()), 0);
  EXPECT_EQ(*read_file(folder_ / "said"),
            "edgesmith: error: the working directory is gone; change into one that is there\n");
}

TEST_F(Mistakes, ATargetOnTheCommandLineHasNoLineOfAFile) {
  expect_error({"simplify", "m.onnx", "-o", "s.onnx", "--target", "tensort-orin"}, 2,
               "simplify: unknown target 'tensort-orin'; did you mean 'tensorrt-orin'?");
}

TEST_F(Mistakes, ANameOfAnotherFormatIsNoNameForAModel) {
  for (const char* output : {"m.tflite", "d.npz", "r.toml"}) {
    expect_error({"simplify", "m.onnx", "-o", output, "--force"}, 2,
                 std::string(output) + ": what is written is ONNX, and " + std::string(output + 1) +
                     " is the name of something else; name a .onnx file, or an .esm file for a packed model");
  }
  EXPECT_FALSE(fs::exists(folder_ / "m.tflite"));
  EXPECT_EQ(run({"simplify", "m.onnx", "-o", "m.anything", "-q"}).exit_code, 0);
}

TEST_F(Mistakes, ANameOfAnotherFormatIsNoNameForAnythingElse) {
  struct Case {
    std::vector<std::string> arguments;
    std::string name, written, ending;
  };
  for (const Case& slip : {Case{{"infer", "m.onnx", "--data", "d.npz", "-o"}, "a.onnx", "an .npz file", ".npz"},
                           Case{{"infer", "m.onnx", "--data", "d.npz", "-o"}, "a.csv", "an .npz file", ".npz"},
                           Case{{"bench", "m.onnx", "--save-input"}, "a.onnx", "an .npz file", ".npz"},
                           Case{{"select", "m.onnx", "--target", "host", "-o"}, "a.onnx", "a plan in JSON", ".json"},
                           Case{{"pack", "m.onnx", "-o"}, "a.onnx", "a packed model", ".esm"},
                           Case{{"unpack", "m.onnx", "-o"}, "a.esm", "ONNX", ".onnx"},
                           Case{{"reduce", "m.onnx", "--command", "false {}", "-o"}, "a.npz", "ONNX", ".onnx"}}) {
    std::vector<std::string> arguments = slip.arguments;
    arguments.push_back(slip.name);
    expect_error(arguments, 2,
                 slip.name + ": what is written is " + slip.written + ", and " + slip.name.substr(1) +
                     " is the name of something else; name a file that ends in " + slip.ending);
    EXPECT_FALSE(fs::exists(folder_ / slip.name));
  }
  EXPECT_EQ(run({"infer", "m.onnx", "--data", "d.npz", "-o", "answers", "-q"}).exit_code, 0);
}

TEST_F(Mistakes, AStudentThatIsItsTeacherIsSaidToLearnNothing) {
  write_model(R"(graph @student(%x: f32[N,3]) -> (logits: f32[N,3]) {
  %w = constant random(seed=4) : f32[3,3]
  %y = mat_mul %x, %w
  return %y
})",
              folder_ / "t.onnx");
  const ToolResult result = run({"distill", "t.onnx", "-o", "s.onnx", "--teacher", "t.onnx", "--train", "d.npz", "-q"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_NE(result.err.find("distill changed nothing: there is nothing to learn"), std::string::npos) << result.err;
}

TEST_F(Mistakes, EventsDoNotReplaceAModel) {
  const std::string model = *read_file(folder_ / "m.onnx");
  expect_error({"simplify", "m.onnx", "-o", "s.onnx", "--events", "m.onnx"}, 2,
               "m.onnx: exists already, and holds no events; name another file for --events");
  EXPECT_EQ(*read_file(folder_ / "m.onnx"), model);
  expect_error({"simplify", "m.onnx", "-o", "s.onnx", "--events", "-"}, 2,
               "--events -: events are not written to stdout; name a file");
  expect_error({"simplify", "m.onnx", "-o", "s.onnx", "--report", "-"}, 2,
               "--report -: a report is two files; name a folder");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(run({"simplify", "m.onnx", "-o", "s.onnx", "--force", "--events", "e.jsonl"}).exit_code, 0);
  }
}

TEST_F(Mistakes, NothingThatIsReadIsWrittenOver) {
  write_model(kTinyModel, folder_ / "teacher.onnx");
  const std::vector<std::string> distill = {"distill", "m.onnx", "--teacher", "teacher.onnx",
                                            "--train", "d.npz",  "--force"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), distill.begin(), distill.end());
    return more;
  };
  expect_error(with({"-o", "teacher.onnx"}), 2, "teacher.onnx: the output is the input; name another file");
  expect_error(with({"-o", "o.onnx", "--checkpoint", "m.onnx"}), 2,
               "m.onnx: is read by the run; name another file for --checkpoint");
  EXPECT_EQ(run({"simplify", "m.onnx", "-o", "s.onnx", "--report", "old", "-q"}).exit_code, 0);
  expect_error({"report", "diff", "old/report.json", "old", "--junit", "old/../old/report.json"}, 2,
               "old/../old/report.json: the output is the input; name another file");
}

TEST_F(Mistakes, OptionsAreCountedAndEnd) {
  expect_error({"simplify", "m.onnx", "-o", "a.onnx", "-o", "b.onnx"}, 2,
               "simplify: --output: given more than once; see 'edgesmith simplify --help'");
  expect_error({"eval", "m.onnx", "--data", "d.npz", "--threads", "0"}, 2,
               "eval: --threads: '0' is no number from 1 to 4096; see 'edgesmith eval --help'");
  EXPECT_EQ(run({"inspect", "--", "m.onnx"}).exit_code, 0);
  expect_error({"inspect", "--", "-m.onnx"}, 5, "-m.onnx: cannot open: No such file or directory; check the path");
}

TEST_F(Mistakes, SizesHaveUnits) {
  EXPECT_EQ(run({"simplify", "m.onnx", "-o", "a.onnx", "-q", "--max-bytes", "1kB"}).exit_code, 0);
  EXPECT_EQ(run({"simplify", "m.onnx", "-o", "b.onnx", "-q", "--max-bytes", "9"}).exit_code, 1);
  expect_error({"simplify", "m.onnx", "-o", "c.onnx", "--max-bytes", "small"}, 2,
               "--max-bytes: 'small' is no size; write 262144 or 256KiB");
}

TEST_F(Mistakes, RecipesManifestsAndModelsAreToldApart) {
  expect_error({"run", "zoo.toml"}, 2,
               "zoo.toml: is a manifest of many models, not a recipe; run it with 'edgesmith zoo'");
  expect_error({"run", "m.onnx", "r.toml"}, 2,
               "m.onnx: is no recipe, nor any text; the recipe comes before the model: edgesmith run RECIPE.toml "
               "MODEL.onnx");
  expect_error({"zoo", "r.toml", "-o", "z"}, 2,
               "r.toml: is a recipe, not a manifest of many models; run it with 'edgesmith run'");
  expect_error({"zoo", "m.onnx", "-o", "z"}, 2,
               "m.onnx: is no manifest, nor any text; give a .toml that lists models: see docs/zoo.md");
}

TEST_F(Mistakes, ARecipeWithoutStepsIsSaidToDoNothing) {
  ASSERT_TRUE(write_file(folder_ / "none.toml", "output = \"same.onnx\"\n").ok());
  const ToolResult result = run({"run", "none.toml", "m.onnx", "-q"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_NE(result.err.find("none.toml: has no [[step]]"), std::string::npos) << result.err;
}

TEST_F(Mistakes, AreFoundBeforeTheModelIsMeasured) {
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"--sparsity", "0.5", "--skip", "nowhere"},
                                             {},
                                             {"--pattern", "2-4"},
                                             {"--sparsity", "0.5", "--macs", "1"}}) {
    std::vector<std::string> args = {"prune",   "m.onnx", "-o",         "p.onnx",   "--eval", "d.npz",
                                     "--calib", "d.npz",  "--no-cache", "--events", "e.jsonl"};
    args.insert(args.end(), wrong.begin(), wrong.end());
    EXPECT_EQ(run(args).exit_code, 2);
    EXPECT_EQ(*read_file(folder_ / "e.jsonl"), "");
  }
}

// Of a recipe whose first step takes its time.
TEST_F(Mistakes, OfLaterStepsAreFoundBeforeTheFirst) {
  write_data(folder_ / "e.npz", 60, 2);
  const auto recipe = [&](const std::string& keys) {
    const std::string steps = "[[step]]\npass = \"simplify\"\n[[step]]\n" + keys + "\n";
    ASSERT_TRUE(write_file(folder_ / "late.toml", "model = \"m.onnx\"\noutput = \"late.onnx\"\n" + steps).ok());
  };
  const std::vector<std::string> run = {"run",    "late.toml", "--calib",    "d.npz",    "--train", "d.npz",
                                        "--eval", "e.npz",     "--no-cache", "--events", "e.jsonl"};
  recipe("pass = \"quantize\"\nskip = [\"logit\"]");
  expect_error(
      run, 2,
      "late.toml: line 5: step 2 (quantize): skip 'logit' matches nothing in the model; did you mean 'logit*'?");
  recipe("pass = \"quantize\"\nskip = [\"ogit\"]");
  expect_error(
      run, 2, "late.toml: line 5: step 2 (quantize): skip 'ogit' matches nothing in the model; did you mean '*ogit*'?");
  EXPECT_EQ(*read_file(folder_ / "e.jsonl"), "");
  recipe("pass = \"quantize\"\nskip_op = [\"Sotfmax\"]");
  expect_error(
      run, 2,
      "late.toml: line 5: step 2 (quantize): skip_op 'Sotfmax' matches nothing in the model; did you mean 'Softmax'?");
  recipe("pass = \"distill\"\nteacher = \"none.onnx\"");
  expect_error(run, 5, "none.onnx: cannot open: No such file or directory; check the path");
  EXPECT_EQ(*read_file(folder_ / "e.jsonl"), "");
}

// An operator may come from a fusion before: it is looked for when the step begins.
TEST_F(Mistakes, ASelectorThatAStepBeforeMayMakeTrueIsTaken) {
  write_model(R"(graph @spelled(%x: f32[N,3]) -> (y: f32[N,3]) {
  %w = constant {0.5, 0, 0, 0, 0.5, 0, 0, 0, 0.5} : f32[3,3]
  %last = constant {-1} : i64[1]
  %h = mat_mul %x, %w
  %m = reduce_max %h, %last
  %d = sub %h, %m
  %e = exp %d
  %s = reduce_sum %e, %last
  %y = div %e, %s
  return %y
})",
              folder_ / "m.onnx");
  ASSERT_TRUE(write_file(folder_ / "late.toml",
                         "model = \"m.onnx\"\noutput = \"late.onnx\"\n[[step]]\npass = \"simplify\"\n[[step]]\npass = "
                         "\"quantize\"\nskip_op = [\"Softmax\"]\n")
                  .ok());
  const ToolResult result = run({"run", "late.toml", "--calib", "d.npz", "--no-cache"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

TEST_F(Mistakes, AWholeTrainingSetForCalibrationIsSaid) {
  write_data(folder_ / "many.npz", 5000, 3);
  const std::string line =
      "calibration takes 5,000 samples of many.npz; 1,024 are usually enough: --calib-limit 1024, or limit = 1024 in a "
      "recipe";
  const std::vector<std::string> args = {"quantize", "m.onnx", "--calib", "many.npz", "--no-cache", "-o"};
  const auto said = [&](std::vector<std::string> more) {
    more.insert(more.begin(), args.begin(), args.end());
    const ToolResult result = run(more);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.err.find(line) != std::string::npos;
  };
  EXPECT_TRUE(said({"a.onnx"}));
  EXPECT_FALSE(said({"b.onnx", "--calib-limit", "4500"})) << "somebody chose that";
  EXPECT_FALSE(said({"c.onnx", "-q"}));
}

TEST_F(Mistakes, AReportThatCannotBeIsRefusedBeforeTheWork) {
  ASSERT_TRUE(write_file(folder_ / "taken", "mine").ok());
  for (std::vector<std::string> args :
       {std::vector<std::string>{"simplify", "m.onnx", "-o", "s.onnx"}, {"eval", "m.onnx", "--data", "d.npz"}}) {
    args.insert(args.end(), {"--report", "taken"});
    const ToolResult result = run(args);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_NE(result.err.find("taken is no folder; name a folder, it is created"), std::string::npos) << result.err;
  }
  EXPECT_FALSE(fs::exists(folder_ / "s.onnx"));
}

TEST_F(Mistakes, AFailedRunLeavesNoEmptyFolder) {
  EXPECT_EQ(run({"run", "r.toml", "none.onnx", "-o", "out"}).exit_code, 5);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  fs::create_directory(folder_ / "mine");
  EXPECT_EQ(run({"run", "r.toml", "none.onnx", "-o", "mine"}).exit_code, 5);
  EXPECT_TRUE(fs::exists(folder_ / "mine"));
}

TEST_F(Mistakes, AMissingTeacherIsNamedAlone) {
  expect_error({"distill", "m.onnx", "--teacher", "none.onnx", "--train", "d.npz", "-o", "t.onnx", "--no-cache"}, 5,
               "none.onnx: cannot open: No such file or directory; check the path");
}

TEST_F(Mistakes, ModelsThatTakeOtherInputsAreNotCompared) {
  write_model(R"(graph @wide(%x: f32[N,4]) -> (logits: f32[N,4]) {
  %y = relu %x : f32[N,4]
  return %y
}
)",
              folder_ / "wide.onnx");
  expect_error({"compare", "m.onnx", "wide.onnx", "--data", "d.npz"}, 3,
               "wide.onnx: input 'x' takes f32[N,4], 'x' of m.onnx takes f32[N,3]; compare two forms of one model");
}

TEST_F(Mistakes, DiagnoseTakesTheFloatModelFirst) {
  ASSERT_EQ(run({"quantize", "m.onnx", "-o", "q.onnx", "--calib", "d.npz", "-q"}).exit_code, 0);
  expect_error({"diagnose", "q.onnx", "m.onnx", "--data", "d.npz"}, 2,
               "q.onnx is quantized and m.onnx is not; the float model comes first: edgesmith diagnose m.onnx q.onnx");
}

TEST_F(Mistakes, QuietCommandsThatOnlyMeasureStillAnswer) {
  ASSERT_EQ(run({"quantize", "m.onnx", "-o", "q.onnx", "--calib", "d.npz", "-q"}).out, "");
  EXPECT_NE(run({"diagnose", "m.onnx", "q.onnx", "--data", "d.npz", "-q"}).out, "");
  EXPECT_NE(run({"compare", "m.onnx", "q.onnx", "--data", "d.npz", "-q"}).out, "");
}

TEST_F(Mistakes, AFolderOfDataFilesNamesOne) {
  fs::create_directory(folder_ / "data");
  ASSERT_TRUE(write_file(folder_ / "data/t10k-images-idx3-ubyte.gz", "x").ok());
  expect_error({"eval", "m.onnx", "--data", "data"}, 3,
               "data: holds files of data, but no samples of its own; name one of them: "
               "data/t10k-images-idx3-ubyte.gz");
}

TEST_F(Mistakes, EventsThatCannotBeWrittenAreAWarning) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const ToolResult result = run({"eval", "m.onnx", "--data", "d.npz", "-q", "--events", "/dev/full"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_NE(result.err.find("--events /dev/full: cannot write"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace edgesmith::testing
