// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/data/class_names.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "data/csv.h"
#include "data/signature.h"
#include "data/sources/forms.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/data/preprocess.h"

namespace edgesmith::data {
namespace {

/// No model tells more classes apart.
constexpr int64_t kMostClasses = 1'000'000;

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Result<std::vector<std::string>> names_of_table(const std::string& text, const std::string& path) {
  size_t at = 0;
  int64_t line = 1;
  const auto header = next_csv_row(text, at, line);
  const int64_t label = header ? csv_column(*header, "label") : -1, name = header ? csv_column(*header, "name") : -1;
  if (label < 0 || name < 0) {
    return invalid_error(path + ": no columns 'label' and 'name'",
                         "name the columns so, or give a text file with one name a line");
  }
  std::vector<std::string> names;
  while (at < text.size()) {
    const int64_t here = line;
    const auto row = next_csv_row(text, at, line);
    if (row && row->size() == 1 && row->front().empty()) continue;  // an empty line
    int64_t index = -1;
    const auto fields = static_cast<int64_t>(row ? row->size() : 0);
    if (std::max(label, name) < fields) {
      const std::string& number = (*row)[static_cast<size_t>(label)];
      const auto end = std::from_chars(number.data(), number.data() + number.size(), index);
      if (end.ec != std::errc() || end.ptr != number.data() + number.size()) index = -1;
    }
    if (index < 0 || index > kMostClasses) {
      return invalid_error(path + ": line " + std::to_string(here) + ": no label from 0 to " +
                           std::to_string(kMostClasses) + " with a name");
    }
    if (static_cast<size_t>(index) >= names.size()) names.resize(static_cast<size_t>(index) + 1);
    names[static_cast<size_t>(index)] = (*row)[static_cast<size_t>(name)];
  }
  return names;
}

/// The class folders of data whose labels are the ranks of their folders, also of data that a .toml describes.
std::vector<std::string> ranked_folders(const DataSpec& given) {
  DataSpec spec = given;
  if (std::filesystem::path(given.path).extension() == ".toml") {
    const auto text = read_file(given.path);
    if (!text) return {};
    auto described = data_spec_from_toml(*text, std::filesystem::path(given.path).parent_path().string(), {given.path});
    if (!described) return {};
    spec = std::move(*described);
    if (!given.labels.empty()) spec.labels = given.labels;
  }
  std::error_code ignored;
  if (!(spec.labels.empty() || spec.labels == "folders") || !std::filesystem::is_directory(spec.path, ignored))
    return {};
  auto listing = list_folder(spec.path);
  if (!listing || !holds_classes(spec, *listing)) return {};
  return std::move(listing->folders);
}

}  // namespace

std::vector<std::string> folder_class_names(const DataSpec& spec) {
  std::vector<std::string> names = ranked_folders(spec);
  if (std::all_of(names.begin(), names.end(), is_number)) return {};
  return names;
}

void warn_about_missing_classes(const DataSpec& spec, const ir::Graph& graph) {
  const auto folders = static_cast<int64_t>(ranked_folders(spec).size());
  const Signature signature = signature_of(graph);
  const int64_t scores = signature.num_classes(), classes = scores == 1 ? 2 : scores;  // one score says yes or no
  if (folders == 0 || classes < 0 || folders == classes) return;
  log::warning(spec.path + ": has " + std::to_string(folders) + (folders == 1 ? " folder, " : " folders, ") +
               "output '" + signature.output_names[0] + "' has " + std::to_string(classes) +
               " classes: a folder's label is its rank, so those behind a missing one are labelled as other classes");
}

Result<std::vector<std::string>> read_class_names(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return text.error();
  if (path.ends_with(".csv")) return names_of_table(*text, path);
  std::vector<std::string> names;
  for (size_t at = 0; at < text->size();) {
    const size_t end = std::min(text->find('\n', at), text->size());
    std::string name = text->substr(at, end - at);
    if (!name.empty() && name.back() == '\r') name.pop_back();
    names.push_back(std::move(name));
    at = end + 1;
  }
  return names;
}

}  // namespace edgesmith::data
