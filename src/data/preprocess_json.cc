// SPDX-License-Identifier: Apache-2.0
// Preprocessing in a model's metadata. Written by hand, so that the text is canonical (fixed order, shortest numbers,
// nothing that is not done); read with nlohmann/json.
#include <nlohmann/json.hpp>

#include "edgesmith/base/text.h"
#include "edgesmith/data/preprocess.h"

namespace edgesmith::data {
namespace {

using nlohmann::json;

std::string numbers(const std::vector<double>& values) {
  std::string text = "[";
  for (size_t i = 0; i < values.size(); ++i) text += (i > 0 ? "," : "") + shortest(values[i]);
  return text + "]";
}

Error bad(const std::string& what) {
  return invalid_error(std::string(kPreprocessKey) + ": " + what,
                       "the model's metadata is damaged; declare the preprocessing yourself");
}

bool read_numbers(const json& value, std::vector<double>& out) {
  if (!value.is_array()) return false;
  for (const json& item : value) {
    if (!item.is_number()) return false;
    out.push_back(item.get<double>());
  }
  return true;
}

bool read_string(const json& value, std::string& out) {
  if (!value.is_string()) return false;
  out = value.get<std::string>();
  return true;
}

bool read_number(const json& value, double& out) {
  if (!value.is_number()) return false;
  out = value.get<double>();
  return true;
}

bool read_size(const json& value, int64_t& out) {
  if (!value.is_number_integer()) return false;
  out = value.get<int64_t>();
  return true;
}

bool read_resize(const json& value, Preprocess& out) {
  if (!value.is_object()) return false;
  for (const auto& [key, item] : value.items()) {
    if (key == "short" && read_size(item, out.resize_short)) continue;
    if (key == "filter" && read_string(item, out.filter)) continue;
    if (key != "to" || !item.is_array()) return false;
    for (const json& side : item) {
      if (!read_size(side, out.resize_to.emplace_back())) return false;
    }
  }
  return true;
}

bool read_member(const std::string& key, const json& value, Preprocess& out) {
  if (key == "color") return read_string(value, out.color);
  if (key == "crop_fraction") return read_number(value, out.crop_fraction);
  if (key == "resize") return read_resize(value, out);
  if (key == "crop") return read_size(value, out.crop);
  if (key == "layout") return read_string(value, out.layout);
  if (key == "scale") return read_number(value, out.scale);
  if (key == "mean") return read_numbers(value, out.mean);
  if (key == "std") return read_numbers(value, out.std);
  return false;
}

Result<Preprocess> from_object(const json& object) {
  if (!object.is_object()) return bad("not a JSON object");
  Preprocess out;
  for (const auto& [key, value] : object.items()) {
    if (!read_member(key, value, out)) return bad("cannot read '" + key + "'");
  }
  if (const Status status = check_preprocess(out); !status) return bad(status.error().message);
  return out;
}

}  // namespace

std::string Preprocess::json() const {
  std::string text;
  const auto put = [&](const char* key, const std::string& value) {
    text += (text.empty() ? "\"" : ",\"") + std::string(key) + "\":" + value;
  };
  const auto quoted = [](const std::string& word) { return "\"" + word + "\""; };
  if (!color.empty()) put("color", quoted(color));
  if (crop_fraction != 0) put("crop_fraction", shortest(crop_fraction));
  if (resize_short != 0) {
    put("resize", "{\"short\":" + std::to_string(resize_short) + ",\"filter\":" + quoted(filter) + "}");
  } else if (resize_to.size() == 2) {
    put("resize", "{\"to\":[" + std::to_string(resize_to[0]) + "," + std::to_string(resize_to[1]) +
                      "],\"filter\":" + quoted(filter) + "}");
  }
  if (crop != 0) put("crop", std::to_string(crop));
  if (layout != "nchw") put("layout", quoted(layout));
  if (scale != 1) put("scale", shortest(scale));
  if (!mean.empty()) put("mean", numbers(mean));
  if (!std.empty()) put("std", numbers(std));
  return "{" + text + "}";
}

std::string preprocess_json(const PreprocessTable& table) {
  if (table.empty()) return {};
  if (table.size() == 1 && table[0].first.empty()) return table[0].second.json();
  std::string text;
  for (const auto& [name, preprocess] : table) {
    text += (text.empty() ? "" : ",") + json(name).dump(-1, ' ', false, json::error_handler_t::replace) + ":" +
            preprocess.json();
  }
  return "{\"inputs\":{" + text + "}}";
}

Result<PreprocessTable> preprocess_from_json(const std::string& text) {
  const json parsed = json::parse(text, nullptr, false);
  if (parsed.is_discarded()) return bad("not JSON");
  PreprocessTable table;
  if (!parsed.is_object() || !parsed.contains("inputs")) {
    auto one = from_object(parsed);
    if (!one) return one.error();
    table.emplace_back("", *one);
    return table;
  }
  if (!parsed["inputs"].is_object()) return bad("'inputs' is not an object");
  for (const auto& [name, object] : parsed["inputs"].items()) {
    auto one = from_object(object);
    if (!one) return one.error();
    table.emplace_back(name, *one);
  }
  return table;
}

}  // namespace edgesmith::data
