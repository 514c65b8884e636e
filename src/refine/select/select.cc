// SPDX-License-Identifier: Apache-2.0
// Choosing kernels: time all that are legal, take the fastest for every node, then hold the whole against the default.
//
//   steps of the default plan ─▶ variants (the n-th legal kernel of every node) ─▶ times, or those of the cache
//     ─▶ the fastest kernel of each node ─▶ whole model, in turns with the default plan ─▶ the faster of the two
#include "edgesmith/refine/select.h"

#include <algorithm>

#include "edgesmith/base/cpu.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/base/text.h"
#include "edgesmith/ops/op_info.h"
#include "refine/select/time_kernels.h"

namespace edgesmith::refine {
namespace {

using runtime::KernelChoices;
using runtime::KernelOption;
using runtime::StepInfo;

// A kernel must be so much faster than one that stands before it in the registry: medians jitter by about as much.
constexpr double kTie = 0.02;
// A round is a few runs of every variant; medians of some dozens of times are steady enough to choose by.
constexpr int64_t kRunsARound = 20, kFewestRounds = 7, kMostRounds = 50;
constexpr const char* kReference = "reference";
// Constants of so many elements at most say how a node computes (axes, pads, bounds); larger ones are weights.
constexpr int64_t kFewElements = 64;

std::string text_of(const ir::Attribute& attribute) {
  const auto list = [](const auto& values, auto print) {
    std::string text;
    for (const auto& value : values) text += print(value) + ",";
    return text;
  };
  const auto number = [](auto value) { return shortest(static_cast<double>(value)); };
  if (const auto* value = std::get_if<int64_t>(&attribute)) return std::to_string(*value);
  if (const auto* value = std::get_if<float>(&attribute)) return shortest(*value);
  if (const auto* value = std::get_if<std::string>(&attribute)) return *value;
  if (const auto* value = std::get_if<ir::Ints>(&attribute)) return list(*value, number);
  if (const auto* value = std::get_if<ir::Floats>(&attribute)) return list(*value, number);
  if (const auto* value = std::get_if<ir::Strings>(&attribute)) return list(*value, [](auto& text) { return text; });
  return std::get<ir::Tensor>(attribute).type().text();
}

class Selection {
 public:
  Selection(const ir::Graph& graph, const std::vector<ir::Tensor>& inputs, TimingCache& cache,
            const SelectOptions& options)
      : graph_(graph), inputs_(inputs), cache_(cache), options_(options) {}

  Result<Plan> run() {
    const auto isa = runtime::isa_name();
    if (!isa) return isa.error();
    plan_.version = options_.version;
    plan_.cpu = cpu_name();
    plan_.isa = *isa;
    plan_.arithmetic = options_.executor.arithmetic;
    plan_.reassociate = options_.executor.reassociate;
    EDGESMITH_TRY(infer_dims());
    EDGESMITH_TRY(time_variants());
    EDGESMITH_TRY(add_nodes());
    EDGESMITH_TRY(verify());
    return std::move(plan_);
  }

 private:
  Status infer_dims() {
    std::vector<ir::Dims> dims;
    for (const ir::Tensor& input : inputs_) dims.push_back(input.dims());
    auto inferred = ops::infer_dims(graph_, dims);
    if (!inferred) return inferred.error();
    dims_ = std::move(*inferred);
    return {};
  }

  Result<std::vector<StepInfo>> steps_of(const KernelChoices& choices) const {
    runtime::ExecutorOptions options = options_.executor;
    options.choices = choices;
    const auto executor = runtime::Executor::create(graph_, options);
    if (!executor) return executor.error();
    return (*executor)->steps();
  }

  // Whether `option` is to be timed for `step`: it computes as the model says, on codes or on reals.
  static bool comparable(const StepInfo& step, const KernelOption& option) {
    return option.legal() && option.codes == step.options.front().codes;
  }

  // Whether the plan may choose it. The plain evaluation sums in another order than the kernels.
  bool eligible(const StepInfo& step, const KernelOption& option) const {
    if (!comparable(step, option)) return false;
    const bool first = option.name == step.options.front().name;
    return first || option.name != kReference || options_.executor.reassociate;
  }

