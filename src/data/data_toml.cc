// SPDX-License-Identifier: Apache-2.0
// Descriptions of data in TOML. Keys are held against a list, so that a slip of the pen is an error and not silence.
#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <span>

#include "data/labels.h"
#include "edgesmith/base/text.h"
#include "edgesmith/data/preprocess.h"

namespace edgesmith::data {
namespace {

const std::vector<std::string> kTopKeys = {"path", "labels", "label", "features", "limit", "preprocess"};
const std::vector<std::string> kPreprocessKeys = {"color",  "crop_fraction", "resize", "crop",
                                                  "layout", "scale",         "mean",   "std"};
const std::vector<std::string> kResizeKeys = {"short", "to", "filter"};

/// In place of a line, for keys that are in no file.
const std::string kAsSet = ", with what is set";

/// A table of the description, as errors name it.
struct Place {
  const TomlSource* source;
  std::string table;  ///< "preprocess.left"; "" for the whole

  Place below(const std::string& key) const { return {source, table.empty() ? key : table + "." + key}; }
  /// "d.toml: line 5: preprocess.left: "
  std::string at(const toml::source_region& region) const {
    const auto line = static_cast<size_t>(region.begin.line);
    const std::span<const int> lines = source->lines;
    const int shown = lines.empty() ? static_cast<int>(line) : line >= 1 && line <= lines.size() ? lines[line - 1] : 0;
    const std::string name = source->name + (shown > 0 ? ": line " + std::to_string(shown) : kAsSet) + ": ";
    const std::string inside = source->place + (source->place.empty() || table.empty() ? "" : ".") + table;
    return inside.empty() ? name : name + inside + ": ";
  }
  std::string at(const toml::node& node) const { return at(node.source()); }
};

Error unknown_key(const Place& where, const toml::key& key, const std::vector<std::string>& known) {
  const std::string name(key.str()), near = nearest(name, known);
  return usage_error(where.at(key.source()) + "unknown key '" + name + "'",
                     near.empty() ? "known are " + join(known, ", ") : "did you mean '" + near + "'?");
}

Error wrong_type(const Place& where, const toml::node& node, const std::string& key, const char* wanted) {
  return usage_error(where.at(node) + "'" + key + "' is not " + wanted);
}

// A number, or a fraction as text ("1/255").
Status read_real(const toml::node& node, const Place& where, const std::string& key, double& out) {
  if (const auto number = node.value<double>()) {
    out = *number;
    return {};
  }
  if (const auto text = node.value<std::string>()) {
    const Status status = parse_number(*text, out);
    if (status.ok()) return status;
    return usage_error(where.at(node) + "'" + key + "': " + status.error().message, status.error().hint);
  }
  return wrong_type(where, node, key, "a number");
}

Status read_reals(const toml::node& node, const Place& where, const std::string& key, std::vector<double>& out) {
  out.clear();
  const toml::array* list = node.as_array();
  if (list == nullptr) return read_real(node, where, key, out.emplace_back());
  for (const toml::node& item : *list) EDGESMITH_TRY(read_real(item, where, key, out.emplace_back()));
  return {};
}

Status read_share(const toml::node& node, const Place& where, const std::string& key, double& out) {
  EDGESMITH_TRY(read_real(node, where, key, out));
  return out > 0 && out <= 1 ? Status() : Status(wrong_type(where, node, key, "a share in (0, 1]"));
}

Status read_size(const toml::node& node, const Place& where, const std::string& key, int64_t& out) {
  const auto number = node.value_exact<int64_t>();
  if (!number || *number <= 0) return wrong_type(where, node, key, "a positive integer");
  out = *number;
  return {};
}

Status read_text(const toml::node& node, const Place& where, const std::string& key, std::string& out) {
  const auto text = node.value_exact<std::string>();
  if (!text) return wrong_type(where, node, key, "a string");
  out = *text;
  return {};
}

Status read_resize(const toml::node& node, const Place& where, Preprocess& out) {
  const toml::table* table = node.as_table();
  if (table == nullptr) return wrong_type(where, node, "resize", "a table { short = ... } or { to = [height, width] }");
  for (const auto& [name, value] : *table) {
    const std::string key(name.str());
    if (key == "short") {
      EDGESMITH_TRY(read_size(value, where, key, out.resize_short));
    } else if (key == "filter") {
      EDGESMITH_TRY(read_text(value, where, key, out.filter));
    } else if (key == "to") {
      const toml::array* sides = value.as_array();
      if (sides == nullptr || sides->size() != 2) return wrong_type(where, node, key, "[height, width]");
      for (const toml::node& side : *sides) EDGESMITH_TRY(read_size(side, where, key, out.resize_to.emplace_back()));
    } else {
      return unknown_key(where.below("resize"), name, kResizeKeys);
    }
  }
  if (out.resize_short == 0 && out.resize_to.empty()) {
    return usage_error(where.below("resize").at(node) + "neither 'short' nor 'to'");
  }
  return {};
}

Status read_preprocess_key(const toml::key& name, const toml::node& node, const Place& where, Preprocess& out) {
  const std::string key(name.str());
  if (key == "color") return read_text(node, where, key, out.color);
  if (key == "layout") return read_text(node, where, key, out.layout);
  if (key == "crop_fraction") return read_share(node, where, key, out.crop_fraction);
  if (key == "resize") return read_resize(node, where, out);
  if (key == "crop") return read_size(node, where, key, out.crop);
  if (key == "scale") return read_real(node, where, key, out.scale);
  if (key == "mean") return read_reals(node, where, key, out.mean);
  if (key == "std") return read_reals(node, where, key, out.std);
  return unknown_key(where, name, kPreprocessKeys);
}

/// Keys and values of a table, where they stand in the document: copies of toml++ forget that.
using Members = std::vector<std::pair<const toml::key*, const toml::node*>>;

Members members_of(const toml::table& table) {
  Members members;
  for (auto at = table.begin(); at != table.end(); ++at) members.emplace_back(&at->first, &at->second);
  return members;
}

Result<Preprocess> read_one(const Members& members, const toml::node& table, const Place& where) {
  Preprocess out;
  for (const auto& [name, node] : members) EDGESMITH_TRY(read_preprocess_key(*name, *node, where, out));
  if (const Status status = check_preprocess(out); !status) {
    std::string message = status.error().message;
    const std::string prefix = "preprocess.";  // which the place says
    if (message.starts_with(prefix)) message.erase(0, prefix.size());
    return usage_error(where.at(table) + message, status.error().hint);
  }
  return out;
}

// [preprocess] itself, and [preprocess.NAME] for each table in it that is no key of its own.
Status read_preprocess(const toml::node& node, const Place& where, PreprocessTable& out) {
  const toml::table* table = node.as_table();
  if (table == nullptr) return wrong_type(where, node, "preprocess", "a table");
  const Place inside = where.below("preprocess");
  Members common;
  for (const auto& member : members_of(*table)) {
    const std::string key(member.first->str());
    const bool own_key = std::find(kPreprocessKeys.begin(), kPreprocessKeys.end(), key) != kPreprocessKeys.end();
    if (own_key || !member.second->is_table()) {
      common.push_back(member);
      continue;
    }
    const toml::table& own = *member.second->as_table();
    auto one = read_one(members_of(own), own, inside.below(key));
    if (!one) return one.error();
    out.emplace_back(key, *one);
  }
  if (!common.empty() || out.empty()) {
    auto one = read_one(common, *table, inside);
    if (!one) return one.error();
    out.insert(out.begin(), {"", *one});
  }
  return {};
}

std::string below(const std::string& folder, const std::string& path) {
  return (std::filesystem::path(folder) / path).lexically_normal().string();
}

// `labels` names a file when there is one of this name; array names are left alone.
std::string resolve_labels(const std::string& labels, const std::string& folder) {
  const bool file_name = labels.find_first_of("./") != std::string::npos;
  std::error_code ignored;
  if (is_label_keyword(labels) || !file_name || !std::filesystem::exists(below(folder, labels), ignored)) return labels;
  return below(folder, labels);
}

Status read_features(const toml::node& node, const Place& where, std::vector<std::string>& out) {
  const toml::array* list = node.as_array();
  if (list == nullptr || list->empty()) return wrong_type(where, node, "features", "a list of columns");
  for (const toml::node& item : *list) EDGESMITH_TRY(read_text(item, where, "features", out.emplace_back()));
  return {};
}

Result<toml::table> parse_toml(std::string_view text, const Place& where) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    return usage_error(where.at(error.source()) + "not TOML: " + std::string(error.description()),
                       quotes_hint(text, error.source().begin.line));
  }
}

}  // namespace

