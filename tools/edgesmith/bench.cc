// SPDX-License-Identifier: Apache-2.0
// `edgesmith bench MODEL`: how fast a model is on this machine; `bench A B`: how much faster than another one.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "bench_output.h"
#include "cli.h"
#include "data_flags.h"
#include "edgesmith/base/cpu.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/data/preprocess.h"
#include "edgesmith/data/run_model.h"
#include "edgesmith/data/seeded_inputs.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/refine/bench.h"
#include "edgesmith/refine/camera.h"
#include "edgesmith/refine/device_costs.h"
#include "edgesmith/refine/output_name.h"
#include "edgesmith/refine/runner.h"
#include "edgesmith/refine/select.h"
#include "executor_flags.h"

namespace edgesmith::cli {
namespace {

// Samples of --data without --data-limit: enough that no branch predictor learns them, few enough to keep in memory.
constexpr int64_t kSamples = 32;
// A camera without --fps and --runs: a common one, for ten seconds.
constexpr double kFps = 30, kCameraSeconds = 10;

constexpr int64_t kMostRuns = 10'000'000;  // every time is kept

struct BenchFlags {
  std::string model, other, batches, save_input, plan, emit_costs;
  std::vector<std::string> dims;
  int64_t runs = 0, warmup = -1;
  int parallel = 1;
  DataFlags data;
  ExecutorFlags executor;
  bool per_node = false, force = false;
  bool pipeline = false;
  double fps = 0;
};

using Inputs = std::vector<std::vector<ir::Tensor>>;

/// The sizes of "1,8,32"; {0} (the model's own) for "". Errors: usage.
Result<std::vector<int64_t>> parse_batches(const std::string& text) {
  constexpr int64_t kMost = 1 << 20;
  if (text.empty()) return std::vector<int64_t>{0};
  std::vector<int64_t> batches;
  for (const char *at = text.data(), *end = at + text.size(); at <= end;) {
    int64_t batch = 0;
    const auto [next, code] = std::from_chars(at, end, batch);
    if (code != std::errc() || batch < 1 || batch > kMost || (next != end && *next != ',')) {
      return usage_error("--batch: '" + text + "' is no list of sizes from 1 to " + std::to_string(kMost),
                         "write 8, or 1,8,32");
    }
    batches.push_back(batch);
    at = next + 1;
  }
  return batches;
}

/// All samples of `data`, `batch` at a time.
Result<Inputs> batches_of(const data::Dataset& data, const ir::Graph& graph, int64_t batch, const std::string& path) {
  Inputs inputs;
  if (!data.whole_run() && data.size() % batch != 0) {
    return usage_error(path + ": " + std::to_string(data.size()) + " samples are no whole number of batches of " +
                           std::to_string(batch),
                       "give --data-limit a multiple of the batch");
  }
  std::vector<data::Sample> samples;
  for (int64_t i = 0; i < data.size(); ++i) {
    auto sample = data.sample(i);
    if (!sample) return sample.error();
    if (data.whole_run()) {
      inputs.push_back(std::move(sample->inputs));
      continue;
    }
    samples.push_back(std::move(*sample));
    if (!data::can_stack(samples.front(), samples.back(), graph)) {
      return usage_error(data.sample_name(i) + ": its shape is not that of the samples before it in the batch",
                         "use --batch 1");
    }
    if (static_cast<int64_t>(samples.size()) < batch) continue;
    auto stacked = data::stack_inputs(samples, graph);
    if (!stacked) return stacked.error();
    inputs.push_back(std::move(*stacked));
    samples.clear();
  }
  return inputs;
}

/// Times everything for one command line.
class BenchRun {
 public:
  BenchRun(const BenchFlags& flags, const Common& common) : flags_(flags), common_(common) {}

  Result<int> run() {
    const auto batches = parse_batches(flags_.batches);
    if (!batches) return batches.error();
    EDGESMITH_TRY(check_flags(batches->size()));
    EDGESMITH_TRY(import_models());
    if (!flags_.emit_costs.empty()) EDGESMITH_TRY(refine::check_cost_models(graphs_[0], graphs_[1]));
    auto progress = make_progress(common_);
    if (!progress) return progress.error();
    options_.progress = progress->get();
    options_.threads = std::max(1, common_.threads);
    options_.parallel = flags_.parallel;
    options_.per_node = flags_.per_node || !flags_.emit_costs.empty();
    const auto executor = flags_.executor.options(common_, options_.parallel);
    if (!executor) return executor.error();
    options_.executor = *executor;
    EDGESMITH_TRY(apply_plan());
    const size_t cores = allowed_cores().size();
    const auto threads = static_cast<size_t>(options_.threads) * static_cast<size_t>(options_.parallel);
    if (cores > 0 && threads > cores) {
      log::warning(std::to_string(threads) + " threads share " + std::to_string(cores) +
                   (cores == 1 ? " core" : " cores") + ", so none is pinned and latencies hold waiting");
    }
    EDGESMITH_TRY(open_data());
    if (flags_.pipeline) return run_camera();
    for (const int64_t batch : *batches) EDGESMITH_TRY(time_batch(batch));
    return finish();
  }

