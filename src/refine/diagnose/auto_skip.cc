// SPDX-License-Identifier: Apache-2.0
// The fewest nodes to leave float for an accuracy budget: sets along skip_order, measured on calibration data.
#include <algorithm>
#include <chrono>

#include "edgesmith/base/clock.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/refine/measure.h"
#include "refine/diagnose/work.h"

namespace edgesmith::refine {

using namespace diagnose;

namespace {

using Clock = std::chrono::steady_clock;

// Nodes that are given back one by one at the end: more would cost a measurement each.
constexpr size_t kMostGivenBack = 12;

class Search {
 public:
  Search(const Diagnosis& diagnosis, const data::Dataset& calib, const AutoSkipOptions& options,
         const DiagnoseContext& context)
      : diagnosis_(diagnosis), work_(*diagnosis.work), calib_(calib), options_(options) {
    measure_.pool = context.pool;
    measure_.progress = context.progress;
    measure_.executor.arithmetic = context.executor.arithmetic;
    measure_.executor.memory_limit = context.executor.memory_limit;
  }

  Result<AutoSkip> run(const data::Dataset* eval) {
    result_.metric = options_.metric != nullptr ? options_.metric : default_metric(calib_);
    metrics_ = {result_.metric};
    reference_ = std::make_unique<Reference>(diagnosis_.original);
    auto before = evaluate(diagnosis_.original, calib_, metrics_, reference_.get(), "measure the original", measure_);
    if (!before) return before.error();
    before_ = before->metrics[0];
    result_.calib_before = before_.value().value;
    EDGESMITH_TRY(search());
    result_.nodes = best_;
    std::sort(result_.nodes.begin(), result_.nodes.end());
    result_.graph = leave_float(diagnosis_, work_, result_.nodes);
    EDGESMITH_TRY(ops::infer_types(result_.graph));
    result_.calib_drop = best_drop_;
    result_.met_calib = result_.met = best_drop_ <= options_.max_drop;
    if (eval != nullptr) EDGESMITH_TRY(check(*eval));
    return std::move(result_);
  }

 private:
  bool out_of_time() const { return options_.time_limit > 0 && seconds_since(start_) >= options_.time_limit; }

  Result<double> drop_of(const std::vector<size_t>& units) {
    if (interrupted()) return Error{ErrorKind::interrupted, "interrupted in the search", ""};
    ir::Graph graph = leave_float(diagnosis_, work_, units);
    EDGESMITH_TRY(ops::infer_types(graph));
    ++result_.trials;
    auto measured = evaluate(graph, calib_, metrics_, reference_.get(),
                             "measure with " + std::to_string(units.size()) + " nodes float", measure_);
    if (!measured) return measured.error();
    return data::paired_difference(*result_.metric, before_.numbers, measured->metrics[0].numbers).drop;
  }

  /// Tries a set; keeps it when it is the first that meets the budget, a smaller one that does, or nearer to it.
  Result<bool> attempt(const std::vector<size_t>& units) {
    auto drop = drop_of(units);
    if (!drop) return drop.error();
    const bool meets = *drop <= options_.max_drop, best_meets = best_drop_ <= options_.max_drop;
    const bool better =
        !any_ || (meets ? !best_meets || units.size() < best_.size() : !best_meets && *drop < best_drop_);
    if (better) {
      best_ = units;
      best_drop_ = *drop;
    }
    any_ = true;
    return meets;
  }

  Status search() {
    const std::vector<Move> moves = skip_order(work_.units, work_.facts, work_.alone);
    const auto first = [&](size_t count) {
      std::vector<size_t> units;
      for (size_t m = 0; m < count; ++m) units.insert(units.end(), moves[m].begin(), moves[m].end());
      return units;
    };
    auto met = attempt({});
    if (!met) return met.error();
    result_.compressed_drop = best_drop_;
    if (*met) return {};
    // Twice as many each time until the budget is met, then halves.
    size_t low = 0, high = 0;
    while (!*met && high < moves.size()) {
      if (stop()) return {};
      low = high;
      high = std::min(moves.size(), std::max<size_t>(1, 2 * high));
      met = attempt(first(high));
      if (!met) return met.error();
    }
    if (!*met) return {};
    while (high - low > 1) {
      if (stop()) return {};
      const size_t middle = (low + high) / 2;
      met = attempt(first(middle));
      if (!met) return met.error();
      (*met ? high : low) = middle;
    }
    return give_back();
  }

  // Each node in turn, those that were added last first.
  Status give_back() {
    if (best_.size() < 2 || best_.size() > kMostGivenBack) return {};
    for (size_t i = best_.size(); i-- > 0;) {
      if (stop()) return {};
      std::vector<size_t> fewer = best_;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
      auto met = attempt(fewer);
      if (!met) return met.error();
    }
    return {};
  }

  bool stop() {
    if (out_of_time()) result_.complete = false;
    return !result_.complete;
  }

  Status check(const data::Dataset& eval) {
    const data::MetricInfo* metric = options_.metric != nullptr ? options_.metric : default_metric(eval);
    const std::vector<const data::MetricInfo*> metrics = {metric};
    Reference reference(diagnosis_.original);
    auto before = evaluate(diagnosis_.original, eval, metrics, &reference, "check the original", measure_);
    if (!before) return before.error();
    auto after = evaluate(result_.graph, eval, metrics, &reference, "check the result", measure_);
    if (!after) return after.error();
    result_.eval_before = before->metrics[0].value();
    result_.eval_after = after->metrics[0].value();
    result_.eval_drop = data::paired_difference(*metric, before->metrics[0].numbers, after->metrics[0].numbers);
    result_.met = result_.eval_drop->drop <= options_.max_drop;
    return {};
  }

  const Diagnosis& diagnosis_;
  const Work& work_;
  const data::Dataset& calib_;
  const AutoSkipOptions& options_;
  MeasureContext measure_;
  std::vector<const data::MetricInfo*> metrics_;
  std::unique_ptr<Reference> reference_;
  MetricNumbers before_;
  AutoSkip result_;
  std::vector<size_t> best_;
  double best_drop_ = 0;
  bool any_ = false;
  Clock::time_point start_ = Clock::now();
};

}  // namespace

Result<AutoSkip> find_auto_skip(const Diagnosis& diagnosis, const data::Dataset& calib, const data::Dataset* eval,
                                const AutoSkipOptions& options, const DiagnoseContext& context) {
  return Search(diagnosis, calib, options, context).run(eval);
}

}  // namespace edgesmith::refine
