// SPDX-License-Identifier: Apache-2.0
// The command zoo: rows, isolation, resumption, refusals.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <thread>

#include "cli/tool_test.h"

namespace edgesmith::testing {
namespace {

namespace fs = std::filesystem;

/// Something to train: random weights between three numbers and three scores.
constexpr const char* kStudent = R"(graph @student(%x: f32[N,3]) -> (logits: f32[N,3]) {
  %w1 = constant random(seed=4) : f32[3,16]
  %w2 = constant random(seed=5) : f32[16,3]
  %h = mat_mul %x, %w1 : f32[N,16] @"first"
  %r = relu %h : f32[N,16]
  %y = mat_mul %r, %w2 : f32[N,3]
  return %y
}
)";

constexpr const char* kQuick = R"(recipe = "quick.toml"
calib = "calib.npz"
eval = "eval.npz"
)";

/// Waits for `holds`, for at most ten seconds.
bool wait_for(const std::function<bool()>& holds) {
  for (int i = 0; i < 2000; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

/// What /proc says behind the name of a process: "S PPID ...". "" when there is no such process.
std::string stat_of(const std::string& pid) {
  std::FILE* file = std::fopen(("/proc/" + pid + "/stat").c_str(), "r");
  if (file == nullptr) return "";
  char text[512];
  const size_t got = std::fread(text, 1, sizeof text, file);
  std::fclose(file);
  const std::string stat(text, got);
  const size_t at = stat.rfind(") ");
  return at == std::string::npos ? "" : stat.substr(at + 2);
}

/// False for one that has ended and was not waited for.
bool is_alive(const std::string& pid) {
  const std::string stat = stat_of(pid);
  return !stat.empty() && stat[0] != 'Z';
}

/// Processes that `pid` started and that still run.
std::vector<int> children_of(int pid) {
  std::vector<int> children;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos || !is_alive(name)) continue;
    const std::string stat = stat_of(name);
    if (stat.size() > 2 && std::atoi(stat.c_str() + 2) == pid) children.push_back(std::atoi(name.c_str()));
  }
  return children;
}

/// Without measured time and memory, which may differ.
Json timeless(Json json) {
  if (json.is_object()) {
    for (const char* key : {"seconds", "eval_seconds", "peak_rss_bytes", "measured"}) json.erase(key);
  }
  if (json.is_structured()) {
    for (auto& member : json) member = timeless(member);
  }
  return json;
}

class CliZoo : public ToolTest {
 protected:
  void SetUp() override {
    write_model(kTinyModel, folder_ / "a.onnx");
    write_model(kSaturatingModel, folder_ / "b.onnx");
    write_model(kStudent, folder_ / "s.onnx");
    write_data(folder_ / "calib.npz", 64, 1);
    write_data(folder_ / "eval.npz", 200, 2);
    put("quick.toml", "[[step]]\npass = \"simplify\"\n[[step]]\npass = \"quantize\"\n");
    put("slow.toml", "[[step]]\npass = \"distill\"\nepochs = 800\nlr = 0.01\nteacher = \"a.onnx\"\n");
  }
  void put(const std::string& name, const std::string& text) { ASSERT_TRUE(write_file(folder_ / name, text).ok()); }
  bool has(const std::string& name) const { return fs::exists(folder_ / name); }
  Json json_file(const std::string& name) const {
    const auto text = read_file(folder_ / name);
    return text ? Json::parse(*text, nullptr, false) : Json();
  }
  /// Three models of which the second takes a while.
  void put_slow_manifest() {
    put("slow-zoo.toml", std::string(kQuick) +
                             "[[model]]\npath = \"a.onnx\"\n"
                             "[[model]]\npath = \"s.onnx\"\nrecipe = \"slow.toml\"\ntrain = \"calib.npz\"\n"
                             "[[model]]\npath = \"b.onnx\"\n");
  }
  /// True while the slow model of put_slow_manifest() is at work and the first one is finished.
  bool is_in_the_middle(const std::string& results, int pid) const {
    return has(results + "/a/job.json") && has(results + "/.s.part/recipe.toml") && !children_of(pid).empty();
  }
  /// Every file of a results folder, without times. The page and the table hold times in their text: only that they are
  /// there is compared.
  std::map<std::string, std::string> contents(const std::string& results) const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / results)) {
      if (!entry.is_regular_file()) continue;
      const std::string name = fs::relative(entry.path(), folder_ / results).string();
      const std::string text = read_file(entry.path().string()).value();
      files[name] = name.ends_with(".json")                             ? timeless(Json::parse(text)).dump()
                    : name.ends_with(".html") || name.ends_with(".csv") ? ""
                                                                        : text;
    }
    return files;
  }
};

