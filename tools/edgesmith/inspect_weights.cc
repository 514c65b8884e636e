// SPDX-License-Identifier: Apache-2.0
#include "inspect_weights.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "edgesmith/base/interruptible.h"
#include "edgesmith/ir/node_text.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/pack/pack.h"
#include "edgesmith/passes/forecast.h"
#include "edgesmith/report/terminal.h"

namespace edgesmith::cli {
namespace {

using Json = nlohmann::ordered_json;
using passes::ModelFacts;
using passes::WeightFacts;
using report::Table;

/// Lines of the table of weights.
constexpr size_t kMostWeights = 10;
constexpr const char* kNothing = "nothing to do";

// Names in a model need not be UTF-8.
std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * share);
  return text;
}

double density(const ModelFacts& facts) {
  return facts.elements > 0 ? static_cast<double>(facts.nonzero) / static_cast<double>(facts.elements) : 1.0;
}

std::optional<int64_t> packed(const std::vector<pack::ModelFile>& files, ThreadPool& pool) {
  const auto bytes = pack::estimate_packed_bytes(files, pool);
  return bytes ? std::optional(static_cast<int64_t>(*bytes)) : std::nullopt;
}

Forecast forecast_one(const passes::Technique& technique, const ir::Graph& graph, const targets::Target& target,
                      ThreadPool& pool) {
  Forecast line{std::string(technique.name), std::string(technique.command), std::string(technique.method), {}, {}, ""};
  ir::Graph copy = graph.clone();
  const auto change = passes::forecast(technique, target, pool, copy);
  if (!change) {
    line.reason = change.error().message;
    return line;
  }
  if (*change == passes::Change::none) {
    line.reason = kNothing;
    return line;
  }
  auto file = onnx::export_bytes(copy);
  if (!file) {
    line.reason = file.error().message;
    return line;
  }
  line.bytes = static_cast<int64_t>(file->size());
  line.packed_bytes = packed({{"", std::move(*file)}}, pool);
  return line;
}

std::string saved(const std::optional<int64_t>& bytes, int64_t before) {
  if (!bytes || before <= 0) return "";
  return percent(static_cast<double>(before - *bytes) / static_cast<double>(before));
}

std::string bytes_or_none(const std::optional<int64_t>& bytes) { return bytes ? report::bytes_text(*bytes) : ""; }

}  // namespace

int64_t bytes_with_external_data(const std::string& path, int64_t otherwise) {
  const auto bytes = pack::model_bytes(path);
  return bytes ? *bytes : otherwise;
}

Result<std::vector<Forecast>> make_forecasts(const ir::Graph& graph, const std::string& path, int64_t bytes,
                                             const targets::Target& target, ThreadPool& pool) {
  std::vector<Forecast> forecasts;
  Forecast as_it_is{"pack", "pack", "the model as it is; a sample of large ones", {}, {}, ""};
  if (auto files = pack::read_model(path)) {
    as_it_is.packed_bytes = packed(*files, pool);
  } else {
    as_it_is.reason = files.error().message;
  }
  EDGESMITH_TRY(check_interrupted());
  as_it_is.bytes = bytes;
  forecasts.push_back(std::move(as_it_is));
  for (const passes::Technique& technique : passes::forecast_techniques()) {
    Forecast line = forecast_one(technique, graph, target, pool);
    EDGESMITH_TRY(check_interrupted());
    if (line.reason == kNothing) line.bytes = bytes, line.packed_bytes = forecasts[0].packed_bytes;
    forecasts.push_back(std::move(line));
  }
  return forecasts;
}

