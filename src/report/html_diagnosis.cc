// SPDX-License-Identifier: Apache-2.0
// A diagnosis along the graph: on the left what each node costs alone, on the right the ratio of signal to error that
// is left after it.
#include <algorithm>
#include <cmath>

#include "edgesmith/report/diagnosis.h"
#include "report/html_parts.h"
#include "report/svg.h"

namespace edgesmith::report {
namespace {

using refine::NodeDiagnosis;
using svg::at, svg::box, svg::label, svg::line, svg::short_name;

constexpr double kBarsFrom = 260, kBarsTo = 560, kDbFrom = 620, kDbTo = 960, kTop = 24;
// Shares of the error that are shown in the colours of trouble.
constexpr double kBad = 0.1, kFair = 0.03;
// No ratio is drawn beyond this.
constexpr double kMostDb = 80;

double shown_db(const NodeDiagnosis& node) { return std::clamp(node.accumulated_db.value_or(kMostDb), -10.0, kMostDb); }

std::string causes_of(const NodeDiagnosis& node) {
  std::string text;
  for (const refine::Cause& cause : node.causes) text += "; " + cause.text;
  return text;
}

}  // namespace

std::string diagnosis_picture(const refine::Diagnosis& diagnosis) {
  std::vector<const NodeDiagnosis*> nodes;
  double most = 0;
  for (const NodeDiagnosis& node : diagnosis.nodes) {
    if (!node.differs) continue;
    nodes.push_back(&node);
    most = std::max(most, node.share);
  }
  if (nodes.empty()) return "";
  const double height = kTop + svg::kRow * static_cast<double>(nodes.size()) + 8;
  const auto x_of_db = [](double db) { return kDbFrom + (db + 10) / (kMostDb + 10) * (kDbTo - kDbFrom); };
  std::string body = label(kBarsFrom, 12, "share of the error, each alone", "start", "dim");
  for (int db = 0; db <= static_cast<int>(kMostDb); db += 20) {
    body += line(x_of_db(db), kTop - 4, x_of_db(db), height, "grid");
    body += label(x_of_db(db), 12, std::to_string(db) + " dB", "middle", "dim");
  }
  std::string path;
  double y = kTop;
  for (const NodeDiagnosis* node : nodes) {
    const double width = most > 0 ? (kBarsTo - kBarsFrom) * node->share / most : 0;
    const char* style = node->share >= kBad ? "bar-weak" : node->share >= kFair ? "bar-fair" : "bar";
    body += label(svg::kLabelWidth, y + 12, short_name(node->node, 36), "end");
    body += box(kBarsFrom, y + 2, width, svg::kRow - 5, style,
                node->node + " (" + node->op + "): " + number_text("%.1f %%", 100 * node->share) + causes_of(*node));
    if (node->share >= kFair) {
      body += label(kBarsFrom + width + 6, y + 12, number_text("%.0f %%", 100 * node->share), "start", "dim");
    }
    const double db = shown_db(*node);
    path += (path.empty() ? "M" : "L") + at(x_of_db(db)) + " " + at(y + 9);
    body += box(x_of_db(db) - 3, y + 6, 6, 6,
                db < 10   ? "bar-weak"
                : db < 20 ? "bar-fair"
                          : "bar",
                node->value + ": " + number_text("%.1f dB", db) + " after it");
    y += svg::kRow;
  }
  body += "<path class=\"path\" d=\"" + path + "\"/>";
  return "<section><h2>along the graph</h2>" + svg::picture(1000, height, "errors along the graph", body) +
         "</section>\n";
}

}  // namespace edgesmith::report
