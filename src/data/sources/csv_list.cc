// SPDX-License-Identifier: Apache-2.0
// A list of files: comma-separated, with a header that names the columns `path` and, where there are classes, `label`.
// Without a header (the first field is a file that is there) the columns are path and label. Paths are relative to the
// list. Fields may be quoted (RFC 4180).
#include <algorithm>
#include <charconv>
#include <filesystem>

#include "data/bytes.h"
#include "data/csv.h"
#include "data/labels.h"
#include "data/sources/forms.h"
#include "edgesmith/base/text.h"

namespace edgesmith::data {
namespace {

using Row = CsvRow;

struct Columns {
  int64_t path = -1, label = -1;
  size_t count = 0;
};

Result<Columns> find_columns(const DataSpec& spec, const Row& header) {
  const bool named = !spec.labels.empty() && spec.labels != "none";
  if (is_label_keyword(spec.labels) && named) return labels_mismatch(spec, "a list", "a column's name or none");
  Columns columns{csv_column(header, "path"), -1, header.size()};
  if (spec.labels != "none") columns.label = csv_column(header, named ? spec.labels : "label");
  if (columns.path < 0) {
    return invalid_error(spec.path + ":1: no column 'path' in the header, but " + join(header, ", "),
                         "the first line should be path,label; a table of numbers needs --features a,b,c --label y");
  }
  if (named && columns.label < 0) {
    return invalid_error(spec.path + ":1: no column '" + spec.labels + "' in the header, but " + join(header, ", "));
  }
  return columns;
}

// True when the first row names a sample and not the columns.
bool is_sample(const Row& row, const std::filesystem::path& folder) {
  std::error_code ignored;
  return row.size() <= 2 && csv_column(row, "path") < 0 &&
         std::filesystem::is_regular_file(folder / row.front(), ignored);
}

Result<SampleFile> sample_of(const Row& row, const Columns& columns, const std::string& where,
                             const std::filesystem::path& folder) {
  if (row.size() != columns.count) {
    return invalid_error(where + ": " + std::to_string(row.size()) + " fields, the header has " +
                         std::to_string(columns.count));
  }
  SampleFile file{(folder / row[static_cast<size_t>(columns.path)]).string(), -1};
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file.path, ignored)) {
    return io_error(where + ": no such file: " + file.path, "check the path; paths are relative to the list");
  }
  if (columns.label < 0) return file;
  const std::string& word = row[static_cast<size_t>(columns.label)];
  const auto end = std::from_chars(word.data(), word.data() + word.size(), file.label);
  if (end.ec != std::errc() || end.ptr != word.data() + word.size()) {
    return invalid_error(where + ": label '" + word + "' is not a class number",
                         "number the classes from 0, in the order of the model's scores");
  }
  return file;
}

}  // namespace

Result<SourcePtr> open_csv_list(const DataSpec& spec, const Signature& signature) {
  auto bytes = map_file(spec.path);
  if (!bytes) return bytes.error();
  std::string_view text(reinterpret_cast<const char*>(bytes->span.data()), bytes->size());
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  size_t at = 0;
  int64_t line = 1;
  auto header = next_csv_row(text, at, line);
  if (!header || text.empty()) return invalid_error(spec.path + ":1: no header", "the first line should be path,label");
  const std::filesystem::path folder = std::filesystem::path(spec.path).parent_path();
  if (is_sample(*header, folder)) {
    header = header->size() == 1 ? Row{"path"} : Row{"path", "label"};
    at = 0, line = 1;
  }
  auto columns = find_columns(spec, *header);
  if (!columns) return columns.error();
  std::vector<SampleFile> files;
  while (at < text.size()) {
    const std::string where = spec.path + ":" + std::to_string(line);
    const auto row = next_csv_row(text, at, line);
    if (!row) return invalid_error(where + ": a quoted field does not end");
    if (row->size() == 1 && row->front().empty()) continue;
    auto file = sample_of(*row, *columns, where, folder);
    if (!file) return file.error();
    files.push_back(std::move(*file));
  }
  return SourcePtr(std::make_unique<FileSource>(std::move(files), columns->label >= 0, signature));
}

}  // namespace edgesmith::data
