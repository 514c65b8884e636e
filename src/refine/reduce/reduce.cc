// SPDX-License-Identifier: Apache-2.0
// The search: steps that make the model smaller, each tried in a fixed order, until none succeeds.
#include "edgesmith/refine/reduce.h"
#include "edgesmith/base/clock.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "edgesmith/base/random.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/ir/verifier.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/ops/op_info.h"
#include "refine/reduce/part.h"
#include "refine/reduce/smaller_tensors.h"

namespace edgesmith::refine {
namespace {

using ir::OpKind;

/// A chunk of nodes or results is tried alone while it is at least this share of all: later it seldom succeeds.
constexpr size_t kAloneShare = 8;
/// Integer codes of fewer elements are settings, not weights.
constexpr int64_t kFewestCodes = 16;

ir::Node* find_node(ir::Graph& graph, int id) {
  for (ir::Node& node : graph.nodes()) {
    if (node.id() == id) return &node;
  }
  return nullptr;
}

/// A weight: numbers that say something of the model's training.
bool is_weight(const ir::Node& node) {
  if (!node.is(OpKind::constant) || node.tensor().size() < 2) return false;
  const ir::DType dtype = node.tensor().dtype();
  return ir::is_float(dtype) ||
         ((dtype == ir::DType::i8 || dtype == ir::DType::u8) && node.tensor().size() >= kFewestCodes);
}

class Reducer {
 public:
  Reducer(ir::Graph& graph, const Breaks& breaks, const ReduceOptions& options)
      : graph_(graph), breaks_(breaks), options_(options) {}

  Result<ReduceReport> run() {
    report_.nodes_before = num_operators();
    auto whole = attempt(graph_.clone());
    if (!whole) return whole.error();
    if (!*whole && stopped_) return io_error("the time limit is over before the model itself was tried", "raise it");
    if (!*whole) {
      return unsupported_error("what breaks is gone once the model is written anew",
                               "it is about how the file is written, not about its graph");
    }
    if (options_.progress != nullptr) options_.progress->begin("reduce", report_.nodes_before);
    if (options_.random_weights) EDGESMITH_TRY(randomize());
    do {
      progress_ = false;
      EDGESMITH_TRY(fewer_results());
      EDGESMITH_TRY(fewer_nodes());
      EDGESMITH_TRY(fewer_results());
      EDGESMITH_TRY(bypass_nodes());
      EDGESMITH_TRY(drop_operands());
      EDGESMITH_TRY(smaller_dims());
    } while (progress_ && !stopped_);
    if (!options_.random_weights) EDGESMITH_TRY(plain_weights());
    EDGESMITH_TRY(drop_texts());
    if (options_.progress != nullptr) options_.progress->end();
    report_.nodes_after = num_operators();
    std::erase_if(report_.kept_weights, [this](const std::string& name) { return !has_constant(name); });
    report_.complete = !stopped_;
    return report_;
  }

 private:
  int64_t num_operators() const { return static_cast<int64_t>(operators_of(graph_).size()); }

  bool has_constant(const std::string& name) const {
    for (const ir::Node& node : graph_.nodes()) {
      if (node.is(OpKind::constant) && node.output().name() == name) return true;
    }
    return false;
  }

  bool out_of_time() const { return options_.time_limit > 0 && seconds_since(options_.start) >= options_.time_limit; }

  static Status interruption() {
    return interrupted() ? Status(Error{ErrorKind::interrupted, "interrupted while reducing", ""}) : Status();
  }

  /// Takes the candidate if it still breaks.
  Result<bool> attempt(std::optional<ir::Graph> candidate) {
    EDGESMITH_TRY(interruption());
    stopped_ = stopped_ || out_of_time();
    if (stopped_ || !candidate || !ir::verify(*candidate).ok()) return false;
    const auto bytes = onnx::export_bytes(*candidate);
    if (!bytes || !tried_.insert(sha256_hex(std::as_bytes(std::span<const char>(*bytes)))).second) return false;
    ++report_.tests;
    const auto broken = breaks_(*candidate, *bytes);
    EDGESMITH_TRY(interruption());  // a command that was ended says nothing of the model
    stopped_ = stopped_ || out_of_time();
    if (!broken || !*broken) return broken;
    graph_ = *std::move(candidate);
    progress_ = true;
    if (options_.progress != nullptr) options_.progress->update(report_.nodes_before - num_operators());
    return true;
  }

