// SPDX-License-Identifier: Apache-2.0
// What was weighed for each node, two bars of time a node, the chosen one solid.
#include "report/html_choices.h"

#include <algorithm>
#include <cmath>

#include "report/html_parts.h"
#include "report/svg.h"

namespace edgesmith::report {
namespace {

// Two bars a node.
constexpr double kPairRow = 26, kBar = 9;
/// Rows at most; further nodes are the cheap ones.
constexpr size_t kMostRows = 40;

double most_of(const Choice& choice) {
  double most = 0;
  for (const Choice::Option& option : choice.options) most = std::max(most, option.us);
  return most;
}

/// The costliest ones, in their order.
void keep_costliest(std::vector<Choice>& choices) {
  std::erase_if(choices, [](const Choice& choice) { return !std::isfinite(most_of(choice)); });
  if (choices.size() <= kMostRows) return;
  std::vector<double> times;
  for (const Choice& choice : choices) times.push_back(most_of(choice));
  std::nth_element(times.begin(), times.begin() + (kMostRows - 1), times.end(), std::greater<>());
  const double least = times[kMostRows - 1];
  std::erase_if(choices, [&](const Choice& choice) { return most_of(choice) < least; });
  choices.resize(std::min(choices.size(), kMostRows));
}

}  // namespace

std::string choices_plot(std::vector<Choice> choices, const std::string& about) {
  keep_costliest(choices);
  double most = 0;
  for (const Choice& choice : choices) most = std::max(most, most_of(choice));
  if (most <= 0) return "";
  const double left = svg::kLabelWidth + 10, right = 780;
  const double height = kPairRow * static_cast<double>(choices.size()) + 26;
  std::string body;
  for (int tick = 0; tick <= 4; ++tick) {
    const double x = left + (right - left) * tick / 4;
    body += svg::line(x, 18, x, height, "grid");
    body += svg::label(x, 12, number_text("%.3g us", most * tick / 4), "middle", "dim");
  }
  double y = 22;
  for (const Choice& choice : choices) {
    body += svg::label(svg::kLabelWidth, y + 14, svg::short_name(choice.node, 36), "end");
    double top = y + 2;
    for (const Choice::Option& option : choice.options) {
      const double width = (right - left) * option.us / most;
      body +=
          svg::box(left, top, width, kBar, option.chosen ? "bar" : "unchosen",
                   choice.node + " (" + choice.op + ") in " + option.word + ": " + number_text("%.3g us", option.us) +
                       (option.chosen ? ", chosen" + (choice.why.empty() ? "" : ": " + choice.why) : ""));
      if (option.chosen) body += svg::label(left + width + 6, top + kBar, option.word, "start", "dim");
      top += kBar + 1;
    }
    y += kPairRow;
  }
  return svg::picture(1000, height, about, body);
}

Choice precision_choice(std::string node, std::string op, double int8_us, double float_us, bool int8, std::string why) {
  return {.node = std::move(node),
          .op = std::move(op),
          .why = std::move(why),
          .options = {{"int8", int8_us, int8}, {"float32", float_us, !int8}}};
}

std::string selection_plot(const refine::RunReport& report) {
  std::vector<Choice> choices;
  for (const refine::StepReport& step : report.steps) {
    if (step.pass != "select") continue;
    choices.clear();  // the last one counts
    for (const passes::LayerRecord& layer : step.layers) {
      const auto int8 = layer.numbers.find("int8_us"), real = layer.numbers.find("float_us");
      if (int8 == layer.numbers.end() || real == layer.numbers.end()) continue;
      choices.push_back(
          precision_choice(layer.node, layer.op, int8->second, real->second, layer.status == "int8", layer.reason));
    }
  }
  return choices_plot(std::move(choices), kPrecisions);
}

}  // namespace edgesmith::report
