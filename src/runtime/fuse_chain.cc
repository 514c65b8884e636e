// SPDX-License-Identifier: Apache-2.0
#include "runtime/fuse_chain.h"

#include <algorithm>
#include <functional>
#include <map>

#include "edgesmith/base/thread_pool.h"
#include "runtime/native/split.h"

namespace edgesmith::runtime {

namespace {

using native::ElementOp;

// A block of every value that is alive fits the first-level cache, and calling a function is little beside its work.
constexpr int64_t kBlock = 1024;
// Runs of an operand that repeats are walked one by one: shorter ones cost more than what a chain spares.
constexpr int64_t kShortestRun = 64;
// Each step adds at most one operand to the first one's: these are fewer than a walk can have.
constexpr size_t kMostSteps = 24;

class Finder {
 public:
  Finder(const Program& program, const std::vector<Step>& steps, const ValueDims& dims)
      : program_(program), steps_(steps), dims_(dims), ops_(steps.size()), groups_(steps.size()) {
    const auto slots = static_cast<size_t>(program.num_slots());
    readers_.resize(slots);
    maker_.assign(slots, -1);
    for (size_t s = 0; s < steps.size(); ++s) {
      for (const int slot : steps[s].operands) {
        if (slot >= 0) readers_[static_cast<size_t>(slot)].push_back(static_cast<int>(s));
      }
      if (steps[s].residual >= 0) readers_[static_cast<size_t>(steps[s].residual)].push_back(static_cast<int>(s));
      ops_[s] = op_of(steps[s]);
      if (ops_[s]) maker_[static_cast<size_t>(steps[s].results[0])] = static_cast<int>(s);
    }
    const ir::Node& results = program.graph->output_node();
    for (int i = 0; i < results.num_inputs(); ++i) {
      const int slot = program.slot(*results.input(i), Rep::reals);
      readers_[static_cast<size_t>(slot)].push_back(static_cast<int>(steps.size()));
    }
  }

  std::vector<Chain> run() {
    for (size_t s = 0; s < steps_.size(); ++s) {
      if (ops_[s]) grow(static_cast<int>(s));
    }
    std::vector<Chain> chains;
    for (std::vector<int>& group : groups_) {
      if (group.size() < 2) continue;
      std::sort(group.begin(), group.end());
      Chain chain = make(group);
      const auto& axes = chain.walk.axes;
      if (axes.size() == 1 || axes.back().size >= kShortestRun) chains.push_back(std::move(chain));
    }
    return chains;
  }

 private:
  const std::optional<ir::Dims>& dims_of(int slot) const { return dims_[static_cast<size_t>(program_.value_of(slot))]; }

  // What the step computes, when it may stand in a chain.
  std::optional<ElementOp> op_of(const Step& step) const {
    if (step.kernel == nullptr || step.view || step.pad != nullptr || step.add != nullptr || step.results.size() != 1) {
      return std::nullopt;
    }
    const ir::Value& value = step.last().output();
    if (program_.rep_of(step.results[0]) != Rep::reals || value.type().dtype != ir::DType::f32) return std::nullopt;
    if (program_.rounds_to(value) != ir::DType::undefined) return std::nullopt;
    if (program_.annotation(value) != nullptr && !step.epilogue.quantize) return std::nullopt;
    const auto constants = [&](int operand) {
      const ir::Value* bound = step.node->input(operand);
      const bool known = bound != nullptr && program_.known(*bound);
      return known ? &program_.constants[static_cast<size_t>(bound->id())] : nullptr;
    };
    const auto op = native::element_op(*step.kernel, *step.node, constants);
    if (!op || !dims_of(step.results[0])) return std::nullopt;
    std::vector<const ir::Dims*> dims;
    for (int i = 0; i < op->num_operands(); ++i) {
      const int slot = step.operands[static_cast<size_t>(i)];
      if (program_.rep_of(slot) != Rep::reals || !dims_of(slot)) return std::nullopt;
      dims.push_back(&*dims_of(slot));
    }
    return native::broadcast_dims(dims) == dims_of(step.results[0]) ? op : std::nullopt;
  }

  // Takes the groups that make what step `last` and its group read, where nobody else reads it.
  void grow(int last) {
    std::vector<int>& group = groups_[static_cast<size_t>(last)];
    group = {last};
    const ir::Dims& dims = *dims_of(steps_[static_cast<size_t>(last)].results[0]);
    bool grown = true;
    while (grown) {
      grown = false;
      for (size_t m = 0; m < group.size() && !grown; ++m) {
        const auto member = static_cast<size_t>(group[m]);
        for (int i = 0; i < ops_[member]->num_operands() && !grown; ++i) {
          const int slot = steps_[member].operands[static_cast<size_t>(i)];
          const int maker = maker_[static_cast<size_t>(slot)];
          if (maker < 0 || contains(group, maker) || *dims_of(slot) != dims || !only_read_in(slot, group)) continue;
          std::vector<int>& other = groups_[static_cast<size_t>(maker)];
          if (group.size() + other.size() > kMostSteps) continue;
          group.insert(group.end(), other.begin(), other.end());
          other.clear();
          grown = true;
        }
      }
    }
  }

  static bool contains(const std::vector<int>& group, int step) {
    return std::find(group.begin(), group.end(), step) != group.end();
  }