  // The first variant chooses nothing, the n-th one the n-th kernel of every node that has so many.
  std::vector<KernelChoices> variants() const {
    std::vector<KernelChoices> out(1);
    for (const StepInfo& step : default_) {
      size_t index = 0;
      for (const KernelOption& option : step.options) {
        if (!comparable(step, option)) continue;
        if (index >= out.size()) out.resize(index + 1);
        if (index > 0) out[index][step.node->id()] = option.name;
        ++index;
      }
    }
    return out;
  }

  Status time_variants() {
    auto steps = steps_of({});
    if (!steps) return steps.error();
    default_ = std::move(*steps);
    std::map<StepKey, std::string> keys;
    const std::vector<KernelChoices> all = variants();
    bool known = true;
    for (const KernelChoices& choices : all) {
      const auto variant = steps_of(choices);
      if (!variant) return variant.error();
      for (const StepInfo& step : *variant) {
        const std::string& key = keys[key_of(step)] = cache_key(step);
        names_[{step.node->id(), step.kernel}] = key_of(step);
        const auto time = cache_.find(key);
        known = known && time.has_value();
        if (time) times_[key_of(step)] = *time;
      }
    }
    if (known) return {};
    SelectOptions options = options_;
    if (options.warm_rounds == 0) {
      options.warm_rounds = std::clamp<int64_t>(default_runs(graph_, 1) / kRunsARound, kFewestRounds, kMostRounds);
    }
    auto measured = time_steps(graph_, inputs_, all, options);
    if (!measured) return measured.error();
    for (const auto& [key, time] : *measured) {
      times_[key] = time;
      if (keys.contains(key)) cache_.put(keys[key], time);
    }
    return {};
  }

  std::string value_text(const ir::Value& value) const {
    const auto& dims = dims_[static_cast<size_t>(value.id())];
    std::string text = dims ? ir::type_of(value.type().dtype, *dims).text() : value.type().text();
    if (value.quant()) text += std::string(" q ") + std::string(ir::dtype_name(value.quant()->dtype));
    const ir::Tensor* constant = value.constant();
    if (constant == nullptr) return text;
    text += " constant";
    if (constant->size() > kFewElements || constant->encoding() != ir::Encoding::dense) return text;
    return text + " " + sha256_hex(constant->bytes());
  }

  std::string node_text(const ir::Node& node) const {
    std::string text = std::string(ir::onnx_name(node.op()));
    for (const auto& [name, value] : node.attributes()) text += " " + name + "=" + text_of(value);
    for (int i = 0; i < node.num_inputs(); ++i) {
      text += "\n  " + (node.input(i) == nullptr ? std::string("none") : value_text(*node.input(i)));
    }
    for (int i = 0; i < node.num_outputs(); ++i) text += "\n  makes " + value_text(node.output(i));
    return text;
  }

  // What the time of a step depends on.
  std::string cache_key(const StepInfo& step) const {
    std::string text = plan_.cpu + "\n" + plan_.version + "\n" + step.text + "\n" +
                       std::string(runtime::arithmetic_word(plan_.arithmetic)) + "\n" + node_text(*step.node);
    if (step.pad != nullptr) text += "\n" + node_text(*step.pad);
    if (step.add != nullptr) text += "\n" + node_text(*step.add);
    if (step.last != step.node && step.last != step.add) text += "\n" + node_text(*step.last);
    return sha256_hex(text);
  }

  KernelTime time_of(const StepInfo& step, const std::string& kernel) const {
    const auto key = names_.find({step.node->id(), kernel});
    if (key == names_.end()) return {};
    const auto time = times_.find(key->second);
    return time == times_.end() ? KernelTime{} : time->second;
  }

  TimedKernel timed(const StepInfo& step, const KernelOption& option) const {
    return {option.name, precision_of(step, option.codes), option.layout, time_of(step, option.name)};
  }

  static std::string precision_of(const StepInfo& step, bool codes) {
    if (codes) return "int8";
    if (step.last->num_outputs() == 0) return "";
    const ir::DType dtype = step.last->output().type().dtype;
    return dtype == ir::DType::f32 ? "float32" : std::string(ir::dtype_name(dtype));
  }

  // The fastest kernel; of those that are alike, the first one in the registry.
  const KernelOption& fastest(const StepInfo& step) const {
    const KernelOption* best = &step.options.front();
    for (const KernelOption& option : step.options) {
      if (!eligible(step, option)) continue;
      if (time_of(step, option.name).warm_us < (1 - kTie) * time_of(step, best->name).warm_us) best = &option;
    }
    return *best;
  }

