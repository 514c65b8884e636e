// SPDX-License-Identifier: Apache-2.0
// A comparison of two zoo runs for a terminal, for a pull request and for CI: one row a model, worst first.
#include <span>

#include "edgesmith/report/terminal.h"
#include "report/diff_documents.h"
#include "report/html_parts.h"

namespace edgesmith::report {
namespace {

using Align = Table::Align;

const FigureChange* find_figure(const ModelDiff& model, bool (*wanted)(const FigureChange&)) {
  if (model.diff.parts.empty()) return nullptr;
  for (const FigureChange& figure : model.diff.parts[0].figures) {
    if (wanted(figure)) return &figure;
  }
  return nullptr;
}

bool is_size_or_time(const FigureChange& figure) {
  return figure.name == "bytes" || figure.name == "MACs" || figure.name == "peak activations" ||
         figure.name == "seconds";
}

bool is_bad(const ModelDiff& model, bool judged) { return model.diff.regressions > 0 || (judged && model.lost); }

/// "top1, bytes beyond the limits", or what there is to say beside the numbers.
std::string remarks(const ModelDiff& model) {
  std::string text;
  if (!model.diff.parts.empty()) {
    for (const FigureChange& figure : model.diff.parts[0].figures) {
      if (figure.regression) text += (text.empty() ? "" : ", ") + figure.name + ": " + verdict_text(figure);
    }
  }
  for (const std::string& note : model.diff.notes) text += (text.empty() ? "" : "; ") + note;
  return text;
}

Table table_of(const ZooDiff& diff) {
  Table table({Align::left, Align::left, Align::right, Align::right, Align::right, Align::right, Align::right,
               Align::right, Align::right, Align::left});
  table.head({"model", "metric", "old", "new", "change", "bytes", "new", "change", "time", ""});
  for (const ModelDiff& model : diff.models) {
    const FigureChange* metric = find_figure(model, [](const FigureChange& f) { return !is_size_or_time(f); });
    const FigureChange* bytes = find_figure(model, [](const FigureChange& f) { return f.name == "bytes"; });
    const FigureChange* time = find_figure(model, [](const FigureChange& f) { return f.name == "seconds"; });
    const auto cell = [](const FigureChange* figure, const std::string FigureChange::*text) {
      return figure != nullptr ? figure->*text : std::string();
    };
    table.row({model.name, cell(metric, &FigureChange::name), cell(metric, &FigureChange::before),
               cell(metric, &FigureChange::after), cell(metric, &FigureChange::change),
               cell(bytes, &FigureChange::before), cell(bytes, &FigureChange::after),
               cell(bytes, &FigureChange::change), cell(time, &FigureChange::change), remarks(model)},
              is_bad(model, diff.judged) ? Style::red : Style::plain);
  }
  return table;
}

std::span<const DiffPart> steps_of(const ModelDiff& model) {
  const std::span<const DiffPart> parts = model.diff.parts;
  return parts.empty() ? parts : parts.subspan(1);
}

/// True for a model beyond the limits whose steps say where that comes from.
bool explains(const ModelDiff& model) { return model.diff.regressions > 0 && !steps_of(model).empty(); }

std::string conclusion(const ZooDiff& diff) {
  int worse = 0;
  for (const ModelDiff& model : diff.models) worse += is_bad(model, diff.judged);
  const std::string of = " of " + std::to_string(diff.models.size()) + " models";
  if (!diff.judged) return std::to_string(diff.models.size()) + " models; no limit was given: shown, not judged";
  return worse > 0 ? std::to_string(worse) + of + " beyond the limits" : "all" + of + " within the limits";
}

}  // namespace

std::string zoo_diff_text(const ZooDiff& diff, bool color) {
  std::string text = table_of(diff).text(color);
  for (const ModelDiff& model : diff.models) {
    if (!explains(model)) continue;
    text += "  " + paint(model.name, Style::bold, color) + "\n";
    for (const DiffPart& part : steps_of(model)) text += part_table(part).text(color);
  }
  return text + "  " + paint(conclusion(diff), diff.regressions > 0 ? Style::red : Style::plain, color);
}

std::string zoo_diff_markdown(const ZooDiff& diff) {
  std::string text = "### zoo: " + conclusion(diff) + "\n\n" + table_of(diff).markdown();
  for (const ModelDiff& model : diff.models) {
    if (!explains(model)) continue;
    text += "\n<details><summary>" + escape_html(model.name) + ", step by step</summary>\n";
    for (const DiffPart& part : steps_of(model)) text += "\n" + part_table(part).markdown();
    text += "\n</details>\n";
  }
  return text;
}

std::string zoo_diff_junit(const ZooDiff& diff) {
  std::string cases;
  int count = 0;
  const auto add = [&](const std::string& model, const std::string& name, const std::string& failure) {
    ++count;
    cases += "    <testcase classname=\"" + escape_html(model) + "\" name=\"" + escape_html(name) + "\"";
    cases +=
        failure.empty() ? "/>\n" : ">\n      <failure message=\"" + escape_html(failure) + "\"/>\n    </testcase>\n";
  };
  for (const ModelDiff& model : diff.models) {
    if (diff.judged) add(model.name, "result", model.lost ? remarks(model) : "");
    if (model.diff.parts.empty()) continue;
    for (const FigureChange& figure : model.diff.parts[0].figures) {
      if (!figure.limit) continue;
      add(model.name, figure.name,
          figure.regression ? figure.before + " -> " + figure.after + ": " + verdict_text(figure) : "");
    }
  }
  const std::string counts =
      "tests=\"" + std::to_string(count) + "\" failures=\"" + std::to_string(diff.regressions) + "\"";
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites " + counts +
         ">\n  <testsuite name=\"edgesmith report diff\" " + counts + ">\n" + cases + "  </testsuite>\n</testsuites>\n";
}

}  // namespace edgesmith::report
