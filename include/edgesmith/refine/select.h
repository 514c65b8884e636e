// SPDX-License-Identifier: Apache-2.0
// Choosing a kernel for every node of a model by timing all that may run it on this machine.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "edgesmith/base/progress.h"
#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/refine/bench.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::refine {

/// The time of one kernel on one node, in microseconds: medians of runs of the whole model, so that operands and
/// weights lie where they lie while the model runs.
struct KernelTime {
  double warm_us = 0;  ///< run after run
  double cold_us = 0;  ///< with nothing of it in any cache
};

/// One kernel that may run a node.
struct TimedKernel {
  std::string kernel;     ///< "native.conv_f32"
  std::string precision;  ///< "float32", "int8"
  std::string layout;     ///< "row-major", "channels-last", "any"
  KernelTime time;
};

/// One step of a plan.
struct PlannedNode {
  int id = -1;                           ///< of the node in the imported graph
  std::string node, op;                  ///< name (of the first output, where the node has none) and ONNX operator
  std::vector<std::string> fused;        ///< nodes that its kernel does too
  bool fixed = false;                    ///< nothing to choose: a view, or a conversion of the node's output
  TimedKernel chosen;                    ///< what runs it
  std::optional<TimedKernel> runner_up;  ///< the fastest of the others
  std::vector<std::pair<std::string, std::string>> why_not;  ///< every other kernel for the operator, with the reason
};

/// A kernel for every node of one model on one machine (plan.json).
struct Plan {
  std::string model_path, model_sha256;
  std::string target = "host";
  std::string version, cpu, isa;
  runtime::Arithmetic arithmetic = runtime::Arithmetic::exact_i32;
  bool reassociate = false;
  std::vector<PlannedNode> nodes;  ///< in the order in which they run
  double predicted_us = 0;         ///< the warm times of all nodes
  double measured_us = 0;          ///< the fastest of many whole runs (other work on the machine can only add)
  double default_us = 0;           ///< the same of the plan without choices, run in turns with it
  bool default_was_faster =
      false;  ///< what the times of the nodes suggested was not faster as a whole, and was dropped

  /// For ExecutorOptions.
  runtime::KernelChoices choices() const;
  /// Options that run this plan, with the memory limit of `base`.
  runtime::ExecutorOptions executor(const runtime::ExecutorOptions& base) const;
};

/// plan.json.
std::string plan_json(const Plan& plan);
/// Errors: invalid (no plan, members missing or of the wrong kind), naming `path`.
Result<Plan> read_plan(const std::string& path);
/// Whether `plan` is for the model file of that hash and this graph. Errors: invalid, with both hashes or the node.
Status check_plan(const Plan& plan, const std::string& model_sha256, const ir::Graph& graph);

/// Times that were measured before, by what was timed (CPU, version, kernel, attributes, dims). One file, replaced as
/// a whole: other processes may read and write it at the same time.
class TimingCache {
 public:
  /// The file in a folder of the cache (StepCache::default_folder()); "" for "", which is no folder.
  static std::string path_in(const std::string& folder);
  /// Reads `path` ("": keeps nothing). A file that is damaged is left out with a warning and rebuilt by save().
  explicit TimingCache(std::string path);
  ~TimingCache();
  std::optional<KernelTime> find(const std::string& key) const;
  int64_t size() const;
  void put(const std::string& key, const KernelTime& time);
  /// Writes what is new, together with what others wrote meanwhile. A folder that cannot be written is a warning.
  void save();
  /// Removes the file and forgets the times; a file that is not one of times stays. Errors: io.
  Status clear();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct SelectOptions {
  runtime::ExecutorOptions executor;         ///< without choices
  std::string version;                       ///< of the tool, for the cache
  int64_t warm_rounds = 0, cold_rounds = 3;  ///< 0: by the model's arithmetic
  int64_t verify_runs = 0;                   ///< whole runs in the end; 0: by the model's arithmetic
  ProgressSink* progress = nullptr;          ///< may be null
};

/// The plan for `graph` fed `inputs`. A chosen plan that turns out slower than the default one gives way to it.
/// Errors: those of compiling and running; interrupted.
Result<Plan> select_kernels(const ir::Graph& graph, const std::vector<ir::Tensor>& inputs, TimingCache& cache,
                            const SelectOptions& options);

}  // namespace edgesmith::refine