 private:
  Status check_pipeline() const {
    if (!flags_.pipeline) {
      return flags_.fps > 0 ? usage_error("--fps is the rate of a camera", "add --pipeline") : Status();
    }
    if (flags_.data.data.path.empty()) return usage_error("bench --pipeline: no data given", "add --data D");
    const bool other = !flags_.other.empty() || !flags_.batches.empty() || flags_.per_node || flags_.warmup >= 0 ||
                       common_.threads > 0 || flags_.parallel > 1;
    if (other) {
      return usage_error("bench --pipeline: one model, one frame at a time, on two threads",
                         "leave out OTHER, --batch, --per-node, --warmup, --threads and --parallel");
    }
    return {};
  }

  Status check_plan_flags() const {
    const bool other = !flags_.other.empty() || flags_.pipeline || !flags_.batches.empty() || flags_.executor.reference;
    if (flags_.plan.empty() || !other) return {};
    return usage_error("bench --plan: one model, one sample at a time, by the kernels of its plan",
                       "leave out OTHER, --batch, --pipeline and --reference");
  }

  Status check_costs_flags() const {
    if (flags_.emit_costs.empty()) return {};
    if (flags_.other.empty() || flags_.pipeline || !flags_.batches.empty() || common_.threads > 1) {
      return usage_error("bench --emit-costs: a float model and its quantized form, one sample on one thread",
                         "give both files, and leave out --batch, --pipeline and --threads");
    }
    EDGESMITH_TRY(refine::check_ending(flags_.emit_costs, "JSON", ".json"));
    return refine::check_output(flags_.emit_costs, std::vector{flags_.model, flags_.other}, flags_.force);
  }

  // The kernels, the arithmetic and whether sums may be reassociated are the plan's.
  Status apply_plan() {
    if (flags_.plan.empty()) return {};
    auto plan = refine::read_plan(flags_.plan);
    if (!plan) return plan.error();
    const auto file = MappedFile::open(flags_.model);
    if (!file) return file.error();
    const Status fits = refine::check_plan(*plan, sha256_hex((*file)->bytes()), graphs_[0]);
    if (!fits) return fits.error().in(flags_.plan);
    const auto isa = runtime::isa_name();
    if (isa && (plan->cpu != cpu_name() || plan->isa != *isa)) {
      log::warning(flags_.plan + ": made on " + plan->cpu + ", " + plan->isa + ", not on " + cpu_name() + ", " + *isa);
    }
    options_.executor = plan->executor(options_.executor);
    shown_.plan = BenchShown::PlanTime{flags_.plan, plan->predicted_us};
    return {};
  }

  Status check_flags(size_t batch_sizes) const {
    EDGESMITH_TRY(check_pipeline());
    EDGESMITH_TRY(check_plan_flags());
    EDGESMITH_TRY(check_costs_flags());
    if (flags_.runs > kMostRuns) {
      return usage_error("--runs: at most " + std::to_string(kMostRuns) + ", not " + std::to_string(flags_.runs));
    }
    if (!flags_.dims.empty() && !flags_.data.data.path.empty()) {
      return usage_error("--dim is for seeded inputs, not for --data");
    }
    if (!flags_.save_input.empty()) {
      if (!flags_.data.data.path.empty()) return usage_error("--save-input is for seeded inputs, not for --data");
      EDGESMITH_TRY(refine::check_ending(flags_.save_input, "an .npz file", ".npz"));
      for (const std::string& path : {flags_.save_input, data::description_of_inputs(flags_.save_input)}) {
        EDGESMITH_TRY(refine::check_output(path, std::vector{flags_.model}, flags_.force));
      }
    }
    if (!flags_.other.empty() && batch_sizes > 1) {
      return usage_error("bench: two models are compared at one batch size", "give --batch one number");
    }
    return {};
  }

