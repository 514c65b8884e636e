// SPDX-License-Identifier: Apache-2.0
// Curves of a training over its steps: one picture a unit, losses together.
#include <algorithm>
#include <cmath>

#include "report/html_parts.h"
#include "report/svg.h"

namespace edgesmith::report {
namespace {

constexpr double kWidth = 1000, kHeight = 250, kLeft = 70, kRight = 960, kTop = 30, kBottom = 205;
constexpr int kTicks = 4;
/// Styles of the curves of one picture, in order.
constexpr const char* kStyles[] = {"curve", "curve2"};

std::string picture_of(const std::vector<const train::Curve*>& curves, const std::string& title) {
  double low = INFINITY, high = -INFINITY, last = 0;
  for (const train::Curve* curve : curves) {
    for (size_t i = 0; i < curve->steps.size(); ++i) {
      low = std::min(low, curve->values[i]);
      high = std::max(high, curve->values[i]);
      last = std::max(last, curve->steps[i]);
    }
  }
  if (!std::isfinite(low) || !std::isfinite(high) || last <= 0) return "";
  const double pad = std::max((high - low) * 0.08, 1e-9 + 1e-3 * std::abs(high));
  low -= pad;
  high += pad;
  const auto x = [&](double step) { return kLeft + (kRight - kLeft) * step / last; };
  const auto y = [&](double value) { return kBottom - (kBottom - kTop) * (value - low) / (high - low); };
  std::string body;
  for (int tick = 0; tick <= kTicks; ++tick) {
    const double value = low + (high - low) * tick / kTicks, step = last * tick / kTicks;
    body += svg::line(kLeft, y(value), kRight, y(value), "grid");
    body += svg::label(kLeft - 8, y(value) + 4, number_text("%.3g", value), "end", "dim");
    body += svg::label(x(step), kBottom + 18, number_text("%.0f", step), "middle", "dim");
  }
  body += svg::label((kLeft + kRight) / 2, kHeight - 8, "steps", "middle", "dim");
  double legend = kLeft;
  for (size_t c = 0; c < curves.size(); ++c) {
    const char* style = kStyles[c % std::size(kStyles)];
    std::string path;
    for (size_t i = 0; i < curves[c]->steps.size(); ++i) {
      path += (path.empty() ? "M" : "L") + svg::at(x(curves[c]->steps[i])) + " " + svg::at(y(curves[c]->values[i]));
    }
    body += "<path class=\"" + std::string(style) + "\" d=\"" + path + "\"/>";
    body += svg::line(legend, kTop - 18, legend + 24, kTop - 18, style);
    const std::string name = curves[c]->name + (curves[c]->unit.empty() ? "" : ", " + curves[c]->unit);
    body += svg::label(legend + 30, kTop - 14, name);
    legend += 200;
  }
  return svg::picture(kWidth, kHeight, title, body);
}

}  // namespace

std::string curves_plot(const refine::RunReport& report) {
  std::string html;
  for (const refine::StepReport& step : report.steps) {
    std::vector<const train::Curve*> losses;
    for (const train::Curve& curve : step.curves) {
      if (curve.unit.empty()) losses.push_back(&curve);
    }
    if (!losses.empty()) html += picture_of(losses, "losses of " + step.pass);
    for (const train::Curve& curve : step.curves) {
      if (!curve.unit.empty()) html += picture_of({&curve}, curve.name + " in " + step.pass);
    }
  }
  return html;
}

}  // namespace edgesmith::report