TEST_F(CliZoo, GivesATableOfAllModels) {
  put("zoo.toml",
      std::string(kQuick) +
          "[[model]]\nglob = \"[ab].onnx\"\n"
          "[[model]]\npath = \"a.onnx\"\nname = \"{stem}-int4\"\nset = { step.quantize.weights = \"int4\" }\n");
  const Json json = json_of({"zoo", "zoo.toml", "-o", "r", "--jobs", "2", "--threads", "1"});
  EXPECT_EQ(json["schema"], "edgesmith.zoo/1");
  EXPECT_EQ(json["counts"]["done"], 3);
  ASSERT_EQ(json["models"].size(), 3u);
  EXPECT_EQ(json["models"][0]["name"], "a");
  EXPECT_EQ(json["models"][1]["name"], "b");
  const Json& row = json["models"][2];
  EXPECT_EQ(row["name"], "a-int4");
  EXPECT_EQ(row["baseline"]["value"], 100.0);
  EXPECT_GT(row["output"]["metric"]["value"].get<double>(), 90);
  EXPECT_NE(read_file(folder_ / "r/a-int4/recipe.toml")->find("weights = \"int4\""), std::string::npos);
  EXPECT_EQ(json, json_file("r/summary.json"));
  EXPECT_TRUE(has("r/a/a-edge.onnx"));
  EXPECT_TRUE(has("r/a/report.html"));
  EXPECT_TRUE(read_file(folder_ / "r/summary.csv")->starts_with("name,model,status,exit_code,metric,before,after"));
  const std::string page = *read_file(folder_ / "r/index.html");
  EXPECT_NE(page.find("<a href=\"a-int4/report.html\">"), std::string::npos);
  EXPECT_NE(page.find("accuracy against size of all models"), std::string::npos);
  for (const auto& entry : fs::directory_iterator(folder_ / "r")) {
    EXPECT_NE(entry.path().filename().string().front(), '.') << entry.path();
  }
}