  Status import_models() {
    shown_.paths = {flags_.model};
    if (!flags_.other.empty()) shown_.paths.push_back(flags_.other);
    graphs_.reserve(shown_.paths.size());
    for (const std::string& path : shown_.paths) {
      auto graph = onnx::import_file(path);
      if (!graph) return graph.error();
      graphs_.push_back(std::move(*graph));
    }
    for (ir::Graph& graph : graphs_) {
      shown_.graphs.push_back(&graph);
      // Preprocessing that only one of two models remembers holds for both.
      for (const ir::Graph& other : graphs_) {
        const std::string* key = other.find_metadata(data::kPreprocessKey);
        const bool missing = graph.find_metadata(data::kPreprocessKey) == nullptr;
        if (key != nullptr && missing) graph.set_metadata(data::kPreprocessKey, *key);
      }
    }
    return {};
  }

  Status open_data() {
    auto spec = make_spec(flags_.data.data, flags_.data, common_.color, common_.seed.value_or(0));
    if (!spec) return spec.error();
    if (!*spec) return {};
    if ((*spec)->limit == 0) (*spec)->limit = kSamples;
    shown_.data = (*spec)->path;
    for (size_t m = 0; m < graphs_.size(); ++m) {
      auto data = data::open_dataset(**spec, graphs_[m]);
      if (!data) return data.error();
      shown_.samples = (*data)->size();
      data_.push_back(std::move(*data));
    }
    return {};
  }

  Result<Inputs> inputs_of(size_t m, int64_t batch) {
    if (!data_.empty()) return batches_of(*data_[m], graphs_[m], batch, shown_.data);
    data::SeededOptions options{.batch = batch, .seed = common_.seed.value_or(0)};
    options.memory_limit = options_.executor.memory_limit;
    EDGESMITH_TRY(parse_dims(flags_.dims, options.free_dims));
    auto seeded = data::seeded_inputs(graphs_[m], options);
    if (!seeded) return seeded.error().in(shown_.paths[m]);
    const bool first = m == 0 && shown_.rounds.empty();
    if (first && !flags_.save_input.empty()) {
      EDGESMITH_TRY(data::save_inputs(flags_.save_input, graphs_[m], *seeded, replaced_if(flags_.force)));
    }
    return Inputs{std::move(*seeded)};
  }

  Status time_batch(int64_t wanted) {
    const int64_t declared = data::declared_batch(graphs_[0]);
    const int64_t batch = wanted > 0 ? wanted : std::max<int64_t>(1, declared);
    if (!data_.empty() && declared > 0 && declared != batch) {
      return usage_error(shown_.paths[0] + ": the model takes " + std::to_string(declared) +
                             " samples at a time, not " + std::to_string(batch),
                         "leave --batch out");
    }
    BenchShown::Round round;
    round.batch = batch;
    round.runs = flags_.runs > 0 ? flags_.runs : refine::default_runs(graphs_[0], batch);
    round.warmup = flags_.warmup >= 0 ? flags_.warmup : std::max<int64_t>(5, round.runs / 10);
    options_.runs = round.runs;
    options_.warmup = round.warmup;
    std::vector<refine::BenchModel> models;
    for (size_t m = 0; m < graphs_.size(); ++m) {
      auto inputs = inputs_of(m, data_.empty() ? wanted : batch);
      if (!inputs) return inputs.error();
      models.push_back({&graphs_[m], std::move(*inputs)});
    }
    auto report = refine::bench(models, options_);
    if (!report) return failure(report.error());
    if (!report->pinned && static_cast<size_t>(options_.threads * options_.parallel) <= allowed_cores().size()) {
      log::warning("the system does not let a thread be pinned to a core: times may jump");
    }
    round.report = std::move(*report);
    shown_.rounds.push_back(std::move(round));
    return {};
  }

  Result<int> run_camera() {
    refine::CameraOptions options;
    options.fps = flags_.fps > 0 ? flags_.fps : kFps;
    options.frames = flags_.runs > 0 ? flags_.runs : std::max<int64_t>(1, std::llround(options.fps * kCameraSeconds));
    options.executor = options_.executor;
    options.progress = options_.progress;
    const auto report = refine::bench_camera(graphs_[0], *data_[0], options);
    if (!report) return report.error().in(flags_.model);
    const CameraShown shown{flags_.model, &graphs_[0], shown_.data, shown_.samples, options, *report};
    print(common_.json ? camera_json(shown) : camera_text(shown, common_));
    return 0;
  }

  // An error of a run; made-up sizes of free dims may be what the model cannot take.
  Error failure(const Error& error) const {
    Error named = error.in(join_paths());
    if (data_.empty() && error.kind == ErrorKind::invalid) {
      named.hint = "free dims are 1 unless --dim NAME=N says otherwise; or give samples with --data";
    }
    return named;
  }