  /// Leaves out chunks of `count()` items, halves first, single ones last. `keep_only(flags)` tries the items that are
  /// flagged, and has taken them when it says true; there are fewer items then.
  template <typename Count, typename KeepOnly>
  Status leave_out(Count count, KeepOnly keep_only) {
    for (size_t chunk = (count() + 1) / 2; chunk > 0 && count() > 1 && !stopped_;) {
      const size_t before = count();
      if (chunk * kAloneShare >= count()) EDGESMITH_TRY(keep_one_chunk(chunk, count, keep_only));
      for (size_t begin = 0; begin < count() && count() > 1 && !stopped_;) {
        std::vector<bool> keep(count(), true);
        std::fill(keep.begin() + static_cast<std::ptrdiff_t>(begin),
                  keep.begin() + static_cast<std::ptrdiff_t>(std::min(begin + chunk, keep.size())), false);
        if (std::find(keep.begin(), keep.end(), true) == keep.end()) break;
        auto taken = keep_only(keep);
        if (!taken) return taken.error();
        if (!*taken) begin += chunk;
      }
      const bool fewer = count() < before;
      if (chunk == 1 && !fewer) break;
      chunk = std::max<size_t>(1, std::min(chunk, count()) / 2);
    }
    return {};
  }

  template <typename Count, typename KeepOnly>
  Status keep_one_chunk(size_t chunk, Count count, KeepOnly keep_only) {
    const size_t step = std::max<size_t>(1, chunk / 2);  // a cause may lie across two chunks
    for (size_t begin = 0; begin < count() && !stopped_; begin += step) {
      std::vector<bool> keep(count(), false);
      for (size_t i = begin; i < std::min(begin + chunk, keep.size()); ++i) keep[i] = true;
      if (std::find(keep.begin(), keep.end(), false) == keep.end()) continue;
      auto taken = keep_only(keep);
      if (!taken) return taken.error();
      if (*taken) return {};
    }
    return {};
  }

  Status fewer_results() {
    return leave_out([this] { return static_cast<size_t>(graph_.num_outputs()); },
                     [this](const std::vector<bool>& keep) {
                       std::vector<PartResult> results;
                       const std::vector<PartResult> all = results_of(graph_);
                       for (size_t i = 0; i < all.size(); ++i) {
                         if (keep[i]) results.push_back(all[i]);
                       }
                       return attempt(part_of(graph_, std::vector<bool>(node_ids(), true), results));
                     });
  }

  size_t node_ids() const { return static_cast<size_t>(graph_.num_node_ids()); }

  Status fewer_nodes() {
    return leave_out([this] { return operators_of(graph_).size(); },
                     [this](const std::vector<bool>& keep) { return keep_nodes(keep); });
  }

  Result<bool> keep_nodes(const std::vector<bool>& keep) {
    const std::vector<const ir::Node*> operators = operators_of(graph_);
    std::vector<bool> by_id(node_ids(), false);
    for (size_t i = 0; i < operators.size(); ++i) by_id[static_cast<size_t>(operators[i]->id())] = keep[i];
    std::vector<PartResult> results;
    for (const PartResult& result : results_of(graph_)) {
      if (by_id[static_cast<size_t>(result.value->node().id())]) results.push_back(result);
    }
    if (!results.empty()) {
      auto taken = attempt(part_of(graph_, by_id, results));
      if (!taken || *taken) return taken;
    }
    // What nodes that go read of those that stay becomes a result: they would be of no use otherwise.
    const size_t own = results.size();
    for (const ir::Node* node : operators) {
      if (!by_id[static_cast<size_t>(node->id())]) continue;
      for (int i = 0; i < node->num_outputs(); ++i) {
        if (read_outside(node->output(i), by_id)) results.push_back({node->output(i).name(), &node->output(i), {}});
      }
    }
    return results.size() > own ? attempt(part_of(graph_, by_id, results)) : Result<bool>(false);
  }

  static bool read_outside(const ir::Value& value, const std::vector<bool>& by_id) {
    return !value.is_graph_output() && std::any_of(value.uses().begin(), value.uses().end(), [&](const ir::Use& use) {
      return !by_id[static_cast<size_t>(use.node->id())];
    });
  }

  /// Readers of a node read one of its operands of the same type instead.
  Status bypass_nodes() {
    for (size_t n = 0; n < operators_of(graph_).size() && !stopped_;) {
      auto taken = bypass_node(*operators_of(graph_)[n]);
      if (!taken) return taken.error();
      if (!*taken) ++n;
    }
    return {};
  }

  Result<bool> bypass_node(const ir::Node& node) {
    for (int i = 0; i < node.num_inputs(); ++i) {
      const ir::Value* operand = node.input(i);
      if (operand == nullptr || operand->constant() != nullptr || node.num_outputs() != 1) continue;
      if (!(operand->type() == node.output().type()) ||
          (operand->is_graph_input() && node.output().is_graph_output())) {
        continue;
      }
      ir::Graph copy = graph_.clone();
      ir::Node& twin = *find_node(copy, node.id());
      copy.replace_all_uses(twin.output(), *twin.input(i));
      auto taken = attempt(live_part(copy));
      if (!taken || *taken) return taken;
    }
    return false;
  }

