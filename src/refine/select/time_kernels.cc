// SPDX-License-Identifier: Apache-2.0
// Every variant of the plan runs in turns with a clock around each step, so that a kernel finds its operands and
// weights where it finds them in the model, and disturbances hit all kernels alike.
//
//   probe   twice; what takes many times as long as the first variant's kernel goes back to that one
//   warm    a few runs of each variant in a row, of which the first only brings its weights back into the caches
//   cold    single runs, with the caches emptied between the steps
#include "refine/select/time_kernels.h"

#include <algorithm>
#include <fstream>
#include <set>

#include "edgesmith/base/cpu.h"
#include "edgesmith/base/text.h"

namespace edgesmith::refine {
namespace {

constexpr int kProbes = 2;
// A kernel that took so many times as long in the probes is no rival.
constexpr double kHopeless = 3;
// Timed runs of a variant in a row, behind an untimed one.
constexpr int kInARow = 3;
// Caches are emptied by reading a quarter more than the last one holds.
constexpr int64_t kUnknownCache = int64_t{32} << 20, kMostCache = int64_t{64} << 20;

Error interrupted_error() { return {ErrorKind::interrupted, "interrupted", {}}; }

int64_t last_cache_bytes() {
  int64_t most = 0;
  for (int index = 0; index < 8; ++index) {
    std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/size");
    std::string text;
    if (file >> text) most = std::max(most, parse_bytes(text).value_or(0));
  }
  return std::min(most > 0 ? most : kUnknownCache, kMostCache);
}

// Empties the caches by reading a buffer larger than them.
class CacheFlusher {
 public:
  void flush() {
    if (bytes_.empty()) bytes_.assign(static_cast<size_t>(last_cache_bytes() / 4 * 5), 1);
    unsigned sum = 0;
    for (size_t i = 0; i < bytes_.size(); i += kLine) sum += bytes_[i];
    sum_ = sum_ + sum;
  }

 private:
  static constexpr size_t kLine = 64;
  std::vector<unsigned char> bytes_;
  volatile unsigned sum_ = 0;  // so that the reads are not left out
};

using Samples = std::map<StepKey, std::vector<int64_t>>;

double best_of(const Samples& samples, const StepKey& key) {
  const auto found = samples.find(key);
  if (found == samples.end()) return 0;
  return static_cast<double>(*std::min_element(found->second.begin(), found->second.end()));
}

struct Variant {
  runtime::KernelChoices choices;
  std::unique_ptr<runtime::Executor> executor;
  std::unique_ptr<runtime::Executor::Session> session;
};

class StepBench {
 public:
  StepBench(const ir::Graph& graph, const std::vector<ir::Tensor>& inputs, const SelectOptions& options)
      : graph_(graph), inputs_(inputs), options_(options) {}

  Result<StepTimes> run(const std::vector<runtime::KernelChoices>& variants) {
    for (const runtime::KernelChoices& choices : variants) {
      Variant variant;
      variant.choices = choices;
      EDGESMITH_TRY(build(variant));
      variants_.push_back(std::move(variant));
    }
    const std::vector<int> cores = allowed_cores();
    const PinnedThread pin(cores.empty() ? -1 : cores.front());
    const FlushDenormals flush(true);
    if (options_.progress != nullptr) {
      options_.progress->begin("time kernels", kProbes + options_.warm_rounds + options_.cold_rounds);
    }
    EDGESMITH_TRY(rounds(kProbes, 0, 1, probes_, nullptr));
    EDGESMITH_TRY(drop_hopeless());
    EDGESMITH_TRY(rounds(options_.warm_rounds, 1, kInARow, warm_, nullptr));
    CacheFlusher flusher;
    EDGESMITH_TRY(rounds(options_.cold_rounds, 0, 1, cold_, &flusher));
    if (options_.progress != nullptr) options_.progress->end();
    return summarized();
  }

