// SPDX-License-Identifier: Apache-2.0
// A recipe as TOML, in the order in which people write one.
#include "edgesmith/base/text.h"
#include "edgesmith/data/preprocess.h"
#include "edgesmith/refine/recipe.h"
#include "refine/config.h"

namespace edgesmith::refine {
namespace {

std::string list_text(const std::vector<double>& values) {
  std::vector<std::string> texts;
  for (const double value : values) texts.push_back(toml_real(value));
  return "[" + join(texts, ", ") + "]";
}

std::string value_text(const passes::OptionValue& value) {
  ConfigNode node;
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    ConfigNode::List list;
    for (const std::string& text : *texts) list.push_back({text, 0});
    node.value = std::move(list);
  } else {
    std::visit(
        [&](const auto& scalar) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(scalar)>, std::vector<std::string>>) node.value = scalar;
        },
        value);
  }
  return toml_text(node);
}

std::string preprocess_text(const data::Preprocess& p) {
  std::vector<std::string> parts;
  if (!p.color.empty()) parts.push_back("color = " + toml_quoted(p.color));
  if (p.crop_fraction != 0) parts.push_back("crop_fraction = " + toml_real(p.crop_fraction));
  const std::string filter = p.filter == "bilinear" ? "" : ", filter = " + toml_quoted(p.filter);
  if (p.resize_short != 0) parts.push_back("resize = { short = " + std::to_string(p.resize_short) + filter + " }");
  if (p.resize_to.size() == 2) {
    parts.push_back("resize = { to = [" + std::to_string(p.resize_to[0]) + ", " + std::to_string(p.resize_to[1]) + "]" +
                    filter + " }");
  }
  if (p.crop != 0) parts.push_back("crop = " + std::to_string(p.crop));
  if (p.layout != "nchw") parts.push_back("layout = " + toml_quoted(p.layout));
  if (p.scale != 1) parts.push_back("scale = " + toml_real(p.scale));
  if (!p.mean.empty()) parts.push_back("mean = " + list_text(p.mean));
  if (!p.std.empty()) parts.push_back("std = " + list_text(p.std));
  return join(parts, ", ");
}

std::string table_text(const data::PreprocessTable& table) {
  std::vector<std::string> steps;
  for (const auto& [input, preprocess] : table) {
    const std::string text = preprocess_text(preprocess);
    if (input.empty() && !text.empty()) steps.push_back(text);
    if (!input.empty()) steps.push_back(toml_quoted(input) + " = { " + text + " }");
  }
  return "{ " + join(steps, ", ") + " }";
}

std::string data_text(const data::DataSpec& spec) {
  if (spec.labels.empty() && spec.features.empty() && spec.preprocess.empty() && spec.limit == 0)
    return toml_quoted(spec.path);
  std::vector<std::string> parts = {"path = " + toml_quoted(spec.path)};
  if (!spec.labels.empty()) parts.push_back("labels = " + toml_quoted(spec.labels));
  if (!spec.features.empty()) parts.push_back("features = " + value_text(spec.features));
  if (spec.limit != 0) parts.push_back("limit = " + std::to_string(spec.limit));
  if (!spec.preprocess.empty()) parts.push_back("preprocess = " + table_text(spec.preprocess));
  return "{ " + join(parts, ", ") + " }";
}

void print_gate(const Gate& gate, std::string& text) {
  const Gate fallback;
  std::string lines;
  if (!gate.metric.empty()) lines += "metric = " + toml_quoted(gate.metric) + "\n";
  if (!gate.metric_command.empty()) {
    lines += "metric_command = " + toml_quoted(gate.metric_command) + "\n";
    if (gate.metric_timeout != fallback.metric_timeout)
      lines += "metric_timeout = " + toml_real(gate.metric_timeout) + "\n";
    if (gate.metric_lower) lines += "metric_better = \"lower\"\n";
  }
  if (gate.max_drop) lines += "max_drop = " + toml_real(*gate.max_drop) + "\n";
  if (gate.max_bytes) lines += "max_bytes = " + std::to_string(*gate.max_bytes) + "\n";
  if (gate.max_ram) lines += "max_ram = " + std::to_string(*gate.max_ram) + "\n";
  if (gate.max_latency_us) lines += "max_latency_us = " + toml_real(*gate.max_latency_us) + "\n";
  if (gate.min_speedup) lines += "min_speedup = " + toml_real(*gate.min_speedup) + "\n";
  if (!gate.targets.empty()) lines += "targets = " + value_text(gate.targets) + "\n";
  if (gate.on_fail != fallback.on_fail) lines += "on_fail = \"fail\"\n";
  if (gate.undecided != fallback.undecided) lines += "undecided = \"fail\"\n";
  if (!lines.empty()) text += "\n[gate]\n" + lines;
}

}  // namespace

std::string print_recipe(const Recipe& recipe) {
  std::string text;
  if (!recipe.model.empty()) text += "model = " + toml_quoted(recipe.model) + "\n";
  text += "target = " + toml_quoted(recipe.target) + "\n";
  if (!recipe.output.empty()) text += "output = " + toml_quoted(recipe.output) + "\n";
  text += "seed = " + std::to_string(recipe.seed) + "\n";
  if (!recipe.preprocess.empty()) text += "preprocess = " + table_text(recipe.preprocess) + "\n";
  const std::pair<const char*, const std::optional<data::DataSpec>*> roles[] = {{"calib", &recipe.data.calib},
                                                                                {"train", &recipe.data.train},
                                                                                {"eval", &recipe.data.eval},
                                                                                {"test", &recipe.data.test}};
  bool any = false;
  for (const auto& [key, role] : roles) {
    if (!*role) continue;
    if (!any) text += "\n[data]\n";
    any = true;
    text += std::string(key) + " = " + data_text(**role) + "\n";
  }
  print_gate(recipe.gate, text);
  for (const Step& step : recipe.steps) {
    text += "\n[[step]]\npass = " + toml_quoted(step.pass) + "\n";
    for (const auto& [name, value] : step.options.effective()) {
      if (step.options.given(name)) text += name + " = " + value_text(value) + "\n";
    }
    if (step.max_drop) text += "max_drop = " + toml_real(*step.max_drop) + "\n";
    if (step.max_bytes) text += "max_bytes = " + std::to_string(*step.max_bytes) + "\n";
  }
  return text;
}

}  // namespace edgesmith::refine