  /// A bias, bounds, states: what an operator can do without, from the last operand on.
  Status drop_operands() {
    for (size_t n = 0; n < operators_of(graph_).size() && !stopped_; ++n) {
      while (!stopped_) {
        const ir::Node& node = *operators_of(graph_)[n];
        if (node.num_inputs() < 2 || node.is(OpKind::opaque)) break;
        ir::Graph copy = graph_.clone();
        ir::Node& twin = *find_node(copy, node.id());
        copy.truncate_inputs(twin, node.num_inputs() - 1);
        if (!ops::verify_node(twin).ok() || !ops::infer_types(copy).ok()) break;
        auto taken = attempt(live_part(copy));
        if (!taken) return taken.error();
        if (!*taken) break;
      }
    }
    return {};
  }

  Status smaller_dims() {
    const std::vector<int64_t> sizes = dims_of(graph_);
    for (size_t s = 0; s < sizes.size() && !stopped_; ++s) {
      for (int64_t size = sizes[s]; size > 1 && !stopped_;) {
        int64_t next = size;
        for (const int64_t to : {int64_t{1}, int64_t{2}, size / 2}) {
          if (to >= next) continue;
          auto taken = attempt(with_dim(graph_, size, to));
          if (!taken) return taken.error();
          if (*taken) next = to;
          if (*taken) break;
        }
        if (next == size) break;
        size = next;
      }
    }
    return {};
  }

  std::vector<int> weight_ids() const {
    std::vector<int> ids;
    for (const ir::Node& node : graph_.nodes()) {
      if (is_weight(node)) ids.push_back(node.id());
    }
    return ids;
  }

  /// Ones say less than numbers do.
  Status plain_weights() {
    for (const int id : weight_ids()) {
      if (stopped_) break;
      const auto plain = refilled(find_node(graph_, id)->tensor().dense(), [] { return 1.0; });
      if (!plain) continue;
      auto taken = attempt(with_tensor(graph_, id, *plain));
      if (!taken) return taken.error();
    }
    return {};
  }

  /// Random numbers like those of `tensor`: of its root mean square, and positive where it has no negative ones.
  ir::Tensor random_like(const ir::Tensor& tensor, Random& random) const {
    const bool affine = tensor.encoding() == ir::Encoding::affine;
    const std::vector<float> numbers = affine ? std::vector<float>{} : tensor.to_floats();
    double squares = 0;
    bool positive = true;
    for (const float x : numbers) {
      if (std::isfinite(x)) squares += static_cast<double>(x) * x;
      positive = positive && x >= 0;
    }
    const double rms = affine ? 1 : std::sqrt(squares / static_cast<double>(std::max<size_t>(1, numbers.size())));
    const auto make = [&] {
      const double u = random.uniform();
      return positive ? rms * (0.5 + u) : rms * std::sqrt(3.0) * (2 * u - 1);
    };
    return refilled(affine ? tensor : tensor.dense(), make).value_or(tensor);
  }

  /// All weights at once, else one by one.
  Status randomize() {
    ir::Graph copy = graph_.clone();
    for (const int id : weight_ids()) {
      ir::Node& node = *find_node(copy, id);
      Random random(options_.seed * 0x9E3779B97F4A7C15ull + static_cast<uint64_t>(id));
      copy.set_tensor(node, random_like(node.tensor(), random));
    }
    ir::Graph all = copy.clone();
    auto taken = attempt(std::move(all));
    if (!taken) return taken.error();
    if (*taken) return {};
    for (const int id : weight_ids()) {
      const ir::Tensor& random = find_node(copy, id)->tensor();
      taken = attempt(with_tensor(graph_, id, random));
      if (!taken) return taken.error();
      if (*taken) continue;
      report_.kept_weights.push_back(find_node(graph_, id)->output().name());
    }
    return {};
  }

  Status drop_texts() {
    ir::Graph copy = graph_.clone();
    copy.doc.clear();
    copy.metadata.clear();
    for (ir::Node& node : copy.nodes()) node.doc.clear();
    auto taken = attempt(std::move(copy));
    return taken.ok() ? Status() : Status(taken.error());
  }

  ir::Graph& graph_;
  const Breaks& breaks_;
  const ReduceOptions& options_;
  ReduceReport report_;
  std::set<std::string> tried_;  ///< hashes of files
  bool progress_ = false, stopped_ = false;
};

}  // namespace

Result<ReduceReport> reduce(ir::Graph& graph, const Breaks& breaks, const ReduceOptions& options) {
  return Reducer(graph, breaks, options).run();
}

}  // namespace edgesmith::refine