 private:
  Status build(Variant& variant) const {
    runtime::ExecutorOptions options = options_.executor;
    options.choices = variant.choices;
    auto executor = runtime::Executor::create(graph_, options);
    if (!executor) return executor.error();
    variant.executor = std::move(*executor);
    variant.session = variant.executor->make_session();
    return {};
  }

  // `before` untimed and then `timed` timed runs of every variant, `count` times.
  Status rounds(int64_t count, int before, int timed, Samples& samples, CacheFlusher* flusher) {
    std::vector<std::pair<StepKey, int64_t>> taken;  // kept cheaply while the model runs
    const runtime::StepTimer timer = [&](const ir::Node& node, const std::string& text, int64_t nanoseconds) {
      taken.push_back({{node.id(), text}, nanoseconds});
      if (flusher != nullptr) flusher->flush();
    };
    for (int64_t round = 0; round < count; ++round) {
      for (Variant& variant : variants_) {
        for (int run = 0; run < before + timed; ++run) {
          if (interrupted()) return interrupted_error();
          if (flusher != nullptr) flusher->flush();
          const auto outputs = variant.session->run(inputs_, nullptr, run < before ? nullptr : &timer);
          if (!outputs) return outputs.error();
        }
        for (auto& [key, nanoseconds] : taken) samples[key].push_back(nanoseconds);
        taken.clear();
      }
      if (options_.progress != nullptr) options_.progress->update(++done_);
    }
    return {};
  }

  // Leaves each variant the choices that may turn out best; what is left without any runs no more.
  Status drop_hopeless() {
    std::map<int, double> first;  // by node, under the first variant
    for (const runtime::StepInfo& step : variants_[0].executor->steps()) {
      if (!step.options.empty()) first[step.node->id()] = best_of(probes_, key_of(step));
    }
    for (size_t v = 1; v < variants_.size(); ++v) {
      runtime::KernelChoices kept;
      for (const runtime::StepInfo& step : variants_[v].executor->steps()) {
        const auto choice = variants_[v].choices.find(step.node->id());
        if (choice == variants_[v].choices.end() || step.options.empty()) continue;
        const double limit = kHopeless * first[step.node->id()];
        if (best_of(probes_, key_of(step)) <= limit) kept.insert(*choice);
      }
      if (kept == variants_[v].choices) continue;
      variants_[v].choices = std::move(kept);
      if (!variants_[v].choices.empty()) EDGESMITH_TRY(build(variants_[v]));
    }
    std::erase_if(variants_, [&](const Variant& v) { return &v != variants_.data() && v.choices.empty(); });
    return {};
  }

  StepTimes summarized() const {
    StepTimes times;
    for (const auto& [key, probes] : probes_) {
      const auto warm = warm_.find(key), cold = cold_.find(key);
      times[key].warm_us = summarize(warm == warm_.end() ? probes : warm->second).median;
      times[key].cold_us = summarize(cold == cold_.end() ? probes : cold->second).median;
    }
    for (const auto& [key, samples] : warm_) {  // conversions between the choices that were left
      if (probes_.contains(key)) continue;
      const auto cold = cold_.find(key);
      times[key].warm_us = summarize(samples).median;
      times[key].cold_us = summarize(cold == cold_.end() ? samples : cold->second).median;
    }
    return times;
  }

  const ir::Graph& graph_;
  const std::vector<ir::Tensor>& inputs_;
  const SelectOptions& options_;
  std::vector<Variant> variants_;
  Samples probes_, warm_, cold_;
  int64_t done_ = 0;
};

}  // namespace

Result<StepTimes> time_steps(const ir::Graph& graph, const std::vector<ir::Tensor>& inputs,
                             const std::vector<runtime::KernelChoices>& variants, const SelectOptions& options) {
  EDGESMITH_CHECK(!variants.empty());
  return StepBench(graph, inputs, options).run(variants);
}

}  // namespace edgesmith::refine