  bool only_read_in(int slot, const std::vector<int>& group) const {
    const auto& readers = readers_[static_cast<size_t>(slot)];
    const ir::Value& value = steps_[static_cast<size_t>(maker_[static_cast<size_t>(slot)])].last().output();
    return !program_.observed(value) &&
           std::all_of(readers.begin(), readers.end(), [&](int reader) { return contains(group, reader); });
  }

  Chain make(const std::vector<int>& group) const {
    Chain chain;
    chain.steps = group;
    std::map<int, int> last_read;  // by slot of a value inside: index in the group
    for (size_t g = 0; g < group.size(); ++g) {
      for (const int slot : data_operands(group[g])) last_read[slot] = static_cast<int>(g);
    }
    std::map<int, int> places;  // by slot: as in Chain::Op
    std::vector<int> free;
    for (size_t g = 0; g < group.size(); ++g) {
      const auto s = static_cast<size_t>(group[g]);
      Chain::Op op = {*ops_[s], steps_[s].epilogue};
      const std::vector<int> operands = data_operands(group[g]);
      for (size_t i = 0; i < operands.size(); ++i) {
        if (!places.contains(operands[i])) {
          places[operands[i]] = ~static_cast<int>(chain.operands.size());
          chain.operands.push_back(operands[i]);
        }
        op.from[i] = places[operands[i]];
      }
      if (g + 1 == group.size()) {
        op.to = Chain::kResult;
      } else if (free.empty()) {
        op.to = chain.blocks++;
      } else {
        op.to = free.back();
        free.pop_back();
      }
      places[steps_[s].results[0]] = op.to;
      for (size_t i = 0; i < operands.size(); ++i) {
        const bool twice = i == 1 && operands[1] == operands[0];
        if (op.from[i] >= 0 && !twice && last_read[operands[i]] == static_cast<int>(g)) free.push_back(op.from[i]);
      }
      chain.ops.push_back(op);
    }
    std::vector<const ir::Dims*> dims;
    for (const int slot : chain.operands) dims.push_back(&*dims_of(slot));
    chain.walk = native::broadcast_walk(dims, *dims_of(steps_[static_cast<size_t>(group.back())].results[0]));
    return chain;
  }

  std::vector<int> data_operands(int step) const {
    const auto s = static_cast<size_t>(step);
    const auto& operands = steps_[s].operands;
    return {operands.begin(), operands.begin() + ops_[s]->num_operands()};
  }

  const Program& program_;
  const std::vector<Step>& steps_;
  const ValueDims& dims_;
  std::vector<std::optional<ElementOp>> ops_;  // by step
  std::vector<std::vector<int>> groups_;       // by the last step of each
  std::vector<std::vector<int>> readers_;      // by slot; the number of steps stands for the graph's results
  std::vector<int> maker_;                     // by slot: the element-wise step that makes it, or -1
};

}  // namespace

int64_t Chain::scratch_bytes() const { return blocks * kBlock * static_cast<int64_t>(sizeof(float)); }

void Chain::run(Isa isa, std::span<const float* const> from, float* out, std::byte* scratch, int64_t scratch_step,
                ThreadPool* pool) const {
  if (walk.total == 0) return;
  const auto inner = walk.axes.back();
  const int64_t parts = (inner.size + kBlock - 1) / kBlock;  // of a run
  const int64_t length = (inner.size + parts - 1) / parts;
  const int64_t units = walk.total / inner.size * parts;
  const native::NativeTable& table = native::native_table(isa);
  const auto run_units = [&](int64_t first, int64_t end, std::byte* own) {
    auto* const buffers = reinterpret_cast<float*>(own);
    std::array<int64_t, native::kMostWalked> begins;
    const std::span<int64_t> begin(begins.data(), from.size());
    for (int64_t unit = first; unit < end; ++unit) {
      const int64_t run_at = unit / parts * inner.size, within = unit % parts * length;
      const int64_t count = std::min(length, inner.size - within);
      if (unit == first || within == 0) native::find_run(walk, run_at, begin);
      for (const Op& op : ops) {
        std::array<const float*, 2> operands = {};
        std::array<int, 2> steps = {1, 1};
        for (int i = 0; i < op.op.num_operands(); ++i) {
          const auto k = static_cast<size_t>(i);
          if (op.from[k] >= 0) {
            operands[k] = buffers + op.from[k] * kBlock;
          } else {
            const auto operand = static_cast<size_t>(~op.from[k]);
            steps[k] = static_cast<int>(inner.moves >> operand & 1);
            operands[k] = from[operand] + begin[operand] + (steps[k] != 0 ? within : 0);
          }
        }
        float* const to = op.to == kResult ? out + run_at + within : buffers + op.to * kBlock;
        op.op.run(table, operands, steps, to, count, op.epilogue);
      }
    }
  };
  const int64_t nanoseconds = walk.total * static_cast<int64_t>(ops.size()) * 4 / native::kBytesNs;
  const bool share = pool != nullptr && nanoseconds >= native::kLeastNanoseconds;
  const int64_t ranges = share ? std::min<int64_t>(units, pool->num_threads()) : 1;
  if (ranges <= 1) return run_units(0, units, scratch);
  const auto run_range = [&](int64_t range, int thread) {
    run_units(units * range / ranges, units * (range + 1) / ranges, scratch + thread * scratch_step);
  };
  pool->parallel_for(ranges, std::ref(run_range));
}

std::vector<Chain> find_chains(const Program& program, const std::vector<Step>& steps, const ValueDims& dims) {
  return Finder(program, steps, dims).run();
}

}  // namespace edgesmith::runtime
