// SPDX-License-Identifier: Apache-2.0
#include "runtime/shape_plan.h"

#include <algorithm>

namespace edgesmith::runtime {

using ir::OpKind;

namespace {

size_t index(int slot) { return static_cast<size_t>(slot); }

// Builds the list of buffers: one for each slot that owns memory in the arena, one for each scratch.
class Planner {
 public:
  Planner(const Program& program, const std::vector<Step>& steps, const PlanOptions& options, ShapePlan& plan)
      : program_(program), steps_(steps), options_(options), plan_(plan) {
    const auto slots = static_cast<size_t>(program.num_slots());
    owner_.assign(slots, -1);
    buffer_.assign(slots, -1);
    last_read_.assign(slots, -1);
    if (options.chains) plan.chains = find_chains(program, steps, plan.dims);
    plan.chain_of.assign(steps.size(), -1);
    for (size_t c = 0; c < plan.chains.size(); ++c) {
      for (const int step : plan.chains[c].steps) plan.chain_of[index(step)] = static_cast<int>(c);
    }
  }

  void run() {
    plan_.scratch_steps.assign(steps_.size(), 0);
    for (const ir::Value* input : program_.graph->inputs()) {
      if (options_.every_value || program_.annotation(*input) != nullptr) {
        add_buffer(*input, program_.slot(*input, Rep::reals), -1);
      }
    }
    for (size_t s = 0; s < steps_.size(); ++s) add_step(static_cast<int>(s));
    const int end = static_cast<int>(steps_.size());
    const ir::Node& results = program_.graph->output_node();
    for (int i = 0; i < results.num_inputs(); ++i) {
      if (results.input(i) != nullptr) read(program_.slot(*results.input(i), Rep::reals), end);
    }
    place(end);
  }

 private:
  const std::optional<ir::Dims>& dims_of(int slot) const {
    return plan_.dims[static_cast<size_t>(program_.value_of(slot))];
  }

  // Bytes of a slot in the arena; nothing when it cannot lie there.
  std::optional<int64_t> bytes_of(const ir::Value& value, int slot) const {
    const auto& dims = dims_of(slot);
    if (!dims) return std::nullopt;
    int bits = ir::dtype_bits(program_.dtype_of(value, slot));
    const ir::Quant* quant = program_.annotation(value);
    if (options_.integer_codes && quant != nullptr) bits = ir::dtype_bits(quant->dtype);
    if (bits == 0) return std::nullopt;
    return ir::packed_bytes(ir::num_elements(*dims), bits);
  }

  void add_buffer(const ir::Value& value, int slot, int step) {
    const auto bytes = bytes_of(value, slot);
    if (!bytes) return;
    owner_[index(slot)] = slot;
    buffer_[index(slot)] = static_cast<int>(buffers_.size());
    // Kernels on codes read whole vectors past the end of an operand.
    const int64_t slack = program_.rep_of(slot) == Rep::reals ? 0 : kArenaAlignment;
    buffers_.push_back({*bytes + slack, step, step});
  }

  // Extends the life of the buffer behind `slot`.
  void read(int slot, int step) {
    last_read_[index(slot)] = std::max(last_read_[index(slot)], step);
    const int owner = owner_[index(slot)];
    if (owner < 0) return;
    Buffer& buffer = buffers_[index(buffer_[index(owner)])];
    buffer.last = std::max(buffer.last, step);
  }

  void add_step(int s) {
    const Step& step = steps_[static_cast<size_t>(s)];
    const Chain* const chain = plan_.chain_of[index(s)] < 0 ? nullptr : &plan_.chains[index(plan_.chain_of[index(s)])];
    const int runs_at = chain == nullptr ? s : chain->steps.back();
    for (const int slot : step.operands) {
      if (slot >= 0) read(slot, runs_at);
    }
    if (runs_at != s) return;  // its result is a block of the chain's scratch
    if (step.residual >= 0) read(step.residual, s);
    for (const int slot : step.results) last_read_[index(slot)] = s;
    if (step.view && dims_of(step.results[0])) {
      owner_[index(step.results[0])] = owner_[index(step.operands[0])];
      return;
    }
    bool known = true;  // a kernel writes all of its outputs in place or none
    for (const int slot : step.results) known = known && dims_of(slot).has_value();
    const bool in_place = step.kernel != nullptr || step.conversion != Conversion::none;
    if (!options_.every_value && (!in_place || !known)) return;
    if (step.conversion != Conversion::none) return add_buffer(*step.converted, step.results[0], s);
    for (size_t i = 0; i < step.results.size(); ++i) {
      add_buffer(step.last().output(static_cast<int>(i)), step.results[i], s);
    }
    chain == nullptr ? add_scratch(step, s) : add_scratch(chain->scratch_bytes(), true, s);
  }

