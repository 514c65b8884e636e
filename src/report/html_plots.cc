// SPDX-License-Identifier: Apache-2.0
// Plots as inline SVG: accuracy, noise, ranges.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "edgesmith/report/terminal.h"
#include "report/html_parts.h"
#include "report/svg.h"

namespace edgesmith::report {
namespace {

using passes::LayerRecord;
using refine::RunReport;
using refine::StepReport;
using refine::StepStatus;

using svg::at, svg::box, svg::label, svg::line, svg::short_name;

/// A round step of 1, 2 or 5 times a power of ten that cuts `span` into at most `most` parts.
double round_step(double span, int most) {
  const double power = std::pow(10.0, std::floor(std::log10(span / most)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (span / (factor * power) <= most) return factor * power;
  }
  return 10 * power;
}

/// A linear axis from data to pixels, with a margin around the data.
struct Axis {
  double low, high, from, to;

  static Axis around(double low, double high, double margin, double least, double from, double to) {
    const double pad = std::max((high - low) * margin, least);
    return {low - pad, high + pad, from, to};
  }
  double operator()(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

struct Point {
  std::string name;
  double bytes, value, low, high;
  const char* style;
};

std::vector<Point> points_of(const RunReport& report) {
  const refine::MetricValue& base = *report.baseline;
  std::vector<Point> points = {
      {"original", static_cast<double>(report.model.size.bytes), base.value, base.ci95[0], base.ci95[1], "dot-first"}};
  for (const StepReport& step : report.steps) {
    if (!step.metric || !std::isfinite(step.metric->value)) continue;
    points.push_back({step.pass + (step.kept ? "" : " (undone)"), static_cast<double>(step.size.bytes),
                      step.metric->value, step.metric->ci95[0], step.metric->ci95[1], step.kept ? "dot" : "dot-bad"});
  }
  return points;
}

/// Layers that have all of `keys`, with finite numbers.
std::vector<const LayerRecord*> with_numbers(std::span<const LayerRecord> layers,
                                             std::initializer_list<const char*> keys) {
  std::vector<const LayerRecord*> found;
  for (const LayerRecord& layer : layers) {
    const bool all = std::all_of(keys.begin(), keys.end(), [&](const char* key) {
      const auto number = layer.numbers.find(key);
      return number != layer.numbers.end() && std::isfinite(number->second);
    });
    if (all) found.push_back(&layer);
  }
  return found;
}

std::string layer_name(const LayerRecord& layer) { return layer.node.empty() ? layer.value : layer.node; }

}  // namespace

std::string accuracy_plot(const RunReport& report) {
  if (!report.baseline || !std::isfinite(report.baseline->value)) return "";
  const std::vector<Point> points = points_of(report);
  if (points.size() < 2) return "";
  const data::MetricInfo& metric = *report.baseline->metric;
  double low = points[0].value, high = low, most = 0;
  for (const Point& point : points) {
    low = std::min({low, point.value, std::isfinite(point.low) ? point.low : point.value});
    high = std::max({high, point.value, std::isfinite(point.high) ? point.high : point.value});
    most = std::max(most, point.bytes);
  }
  constexpr double kWidth = 1000, kHeight = 330, kLeft = 70, kRight = 960, kTop = 30, kBottom = 280;
  const Axis x{0, most * 1.08, kLeft, kRight};
  const Axis y = Axis::around(low, high, 0.15, 1e-6, kBottom, kTop);
  std::string body;
  const double y_step = round_step(y.high - y.low, 6), x_step = round_step(x.high, 8);
  for (double tick = std::ceil(y.low / y_step) * y_step; tick <= y.high; tick += y_step) {
    body += line(kLeft, y(tick), kRight, y(tick), "grid");
    body += label(kLeft - 8, y(tick) + 4, number_text("%.6g", std::abs(tick) < y_step / 2 ? 0 : tick), "end", "dim");
  }
  for (double tick = 0; tick <= x.high; tick += x_step) {
    body += label(x(tick), kBottom + 20, bytes_text(static_cast<int64_t>(tick)), "middle", "dim");
  }
  body += label((kLeft + kRight) / 2, kHeight - 6, "size of the file", "middle", "dim");
  body +=
      label(kLeft - 60, kTop - 14,
            std::string(metric.name) + (metric.unit.empty() ? "" : ", " + std::string(metric.unit)), "start", "dim");
  std::string path;
  for (const Point& point : points) path += (path.empty() ? "M" : "L") + at(x(point.bytes)) + " " + at(y(point.value));
  body += "<path class=\"path\" d=\"" + path + "\"/>";
  double last_x = -1e9, last_y = -1e9;
  for (const Point& point : points) {
    const double px = x(point.bytes), py = y(point.value);
    if (std::isfinite(point.low) && std::isfinite(point.high))
      body += line(px, y(point.low), px, y(point.high), "error");
    body += "<circle class=\"" + std::string(point.style) + "\" cx=\"" + at(px) + "\" cy=\"" + at(py) +
            "\" r=\"6\"><title>" +
            escape_html(point.name + ": " + refine::metric_text(metric, point.value) + ", " +
                        bytes_text(static_cast<int64_t>(point.bytes))) +
            "</title></circle>";
    // Labels of points that lie close together are stacked.
    const bool close = std::abs(px - last_x) < 120 && std::abs(py - 12 - last_y) < 16;
    const double label_y = close ? last_y - 16 : py - 12;
    const bool at_right = px > kRight - 160;
    body += label(at_right ? px - 4 : px + 4, label_y, point.name + "  " + refine::metric_text(metric, point.value),
                  at_right ? "end" : "start");
    last_x = px;
    last_y = label_y;
  }
  return svg::picture(kWidth, kHeight, "accuracy against size", body);
}

std::string sqnr_plot(std::span<const LayerRecord> layers) {
  const auto shown = with_numbers(layers, {"sqnr_db"});
  if (shown.empty()) return "";
  double most = 1, least = 0;
  for (const LayerRecord* layer : shown) {
    most = std::max(most, layer->numbers.at("sqnr_db"));
    least = std::min(least, layer->numbers.at("sqnr_db"));
  }
  const double height = svg::kRow * static_cast<double>(shown.size()) + 26;
  const Axis x{least, most * 1.02, svg::kLabelWidth + 10, 930};
  std::string body;
  const double step = round_step(x.high - x.low, 8);
  for (double tick = std::ceil(x.low / step) * step; tick <= x.high; tick += step) {
    body += line(x(tick), 18, x(tick), height, "grid");
    body += label(x(tick), 12, number_text("%.0f dB", tick), "middle", "dim");
  }
  double y = 22;
  for (const LayerRecord* layer : shown) {
    const double value = layer->numbers.at("sqnr_db");
    const char* style = value < 10 ? "bar-weak" : value < 20 ? "bar-fair" : "bar";
    const std::string name = layer_name(*layer);
    body += label(svg::kLabelWidth, y + 12, short_name(name, 36), "end");
    body += box(x(std::min(0.0, value)), y + 2, std::abs(x(value) - x(0)), svg::kRow - 5, style,
                name + " (" + layer->op + "): " + number_text("%.1f dB", value));
    body += label(x(std::max(0.0, value)) + 6, y + 12, number_text("%.1f", value), "start", "dim");
    y += svg::kRow;
  }
  return svg::picture(1000, height, "SQNR of each layer", body);
}

std::string range_plot(std::span<const LayerRecord> layers) {
  const auto shown = with_numbers(layers, {"min", "max"});
  if (shown.empty()) return "";
  double most = 0;
  for (const LayerRecord* layer : shown) {
    most = std::max({most, std::abs(layer->numbers.at("min")), std::abs(layer->numbers.at("max"))});
  }
  if (most <= 0) return "";
  // Symmetric logarithm: linear within 1/1000 of the largest decade, so that zero has its place.
  const int top = static_cast<int>(std::ceil(std::log10(most)));
  const double unit = std::pow(10.0, top - 3);
  const auto scaled = [&](double value) { return std::copysign(std::log10(1 + std::abs(value) / unit), value); };
  const Axis x{-scaled(std::pow(10.0, top)), scaled(std::pow(10.0, top)), svg::kLabelWidth + 20, 980};
  const double height = svg::kRow * static_cast<double>(shown.size()) + 26;
  std::string body;
  for (int power = top - 2; power <= top; ++power) {
    for (const double sign : {-1.0, 1.0}) {
      const double tick = sign * std::pow(10.0, power);
      body += line(x(scaled(tick)), 18, x(scaled(tick)), height, "grid");
      body += label(x(scaled(tick)), 12, number_text("%g", tick), "middle", "dim");
    }
  }
  body += line(x(0), 18, x(0), height, "grid") + label(x(0), 12, "0", "middle", "dim");
  double y = 22;
  for (const LayerRecord* layer : shown) {
    const double low = layer->numbers.at("min"), high = layer->numbers.at("max");
    const std::string name = layer->value.empty() ? layer_name(*layer) : layer->value;
    body += label(svg::kLabelWidth, y + 12, short_name(name, 36), "end");
    body += box(x(scaled(low)), y + 2, x(scaled(high)) - x(scaled(low)), svg::kRow - 5, "range",
                name + ": " + number_text("%.5g", low) + " to " + number_text("%.5g", high));
    y += svg::kRow;
  }
  return svg::picture(1000, height, "range of each tensor", body);
}

}  // namespace edgesmith::report