  std::string join_paths() const {
    return shown_.paths.size() == 1 ? shown_.paths[0] : shown_.paths[0] + " and " + shown_.paths[1];
  }

  Status write_costs() const {
    const auto& results = shown_.rounds.front().report.results;
    auto costs = refine::device_costs(graphs_[0], results[0], graphs_[1], results[1], options_.executor);
    if (!costs) return costs.error();
    costs->runtime = "edgesmith";
    costs->version = EDGESMITH_VERSION;
    costs->cpu = cpu_name();
    for (size_t m = 0; m < shown_.paths.size(); ++m) {
      const auto file = MappedFile::open(shown_.paths[m]);
      if (!file) return file.error();
      passes::MeasuredModel& model = m == 0 ? costs->float32 : costs->int8;
      model.path = shown_.paths[m];
      model.sha256 = sha256_hex((*file)->bytes());
    }
    return write_file(flags_.emit_costs, passes::costs_json(*costs) + "\n", replaced_if(flags_.force));
  }

  Result<int> finish() {
    if (!flags_.emit_costs.empty()) EDGESMITH_TRY(write_costs());
    shown_.per_node = flags_.per_node;
    shown_.threads = options_.threads;
    shown_.parallel = options_.parallel;
    if (graphs_.size() == 2) {
      const auto& results = shown_.rounds.front().report.results;
      shown_.ratio = refine::ratio_of_medians(results[0].nanoseconds, results[1].nanoseconds, common_.seed.value_or(0));
    }
    print(common_.json ? bench_json(shown_, common_) : bench_text(shown_, common_));
    return 0;
  }

  const BenchFlags& flags_;
  const Common& common_;
  std::vector<ir::Graph> graphs_;
  std::vector<std::unique_ptr<data::Dataset>> data_;  // one a model; empty: seeded inputs
  refine::BenchOptions options_;
  BenchShown shown_;
};

}  // namespace

void add_bench(Program& program) {
  auto flags = std::make_shared<BenchFlags>();
  Command* command =
      program.add_command("bench", "Measure how fast a model is on this machine, alone or beside another one",
                          [flags](const Common& common) { return BenchRun(*flags, common).run(); });
  command->add_option("model", flags->model, "the .onnx file")->required()->type_name("MODEL");
  command->add_option("other", flags->other, "another one, run in turns with the first")->type_name("OTHER");
  command->add_option("--runs", flags->runs, "timed runs (default: by the model's arithmetic, 50 to 5000)")
      ->positive()
      ->type_name("N");
  command->add_option("--warmup", flags->warmup, "runs before them (default: a tenth, at least 5)")
      ->non_negative()
      ->type_name("N");
  command->add_option("--batch", flags->batches, "samples in one run; several sizes are timed one after the other")
      ->type_name("N,...");
  add_dim_option(command, flags->dims);
  command->add_option("--parallel", flags->parallel, "runs at the same time: throughput (default 1)")
      ->between(1, 4096)
      ->type_name("N");
  command->add_flag("--per-node", flags->per_node, "also time every node, in runs of their own");
  command->add_option("--plan", flags->plan, "run by the kernels that 'select' chose, and compare with its prediction")
      ->type_name("plan.json");
  command->add_flag("--pipeline", flags->pipeline, "run as behind a camera: decode, resize, preprocess and model");
  command->add_option("--fps", flags->fps, "frames a second of that camera (default 30, for 10 s or --runs frames)")
      ->positive()
      ->type_name("X");
  add_data_option(command, "data", flags->data.data, "samples to run (default: seeded inputs, free dims 1)");
  add_preprocess_options(command, flags->data);
  command
      ->add_option("--save-input", flags->save_input,
                   "write the seeded inputs, with a .toml beside them that infer takes as --data")
      ->type_name("OUT.npz")
      ->group("Output");
  command
      ->add_option("--emit-costs", flags->emit_costs,
                   "MODEL float, OTHER its quantized form: write what their nodes cost here, for 'select --costs'")
      ->type_name("costs.json")
      ->group("Output");
  command->add_flag("--force", flags->force, "overwrite an existing file")->group("Output");
  add_work_options(command, program.common,
                   "cut each run over N threads, each on a core of its own; its bits stay (default 1)");
  flags->executor.reassociate = true;  // alike in infer and bench: their hashes are of the same bits
  add_executor_options(command, flags->executor, program.common);
}

}  // namespace edgesmith::cli