Result<DataSpec> data_spec_from_toml(std::string_view text, const std::string& folder, const TomlSource& source) {
  const Place where{&source, ""};
  const auto parsed = parse_toml(text, where);
  if (!parsed) return parsed.error();
  DataSpec spec;
  for (const auto& [key_name, node] : *parsed) {
    const std::string key(key_name.str());
    if (key == "path") {
      EDGESMITH_TRY(read_text(node, where, key, spec.path));
    } else if (key == "labels" || key == "label") {
      if (!spec.labels.empty()) {
        return usage_error(where.at(node) + "both 'label' and 'labels' are given", "keep one of them");
      }
      EDGESMITH_TRY(read_text(node, where, key, spec.labels));
    } else if (key == "features") {
      EDGESMITH_TRY(read_features(node, where, spec.features));
    } else if (key == "limit") {
      EDGESMITH_TRY(read_size(node, where, key, spec.limit));
    } else if (key == "preprocess") {
      EDGESMITH_TRY(read_preprocess(node, where, spec.preprocess));
    } else {
      return unknown_key(where, key_name, kTopKeys);
    }
  }
  if (spec.path.empty()) {
    return usage_error(where.at(*parsed) + "no 'path'", "say where the data are: path = \"...\"");
  }
  spec.path = below(folder, spec.path);
  spec.labels = resolve_labels(spec.labels, folder);
  return spec;
}

const std::vector<std::string>& data_spec_keys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> all = {"path", "labels", "label", "features", "limit"};
    for (const std::string& key : kPreprocessKeys) {
      if (key != "resize") all.push_back("preprocess." + key);
    }
    for (const std::string& key : kResizeKeys) all.push_back("preprocess.resize." + key);
    return all;
  }();
  return keys;
}

}  // namespace edgesmith::data
