// SPDX-License-Identifier: Apache-2.0
// One page over the whole zoo: no scripts, nothing fetched. Each model is an arrow from what it was to what it became.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "edgesmith/report/json.h"
#include "edgesmith/report/terminal.h"
#include "edgesmith/zoo/summary.h"
#include "report/html_parts.h"
#include "report/svg.h"

namespace edgesmith::zoo {
namespace {

using report::bytes_text, report::escape_html, report::number_text;
namespace svg = report::svg;

constexpr double kWidth = 1000, kHeight = 380, kLeft = 70, kRight = 960, kTop = 30, kBottom = 330;

const char* badge_of(RowStatus status) {
  return status == RowStatus::done ? "good" : status == RowStatus::gate_failed ? "warn" : "bad";
}

/// Drawn only where both ends are known.
bool is_drawn(const Row& row) {
  return row.value.before && row.value.after && row.bytes.before && row.bytes.after && *row.bytes.before > 0 &&
         *row.bytes.after > 0 && std::isfinite(*row.value.before) && std::isfinite(*row.value.after);
}

/// A round step of 1, 2 or 5 times a power of ten that cuts `span` into at most `most` parts.
double round_step(double span, int most) {
  const double power = std::pow(10.0, std::floor(std::log10(span / most)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (span / (factor * power) <= most) return factor * power;
  }
  return 10 * power;
}

/// Names beside dots, each where no earlier one is: above its dot, below it, or further up.
class Labels {
 public:
  std::string place(double x, double y, const std::string& text) {
    const double width = kCharacter * static_cast<double>(text.size());
    const double left = std::max(kLeft + 4, x - width / 2);
    Box box{left, y - 10, width};
    for (const double shift : {-10.0, 22.0, -25.0, 37.0}) {
      box.base = y + shift;
      if (std::none_of(taken_.begin(), taken_.end(), [&](const Box& other) { return box.meets(other); })) break;
    }
    taken_.push_back(box);
    return svg::label(box.left, box.base, text);
  }

 private:
  static constexpr double kCharacter = 6.6, kLine = 14;
  struct Box {
    double left, base, width;
    bool meets(const Box& other) const {
      return std::abs(base - other.base) < kLine && left < other.left + other.width && other.left < left + width;
    }
  };
  std::vector<Box> taken_;
};

/// The models that share a metric. Sizes differ by powers of ten, so their axis is logarithmic.
std::string plot_of(const std::vector<const Row*>& rows) {
  double least = HUGE_VAL, most = 0, low = HUGE_VAL, high = -HUGE_VAL;
  for (const Row* row : rows) {
    least = std::min({least, static_cast<double>(*row->bytes.before), static_cast<double>(*row->bytes.after)});
    most = std::max({most, static_cast<double>(*row->bytes.before), static_cast<double>(*row->bytes.after)});
    low = std::min({low, *row->value.before, *row->value.after});
    high = std::max({high, *row->value.before, *row->value.after});
  }
  const double left = std::log10(least) - 0.1, right = std::log10(most) + 0.1;
  const double margin = std::max((high - low) * 0.12, 1e-6);
  low -= margin, high += margin;
  const auto x = [&](double bytes) { return kLeft + (std::log10(bytes) - left) / (right - left) * (kRight - kLeft); };
  const auto y = [&](double value) { return kBottom - (value - low) / (high - low) * (kBottom - kTop); };
  std::string body;
  const double step = round_step(high - low, 6);
  for (double value = std::ceil(low / step) * step; value <= high; value += step) {
    body += svg::line(kLeft, y(value), kRight, y(value), "grid");
    body +=
        svg::label(kLeft - 8, y(value) + 4, number_text("%.6g", std::abs(value) < step / 2 ? 0 : value), "end", "dim");
  }
  for (int power = static_cast<int>(std::floor(left)); power <= static_cast<int>(std::ceil(right)); ++power) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double bytes = factor * std::pow(10.0, power);
      if (std::log10(bytes) < left || std::log10(bytes) > right) continue;
      body += svg::line(x(bytes), kTop, x(bytes), kBottom, "grid");
      body +=
          svg::label(x(bytes), kBottom + 20, bytes_text(static_cast<int64_t>(std::llround(bytes))), "middle", "dim");
    }
  }
  body += svg::label((kLeft + kRight) / 2, kHeight - 6, "size of the file", "middle", "dim");
  const Row& first = *rows.front();
  body +=
      svg::label(kLeft - 60, kTop - 14, first.metric + (first.unit.empty() ? "" : ", " + first.unit), "start", "dim");
  Labels labels;
  for (const Row* row : rows) {
    const double x1 = x(static_cast<double>(*row->bytes.before)), y1 = y(*row->value.before);
    const double x2 = x(static_cast<double>(*row->bytes.after)), y2 = y(*row->value.after);
    const auto dot = [&](double px, double py, const char* style, double value, int64_t bytes) {
      return "<circle class=\"" + std::string(style) + "\" cx=\"" + svg::at(px) + "\" cy=\"" + svg::at(py) +
             "\" r=\"6\"><title>" + escape_html(row->name + ": " + value_text(*row, value) + ", " + bytes_text(bytes)) +
             "</title></circle>";
    };
    body +=
        "<path class=\"path\" d=\"M" + svg::at(x1) + " " + svg::at(y1) + "L" + svg::at(x2) + " " + svg::at(y2) + "\"/>";
    body += dot(x1, y1, "dot-first", *row->value.before, *row->bytes.before);
    body += dot(x2, y2, row->status == RowStatus::done ? "dot" : "dot-bad", *row->value.after, *row->bytes.after);
    body += labels.place(x2, y2, svg::short_name(row->name, 28));
  }
  return svg::picture(kWidth, kHeight, "accuracy against size of all models", body);
}

std::string plots(const Summary& summary) {
  std::vector<std::string> metrics;
  for (const Row& row : summary.rows) {
    if (is_drawn(row) && std::find(metrics.begin(), metrics.end(), row.metric) == metrics.end()) {
      metrics.push_back(row.metric);
    }
  }
  std::string html;
  for (const std::string& metric : metrics) {
    std::vector<const Row*> rows;
    for (const Row& row : summary.rows) {
      if (is_drawn(row) && row.metric == metric) rows.push_back(&row);
    }
    html += "<div class=\"scroll\">" + plot_of(rows) + "</div>\n";
  }
  if (html.empty()) return "";
  return "<section><h2>Accuracy against size</h2><p class=\"about\">Each line leads from a model to what it became; "
         "red "
         "where the gate refused a step.</p>" +
         html + "</section>\n";
}

std::string card(const std::string& name, const std::string& from, const std::string& value) {
  return "<div class=\"card\"><div class=\"name\">" + name + "</div><div class=\"value\">" + value +
         "</div><div class=\"from\">" + from + "</div></div>\n";
}

std::string cards(const Summary& summary) {
  int64_t before = 0, after = 0, done = 0, refused = 0;
  double seconds = 0;
  for (const Row& row : summary.rows) {
    done += row.status == RowStatus::done;
    refused += row.status == RowStatus::gate_failed;
    seconds += row.seconds;
    if (!row.bytes.before || !row.bytes.after) continue;
    before += *row.bytes.before;
    after += *row.bytes.after;
  }
  const int64_t rest = static_cast<int64_t>(summary.rows.size()) - done - refused;
  return "<div class=\"cards\">\n" +
         card("models", "of " + std::to_string(summary.rows.size()), std::to_string(done) + " done") +
         card("the gate said no", "models", std::to_string(refused)) +
         card("not done", "models", std::to_string(rest)) +
         card("all files", "from " + bytes_text(before), bytes_text(after)) +
         card("time", "of all models, one after the other", report::seconds_text(seconds)) + "</div>\n";
}

/// A relative link, with what would end it or is no character of a path escaped.
std::string link_to(const std::string& name) {
  constexpr const char* kHex = "0123456789ABCDEF";
  std::string link;
  for (const char c : name) {
    if (std::string_view("%?#\"<>&' ").find(c) != std::string_view::npos)
      ((link += '%') += kHex[(c >> 4) & 15]) += kHex[c & 15];
    else
      link += c;
  }
  return link;
}

std::string table_html(const Summary& summary) {
  std::string rows;
  for (const Row& row : summary.rows) {
    const auto cell = [](const std::string& text) { return "<td class=\"num\">" + escape_html(text) + "</td>"; };
    const auto value = [&](const std::optional<double>& v) { return cell(v ? value_text(row, *v) : ""); };
    const auto bytes = [&](const std::optional<int64_t>& b) { return cell(b ? bytes_text(*b) : ""); };
    // A run that ended with an error has no report; its log says more.
    const bool reported = row.bytes.before.has_value();
    const std::string link = link_to(row.name) + (reported ? "/report.html" : "/log.txt");
    const std::string name = "<b>" + escape_html(row.name) + "</b>";
    std::string status(status_name(row.status));
    std::replace(status.begin(), status.end(), '_', ' ');
    rows += "<tr><td>" + (row.status == RowStatus::missing ? name : "<a href=\"" + link + "\">" + name + "</a>") +
            "</td><td><span class=\"badge " + badge_of(row.status) + "\">" + status + "</span></td><td>" +
            escape_html(row.metric) + "</td>" + value(row.value.before) + value(row.value.after) +
            cell(change_text(row)) + bytes(row.bytes.before) + bytes(row.bytes.after) +
            cell(row.status == RowStatus::missing ? "" : report::seconds_text(row.seconds)) + "</tr>\n";
    if (row.status != RowStatus::done && !row.reason.empty()) {
      rows += "<tr><td colspan=\"9\"><div class=\"notes\">" + escape_html(row.reason) + "</div></td></tr>\n";
    }
  }
  return "<section><h2>Models</h2><div class=\"scroll\"><table><tr><th>model</th><th>status</th><th>metric</th>"
         "<th class=\"num\">before</th><th class=\"num\">after</th><th class=\"num\">change</th>"
         "<th class=\"num\">file</th><th class=\"num\">after</th><th class=\"num\">time</th></tr>\n" +
         rows + "</table></div></section>\n";
}

}  // namespace

std::string summary_html(const Summary& summary) {
  const std::string title = std::filesystem::path(summary.manifest).filename().string();
  const char* style = summary.exit_code == 0 ? "good" : summary.exit_code == 1 ? "warn" : "bad";
  const char* verdict = summary.exit_code == 0   ? "every model is within its gate"
                        : summary.exit_code == 1 ? "the gate said no to some models"
                                                 : "some models are not done";
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
         "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
         "<meta name=\"color-scheme\" content=\"light dark\"><title>" +
         escape_html(title) + " - edgesmith zoo</title><style>" + report::kStyleSheet +
         "a{color:var(--accent);text-decoration:none}</style></head><body><main>\n<header><div class=\"eyebrow\">"
         "edgesmith zoo</div><h1>" +
         escape_html(title) + "</h1><span class=\"verdict " + style + "\">" + verdict + "</span></header>\n" +
         cards(summary) + plots(summary) + table_html(summary) + "<footer>edgesmith " +
         std::string(report::tool_version()) + "</footer></main></body></html>\n";
}

}  // namespace edgesmith::zoo
