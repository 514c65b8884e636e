// SPDX-License-Identifier: Apache-2.0
#include "train/judge.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "edgesmith/ops/op_info.h"
#include "train/training_graph.h"

namespace edgesmith::train {
namespace {

/// Shards in work for each thread: memory does not grow with their count.
constexpr int64_t kShardsPerThread = 4;

int64_t arg_max(std::span<const float> scores) {
  return std::max_element(scores.begin(), scores.end()) - scores.begin();
}

/// What one shard gives, by sample.
struct Part {
  std::vector<double> losses;
  int64_t hits = 0;
  std::optional<Error> error;
};

}  // namespace

Result<Verdict> Judge::judge(const ir::Graph& student, const std::string& what) const {
  ir::Graph graph = student.clone();
  EDGESMITH_TRY(ops::infer_types(graph));
  ops::GradientBuilder build(graph);
  const ops::Term each = append_losses(build, objective, form);
  const auto loss_output = static_cast<size_t>(graph.num_outputs());
  graph.add_output("edgesmith.losses", *each.value);
  const Pair* answer = objective.answer();
  if (answer != nullptr) graph.add_output("edgesmith.answer", student_value(graph, *answer));
  EDGESMITH_TRY(ops::infer_types(graph));
  // As the teacher is run: a student that is its teacher has no loss.
  const auto executor = runtime::Executor::create(graph, {.reassociate = true});
  if (!executor) return executor.error();
  std::vector<std::unique_ptr<runtime::Executor::Session>> sessions;
  for (int t = 0; t < pool.num_threads(); ++t) sessions.push_back((*executor)->make_session());

  const auto run_part = [&](std::span<const int64_t> part, int thread, Part& result) -> Status {
    auto fed = feed.load(part, form.fixed, thread, draw);
    if (!fed) return fed.error();
    std::vector<ir::Tensor> inputs = fed->inputs;
    inputs.insert(inputs.end(), fed->targets.begin(), fed->targets.end());
    auto outputs = sessions[static_cast<size_t>(thread)]->run(inputs);
    if (!outputs) return outputs.error();
    const auto losses = (*outputs)[loss_output].data<float>();
    for (size_t s = 0; s < part.size(); ++s) result.losses.push_back(static_cast<double>(losses[s]));
    if (answer == nullptr) return {};
    const std::vector<float> scores = (*outputs)[loss_output + 1].to_floats();
    const auto classes = static_cast<size_t>(answer->classes);
    // The teacher's scores come first; labels come last.
    const std::span<const float> wanted =
        (answer->teacher >= 0 ? fed->targets.front() : fed->targets.back()).data<float>();
    for (size_t s = 0; s < part.size(); ++s) {
      const int64_t given = arg_max(std::span(scores).subspan(s * classes, classes));
      const int64_t right = arg_max(wanted.subspan(s * classes, classes));
      result.hits += given == right ? 1 : 0;
    }
    return {};
  };

  Verdict verdict;
  int64_t hits = 0;
  const auto count = static_cast<int64_t>(samples.size()), shards = (count + shard - 1) / shard;
  progress.begin(what, count);
  const int64_t most = kShardsPerThread * pool.num_threads();
  std::vector<Part> parts(static_cast<size_t>(most));
  for (int64_t first = 0; first < shards; first += most) {
    const int64_t wave = std::min(most, shards - first);
    pool.parallel_for(wave, [&](int64_t slot, int thread) {
      Part& part = parts[static_cast<size_t>(slot)];
      part = {};
      const int64_t begin = (first + slot) * shard;
      const Status status =
          run_part(samples.subspan(static_cast<size_t>(begin), static_cast<size_t>(std::min(shard, count - begin))),
                   thread, part);
      if (!status) part.error = status.error();
    });
    for (int64_t slot = 0; slot < wave; ++slot) {
      const Part& part = parts[static_cast<size_t>(slot)];
      if (part.error) {
        progress.end();
        return *part.error;
      }
      for (const double loss : part.losses) verdict.loss += loss;
      hits += part.hits;
    }
    progress.update(std::min(count, (first + wave) * shard));
  }
  verdict.loss /= static_cast<double>(count);
  if (answer != nullptr) verdict.hits = 100 * static_cast<double>(hits) / static_cast<double>(count);
  char text[96];
  const int length = std::snprintf(text, sizeof text, "loss %.4g", verdict.loss);
  if (verdict.hits) {
    std::snprintf(text + length, sizeof text - static_cast<size_t>(length), ", %s %.2f %%", hits_name(), *verdict.hits);
  }
  progress.detail(text);
  progress.end();
  return verdict;
}

}  // namespace edgesmith::train