  void add_scratch(const Step& step, int s) {
    const auto& output = dims_of(step.results[0]);
    if (!options_.scratch || step.kernel == nullptr || step.kernel->scratch_bytes == nullptr || !output) return;
    std::vector<const ir::Dims*> inputs;
    for (const int slot : step.operands) {
      if (slot >= 0 && !dims_of(slot)) return;
      inputs.push_back(slot < 0 ? nullptr : &*dims_of(slot));
    }
    const auto bytes = step.kernel->scratch_bytes(step.shown(), step.prepared.get(), inputs, *output, program_.isa);
    if (!bytes || *bytes == 0) return;  // an error shows again when the kernel runs
    add_scratch(*bytes, step.kernel->splits, s);
  }

  void add_scratch(int64_t bytes, bool splits, int s) {
    scratch_.emplace_back(s, buffers_.size());
    const int64_t step_bytes = scratch_step(bytes);
    plan_.scratch_steps[static_cast<size_t>(s)] = step_bytes;
    buffers_.push_back({splits ? step_bytes * options_.threads : bytes, s, s});
  }

  void place(int end) {
    const ArenaPlan arena = plan_arena(buffers_, options_.alignment);
    plan_.bytes = arena.bytes;
    plan_.lower_bound = live_bytes(buffers_);
    plan_.offsets.assign(owner_.size(), -1);
    plan_.last_reads.resize(static_cast<size_t>(end));
    for (size_t v = 0; v < owner_.size(); ++v) {
      if (owner_[v] >= 0) {
        plan_.offsets[v] = arena.offsets[static_cast<size_t>(buffer_[static_cast<size_t>(owner_[v])])];
      } else if (last_read_[v] >= 0 && last_read_[v] < end) {
        plan_.last_reads[static_cast<size_t>(last_read_[v])].push_back(static_cast<int>(v));
      }
    }
    plan_.scratch_offsets.resize(steps_.size(), -1);
    for (const auto& [step, buffer] : scratch_)
      plan_.scratch_offsets[static_cast<size_t>(step)] = arena.offsets[buffer];
  }

  const Program& program_;
  const std::vector<Step>& steps_;
  const PlanOptions& options_;
  ShapePlan& plan_;
  std::vector<int> owner_;      // slot -> the slot whose buffer it lies in, or -1
  std::vector<int> buffer_;     // slot -> index of the buffer it owns, or -1
  std::vector<int> last_read_;  // slot -> last step that reads (or makes) it, or -1
  std::vector<Buffer> buffers_;
  std::vector<std::pair<int, size_t>> scratch_;  // step, buffer
};

}  // namespace

ShapePlan plan_shapes(const Program& program, const std::vector<Step>& steps, ValueDims dims,
                      const PlanOptions& options) {
  ShapePlan plan;
  plan.dims = std::move(dims);
  Planner(program, steps, options, plan).run();
  return plan;
}

Status check_sizes(const ir::Graph& graph, const ValueDims& dims) {
  constexpr int64_t kMostElements = int64_t{1} << 40;  // terabytes; sums over a graph stay far from overflow
  for (const ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      const auto& out = dims[index(node.output(i).id())];
      if (!out) continue;
      const int64_t count = ir::num_elements(*out);
      if (count >= 0 && count <= kMostElements) continue;
      return io_error(node.label() + ": its output " + ir::type_of(node.output(i).type().dtype, *out).text() +
                          " is too large for memory",
                      "feed a smaller input");
    }
  }
  return {};
}

}  // namespace edgesmith::runtime
