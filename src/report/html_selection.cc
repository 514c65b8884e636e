// SPDX-License-Identifier: Apache-2.0
// Plot of what the step "select" weighed: the time of each node in both precisions, the chosen one solid.
#include <algorithm>
#include <cmath>

#include "report/html_parts.h"
#include "report/svg.h"

namespace edgesmith::report {
namespace {

using passes::LayerRecord;

// Two bars a node.
constexpr double kPairRow = 26, kBar = 9;
/// Rows at most; further nodes are the cheap ones.
constexpr size_t kMostRows = 40;

double time_of(const LayerRecord& layer, const char* what) {
  const auto found = layer.numbers.find(what);
  return found == layer.numbers.end() ? -1 : found->second;
}

double most_of(const LayerRecord& layer) { return std::max(time_of(layer, "int8_us"), time_of(layer, "float_us")); }

}  // namespace

std::string selection_plot(const refine::RunReport& report) {
  std::vector<const LayerRecord*> shown;
  for (const refine::StepReport& step : report.steps) {
    if (step.pass != "select") continue;
    shown.clear();  // the last one counts
    for (const LayerRecord& layer : step.layers) {
      const double int8 = time_of(layer, "int8_us"), real = time_of(layer, "float_us");
      if (int8 >= 0 && real >= 0 && std::isfinite(int8) && std::isfinite(real)) shown.push_back(&layer);
    }
  }
  if (shown.size() > kMostRows) {
    std::vector<double> times;
    for (const LayerRecord* layer : shown) times.push_back(most_of(*layer));
    std::nth_element(times.begin(), times.begin() + (kMostRows - 1), times.end(), std::greater<>());
    const double least = times[kMostRows - 1];
    std::erase_if(shown, [&](const LayerRecord* layer) { return most_of(*layer) < least; });
    shown.resize(std::min(shown.size(), kMostRows));
  }
  double most = 0;
  for (const LayerRecord* layer : shown) most = std::max(most, most_of(*layer));
  if (most <= 0) return "";
  const double left = svg::kLabelWidth + 10, right = 880, height = kPairRow * static_cast<double>(shown.size()) + 26;
  std::string body;
  for (int tick = 0; tick <= 4; ++tick) {
    const double x = left + (right - left) * tick / 4;
    body += svg::line(x, 18, x, height, "grid");
    body += svg::label(x, 12, number_text("%.3g us", most * tick / 4), "middle", "dim");
  }
  double y = 22;
  for (const LayerRecord* layer : shown) {
    const bool int8 = layer->status == "int8";
    body += svg::label(svg::kLabelWidth, y + 14, svg::short_name(layer->node, 36), "end");
    const auto bar = [&](double top, double us, bool chosen, const char* word) {
      const double width = (right - left) * us / most;
      body += svg::box(left, top, width, kBar, chosen ? "bar" : "unchosen",
                       layer->node + " (" + layer->op + ") in " + word + ": " + number_text("%.3g us", us) +
                           (chosen ? ", chosen: " + layer->reason : ""));
      if (chosen) body += svg::label(left + width + 6, top + kBar, word, "start", "dim");
    };
    bar(y + 2, time_of(*layer, "int8_us"), int8, "int8");
    bar(y + 3 + kBar, time_of(*layer, "float_us"), !int8, "float32");
    y += kPairRow;
  }
  return svg::picture(1000, height, "time of each node in both precisions", body);
}

}  // namespace edgesmith::report