std::string weights_json(const ModelFacts& facts) {
  Json list = Json::array();
  for (const WeightFacts& weight : facts.weights) {
    const auto of_channels = [&](int64_t passes::LayerChannels::*member) {
      return weight.channels ? Json((*weight.channels).*member) : Json();
    };
    list.push_back({{"node", weight.node->label()},
                    {"op", ir::operator_text(*weight.node)},
                    {"weight", weight.value->name()},
                    {"elements", weight.elements},
                    {"nonzero", weight.nonzero},
                    {"density", weight.density()},
                    {"distinct", weight.distinct},
                    {"channels", of_channels(&passes::LayerChannels::channels)},
                    {"dead_channels", of_channels(&passes::LayerChannels::dead)},
                    {"duplicate_channels", of_channels(&passes::LayerChannels::duplicate)}});
  }
  return text_of(list);
}

std::string totals_json(const ModelFacts& facts) {
  return text_of({{"elements", facts.elements},
                  {"nonzero", facts.nonzero},
                  {"density", density(facts)},
                  {"dead_channels", facts.dead},
                  {"duplicate_channels", facts.duplicate},
                  {"removable_channels", facts.removable}});
}

std::string forecasts_json(const std::vector<Forecast>& forecasts, int64_t bytes) {
  Json list = Json::array();
  const auto number = [](const std::optional<int64_t>& value) { return value ? Json(*value) : Json(); };
  const auto saves = [&](const std::optional<int64_t>& value) { return value ? Json(bytes - *value) : Json(); };
  for (const Forecast& line : forecasts) {
    list.push_back({{"technique", line.technique},
                    {"command", line.command},
                    {"bytes", number(line.bytes)},
                    {"saves", saves(line.bytes)},
                    {"packed_bytes", number(line.packed_bytes)},
                    {"packed_saves", saves(line.packed_bytes)},
                    {"method", line.method},
                    {"reason", line.reason}});
  }
  return text_of(list);
}

std::string weights_text(const ModelFacts& facts, bool all, bool color) {
  if (facts.weights.empty()) return "";
  Table table({Table::Align::left, Table::Align::left, Table::Align::right, Table::Align::right, Table::Align::right,
               Table::Align::right, Table::Align::right, Table::Align::right});
  table.head(
      {all ? "weights of" : "most weights", "op", "weights", "density", "distinct", "channels", "dead", "duplicate"});
  std::vector<const WeightFacts*> shown;
  for (const WeightFacts& weight : facts.weights) shown.push_back(&weight);
  if (!all) {
    std::stable_sort(shown.begin(), shown.end(),
                     [](const WeightFacts* a, const WeightFacts* b) { return a->elements > b->elements; });
    shown.resize(std::min(shown.size(), kMostWeights));
  }
  for (const WeightFacts* weight : shown) {
    const auto& channels = weight->channels;
    table.row({weight->node->label(), ir::operator_text(*weight->node), report::count_text(weight->elements),
               percent(weight->density()), report::count_text(weight->distinct),
               channels ? std::to_string(channels->channels) : "-", channels ? std::to_string(channels->dead) : "-",
               channels ? std::to_string(channels->duplicate) : "-"});
  }
  table.row({"all", "", report::count_text(facts.elements), percent(density(facts)), "", "", std::to_string(facts.dead),
             std::to_string(facts.duplicate)},
            report::Style::bold);
  std::string text = table.text(color);
  if (shown.size() < facts.weights.size()) {
    text += "  " + std::to_string(facts.weights.size() - shown.size()) + " more; -v shows all\n";
  }
  return text;
}

std::string forecasts_text(const std::vector<Forecast>& forecasts, int64_t bytes, bool color) {
  Table table({Table::Align::left, Table::Align::right, Table::Align::right, Table::Align::right, Table::Align::right,
               Table::Align::left});
  table.head({"forecast, without data", "file", "saves", "packed", "saves", ""});
  for (const Forecast& line : forecasts) {
    table.row({line.technique, bytes_or_none(line.bytes), saved(line.bytes, bytes), bytes_or_none(line.packed_bytes),
               saved(line.packed_bytes, bytes), line.reason});
  }
  return table.text(color) + "  of the bytes alone; what it costs in accuracy, only data can tell\n";
}

}  // namespace edgesmith::cli
