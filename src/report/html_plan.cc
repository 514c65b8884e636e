// SPDX-License-Identifier: Apache-2.0
// Plans of `select` as plots.
#include "edgesmith/report/plan.h"
#include "report/html_choices.h"

namespace edgesmith::report {
namespace {

std::string section(const std::string& title, const std::string& plot) {
  return plot.empty() ? "" : "<section><h2>" + title + "</h2>" + plot + "</section>\n";
}

}  // namespace

std::string plan_picture(const refine::Plan& plan) {
  std::vector<Choice> choices;
  for (const refine::PlannedNode& node : plan.nodes) {
    Choice choice{.node = node.node, .op = node.op, .options = {{node.chosen.kernel, node.chosen.time.warm_us, true}}};
    if (node.runner_up) choice.options.push_back({node.runner_up->kernel, node.runner_up->time.warm_us, false});
    choices.push_back(std::move(choice));
  }
  return section("kernels",
                 choices_plot(std::move(choices), "time of each node by its kernel and by the fastest other"));
}

std::string plan_picture(const passes::PrecisionPlan& plan) {
  std::vector<Choice> choices;
  for (const passes::PrecisionNode& node : plan.nodes) {
    choices.push_back(precision_choice(node.node, node.op, node.int8_us, node.float_us, node.int8, node.why));
  }
  return section("precisions", choices_plot(std::move(choices), kPrecisions));
}

}  // namespace edgesmith::report