TEST_F(CliZoo, WritesBesideTheManifestByDefault) {
  put("zoo.toml", std::string(kQuick) + "[[model]]\npath = \"a.onnx\"\n");
  const ToolResult result = run({"zoo", "zoo.toml"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("[1/1] a: done  top1 100.00 %"), std::string::npos) << result.err;
  EXPECT_NE(result.out.find("a      done    top1    100.00 %"), std::string::npos) << result.out;
  EXPECT_TRUE(has("zoo-results/summary.json"));
}

TEST_F(CliZoo, ThatTheGateSaidNoIsExitCodeOneWithTheList) {
  put("zoo.toml", std::string(kQuick) +
                      "[[model]]\npath = [\"a.onnx\", \"none.onnx\"]\n"
                      "[[model]]\npath = \"b.onnx\"\nset = { gate.max_bytes = 10 }\n");
  const ToolResult result = run({"zoo", "zoo.toml", "-o", "r", "-v"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.out.find("1 refused by the gate:\n  b: "), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("1 not done:\n  none: " + (folder_ / "none.onnx") + ": cannot open"), std::string::npos)
      << result.out;
  const Json json = json_file("r/summary.json");
  EXPECT_EQ(json["exit_code"], 1);
  EXPECT_EQ(json["gate_failed"], Json::array({"b"}));
  EXPECT_EQ(json["failed"], Json::array({"none"}));
  EXPECT_EQ(json["models"][1]["error"]["kind"], "io");
  EXPECT_EQ(json["models"][1]["exit_code"], 5);
}

TEST_F(CliZoo, QuietlySaysWhatWentWrong) {
  put("bad.onnx", "no model");
  put("zoo.toml", std::string(kQuick) + "[[model]]\npath = [\"a.onnx\", \"bad.onnx\"]\n");
  const ToolResult result = run({"zoo", "zoo.toml", "-o", "r", "-q"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.out, "");
  EXPECT_NE(result.err.find("edgesmith: error: bad: "), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find("error: a: "), std::string::npos) << result.err;
  EXPECT_NE(run({"zoo", "collect", "r", "-q"}).err.find("edgesmith: error: bad: "), std::string::npos);
  put("strict.toml", std::string(kQuick) + "set = { gate.max_bytes = 10 }\n[[model]]\npath = \"a.onnx\"\n");
  const ToolResult refused = run({"zoo", "strict.toml", "-o", "s", "-q"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("edgesmith: warning: a: "), std::string::npos) << refused.err;
}

TEST_F(CliZoo, RefusesAModelThatIsSet) {
  put("zoo.toml", std::string(kQuick) + "set = { model = \"b.onnx\" }\n[[model]]\npath = \"a.onnx\"\n");
  const ToolResult result = run({"zoo", "zoo.toml", "-o", "r", "-q"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("set model=\"b.onnx\": the model is "), std::string::npos) << result.err;
}

TEST_F(CliZoo, AFailingModelCostsItsRowOnly) {
  put("broken.onnx", "no model");
  put("zoo.toml", std::string(kQuick) + "[[model]]\npath = [\"broken.onnx\", \"none.onnx\", \"a.onnx\"]\n");
  const ToolResult result = run({"zoo", "zoo.toml", "-o", "r", "--json"});
  EXPECT_EQ(result.exit_code, 3) << "that of the first row that failed";
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["models"][0]["error"]["kind"], "invalid");
  EXPECT_EQ(json["models"][1]["status"], "failed");
  EXPECT_EQ(json["models"][2]["status"], "done");
  EXPECT_FALSE(has("r/broken/broken-edge.onnx"));
}

TEST_F(CliZoo, AKilledProcessCostsItsRowOnlyAndIsDoneAgain) {
  put_slow_manifest();
  for (const auto& [signal, code] : {std::pair{SIGKILL, 5}, std::pair{SIGTERM, 5}, std::pair{SIGSEGV, 70}}) {
    const std::string results = "r" + std::to_string(signal);
    bool killed = false;
    const ToolResult result =
        run({"zoo", "slow-zoo.toml", "-o", results, "-q"}, {.while_running = [&, signal = signal](int pid) {
              if (!wait_for([&] { return is_in_the_middle(results, pid); })) return;
              for (const int child : children_of(pid)) killed = kill(child, signal) == 0;
            }});
    ASSERT_TRUE(killed);
    EXPECT_EQ(result.exit_code, code) << result.err;
    const Json json = json_file(results + "/summary.json");
    EXPECT_EQ(json["models"][0]["status"], "done");
    EXPECT_EQ(json["models"][1]["status"], "killed");
    EXPECT_EQ(json["models"][1]["error"]["kind"], signal == SIGSEGV ? "internal" : "io");
    EXPECT_EQ(json["models"][2]["status"], "done");
  }
  const ToolResult again = run({"zoo", "slow-zoo.toml", "-o", "r9", "--resume"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_NE(again.err.find("2 of 3 models were finished already"), std::string::npos) << again.err;
}

TEST_F(CliZoo, AModelWithoutMemoryCostsItsRowOnly) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer itself takes more";
#endif
  write_model(R"(graph @wide(%x: f32[N,3]) -> (logits: f32[N,3]) {
  %w1 = constant random(seed=1) : f32[3,400000]
  %w2 = constant random(seed=2) : f32[400000,3]
  %h = mat_mul %x, %w1 : f32[N,400000]
  %y = mat_mul %h, %w2 : f32[N,3]
  return %y
}
)",
              folder_ / "wide.onnx");
  put("zoo.toml", std::string(kQuick) + "[[model]]\npath = [\"wide.onnx\", \"a.onnx\"]\n");
  const ToolResult result =
      run({"zoo", "zoo.toml", "-o", "r", "--memory-limit", "10MB", "--jobs", "2", "--threads", "1"});
  EXPECT_EQ(result.exit_code, 5) << result.out << result.err;
  const Json json = json_file("r/summary.json");
  EXPECT_EQ(json["models"][0]["error"]["message"], "out of memory") << result.out;
  EXPECT_EQ(json["models"][1]["status"], "done") << result.out;
  EXPECT_NE(result.out.find("its part of --memory-limit is 5"), std::string::npos) << result.out;
}

TEST_F(CliZoo, RefusesAMemoryLimitThatNoProcessStartsWith) {
  put("zoo.toml", std::string(kQuick) + "[[model]]\npath = \"a.onnx\"\n");
  expect_error(
      {"zoo", "zoo.toml", "-o", "r", "--memory-limit", "1kB", "--threads", "1", "-q"}, 5,
      "--memory-limit: the part of each process is 1.00 kB, starting it on 1 thread takes 4.00 MB; raise it, or "
      "use fewer --jobs or --threads");
  EXPECT_FALSE(has("r"));
}

TEST_F(CliZoo, GoesOnAfterItsParentWasKilled) {
  put_slow_manifest();
  ASSERT_EQ(run({"zoo", "slow-zoo.toml", "-o", "undisturbed", "-q"}).exit_code, 0);
  std::vector<int> children;
  const ToolResult killed = run({"zoo", "slow-zoo.toml", "-o", "r", "-q"}, {.while_running = [&](int pid) {
                                  if (!wait_for([&] { return is_in_the_middle("r", pid); })) return;
                                  children = children_of(pid);
                                  kill(pid, SIGKILL);
                                }});
  EXPECT_EQ(killed.exit_code, 128 + SIGKILL);
  ASSERT_EQ(children.size(), 1u);
  EXPECT_TRUE(wait_for([&] { return !is_alive(std::to_string(children[0])); })) << "works on for nobody";
  EXPECT_FALSE(has("r/s")) << "nothing that looks finished and is not";
  const auto first = fs::last_write_time(folder_ / "r/a/job.json");

  const ToolResult resumed = run({"zoo", "slow-zoo.toml", "-o", "r", "--resume"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("1 of 3 models were finished already"), std::string::npos) << resumed.err;
  EXPECT_EQ(fs::last_write_time(folder_ / "r/a/job.json"), first) << "done again";
  EXPECT_EQ(contents("r"), contents("undisturbed"));
}

TEST_F(CliZoo, StopsAtOnceWhenInterrupted) {
  put_slow_manifest();
  const ToolResult result = run({"zoo", "slow-zoo.toml", "-o", "r", "-q"}, {.while_running = [&](int pid) {
                                  wait_for([&] { return is_in_the_middle("r", pid); });
                                  kill(pid, SIGINT);
                                }});
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_EQ(result.err, "edgesmith: error: interrupted: 1 of 3 models are finished; go on with --resume\n");
  EXPECT_FALSE(has("r/.s.part")) << "half written";
  EXPECT_FALSE(has("r/summary.json"));
  EXPECT_EQ(run({"zoo", "slow-zoo.toml", "-o", "r", "--resume", "-q"}).exit_code, 0);
  EXPECT_TRUE(has("r/summary.json"));
}

TEST_F(CliZoo, FinishesNothingWhenASchedulerSignalsItsProcessesFirst) {
  put_slow_manifest();
  const ToolResult result = run({"zoo", "slow-zoo.toml", "-o", "r", "-q"}, {.while_running = [&](int pid) {
                                  wait_for([&] { return is_in_the_middle("r", pid); });
                                  const std::vector<int> children = children_of(pid);
                                  for (const int child : children) kill(child, SIGTERM);
                                  for (const int child : children) {
                                    wait_for([&] { return !is_alive(std::to_string(child)); });
                                  }
                                  kill(pid, SIGTERM);
                                }});
  EXPECT_EQ(result.exit_code, 143);
  EXPECT_EQ(result.err, "edgesmith: error: interrupted: 1 of 3 models are finished; go on with --resume\n");
  EXPECT_FALSE(has("r/s")) << "looks finished";
  EXPECT_FALSE(has("r/.s.part")) << "half written";
}

TEST_F(CliZoo, DoesAgainWhatHasChanged) {
  put("zoo.toml", std::string(kQuick) + "[[model]]\npath = [\"a.onnx\", \"b.onnx\"]\n");
  ASSERT_EQ(run({"zoo", "zoo.toml", "-o", "r", "-q"}).exit_code, 0);
  const auto kept = [&](const std::vector<std::string>& more) {
    std::vector<std::string> args = {"zoo", "zoo.toml", "-o", "r", "--resume"};
    args.insert(args.end(), more.begin(), more.end());
    const ToolResult result = run(args);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return std::atoi(result.err.c_str());  // "  2 of 2 models were finished already"
  };
  EXPECT_EQ(kept({}), 2);
  write_model(kStudent, folder_ / "b.onnx");
  EXPECT_EQ(kept({}), 1) << "another model";
  EXPECT_EQ(kept({}), 2);
  write_data(folder_ / "eval.npz", 100, 3);
  EXPECT_EQ(kept({}), 0) << "other data";
  EXPECT_EQ(kept({"--set", "step.quantize.weights=int4"}), 0) << "another recipe";
  EXPECT_EQ(kept({}), 0);
  fs::remove(folder_ / "r/a/a-edge.onnx");
  EXPECT_EQ(kept({}), 1) << "a result that is gone";
}

TEST_F(CliZoo, DoesSomeModelsOnlyAndCollects) {
  put("zoo.toml", std::string(kQuick) + "[[model]]\npath = [\"a.onnx\", \"b.onnx\"]\n");
  const Json one = json_of({"zoo", "zoo.toml", "-o", "r", "--resume", "--only", "b*"});
  ASSERT_EQ(one["models"].size(), 1u);
  EXPECT_EQ(one["models"][0]["name"], "b");
  EXPECT_FALSE(has("r/summary.json")) << "not a summary of all";
  const ToolResult part = run({"zoo", "collect", "r"});
  EXPECT_EQ(part.exit_code, 5);
  EXPECT_NE(part.out.find("  a: not run, or not to its end"), std::string::npos) << part.out;
  json_of({"zoo", "zoo.toml", "-o", "r", "--resume", "--only", "a"});
  EXPECT_EQ(json_of({"zoo", "collect", "r"})["counts"]["done"], 2);
  EXPECT_EQ(run({"zoo", "zoo.toml", "-o", "r", "--resume", "--only", "c"}).exit_code, 2);
}

TEST_F(CliZoo, TwoRunsShareAFolder) {
  put_slow_manifest();
  std::string other;
  const ToolResult first = run({"zoo", "slow-zoo.toml", "-o", "r", "-q"}, {.while_running = [&](int pid) {
                                 wait_for([&] { return is_in_the_middle("r", pid); });
                                 const ToolResult second = run({"zoo", "slow-zoo.toml", "-o", "r", "--resume"});
                                 EXPECT_EQ(second.exit_code, 0) << second.err;
                                 other = second.err;
                               }});
  EXPECT_EQ(first.exit_code, 0);
  EXPECT_NE(other.find("waiting: another process works on s"), std::string::npos) << other;
  EXPECT_EQ(json_file("r/summary.json")["counts"]["done"], 3);
}

TEST_F(CliZoo, TellsProgramsWhatHappens) {
  put("zoo.toml", std::string(kQuick) + "[[model]]\npath = \"a.onnx\"\n");
  ASSERT_EQ(run({"zoo", "zoo.toml", "-o", "r", "-q", "--events", "e.jsonl"}).exit_code, 0);
  std::vector<std::string> events;
  const std::string text = *read_file(folder_ / "e.jsonl");
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    events.push_back(Json::parse(text.substr(at, text.find('\n', at) - at))["event"]);
  }
  EXPECT_EQ(events, (std::vector<std::string>{"begin", "start", "finish", "end"}));
}

TEST_F(CliZoo, RefusesWhatIsWrongBeforeAnyWork) {
  const std::string model = "[[model]]\npath = \"a.onnx\"\n";
  const auto expect_refusal = [&](const std::string& manifest, const std::string& line) {
    put("zoo.toml", manifest);
    expect_error({"zoo", "zoo.toml", "-o", "r", "-q"}, 2, line);
    EXPECT_FALSE(has("r")) << manifest;
  };
  expect_refusal("", "zoo.toml: no models; add a [[model]] with path = \"...\" or glob = \"...\"");
  expect_refusal("recipe = \"quick.toml\"\n" + model + "eva = \"eval.npz\"\n",
                 "zoo.toml: line 4: unknown key 'eva' in [[model]]; did you mean 'eval'?");
  expect_refusal("recipe = \"quick.toml\"\n[[model]]\npaht = \"a.onnx\"\n",
                 "zoo.toml: line 3: unknown key 'paht' in [[model]]; did you mean 'path'?");
  expect_refusal(
      "recipe = \"quick.toml\"\n" + model + "[model.eval]\npath = \"eval.npz\"\n[model.eval.preprocess]\nscal = 2\n",
      "zoo.toml: line 7: eval.preprocess: unknown key 'scal'; did you mean 'scale'?");
  expect_refusal("recipe = \"quick.toml\"\nset = { gate.max_dorp = 1 }\n" + model,
                 "zoo.toml: line 3: " + (folder_ / "quick.toml") +
                     ", with what is set: unknown key 'max_dorp' in [gate]; did you mean 'max_drop'?");
  expect_refusal("recipes = \"quick.toml\"\n" + model,
                 "zoo.toml: line 1: unknown key 'recipes' in the manifest; did you mean 'recipe'?");
  expect_refusal("recipe = \"quick.toml\"\n" + model + model,
                 "zoo.toml: line 4: two models would be written to 'a': " + (folder_ / "a.onnx") + " and " +
                     (folder_ / "a.onnx") + "; give one of them a name, such as name = \"{stem}-2\"");
  expect_refusal("recipe = \"quick.toml\"\n[[model]]\nglob = \"*.tflite\"\n",
                 "zoo.toml: line 3: glob '*.tflite' matches no file; paths are relative to the manifest's folder");
  expect_refusal("recipe = \"quick.toml\"\n[[model]]\nglob = \"*.onnx\"\nexcept = \"resnet*\"\n",
                 "zoo.toml: line 4: 'resnet*' matches none of the models; patterns are of file names");
  expect_refusal(model, "zoo.toml: line 1: no recipe for " + (folder_ / "a.onnx") +
                            "; add recipe = \"int8.toml\" to the model or to the manifest");
  expect_refusal("recipe = \"quick.toml\"\n" + model + "name = \"../a\"\n",
                 "zoo.toml: line 2: '../a' cannot be the name of a folder in the results; give the model another name "
                 "= \"...\"");
  expect_refusal(
      "recipe = \"quick.toml\"\n" + model + "set = { step.prune.sparsity = 0.5 }\n",
      "zoo.toml: line 2: --set step.prune.sparsity=0.5: the recipe has no step 'prune'; its steps: simplify, "
      "quantize");
  expect_refusal("recipe = \"quick.toml\"\n" + model + "eval = { pth = \"eval.npz\" }\n",
                 "zoo.toml: line 4: eval: unknown key 'pth'; did you mean 'path'?");
}

TEST_F(CliZoo, TakesPathsThatAreSetFromTheManifestOrTheCommandLine) {
  fs::create_directories(folder_ / "recipes");
  fs::rename(folder_ / "quick.toml", folder_ / "recipes/quick.toml");
  put("zoo.toml",
      "recipe = \"recipes/quick.toml\"\nset = { data.calib = \"calib.npz\", data.eval = \"none.npz\" }\n"
      "[[model]]\npath = \"a.onnx\"\n");
  EXPECT_EQ(run({"zoo", "zoo.toml", "-o", "results", "-q", "--set", "data.eval=eval.npz"}).exit_code, 0);
  const std::string recipe = *read_file(folder_ / "results/a/recipe.toml");
  EXPECT_NE(recipe.find("\"" + (folder_ / "calib.npz") + "\""), std::string::npos) << recipe;
  EXPECT_NE(recipe.find("\"" + (folder_ / "eval.npz") + "\""), std::string::npos) << recipe;
}

TEST_F(CliZoo, RefusesFoldersThatAreNotItsOwn) {
  put("zoo.toml", std::string(kQuick) + "[[model]]\npath = \"a.onnx\"\n");
  put("other.toml", std::string(kQuick) + "[[model]]\npath = \"b.onnx\"\n");
  fs::create_directory(folder_ / "full");
  put("full/precious.txt", "mine");
  expect_error({"zoo", "zoo.toml", "-o", "full", "--resume"}, 2,
               "full: is not empty, and holds no results of a zoo run; name another folder");
  expect_error({"zoo", "zoo.toml", "-o", "a.onnx"}, 2, "a.onnx: is a file, not a folder; name another folder with -o");
  ASSERT_EQ(run({"zoo", "zoo.toml", "-o", "r", "-q"}).exit_code, 0);
  expect_error({"zoo", "zoo.toml", "-o", "r"}, 2,
               "r: holds results already; go on with --resume, or do all of it again with --force");
  expect_error({"zoo", "other.toml", "-o", "r", "--resume"}, 2,
               "r: holds the results of another manifest, " + (folder_ / "zoo.toml") +
                   "; name another folder with -o, or take this one over with --force");
  EXPECT_EQ(run({"zoo", "other.toml", "-o", "r", "--force", "-q"}).exit_code, 0);
  EXPECT_EQ(json_file("r/summary.json")["models"][0]["name"], "b");
  expect_error({"zoo", "collect", "r", "--jobs", "2"}, 2,
               "zoo collect takes a folder and no options of a run; it reads what is there, and runs nothing");
  expect_error({"zoo", "plan", "zoo.toml", "--resume"}, 2,
               "zoo plan takes no --resume, --force or --only; it writes commands, and runs nothing");
  expect_error(
      {"zoo", "zoo.toml", "more.toml"}, 2,
      "zoo: unexpected argument 'more.toml'; write zoo MANIFEST.toml, zoo plan MANIFEST.toml or zoo collect DIR");
  EXPECT_EQ(run({"zoo", "zoo.toml", "--jobs", "0"}).exit_code, 2);
  expect_error({"zoo", "collect", "none"}, 5, "none: no such folder; name the results folder of a zoo run");
}

TEST_F(CliZoo, PlansTheSameWorkForOthers) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the plan limits memory, and the sanitizer itself takes more";
#endif
  put("it's $HOME.toml", std::string(kQuick) + "[[model]]\npath = [\"a.onnx\", \"b.onnx\"]\n");
  const auto plan = [&](const std::string& format) {
    const ToolResult result = run({"zoo", "plan", "it's $HOME.toml", "-o", "r-" + format, "--format", format, "--jobs",
                                   "2", "--memory-limit", "2GiB", "--threads", "1"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  };
  const Json json = Json::parse(plan("json"));
  EXPECT_EQ(json["schema"], "edgesmith.zoo-plan/1");
  ASSERT_EQ(json["jobs"].size(), 2u);
  std::vector<std::string> command = json["jobs"][1]["command"];
  EXPECT_EQ(command.back(), "--only=b");
  EXPECT_EQ(run({command.begin() + 1, command.end()}).exit_code, 0);
  EXPECT_TRUE(has("r-json/b/b-edge.onnx"));

  put("Makefile", plan("make"));
  EXPECT_EQ(std::system(("make -s -j2 -f '" + (folder_ / "Makefile") + "' >/dev/null 2>&1").c_str()), 0);
  EXPECT_EQ(json_file("r-make/summary.json")["counts"]["done"], 2);

  const std::string script = plan("slurm");
  EXPECT_NE(script.find("\n#SBATCH --array=0-1%2\n"), std::string::npos) << script;
  EXPECT_NE(script.find("\n#SBATCH --mem=1024M\n"), std::string::npos) << script;
  put("script.sh", script);
  for (const char* task : {"0", "1"}) {
    EXPECT_EQ(
        std::system(("SLURM_ARRAY_TASK_ID=" + std::string(task) + " sh '" + (folder_ / "script.sh") + "'").c_str()), 0);
  }
  EXPECT_EQ(json_of({"zoo", "collect", "r-slurm"})["counts"]["done"], 2);
}

TEST_F(CliZoo, ReportDiffComparesTwoRuns) {
  const std::string models = "[[model]]\npath = [\"a.onnx\", \"b.onnx\"]\n";
  put("old.toml", std::string(kQuick) + models);
  put("new.toml", std::string(kQuick) + "set = { step.quantize.weights = \"int4\" }\n" + models);
  ASSERT_EQ(run({"zoo", "old.toml", "-o", "old", "-q"}).exit_code, 0);
  ASSERT_EQ(run({"zoo", "new.toml", "-o", "new", "-q"}).exit_code, 0);
  const Json equal = json_of({"report", "diff", "old", "old/summary.json", "--max-drop", "0", "--max-growth", "0"});
  EXPECT_EQ(equal["schema"], "edgesmith.zoo-diff/1");
  EXPECT_EQ(equal["regressions"], 0);
  const ToolResult worse =
      run({"report", "diff", "old", "new", "--max-growth", "-90", "--junit", "diff.xml", "--markdown"});
  EXPECT_EQ(worse.exit_code, 1);
  EXPECT_NE(worse.out.find("2 of 2 models beyond the limits"), std::string::npos) << worse.out;
  EXPECT_NE(read_file(folder_ / "diff.xml")->find("classname=\"a\" name=\"bytes\""), std::string::npos);
  const ToolResult piped = run({"report", "diff", "old", "new", "--junit", "-"});
  EXPECT_TRUE(piped.out.starts_with("<?xml")) << piped.out;
  EXPECT_TRUE(piped.out.ends_with("</testsuites>\n")) << piped.out;
  EXPECT_NE(piped.err.find("2 models"), std::string::npos) << piped.err;
  fs::remove(folder_ / "new/summary.json");
  expect_error({"report", "diff", "old", "new"}, 3, "new: has no summary.json; write it with zoo collect new");
  expect_error({"report", "diff", "old", "old/a/report.json"}, 3,
               "old/a/report.json: is no summary of a zoo run; compare a zoo run with a zoo run");
}

}  // namespace
}  // namespace edgesmith::testing
