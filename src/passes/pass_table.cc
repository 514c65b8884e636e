// SPDX-License-Identifier: Apache-2.0
// The pass table and the one way to run a pass.
#include <algorithm>
#include <array>
#include <optional>

#include "edgesmith/base/progress.h"
#include "edgesmith/base/time_limit.h"
#include "edgesmith/ir/verifier.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "passes/distill/train_step.h"
#include "passes/selectors.h"

namespace edgesmith::passes {

#define PASS(name) extern const PassInfo name##_pass;
#include "passes/pass_list.def"
#undef PASS

namespace {

// Of a pass that has them.
std::optional<Selectors> selectors_of(const Options& options) {
  const OptionSchema& rows = options.schema();
  if (std::none_of(rows.begin(), rows.end(), [](const OptionRow& row) { return row.name == "skip_op"; })) return {};
  return read_selectors(options);
}

}  // namespace

std::span<const PassInfo> all_passes() {
  static const std::array kPasses = {
#define PASS(name) name##_pass,
#include "passes/pass_list.def"
#undef PASS
  };
  return kPasses;
}

const PassInfo* find_pass(std::string_view name) {
  for (const PassInfo& pass : all_passes()) {
    if (pass.name == name) return &pass;
  }
  return nullptr;
}

bool needs_calib(const PassInfo& pass, const Options& options) {
  if (!pass.needs_calib || pass.calib_unless.empty()) return pass.needs_calib;
  for (std::string_view rest = pass.calib_unless; !rest.empty();) {
    const std::string_view one = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    const size_t equals = one.find('=');
    if (equals == std::string_view::npos ? options.flag(one)
                                         : options.word(one.substr(0, equals)) == one.substr(equals + 1))
      return false;
  }
  return true;
}

Status check_options(const PassInfo& pass, const Options& options) {
  return pass.check != nullptr ? pass.check(options) : Status();
}

Status check_first_step(const Options& options, const ir::Graph& graph) {
  const auto selectors = selectors_of(options);
  return selectors ? check_selectors(graph, *selectors) : Status();
}

Status check_later_step(const Options& options, const ir::Graph& original) {
  const auto selectors = selectors_of(options);
  return selectors ? check_later_selectors(original, *selectors) : Status();
}

Result<Change> run_pass(const PassInfo& pass, ir::Graph& graph, const Options& options, PassContext& context) {
  const std::string name(pass.name);
  EDGESMITH_TRY(check_options(pass, options));
  Status types = ops::infer_types(graph);
  if (!types) return types.error().in("before pass " + name);
  // A pass that was interrupted may leave anything, and say anything of it; a training that was knows what it leaves.
  const auto cancelled = [&](const Status& said) {
    const bool stopped = context.out_of_time ? stop_requested() : interrupted();
    if (!stopped || context.stopped_early) return said;
    return Status(Error{ErrorKind::interrupted, "interrupted in " + name, ""});
  };
  auto change = pass.run(graph, options, context);
  EDGESMITH_TRY(cancelled(change.ok() ? Status() : Status(change.error())));
  if (*change == Change::changed && asks_for_training(options)) {
    EDGESMITH_TRY(cancelled(repair_by_training(graph, context)));
  }
  Status status = ir::verify(graph);
  if (status.ok() && *change == Change::changed) status = ops::infer_types(graph);
  if (!status) {
    // The graph was good before: what is wrong now is the pass's fault, not the user's.
    Error error = status.error().in("after pass " + name);
    error.kind = ErrorKind::internal;
    return error;
  }
  return change;
}

}  // namespace edgesmith::passes