  Status add_nodes() {
    choices_.clear();
    for (const StepInfo& step : default_) {
      if (step.options.empty()) continue;
      const KernelOption& best = plan_.default_was_faster ? step.options.front() : fastest(step);
      if (best.name != step.options.front().name) choices_[step.node->id()] = best.name;
    }
    const auto steps = steps_of(choices_);  // conversions depend on the choices
    if (!steps) return steps.error();
    plan_.nodes.clear();
    plan_.predicted_us = 0;
    for (const StepInfo& step : *steps) {
      plan_.nodes.push_back(planned(step));
      plan_.predicted_us += plan_.nodes.back().chosen.time.warm_us;
    }
    return {};
  }

  static std::string name_of(const ir::Node& node) {
    return !node.name().empty() || node.num_outputs() == 0 ? node.name() : node.output().name();
  }

  PlannedNode planned(const StepInfo& step) const {
    PlannedNode node;
    node.id = step.node->id();
    node.node = name_of(*step.node);
    node.op = std::string(ir::onnx_name(step.node->op()));
    if (step.pad != nullptr) node.fused.push_back(name_of(*step.pad));
    if (step.add != nullptr) node.fused.push_back(name_of(*step.add));
    if (step.last != step.node && step.last != step.add) node.fused.push_back(name_of(*step.last));
    node.fixed = step.options.empty();
    if (node.fixed) {
      node.chosen = {step.kernel, precision_of(step, false), "any", time_of(step, step.kernel)};
      return node;
    }
    for (const KernelOption& option : step.options) {
      if (option.name == step.kernel) {
        node.chosen = timed(step, option);
        continue;
      }
      node.why_not.emplace_back(option.name, reason(step, option));
      if (!comparable(step, option)) continue;
      const TimedKernel other = timed(step, option);
      if (!node.runner_up || other.time.warm_us < node.runner_up->time.warm_us) node.runner_up = other;
    }
    return node;
  }

  std::string reason(const StepInfo& step, const KernelOption& option) const {
    if (!option.legal()) return option.why_not;
    if (!comparable(step, option)) return "computes on reals where the model says codes";
    const std::string times = " (" + microseconds(time_of(step, option.name).warm_us) + " against " +
                              microseconds(time_of(step, step.kernel).warm_us) + ")";
    if (!eligible(step, option)) return "sums in another order, which was not allowed" + times;
    if (plan_.default_was_faster) return "the plan as a whole was not faster with other kernels" + times;
    return (time_of(step, option.name).warm_us < time_of(step, step.kernel).warm_us ? "not faster by more than noise"
                                                                                    : "slower") +
           times;
  }

  static std::string microseconds(double value) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.2f us", value);
    return buffer;
  }

  // Whole runs of the default plan and the chosen one in turns.
  Status verify() {
    BenchOptions options;
    options.executor = options_.executor;
    options.runs = options_.verify_runs > 0 ? options_.verify_runs : std::min<int64_t>(400, default_runs(graph_, 1));
    options.warmup = std::max<int64_t>(5, options.runs / 10);
    options.progress = options_.progress;
    std::vector<BenchModel> models = {{&graph_, {inputs_}}};
    if (!choices_.empty()) models.push_back({&graph_, {inputs_}, choices_});
    const auto report = bench(models, options);
    if (!report) return report.error();
    // On a busy machine every run that is longer than a slice of time is interrupted, and medians are those of waiting.
    plan_.default_us = report->results.front().latency.min;
    plan_.measured_us = report->results.back().latency.min;
    if (plan_.measured_us <= plan_.default_us) return {};
    plan_.default_was_faster = true;
    plan_.measured_us = plan_.default_us;
    return add_nodes();
  }

  const ir::Graph& graph_;
  const std::vector<ir::Tensor>& inputs_;
  TimingCache& cache_;
  const SelectOptions& options_;
  std::vector<std::optional<ir::Dims>> dims_;
  std::vector<StepInfo> default_;
  StepTimes times_;
  std::map<std::pair<int, std::string>, StepKey> names_;  // node and option -> what it was timed as
  KernelChoices choices_;                                 // other than the first
  Plan plan_;
};

}  // namespace

Result<Plan> select_kernels(const ir::Graph& graph, const std::vector<ir::Tensor>& inputs, TimingCache& cache,
                            const SelectOptions& options) {
  return Selection(graph, inputs, cache, options).run();
}

}  // namespace edgesmith::refine
