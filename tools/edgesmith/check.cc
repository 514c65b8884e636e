// SPDX-License-Identifier: Apache-2.0
// `edgesmith check`: will this target take the model? Exit code 1 when not.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli.h"
#include "data_flags.h"
#include "edgesmith/base/text.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/refine/target_check.h"
#include "edgesmith/report/terminal.h"

namespace edgesmith::cli {
namespace {

using refine::Finding;
using refine::TargetCheck;
using report::Table;
using Json = nlohmann::ordered_json;

Json findings_json(const std::vector<Finding>& findings) {
  Json list = Json::array();
  for (const Finding& finding : findings) {
    list.push_back({{"node", finding.node},
                    {"rule", finding.rule},
                    {"value", finding.value},
                    {"limit", finding.limit},
                    {"fix", finding.fix}});
  }
  return list;
}

Json bytes_json(const std::optional<int64_t>& bytes) { return bytes ? Json(*bytes) : Json(); }

std::string as_json(const std::string& model, const targets::Target& target, const TargetCheck& check) {
  const refine::PairSums& pairs = check.pairs;
  Json saturation;
  if (target.pair_rule != targets::PairRule::none) {
    saturation = {{"layers", pairs.layers},     {"unsafe_layers", pairs.unsafe_layers},
                  {"channels", pairs.channels}, {"unsafe_channels", pairs.unsafe_channels},
                  {"pairs", pairs.pairs},       {"unsafe_pairs", pairs.unsafe_pairs}};
  }
  return Json({{"schema", "edgesmith.check/1"},
               {"model", model},
               {"target", {{"name", target.name}, {"status", targets::evidence_name(target.evidence)}}},
               {"takes", check.takes()},
               {"violations", findings_json(check.violations)},
               {"hints", findings_json(check.hints)},
               {"memory",
                {{"activation_bytes", bytes_json(check.memory.activation_bytes)},
                 {"weight_bytes", check.memory.weight_bytes},
                 {"ram_bytes", bytes_json(check.memory.ram_bytes)},
                 {"ram_limit", bytes_json(target.device.ram_bytes)},
                 {"flash_bytes", bytes_json(check.memory.flash_bytes)},
                 {"flash_limit", bytes_json(target.device.flash_bytes)}}},
               {"saturation", std::move(saturation)}})
      .dump(2, ' ', false, Json::error_handler_t::replace);
}

/// Nodes that break the same rule in the same way share a line; --json has them all.
std::string findings_text(const std::vector<Finding>& findings, bool color) {
  std::vector<std::pair<Finding, int>> groups;
  for (const Finding& finding : findings) {
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const auto& group) {
      const Finding& first = group.first;
      return first.rule == finding.rule && first.value == finding.value && first.limit == finding.limit &&
             first.fix == finding.fix;
    });
    if (same == groups.end()) {
      groups.emplace_back(finding, 0);
    } else {
      ++same->second;
    }
  }
  Table table({Table::Align::left, Table::Align::left, Table::Align::left, Table::Align::left, Table::Align::left});
  table.head({"node", "rule", "value", "limit", "fix"});
  for (const auto& [finding, others] : groups) {
    const std::string node = finding.node.empty() ? "the model" : finding.node;
    table.row({others == 0 ? node : node + " and " + std::to_string(others) + " more", finding.rule, finding.value,
               finding.limit, finding.fix});
  }
  return table.text(color);
}

std::string of_limit(const std::optional<int64_t>& bytes, const std::optional<int64_t>& limit) {
  const std::string need = bytes ? report::bytes_text(*bytes) : "not known";
  return limit ? need + " of " + report::bytes_text(*limit) : need;
}

std::string pairs_text(const refine::PairSums& pairs) {
  if (pairs.unsafe_channels == 0) {
    return "16-bit pair sums: no weights that meet can overflow (" + std::to_string(pairs.layers) +
           (pairs.layers == 1 ? " layer)" : " layers)");
  }
  const double percent =
      100.0 * static_cast<double>(pairs.unsafe_pairs) / static_cast<double>(std::max<int64_t>(1, pairs.pairs));
  return "16-bit pair sums: " + std::to_string(pairs.unsafe_channels) + " of " + std::to_string(pairs.channels) +
         " channels can overflow, " + shortest(std::round(percent * 10) / 10) + " % of the neighbouring pairs";
}

std::string as_text(const std::string& model, const targets::Target& target, const TargetCheck& check, bool verbose,
                    bool color) {
  const size_t count = check.violations.size();
  std::string text = check.takes()
                         ? report::paint(target.name + " takes " + model, report::Style::green, color)
                         : report::paint(target.name + " does not take " + model, report::Style::red, color) + ": " +
                               std::to_string(count) + (count == 1 ? " rule is broken" : " rules are broken");
  text += "\n";
  if (!check.takes()) text += findings_text(check.violations, color);
  text += "  memory: RAM " + of_limit(check.memory.ram_bytes, target.device.ram_bytes);
  if (check.memory.flash_bytes) text += ", flash " + of_limit(check.memory.flash_bytes, target.device.flash_bytes);
  text += "\n";
  if (check.pairs.layers > 0) text += "  " + pairs_text(check.pairs) + "\n";
  if (target.evidence == targets::Evidence::rules) {
    text += "  only the documents of this target were read; no model of ours was run on it\n";
  }
  if (!check.hints.empty() && verbose) text += "hints\n" + findings_text(check.hints, color);
  if (!check.hints.empty() && !verbose) {
    const size_t hints = check.hints.size();
    text += "  " + std::to_string(hints) + (hints == 1 ? " hint" : " hints") + " about speed; --verbose shows " +
            (hints == 1 ? "it\n" : "them\n");
  }
  return text;
}

Result<int> run(const std::string& model, const std::string& target_name, const Common& common) {
  if (target_name.empty()) {
    return usage_error("check: no target given", "add --target NAME; 'edgesmith targets' lists them");
  }
  auto target = targets::load_target(target_name);
  if (!target) return target.error();
  auto graph = onnx::import_file(model);
  if (!graph) return graph.error();
  const TargetCheck check = refine::check_target(*graph, *target);
  if (common.json) {
    print(as_json(model, *target, check));
  } else if (!common.quiet || !check.takes()) {
    print(as_text(model, *target, check, common.verbose, use_color(common)));
  }
  return check.takes() ? 0 : 1;
}

}  // namespace

void add_check(Program& program) {
  struct Flags {
    std::string model, target;
  };
  auto flags = std::make_shared<Flags>();
  Command* command =
      program.add_command("check", "Say whether a target takes a model, and which rules it breaks",
                          [flags](const Common& common) { return run(flags->model, flags->target, common); });
  command->add_option("model", flags->model, "the .onnx file")->required()->type_name("MODEL");
  command->add_option("--target", flags->target, "name of a target, or path of a profile")
      ->type_name("NAME")
      ->suggest(target_names());
}

}  // namespace edgesmith::cli
